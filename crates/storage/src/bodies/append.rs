//! The single owner of the body file's end.
//!
//! A batch is one write into the system's cache, without a sync, that the disk may leave for another thread. The log
//! holds the same events, so recovery cuts the body file back to the end that the state refers to, and replays the
//! rest.

use super::records::{Glance, is_point, peek};
use super::segment::{RECORDS_AT, Shared, Tail};
use super::{
    BodyError, BodyOptions, BodyReader, BodySync, BodyWrite, CheckedBodies, Compaction, SegmentId, recovery,
};
use crate::disk::{Disk, DiskFile};
use crate::state::Progress;
use format::body_index::{BodyPoint, BodyTrailer, encode_ending};
use format::header::{BodySegmentHeader, HEADER_BYTES_MAX};
use model::{Cursor, Position, Wall};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The size of the body file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyStats {
    pub segments: usize,
    /// Bytes on disk.
    pub bytes: u64,
    /// Removed records that are still on disk. After a crash, the number may be too high but never too low.
    pub dead_records: u64,
    /// Estimated bytes of those records: each counts as the mean record of its segment.
    pub dead_bytes: u64,
    /// A segment is due to be rewritten, but only after the state's next flush has completed.
    pub is_flush_wanted: bool,
}

/// Appends bodies and counts removed ones.
#[derive(Debug)]
pub struct Bodies<D: Disk> {
    pub(super) shared: Arc<Shared<D>>,
    is_flush_wanted: bool,
    points: Vec<BodyPoint>,
}

impl<D: Disk> Bodies<D> {
    /// Opens the body file in a directory of its own, or creates one there, and cuts it back to the logical
    /// offset `end`, which is the `bodies_end` of the flushed state: a [`BodySync`] has covered it. Everything after that is lost for good, so first make
    /// sure that the log holds what follows the state.
    ///
    /// # Errors
    /// [`BodyError`]. A file that is shorter than `end`, or damaged at its end, is not opened.
    pub fn open(disk: D, end: u64, options: BodyOptions) -> Result<(Self, BodyReader<D>), BodyError> {
        Self::check(disk, end, options)?.open()
    }

    /// Reads what [`Self::open`] would open, and changes nothing. Use this to check other stores before bodies
    /// are cut off.
    ///
    /// # Errors
    /// [`BodyError`], as with [`Self::open`].
    pub fn check(disk: D, end: u64, options: BodyOptions) -> Result<CheckedBodies<D>, BodyError> {
        recovery::check(disk, end, options)
    }

    pub(super) fn of(shared: Arc<Shared<D>>) -> (Self, BodyReader<D>) {
        let reader = BodyReader::new(Arc::clone(&shared));
        (Self { shared, is_flush_wanted: false, points: Vec::new() }, reader)
    }

    /// Appends whole encoded records, in position order, in one write, and returns the new logical end.
    /// `last` is the cursor of the last record. Readers see the records at once. A [`BodySync`] makes them
    /// durable.
    ///
    /// # Errors
    /// `NoSpace`: nothing was appended. After any other error the node must stop.
    pub fn append(&mut self, records: &[u8], last: Cursor) -> Result<u64, BodyError> {
        self.shared.check()?;
        if records.is_empty() {
            return Ok(self.end());
        }
        let result = self.append_batch(records, last);
        self.shared.poisons(result)
    }

    /// The logical offset after the last record.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.shared.layout().end()
    }

    /// Bytes that were appended and are left for a [`BodyWrite`] or a [`BodySync`], because the disk writes later.
    #[must_use]
    pub fn later_bytes(&self) -> u64 {
        self.shared.disk.later_bytes()
    }

    /// A job for another thread that writes what appending has left for later.
    #[must_use]
    pub fn write_handle(&self) -> BodyWrite<D> {
        BodyWrite::new(&self.shared)
    }

    /// A job for another thread that makes durable everything appended and noted so far.
    #[must_use]
    pub fn sync_handle(&self) -> BodySync<D> {
        BodySync::new(&self.shared)
    }

    /// Reports the progress that a completed flush of the state has made durable. Recovery never cuts below its
    /// `bodies_end`, so segments below it may be rewritten.
    pub fn persisted(&mut self, flushed: Progress) {
        self.shared.persisted.fetch_max(flushed.bodies_end, Ordering::Release);
    }

    /// Notes that the state no longer refers to these events. Noting one twice, as a replay after a crash
    /// does, only causes an earlier rewrite.
    pub fn note_removed(&mut self, positions: &[Position], now: Wall) {
        self.shared.note_removed(positions, now);
    }

    /// A segment that should be rewritten now, because half of its records are dead or its first removal was
    /// long enough ago. If the unsealed segment has old dead events, it is sealed first. `None` while a
    /// segment is being rewritten.
    ///
    /// # Errors
    /// `NoSpace`: retry later. After any other error the node must stop.
    pub fn compaction_due(&mut self, now: Wall) -> Result<Option<SegmentId>, BodyError> {
        self.shared.check()?;
        self.is_flush_wanted = false;
        if self.shared.ledger().is_rewriting() {
            return Ok(None);
        }
        let kept_ms = self.shared.options.removed_kept_ms;
        if self.shared.is_tail_old(now, kept_ms) {
            let rolled = self.roll();
            self.shared.poisons(rolled)?;
        }
        let (due, waits) = self.shared.due(now, kept_ms);
        self.is_flush_wanted = waits;
        Ok(due)
    }

    /// A job for another thread that rewrites a segment that is due. Only one may run at a time.
    #[must_use]
    pub fn compaction(&self, segment: SegmentId) -> Compaction<D> {
        Compaction::new(&self.shared, segment)
    }

    #[must_use]
    pub fn stats(&self) -> BodyStats {
        let layout = self.shared.layout();
        let ledger = self.shared.ledger();
        let sealed = layout.sealed.iter().map(|segment| segment.file_bytes()).sum::<u64>();
        BodyStats {
            segments: layout.sealed.len() + 1,
            bytes: sealed + layout.tail.records_end,
            dead_records: ledger.dead_records(),
            dead_bytes: ledger.dead_bytes(&layout),
            is_flush_wanted: self.is_flush_wanted,
        }
    }

    fn append_batch(&mut self, records: &[u8], last: Cursor) -> Result<u64, BodyError> {
        let rolls = {
            let layout = self.shared.layout();
            layout.tail.records > 0
                && layout.tail.records_end + records.len() as u64 > self.shared.options.segment_bytes
        };
        if rolls {
            self.roll()?;
        }
        let mut points = mem::take(&mut self.points);
        let result = self.write_batch(records, last, &mut points);
        self.points = points;
        result
    }

    fn write_batch(
        &self,
        records: &[u8],
        last: Cursor,
        points: &mut Vec<BodyPoint>,
    ) -> Result<u64, BodyError> {
        points.clear();
        let (file, at, batch) = {
            let layout = self.shared.layout();
            let tail = &layout.tail;
            let batch = check(records, tail, self.shared.options.stride_bytes, points)?;
            (Arc::clone(&tail.file), tail.records_end, batch)
        };
        if batch.last != last {
            return Err(BodyError::BadBatch);
        }
        if let Err(source) = file.write_later(records, at) {
            return Err(BodyError::io(&self.shared.layout().tail.name, source));
        }
        let mut layout = self.shared.layout_mut();
        let tail = &mut layout.tail;
        if tail.records == 0 {
            tail.first = batch.first;
        }
        tail.records += batch.records;
        tail.records_end += records.len() as u64;
        tail.last = last;
        tail.points.append(points);
        Ok(tail.end())
    }
}

impl<F> Tail<F> {
    /// A segment without records, after the given last event.
    pub(super) const fn new(name: String, file: Arc<F>, header: BodySegmentHeader, last: Cursor) -> Self {
        let first = Cursor::START;
        Self { name, file, header, records_end: RECORDS_AT, records: 0, first, last, points: Vec::new() }
    }
}

struct Batch {
    records: u64,
    first: Cursor,
    last: Cursor,
}

/// Checks that the bytes are whole records, in order, after the tail's last one, and finds the index points
/// among them.
fn check<F>(
    records: &[u8],
    tail: &Tail<F>,
    stride: u64,
    points: &mut Vec<BodyPoint>,
) -> Result<Batch, BodyError> {
    let mut batch = Batch { records: 0, first: Cursor::START, last: tail.last };
    let mut rest = records;
    let mut offset = tail.records_end;
    while !rest.is_empty() {
        let Ok(Some(Glance { cursor, len })) = peek(rest) else { return Err(BodyError::BadBatch) };
        if cursor <= batch.last || len > rest.len() {
            return Err(BodyError::BadBatch);
        }
        if batch.records == 0 {
            batch.first = cursor;
        }
        if is_point(points.last().or(tail.points.last()), offset, stride) {
            points.push(BodyPoint { position: cursor.position, offset });
        }
        batch.records += 1;
        batch.last = cursor;
        offset += len as u64;
        rest = &rest[len..];
    }
    Ok(batch)
}

/// Encodes the index and trailer at the end of a segment.
pub(super) fn end_segment(
    header: &BodySegmentHeader,
    points: &[BodyPoint],
    (records, first, last): (u64, Cursor, Cursor),
    out: &mut Vec<u8>,
) -> BodyTrailer {
    let trailer = BodyTrailer { records, first, last, points: points.len() as u32, points_checksum: 0 };
    encode_ending(header, points, trailer, out)
}

pub(super) fn write_header<F: DiskFile>(file: &F, header: &BodySegmentHeader) -> std::io::Result<()> {
    let mut sector = header.encode();
    sector.resize(HEADER_BYTES_MAX, 0);
    file.write_later(&sector, 0)
}
