//! The part of the log that Raft may read: the terms of all entries, and in memory those not yet applied.
//!
//! raft-rs reads its log synchronously and panics on an error, so nothing here can fail. The entries that it
//! needs next are read in advance (see `Group::take`), where an error can still be returned. Entries for a
//! follower that are no longer in memory are noted as wanted, and sent once they have been read.

use crate::convert::to_conf_state;
use crate::message::LogEntry;
use crate::options::{GroupOptions, Logged};
use format::terms::Terms;
use model::{Index, Term};
use raft::eraftpb::{Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};
use std::cell::RefCell;
use std::collections::VecDeque;

/// Reads one group's entries back from its log. Used only for entries that are no longer in memory.
pub trait LogView {
    /// Entries from `from` on, in order and without a gap: at most `bytes_max` bytes, but at least one entry
    /// if there is one.
    ///
    /// # Errors
    /// [`LogViewError`] stops the replica.
    fn entries(&self, from: Index, bytes_max: usize) -> Result<Vec<LogEntry>, LogViewError>;
}

/// The log could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log cannot be read: {0}")]
pub struct LogViewError(pub String);

/// Entries that a follower needs and that are not in memory.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) from: Index,
    pub(crate) context: GetEntriesContext,
}

/// Unapplied entries in two parts: `paged` (read from the log after a start) and `live` (written since).
#[derive(Debug)]
pub(crate) struct Recent {
    initial: RaftState,
    /// The entry before the first of the log. Its term is known, but it is purged.
    before: u64,
    /// The terms of all entries of the log.
    terms: Terms,
    /// Entries up to this index that are not in memory are in the log, and are paged in from there.
    logged: u64,
    last: u64,
    paged: VecDeque<Entry>,
    live: VecDeque<Entry>,
    /// Entries read from the log for a follower.
    fetched: Vec<Entry>,
    wanted: RefCell<Vec<Wanted>>,
}

impl Recent {
    pub(crate) fn new(options: GroupOptions, hard_state: HardState) -> Self {
        let Logged { before, last, terms } = options.log;
        Self {
            initial: RaftState::new(hard_state, to_conf_state(&options.membership)),
            before: before.0,
            terms,
            logged: last.0,
            last: last.0,
            paged: VecDeque::new(),
            live: VecDeque::new(),
            fetched: Vec::new(),
            wanted: RefCell::default(),
        }
    }

    /// The first index that must be paged in before `needed` can be read, if any.
    pub(crate) fn missing(&self, needed: u64) -> Option<u64> {
        let held = self.paged.back().map_or(0, |entry| entry.index);
        let first_held = self.paged.front().map_or(u64::MAX, |entry| entry.index);
        let known = needed > self.logged || (first_held..=held).contains(&needed);
        (!known).then_some(needed)
    }

    /// Adds entries that were read from the log. Those that another leader's entries have replaced since the
    /// read began are left out.
    pub(crate) fn page_in(&mut self, entries: Vec<Entry>) {
        let logged = self.logged;
        self.paged.extend(entries.into_iter().take_while(|entry| entry.index <= logged));
    }

    /// Adds new entries. They replace all entries from the first of them on.
    pub(crate) fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first().map(|entry| entry.index) else { return };
        for run in [&mut self.paged, &mut self.live] {
            while run.back().is_some_and(|entry| entry.index >= first) {
                run.pop_back();
            }
        }
        self.logged = self.logged.min(first - 1);
        for entry in entries {
            self.terms.set(Index(entry.index), Term(entry.term));
            self.last = entry.index;
        }
        self.live.extend(entries.iter().cloned());
    }

    /// The state holds everything up to here.
    pub(crate) fn applied(&mut self, index: u64) {
        for run in [&mut self.paged, &mut self.live] {
            while run.front().is_some_and(|entry| entry.index <= index) {
                run.pop_front();
            }
        }
    }

    /// The log no longer holds the entries up to here.
    pub(crate) fn purged(&mut self, through: Index) {
        if let Some(term) = self.terms.at(through)
            && self.before < through.0
        {
            self.before = through.0;
            self.terms.begin_at(through, term);
        }
    }

    pub(crate) fn term_at(&self, index: Index) -> Option<Term> {
        if (self.before..=self.last).contains(&index.0) { self.terms.at(index) } else { None }
    }

    pub(crate) fn take_wanted(&mut self) -> Vec<Wanted> {
        std::mem::take(self.wanted.get_mut())
    }

    /// Makes entries that were read from the log available for a follower, until the next call.
    pub(crate) fn set_fetched(&mut self, mut entries: Vec<Entry>) {
        entries.retain(|entry| self.term_at(Index(entry.index)) == Some(Term(entry.term)));
        self.fetched = entries;
    }

    /// The entries from `low` on that are in memory, up to but not including `high`.
    fn held(&self, low: u64, high: u64, max_size: u64) -> Vec<Entry> {
        let mut size = 0u64;
        let mut found: Vec<Entry> = Vec::new();
        let in_memory = self.paged.iter().chain(&self.live);
        let fetched = self.fetched.iter().take_while(|entry| entry.index < self.first_in_memory());
        for entry in fetched.chain(in_memory).skip_while(|entry| entry.index < low) {
            let expected = low + found.len() as u64;
            size = size.saturating_add(entry.data.len() as u64);
            if entry.index != expected || entry.index >= high || (size > max_size && !found.is_empty()) {
                break;
            }
            found.push(entry.clone());
        }
        found
    }

    fn first_in_memory(&self) -> u64 {
        self.paged.front().or(self.live.front()).map_or(u64::MAX, |entry| entry.index)
    }
}

impl Storage for Recent {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(self.initial.clone())
    }

    /// Entries for a follower are read from the log if they are not in memory. All others are in memory
    /// already, or not needed: raft-rs looks for configuration entries among those of a candidate.
    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low <= self.before {
            return Err(StorageError::Compacted.into());
        }
        let found = self.held(low, high, max_size.into().unwrap_or(u64::MAX));
        if found.is_empty() && low < high && context.can_async() {
            self.wanted.borrow_mut().push(Wanted { from: Index(low), context });
            return Err(StorageError::LogTemporarilyUnavailable.into());
        }
        Ok(found)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index < self.before {
            return Err(StorageError::Compacted.into());
        }
        let term = self.term_at(Index(index)).map(|term| term.0);
        term.ok_or_else(|| StorageError::Unavailable.into())
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.before + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.last)
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        Err(StorageError::SnapshotTemporarilyUnavailable.into())
    }
}
