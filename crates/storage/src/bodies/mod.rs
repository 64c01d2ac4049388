//! The body file: every event's body once, in position order, in append-only segments.

mod append;
mod compaction;
mod error;
mod reader;
mod sync;

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
