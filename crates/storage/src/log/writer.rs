//! Appends frames and makes them durable.
//!
//! Every write is of whole blocks: the last, partly filled block is kept in memory and written again with
//! what is appended to it. The bytes that were there already are written as they were, so a torn write harms
//! nothing that was synced.
//!
//! A segment that is full is sealed with its index and synced; then the next one's header and carry frame
//! are written and synced; only then do frames go there. So at each moment of a crash everything before the
//! last segment that has begun is on disk.

use super::LogError;
use super::index::{Content, Pool, STRIDE_BYTES, Shared, Update, lock, read_updates};
use super::segment::{BLOCK_BYTES, Segment, Spare, beginning, carry_end, file_name, rewrite_header};
use crate::disk::{Disk, DiskFile, is_no_space};
use format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, encode_carry, frame_bytes};
use format::header::LogSegmentHeader;
use format::log_index::SegmentIndex;
use model::{GroupId, Index};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// A buffer that one very long frame made long is not kept.
const BUFFER_KEPT_BYTES: usize = 1 << 20;
/// What one group record adds to a segment's index at most.
const INDEXED_BYTES: u64 = 40;

/// How large the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    pub segments: usize,
    pub spares: usize,
    /// Bytes of all files, spares included.
    pub bytes: u64,
}

/// The one owner of the log's end. Lives on the log thread.
#[derive(Debug)]
pub struct LogWriter<D: Disk> {
    shared: Arc<Shared<D>>,
    segment: Arc<Segment<D::File>>,
    opening: u32,
    next_generation: u64,
    /// Where the block in `block` begins.
    block_at: u64,
    /// What the last block holds; the segment ends after it.
    block: Vec<u8>,
    /// Where the segment ended when it had just begun.
    begun_end: u64,
    /// Up to where the segment is on disk.
    durable: u64,
    /// Where the last frame ends that is more than a mark.
    data_end: u64,
    /// The greatest durable end that a frame says.
    stated: u64,
    /// The index frame, while it is the segment's last frame.
    sealed_at: Option<u64>,
    /// Segments may become spares when what has been written is durable.
    is_purged: bool,
    updates: Vec<Update>,
}

/// How a writer begins.
pub(super) struct End {
    pub(super) opening: u32,
    pub(super) next_generation: u64,
    /// What is known to be on disk of the last segment.
    pub(super) durable: u64,
}

impl<D: Disk> LogWriter<D> {
    /// Appends `records` (one or more group records, `format::frame::encode_group`) as one frame. It is
    /// durable after the next [`Self::sync`]. An entry replaces all of its group from its index on.
    ///
    /// # Errors
    /// `NoSpace`: nothing was appended. Anything else: the node must stop.
    pub fn write(&mut self, records: &[u8]) -> Result<(), LogError> {
        self.shared.check()?;
        let mut updates = mem::take(&mut self.updates);
        let result = match read_updates(records, &mut updates) {
            Ok(()) => self.write_read(records, &updates),
            Err(_) => Err(LogError::BadRecords),
        };
        self.updates = updates;
        self.shared.poisons(result)
    }

    fn write_read(&mut self, records: &[u8], updates: &[Update]) -> Result<(), LogError> {
        if self.end() > self.begun_end && !self.fits(records.len() as u64, updates.len() as u64) {
            self.begin_next()?;
        }
        let offset = self.append(FrameKind::Records, records)?;
        self.data_end = self.end();
        let mut content = lock(&self.shared.content);
        content.apply(updates, self.segment.header.generation, offset);
        content.end = self.data_end;
        Ok(())
    }

    /// Returns when all that was written is durable.
    ///
    /// # Errors
    /// The log is poisoned for good; the node must stop.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.shared.check()?;
        let result = self.sync_segment();
        self.shared.poisons(result)
    }

    /// Whether [`Self::mark`] has something to say: frames were synced and no frame says so yet.
    #[must_use]
    pub const fn is_mark_wanted(&self) -> bool {
        self.durable >= self.data_end && self.stated < self.data_end
    }

    /// Writes down how far the log is durable, so that damage below is never taken for a torn tail. Call it
    /// when the log has become idle; it needs no sync.
    ///
    /// # Errors
    /// `NoSpace`: nothing was appended. Anything else: the node must stop.
    pub fn mark(&mut self) -> Result<(), LogError> {
        self.shared.check()?;
        if !self.is_mark_wanted() {
            return Ok(());
        }
        let result = self.append(FrameKind::Mark, &[]).map(|_| ());
        self.shared.poisons(result)
    }

    /// The group's entries through this index are no longer needed. It appends a small frame that says so;
    /// with the next [`Self::sync`] the segments that hold nothing else become spares.
    ///
    /// # Errors
    /// `NoSpace`: nothing changed. Anything else: the node must stop.
    pub fn purge(&mut self, group: GroupId, through: Index) -> Result<(), LogError> {
        self.shared.check()?;
        let result = self.write_purge(group, through);
        self.shared.poisons(result)
    }

    fn write_purge(&mut self, group: GroupId, through: Index) -> Result<(), LogError> {
        let known =
            lock(&self.shared.content).groups.get(&group).map(|group| (group.hard_state, group.purged));
        let Some((hard_state, purged)) = known else { return Ok(()) };
        if through <= purged {
            return Ok(());
        }
        let mut record = Vec::new();
        encode_carry(group, hard_state, through, &mut record);
        if !self.fits(record.len() as u64, 1) {
            self.begin_next()?;
        }
        self.append(FrameKind::Carry, &record)?;
        self.data_end = self.end();
        self.is_purged = true;
        let mut content = lock(&self.shared.content);
        content.end = self.data_end;
        if let Some(group) = content.groups.get_mut(&group) {
            group.purge(through);
        }
        Ok(())
    }

    /// Sets space aside for frames around `bytes` bytes of records, each frame's at least 128, before anything
    /// is proposed: until as many have been written, no write fails for want of space. Cheap when that is so
    /// already.
    ///
    /// # Errors
    /// `NoSpace`: propose nothing, and ask again later. Anything else: the node must stop.
    pub fn reserve(&mut self, bytes: u64) -> Result<(), LogError> {
        self.shared.check()?;
        let result = self.reserve_space(bytes);
        self.shared.poisons(result)
    }

    /// Begins a new segment now, so that the one before can be purged although the log is idle: for removed
    /// data that must leave the disk.
    ///
    /// # Errors
    /// `NoSpace`: nothing changed. Anything else: the node must stop.
    pub fn rotate(&mut self) -> Result<(), LogError> {
        self.shared.check()?;
        let result = self.begin_next();
        self.shared.poisons(result)
    }

    #[must_use]
    pub fn stats(&self) -> LogStats {
        let (segments, used) = {
            let content = lock(&self.shared.content);
            (content.segments.len(), content.segments.iter().map(|segment| segment.space()).sum::<u64>())
        };
        let pool = lock(&self.shared.pool);
        let spare = pool.spares.iter().map(|spare| spare.space).sum::<u64>();
        LogStats { segments, spares: pool.spares.len(), bytes: used + spare }
    }
}

impl<D: Disk> LogWriter<D> {
    /// A writer at the end of what the shared content says.
    pub(super) fn new(shared: Arc<Shared<D>>, end: &End) -> Result<Self, LogError> {
        let (segment, at) = {
            let content = lock(&shared.content);
            let segment = content.segments.back().ok_or(LogError::Poisoned)?;
            (Arc::clone(segment), content.end)
        };
        let block_at = at - at % BLOCK;
        let mut block = vec![0; (at - block_at) as usize];
        segment.file.read_at(&mut block, block_at).map_err(|source| LogError::io(&segment.name, source))?;
        Ok(Self {
            shared,
            segment,
            opening: end.opening,
            next_generation: end.next_generation,
            block_at,
            block,
            begun_end: 0,
            durable: end.durable,
            data_end: at,
            stated: end.durable,
            sealed_at: None,
            is_purged: true,
            updates: Vec::new(),
        })
    }

    /// Writes this opening's first frame and makes all that was recovered durable.
    pub(super) fn begin_opening(&mut self) -> Result<(), LogError> {
        self.append(FrameKind::Mark, &[])?;
        self.shared.disk.sync_dir().map_err(|source| LogError::io("the log's directory", source))?;
        self.data_end = self.end();
        self.sync_segment()
    }

    /// Where the next frame begins.
    const fn end(&self) -> u64 {
        self.block_at + self.block.len() as u64
    }

    fn failed(&self, source: std::io::Error) -> LogError {
        LogError::Failed { file: self.segment.name.clone(), source }
    }

    fn append(&mut self, kind: FrameKind, records: &[u8]) -> Result<u64, LogError> {
        let offset = self.end();
        let (length, durable_end, opening) = (records.len() as u32, self.durable, self.opening);
        let header = FrameHeader { kind, length, offset, durable_end, opening };
        let held = self.block.len();
        self.block.extend_from_slice(&header.encode(self.segment.seed, records));
        self.block.extend_from_slice(records);
        let end = held + header.frame_bytes() as usize;
        self.block.resize(end.next_multiple_of(BLOCK_BYTES), 0);
        if let Err(source) = self.segment.file.write_at(&self.block, self.block_at) {
            self.block.truncate(held);
            return Err(self.take_back(offset, source));
        }
        let whole = end - end % BLOCK_BYTES;
        self.block.copy_within(whole..end, 0);
        self.block.truncate(end - whole);
        self.block.shrink_to(BUFFER_KEPT_BYTES);
        self.block_at += whole as u64;
        self.segment.space.fetch_max(self.block_at, Ordering::Relaxed);
        self.stated = durable_end;
        self.sealed_at = None;
        Ok(offset)
    }

    /// After a write that may have been done in part for want of space: no crash may find the frame, for the
    /// caller is told that it was not appended.
    fn take_back(&self, offset: u64, source: std::io::Error) -> LogError {
        if !is_no_space(&source) {
            return self.failed(source);
        }
        match self.segment.file.write_at(&[0; FRAME_HEADER_BYTES], offset) {
            Err(error) if !is_no_space(&error) => self.failed(error),
            // Where there is no room for zeros, there was none for the frame.
            _ => LogError::NoSpace(source),
        }
    }

    fn sync_segment(&mut self) -> Result<(), LogError> {
        let end = self.end();
        if self.durable < end {
            // Lack of space is no excuse here: what was promised to fit did not.
            self.segment.file.sync().map_err(|source| self.failed(source))?;
            self.durable = end;
        }
        if mem::take(&mut self.is_purged) {
            let purged = lock(&self.shared.content).take_purged();
            lock(&self.shared.pool).spares.extend(purged.iter().map(|segment| segment.to_spare()));
        }
        Ok(())
    }

    /// What may follow a frame in this segment: its index and a mark. A segment is whole blocks, so there is
    /// always room for the rest of the last one.
    fn closing_bytes(&self, records: u64) -> u64 {
        let index = lock(&self.shared.content).current.encoded_bytes();
        frame_bytes(index) + records * INDEXED_BYTES + frame_bytes(0)
    }

    fn fits(&self, bytes: u64, records: u64) -> bool {
        let frame = frame_bytes(usize::try_from(bytes).unwrap_or(usize::MAX >> 1));
        self.end() + frame + self.closing_bytes(records) <= self.shared.options.segment_bytes
    }

    fn reserve_space(&self, bytes: u64) -> Result<(), LogError> {
        let needed = bytes + bytes / 2 + self.closing_bytes(1 + bytes / STRIDE_BYTES) + BLOCK;
        let segment_bytes = self.shared.options.segment_bytes;
        let wanted = (self.end() + needed).next_multiple_of(BLOCK);
        if self.segment.space() < wanted.min(segment_bytes) {
            let space = reserve(&*self.segment.file, segment_bytes, wanted.min(segment_bytes));
            let space = space.map_err(|source| LogError::io(&self.segment.name, source))?;
            self.segment.space.fetch_max(space, Ordering::Relaxed);
        }
        if wanted <= segment_bytes {
            return Ok(());
        }
        let needed = (needed + BLOCK).next_multiple_of(BLOCK);
        if lock(&self.shared.pool).spares.iter().any(|spare| spare.space >= needed) {
            return Ok(());
        }
        let spare = self.create(needed)?;
        lock(&self.shared.pool).spares.push(spare);
        Ok(())
    }

    /// Seals the segment and begins the next.
    fn begin_next(&mut self) -> Result<(), LogError> {
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
        // From here on a failure is final: a crash may or may not find that the next segment has begun.
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

    /// Syncs a sealed segment, and then says in its header which one is the oldest needed: the file that the
    /// next segment takes must not be one that is missed if the power goes while it is being overwritten.
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

    /// A file for the next segment with room for `needed` bytes: recycled, prepared, or new.
    fn take_spare(&self, needed: u64) -> Result<Spare<D::File>, LogError> {
        let best = {
            let mut pool = lock(&self.shared.pool);
            let best = (0..pool.spares.len()).max_by_key(|place| pool.spares[*place].space);
            best.map(|place| pool.spares.swap_remove(place))
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

    /// A new file, which grows as it is written: the preparer has none ready.
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

/// Sets a whole segment's space aside, or when there is not so much, what is needed.
fn reserve<F: DiskFile>(file: &F, segment_bytes: u64, needed: u64) -> std::io::Result<u64> {
    let whole = segment_bytes.max(needed);
    match file.reserve(whole) {
        Err(error) if is_no_space(&error) && needed < whole => file.reserve(needed).map(|()| needed),
        result => result.map(|()| whole),
    }
}
