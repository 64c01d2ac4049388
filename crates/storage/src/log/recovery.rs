//! Opens a log: finds its segments, where the last one ends, and what the log holds for each group.
//!
//! ```text
//! headers ──▶ the newest segment that had begun ──▶ the chain of those before it, none missing
//!                      │                                      │
//!                      ▼                                      ▼
//!       its frames one by one up to the        their index frames, or their frames one by one
//!       first broken one: nothing after it
//!       may say that more was synced
//! ```
//!
//! A segment has *begun* when it has its carry frame. Header and carry frame are synced before anything else
//! is written, so a segment without a carry frame holds nothing that was ever acknowledged.

use super::frames::{Frames, search};
use super::index::{Content, Pool, Shared, lock, read_updates};
use super::preparer::LogPreparer;
use super::rotation::new_name;
use super::segment::{
    BLOCK_BYTES, FRAMES_AT, Segment, Spare, beginning, carry_end, file_number, read_header,
};
use super::writer::{End, LogWriter};
use super::{LogError, LogOptions, LogReader, OpenedLog, RecoveredGroup};
use crate::disk::{Disk, DiskFile};
use format::frame::FrameKind;
use format::header::{HeaderError, LogSegmentHeader};
use format::log_index::SegmentIndex;
use model::GroupId;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

const CHUNK_BYTES: usize = 1 << 20;

/// What reading a log found, before anything on the disk is changed.
#[derive(Debug)]
pub struct CheckedLog<D: Disk> {
    shared: Arc<Shared<D>>,
    /// Spares that were not ready when the process ended.
    unfinished: Vec<String>,
    generation_max: u64,
    /// Where the last segment ends; `None` when no segment has begun.
    end: Option<End>,
}

/// Reads the log, and changes nothing.
pub(super) fn check<D: Disk>(disk: D, options: LogOptions) -> Result<CheckedLog<D>, LogError> {
    let options =
        LogOptions { segment_bytes: options.segment_bytes.next_multiple_of(BLOCK_BYTES as u64), ..options };
    let FoundFiles { segments, mut pool, unfinished, generation_max } = find(&disk, options)?;
    let chain = chain(segments, &mut pool)?;
    let mut content = Content {
        segments: chain.into(),
        groups: BTreeMap::new(),
        current: SegmentIndex::default(),
        end: FRAMES_AT,
    };
    for at in 1..content.segments.len() {
        let (segment, next) = (Arc::clone(&content.segments[at - 1]), content.segments[at].header);
        let index = sealed_index(&segment, &next)?;
        content.apply_sealed(&index, segment.header.generation);
    }
    let end = match content.segments.back().map(Arc::clone) {
        None => None,
        Some(segment) => {
            let Scanned { opening, durable, .. } = scan_last(&segment, &mut content)?;
            Some(End { opening: opening + 1, next_generation: generation_max + 1, durable })
        }
    };
    let shared = Arc::new(Shared::new(disk, options, content, pool));
    Ok(CheckedLog { shared, unfinished, generation_max, end })
}

impl<D: Disk> CheckedLog<D> {
    /// What the log holds for each group.
    #[must_use]
    pub fn groups(&self) -> BTreeMap<GroupId, RecoveredGroup> {
        lock(&self.shared.content).recovered()
    }

    /// Reads entries of the log, before and after it is opened.
    #[must_use]
    pub fn reader(&self) -> LogReader<D> {
        LogReader { shared: Arc::clone(&self.shared) }
    }

    /// Makes everything durable that was found, and prepares the log for writing, or begins a new log if there
    /// was none. This is the first change on the disk.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn open(self) -> Result<OpenedLog<D>, LogError> {
        let Self { shared, unfinished, generation_max, end } = self;
        for name in unfinished {
            shared.disk.remove(&name).map_err(|source| LogError::io(&name, source))?;
        }
        let end = match end {
            Some(end) => end,
            None => begin(&shared, generation_max + 1)?,
        };
        let mut writer = LogWriter::new(Arc::clone(&shared), &end)?;
        // Records in the first frame after opening that everything before it is durable.
        writer.begin_opening()?;
        let groups = lock(&shared.content).recovered();
        Ok(OpenedLog {
            writer,
            reader: LogReader { shared: Arc::clone(&shared) },
            preparer: LogPreparer { shared },
            groups,
        })
    }
}

/// Every file in the directory.
struct FoundFiles<F> {
    segments: Vec<Segment<F>>,
    pool: Pool<F>,
    /// Spares that were not ready when the process ended.
    unfinished: Vec<String>,
    generation_max: u64,
}

fn find<D: Disk>(disk: &D, options: LogOptions) -> Result<FoundFiles<D::File>, LogError> {
    let mut found = FoundFiles {
        segments: Vec::new(),
        pool: Pool { spares: Vec::new(), next_file: 1, oldest_on_disk: 0 },
        unfinished: Vec::new(),
        generation_max: 0,
    };
    for name in disk.list().map_err(|source| LogError::io("the log's directory", source))? {
        let Some(number) = file_number(&name) else {
            return Err(LogError::Refused { file: name, why: HeaderError::Foreign });
        };
        found.pool.next_file = found.pool.next_file.max(number + 1);
        let failed = |source| LogError::io(&name, source);
        let file = Arc::new(disk.open(&name).map_err(failed)?);
        match read_header(&name, &*file)? {
            Some(header) if header.store != options.store => {
                return Err(LogError::OtherStore { file: name });
            }
            Some(header) => {
                found.generation_max = found.generation_max.max(header.generation);
                let space = file.len().map_err(failed)?;
                found.segments.push(Segment::new(name, file, header, space));
            }
            None => {
                let space = file.len().map_err(failed)?;
                if space < options.segment_bytes {
                    found.unfinished.push(name);
                } else {
                    found.pool.spares.push(Spare { name, file, generation: 0, space });
                }
            }
        }
    }
    found.segments.sort_by_key(|segment| segment.header.generation);
    Ok(found)
}

type Chain<F> = Vec<Arc<Segment<F>>>;

/// The segments in use, oldest first; empty when no segment has begun. All others become spares.
fn chain<F: DiskFile>(mut segments: Vec<Segment<F>>, pool: &mut Pool<F>) -> Result<Chain<F>, LogError> {
    let mut unbegun = Vec::new();
    while let Some(segment) = segments.last() {
        if has_begun(segment)? {
            break;
        }
        unbegun.extend(segments.pop());
    }
    let newest = segments.last().map_or(0, |segment| segment.header.generation);
    for segment in unbegun {
        if segment.header.previous != newest {
            return Err(segment.damaged(FRAMES_AT, "the first frame of the newest segment"));
        }
        pool.spares.push(segment.to_spare());
    }
    let Some(newest) = segments.pop() else { return Ok(Vec::new()) };
    let mut chain = vec![Arc::new(newest)];
    let oldest = chain[0].header.oldest;
    let mut previous = chain[0].header.previous;
    while previous >= oldest && previous != 0 {
        let found = segments.iter().rposition(|segment| segment.header.generation == previous);
        let Some(at) = found else {
            return Err(chain[chain.len() - 1].damaged(0, "the segment before this one is missing"));
        };
        let segment = segments.remove(at);
        previous = segment.header.previous;
        chain.push(Arc::new(segment));
    }
    for segment in segments {
        pool.spares.push(segment.to_spare());
    }
    pool.oldest_on_disk = oldest;
    chain.reverse();
    Ok(chain)
}

fn has_begun<F: DiskFile>(segment: &Segment<F>) -> Result<bool, LogError> {
    let failed = |source| LogError::io(&segment.name, source);
    let length = segment.file.len().map_err(failed)?;
    let mut frames = Frames::new(&*segment.file, segment.seed, FRAMES_AT..length, CHUNK_BYTES);
    if frames.next().map_err(failed)?.is_some_and(|frame| frame.header.kind == FrameKind::Carry) {
        return Ok(true);
    }
    if search(&*segment.file, segment.seed, FRAMES_AT + 1, 0).map_err(failed)?.any {
        return Err(segment.damaged(FRAMES_AT, "the segment's first frame"));
    }
    Ok(false)
}

/// The index of a segment that has a successor: the one it was sealed with, or else one built from its
/// frames, none of which may be broken.
pub(super) fn sealed_index<F: DiskFile>(
    segment: &Segment<F>,
    next: &LogSegmentHeader,
) -> Result<SegmentIndex, LogError> {
    let failed = |source| LogError::io(&segment.name, source);
    let range = next.previous_index..next.previous_end;
    let mut frames = Frames::new(&*segment.file, segment.seed, range, 0);
    if let Some(frame) = frames.next().map_err(failed)?
        && frame.header.kind == FrameKind::Index
        && let Ok(index) = SegmentIndex::decode(frame.records)
    {
        return Ok(index);
    }
    let mut content: Content<F> = Content {
        segments: VecDeque::new(),
        groups: BTreeMap::new(),
        current: SegmentIndex::default(),
        end: FRAMES_AT,
    };
    let range = FRAMES_AT..next.previous_index;
    let scanned = scan(segment, range, &mut content).map_err(|error| error.with(segment))?;
    if scanned.end != next.previous_index {
        return Err(segment.damaged(scanned.end, "a frame that was synced"));
    }
    Ok(content.current)
}

/// The content of the last segment, up to the first missing frame.
fn scan_last<F: DiskFile>(segment: &Segment<F>, content: &mut Content<F>) -> Result<Scanned, LogError> {
    let failed = |source| LogError::io(&segment.name, source);
    let length = segment.file.len().map_err(failed)?;
    let mut scanned = scan(segment, FRAMES_AT..length, content).map_err(|error| error.with(segment))?;
    let behind = search(&*segment.file, segment.seed, scanned.end, scanned.end).map_err(failed)?;
    if behind.damage {
        return Err(segment.damaged(scanned.end, "a frame that was synced"));
    }
    scanned.opening = scanned.opening.max(behind.opening_max);
    content.end = scanned.end;
    Ok(scanned)
}

struct Scanned {
    end: u64,
    opening: u32,
    /// The durable end that the last frame records.
    durable: u64,
}

enum ScanError {
    Io(io::Error),
    /// The frame is intact but its content is invalid: this is a bug, or another program wrote it.
    Records(u64),
}

impl ScanError {
    fn with<F: DiskFile>(self, segment: &Segment<F>) -> LogError {
        match self {
            Self::Io(source) => LogError::io(&segment.name, source),
            Self::Records(offset) => segment.damaged(offset, "the records of a frame"),
        }
    }
}

fn scan<F: DiskFile>(
    segment: &Segment<F>,
    range: std::ops::Range<u64>,
    content: &mut Content<F>,
) -> Result<Scanned, ScanError> {
    let mut scanned = Scanned { end: range.start, opening: 0, durable: range.start };
    let mut frames = Frames::new(&*segment.file, segment.seed, range, CHUNK_BYTES);
    let mut updates = Vec::new();
    while let Some(frame) = frames.next().map_err(ScanError::Io)? {
        let header = frame.header;
        if header.opening < scanned.opening {
            // A crash left this frame after a torn one, which has been overwritten since.
            break;
        }
        if matches!(header.kind, FrameKind::Records | FrameKind::Carry) {
            read_updates(frame.records, &mut updates).map_err(|_| ScanError::Records(header.offset))?;
            content.apply(&updates, segment.header.generation, header.offset);
        }
        scanned.opening = header.opening;
        scanned.durable = scanned.durable.max(header.durable_end);
        scanned.end = frames.offset();
    }
    Ok(scanned)
}

/// Creates the first segment of a log.
fn begin<D: Disk>(shared: &Shared<D>, generation: u64) -> Result<End, LogError> {
    let header = LogSegmentHeader {
        store: shared.options.store,
        generation,
        oldest: generation,
        previous: 0,
        previous_end: 0,
        previous_index: 0,
    };
    let name = new_name(&mut lock(&shared.pool));
    let failed = |source| LogError::io(&name, source);
    let file = shared.disk.create(&name).map_err(failed)?;
    file.write_at(&beginning(&header, 1, &[]), 0).map_err(failed)?;
    let space = file.len().map_err(failed)?;
    lock(&shared.pool).oldest_on_disk = generation;
    let mut content = lock(&shared.content);
    content.segments.push_back(Arc::new(Segment::new(name, Arc::new(file), header, space)));
    content.end = carry_end(&[]);
    Ok(End { opening: 1, next_generation: generation + 1, durable: FRAMES_AT })
}
