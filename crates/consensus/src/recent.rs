//! The entries that Raft may read, in memory: those not yet applied, and those paged in after a start.
//!
//! raft-rs reads its log synchronously and panics on an error, so nothing here can fail. The entries that it
//! may need next are read in advance (see `Group::take`), where an error can still be returned.

use model::{Index, Term};
use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};
use std::collections::VecDeque;

/// Reads one group's entries back from its log. Used only for entries that are no longer in memory.
pub trait LogView {
    /// Entries from `from` on, in order and without a gap: at most `bytes_max` bytes, but at least one entry
    /// if there is one.
    ///
    /// # Errors
    /// [`LogViewError`] stops the replica.
    fn entries(&self, from: Index, bytes_max: usize) -> Result<Vec<(Index, Term, Vec<u8>)>, LogViewError>;
}

/// The log could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log cannot be read: {0}")]
pub struct LogViewError(pub String);

/// Unapplied entries in two parts: `paged` (read from the log after a start) and `live` (written since).
#[derive(Debug)]
pub(crate) struct Recent {
    initial: RaftState,
    /// Everything up to here is applied and no longer needed.
    applied: (u64, u64),
    /// The last entry of the log at this start. Entries up to this index are paged in.
    logged: (u64, u64),
    paged: VecDeque<Entry>,
    live: VecDeque<Entry>,
}

impl Recent {
    pub(crate) fn new(
        applied: (u64, u64),
        logged: (u64, u64),
        hard_state: HardState,
        voters: Vec<u64>,
    ) -> Self {
        let conf_state = ConfState { voters, ..ConfState::default() };
        Self {
            initial: RaftState::new(hard_state, conf_state),
            applied,
            logged,
            paged: VecDeque::new(),
            live: VecDeque::new(),
        }
    }

    /// The first index that must be paged in before `needed` can be read, if any.
    pub(crate) fn missing(&self, needed: u64) -> Option<u64> {
        let held = self.paged.back().map_or(0, |entry| entry.index);
        let first_held = self.paged.front().map_or(u64::MAX, |entry| entry.index);
        let known = needed > self.logged.0 || (first_held..=held).contains(&needed);
        (!known).then_some(needed)
    }

    pub(crate) fn page_in(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.paged.extend(entries);
    }

    pub(crate) fn append(&mut self, entries: &[Entry]) {
        self.live.extend(entries.iter().cloned());
    }

    pub(crate) fn applied(&mut self, index: u64) {
        for run in [&mut self.paged, &mut self.live] {
            while let Some(entry) = run.front().filter(|entry| entry.index <= index) {
                self.applied = (entry.index, entry.term);
                run.pop_front();
            }
        }
    }
}

impl Storage for Recent {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(self.initial.clone())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let max_size = max_size.into().unwrap_or(u64::MAX);
        let mut size = 0u64;
        let mut found: Vec<Entry> = Vec::new();
        for entry in self.paged.iter().chain(&self.live).skip_while(|entry| entry.index < low) {
            let expected = low + found.len() as u64;
            size = size.saturating_add(entry.data.len() as u64);
            if entry.index != expected || entry.index >= high || (size > max_size && !found.is_empty()) {
                break;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index == self.applied.0 {
            return Ok(self.applied.1);
        }
        if index < self.applied.0 {
            return Err(StorageError::Compacted.into());
        }
        if index == self.logged.0 {
            return Ok(self.logged.1);
        }
        let found = self.paged.iter().chain(&self.live).find(|entry| entry.index == index);
        found.map(|entry| entry.term).ok_or_else(|| StorageError::Unavailable.into())
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.applied.0 + 1)
    }

    fn last_index(&self) -> raft::Result<u64> {
        let last = self.live.back().map(|entry| entry.index);
        Ok(last.unwrap_or(self.logged.0).max(self.applied.0))
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        Err(StorageError::SnapshotTemporarilyUnavailable.into())
    }
}
