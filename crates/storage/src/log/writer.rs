//! Appends frames and makes them durable.
//!
//! All writes are whole blocks. The last, partly filled block is kept in memory and written again together
//! with what is appended to it. Its earlier bytes are written unchanged, so a torn write damages nothing that
//! was synced.
//!
//! [`super::rotation`] handles a full segment.

use super::LogError;
use super::index::{Shared, Update, lock, read_updates};
use super::segment::{BLOCK_BYTES, Segment};
use crate::disk::{Disk, DiskFile, is_no_space};
use format::frame::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, Purged, encode_carry};
use model::{GroupId, Index};
use std::io;
use std::mem;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// If one very long frame made the buffer longer than this, the buffer is released.
const BUFFER_KEPT_BYTES: usize = 1 << 20;
/// The size of one write when recovered bytes are written again.
const REWRITE_BYTES: u64 = 1 << 20;

/// The size of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    pub segments: usize,
    pub spares: usize,
    /// Bytes of all files, spares included.
    pub bytes: u64,
}

/// The single owner of the log's end, on the log thread.
#[derive(Debug)]
pub struct LogWriter<D: Disk> {
    pub(super) shared: Arc<Shared<D>>,
    pub(super) segment: Arc<Segment<D::File>>,
    pub(super) opening: u32,
    pub(super) next_generation: u64,
    /// Where the block in `block` begins.
    pub(super) block_at: u64,
    /// The content of the last, partly filled block.
    pub(super) block: Vec<u8>,
    /// Where the segment's first frames end: those written when it began.
    pub(super) begun_end: u64,
    /// Up to this offset, the segment is on disk.
    pub(super) durable: u64,
    /// Where the last frame ends that is not a mark.
    pub(super) data_end: u64,
    /// The greatest durable end that any frame has recorded.
    pub(super) stated: u64,
    /// The index frame, while it is the segment's last frame.
    pub(super) sealed_at: Option<u64>,
    /// Whether segments may become spares after the next sync.
    pub(super) is_purged: bool,
    pub(super) updates: Vec<Update>,
}

/// Where a writer begins.
pub(super) struct End {
    pub(super) opening: u32,
    pub(super) next_generation: u64,
    /// Up to this offset, the last segment is known to be on disk.
    pub(super) durable: u64,
}

impl<D: Disk> LogWriter<D> {
    /// Appends `records` (one or more group records, see `format::frame::encode_group`) as one frame. It is
    /// durable after the next [`Self::sync`]. An entry replaces all entries of its group from its index on.
    ///
    /// # Errors
    /// `NoSpace`: nothing was appended. After any other error the node must stop.
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

    /// Returns once everything that was written is durable.
    ///
    /// # Errors
    /// The log is unusable from then on, and the node must stop.
    pub fn sync(&mut self) -> Result<(), LogError> {
        self.shared.check()?;
        let result = self.sync_segment();
        self.shared.poisons(result)
    }

    /// Whether [`Self::mark`] has something to record: frames were synced, but no later frame says so yet.
    #[must_use]
    pub const fn is_mark_wanted(&self) -> bool {
        self.durable >= self.data_end && self.stated < self.data_end
    }

    /// Records how far the log is durable, so that damage before that is never taken for a torn tail. Call it
    /// when the log has become idle. It needs no sync.
    ///
    /// # Errors
    /// `NoSpace`: nothing was appended, and the log holds the same without it. After any other error the node
    /// must stop.
    pub fn mark(&mut self) -> Result<(), LogError> {
        self.shared.check()?;
        if !self.is_mark_wanted() {
            return Ok(());
        }
        let result = self.append(FrameKind::Mark, &[]).map(|_| ());
        self.shared.poisons(result)
    }

    /// The group no longer needs its entries through this index. This appends a small frame that says so.
    /// With the next [`Self::sync`], segments that hold nothing else become spares.
    ///
    /// # Errors
    /// `NoSpace`: nothing has changed. A later purge, through the same entry or a later one, does the work of
    /// this one. After any other error the node must stop.
    pub fn purge(&mut self, group: GroupId, through: Index) -> Result<(), LogError> {
        self.shared.check()?;
        let result = self.write_purge(group, through);
        self.shared.poisons(result)
    }

    fn write_purge(&mut self, group: GroupId, through: Index) -> Result<(), LogError> {
        let known = lock(&self.shared.content)
            .groups
            .get(&group)
            .filter(|known| known.purged.through < through)
            .map(|known| (known.hard_state, known.term(through).unwrap_or_default()));
        let Some((hard_state, term)) = known else { return Ok(()) };
        let purged = Purged { through, term };
        let mut record = Vec::new();
        encode_carry(group, hard_state, purged, &mut record);
        if !self.fits(record.len() as u64, 1) {
            self.begin_next()?;
        }
        self.append(FrameKind::Carry, &record)?;
        self.data_end = self.end();
        self.is_purged = true;
        let mut content = lock(&self.shared.content);
        content.end = self.data_end;
        if let Some(group) = content.groups.get_mut(&group) {
            group.purge(purged);
        }
        Ok(())
    }

    /// Begins a new segment now, so that the previous one can be purged even if nothing more is written. Used
    /// when removed data must leave the disk.
    ///
    /// # Errors
    /// `NoSpace`: nothing has changed. After any other error the node must stop.
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
    /// A writer at the end of the shared content.
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

    /// Writes the first frame since the log was opened, and makes everything durable that was recovered.
    pub(super) fn begin_opening(&mut self) -> Result<(), LogError> {
        self.rewrite_recovered()?;
        self.append(FrameKind::Mark, &[])?;
        self.shared.disk.sync_dir().map_err(|source| LogError::io("the log's directory", source))?;
        self.data_end = self.end();
        self.sync_segment()
    }

    /// Writes the header again, and everything from the last known durable end on. If a sync failed in an
    /// earlier process, the system may hold these bytes only in its cache but count them as written. A sync
    /// alone would then report success without writing them, and what follows them would be lost with them.
    fn rewrite_recovered(&self) -> Result<(), LogError> {
        let from = self.durable - self.durable % BLOCK;
        for range in [0..BLOCK, from.max(BLOCK)..self.block_at] {
            rewrite(&*self.segment.file, range).map_err(|source| LogError::io(&self.segment.name, source))?;
        }
        Ok(())
    }

    /// Where the next frame begins.
    pub(super) const fn end(&self) -> u64 {
        self.block_at + self.block.len() as u64
    }

    pub(super) fn failed(&self, source: io::Error) -> LogError {
        LogError::Failed { file: self.segment.name.clone(), source }
    }

    pub(super) fn append(&mut self, kind: FrameKind, records: &[u8]) -> Result<u64, LogError> {
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

    /// Undoes a write that may have been partly done when the disk ran out of space. The caller is told that
    /// the frame was not appended, so recovery must never find it.
    fn take_back(&self, offset: u64, source: io::Error) -> LogError {
        if !is_no_space(&source) {
            return self.failed(source);
        }
        match self.segment.file.write_at(&[0; FRAME_HEADER_BYTES], offset) {
            Err(error) if !is_no_space(&error) => self.failed(error),
            // If the disk has no space for zeros, it had none for the frame.
            _ => LogError::NoSpace(source),
        }
    }

    pub(super) fn sync_segment(&mut self) -> Result<(), LogError> {
        let end = self.end();
        if self.durable < end {
            // Lack of space is a failure here: the frames were accepted already.
            self.segment.file.sync().map_err(|source| self.failed(source))?;
            self.durable = end;
        }
        if mem::take(&mut self.is_purged) {
            let purged = lock(&self.shared.content).take_purged();
            lock(&self.shared.pool).spares.extend(purged.iter().map(|segment| segment.to_spare()));
        }
        Ok(())
    }
}

/// Writes what a file holds in this range over itself.
fn rewrite<F: DiskFile>(file: &F, range: Range<u64>) -> io::Result<()> {
    let mut buffer = vec![0; range.end.saturating_sub(range.start).min(REWRITE_BYTES) as usize];
    let mut at = range.start;
    while at < range.end {
        let wanted = (range.end - at).min(REWRITE_BYTES) as usize;
        let read = file.read_at(&mut buffer[..wanted], at)?;
        if read == 0 {
            break;
        }
        file.write_at(&buffer[..read], at)?;
        at += read as u64;
    }
    Ok(())
}
