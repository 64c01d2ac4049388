//! The step from one segment to the next.
//!
//! A full segment is sealed with its index and synced. Then the next one's header and carry frame are written
//! and synced. Frames are written to it only after that. So no matter when a crash happens, everything before
//! the last segment that has begun is on disk.

use super::LogError;
use super::index::{Content, Pool, lock};
use super::segment::{BLOCK_BYTES, Segment, Spare, beginning, carry_end, file_name, rewrite_header};
use super::writer::LogWriter;
use crate::disk::{Disk, DiskFile, is_no_space};
use format::frame::{FrameKind, encode_carry, frame_bytes};
use format::header::LogSegmentHeader;
use format::log_index::{NOTE_BYTES_MAX, SegmentIndex};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const BLOCK: u64 = BLOCK_BYTES as u64;

impl<D: Disk> LogWriter<D> {
    /// The bytes that may follow a frame in this segment: the index and a mark. A segment consists of whole
    /// blocks, so the rest of the last block always fits.
    fn closing_bytes(&self, records: u64) -> u64 {
        let index = lock(&self.shared.content).current.encoded_bytes();
        frame_bytes(index) + records * NOTE_BYTES_MAX as u64 + frame_bytes(0)
    }

    pub(super) fn fits(&self, bytes: u64, records: u64) -> bool {
        let frame = frame_bytes(usize::try_from(bytes).unwrap_or(usize::MAX >> 1));
        self.end() + frame + self.closing_bytes(records) <= self.shared.options.segment_bytes
    }

    /// Seals the segment and begins the next one.
    pub(super) fn begin_next(&mut self) -> Result<(), LogError> {
        let index_at = match self.sealed_at {
            Some(at) => at,
            None => self.seal()?,
        };
        let shared = Arc::clone(&self.shared);
        let _headers = lock(&shared.headers);
        self.close()?;
        let (oldest, carried) = carry(&lock(&shared.content));
        let spare = self.take_spare(carry_end(&carried).next_multiple_of(BLOCK))?;
        let header = LogSegmentHeader {
            store: shared.options.store,
            generation: self.next_generation,
            oldest,
            previous: self.segment.header.generation,
            previous_end: self.end(),
            previous_index: index_at,
        };
        self.next_generation += 1;
        // From here on a failure is final, because after a crash the next segment may or may not have begun.
        let failed = |source| LogError::Failed { file: spare.name.clone(), source };
        let mut bytes = beginning(&header, self.opening, &carried);
        spare.file.write_at(&bytes, 0).map_err(failed)?;
        spare.file.sync().map_err(failed)?;
        let end = carry_end(&carried);
        self.block_at = end - end % BLOCK;
        bytes.truncate(end as usize);
        self.block = bytes.split_off(self.block_at as usize);
        self.go_on_in(Segment::new(spare.name, spare.file, header, spare.space), end);
        Ok(())
    }

    fn seal(&mut self) -> Result<u64, LogError> {
        let mut index = Vec::new();
        lock(&self.shared.content).current.encode(&mut index);
        let at = self.append(FrameKind::Index, &index)?;
        self.sealed_at = Some(at);
        Ok(at)
    }

    /// Syncs a sealed segment, and then writes the oldest segment needed into its header. The next segment
    /// must not overwrite a file that recovery would still require if the power failed during that.
    fn close(&mut self) -> Result<(), LogError> {
        self.sync_segment()?;
        let oldest = lock(&self.shared.content).oldest();
        if lock(&self.shared.pool).oldest_on_disk < oldest {
            let header = LogSegmentHeader { oldest, ..self.segment.header };
            rewrite_header(&*self.segment.file, &header).map_err(|source| self.failed(source))?;
            self.segment.file.sync().map_err(|source| self.failed(source))?;
            lock(&self.shared.pool).oldest_on_disk = oldest;
        }
        Ok(())
    }

    fn go_on_in(&mut self, segment: Segment<D::File>, end: u64) {
        let segment = Arc::new(segment);
        segment.space.fetch_max(end.next_multiple_of(BLOCK), Ordering::Relaxed);
        (self.begun_end, self.durable, self.data_end, self.stated) = (end, end, end, 0);
        self.sealed_at = None;
        self.segment = Arc::clone(&segment);
        lock(&self.shared.pool).oldest_on_disk = segment.header.oldest;
        let mut content = lock(&self.shared.content);
        content.segments.push_back(segment);
        content.current = SegmentIndex::default();
        content.end = end;
    }

    /// A file with space for `needed` bytes, for the next segment: recycled, prepared, or new.
    fn take_spare(&self, needed: u64) -> Result<Spare<D::File>, LogError> {
        let best = {
            let mut pool = lock(&self.shared.pool);
            let best = (0..pool.spares.len()).max_by_key(|at| pool.spares[*at].space);
            best.map(|at| pool.spares.swap_remove(at))
        };
        let Some(mut spare) = best else { return self.create(needed) };
        if spare.space < needed {
            match reserve(&*spare.file, self.shared.options.segment_bytes, needed) {
                Ok(space) => spare.space = space,
                Err(source) => {
                    let error = LogError::io(&spare.name, source);
                    lock(&self.shared.pool).spares.push(spare);
                    return Err(error);
                }
            }
        }
        Ok(spare)
    }

    /// A new file, which grows as it is written, because the preparer has none ready.
    fn create(&self, needed: u64) -> Result<Spare<D::File>, LogError> {
        let name = new_name(&mut lock(&self.shared.pool));
        let disk = &self.shared.disk;
        let file = disk.create(&name).map_err(|source| LogError::io(&name, source))?;
        let space = match reserve(&file, self.shared.options.segment_bytes, needed) {
            Ok(space) => space,
            Err(source) => {
                disk.remove(&name).map_err(|source| LogError::io(&name, source))?;
                return Err(LogError::io(&name, source));
            }
        };
        disk.sync_dir().map_err(|source| LogError::Failed { file: name.clone(), source })?;
        Ok(Spare { name, file: Arc::new(file), generation: 0, space })
    }
}

pub(super) fn new_name<F>(pool: &mut Pool<F>) -> String {
    pool.next_file += 1;
    file_name(pool.next_file - 1)
}

/// Every group's latest hard state, and the oldest generation that is needed.
fn carry<F>(content: &Content<F>) -> (u64, Vec<u8>) {
    let mut records = Vec::new();
    for (id, group) in &content.groups {
        encode_carry(*id, group.hard_state, group.purged, &mut records);
    }
    (content.oldest(), records)
}

/// Reserves the space of a whole segment, or only the needed space if the disk does not have that much.
fn reserve<F: DiskFile>(file: &F, segment_bytes: u64, needed: u64) -> std::io::Result<u64> {
    let whole = segment_bytes.max(needed);
    match file.reserve(whole) {
        Err(error) if is_no_space(&error) && needed < whole => file.reserve(needed).map(|()| needed),
        result => result.map(|()| whole),
    }
}
