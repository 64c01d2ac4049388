//! The one owner of the body file's end.

use super::{BodyError, BodyOptions, BodyReader, BodySync, Compaction, SegmentId};
use crate::disk::Disk;
use model::{Cursor, Position, Wall};

/// How large the body file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyStats {
    pub segments: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// Records whose removal was noted and that are still on disk; an estimate after a restart.
    pub dead_records: u64,
}

/// Appends bodies and keeps account of dead ones.
#[derive(Debug)]
pub struct Bodies<D: Disk> {
    _disk: D,
}

impl<D: Disk> Bodies<D> {
    /// Opens the body file in a directory of its own, or begins one there, and cuts it back to the logical
    /// offset `end`, the state's `bodies_end`.
    ///
    /// # Errors
    /// [`BodyError`]; a file that is shorter than `end`, or damaged at its end, is not opened.
    pub fn open(disk: D, end: u64, options: BodyOptions) -> Result<(Self, BodyReader<D>), BodyError> {
        let _ = (disk, end, options);
        Err(BodyError::Poisoned)
    }

    /// Appends whole encoded records in position order, in one write, and returns the new logical end. `last`
    /// is the cursor of the last record. Readers see the records at once; a [`BodySync`] makes them durable.
    ///
    /// # Errors
    /// `NoSpace`: nothing was appended. Anything else: the node must stop.
    pub fn append(&mut self, records: &[u8], last: Cursor) -> Result<u64, BodyError> {
        let _ = (records, last);
        Err(BodyError::Poisoned)
    }

    /// The logical offset after the last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        0
    }

    /// Sets space aside for `bytes` bytes of records, before anything is proposed, and returns how many bytes
    /// are set aside. Cheap when they already are.
    ///
    /// # Errors
    /// `NoSpace`: propose nothing, and ask again later. Anything else: the node must stop.
    pub fn reserve(&mut self, bytes: u64) -> Result<u64, BodyError> {
        let _ = bytes;
        Err(BodyError::Poisoned)
    }

    /// The work of making durable all that has been appended and noted so far, for another thread.
    #[must_use]
    pub fn sync_handle(&self) -> BodySync<D> {
        BodySync { disk: self._disk.clone() }
    }

    /// A state flush that holds this `bodies_end` has completed: recovery never cuts below it, so segments
    /// below it may be rewritten.
    pub fn persisted(&mut self, end: u64) {
        let _ = end;
    }

    /// These events are gone from the state for good. Noting one twice (a replay after a crash does) makes a
    /// compaction come earlier, nothing else.
    pub fn note_removed(&mut self, positions: &[Position], now: Wall) {
        let _ = (positions, now);
    }

    /// A segment that is to be rewritten now: half of it is dead, or its first removal was long enough ago.
    /// An unsealed segment with old dead events is sealed first.
    ///
    /// # Errors
    /// `NoSpace`: ask again later. Anything else: the node must stop.
    pub fn compaction_due(&mut self, now: Wall) -> Result<Option<SegmentId>, BodyError> {
        let _ = now;
        Ok(None)
    }

    /// The work of rewriting a segment that was due, for another thread. One at a time.
    #[must_use]
    pub fn compaction(&self, segment: SegmentId) -> Compaction<D> {
        Compaction { disk: self._disk.clone(), segment }
    }

    #[must_use]
    pub fn stats(&self) -> BodyStats {
        BodyStats::default()
    }
}
