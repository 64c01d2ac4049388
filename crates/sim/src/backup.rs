//! A backup that is taken at some moment, copied while the node goes on, and restored on another machine, by itself or with
//! the entries that an archive has read since. What was seen at the end of either must be there: every event, and every row but
//! the two that a restore changes.
//!
//! What readers saw was compared with the model, so the restored node need not be.

use crate::checkers::shown::Shown;
use crate::damage;
use crate::machine::Machine;
use crate::process::{GROUP, NodeDisk, Process, STORE};
use crate::schedule::Moment;
use crate::unread::Unread;
use driver::archive::LogRead;
use driver::snapshot::{Taken, take};
use format::archive::{PIECE_HEADER_BYTES, PieceHeader};
use format::header::SnapshotHeader;
use format::row::{ALL_ROWS, origins_key, shard_key};
use format::snapshot::{CHUNK_HEADER_BYTES, ChunkHeader, Following};
use model::{Index, Key, Order, Position, Slot, Value, View, Wall};
use node::replay::Replay;
use seeded_rng::Rng;
use shard::query;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use storage::bodies::{BodyOptions, PinnedBodies, SegmentCopy};
use storage::disk::{Disk as _, DiskFile as _};
use storage::log::LogOptions;
use storage::memory_disk::{MemoryDisk, MemoryFile};
use storage::memory_state::{MemoryReader, MemoryState, MemoryStateDisk};
use storage::snapshot::{Install, InstallError, InstalledAt, read_rows};
use storage::state::{Reader as _, State as _};

const FIRST: Slot = Slot(0);

/// See the module.
#[derive(Debug)]
pub struct Backup {
    pub boot: u64,
    header: SnapshotHeader,
    state: MemoryReader,
    bodies: PinnedBodies<NodeDisk>,
    seen: Seen,
}

/// What a restored store must have.
#[derive(Debug)]
struct Seen {
    shown: Shown,
    rows: BTreeMap<Key, Value>,
}

impl Seen {
    fn read(process: &Process) -> Result<Self, Unread> {
        Ok(Self { shown: Shown::read(process)?, rows: rows(&process.reader())? })
    }
}

impl Backup {
    /// # Errors
    /// [`Unread`].
    pub fn take(boot: u64, process: &Process, now: Wall) -> Result<Self, Unread> {
        let seen = Seen::read(process)?;
        let Taken { header, state, bodies } =
            take::<_, _, Unread>((STORE, FIRST), process.bodies(), || process.reader(), now)?;
        Ok(Self { boot, header, state, bodies, seen })
    }

    /// The last entry that it has.
    #[must_use]
    pub fn index(&self) -> Index {
        self.header.index
    }

    /// Restores it on another machine, starts a node there, and looks at what it has. Returns how many entries were applied
    /// that an archive has.
    ///
    /// # Errors
    /// The disk of the original failed, or a promise is broken.
    pub fn restore(&self, original: &Machine, moment: Moment, rng: &mut Rng) -> Result<u64, Unread> {
        let now = original.now(moment).wall;
        let (log, bodies, state) = (MemoryDisk::new(), MemoryDisk::new(), MemoryStateDisk::new());
        let limits = &original.limits;
        let options = BodyOptions {
            segment_bytes: limits.body_segment_bytes,
            stride_bytes: limits.stride_bytes,
            ..BodyOptions::new(STORE)
        };
        let mut install =
            Install::begin(MemoryState::open(&state), bodies.clone(), options).map_err(broken)?;
        self.install_rows(&mut install, rng)?;
        self.install_bodies(&mut install, rng)?;
        let at = InstalledAt { group: GROUP, index: self.header.index, term: self.header.term };
        let mut replay = Replay::new(install, at);
        let later = self.replay(original, &mut replay, rng)?;
        let replayed = replay.at.index.0 - self.header.index.0;
        let changes = shard::restore::restored(replay.install.state(), FIRST, STORE, now)?;
        let log_options = LogOptions { segment_bytes: limits.log_segment_bytes, ..LogOptions::new(STORE) };
        replay.install.finish(&changes, replay.at, log.clone(), log_options).map_err(broken)?;
        // What was not synced is lost, as after a power cut.
        let (log, bodies) = (log.crash(&mut || 0), bodies.crash(&mut || 0));
        let mut machine = original.with_disks(log, bodies, state);
        damage::start(&mut machine, moment).map_err(|ended| format!("a restored node ends: {ended}"))?;
        let Some(process) = &machine.process else {
            return Err("a restored node is never ready".to_owned().into());
        };
        compare(later.as_ref().unwrap_or(&self.seen), process, now)?;
        Ok(replayed)
    }

    /// Applies what an archive reads of the log, and returns what readers see by now. `None` if there is no archive, or the log
    /// was not kept for it.
    fn replay(
        &self,
        original: &Machine,
        replay: &mut Replay<MemoryDisk, MemoryState>,
        rng: &mut Rng,
    ) -> Result<Option<Seen>, Unread> {
        let Some(process) = original.process.as_ref().filter(|_| rng.one_in(2)) else { return Ok(None) };
        let last = process.reader().progress().index;
        loop {
            let bytes_max = 1 + rng.below(8_000) as usize;
            match process.archived().read(replay.at.index, last, bytes_max)? {
                LogRead::Piece(piece) => apply(&piece, replay)?,
                LogRead::Nothing => return Seen::read(process).map(Some),
                LogRead::NotInLog { .. }
                    if replay.at.index == self.header.index && !original.limits.keeps_log() =>
                {
                    return Ok(None);
                }
                LogRead::NotInLog { last } => {
                    let has = replay.at.index;
                    return Err(
                        format!("the log was not kept for an archive that has {has} of {last}").into()
                    );
                }
            }
        }
    }

    fn install_rows(
        &self,
        install: &mut Install<MemoryDisk, MemoryState>,
        rng: &mut Rng,
    ) -> Result<(), Unread> {
        let mut after: Option<Key> = None;
        for number in 0.. {
            let bytes_max = 1 + rng.below(20_000) as usize;
            let chunk = read_rows(&self.state, &self.header, number, after.as_deref(), bytes_max)?;
            let (head, rows) =
                chunk.bytes.split_first_chunk::<CHUNK_HEADER_BYTES>().ok_or("a short chunk")?;
            let head = ChunkHeader::decode(&self.header, head).map_err(|error| error.to_string())?;
            install.rows(&head.rows(rows).map_err(|error| error.to_string())?).map_err(broken)?;
            if head.following == Following::Nothing {
                break;
            }
            after = chunk.last;
        }
        Ok(())
    }

    fn install_bodies(
        &self,
        install: &mut Install<MemoryDisk, MemoryState>,
        rng: &mut Rng,
    ) -> Result<(), Unread> {
        let state = install.state().reader();
        let copies = MemoryDisk::new();
        for segment in self.bodies.segments() {
            let file = copies.create(&segment.name).map_err(|error| error.to_string())?;
            self.copy(&segment.name, &file, rng)?;
            let copy = SegmentCopy::open(&segment.name, file, segment.kind, STORE);
            let copy = copy.map_err(|error| format!("a copy is damaged: {error}"))?;
            copy.records(|record, bytes| {
                if segment.may_hold_removed && !query::is_live(&state, record)? {
                    return Ok(());
                }
                install.records(bytes, record.cursor()).map_err(broken)
            })?;
        }
        Ok(())
    }

    fn copy(&self, name: &str, file: &MemoryFile, rng: &mut Rng) -> Result<(), Unread> {
        let mut at = 0;
        loop {
            let bytes_max = 1 + rng.below(8_000) as usize;
            let bytes = self.bodies.read(name, at, bytes_max)?.ok_or("a segment is not pinned any more")?;
            if bytes.is_empty() {
                return Ok(());
            }
            file.write_at(&bytes, at).map_err(|error| error.to_string())?;
            at += bytes.len() as u64;
        }
    }
}

fn apply(piece: &[u8], replay: &mut Replay<MemoryDisk, MemoryState>) -> Result<(), Unread> {
    let (head, record) = piece.split_first_chunk::<PIECE_HEADER_BYTES>().ok_or("a short piece")?;
    let head = PieceHeader::decode(STORE, head).map_err(|error| error.to_string())?;
    for entry in head.entries(STORE, GROUP, record).map_err(|error| error.to_string())? {
        replay.apply(&entry).map_err(|error| format!("an archived entry cannot be applied: {error}"))?;
    }
    Ok(())
}

fn compare(seen: &Seen, process: &Process, now: Wall) -> Result<(), Unread> {
    let found = Shown::read(process)?;
    if found.events != seen.shown.events {
        let (had, has) = (seen.shown.events.len(), found.events.len());
        return Err(format!("a store of {had} events was restored with {has}, or with others").into());
    }
    let mut found = rows(&process.reader())?;
    let (before, after) = (query::clock(&seen.rows, FIRST)?, query::clock(&found, FIRST)?);
    let begins = before.last_position.max(Position::first_of(now));
    if after.last_position < begins || after.wall < before.wall.max(now) {
        return Err(format!("the clocks of a restored store are {after:?} after {before:?} and {now}").into());
    }
    let mut want = seen.rows.clone();
    for key in [&shard_key(FIRST)[..], &origins_key(FIRST)] {
        want.remove(key);
        found.remove(key);
    }
    if found != want {
        let differing = want.iter().find(|(key, value)| found.get(*key) != Some(value));
        return Err(format!("a restored state has other rows, such as {differing:?}").into());
    }
    Ok(())
}

fn broken(error: InstallError) -> Unread {
    Unread::Broken(format!("a backup cannot be installed: {error}"))
}

fn rows(state: &MemoryReader) -> Result<BTreeMap<Key, Value>, Unread> {
    let mut rows = BTreeMap::new();
    state.scan(ALL_ROWS, Order::Ascending, &mut |key, value| {
        rows.insert(key.to_vec(), value.to_vec());
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

impl From<&str> for Unread {
    fn from(what: &str) -> Self {
        Self::Broken(what.to_owned())
    }
}
