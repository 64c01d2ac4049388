//! The log makes entries durable. All groups of a node share one log.
//!
//! ```text
//! segment   header │ carry frame │ frame │ frame │ ... │ index frame          (sealed)
//! segment   header │ carry frame │ frame │ frame │ mark │ frame │ 0 0 0 ...   (the last)
//! spare     header of an earlier use, or zeros │ old frames, or zeros
//! ```
//!
//! A write appends one frame of group records to the last segment. A sync makes all frames durable that were
//! written before it. Segments are zeroed once, in the background, and then recycled, because syncing blocks
//! that were written before is cheaper than syncing a file that grows. The formats are in `format::frame`,
//! `format::header` and `format::log_index`.
//!
//! What it guarantees:
//! - Opening the log finds everything that was synced, no matter when the power was cut, or reports the log
//!   as damaged. The log is never cut short silently: a broken frame counts as a torn tail only if no frame
//!   after it says that it had been synced.
//! - An entry replaces all entries of its group from its index on, in memory and when the log is opened.
//! - A purge never loses a hard state: each segment begins with the latest one of every group.
//! - After a failed write or sync the log refuses all further work. Only lack of space leaves it usable.
//! - What an earlier process failed to sync is written again when the log is opened, before anything follows
//!   it.
//!
//! It starts no thread. The writer belongs on a thread that may block, readers work on any thread, and the
//! preparer belongs on a background thread.

mod error;
mod frames;
mod index;
mod preparer;
mod reader;
mod recovery;
mod rotation;
mod segment;
#[cfg(test)]
mod tests;
mod writer;

pub use error::LogError;
pub use preparer::{LogPreparer, Prepared};
pub use reader::{EntryPage, LogReader, StoredEntry};
pub use writer::{LogStats, LogWriter};

use crate::disk::Disk;
use format::frame::HardState;
use format::header::StoreId;
use format::terms::Terms;
use model::{GroupId, Index};
use std::collections::BTreeMap;

/// The options of a log.
#[derive(Clone, Copy, Debug)]
pub struct LogOptions {
    /// The store that the log belongs to. A segment of another store is an error.
    pub store: StoreId,
    /// The maximum size of a segment. Only a single frame that is longer than this exceeds it.
    pub segment_bytes: u64,
    /// How many purged segments are kept for recycling. Others are removed.
    pub spares_max: usize,
}

impl LogOptions {
    /// 64 MiB for each segment, four spares.
    #[must_use]
    pub const fn new(store: StoreId) -> Self {
        Self { store, segment_bytes: 64 << 20, spares_max: 4 }
    }
}

/// What the log held for one group when it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredGroup {
    pub hard_state: HardState,
    /// The first entry. Purged entries may reappear after a start: purge them again.
    pub first: Index,
    /// The last entry; `first - 1` when there is none.
    pub last: Index,
    /// The terms of these entries, and of the purged one before the first if there is one.
    pub terms: Terms,
}

/// An open log.
#[derive(Debug)]
pub struct OpenedLog<D: Disk> {
    /// For the log thread.
    pub writer: LogWriter<D>,
    /// For any thread.
    pub reader: LogReader<D>,
    /// For a background thread.
    pub preparer: LogPreparer<D>,
    pub groups: BTreeMap<GroupId, RecoveredGroup>,
}

/// Opens logs; see [`Log::open`].
#[derive(Debug)]
pub struct Log;

impl Log {
    /// Opens the log in a directory of its own, or creates one there. When this returns, everything that was
    /// recovered is durable.
    ///
    /// # Errors
    /// [`LogError`]. A log with damage before its durable end is never opened.
    pub fn open<D: Disk>(disk: D, options: LogOptions) -> Result<OpenedLog<D>, LogError> {
        recovery::open(disk, options)
    }
}
