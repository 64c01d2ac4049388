//! Makes a data directory from a backup.
//!
//! The backup is read twice: first to check all of it, before anything is written, and then to install it. The new store
//! has an identity of its own, remembers where it comes from, and continues the positions of the original
//! ([`shard::restore`]).

use crate::backups::{Backup, SegmentFile};
use crate::error::{Result, UpkeepError};
use crate::{rows, segments};
use format::header::{SnapshotHeader, StoreId};
use model::{Cursor, GroupId, Slot, SlotRange, Wall};
use shard::query::Liveness;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use storage::bodies::BodyOptions;
use storage::log::LogOptions;
use storage::lsm::{LsmConfig, LsmState};
use storage::real_disk::RealDisk;
use storage::restoring::RestoringDirectory;
use storage::snapshot::{Install, InstalledAt};
use storage::state::State;

/// The slots of the only shard.
pub(crate) const FIRST: Slot = SlotRange::ALL.first;
/// Its group.
pub(crate) const GROUP: GroupId = GroupId(1);
/// How many bytes of bodies are appended at a time.
const RECORDS_BYTES: usize = 1 << 20;

/// A store that was restored.
#[derive(Clone, Copy, Debug)]
pub struct Restored {
    /// Its identity.
    pub store: StoreId,
    /// The store that the backup is of.
    pub from: StoreId,
    /// It has everything that had happened there up to this cursor.
    pub through: Cursor,
    pub events: u64,
    pub rows: u64,
    /// How many milliseconds this machine's clock is behind that of the backup.
    pub clock_behind_ms: u64,
}

/// Restores a backup to a directory that does not exist or is empty.
///
/// # Errors
/// The backup is damaged, or the directory is not empty: then nothing has changed. Or a disk failed: then there is no store
/// in the directory, and the restore can be begun again.
pub fn restore(backup: &Backup, data: &Path) -> Result<Restored> {
    let verified = backup.verify()?;
    let header = verified.header;
    let restoring = RestoringDirectory::begin(data)?;
    let target = restoring.target();
    let store = target.store();
    let state = LsmState::open(&target.state_path(), store, LsmConfig::default())?;
    let mut install = Install::begin(state, target.bodies_disk()?, BodyOptions::new(store))?;
    rows::read_all(&backup.row_files(), |rows| Ok(install.rows(rows)?))?;
    for segment in &backup.manifest.segments {
        install_segment(&mut install, backup, segment, &header)?;
        install.sync_bodies()?;
    }
    let now = now();
    let changes = shard::restore::restored(install.state(), FIRST, header.store, begins_at(now, &header))?;
    let at = InstalledAt { group: GROUP, index: header.index, term: header.term };
    install.finish(&changes, at, target.log_disk()?, LogOptions::new(store))?;
    restoring.finish()?;
    Ok(Restored {
        store,
        from: header.store,
        through: header.through,
        events: verified.events,
        rows: verified.rows,
        clock_behind_ms: header.taken.0.saturating_sub(now.0),
    })
}

/// Appends the events of a segment. Removed ones are left out, so their bytes are gone for good.
fn install_segment(
    install: &mut Install<RealDisk, LsmState>,
    backup: &Backup,
    segment: &SegmentFile,
    header: &SnapshotHeader,
) -> Result<()> {
    let state = install.state().reader();
    let mut liveness = Liveness::new(&state, FIRST)?;
    let (mut records, mut last) = (Vec::new(), Cursor::START);
    let path = backup.segment_file(segment);
    segments::read(&path, segment.kind(), header.store, |record, bytes| {
        if segment.may_hold_removed && !liveness.is_live(record)? {
            return Ok(());
        }
        records.extend_from_slice(bytes);
        last = record.cursor();
        if records.len() >= RECORDS_BYTES {
            install.records(&records, last)?;
            records.clear();
        }
        Ok(())
    })?;
    if records.is_empty() { Ok(()) } else { Ok(install.records(&records, last)?) }
}

/// When the new store's positions begin: now, by a clock that is ahead of this one as far as the original's was.
fn begins_at(now: Wall, header: &SnapshotHeader) -> Wall {
    Wall(now.0.saturating_add(header.wall.0.saturating_sub(header.taken.0)))
}

fn now() -> Wall {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Wall(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl From<storage::log::LogError> for UpkeepError {
    fn from(error: storage::log::LogError) -> Self {
        Self::Install(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_begin_later_by_what_the_clock_of_the_original_was_ahead() {
        for (wall, taken, want) in [(1_000, 1_000, 9_000), (1_000, 1_400, 9_000), (6_000, 1_000, 14_000)] {
            let header = SnapshotHeader { wall: Wall(wall), taken: Wall(taken), ..SnapshotHeader::default() };
            assert_eq!(begins_at(Wall(9_000), &header), Wall(want), "{wall} {taken}");
        }
    }
}
