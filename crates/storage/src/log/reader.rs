//! Reads entries back. Readers see everything that was written, synced or not.
//!
//! A reader takes the lock only to find out where to read, and then reads without it. In the meantime the
//! segment may be purged and recycled. Its new frames have another seed, so they are never taken for the old
//! ones, and a segment that is no longer in use is not reported as damaged.

use super::LogError;
use super::frames::Frames;
use super::index::{Shared, lock};
use super::recovery::sealed_index;
use super::segment::{FRAMES_AT, Segment};
use crate::disk::{Disk, DiskFile};
use format::frame::{BadRecord, EntryKind, FrameKind, LogEntry, decode_groups};
use format::log_index::{IndexPoint, SegmentIndex};
use model::{GroupId, Index, Term};
use std::sync::Arc;

const CHUNK_BYTES_MIN: usize = 8 << 10;
const CHUNK_BYTES_MAX: usize = 256 << 10;
/// How many points of an index are used at a time.
const POINTS_MAX: usize = 64;

/// An entry that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    pub index: Index,
    pub term: Term,
    pub kind: EntryKind,
    pub bytes: Vec<u8>,
}

/// Consecutive entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryPage {
    pub entries: Vec<StoredEntry>,
}

/// Reads entries. Cheap to clone, with bounded memory.
#[derive(Clone, Debug)]
pub struct LogReader<D: Disk> {
    pub(super) shared: Arc<Shared<D>>,
}

/// Where to look for an entry and those after it.
struct Location<F> {
    segment: Arc<Segment<F>>,
    /// The first one is at or before the entry. From each point on, the first match counts, up to the next
    /// point's entry: frames between two points may hold entries that were replaced.
    points: Vec<IndexPoint>,
    /// The end of all frames that may hold the entry.
    end: u64,
    /// The group's last valid entry in this segment.
    last: Index,
}

/// A segment that is being read.
struct Wanted {
    group: GroupId,
    next: Index,
    bytes_left: usize,
    page: EntryPage,
}

impl<D: Disk> LogReader<D> {
    /// Consecutive entries from `from` on: as many as fit into `bytes_max`, but at least one if there is one.
    /// Each call checks the frames that it passes, so ask for many entries at once.
    ///
    /// # Errors
    /// `Damaged` or `Failed`: the node must stop.
    pub fn entries(&self, group: GroupId, from: Index, bytes_max: usize) -> Result<EntryPage, LogError> {
        let mut wanted = Wanted { group, next: from, bytes_left: bytes_max, page: EntryPage::default() };
        while let Some(location) = self.find(group, wanted.next)? {
            match location.read(&mut wanted) {
                Ok(Progress::More) => {}
                Ok(Progress::Full) => break,
                Err(error) if self.is_live(&location.segment) => return Err(error),
                // The segment was purged during the read: look again.
                Err(_) => {}
            }
        }
        Ok(wanted.page)
    }

    fn find(&self, group: GroupId, index: Index) -> Result<Option<Location<D::File>>, LogError> {
        loop {
            let (segment, range, next) = {
                let content = lock(&self.shared.content);
                let Some(range) = content.groups.get(&group).and_then(|group| group.find(index)) else {
                    return Ok(None);
                };
                let Some(segment) = content.segment(range.generation) else { return Ok(None) };
                match content.following(range.generation) {
                    Some(next) => (segment, range, next),
                    None => {
                        let (points, last) = points(&content.current, group, index, range.last);
                        return Ok(Some(Location { segment, points, end: content.end, last }));
                    }
                }
            };
            let sealed = match self.shared.sealed_index(range.generation) {
                Some(sealed) => sealed,
                None => match sealed_index(&segment, &next) {
                    Ok(sealed) => self.shared.keep_sealed_index(range.generation, sealed),
                    Err(error) if self.is_live(&segment) => return Err(error),
                    Err(_) => continue,
                },
            };
            let (points, last) = points(&sealed, group, index, range.last);
            return Ok(Some(Location { segment, points, end: next.previous_index, last }));
        }
    }

    fn is_live(&self, segment: &Segment<D::File>) -> bool {
        lock(&self.shared.content).segment(segment.header.generation).is_some()
    }
}

enum Progress {
    More,
    Full,
}

impl<F: DiskFile> Location<F> {
    fn read(&self, wanted: &mut Wanted) -> Result<Progress, LogError> {
        let segment = &self.segment;
        let chunk = wanted.bytes_left.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
        let mut points = self.points.iter().peekable();
        let begin = points.peek().map_or(FRAMES_AT, |point| point.offset);
        let mut frames = Frames::new(&*segment.file, segment.seed, begin..self.end, chunk);
        while wanted.next <= self.last {
            while let Some(point) = points.next_if(|point| point.index <= wanted.next) {
                frames.skip_to(point.offset);
            }
            let at = frames.offset();
            // One frame may hold several points, because a group may have several records in it.
            while points.next_if(|point| point.offset <= at).is_some() {}
            let next_point = points.peek().map_or(u64::MAX, |point| point.index.0 - 1);
            let last_here = self.last.0.min(next_point);
            let frame = frames.next().map_err(|source| LogError::io(&segment.name, source))?;
            let Some(frame) = frame else {
                return Err(segment.damaged(at, "a frame that was written"));
            };
            if frame.header.kind != FrameKind::Records {
                continue;
            }
            let entries = entries_of(wanted.group, frame.records)
                .map_err(|_| segment.damaged(at, "the records of a frame"))?;
            for entry in entries {
                if entry.index.0 > last_here || entry.index != wanted.next {
                    continue;
                }
                if let Progress::Full = wanted.take(&entry) {
                    return Ok(Progress::Full);
                }
            }
        }
        Ok(Progress::More)
    }
}

impl Wanted {
    fn take(&mut self, entry: &LogEntry<'_>) -> Progress {
        if !self.page.entries.is_empty() && entry.bytes.len() > self.bytes_left {
            return Progress::Full;
        }
        self.bytes_left = self.bytes_left.saturating_sub(entry.bytes.len());
        self.next = Index(entry.index.0.saturating_add(1));
        let LogEntry { index, term, kind, bytes } = *entry;
        self.page.entries.push(StoredEntry { index, term, kind, bytes: bytes.to_vec() });
        Progress::More
    }
}

/// The index's points from the entry on, and the last entry that they lead to: `last`, or an earlier one.
fn points(index: &SegmentIndex, group: GroupId, entry: Index, last: Index) -> (Vec<IndexPoint>, Index) {
    let Some(known) = index.groups.get(&group) else { return (Vec::new(), last) };
    let first = known.points.partition_point(|point| point.index <= entry).saturating_sub(1);
    let points = &known.points[first..];
    match points.get(POINTS_MAX) {
        Some(next) => (points[..POINTS_MAX].to_vec(), last.min(Index(next.index.0 - 1))),
        None => (points.to_vec(), last),
    }
}

/// One group's entries in a frame. Within a frame, too, a later entry replaces all entries from its index on.
fn entries_of(group: GroupId, records: &[u8]) -> Result<Vec<LogEntry<'_>>, BadRecord> {
    let mut entries: Vec<LogEntry<'_>> = Vec::new();
    for record in decode_groups(records) {
        let record = record?;
        if record.group != group {
            continue;
        }
        for entry in record.entries {
            let entry = entry?;
            while entries.last().is_some_and(|last| last.index >= entry.index) {
                entries.pop();
            }
            entries.push(entry);
        }
    }
    Ok(entries)
}
