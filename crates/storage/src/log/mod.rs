//! The log: what makes an entry durable. One log is shared by all groups of a node.
//!
//! ```text
//! segment   header │ carry frame │ frame │ frame │ ... │ index frame          (sealed)
//! segment   header │ carry frame │ frame │ frame │ mark │ frame │ 0 0 0 ...   (the last)
//! spare     header of an earlier use, or zeros │ old frames, or zeros
//! ```
//!
//! A write appends one frame of group records to the last segment; a sync makes all frames durable that were
//! written before. Segments are zeroed once, in the background, and then recycled, because a sync of blocks
//! that were written before costs less than of a file that grows. The forms are in `format::frame`,
//! `format::header` and `format::log_index`.
//!
//! What it guarantees:
//! - What was synced is found again when the log is opened, in whatever moment the power was cut, or the log
//!   is refused as damaged. It is never cut short silently: a broken frame is taken for a torn tail only when
//!   nothing behind it says that it had been synced.
//! - An entry replaces those of its group from its index on, in memory and when the log is opened.
//! - A purge never loses a hard state: each segment begins with all groups' latest.
//! - After a failed write or sync the log says nothing more. Only want of space leaves it usable.
//!
//! It knows no thread: the writer is for one that may block, the readers for any, the preparer for one in the
//! background.

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
        recovery::open(disk, options)
    }
}
