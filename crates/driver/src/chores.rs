//! Chores that are under way or due: what the driver must remember between two checks.

use crate::backoff::Backoff;
use model::Index;

/// A check also follows this many bytes of log, long before they could use up a reserve of the default size.
const CHECK_EVERY_BYTES: u64 = 16 << 20;

#[derive(Debug, Default)]
pub(crate) struct Chores {
    log_bytes_since_check: u64,
    scrub: Scrub,
    /// The log's spare segments are replaced when this entry is purged.
    scrub_after: Option<Index>,
    compacting_bodies: bool,
    preparing: bool,
    writing_bodies: bool,
    pub(crate) bodies: Backoff,
    pub(crate) state: Backoff,
    pub(crate) prepare: Backoff,
}

/// The log may hold removed events. Its segments that a flush makes unnecessary are replaced then, instead of
/// being used again. Only a flush that begins after the removal covers them all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scrub {
    #[default]
    NotNeeded,
    /// With the next flush that begins.
    Wanted,
    /// With the flush under way.
    Flushing,
    /// With the flush under way, and again with the next.
    FlushingAndWanted,
}

impl Chores {
    pub(crate) fn log_grew(&mut self, bytes: u64) {
        self.log_bytes_since_check = self.log_bytes_since_check.saturating_add(bytes);
    }

    pub(crate) fn is_check_due(&self) -> bool {
        self.log_bytes_since_check >= CHECK_EVERY_BYTES
    }

    pub(crate) fn checked(&mut self) {
        self.log_bytes_since_check = 0;
    }

    pub(crate) fn is_compacting_bodies(&self) -> bool {
        self.compacting_bodies
    }

    pub(crate) fn compacting_bodies(&mut self) {
        self.compacting_bodies = true;
    }

    /// The rewrite of a body segment has ended without one.
    pub(crate) fn bodies_not_compacted(&mut self) {
        self.compacting_bodies = false;
    }

    /// What found no space may be tried again at once.
    pub(crate) fn disk_has_space(&mut self) {
        for backoff in [&mut self.bodies, &mut self.state, &mut self.prepare] {
            backoff.try_now();
        }
    }

    pub(crate) fn bodies_compacted(&mut self) {
        self.compacting_bodies = false;
        self.scrub = match self.scrub {
            Scrub::NotNeeded | Scrub::Wanted => Scrub::Wanted,
            Scrub::Flushing | Scrub::FlushingAndWanted => Scrub::FlushingAndWanted,
        };
    }

    pub(crate) fn flush_began(&mut self) {
        if self.scrub == Scrub::Wanted {
            self.scrub = Scrub::Flushing;
        }
    }

    /// A flush has found no space. It begins again later.
    pub(crate) fn flush_failed(&mut self) {
        if self.scrub != Scrub::NotNeeded {
            self.scrub = Scrub::Wanted;
        }
    }

    /// A flush has ended that holds everything up to this entry.
    pub(crate) fn flushed(&mut self, through: Index) {
        let (now, next) = match self.scrub {
            Scrub::NotNeeded => (false, Scrub::NotNeeded),
            Scrub::Wanted => (false, Scrub::Wanted),
            Scrub::Flushing => (true, Scrub::NotNeeded),
            Scrub::FlushingAndWanted => (true, Scrub::Wanted),
        };
        self.scrub = next;
        if now {
            self.scrub_after = Some(through);
        }
    }

    /// Whether spare log segments must be replaced after a purge of everything up to this entry. The purge may come later
    /// than the flush that made the entries unnecessary, and go less far, because an archive still reads them.
    pub(crate) fn purged(&mut self, through: Index) -> bool {
        self.scrub_after.take_if(|after| *after <= through).is_some()
    }

    /// Returns whether segments may be prepared: one preparation at a time.
    pub(crate) fn begin_preparing(&mut self) -> bool {
        !std::mem::replace(&mut self.preparing, true)
    }

    pub(crate) fn prepared(&mut self) {
        self.preparing = false;
    }

    /// Returns whether bodies may be written: one job at a time.
    pub(crate) fn begin_writing_bodies(&mut self) -> bool {
        !std::mem::replace(&mut self.writing_bodies, true)
    }

    pub(crate) fn bodies_written(&mut self) {
        self.writing_bodies = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Compacted,
        Began,
        Failed,
        /// And everything was purged.
        Flushed,
        /// And an archive still reads the last entry.
        FlushedOnly,
        Purged,
    }
    use Step::{Began, Compacted, Failed, Flushed, FlushedOnly, Purged};

    #[test]
    fn the_log_is_scrubbed_after_a_flush_that_began_after_the_compaction() {
        for (steps, scrubs) in [
            (vec![Began, Flushed], vec![false]),
            (vec![Compacted, Began, Flushed], vec![true]),
            // The flush under way does not cover what was compacted during it.
            (vec![Began, Compacted, Flushed, Began, Flushed], vec![false, true]),
            (vec![Compacted, Began, Compacted, Flushed, Began, Flushed], vec![true, true]),
            (vec![Compacted, Began, Failed, Began, Flushed], vec![true]),
            // The flush that follows one that failed covers everything up to then.
            (vec![Compacted, Began, Compacted, Failed, Began, Flushed, Began, Flushed], vec![true, false]),
            (vec![Began, Failed, Began, Flushed], vec![false]),
            (vec![Compacted, Began, Flushed, Began, Flushed], vec![true, false]),
            // With the purge, however long after the flush.
            (vec![Compacted, Began, FlushedOnly, Purged], vec![false, true]),
            (vec![Compacted, Began, FlushedOnly, Began, Flushed, Purged], vec![false, true, false]),
        ] {
            let mut chores = Chores::default();
            let mut found = Vec::new();
            let mut flushed = Index(0);
            for step in &steps {
                if matches!(step, Flushed | FlushedOnly) {
                    flushed.0 += 10;
                    chores.flushed(flushed);
                }
                match step {
                    Compacted => chores.bodies_compacted(),
                    Began => chores.flush_began(),
                    Failed => chores.flush_failed(),
                    Flushed | Purged => found.push(chores.purged(flushed)),
                    FlushedOnly => found.push(chores.purged(Index(flushed.0 - 1))),
                }
            }
            assert_eq!(found, scrubs, "{steps:?}");
        }
    }
}
