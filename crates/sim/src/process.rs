//! A running node and its threads, taken apart into steps, so that a crash can happen between any two of
//! them. What a step does, and what follows from it, is the driver's: the same code that ships.

use crate::disk::SimDisk;
use crate::limits::Limits;
use crate::mutant::Mutant;
use crate::reference::entries_of;
use crate::reply::Reply;
use crate::state::SimState;
use driver::archive::ArchivedLog;
use driver::{
    CompactWork, Driver, Effect, FlushJob, FlushWork, Halted, Input, LogJob, LogWork, ReactJob, ReactWork,
    Report,
};
use format::header::StoreId;
use model::{Cursor, GroupId, Index, Wall};
use node::{DiskSpace, GroupLog, NodeOptions, Now, RaftEngine, RaftEngineOptions, Replies};
use shard::{Shard, ShardOptions};
use std::collections::VecDeque;
use storage::bodies::{Bodies, BodyError, BodyOptions, BodyReader, BodyWrite};
use storage::log::{Log, LogError, LogOptions};
use storage::memory_state::{MemoryCompactor, MemoryFlush, MemoryReader};
use storage::state::State;
use storage::write_behind::WriteBehind;

pub type SimInput = Input<Waiters>;
/// The disk as a node uses it: bodies are written later.
pub type NodeDisk = WriteBehind<SimDisk>;

pub type SimEffect = Effect<NodeDisk, SimState, Waiters>;

/// The replies identify who waits for a result.
#[derive(Clone, Copy, Debug)]
pub struct Waiters;

impl Replies for Waiters {
    type Outcome = Reply;
    /// The time that should be closed.
    type TimeClosed = Wall;
    type Woken = ();

    fn is_gone((): &()) -> bool {
        false
    }

    fn is_abandoned(reply: &Reply) -> bool {
        reply.is_gone()
    }
}

/// The group of every simulated node.
pub const GROUP: GroupId = GroupId(1);
/// The identity of every simulated store.
pub const STORE: StoreId = StoreId(7);

/// Why a process ended or did not start.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("log: {0}")]
    Log(#[from] LogError),
    #[error("bodies: {0}")]
    Bodies(#[from] BodyError),
    #[error("engine: {0}")]
    Engine(#[from] node::EngineError),
    #[error(transparent)]
    Halted(#[from] Halted),
}

impl From<driver::DiskFailure> for Ended {
    fn from(failure: driver::DiskFailure) -> Self {
        Self::Halted(failure.into())
    }
}

/// The next step of one of the threads. The machine decides when it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The log thread takes the jobs that have arrived.
    TakeLogJobs,
    /// The log thread syncs and reports.
    SyncLog,
    /// The flush thread does its next step.
    Flush,
    /// The compaction thread does its next step.
    Compact,
    /// The thread that writes bodies does its job.
    WriteBodies,
    /// The reaction thread does its job.
    React,
}

/// What the outside sees of a step, log writes included, and the work that is now due.
#[derive(Debug, Default)]
pub struct Stepped {
    pub effects: Vec<SimEffect>,
    pub work: Vec<Work>,
    /// The process ends after these effects.
    pub ended: Option<Ended>,
}

#[derive(Debug)]
pub struct Process {
    driver: Driver<NodeDisk, SimState, Waiters>,
    body_reader: BodyReader<NodeDisk>,
    archived: ArchivedLog<NodeDisk>,
    log: LogWork<NodeDisk>,
    log_jobs: VecDeque<LogJob>,
    flush: FlushWork<NodeDisk, MemoryFlush>,
    compact: CompactWork<NodeDisk, MemoryCompactor, MemoryReader>,
    body_write: Option<BodyWrite<NodeDisk>>,
    react: ReactWork<NodeDisk>,
    react_job: Option<ReactJob<MemoryReader>>,
    mutant: Mutant,
    /// Threads whose next step is scheduled.
    busy: Vec<Work>,
    /// What readers see.
    shown: MemoryReader,
    visible: Cursor,
    /// The last entry that was written to the log, and the last that is synced.
    written: Index,
    durable: Index,
    flushes: Flushes,
}

/// What was flushed, as seen from outside.
#[derive(Clone, Copy, Debug, Default)]
struct Flushes {
    /// Flush when so much was logged.
    log_bytes_max: u64,
    /// Logged since the last flush began.
    log_bytes: u64,
    is_running: bool,
    /// A flush has found the disk full.
    is_refused: bool,
}

impl Process {
    /// Opens what the disks hold, as a real start does.
    ///
    /// # Errors
    /// [`Ended`]. A crash in the middle of the start is one of these errors.
    pub fn open(
        log_disk: SimDisk,
        body_disk: SimDisk,
        state: SimState,
        limits: &Limits,
        mutant: Mutant,
    ) -> Result<Self, Ended> {
        let store = STORE;
        let (log_disk, body_disk) = (WriteBehind::new(log_disk), WriteBehind::new(body_disk));
        let log = Log::open(
            log_disk,
            LogOptions { store, segment_bytes: limits.log_segment_bytes, spares_max: limits.spares_max },
        )?;
        let body_options = BodyOptions {
            store,
            segment_bytes: limits.body_segment_bytes,
            stride_bytes: limits.stride_bytes,
            indexes_max: limits.indexes_max,
            removed_kept_ms: limits.removed_kept_ms,
            unsynced_bytes: limits.unsynced_bytes,
        };
        let (bodies, body_reader) = Bodies::open(body_disk, state.progress().bodies_end, body_options)?;
        let body_preparer = bodies.preparer();
        let archived = ArchivedLog { reader: log.reader.clone(), group: GROUP, store };
        let group_log = GroupLog::new(GROUP, log.reader);
        group_log.check(state.progress(), log.groups.get(&GROUP))?;
        let options = RaftEngineOptions {
            group: GROUP,
            flush_state_bytes: limits.flush_state_bytes,
            flush_log_bytes: limits.flush_log_bytes,
            kept_log_bytes: limits.kept_log_bytes,
            poll_bytes: limits.poll_bytes,
            ..RaftEngineOptions::default()
        };
        let node_options = NodeOptions {
            waiting_bytes_max: limits.waiting_bytes_max,
            entry_max: limits.entry_max,
            standstill: limits.standstill,
            ..NodeOptions::default()
        };
        let (shown, compactor) = (state.reader(), state.compactor());
        let shard = Shard::new(ShardOptions { heads_max: limits.heads_max, ..ShardOptions::default() });
        // An opened log is durable to its end.
        let durable = log.groups.get(&GROUP).map_or(Index(0), |group| group.last).max(state.progress().index);
        let engine = RaftEngine::open(options, group_log, log.groups.get(&GROUP), shard, state)?;
        Ok(Self {
            driver: Driver::new(node_options, engine, bodies, log.preparer.clone()),
            react: ReactWork::new(body_reader.clone(), crate::content::write_task),
            react_job: None,
            mutant,
            body_reader,
            archived,
            log: LogWork::new(log.writer, log.preparer.clone()),
            log_jobs: VecDeque::new(),
            flush: FlushWork::new(log.preparer, body_preparer),
            compact: CompactWork::new(compactor),
            body_write: None,
            busy: Vec::new(),
            shown,
            visible: Cursor::START,
            written: durable,
            durable,
            flushes: Flushes { log_bytes_max: limits.flush_log_bytes, ..Flushes::default() },
        })
    }

    /// The state that readers see.
    #[must_use]
    pub fn reader(&self) -> MemoryReader {
        self.shown.clone()
    }

    #[must_use]
    pub fn bodies(&self) -> &BodyReader<NodeDisk> {
        &self.body_reader
    }

    /// The log, as an archive reads it.
    #[must_use]
    pub fn archived(&self) -> &ArchivedLog<NodeDisk> {
        &self.archived
    }

    #[must_use]
    pub fn visible(&self) -> Cursor {
        self.visible
    }

    /// Whether the flush of the state itself has begun, and not only the sync before it.
    #[must_use]
    pub fn is_flushing_state(&self) -> bool {
        self.flush.is_flushing_state()
    }

    /// Whether a thread has something to do.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        !self.busy.is_empty()
    }

    /// The last entry that a power cut would leave in the log.
    #[must_use]
    pub fn durable(&self) -> Index {
        self.durable
    }

    /// How much was logged since the last flush began, if that is enough for a flush and none is under way.
    #[must_use]
    pub fn overdue_flush(&self) -> Option<u64> {
        let Flushes { log_bytes_max, log_bytes, is_running, is_refused } = self.flushes;
        (log_bytes >= log_bytes_max && !is_running && !is_refused).then_some(log_bytes)
    }

    /// Gives the node one input.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn step(&mut self, now: Now, input: SimInput) -> Result<Stepped, Ended> {
        self.drive(|driver, effects| driver.step(now, input, effects))
    }

    /// The check that is made every second.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn check(&mut self, now: Now, space: DiskSpace) -> Result<Stepped, Ended> {
        self.drive(|driver, effects| driver.check(now, space, effects))
    }

    /// The last entry that was applied, and the last that the log held at the start.
    #[must_use]
    pub fn replay(&self) -> (Index, Index) {
        self.driver.replay()
    }

    /// Whether so much was written that a check is due before its time.
    #[must_use]
    pub fn is_check_due(&self) -> bool {
        self.driver.is_check_due()
    }

    /// A thread does its next step.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn work(&mut self, now: Now, work: Work) -> Result<Stepped, Ended> {
        self.busy.retain(|busy| *busy != work);
        let report = match work {
            Work::TakeLogJobs => {
                self.write_log()?;
                None
            }
            Work::SyncLog => {
                let synced = self.log.sync()?;
                self.durable = self.written;
                synced.map(Report::Log)
            }
            Work::Flush => self.flush.step()?,
            Work::Compact => self.compact.step()?,
            Work::WriteBodies => match self.body_write.take() {
                Some(write) => {
                    write.run()?;
                    Some(Report::BodiesWritten)
                }
                None => None,
            },
            Work::React => match self.react_job.take() {
                Some(job) => {
                    let report = self.react.run(&job)?;
                    Some(self.mutated(report))
                }
                None => None,
            },
        };
        match &report {
            Some(Report::Flushed(_)) => self.flushes.is_running = false,
            Some(Report::FlushOutOfSpace { .. }) => {
                (self.flushes.is_running, self.flushes.is_refused) = (false, true);
            }
            _ => {}
        }
        match report {
            Some(report) => self.drive(|driver, effects| driver.reported(now, report, effects)),
            None => Ok(Stepped { work: self.due(), ..Stepped::default() }),
        }
    }

    /// A mutant loses an event that was read for a reaction.
    fn mutated(&self, mut report: Report) -> Report {
        if let (Mutant::LostReaction, Report::Reacted(reacted)) = (self.mutant, &mut report)
            && let Some(react) = reacted.commands.first_mut()
        {
            react.events.pop();
        }
        report
    }

    fn write_log(&mut self) -> Result<(), Ended> {
        while let Some(job) = self.log_jobs.pop_front() {
            if let LogJob::Write { records, .. } = &job {
                let entries = entries_of(records).unwrap_or_default();
                self.written = entries.last().map_or(self.written, |(index, _)| *index);
            }
            self.log.take(job)?;
        }
        Ok(())
    }

    /// The log thread has had nothing to do for a while, so it records the log's durable end.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn mark_log(&mut self) -> Result<(), Ended> {
        if self.log_jobs.is_empty() {
            self.log.mark()?;
        }
        Ok(())
    }

    /// The node has stopped. The threads finish their jobs.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn finish(mut self) -> Result<(), Ended> {
        self.write_log()?;
        self.log.sync()?;
        self.log.mark()?;
        while !self.flush.is_idle() {
            self.flush.step()?;
        }
        while !self.compact.is_idle() {
            self.compact.step()?;
        }
        if let Some(write) = self.body_write.take() {
            write.run()?;
        }
        Ok(())
    }

    fn drive(
        &mut self,
        call: impl FnOnce(&mut Driver<NodeDisk, SimState, Waiters>, &mut Vec<SimEffect>) -> Result<(), Halted>,
    ) -> Result<Stepped, Ended> {
        let mut effects = Vec::new();
        let done = call(&mut self.driver, &mut effects);
        let mut outside = Vec::new();
        for effect in effects {
            match effect {
                Effect::Log(job) => {
                    if let LogJob::Write { ticket, records } = &job {
                        self.flushes.log_bytes += records.len() as u64;
                        let seen = LogJob::Write { ticket: *ticket, records: records.clone() };
                        outside.push(Effect::Log(seen));
                    }
                    self.log_jobs.push_back(job);
                }
                Effect::Flush(job) => {
                    if let FlushJob::Flush { .. } = &job {
                        (self.flushes.log_bytes, self.flushes.is_running) = (0, true);
                    }
                    self.flush.take(job);
                }
                Effect::Compact(job) => self.compact.take(job),
                Effect::WriteBodies(job) => self.body_write = Some(job),
                Effect::React(job) => self.react_job = Some(job),
                Effect::Show { state, visible } => {
                    self.shown = state.clone();
                    self.visible = self.visible.max(visible);
                    outside.push(Effect::Show { state, visible });
                }
                other => {
                    if let Effect::DiskSpace(DiskSpace::Enough) = &other {
                        self.flushes.is_refused = false;
                    }
                    outside.push(other);
                }
            }
        }
        let ended = done.err().map(Ended::from);
        Ok(Stepped { effects: outside, work: self.due(), ended })
    }

    /// The next step of each thread that has something to do and no step scheduled.
    fn due(&mut self) -> Vec<Work> {
        let log = if self.log.unsynced_bytes() > 0 {
            Some(Work::SyncLog)
        } else {
            (!self.log_jobs.is_empty()).then_some(Work::TakeLogJobs)
        };
        let flush = (!self.flush.is_idle()).then_some(Work::Flush);
        let compact = (!self.compact.is_idle()).then_some(Work::Compact);
        let bodies = self.body_write.is_some().then_some(Work::WriteBodies);
        let is_log = |work: &Work| matches!(work, Work::TakeLogJobs | Work::SyncLog);
        let react = self.react_job.is_some().then_some(Work::React);
        let mut due = Vec::new();
        for work in [log, flush, compact, bodies, react].into_iter().flatten() {
            // The log thread does one thing at a time.
            let taken = self.busy.contains(&work) || is_log(&work) && self.busy.iter().any(is_log);
            if !taken {
                self.busy.push(work);
                due.push(work);
            }
        }
        due
    }
}
