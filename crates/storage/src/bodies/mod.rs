//! The body file: every event's body once, in position order, in append-only segments.
//!
//! The log makes events durable; the body file keeps them. [`Bodies`] owns its end, where batches are
//! appended without a sync. A [`BodyPreparer`] prepares the next segment. A [`BodyReader`] reads the whole store as one sequential scan, or single events
//! by their positions, using a sparse index of each segment. A [`BodySync`] makes appended bodies durable
//! before the state that refers to them is flushed. A [`Compaction`] removes dead events from a sealed
//! segment. A [`Salvage`] reads what is left of a body file that cannot be opened.
//!
//! What it guarantees:
//! - After a crash, the file holds exactly the records up to the offset that the state refers to, or opening
//!   it fails.
//! - A record is returned completely and as it was written, or the file is reported as damaged.
//! - Removed events leave the disk when half of their segment is dead, or some time after the first removal.
//! - Memory is bounded by the number of segments and of cached indexes, not by the number of events.
//!
//! It knows no thread and no clock. Of a record it uses only the cursor, the length and the checksum.

mod append;
mod compaction;
mod copy;
mod error;
mod pinned;
mod reader;
mod records;
mod recovery;
mod removals;
mod roll;
mod salvage;
mod segment;
mod sync;
#[cfg(test)]
mod tests;

pub use append::{Bodies, BodyStats};
pub use compaction::{Compacted, Compaction};
pub use copy::{CopyKind, SegmentCopy, SegmentSummary};
pub use error::BodyError;
pub use pinned::{PinnedBodies, PinnedFile, PinnedFiles, PinnedSegment};
pub use reader::{BodyCount, BodyPage, BodyReader};
pub use recovery::CheckedBodies;
pub use roll::BodyPreparer;
pub use salvage::{Salvage, Salvaged, Unreadable};
pub use sync::{BodySync, BodyWrite};

use format::header::StoreId;

/// The options of a body file.
#[derive(Clone, Copy, Debug)]
pub struct BodyOptions {
    /// The store that the bodies belong to. A segment of another store is an error.
    pub store: StoreId,
    /// The maximum size of a segment. Only a single batch that is longer than this exceeds it.
    pub segment_bytes: u64,
    /// Bytes of bodies between two points of a segment's index.
    pub stride_bytes: u64,
    /// How many indexes of sealed segments are kept in memory.
    pub indexes_max: usize,
    /// A segment is rewritten this many milliseconds after its first removal, even if little of it is dead.
    pub removed_kept_ms: u64,
    /// How many bytes of bodies may be written before [`BodyWrite::run`] syncs them. A flush that had to sync
    /// everything since the last one would keep the disk busy for tens of milliseconds, and every sync of the log
    /// would wait behind it.
    pub unsynced_bytes: u64,
}

impl BodyOptions {
    /// 64 MiB for each segment, an index point every 8 KiB, 32 indexes in memory (4 MiB), 24 hours, a sync for
    /// every 4 MiB.
    #[must_use]
    pub const fn new(store: StoreId) -> Self {
        Self {
            store,
            segment_bytes: 64 << 20,
            stride_bytes: 8 << 10,
            indexes_max: 32,
            removed_kept_ms: 24 * 60 * 60 * 1_000,
            unsynced_bytes: 4 << 20,
        }
    }
}

/// A sealed segment, identified by the logical offset of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentId(pub u64);
