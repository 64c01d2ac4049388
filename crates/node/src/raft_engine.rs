//! The engine built in: the Raft log first, then `apply`, on a local state.
//!
//! ```text
//!   propose ─► Group ─► WriteLog ─► (durable) ─► Group ─► committed ─► Shard::apply ─► State::commit
//!                                                                        │
//!                                          AppendBodies ◄────────────────┘  then Settled
//! ```
//!
//! State and bodies are written without a sync of their own; a flush makes both durable, bodies first, and
//! then the log behind it is purged. After a crash the group replays from the state's applied index through
//! this same path.

use crate::engine::{Engine, EngineError, EngineOutput, Verdict};
use bytes::Bytes;
use consensus::{Committed, Group, GroupError, GroupOptions, LogView, LogViewError, LogWrite, Ticket};
use format::frame::{self, HardState};
use model::{Cursor, Effect, EntryClock, GroupId, Index, Position, Term};
use shard::{Applied, Shard};
use storage::disk::Disk;
use storage::log::{LogReader, RecoveredGroup};
use storage::state::{Pressure, Progress, State};

/// Bytes of entries that one poll applies before it lets its outputs be obeyed: it bounds a replay's memory.
const POLL_BYTES_MAX: usize = 4 << 20;

/// Work for the runtime.
#[derive(Debug)]
pub enum RaftIo<F> {
    /// Make these log records durable, then complete with [`RaftCompletion::LogSynced`].
    WriteLog { ticket: Ticket, records: Vec<u8> },
    /// Append body records behind the last; not synced. `end` is where the body file must then end: elsewhere
    /// it is not what the state says, and the node must stop.
    AppendBodies { records: Vec<u8>, last: Cursor, end: u64 },
    /// These events are gone for good: their bodies may leave the disk.
    RemoveBodies { positions: Vec<Position> },
    /// Sync the bodies appended so far, then run the flush, then complete with [`RaftCompletion::Flushed`].
    Flush { flush: F },
    /// Entries up to `through` are no longer needed.
    PurgeLog { group: GroupId, through: Index },
}

/// What came of it. A failed write or flush has no completion: the node halts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaftCompletion {
    LogSynced(Ticket),
    Flushed(Progress),
    /// There was no room for the flush; none is begun until there is.
    NoRoom,
    RoomAgain,
    /// Something waits for a flush, although little has gathered: removed data that is to leave the disk.
    FlushWanted,
    /// Compaction made progress: commits that waited for it may go on.
    Compacted,
}

/// When to flush.
#[derive(Clone, Copy, Debug)]
pub struct RaftEngineOptions {
    pub group: GroupId,
    /// Flush when so many bytes of state are in memory only.
    pub flush_state_bytes: u64,
    /// Flush when so many bytes of log have been written since the last flush: it bounds the replay.
    pub flush_log_bytes: u64,
}

impl Default for RaftEngineOptions {
    fn default() -> Self {
        Self { group: GroupId(1), flush_state_bytes: 16 << 20, flush_log_bytes: 128 << 20 }
    }
}

/// One group's part of the node's log, as its group reads it during a replay.
#[derive(Clone, Debug)]
pub struct GroupLog<D: Disk> {
    group: GroupId,
    reader: LogReader<D>,
}

impl<D: Disk> GroupLog<D> {
    #[must_use]
    pub fn new(group: GroupId, reader: LogReader<D>) -> Self {
        Self { group, reader }
    }
}

impl<D: Disk> LogView for GroupLog<D> {
    fn entries(&self, from: Index, bytes_max: usize) -> Result<Vec<(Index, Term, Vec<u8>)>, LogViewError> {
        let page = self
            .reader
            .entries(self.group, from, bytes_max)
            .map_err(|error| LogViewError(error.to_string()))?;
        Ok(page.entries.into_iter().map(|entry| (entry.index, entry.term, entry.bytes)).collect())
    }
}

/// Where a group of one stands when its node opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The last entry that the state holds.
    pub applied: (Index, Term),
    /// The last entry that the log holds, or `applied`.
    pub logged: (Index, Term),
    pub hard_state: HardState,
}

/// A new group is at index 1 of term 1 without having that entry, so that a later replica can only join by a
/// snapshot, never by an empty log.
const FIRST: (Index, Term) = (Index(1), Term(1));

/// Finds a group's place from what its state and its log say.
///
/// # Errors
/// The log cannot be read, or ends before the state.
pub fn recovered(
    progress: Progress,
    log: Option<&RecoveredGroup>,
    view: &impl LogView,
) -> Result<Place, EngineError> {
    let applied = if progress.index == Index(0) { FIRST } else { (progress.index, progress.term) };
    let Some(log) = log else {
        let hard_state = HardState { term: applied.1, vote: 0, commit: applied.0 };
        return Ok(Place { applied, logged: applied, hard_state });
    };
    let mut logged = applied;
    if log.last > applied.0 {
        if log.first.0 > applied.0.0 + 1 {
            let why = format!("the state is at entry {}, the log begins at {}", applied.0, log.first);
            return Err(GroupError::Inconsistent(why).into());
        }
        let last = view.entries(log.last, 0).map_err(GroupError::from)?;
        let (index, term, _) =
            last.first().ok_or_else(|| EngineError::Entry(format!("entry {} is missing", log.last)))?;
        logged = (*index, *term);
    }
    Ok(Place { applied, logged, hard_state: log.hard_state })
}

/// Opens the group of one at its place.
///
/// # Errors
/// State and log do not fit together.
pub fn open_group(place: &Place) -> Result<Group, EngineError> {
    const REPLICA: u64 = 1;
    let &Place { applied, logged, hard_state } = place;
    Ok(Group::open(GroupOptions { replica: REPLICA, voters: vec![REPLICA], applied, logged, hard_state })?)
}

/// See the module's page.
#[derive(Debug)]
pub struct RaftEngine<S: State, L> {
    options: RaftEngineOptions,
    group: Group,
    log: L,
    shard: Shard,
    state: S,
    progress: Progress,
    /// The log's last entry when this process opened it.
    logged: Index,
    replayed_entries: u64,
    writes_out: usize,
    leading: bool,
    log_bytes_unflushed: u64,
    flush_out: bool,
    no_room: bool,
    flush_wanted: bool,
    /// What a completed flush has made superfluous in the log.
    purge: Option<Index>,
    stopping: Stopping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    /// Wait until nothing is in flight, then flush.
    Asked,
    Flushing,
    Done,
}

impl<S: State, L: LogView> RaftEngine<S, L> {
    /// `logged` is the log's last entry, or the state's when the log holds none beyond it.
    #[must_use]
    pub fn new(
        options: RaftEngineOptions,
        group: Group,
        log: L,
        shard: Shard,
        state: S,
        logged: Index,
    ) -> Self {
        let progress = state.progress();
        Self {
            options,
            group,
            log,
            shard,
            state,
            progress,
            logged,
            replayed_entries: 0,
            writes_out: 0,
            leading: false,
            log_bytes_unflushed: 0,
            flush_out: false,
            no_room: false,
            flush_wanted: false,
            purge: None,
            stopping: Stopping::No,
        }
    }

    #[must_use]
    pub fn state(&self) -> &S {
        &self.state
    }

    fn write_log(&mut self, write: LogWrite) -> RaftIo<S::Flush> {
        let mut records =
            Vec::with_capacity(write.entries.iter().map(|entry| entry.data.len() + 64).sum::<usize>() + 64);
        let entries = write.entries.iter().map(|entry| (entry.index, entry.term, &entry.data[..]));
        frame::encode_group(self.options.group, write.hard_state, entries, &mut records);
        self.log_bytes_unflushed += records.len() as u64;
        self.writes_out += 1;
        RaftIo::WriteLog { ticket: write.ticket, records }
    }

    fn apply(
        &mut self,
        committed: Committed,
        out: &mut Vec<EngineOutput<RaftIo<S::Flush>>>,
    ) -> Result<(), EngineError> {
        let applied = if committed.data.is_empty() {
            Applied::default()
        } else {
            let entry = format::entry::decode(&committed.data)
                .map_err(|error| EngineError::Entry(error.to_string()))?;
            if !shard::knows(entry.behaviour) {
                let why = format!("behaviour {} is of a newer version of this program", entry.behaviour);
                return Err(EngineError::Entry(why));
            }
            self.shard.apply(&entry, &self.state)?
        };
        let Applied { outcomes, bodies, last, writes, effects, .. } = applied;
        self.progress = Progress {
            index: committed.index,
            term: committed.term,
            bodies_end: self.progress.bodies_end + bodies.len() as u64,
        };
        self.state.commit(&writes, self.progress)?;
        if let (Some(last), false) = (last, bodies.is_empty()) {
            out.push(EngineOutput::Io(RaftIo::AppendBodies {
                records: bodies,
                last,
                end: self.progress.bodies_end,
            }));
        }
        for effect in &effects {
            if let Effect::BodiesRemoved { positions } = effect {
                out.push(EngineOutput::Io(RaftIo::RemoveBodies { positions: positions.clone() }));
            }
        }
        self.group.applied(committed.index);
        if committed.index <= self.logged {
            self.replayed_entries += 1;
        }
        if !self.leading && self.group.is_leader() && committed.term == self.group.term() {
            self.leading = true;
            let clock = shard::query::clock(&self.state)?;
            let clock = EntryClock { wall: clock.wall, elapsed: clock.elapsed };
            out.push(EngineOutput::Leading { clock, replayed_entries: self.replayed_entries });
        } else if !committed.data.is_empty() {
            let verdict = Verdict::Durable { outcomes, effects, last };
            out.push(EngineOutput::Settled { index: committed.index, verdict });
        }
        Ok(())
    }

    /// Begins a flush when one is due and none is out.
    fn flush(&mut self, out: &mut Vec<EngineOutput<RaftIo<S::Flush>>>) -> Result<(), EngineError> {
        let due = self.state.unflushed_bytes() >= self.options.flush_state_bytes
            || self.log_bytes_unflushed >= self.options.flush_log_bytes
            || self.flush_wanted;
        let last = self.stopping == Stopping::Asked && self.writes_out == 0;
        if self.flush_out || self.no_room || !(due || last) {
            return Ok(());
        }
        if last {
            self.stopping = Stopping::Flushing;
        }
        self.log_bytes_unflushed = 0;
        self.flush_wanted = false;
        self.flush_out = true;
        let flush = self.state.begin_flush()?;
        out.push(EngineOutput::Io(RaftIo::Flush { flush }));
        Ok(())
    }
}

impl<S: State, L: LogView> Engine for RaftEngine<S, L> {
    type View = S;
    type Io = RaftIo<S::Flush>;
    type Completion = RaftCompletion;

    fn view(&self) -> &S {
        &self.state
    }

    fn start(&mut self) -> Result<(), EngineError> {
        Ok(self.group.campaign()?)
    }

    /// One entry in flight: while it syncs, the next batch gathers.
    fn has_room(&self) -> bool {
        self.leading
            && self.writes_out == 0
            && self.stopping == Stopping::No
            && self.state.pressure() != Pressure::Stop
    }

    fn propose(&mut self, entry: Bytes) -> Result<Index, EngineError> {
        Ok(self.group.propose(entry)?)
    }

    fn complete(&mut self, completion: RaftCompletion) -> Result<(), EngineError> {
        match completion {
            RaftCompletion::LogSynced(ticket) => {
                self.writes_out = self.writes_out.saturating_sub(1);
                self.group.synced(ticket);
            }
            RaftCompletion::Flushed(progress) => {
                self.flush_out = false;
                self.purge = Some(progress.index);
                if self.stopping == Stopping::Flushing {
                    self.stopping = Stopping::Done;
                }
            }
            RaftCompletion::NoRoom => {
                self.flush_out = false;
                self.no_room = true;
                if self.stopping == Stopping::Flushing {
                    self.stopping = Stopping::Asked;
                }
            }
            RaftCompletion::RoomAgain => self.no_room = false,
            RaftCompletion::FlushWanted => self.flush_wanted = true,
            RaftCompletion::Compacted => {}
        }
        Ok(())
    }

    fn poll(&mut self, out: &mut Vec<EngineOutput<Self::Io>>) -> Result<(), EngineError> {
        if let Some(through) = self.purge.take() {
            out.push(EngineOutput::Io(RaftIo::PurgeLog { group: self.options.group, through }));
        }
        let mut bytes = 0;
        while let Some(work) = self.group.take(&self.log)? {
            // The next write leaves first, so that the disk works while this thread applies.
            if let Some(write) = work.write {
                let write = self.write_log(write);
                out.push(EngineOutput::Io(write));
            }
            for committed in work.committed {
                bytes += committed.data.len();
                self.apply(committed, out)?;
            }
            self.flush(out)?;
            if bytes >= POLL_BYTES_MAX {
                out.push(EngineOutput::More);
                break;
            }
        }
        self.flush(out)?;
        if self.stopping == Stopping::Asked && self.no_room && !self.flush_out && self.writes_out == 0 {
            // What the state lacks is durable in the log, and is replayed.
            self.stopping = Stopping::Done;
        }
        if self.stopping == Stopping::Done {
            self.stopping = Stopping::No;
            self.leading = false;
            out.push(EngineOutput::Stopped);
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.stopping = Stopping::Asked;
    }
}
