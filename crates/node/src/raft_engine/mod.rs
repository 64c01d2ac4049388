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

mod kept_log;
mod recovery;

pub(crate) use recovery::read_entry;
pub use recovery::{GroupLog, following};

use crate::engine::{DiskSpace, Engine, EngineError, EntryId, EntryResult, Polled};
use bytes::Bytes;
use consensus::{Committed, Group, GroupError, LogView, LogWrite, Message, Ticket};
use format::frame::{self, LogEntry};
use format::membership::Membership;
use format::row::membership_key;
use kept_log::KeptLog;
use model::{
    Absent, Cursor, Effect, EntryClock, GroupId, Index, Position, SlotRange, Term, ViewError, WriteSet,
};
use recovery::recover;
use shard::{Applied, Shard};
use std::collections::VecDeque;
use storage::log::RecoveredGroup;
use storage::state::{Pressure, Progress, State, StateError};

/// A group of several replicas elects another leader after ten to twenty ticks of silence.
const TICK_MS: u64 = 100;

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
    /// Send these to other replicas. Any of them may be lost. A group of one has none.
    Send { messages: Vec<Message> },
}

/// Work that has ended. A write or flush that failed has no completion: the node stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RaftCompletion {
    LogSynced(Ticket),
    Flushed(Progress),
    /// The disk had no space for the flush. No flush starts until [`DiskSpace::Enough`] arrives.
    FlushOutOfSpace,
}

/// Which replica this is, and when to flush and purge.
#[derive(Clone, Debug)]
pub struct RaftEngineOptions {
    pub group: GroupId,
    /// This replica's number in its group. It is not 0.
    pub replica: u64,
    /// The replicas that a new group begins with. Later the state says which there are.
    pub founders: Membership,
    /// Flush when this many bytes of state are only in memory.
    pub flush_state_bytes: u64,
    /// Flush when this many bytes of log have been written, or replayed, since the last flush. This bounds the
    /// replay.
    pub flush_log_bytes: u64,
    /// Bytes of entries applied before the work so far is handed out. This bounds the memory of a replay, and
    /// the time for which it keeps its thread.
    pub poll_bytes: usize,
    /// Keep up to this many bytes of log that only a follower or an archive still needs. Beyond that, the log is
    /// purged, and the follower needs a snapshot, the archive a backup.
    pub kept_log_bytes: u64,
}

impl Default for RaftEngineOptions {
    fn default() -> Self {
        Self {
            group: GroupId(1),
            replica: 1,
            founders: Membership::of_voters([1]),
            flush_state_bytes: 16 << 20,
            flush_log_bytes: 128 << 20,
            poll_bytes: 1 << 20,
            kept_log_bytes: 1 << 30,
        }
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
    /// The term in which this replica leads and has applied its first entry.
    leading: Option<Term>,
    /// Bytes written to the log so far, and when the last flush began.
    log_bytes: u64,
    log_bytes_flushed: u64,
    kept: KeptLog,
    /// The last entry that an archive has, if there is an archive.
    archived: Option<Index>,
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
        let (group, logged) = recover(&options, shard.slots(), &state, recovered)?;
        Ok(Self {
            options,
            progress: state.progress(),
            logged: logged.last,
            group,
            log,
            shard,
            state,
            replayed_entries: 0,
            committed: VecDeque::new(),
            applied_bytes: 0,
            writes_out: 0,
            leading: None,
            log_bytes: 0,
            log_bytes_flushed: 0,
            kept: KeptLog::default(),
            archived: None,
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

    /// The group's replicas.
    #[must_use]
    pub fn membership(&self) -> &Membership {
        self.group.membership()
    }

    fn write_log(&mut self, write: LogWrite) -> RaftIo<S::Flush> {
        let mut records =
            Vec::with_capacity(write.entries.iter().map(|entry| entry.data.len() + 64).sum::<usize>() + 64);
        let entries = write.entries.iter().map(|entry| LogEntry {
            index: entry.index,
            term: entry.term,
            kind: entry.kind,
            bytes: &entry.data,
        });
        frame::encode_group(self.options.group, write.hard_state, entries, &mut records);
        self.log_bytes += records.len() as u64;
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
            self.log_bytes += entry.data.len() as u64;
        }
        if self.leading.is_none() && self.group.is_leader() && entry.term == self.group.term() {
            self.leading = Some(entry.term);
            let clock = shard::query::clock(&self.state, self.shard.slots().first)?;
            let last = clock.last_position;
            let clock = EntryClock { wall: clock.wall, elapsed: clock.elapsed };
            return Ok(Some(Polled::Leading { clock, last, replayed_entries: self.replayed_entries }));
        }
        let result = EntryResult::Durable { outcomes, effects, last };
        let id = EntryId { index: entry.index, term: entry.term };
        Ok((!entry.data.is_empty()).then_some(Polled::Settled { entry: id, result }))
    }

    /// What an entry does to the state. One without data is the group's own, and at most changes the group.
    fn decide(&mut self, entry: &Committed) -> Result<Applied, EngineError> {
        if entry.data.is_empty() {
            let row = |membership: &Membership| {
                (membership_key(self.shard.slots().first).into(), Some(membership.encode()))
            };
            let writes = WriteSet(entry.membership.iter().map(row).collect());
            return Ok(Applied { writes, ..Applied::default() });
        }
        let decoded = read_entry(entry.index, &entry.data)?;
        Ok(self.shard.apply(&decoded, &self.state)?)
    }

    /// Whether a flush may start: none is running, and none has found the disk full.
    fn may_flush(&self) -> bool {
        !self.flush_out && !self.out_of_space
    }

    /// Whether enough has accumulated for a flush, or one was requested.
    fn is_flush_due(&self) -> bool {
        self.state.unflushed_bytes() >= self.options.flush_state_bytes
            || self.log_bytes - self.log_bytes_flushed >= self.options.flush_log_bytes
            || self.flush_wanted
    }

    fn begin_flush(&mut self, io: &mut Vec<RaftIo<S::Flush>>) -> Result<(), EngineError> {
        self.log_bytes_flushed = self.log_bytes;
        self.flush_wanted = false;
        self.flush_out = true;
        io.push(RaftIo::Flush { flush: self.state.begin_flush()? });
        Ok(())
    }

    /// Whether a replay is so far ahead of the flushes that memory would grow without bound. Live entries are
    /// not proposed then in the first place.
    fn must_wait_for_flush(&self) -> bool {
        self.committed.front().is_some_and(|entry| entry.index <= self.logged)
            && self.flush_out
            && self.state.pressure() == Pressure::Stop
    }

    /// The last entry that was applied, and the last that the log held when it was opened.
    #[must_use]
    pub fn replay(&self) -> (Index, Index) {
        (self.progress.index, self.logged)
    }

    /// How far the log may be purged: not beyond what each follower and the archive have, unless that would keep too much.
    fn purge_kept(&mut self) -> Index {
        self.kept.purge(self.needed(), self.options.kept_log_bytes)
    }

    /// Entries after this one are needed by a follower or the archive. `None` if there is neither.
    fn needed(&self) -> Option<Index> {
        [self.group.lowest_match(), self.archived].into_iter().flatten().min()
    }

    /// Whether this replica leads in the term in which it said so.
    fn still_leads(&self) -> bool {
        self.leading.is_some_and(|term| self.group.is_leader() && self.group.term() == term)
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
    type Message = Message;

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

    /// One of several replicas waits for the leader, or for an election time-out.
    fn start(&mut self) -> Result<(), EngineError> {
        if self.group.membership().is_single() {
            self.group.campaign();
        }
        Ok(())
    }

    /// One entry is in flight at a time. While it syncs, the next batch fills.
    fn can_propose(&self) -> bool {
        self.still_leads()
            && self.writes_out == 0
            && self.stopping == Stopping::No
            && self.state.pressure() != Pressure::Stop
    }

    fn propose(&mut self, entry: Bytes) -> Result<Option<EntryId>, EngineError> {
        Ok(self.group.propose(entry)?.map(|(index, term)| EntryId { index, term }))
    }

    fn receive(&mut self, message: Message) -> Result<(), EngineError> {
        Ok(self.group.receive(message)?)
    }

    fn tick_ms(&self) -> Option<u64> {
        (!self.group.membership().is_single()).then_some(TICK_MS)
    }

    fn tick(&mut self) {
        self.group.tick();
    }

    fn complete(&mut self, completion: RaftCompletion) -> Result<(), EngineError> {
        match completion {
            RaftCompletion::LogSynced(ticket) => {
                self.writes_out = self.writes_out.saturating_sub(1);
                self.group.synced(ticket);
            }
            RaftCompletion::Flushed(progress) => {
                self.flush_out = false;
                self.kept.flushed(progress.index, self.log_bytes_flushed);
                self.purge = Some(self.purge_kept());
                if self.stopping == Stopping::Flushing {
                    // A flush that found no space earlier is repeated first, and holds less.
                    let holds_all = progress.index >= self.progress.index;
                    self.stopping = if holds_all { Stopping::Done } else { Stopping::Asked };
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

    fn archived(&mut self, through: Option<Index>) {
        self.archived = through;
        if self.kept.has_unneeded(self.needed()) {
            self.purge = Some(self.purge_kept());
        }
    }

    fn poll(&mut self, io: &mut Vec<Self::Io>) -> Result<Polled, EngineError> {
        if let Some(through) = self.purge.take() {
            self.group.purged(through);
            io.push(RaftIo::PurgeLog { group: self.options.group, through });
        }
        loop {
            if self.may_flush() && self.is_flush_due() {
                self.begin_flush(io)?;
            }
            if self.applied_bytes >= self.options.poll_bytes {
                self.applied_bytes = 0;
                return Ok(Polled::More);
            }
            if self.must_wait_for_flush() {
                return Ok(Polled::Idle);
            }
            if let Some(entry) = self.committed.pop_front() {
                self.applied_bytes += entry.data.len();
                if let Some(polled) = self.apply(&entry, io)? {
                    return Ok(polled);
                }
                continue;
            }
            let Some(work) = self.group.take(&self.log)? else { break };
            // Hand out the next write first, so that the disk is busy while this thread applies.
            if let Some(write) = work.write {
                let write = self.write_log(write);
                io.push(write);
            }
            if !work.messages.is_empty() {
                io.push(RaftIo::Send { messages: work.messages });
            }
            self.committed.extend(work.committed);
        }
        self.applied_bytes = 0;
        // Only now, so that entries that were committed in the meantime are settled first.
        if self.leading.is_some() && !self.still_leads() {
            self.leading = None;
            return Ok(Polled::Following);
        }
        // The final flush must hold everything, so it starts only when the group has nothing left to apply.
        if self.stopping == Stopping::Asked && self.is_idle() && self.may_flush() {
            self.stopping = Stopping::Flushing;
            self.begin_flush(io)?;
        }
        if self.has_stopped() {
            self.stopping = Stopping::No;
            self.leading = None;
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
