//! Applies entries to a snapshot that is being installed, as the engine applies those of its log after a crash.
//!
//! A store is restored as of a moment in this way: from a backup, and the entries that an archive has of what followed.

use crate::engine::EngineError;
use crate::raft_engine::{following, read_entry};
use format::frame::{EntryKind, LogEntry};
use model::{Effect, Entry};
use shard::{Applied, Shard, ShardOptions};
use storage::disk::Disk;
use storage::snapshot::{Install, InstalledAt};
use storage::state::State;

/// See the module.
#[derive(Debug)]
pub struct Replay<D: Disk, S: State> {
    shard: Shard,
    /// What was installed. All rows and bodies of the snapshot must be in it before the first entry is applied.
    pub install: Install<D, S>,
    /// The last entry that was applied.
    pub at: InstalledAt,
}

/// An entry; `None` if it has no commands.
///
/// # Errors
/// It cannot be read.
pub fn read<'a>(entry: &LogEntry<'a>) -> Result<Option<Entry<'a>>, EngineError> {
    if !has_commands(entry) {
        return Ok(None);
    }
    read_entry(entry.index, entry.bytes).map(Some)
}

fn has_commands(entry: &LogEntry<'_>) -> bool {
    entry.kind == EntryKind::Normal && !entry.bytes.is_empty()
}

impl<D: Disk, S: State> Replay<D, S> {
    #[must_use]
    pub fn new(install: Install<D, S>, at: InstalledAt) -> Self {
        Self { shard: Shard::new(ShardOptions::default()), install, at }
    }

    /// Applies the entry after the last one. Changes of the group's replicas are not applied: what is restored is a group
    /// of its own.
    ///
    /// # Errors
    /// It is not the next entry, or cannot be read or applied; or a store failed.
    pub fn apply(&mut self, entry: &LogEntry<'_>) -> Result<(), EngineError> {
        let (last, index) = (self.at.index, entry.index);
        if index != following(last) {
            return Err(EngineError::new(format!("entry {index} is where the one after {last} belongs")));
        }
        if has_commands(entry) {
            let decoded = read_entry(index, entry.bytes)?;
            let Applied { bodies, last, writes, effects, .. } =
                self.shard.apply(&decoded, self.install.state())?;
            if let (Some(last), false) = (last, bodies.is_empty()) {
                self.install.records(&bodies, last).map_err(EngineError::new)?;
            }
            for effect in &effects {
                if let Effect::BodiesRemoved { positions } = effect {
                    self.install.removed(positions, decoded.wall);
                }
            }
            self.install.change(&writes).map_err(EngineError::new)?;
        }
        self.at = InstalledAt { index, term: entry.term, ..self.at };
        Ok(())
    }
}
