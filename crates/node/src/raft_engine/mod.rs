//! The built-in engine: the Raft log first, then `apply`, on a local state.
//!
//! ```text
//!   propose ─► Group ─► WriteLog ─► (durable) ─► Group ─► committed ─► Shard::apply ─► State::commit
//!                                                                        │
//!                                          AppendBodies ◄────────────────┘  then Settled
//! ```
//!
//! Writing state and bodies involves no sync. A flush makes both durable, bodies first, and then the log up
//! to that point is purged. After a crash, the group replays the log from the state's applied index through
//! the same code.

mod recovery;

pub use recovery::GroupLog;

use crate::engine::{DiskSpace, Engine, EngineError, EntryResult, Polled};
use bytes::Bytes;
use consensus::{Committed, Group, GroupError, LogView, LogWrite, Ticket};
use format::frame;
use model::{Absent, Cursor, Effect, EntryClock, GroupId, Index, Position, SlotRange, ViewError};
use recovery::{Recovered, recover};
use shard::{Applied, Shard};
use std::collections::VecDeque;
use storage::log::RecoveredGroup;
use storage::state::{Pressure, Progress, State, StateError};

/// Bytes of entries applied before the work so far is handed out. This bounds the memory of a replay.
const POLL_BYTES_MAX: usize = 4 << 20;

/// Work for the runtime.
#[derive(Debug)]
pub enum RaftIo<F> {
    /// Make these log records durable, then complete with [`RaftCompletion::LogSynced`].
    WriteLog { ticket: Ticket, records: Vec<u8> },
    /// Append body records, without a sync. Afterwards the body file must end at `end`. If it does not, it
    /// does not match the state, and the node must stop.
    AppendBodies { records: Vec<u8>, last: Cursor, end: u64 },
    /// The rows of these events are deleted, so their bodies may be removed from the disk.
    RemoveBodies { positions: Vec<Position> },
    /// Sync the bodies appended so far, then run the flush, then complete with [`RaftCompletion::Flushed`] or
    /// [`RaftCompletion::FlushOutOfSpace`].
    Flush { flush: F },
    /// Entries up to `through` are no longer needed.
    PurgeLog { group: GroupId, through: Index },
}

/// Work that has ended. A write or flush that failed has no completion: the node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaftCompletion {
    LogSynced(Ticket),
    Flushed(Progress),
    /// The disk had no space for the flush. No flush starts until [`DiskSpace::Enough`] arrives.
    FlushOutOfSpace,
}

/// When to flush.
#[derive(Clone, Copy, Debug)]
pub struct RaftEngineOptions {
    pub group: GroupId,
    /// Flush when this many bytes of state are only in memory.
    pub flush_state_bytes: u64,
    /// Flush when this many bytes of log have been written since the last flush. This bounds the replay.
    pub flush_log_bytes: u64,
}

impl Default for RaftEngineOptions {
    fn default() -> Self {
        Self { group: GroupId(1), flush_state_bytes: 16 << 20, flush_log_bytes: 128 << 20 }
    }
}

/// The built-in engine: see the module.
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
    /// Entries to apply, in order.
    committed: VecDeque<Committed>,
    /// Bytes of entries applied since work was last handed out.
    applied_bytes: usize,
    writes_out: usize,
    leading: bool,
    log_bytes_unflushed: u64,
    flush_out: bool,
    /// A flush found the disk full.
    out_of_space: bool,
    flush_wanted: bool,
    /// A completed flush has made the log up to here unnecessary.
    purge: Option<Index>,
    stopping: Stopping,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    /// Waiting until nothing is in flight, to flush then.
    Asked,
    Flushing,
    Done,
}

impl<S: State, L: LogView> RaftEngine<S, L> {
    /// Opens the engine at the point where `state` and `log` are. `recovered` is what the log holds for the
    /// group, if anything.
    ///
    /// # Errors
    /// The log cannot be read, or state and log do not match.
    pub fn open(
        options: RaftEngineOptions,
        log: L,
        recovered: Option<&RecoveredGroup>,
        shard: Shard,
        state: S,
    ) -> Result<Self, EngineError> {
        let progress = state.progress();
        if progress.index != Index(0) && progress.group != options.group {
            let (found, group) = (progress.group, options.group);
            return Err(EngineError::new(format!(
                "the state belongs to group {found}, not to group {group}"
            )));
        }
        let Recovered { group, logged } = recover(progress, recovered, &log)?;
        Ok(Self {
            options,
            group,
            log,
            shard,
            state,
            progress,
            logged,
            replayed_entries: 0,
            committed: VecDeque::new(),
            applied_bytes: 0,
            writes_out: 0,
            leading: false,
            log_bytes_unflushed: 0,
            flush_out: false,
            out_of_space: false,
            flush_wanted: false,
            purge: None,
            stopping: Stopping::No,
        })
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

    /// Applies one entry and returns what the node must know about it, if anything.
    fn apply(
        &mut self,
        entry: &Committed,
        io: &mut Vec<RaftIo<S::Flush>>,
    ) -> Result<Option<Polled>, EngineError> {
        let Applied { outcomes, bodies, last, writes, effects, .. } = self.decide(entry)?;
        self.progress = Progress {
            group: self.options.group,
            index: entry.index,
            term: entry.term,
            bodies_end: self.progress.bodies_end + bodies.len() as u64,
        };
        self.state.commit(&writes, self.progress)?;
        if let (Some(last), false) = (last, bodies.is_empty()) {
            io.push(RaftIo::AppendBodies { records: bodies, last, end: self.progress.bodies_end });
        }
        for effect in &effects {
            if let Effect::BodiesRemoved { positions } = effect {
                io.push(RaftIo::RemoveBodies { positions: positions.clone() });
            }
        }
        self.group.applied(entry.index);
        if entry.index <= self.logged {
            self.replayed_entries += 1;
        }
        if !self.leading && self.group.is_leader() && entry.term == self.group.term() {
            self.leading = true;
            let clock = shard::query::clock(&self.state, self.shard.slots().first)?;
            let last = clock.last_position;
            let clock = EntryClock { wall: clock.wall, elapsed: clock.elapsed };
            return Ok(Some(Polled::Leading { clock, last, replayed_entries: self.replayed_entries }));
        }
        let result = EntryResult::Durable { outcomes, effects, last };
        Ok((!entry.data.is_empty()).then_some(Polled::Settled { index: entry.index, result }))
    }

    /// What an entry does to the state. One without data is the group's own and does nothing.
    fn decide(&mut self, entry: &Committed) -> Result<Applied, EngineError> {
        if entry.data.is_empty() {
            return Ok(Applied::default());
        }
        let decoded = format::entry::decode(&entry.data)
            .map_err(|error| EngineError::new(format!("entry {} cannot be read: {error}", entry.index)))?;
        if !shard::knows(decoded.behaviour) {
            return Err(EngineError::new(format!(
                "entry {} has behaviour {}, which this version does not know",
                entry.index, decoded.behaviour
            )));
        }
        Ok(self.shard.apply(&decoded, &self.state)?)
    }

    /// Whether a flush may start: none is running, and none has found the disk full.
    fn may_flush(&self) -> bool {
        !self.flush_out && !self.out_of_space
    }

    /// Whether enough has accumulated for a flush, or one was requested.
    fn is_flush_due(&self) -> bool {
        self.state.unflushed_bytes() >= self.options.flush_state_bytes
            || self.log_bytes_unflushed >= self.options.flush_log_bytes
            || self.flush_wanted
    }

    fn begin_flush(&mut self, io: &mut Vec<RaftIo<S::Flush>>) -> Result<(), EngineError> {
        self.log_bytes_unflushed = 0;
        self.flush_wanted = false;
        self.flush_out = true;
        io.push(RaftIo::Flush { flush: self.state.begin_flush()? });
        Ok(())
    }

    /// Whether every entry so far is applied and no write is under way.
    fn is_idle(&self) -> bool {
        self.writes_out == 0 && self.committed.is_empty()
    }

    /// Whether a stopping engine has nothing left to make durable.
    fn has_stopped(&self) -> bool {
        // Without space for a final flush, the log still holds what the state lacks. The next start replays
        // it.
        let given_up =
            self.stopping == Stopping::Asked && self.out_of_space && !self.flush_out && self.writes_out == 0;
        given_up || self.stopping == Stopping::Done
    }
}

impl<S: State, L: LogView> Engine for RaftEngine<S, L> {
    type View = S;
    type Io = RaftIo<S::Flush>;
    type Completion = RaftCompletion;

    fn slots(&self) -> SlotRange {
        self.shard.slots()
    }

    fn view(&self) -> &S {
        &self.state
    }

    /// A local state has every row at hand.
    fn load(&mut self, absent: Vec<Absent>) -> Result<(), EngineError> {
        Err(ViewError::Absent(absent).into())
    }

    fn start(&mut self) -> Result<(), EngineError> {
        Ok(self.group.campaign()?)
    }

    /// One entry is in flight at a time. While it syncs, the next batch fills.
    fn can_propose(&self) -> bool {
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
            RaftCompletion::FlushOutOfSpace => {
                self.flush_out = false;
                self.out_of_space = true;
                if self.stopping == Stopping::Flushing {
                    self.stopping = Stopping::Asked;
                }
            }
        }
        Ok(())
    }

    /// Low space does not stop flushes: the reserve exists for them, and after a flush the log can be purged.
    /// Only a flush that found no space waits until there is enough.
    fn set_disk_space(&mut self, space: &DiskSpace) {
        if *space == DiskSpace::Enough {
            self.out_of_space = false;
        }
    }

    fn flush_soon(&mut self) {
        self.flush_wanted = true;
    }

    fn poll(&mut self, io: &mut Vec<Self::Io>) -> Result<Polled, EngineError> {
        if let Some(through) = self.purge.take() {
            io.push(RaftIo::PurgeLog { group: self.options.group, through });
        }
        loop {
            if let Some(entry) = self.committed.pop_front() {
                self.applied_bytes += entry.data.len();
                if let Some(polled) = self.apply(&entry, io)? {
                    return Ok(polled);
                }
                continue;
            }
            if self.may_flush() && self.is_flush_due() {
                self.begin_flush(io)?;
            }
            if self.applied_bytes >= POLL_BYTES_MAX {
                self.applied_bytes = 0;
                return Ok(Polled::More);
            }
            let Some(work) = self.group.take(&self.log)? else { break };
            // Hand out the next write first, so that the disk is busy while this thread applies.
            if let Some(write) = work.write {
                let write = self.write_log(write);
                io.push(write);
            }
            self.committed.extend(work.committed);
        }
        self.applied_bytes = 0;
        // The final flush must hold everything, so it starts only when the group has nothing left to apply.
        if self.stopping == Stopping::Asked && self.is_idle() && self.may_flush() {
            self.stopping = Stopping::Flushing;
            self.begin_flush(io)?;
        }
        if self.has_stopped() {
            self.stopping = Stopping::No;
            self.leading = false;
            return Ok(Polled::Stopped);
        }
        Ok(Polled::Idle)
    }

    fn stop(&mut self) {
        self.stopping = Stopping::Asked;
    }
}

impl From<GroupError> for EngineError {
    fn from(error: GroupError) -> Self {
        Self::new(error)
    }
}

impl From<StateError> for EngineError {
    fn from(error: StateError) -> Self {
        Self::new(error)
    }
}
