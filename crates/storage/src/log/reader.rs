//! Reads entries back. Readers see what has been written, synced or not.

use super::LogError;
use crate::disk::Disk;
use model::{GroupId, Index, Term};

/// An entry read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    pub index: Index,
    pub term: Term,
    pub bytes: Vec<u8>,
}

/// Consecutive entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryPage {
    pub entries: Vec<StoredEntry>,
}

/// Reads entries. Cheap to clone; its memory is bounded.
#[derive(Clone, Debug)]
pub struct LogReader<D: Disk> {
    _disk: D,
}

impl<D: Disk> LogReader<D> {
    /// One entry; none when the group has no such entry (any more).
    ///
    /// # Errors
    /// `Damaged`, `Failed`: the node must stop.
    pub fn entry(&self, group: GroupId, index: Index) -> Result<Option<(Term, Vec<u8>)>, LogError> {
        let page = self.entries(group, index, 0)?;
        Ok(page.entries.into_iter().next().map(|entry| (entry.term, entry.bytes)))
    }

    /// Consecutive entries from `from` on: as many as fit in `bytes_max`, but at least one if there is one.
    ///
    /// # Errors
    /// `Damaged`, `Failed`: the node must stop.
    pub fn entries(&self, group: GroupId, from: Index, bytes_max: usize) -> Result<EntryPage, LogError> {
        let _ = (group, from, bytes_max);
        Ok(EntryPage::default())
    }
}
