//! Makes a data directory from a backup.
//!
//! The backup is read twice: first to check all of it, before anything is written, and then to install it. So are the
//! entries that followed it, in the archive and in the log of the lost node, which are applied as they were by the original.
//! The new store has an identity of its own, remembers where it comes from, and continues the positions of the original
//! ([`shard::restore`]).

use crate::backups::{Backup, BackupDirectory, SegmentFile, Verified};
use crate::error::{Result, UpkeepError};
use crate::log_archive::{Stretch, StretchEnd};
use crate::lost_node::{LaterEntries, LostNode};
use crate::needed_keys::NeededKeys;
use crate::subject_keys::CopiedKeys;
use crate::{rows, segments};
use format::header::{SnapshotHeader, StoreId, SubjectKeysHeader};
use model::{Cursor, GroupId, Index, KeyId, Slot, SlotRange, Wall};
use node::replay::Replay;
use shard::query::{self, Liveness};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use storage::bodies::BodyOptions;
use storage::directory::DataDirectory;
use storage::log::LogOptions;
use storage::lsm::{LsmConfig, LsmState};
use storage::real_disk::RealDisk;
use storage::restoring::RestoringDirectory;
use storage::snapshot::{Install, InstalledAt};
use storage::state::State;
use subject_keys::{Examined, WrappingKey, file};

/// The slots of the only shard.
pub(crate) const FIRST: Slot = SlotRange::ALL.first;
/// Its group.
pub(crate) const GROUP: GroupId = GroupId(1);
/// How many bytes of bodies are appended at a time.
const RECORDS_BYTES: usize = 1 << 20;

/// As of when a store is restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Moment {
    /// As of the newest entry that the directory has.
    Newest,
    /// As of the end of this backup.
    Backup(String),
    /// As of the end of this millisecond.
    Time(Wall),
    /// As of the entry with this cursor.
    Cursor(Cursor),
}

/// What a store is restored from.
#[derive(Debug)]
pub struct Sources<'a> {
    pub backups: &'a BackupDirectory,
    /// The data directory of the node that was lost. Its log goes on where the archive ends, or the backup.
    pub lost_node: Option<&'a Path>,
}

/// A store that was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Its identity.
    pub store: StoreId,
    /// The store that the backup is of.
    pub from: StoreId,
    /// The name of the backup.
    pub backup: String,
    /// What the backup has.
    pub events: u64,
    pub rows: u64,
    /// The keys of subjects, if it has any. They are wrapped.
    pub keys: Option<Examined>,
    /// Subjects whose keys were missing, and who are erased now.
    pub lost: usize,
    /// How many entries followed it.
    pub replayed: u64,
    /// How many of them only the log of the lost node had.
    pub from_lost_node: u64,
    /// Why no more entries followed.
    pub end: StretchEnd,
    /// It has everything that had happened there up to this cursor.
    pub through: Cursor,
    /// The time of day of the last entry.
    pub wall: Wall,
    /// How many milliseconds this machine's clock is behind that of the backup.
    pub clock_behind_ms: u64,
}

/// What becomes of events that are sealed with keys which are nowhere.
#[derive(Debug)]
pub enum LostKeys {
    /// Nothing is restored.
    Refused,
    /// Their subjects are erased. If there is no copy of the keys, later keys are wrapped with this one.
    Erased { new: Option<Box<WrappingKey>> },
}

/// Restores a store to a directory that does not exist or is empty: from a backup, and from the entries that were archived
/// after it or are in the log of the lost node.
///
/// # Errors
/// The backup, the archive or the log is damaged, they do not go as far as wanted, keys that events are sealed with are missing, or
/// the directory is not empty: then nothing has changed. Or a disk failed: then there is no store in the directory, and the
/// restore can be begun again.
pub fn restore(sources: &Sources<'_>, moment: &Moment, lost: &LostKeys, data: &Path) -> Result<Restored> {
    let directory = sources.backups;
    let backup = choose(directory, moment)?;
    let Verified { header, mut keys, events, rows, .. } = backup.verify()?;
    let lost_node = sources.lost_node.map(|path| LostNode::open(path, header.store)).transpose()?;
    let later = LaterEntries { archive: directory.log_archive(header.store), lost: lost_node.as_ref() };
    let (wanted, archived) = wanted_entries(&later, &header, moment, &mut keys)?;
    let (copied, missing) = find_keys(&keys, directory, &header, lost_node.as_ref(), lost)?;
    let restoring = RestoringDirectory::begin(data)?;
    let target = restoring.target();
    let store = target.store();
    let install = install(&backup, &header, target)?;
    let at = InstalledAt { group: GROUP, index: header.index, term: header.term };
    let mut replay = Replay::new(install, at);
    later.after(header.index, |entry| {
        if entry.index > wanted.last || has_come_to(&replay, moment)? {
            return Ok(ControlFlow::Break(()));
        }
        replay.apply(entry)?;
        Ok(ControlFlow::Continue(()))
    })?;
    let clock = query::clock(replay.install.state(), FIRST)?;
    // Others of the same millisecond may have been archived.
    if let Moment::Cursor(cursor) = moment
        && clock.through() < *cursor
    {
        return Err(UpkeepError::BeyondArchive { cursor: *cursor, last: replay.at.index.0 });
    }
    let keys = copied.map(|copied| restore_keys(&copied, &missing, &replay, target)).transpose()?;
    let now = now();
    let begins = begins_at(now, &header);
    let changes = shard::restore::restored(replay.install.state(), FIRST, header.store, begins)?;
    replay.install.finish(&changes, replay.at, target.log_disk()?, LogOptions::new(store))?;
    restoring.finish()?;
    Ok(Restored {
        store,
        from: header.store,
        backup: backup.name,
        events,
        rows,
        keys,
        lost: missing.len(),
        replayed: replay.at.index.0 - header.index.0,
        from_lost_node: replay.at.index.0.saturating_sub(archived.0),
        end: wanted.end,
        through: clock.through(),
        wall: clock.wall,
        clock_behind_ms: clock_of(clock.wall, &header).max(header.taken).0.saturating_sub(now.0),
    })
}

/// The keys that the events need, and those of them that are nowhere. If the lost node has its keys still, these are the newest.
fn find_keys(
    needed: &NeededKeys,
    directory: &BackupDirectory,
    header: &SnapshotHeader,
    lost_node: Option<&LostNode>,
    lost: &LostKeys,
) -> Result<(Option<CopiedKeys>, Vec<KeyId>)> {
    let copied = directory.subject_keys(header.store)?;
    let places = |keys: &CopiedKeys| keys.examined.places;
    let left = match lost_node {
        Some(lost_node) => lost_node.subject_keys()?,
        None => None,
    };
    let left = left.filter(|left| copied.as_ref().is_none_or(|copied| places(left) >= places(copied)));
    let (newest, path) = (left.or(copied), directory.shown_keys(header.store));
    match lost {
        LostKeys::Refused => Ok((needed.all_in(newest, &path)?, Vec::new())),
        LostKeys::Erased { new } => needed.some_in(newest, &path, (header.store, new.as_deref())),
    }
}

/// The newest backup from which the moment can be reached.
fn choose(directory: &BackupDirectory, moment: &Moment) -> Result<Backup> {
    let latest = match moment {
        Moment::Newest => return directory.backup(None),
        Moment::Backup(name) => return directory.backup(Some(name)),
        Moment::Time(wall) => Cursor::last_of(*wall),
        Moment::Cursor(cursor) => *cursor,
    };
    let backups = directory.backups()?;
    let oldest = backups.first().map(|backup| backup.name.clone());
    let is_before = |backup: &Backup| backup.manifest.cursor.parse::<Cursor>().is_ok_and(|at| at <= latest);
    let found = backups.into_iter().rfind(is_before);
    found.ok_or_else(|| UpkeepError::BeforeBackups {
        path: directory.shown().display().to_string(),
        oldest: oldest.unwrap_or_else(|| "none".to_owned()),
    })
}

/// Reads and checks all entries that are wanted after a backup, so that a restore does not fail because of them later. Also
/// returns the last one that the archive has.
fn wanted_entries(
    later: &LaterEntries<'_>,
    header: &SnapshotHeader,
    moment: &Moment,
    keys: &mut NeededKeys,
) -> Result<(Stretch, Index)> {
    let until = match moment {
        Moment::Backup(_) => {
            return Ok((Stretch { last: header.index, end: StretchEnd::Asked }, header.index));
        }
        Moment::Newest => None,
        Moment::Time(wall) => Some(*wall),
        Moment::Cursor(cursor) => Some(cursor.position.wall()),
    };
    let mut last = header.wall;
    let (stretch, archived) = later.after(header.index, |entry| {
        if let Some(entry) = node::replay::read(entry)? {
            if until.is_some_and(|until| entry.wall > until) {
                return Ok(ControlFlow::Break(()));
            }
            last = entry.wall;
            keys.entry(&entry);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    // The last entry may be the one with the cursor.
    if let Moment::Cursor(cursor) = moment
        && stretch.end != StretchEnd::Asked
        && last.max(header.through.position.wall()) < cursor.position.wall()
    {
        return Err(UpkeepError::BeyondArchive { cursor: *cursor, last: stretch.last.0 });
    }
    Ok((stretch, archived))
}

/// Whether the entry with the wanted cursor was applied.
fn has_come_to(replay: &Replay<RealDisk, LsmState>, moment: &Moment) -> Result<bool> {
    let Moment::Cursor(cursor) = moment else { return Ok(false) };
    Ok(query::clock(replay.install.state(), FIRST)?.last_position >= cursor.position)
}

fn install(
    backup: &Backup,
    header: &SnapshotHeader,
    target: &DataDirectory,
) -> Result<Install<RealDisk, LsmState>> {
    let store = target.store();
    let state = LsmState::open(&target.state_path(), store, LsmConfig::default())?;
    let mut install = Install::begin(state, target.bodies_disk()?, BodyOptions::new(store))?;
    rows::read_all(backup.row_files(), |rows| Ok(install.rows(rows)?))?;
    for segment in &backup.manifest.segments {
        install_segment(&mut install, backup, segment, header)?;
        install.sync_bodies()?;
    }
    Ok(install)
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
    let file = backup.segment_file(segment)?;
    segments::read(&file, segment.kind(), header.store, |record, bytes| {
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

/// Gives the new store the keys that its events are sealed with. What the state says is erased is erased in them too,
/// however old the copy is, and what is missing.
fn restore_keys(
    copied: &CopiedKeys,
    missing: &[KeyId],
    replay: &Replay<RealDisk, LsmState>,
    target: &DataDirectory,
) -> Result<Examined> {
    let keys = SubjectKeysHeader { store: target.store(), ..copied.header };
    let target = target.path();
    let whole = file::whole(&keys, &copied.records);
    file::write_whole(target, &whole).map_err(|source| UpkeepError::io(target, source))?;
    let mut erased = query::erased_keys(replay.install.state(), FIRST)?;
    erased.extend(missing);
    let path = target.join(file::NAME);
    file::erase_all(&path, &erased)?;
    Ok(file::examine(&path)?.1)
}

/// When the new store's positions begin: now, by a clock that is ahead of this one as far as the original's was.
fn begins_at(now: Wall, header: &SnapshotHeader) -> Wall {
    Wall(now.0.saturating_add(header.wall.0.saturating_sub(header.taken.0)))
}

/// What the original's machine had as its time of day when an entry got this one.
fn clock_of(wall: Wall, header: &SnapshotHeader) -> Wall {
    Wall(wall.0.saturating_sub(header.wall.0.saturating_sub(header.taken.0)))
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
