//! The log: what makes an entry durable. One log is shared by all groups of a node.

mod error;
mod preparer;
mod reader;
mod writer;

pub use error::LogError;
pub use preparer::{LogPreparer, Prepared};
pub use reader::{EntryPage, LogReader, StoredEntry};
pub use writer::{LogStats, LogWriter};

use crate::disk::Disk;
use format::frame::HardState;
use format::header::StoreId;
use model::{GroupId, Index};
use std::collections::BTreeMap;

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// Whose log it is; a segment of another store is refused.
    pub store: StoreId,
    /// A segment is full before it passes this; only a frame longer than a whole segment does.
    pub segment_bytes: u64,
    /// Purged segments kept for recycling; others are removed.
    pub spares_max: usize,
}

impl LogOptions {
    /// 64 MiB a segment, four spares.
    #[must_use]
    pub const fn new(store: StoreId) -> Self {
        Self { store, segment_bytes: 64 << 20, spares_max: 4 }
    }
}

/// What a group had in the log when it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecoveredGroup {
    pub hard_state: HardState,
    /// The first entry there is. Entries that were purged may come back with a start: purge them again.
    pub first: Index,
    /// The last entry there is; `first - 1` when there is none.
    pub last: Index,
}

/// A log, ready.
#[derive(Debug)]
pub struct OpenedLog<D: Disk> {
    /// For the log thread.
    pub writer: LogWriter<D>,
    /// For everyone.
    pub reader: LogReader<D>,
    /// For a thread in the background.
    pub preparer: LogPreparer<D>,
    pub groups: BTreeMap<GroupId, RecoveredGroup>,
}

/// See [`Log::open`].
#[derive(Debug)]
pub struct Log;

impl Log {
    /// Opens the log in a directory of its own, or begins one there. When it returns, all that was recovered
    /// is durable.
    ///
    /// # Errors
    /// [`LogError`]; a log that is damaged below its durable end is never opened.
    pub fn open<D: Disk>(disk: D, options: LogOptions) -> Result<OpenedLog<D>, LogError> {
        let _ = (disk, options);
        Err(LogError::Poisoned)
    }
}
