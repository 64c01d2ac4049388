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

#[cfg(test)]
mod tests {
    use super::*;
    use format::header::StoreId;
    use model::{AcquireLease, Command, Elapsed, EntryClock, GroupId, Index, LeaseName, Term, Wall};
    use shard::{BEHAVIOUR, query};
    use storage::bodies::BodyOptions;
    use storage::memory_disk::MemoryDisk;
    use storage::memory_state::{MemoryState, MemoryStateDisk};

    fn lease() -> LeaseName<'static> {
        LeaseName::new("l").unwrap()
    }

    fn with_command() -> Vec<u8> {
        let acquire = AcquireLease {
            lease: lease(),
            holder: "h".into(),
            ttl_ms: 1_000,
            hold_off_ms: 0,
            permits: 1,
            wait_ms: 0,
        };
        let clock = EntryClock { wall: Wall(1), elapsed: Elapsed(1) };
        let mut bytes = Vec::new();
        format::entry::encode(BEHAVIOUR, clock, &[Command::AcquireLease(acquire)], &mut bytes);
        bytes
    }

    fn entry(index: u64, kind: EntryKind, bytes: &[u8]) -> LogEntry<'_> {
        LogEntry { index: Index(index), term: Term(3), kind, bytes }
    }

    #[test]
    fn entries_are_applied_in_order_and_those_without_commands_only_counted() {
        let state = MemoryState::open(&MemoryStateDisk::new());
        let install = Install::begin(state, MemoryDisk::new(), BodyOptions::new(StoreId(7))).unwrap();
        let at = InstalledAt { group: GroupId(1), index: Index(0), term: Term(0) };
        let mut replay = Replay::new(install, at);
        let bytes = with_command();
        let is_held = |replay: &Replay<_, MemoryState>| {
            let lease = query::lease(replay.install.state(), &lease(), Elapsed(1)).unwrap();
            !lease.holders.is_empty()
        };
        for (index, kind, bytes, commands) in [
            (2, EntryKind::Normal, &b""[..], 0),
            (3, EntryKind::Configuration, b"of the group", 0),
            (4, EntryKind::Normal, &bytes, 1),
            (5, EntryKind::Normal, b"", 0),
        ] {
            let entry = entry(index, kind, bytes);
            assert_eq!(read(&entry).unwrap().map_or(0, |entry| entry.commands.len()), commands);
            for other in [index - 1, index + 1] {
                assert!(
                    replay.apply(&LogEntry { index: Index(other), ..entry }).is_err(),
                    "{other} is not next"
                );
            }
            replay.apply(&entry).unwrap();
            assert_eq!((replay.at.index, replay.at.term), (Index(index), Term(3)));
            assert_eq!(is_held(&replay), index >= 4, "after entry {index}");
        }
        assert!(replay.apply(&entry(6, EntryKind::Normal, b"cannot be read")).is_err());
    }
}
