//! A running node and its threads, taken apart into steps, so that a crash can happen between any two of
//! them. What a step does, and what follows from it, is the driver's: the same code that ships.

use crate::disk::SimDisk;
use crate::state::SimState;
use driver::{CompactWork, Driver, Effect, FlushWork, Halted, Input, LogJob, LogWork, Report};
use model::{Cursor, GroupId, Index, Wall};
use node::{DiskSpace, GroupLog, NodeOptions, Now, RaftEngine, RaftEngineOptions, Replies};
use shard::{Shard, ShardOptions};
use std::collections::VecDeque;
use storage::bodies::{Bodies, BodyError, BodyOptions, BodyReader};
use storage::log::{Log, LogError, LogOptions};
use storage::memory_state::{MemoryCompactor, MemoryFlush, MemoryReader};
use storage::state::State;

pub type SimInput = Input<Waiters>;
pub type SimEffect = Effect<SimDisk, SimState, Waiters>;

/// The replies identify who waits for a result.
#[derive(Clone, Copy, Debug)]
pub struct Waiters;

impl Replies for Waiters {
    /// A client's number.
    type Outcome = u64;
    /// The time that should be closed.
    type TimeClosed = Wall;
    type Woken = ();

    fn is_gone((): &()) -> bool {
        false
    }
}

const GROUP: GroupId = GroupId(1);
/// Small, so that a short run rotates, purges, flushes and replays many times.
const LOG_SEGMENT_BYTES: u64 = 64 << 10;
const BODY_SEGMENT_BYTES: u64 = 32 << 10;
const FLUSH_LOG_BYTES: u64 = 24 << 10;
const FLUSH_STATE_BYTES: u64 = 16 << 10;
const GRACE_MS: u64 = 20;
/// A replay yields after a few entries.
const POLL_BYTES: usize = 4 << 10;

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
}

/// What the outside sees of a step, and the work that is now due.
#[derive(Debug, Default)]
pub struct Stepped {
    pub effects: Vec<SimEffect>,
    pub work: Vec<Work>,
}

#[derive(Debug)]
pub struct Process {
    driver: Driver<SimDisk, SimState, Waiters>,
    body_reader: BodyReader<SimDisk>,
    log: LogWork<SimDisk>,
    log_jobs: VecDeque<LogJob>,
    flush: FlushWork<SimDisk, MemoryFlush>,
    compact: CompactWork<SimDisk, MemoryCompactor, MemoryReader>,
    /// Threads whose next step is scheduled.
    busy: Vec<Work>,
    /// What readers see.
    shown: MemoryReader,
    visible: Cursor,
}

impl Process {
    /// Opens what the disks hold, as a real start does.
    ///
    /// # Errors
    /// [`Ended`]. A crash in the middle of the start is one of these errors.
    pub fn open(log_disk: SimDisk, body_disk: SimDisk, state: SimState) -> Result<Self, Ended> {
        let store = format::header::StoreId(7);
        let log =
            Log::open(log_disk, LogOptions { segment_bytes: LOG_SEGMENT_BYTES, ..LogOptions::new(store) })?;
        let body_options =
            BodyOptions { segment_bytes: BODY_SEGMENT_BYTES, stride_bytes: 512, ..BodyOptions::new(store) };
        let (bodies, body_reader) = Bodies::open(body_disk, state.progress().bodies_end, body_options)?;
        let body_preparer = bodies.preparer();
        let group_log = GroupLog::new(GROUP, log.reader);
        let options = RaftEngineOptions {
            group: GROUP,
            flush_state_bytes: FLUSH_STATE_BYTES,
            flush_log_bytes: FLUSH_LOG_BYTES,
            poll_bytes: POLL_BYTES,
            ..RaftEngineOptions::default()
        };
        let node_options = NodeOptions { grace_ms: GRACE_MS, ..NodeOptions::default() };
        let (shown, compactor) = (state.reader(), state.compactor());
        let shard = Shard::new(ShardOptions::default());
        let engine = RaftEngine::open(options, group_log, log.groups.get(&GROUP), shard, state)?;
        Ok(Self {
            driver: Driver::new(node_options, engine, bodies, log.preparer.clone()),
            body_reader,
            log: LogWork::new(log.writer, log.preparer.clone()),
            log_jobs: VecDeque::new(),
            flush: FlushWork::new(log.preparer, body_preparer),
            compact: CompactWork::new(compactor),
            busy: Vec::new(),
            shown,
            visible: Cursor::START,
        })
    }

    /// The state that readers see.
    #[must_use]
    pub fn reader(&self) -> MemoryReader {
        self.shown.clone()
    }

    #[must_use]
    pub fn bodies(&self) -> &BodyReader<SimDisk> {
        &self.body_reader
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
                while let Some(job) = self.log_jobs.pop_front() {
                    self.log.take(job)?;
                }
                None
            }
            Work::SyncLog => self.log.sync()?.map(Report::Log),
            Work::Flush => self.flush.step()?,
            Work::Compact => self.compact.step()?,
        };
        match report {
            Some(report) => self.drive(|driver, effects| driver.reported(now, report, effects)),
            None => Ok(Stepped { effects: Vec::new(), work: self.due() }),
        }
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
        while let Some(job) = self.log_jobs.pop_front() {
            self.log.take(job)?;
        }
        self.log.sync()?;
        self.log.mark()?;
        while !self.flush.is_idle() {
            self.flush.step()?;
        }
        while !self.compact.is_idle() {
            self.compact.step()?;
        }
        Ok(())
    }

    fn drive(
        &mut self,
        call: impl FnOnce(&mut Driver<SimDisk, SimState, Waiters>, &mut Vec<SimEffect>) -> Result<(), Halted>,
    ) -> Result<Stepped, Ended> {
        let mut effects = Vec::new();
        let done = call(&mut self.driver, &mut effects);
        let mut outside = Vec::new();
        for effect in effects {
            match effect {
                Effect::Log(job) => self.log_jobs.push_back(job),
                Effect::Flush(job) => self.flush.take(job),
                Effect::Compact(job) => self.compact.take(job),
                Effect::Show { state, visible } => {
                    self.shown = state.clone();
                    self.visible = self.visible.max(visible);
                    outside.push(Effect::Show { state, visible });
                }
                other => outside.push(other),
            }
        }
        done?;
        Ok(Stepped { effects: outside, work: self.due() })
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
        let is_log = |work: &Work| matches!(work, Work::TakeLogJobs | Work::SyncLog);
        let mut due = Vec::new();
        for work in [log, flush, compact].into_iter().flatten() {
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
