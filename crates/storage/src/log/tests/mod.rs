//! The log's promises, over a disk in memory and a real one.

mod conflicts;
mod crashes;
mod damage;
mod failures;
mod promises;
mod space;

use super::{Log, LogError, LogOptions, LogReader, LogWriter, OpenedLog, RecoveredGroup};
use crate::disk::Disk;
use format::frame::{EntryKind, HardState, LogEntry, encode_group};
use format::header::StoreId;
use model::{GroupId, Index, Term};
use std::collections::BTreeMap;

/// Small enough that a test of a few frames goes through several segments.
fn options() -> LogOptions {
    LogOptions { store: StoreId(7), segment_bytes: 16 << 10, spares_max: 2 }
}

fn open<D: Disk>(disk: &D) -> OpenedLog<D> {
    Log::open(disk.clone(), options()).expect("the log opens")
}

const GROUP: GroupId = GroupId(1);

fn hard_state(term: u64, vote: u64, commit: u64) -> HardState {
    HardState { term: Term(term), vote, commit: Index(commit) }
}

/// One group record with entries of one term.
fn record(group: GroupId, hard_state: Option<HardState>, first: u64, term: u64, bodies: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let entries = bodies.iter().zip(first..).map(|(bytes, index)| LogEntry {
        index: Index(index),
        term: Term(term),
        kind: kind(index),
        bytes,
    });
    encode_group(group, hard_state, entries, &mut out);
    out
}

/// Every tenth entry is one of configuration.
fn kind(index: u64) -> EntryKind {
    if index.is_multiple_of(10) { EntryKind::Configuration } else { EntryKind::Normal }
}

/// The entry that a group has at this index.
fn entry_at<D: Disk>(reader: &LogReader<D>, group: GroupId, index: u64) -> Option<(Term, Vec<u8>)> {
    let page = reader.entries(group, Index(index), 0).expect("no damage");
    page.entries.into_iter().next().map(|entry| (entry.term, entry.bytes))
}

fn write<D: Disk>(writer: &mut LogWriter<D>, first: u64, term: u64, bodies: &[&[u8]]) {
    writer.write(&record(GROUP, None, first, term, bodies)).expect("there is space");
}

/// The entries that a reader finds, from the group's first to its last.
fn read_all<D: Disk>(
    reader: &LogReader<D>,
    group: GroupId,
    from: &RecoveredGroup,
) -> Result<Vec<(u64, u64, Vec<u8>)>, LogError> {
    let mut found = Vec::new();
    let mut next = from.first;
    while next <= from.last {
        let page = reader.entries(group, next, 1 << 10)?;
        assert!(!page.entries.is_empty(), "entry {next} is missing");
        next = Index(next.0 + page.entries.len() as u64);
        for entry in &page.entries {
            assert_eq!(from.terms.at(entry.index), Some(entry.term), "entry {}", entry.index);
            assert_eq!(entry.kind, kind(entry.index.0), "entry {}", entry.index);
        }
        found.extend(page.entries.into_iter().map(|entry| (entry.index.0, entry.term.0, entry.bytes)));
    }
    assert_eq!(reader.entries(group, Index(from.last.0 + 1), 1 << 10)?.entries, []);
    Ok(found)
}

/// What a log should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    groups: BTreeMap<GroupId, ModelGroup>,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct ModelGroup {
    hard_state: HardState,
    purged: u64,
    entries: BTreeMap<u64, (u64, Vec<u8>)>,
}

/// Short, because a failed comparison should show which entries differ, not every byte.
impl std::fmt::Debug for ModelGroup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} purged {} entries", self.hard_state, self.purged)?;
        let mut entries = self.entries.iter();
        entries.try_for_each(|(index, (term, body))| write!(f, " {index}@{term}({})", body.len()))
    }
}

impl ModelGroup {
    fn last(&self) -> u64 {
        self.entries.keys().next_back().copied().unwrap_or(self.purged)
    }

    fn write(&mut self, hard_state: Option<HardState>, first: u64, term: u64, bodies: &[Vec<u8>]) {
        self.hard_state = hard_state.unwrap_or(self.hard_state);
        if !bodies.is_empty() {
            self.entries.retain(|index, _| *index < first);
        }
        self.entries.extend((first..).zip(bodies.iter().map(|body| (term, body.clone()))));
    }

    fn purge(&mut self, through: u64) {
        self.purged = through;
        self.entries.retain(|index, _| *index > through);
    }
}

/// What an opened log holds.
fn held<D: Disk>(log: &OpenedLog<D>) -> Result<Model, LogError> {
    let mut model = Model::default();
    for (id, group) in &log.groups {
        let entries = read_all(&log.reader, *id, group)?;
        let entries = entries.into_iter().map(|(index, term, bytes)| (index, (term, bytes))).collect();
        let held = ModelGroup { hard_state: group.hard_state, purged: group.first.0 - 1, entries };
        model.groups.insert(*id, held);
    }
    Ok(model)
}
