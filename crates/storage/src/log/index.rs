//! What the log knows about its content. The writer, the readers and the preparer share it.

use super::segment::{Segment, Spare};
use super::{LogError, LogOptions, RecoveredGroup};
use crate::disk::Disk;
use format::frame::{BadRecord, HardState, Purged, decode_groups};
use format::header::LogSegmentHeader;
use format::log_index::{Noted, SegmentIndex};
use format::terms::Terms;
use model::{GroupId, Index, Term};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The distance between two points of a segment's index. To find an entry, a reader reads at most this much
/// before it.
pub(super) const STRIDE_BYTES: u64 = 4 << 10;
/// How many indexes of sealed segments the readers keep.
const SEALED_INDEXES_MAX: usize = 2;

/// Everything that the log's handles share.
#[derive(Debug)]
pub(super) struct Shared<D: Disk> {
    pub(super) disk: D,
    pub(super) options: LogOptions,
    /// Held only briefly, never during disk work.
    pub(super) content: Mutex<Content<D::File>>,
    pub(super) pool: Mutex<Pool<D::File>>,
    /// Held while a header is written: by a rotation, or to record the oldest generation.
    pub(super) headers: Mutex<()>,
    /// Held during a preparation.
    pub(super) preparing: Mutex<()>,
    pub(super) sealed: Mutex<VecDeque<(u64, Arc<SegmentIndex>)>>,
    failed: AtomicBool,
}

/// Files that no segment uses.
#[derive(Debug)]
pub(super) struct Pool<F> {
    pub(super) spares: Vec<Spare<F>>,
    pub(super) next_file: u64,
    /// The oldest generation in the header of the last segment on disk. Opening the log requires the files
    /// from this generation on. Earlier ones may be removed.
    pub(super) oldest_on_disk: u64,
}

/// Where each group's entries are.
#[derive(Debug)]
pub(super) struct Content<F> {
    /// Oldest first. The last one is being written.
    pub(super) segments: VecDeque<Arc<Segment<F>>>,
    pub(super) groups: BTreeMap<GroupId, GroupLog>,
    /// The index of the last segment.
    pub(super) current: SegmentIndex,
    /// Where the last segment's frames end.
    pub(super) end: u64,
}

/// One group's part of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupLog {
    pub(super) hard_state: HardState,
    pub(super) purged: Purged,
    /// Which segment holds which entries, in ascending order and without gaps.
    ranges: VecDeque<EntryRange>,
    /// The terms of these entries, and of the one before them.
    terms: Terms,
}

/// Consecutive entries of one group in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryRange {
    pub(super) generation: u64,
    pub(super) first: Index,
    pub(super) last: Index,
}

/// The change that one group record makes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    group: GroupId,
    hard_state: Option<HardState>,
    purged: Option<Purged>,
    entries: Option<UpdatedEntries>,
}

/// Consecutive entries of one term.
#[derive(Clone, Copy, Debug)]
struct UpdatedEntries {
    first: Index,
    last: Index,
    term: Term,
}

impl<D: Disk> Shared<D> {
    pub(super) fn new(disk: D, options: LogOptions, content: Content<D::File>, pool: Pool<D::File>) -> Self {
        Self {
            disk,
            options,
            content: Mutex::new(content),
            pool: Mutex::new(pool),
            headers: Mutex::default(),
            preparing: Mutex::default(),
            sealed: Mutex::default(),
            failed: AtomicBool::new(false),
        }
    }

    pub(super) fn check(&self) -> Result<(), LogError> {
        if self.failed.load(Ordering::Acquire) { Err(LogError::Poisoned) } else { Ok(()) }
    }

    /// After any error except lack of space the log is unusable, because it is unknown what is on disk.
    pub(super) fn poisons<T>(&self, result: Result<T, LogError>) -> Result<T, LogError> {
        if let Err(error) = &result
            && !matches!(error, LogError::NoSpace(_))
        {
            self.failed.store(true, Ordering::Release);
        }
        result
    }

    pub(super) fn sealed_index(&self, generation: u64) -> Option<Arc<SegmentIndex>> {
        let sealed = lock(&self.sealed);
        sealed.iter().find(|(known, _)| *known == generation).map(|(_, index)| Arc::clone(index))
    }

    pub(super) fn keep_sealed_index(&self, generation: u64, index: SegmentIndex) -> Arc<SegmentIndex> {
        let index = Arc::new(index);
        let mut sealed = lock(&self.sealed);
        if sealed.len() >= SEALED_INDEXES_MAX {
            sealed.pop_front();
        }
        sealed.push_back((generation, Arc::clone(&index)));
        index
    }
}

impl<F> Content<F> {
    /// Adds a frame that was written at `offset` of the last segment, which has this generation.
    pub(super) fn apply(&mut self, updates: &[Update], generation: u64, offset: u64) {
        for update in updates {
            let group = self.groups.entry(update.group).or_default();
            if let Some(hard_state) = update.hard_state {
                group.hard_state = hard_state;
            }
            if let Some(UpdatedEntries { first, last, term }) = update.entries {
                group.insert(EntryRange { generation, first, last });
                group.terms.set(first, term);
                self.current.note(update.group, Noted { first, last, term, offset }, STRIDE_BYTES);
            }
            if let Some(purged) = update.purged {
                group.purge(purged);
            }
        }
    }

    /// Adds the index of a sealed segment.
    pub(super) fn apply_sealed(&mut self, index: &SegmentIndex, generation: u64) {
        for (group, entries) in &index.groups {
            let range = EntryRange { generation, first: entries.first, last: entries.last };
            let group = self.groups.entry(*group).or_default();
            group.insert(range);
            entries.terms.runs().iter().for_each(|run| group.terms.set(run.first, run.term));
        }
    }

    /// Removes and returns the oldest segments that no group needs.
    pub(super) fn take_purged(&mut self) -> Vec<Arc<Segment<F>>> {
        let needed = self.groups.values().filter_map(|group| group.ranges.front());
        let needed = needed.map(|range| range.generation).min().unwrap_or(u64::MAX);
        let mut purged = Vec::new();
        while self.segments.len() > 1 && self.segments[0].header.generation < needed {
            purged.extend(self.segments.pop_front());
        }
        purged
    }

    pub(super) fn oldest(&self) -> u64 {
        self.segments.front().map_or(0, |segment| segment.header.generation)
    }

    pub(super) fn segment(&self, generation: u64) -> Option<Arc<Segment<F>>> {
        let found = self.segments.binary_search_by_key(&generation, |segment| segment.header.generation);
        found.ok().map(|at| Arc::clone(&self.segments[at]))
    }

    /// The header of the segment after this one, which says where this one ends; `None` for the last one.
    pub(super) fn following(&self, generation: u64) -> Option<LogSegmentHeader> {
        let found = self.segments.partition_point(|segment| segment.header.generation <= generation);
        self.segments.get(found).map(|segment| segment.header)
    }

    pub(super) fn recovered(&self) -> BTreeMap<GroupId, RecoveredGroup> {
        self.groups.iter().map(|(id, group)| (*id, group.recovered())).collect()
    }
}

impl GroupLog {
    pub(super) fn first(&self) -> Index {
        self.ranges.front().map_or(Index(self.purged.through.0.saturating_add(1)), |range| range.first)
    }

    pub(super) fn last(&self) -> Index {
        self.ranges.back().map_or(self.purged.through, |range| range.last)
    }

    pub(super) fn find(&self, index: Index) -> Option<EntryRange> {
        let found = self.ranges.partition_point(|range| range.last < index);
        self.ranges.get(found).copied().filter(|range| range.first <= index)
    }

    /// The term of an entry that the group has, or of the one before its first.
    pub(super) fn term(&self, index: Index) -> Option<Term> {
        if index > self.last() { None } else { self.terms.at(index) }
    }

    pub(super) fn purge(&mut self, purged: Purged) {
        if purged.through <= self.purged.through {
            return;
        }
        self.purged = purged;
        let through = purged.through;
        while self.ranges.front().is_some_and(|range| range.last <= through) {
            self.ranges.pop_front();
        }
        if let Some(range) = self.ranges.front_mut() {
            range.first = range.first.max(Index(through.0.saturating_add(1)));
        }
        self.terms.begin_at(through, purged.term);
    }

    fn recovered(&self) -> RecoveredGroup {
        let (hard_state, terms) = (self.hard_state, self.terms.clone());
        RecoveredGroup { hard_state, first: self.first(), last: self.last(), terms }
    }

    /// New entries replace all entries from their first index on. After a gap, the group starts over.
    fn insert(&mut self, new: EntryRange) {
        if new.first.0 > self.last().0.saturating_add(1) {
            self.ranges.clear();
            self.terms.clear();
        }
        while let Some(range) = self.ranges.back_mut() {
            if range.first < new.first {
                range.last = range.last.min(Index(new.first.0 - 1));
                break;
            }
            self.ranges.pop_back();
        }
        match self.ranges.back_mut() {
            Some(range) if range.generation == new.generation => range.last = new.last,
            _ => self.ranges.push_back(new),
        }
    }
}

/// Finds the changes that records make, without making them. Entries that do not follow each other, or have
/// different terms, become several changes.
pub(super) fn read_updates(records: &[u8], updates: &mut Vec<Update>) -> Result<(), BadRecord> {
    updates.clear();
    for record in decode_groups(records) {
        let record = record?;
        let (group, hard_state, purged) = (record.group, record.hard_state, record.purged);
        updates.push(Update { group, hard_state, purged, entries: None });
        for entry in record.entries {
            let entry = entry?;
            let new = UpdatedEntries { first: entry.index, last: entry.index, term: entry.term };
            match updates.last_mut().and_then(|update| update.entries.as_mut()) {
                Some(entries)
                    if entries.last.0.checked_add(1) == Some(new.first.0) && entries.term == new.term =>
                {
                    entries.last = new.last;
                }
                Some(_) => {
                    updates.push(Update { group, hard_state: None, purged: None, entries: Some(new) });
                }
                None => {
                    if let Some(update) = updates.last_mut() {
                        update.entries = Some(new);
                    }
                }
            }
        }
    }
    Ok(())
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::frame::{EntryKind, LogEntry, encode_group};

    #[test]
    fn entries_after_a_gap_or_of_another_term_are_a_change_of_their_own() {
        let numbers = [(1, 1), (2, 1), (3, 2), (4, 2), (7, 2)];
        let entries = numbers.map(|(index, term)| LogEntry {
            index: Index(index),
            term: Term(term),
            kind: EntryKind::Normal,
            bytes: b"x",
        });
        let (mut record, mut updates) = (Vec::new(), Vec::new());
        encode_group(GroupId(1), None, entries.into_iter(), &mut record);
        read_updates(&record, &mut updates).unwrap();
        let found: Vec<_> = updates.iter().filter_map(|update| update.entries).collect();
        let found: Vec<_> = found.iter().map(|new| (new.first.0, new.last.0, new.term.0)).collect();
        assert_eq!(found, [(1, 2, 1), (3, 4, 2), (7, 7, 2)]);
    }
}
