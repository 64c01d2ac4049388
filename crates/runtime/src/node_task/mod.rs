//! The node's loop: turns requests, timers and finished disk work into inputs of the node, and does its outputs.
//!
//! It runs as one task of the current-thread runtime that also serves HTTP, so a write moves to no thread
//! except the log's. The node itself is a plain struct.
//!
//! | module | what it holds |
//! |---|---|
//! | [`outputs`] | what each output of the node makes the loop do |
//! | [`housekeeping`] | what is checked every second: disk space, compaction of bodies, prepared segments |
//! | [`backoff`] | when to try again what a full disk has refused |
//! | [`stall`] | notices when the disk does not respond |
//! | [`figures`] | the gauges of `/metrics` that are read at each check |

mod backoff;
mod figures;
mod housekeeping;
mod outputs;
mod stall;

use crate::disk_threads::{CompactWork, DiskFailure, DiskReport, FlushWork, Reported};
use crate::handle::{Channels, Phase, Request, Status, wall_now};
use crate::log_thread::{LogJob, LogReport};
use crate::reads::{Latest, ReadFailure, ReadPool};
use crate::space::CheckSpace;
use crate::store::{Bodies, BodyPreparer, Engine, LogPreparer, StateFlush};
use crate::worker::Worker;
use housekeeping::{CHECK_EVERY, Chores};
use model::{Cursor, limits};
use node::{DiskSpace, Mono, Node, Now, RaftCompletion, RaftIo};
use stall::DiskWatch;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use telemetry::Metrics;
use telemetry::catalogue::Queue;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

/// Requests taken from the mailbox at a time.
const MAILBOX_TAKE_MAX: usize = limits::ENTRY_COMMANDS_MAX;

type Input = node::Input<RaftCompletion, Channels>;
type Output = node::Output<RaftIo<StateFlush>, Channels>;

/// What the threads report to the loop.
#[derive(Debug)]
pub(crate) enum Report {
    Log(LogReport),
    Disk(Reported),
    /// A read failed.
    Read(ReadFailure),
    Space(DiskSpace),
}

/// Why a node's loop ended although it was not told to stop.
#[derive(Debug, thiserror::Error)]
pub enum Halted {
    #[error(transparent)]
    Disk(#[from] DiskFailure),
    #[error(transparent)]
    Engine(#[from] node::EngineError),
    #[error(transparent)]
    Read(#[from] ReadFailure),
}

/// Parts of the loop, made by `start`.
pub(crate) struct Parts {
    pub(crate) node: Node<Engine, Channels>,
    pub(crate) bodies: Bodies,
    pub(crate) log: Worker<LogJob>,
    pub(crate) flusher: Worker<FlushWork>,
    pub(crate) compactor: Worker<CompactWork>,
    pub(crate) preparer: LogPreparer,
    pub(crate) body_preparer: BodyPreparer,
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    pub(crate) mailbox: mpsc::Receiver<Request>,
    pub(crate) visible: watch::Sender<Cursor>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) latest: Arc<Latest>,
    pub(crate) reads: Arc<ReadPool>,
    pub(crate) space: Worker<CheckSpace>,
    pub(crate) metrics: Arc<Metrics>,
    /// Held so that no other process opens the directory while the loop runs.
    pub(crate) directory: storage::directory::DataDirectory,
}

/// A node's loop; see [`NodeTask::run`].
#[allow(missing_debug_implementations, reason = "threads, channels and the whole state have no useful form")]
pub struct NodeTask {
    parts: Parts,
    begun: Instant,
    wait: Option<Mono>,
    /// The span of the entry being written, from its proposal to its outcomes.
    entry: Option<tracing::Span>,
    chores: Chores,
    disk: DiskWatch,
    /// Empty between steps.
    outputs: Vec<Output>,
    ended: Option<Result<(), Halted>>,
}

impl NodeTask {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            begun: Instant::now(),
            wait: None,
            entry: None,
            chores: Chores::default(),
            disk: DiskWatch::default(),
            outputs: Vec::new(),
            ended: None,
        }
    }

    /// Runs until `stop` resolves and everything is durable, or until the node halts.
    ///
    /// # Errors
    /// [`Halted`]: a disk failed, or what was read is not what was written. The process must end. A restart
    /// recovers everything that was acknowledged.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Halted> {
        tokio::pin!(stop);
        let mut stop_asked = false;
        let mut checks = interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut requests = Vec::with_capacity(MAILBOX_TAKE_MAX);
        self.step(Input::Start);
        loop {
            if let Some(ended) = self.ended.take() {
                return self.finish(ended);
            }
            let timer = self.wait.map(|at| self.begun + Duration::from_millis(at.0));
            let overdue = self.disk.deadline();
            tokio::select! {
                biased;
                Some(report) = self.parts.reports.recv() => self.reported(report),
                () = &mut stop, if !stop_asked => {
                    stop_asked = true;
                    self.parts.status.send_modify(|status| status.phase = Phase::Stopping);
                    self.step(Input::Stop);
                }
                // It takes none only when every handle was dropped. Then no more requests come, and only
                // `stop` ends the loop.
                taken = self.parts.mailbox.recv_many(&mut requests, MAILBOX_TAKE_MAX), if !self.parts.mailbox.is_closed() || !self.parts.mailbox.is_empty() => {
                    if taken > 0 { self.step(Input::Requests(std::mem::take(&mut requests))); }
                }
                () = sleep_until(timer.unwrap_or(self.begun).into()), if timer.is_some() => {
                    self.wait = None;
                    self.step(Input::TimerDue);
                }
                () = sleep_until(overdue.unwrap_or(self.begun).into()), if overdue.is_some() => {
                    self.watch_disk();
                }
                _ = checks.tick() => self.check(),
            }
        }
    }

    fn now(&self) -> Now {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: wall_now(), mono: Mono(since) }
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Space(space) => self.space_checked(space),
            Report::Log(Ok(ticket)) => {
                self.disk.log_ended(Instant::now());
                self.watch_disk();
                self.parts.metrics.queue(Queue::LogWrites).depth.sub(1);
                self.step(Input::Completion(RaftCompletion::LogSynced(ticket)));
                self.log_written();
            }
            Report::Disk(Ok(DiskReport::Flushed(progress))) => {
                self.disk.flush_ended(Instant::now());
                self.watch_disk();
                self.parts.bodies.persisted(progress);
                self.parts.compactor.send(CompactWork::State);
                let scrub = self.chores.take_scrub();
                self.step(Input::Completion(RaftCompletion::Flushed(progress)));
                if scrub {
                    // After the purge that this step has asked for.
                    self.parts.log.send(LogJob::Scrub);
                }
            }
            Report::Disk(Ok(DiskReport::FlushOutOfSpace(why))) => {
                self.disk.flush_ended(Instant::now());
                self.watch_disk();
                self.step(Input::Completion(RaftCompletion::FlushOutOfSpace));
                self.set_disk_space(DiskSpace::Low { why });
            }
            Report::Disk(Ok(DiskReport::Compacted(attempt))) => self.state_compacted(&attempt),
            Report::Disk(Ok(DiskReport::BodiesCompacted(attempt))) => self.bodies_compacted(&attempt),
            Report::Disk(Ok(DiskReport::Prepared(attempt))) => self.prepared(&attempt),
            Report::Read(failure) => self.ended = Some(Err(failure.into())),
            Report::Log(Err(failure)) | Report::Disk(Err(failure)) => self.ended = Some(Err(failure.into())),
        }
    }

    /// Gives the node one input, then does every output in order.
    fn step(&mut self, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let mut outputs = std::mem::take(&mut self.outputs);
            self.node_step(input, &mut outputs);
            let mut applied = false;
            for output in outputs.drain(..) {
                if self.ended.is_some() {
                    break;
                }
                match output {
                    Output::Continue => next = Some(Input::Continue),
                    Output::Visible(cursor) => {
                        applied = true;
                        self.show(cursor);
                    }
                    output => self.obey(output),
                }
            }
            self.outputs = outputs;
            if applied {
                self.parts.latest.set(self.reader());
            }
        }
    }

    /// Runs one step of the node. The step after a log write became durable applies the entry, so it is timed
    /// for the metric `apply`.
    fn node_step(&mut self, input: Input, outputs: &mut Vec<Output>) {
        let now = self.now();
        let Input::Completion(RaftCompletion::LogSynced(ticket)) = input else {
            return self.parts.node.step(now, input, outputs);
        };
        // The entry's span ends with its outcomes, which are outputs of this step.
        let _entry = self.entry.take().map(tracing::Span::entered);
        let _apply = telemetry::spans::apply(ticket.0).entered();
        let begun = Instant::now();
        self.parts.node.step(now, input, outputs);
        self.parts.metrics.apply.observe_duration(begun.elapsed());
        let outcomes = outputs.iter().filter(|output| matches!(output, Output::Outcome { .. })).count();
        self.parts.metrics.entry_commands.observe(outcomes as u64);
    }

    fn finish(self, ended: Result<(), Halted>) -> Result<(), Halted> {
        // The replies of requests that still wait are dropped with the node, which reports their outcomes as
        // unknown.
        let Parts { log, flusher, compactor, space, status, directory, .. } = self.parts;
        // The threads finish their jobs before the directory's lock is released.
        drop((log, flusher, compactor, space));
        status.send_modify(|status| status.phase = Phase::Stopped);
        drop(directory);
        if let Err(halted) = &ended {
            tracing::error!(%halted, "the node stops; a restart recovers everything that was acknowledged");
        }
        ended
    }
}
