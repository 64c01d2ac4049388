//! The body file: every event's body once, in position order, in append-only segments.
//!
//! The log makes events durable; the body file is where they stay. [`Bodies`] has the one end, where batches
//! are appended without a sync. [`BodyReader`]s serve the whole store as one sequential scan, and single events
//! by their positions, through a sparse index a segment. A [`BodySync`] makes durable what was appended, before
//! the state that knows of it is flushed. A [`Compaction`] takes removed events out of a sealed segment.
//!
//! What it guarantees:
//! - After a crash the file holds exactly the records up to the offset that the state knows, or is refused.
//! - A record is handed out whole and as it was written, or the file is said to be damaged.
//! - Removed events leave the disk when half of their segment is dead, or some time after the first removal.
//! - Memory is bounded by the number of segments and of indexes kept, not by that of events.
//!
//! It knows no thread and no clock, and of a record only its position and length.

mod append;
mod compaction;
mod error;
mod reader;
mod records;
mod recovery;
mod removals;
mod segment;
mod sync;
#[cfg(test)]
mod tests;

pub use append::{Bodies, BodyStats};
pub use compaction::{Compacted, Compaction};
pub use error::BodyError;
pub use reader::{BodyPage, BodyReader};
pub use sync::BodySync;

use format::header::StoreId;

/// How a body file is kept.
#[derive(Clone, Copy, Debug)]
pub struct BodyOptions {
    /// Whose bodies they are; a segment of another store is refused.
    pub store: StoreId,
    /// A segment is full before it passes this; only a batch longer than a whole segment does.
    pub segment_bytes: u64,
    /// Bytes of bodies between two points of a segment's index.
    pub stride_bytes: u64,
    /// Indexes of sealed segments that are kept in memory.
    pub indexes_max: usize,
    /// A segment is rewritten this long after its first removal, however little of it is dead.
    pub removed_kept_ms: u64,
}

impl BodyOptions {
    /// 64 MiB a segment, an index point every 8 KiB, 32 indexes in memory (4 MiB), 24 hours.
    #[must_use]
    pub const fn new(store: StoreId) -> Self {
        Self {
            store,
            segment_bytes: 64 << 20,
            stride_bytes: 8 << 10,
            indexes_max: 32,
            removed_kept_ms: 24 * 60 * 60 * 1_000,
        }
    }
}

/// A sealed segment, by the logical offset of its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SegmentId(pub u64);
