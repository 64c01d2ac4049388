//! Rewrites a segment without its dead records.
//!
//! ```text
//! live records ──▶ compact.new ──sync──▶ renamed ──sync the directory──▶ in the layout ──▶ old file removed
//! ```
//!
//! After a crash before the rename is durable, the old file is still there, and the new one is removed when
//! the body file is opened. After a later crash, the file with the greater generation counts, and the old one
//! is removed. Only segments that recovery can never cut are rewritten. A reader that has the old file open
//! continues to read it.
//!
//! Segments just before this one that have no events left are merged into the new one, so that a store whose
//! events expire does not accumulate empty files.

use super::append::{end_segment, write_header};
use super::records::{Scan, Summary};
use super::removals::Noted;
use super::segment::{COMPACT_NAME, RECORDS_AT, Sealed, Shared, file_name};
use super::sync::failed;
use super::{BodyError, SegmentId};
use crate::disk::{Disk, DiskFile};
use format::body::BodyRecord;
use format::header::BodySegmentHeader;
use model::Wall;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const WRITE_BYTES: usize = 256 << 10;
/// How much may be written between two syncs, so that the log's syncs never wait for a whole segment.
const SYNC_EVERY_BYTES: u64 = 4 << 20;

/// What a compaction did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    pub records_kept: u64,
    pub records_dropped: u64,
    pub bytes_freed: u64,
}

/// The work of rewriting one segment; see [`super::Bodies::compaction`].
#[derive(Debug)]
pub struct Compaction<D: Disk> {
    shared: Arc<Shared<D>>,
    /// The empty segments before the segment, then the segment. Empty when it cannot be rewritten now: it no
    /// longer exists, no completed flush covers it, or another one is being rewritten.
    sources: Vec<Arc<Sealed<D::File>>>,
    is_done: bool,
}

impl<D: Disk> Compaction<D> {
    pub(super) fn new(shared: &Arc<Shared<D>>, segment: SegmentId) -> Self {
        let layout = shared.layout();
        let found = layout.sealed.binary_search_by_key(&segment.0, |sealed| sealed.header.first);
        let persisted = shared.persisted.load(Ordering::Acquire);
        let mut sources = Vec::new();
        let mut ledger = shared.ledger();
        if let Ok(found) = found
            && layout.sealed[found].end <= persisted
            && !ledger.is_rewriting()
        {
            let empty = layout.sealed[..found].iter().rev().take_while(|sealed| sealed.trailer.records == 0);
            sources.extend_from_slice(&layout.sealed[found - empty.count()..=found]);
            ledger.begin_rewriting(segment.0);
        }
        Self { shared: Arc::clone(shared), sources, is_done: false }
    }

    /// Rewrites the segment with only its live records, and replaces the old one. Positions stay the same,
    /// and readers are not disturbed. A crash at any moment leaves either the old segment or the new one.
    /// Blocks.
    ///
    /// # Errors
    /// `NoSpace` or `Liveness`: the old segment stays. After any other error the node must stop.
    pub fn run<E>(
        mut self,
        is_live: impl FnMut(&BodyRecord<'_>) -> Result<bool, E>,
    ) -> Result<Compacted, BodyError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.shared.check()?;
        if self.sources.is_empty() {
            return Ok(Compacted::default());
        }
        let result = self.rewrite(is_live);
        self.is_done = result.is_ok();
        self.shared.poisons(result)
    }

    fn rewrite<E>(
        &self,
        is_live: impl FnMut(&BodyRecord<'_>) -> Result<bool, E>,
    ) -> Result<Compacted, BodyError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let shared = &*self.shared;
        let (first, source) = (&self.sources[0], &self.sources[self.sources.len() - 1]);
        let generation = self.sources.iter().map(|sealed| sealed.header.generation).max().unwrap_or(0) + 1;
        let header = BodySegmentHeader {
            store: shared.options.store,
            first: first.header.first,
            generation,
            end: source.end,
        };
        let mut copy = Copy::begin(shared, header)?;
        let copied =
            copy.live_records(source, is_live).and_then(|dropped| Ok((dropped, copy.end(first, source)?)));
        let (dropped, rewritten) = match copied {
            Ok((0, _)) if self.sources.len() == 1 => {
                // Nothing is dead after all.
                discard(shared)?;
                shared.ledger().end_rewriting(&[], header.first);
                return Ok(Compacted { records_kept: source.trailer.records, ..Compacted::default() });
            }
            Ok(copied) => copied,
            Err(error) => {
                discard(shared)?;
                return Err(error);
            }
        };
        let renamed = shared.disk.rename(COMPACT_NAME, &rewritten.name);
        renamed.and_then(|()| shared.disk.sync_dir()).map_err(|source| failed(&rewritten.name, source))?;
        let before = self.sources.iter().map(|sealed| sealed.file_bytes()).sum::<u64>();
        let done = Compacted {
            records_kept: rewritten.trailer.records,
            records_dropped: dropped,
            bytes_freed: before.saturating_sub(rewritten.file_bytes()),
        };
        self.replace(rewritten);
        for sealed in &self.sources {
            shared.disk.remove(&sealed.name).map_err(|source| failed(&sealed.name, source))?;
        }
        shared.unsynced().names += 1;
        Ok(done)
    }

    fn replace(&self, rewritten: Sealed<D::File>) {
        let mut layout = self.shared.layout_mut();
        let first = rewritten.header.first;
        let found = layout.sealed.partition_point(|sealed| sealed.header.first < first);
        layout.sealed.splice(found..found + self.sources.len(), [Arc::new(rewritten)]);
        let replaced: Vec<u64> = self.sources.iter().map(|sealed| sealed.header.first).collect();
        self.shared.ledger().end_rewriting(&replaced, first);
    }
}

impl<D: Disk> Drop for Compaction<D> {
    fn drop(&mut self) {
        if !self.is_done && !self.sources.is_empty() {
            self.shared.ledger().abandon_rewriting();
        }
    }
}

fn discard<D: Disk>(shared: &Shared<D>) -> Result<(), BodyError> {
    shared.disk.remove(COMPACT_NAME).map_err(|source| failed(COMPACT_NAME, source))
}

/// The new file while it is written.
struct Copy<F> {
    file: F,
    header: BodySegmentHeader,
    summary: Summary,
    buffer: Vec<u8>,
    /// Where the buffer goes in the file.
    at: u64,
    synced: u64,
}

impl<F: DiskFile> Copy<F> {
    fn begin<D: Disk<File = F>>(shared: &Shared<D>, header: BodySegmentHeader) -> Result<Self, BodyError> {
        let failed = |source| BodyError::io(COMPACT_NAME, source);
        let file = shared.disk.create(COMPACT_NAME).map_err(failed)?;
        if let Err(source) = write_header(&file, &header) {
            discard(shared)?;
            return Err(failed(source));
        }
        let summary = Summary::new(shared.options.stride_bytes);
        Ok(Self { file, header, summary, buffer: Vec::new(), at: RECORDS_AT, synced: 0 })
    }

    /// Copies the live records, and returns how many records were dead.
    fn live_records<E>(
        &mut self,
        source: &Sealed<F>,
        mut is_live: impl FnMut(&BodyRecord<'_>) -> Result<bool, E>,
    ) -> Result<u64, BodyError>
    where
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut dropped = 0;
        let mut scan = Scan::new(&source.name, &*source.file, RECORDS_AT..source.records_end);
        while let Some(scanned) = scan.next()? {
            if !is_live(&scanned.record).map_err(|error| BodyError::Liveness(error.into()))? {
                dropped += 1;
                continue;
            }
            self.summary.note(scanned.record.cursor(), self.at + self.buffer.len() as u64);
            self.buffer.extend_from_slice(scanned.bytes);
            if self.buffer.len() >= WRITE_BYTES {
                self.write()?;
            }
        }
        Ok(dropped)
    }

    fn write(&mut self) -> Result<(), BodyError> {
        let written = self.file.write_at(&self.buffer, self.at);
        written.map_err(|source| BodyError::io(COMPACT_NAME, source))?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        if self.at - self.synced >= SYNC_EVERY_BYTES {
            self.file.sync().map_err(|source| failed(COMPACT_NAME, source))?;
            self.synced = self.at;
        }
        Ok(())
    }

    /// Writes what is left, then the index and trailer, and makes the file durable. The trailer covers all
    /// events that were ever in the sources.
    fn end(mut self, first: &Sealed<F>, last: &Sealed<F>) -> Result<Sealed<F>, BodyError> {
        let records_end = self.at + self.buffer.len() as u64;
        let covered = (self.summary.records, first.trailer.first, last.trailer.last);
        let trailer = end_segment(&self.header, &self.summary.points, covered, &mut self.buffer);
        self.write()?;
        self.file.sync().map_err(|source| failed(COMPACT_NAME, source))?;
        let name = file_name(self.header.first, self.header.generation);
        let (file, header) = (Arc::new(self.file), self.header);
        Ok(Sealed { name, file, header, end: header.end, records_end, trailer })
    }
}

impl<D: Disk> Shared<D> {
    /// A sealed segment that is due and can be rewritten now. If there is none, also whether one waits for a
    /// flush of the state.
    pub(super) fn due(&self, now: Wall, kept_ms: u64) -> (Option<SegmentId>, bool) {
        let persisted = self.persisted.load(Ordering::Acquire);
        let layout = self.layout();
        let mut waits = false;
        for (first, noted) in self.ledger().segments() {
            let Ok(found) = layout.sealed.binary_search_by_key(&first, |sealed| sealed.header.first) else {
                continue;
            };
            let sealed = &layout.sealed[found];
            if noted.records * 2 < sealed.trailer.records && !is_old(noted, now, kept_ms) {
                continue;
            }
            if sealed.end <= persisted {
                return (Some(SegmentId(first)), false);
            }
            waits = true;
        }
        (None, waits)
    }

    /// Whether the tail has held dead records for too long.
    pub(super) fn is_tail_old(&self, now: Wall, kept_ms: u64) -> bool {
        let layout = self.layout();
        let noted = self.ledger().get(layout.tail.header.first);
        layout.tail.records > 0 && noted.is_some_and(|noted| is_old(noted, now, kept_ms))
    }
}

fn is_old(noted: Noted, now: Wall, kept_ms: u64) -> bool {
    now.0.saturating_sub(noted.since.0) >= kept_ms
}
