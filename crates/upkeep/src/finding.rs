//! What is wrong with a store, in three sentences: what it is, what it affects, and what to do.

use model::Cursor;
use serde::{Deserialize, Serialize};

const RESTORE: &str = "Keep the directory as it is, and restore the newest backup to an empty one (`mainstay restore`). With \
                       `--log-of` this directory, what its log has after the backup is restored too. Without a \
                       backup, `mainstay salvage` saves the events that can still be read.";

/// Something is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub what: String,
    /// What can no longer be relied on.
    pub affected: String,
    pub remedy: String,
}

impl Finding {
    /// Something that only a backup helps against.
    pub(crate) fn restore(what: impl ToString, affected: &str) -> Self {
        Self { what: what.to_string(), affected: affected.to_owned(), remedy: RESTORE.to_owned() }
    }

    /// The state, or a part of it.
    pub(crate) fn of_state(what: impl ToString) -> Self {
        const AFFECTED: &str = "Everything but the events themselves: which streams there are, tasks, schedules, leases, \
                                values, keys. No node starts here, or it stops when it reads this.";
        Self::restore(what, AFFECTED)
    }

    /// A segment of the bodies, of which everything through `last` is intact.
    pub(crate) fn of_segment(what: impl ToString, last: Cursor) -> Self {
        let affected = format!(
            "Events of this segment after cursor {last}: a node stops when it reads one of them. Events of other segments \
             are not affected."
        );
        let remedy = "Restore the newest backup to an empty directory (`mainstay restore`), with `--log-of` this one. If this \
                      data is newer than the backup, first export the streams that can be read (`mainstay export`).";
        Self { what: what.to_string(), affected, remedy: remedy.to_owned() }
    }

    /// State and bodies are about different events.
    pub(crate) fn of_mismatch(what: impl ToString) -> Self {
        Self::restore(what, "Reads of the whole store and of single streams may show different events.")
    }
}
