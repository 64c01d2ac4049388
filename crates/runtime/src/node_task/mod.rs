//! The node's loop: turns requests, timers and finished disk work into inputs of the driver, and does its
//! effects.
//!
//! It runs as one task of the current-thread runtime that also serves HTTP, so a write moves to no thread
//! except the log's. The driver itself is a plain struct.
//!
//! | module | what it holds |
//! |---|---|
//! | [`effects`] | what each effect of the driver makes the loop do |
//! | [`stall`] | notices when the disk does not respond |
//! | [`figures`] | the gauges of `/metrics` that are read at each check |

mod effects;
mod figures;
mod stall;

use crate::archive::Archives;
use crate::backup::{BackupId, Backups};
use crate::disk_threads::Reported;
use crate::handle::{Phase, Request, Status, wall_now};
use crate::reads::{Latest, ReadFailure, ReadPool};
use crate::space::CheckSpace;
use crate::store::{BodyWrite, CompactJob, Driver, Effect, FlushJob, Input, ReactJob};
use crate::worker::Worker;
use driver::{DiskFailure, LogJob, Report, Synced};
use model::{Cursor, Index, limits};
use node::{DiskSpace, Mono, Now};
use stall::{Change, DiskWatch};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use telemetry::Metrics;
use telemetry::catalogue::Queue;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

/// Requests taken from the mailbox at a time.
const MAILBOX_TAKE_MAX: usize = limits::ENTRY_COMMANDS_MAX;
/// The time between two checks of what changes slowly.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// An entry of this size is proposed without waiting for more. Larger ones leave the processor's cache between
/// encoding and applying, which costs more than another sync.
const ENTRY_BYTES_ENOUGH: usize = 128 << 10;

/// What other threads report to the loop.
#[derive(Debug)]
pub(crate) enum FromThread {
    Work(Reported),
    /// A read failed.
    Read(ReadFailure),
    Space(DiskSpace),
    /// An archive reads the log for the first time, or no longer.
    Archives,
}

/// Why a node's loop ended although it was not told to stop.
#[derive(Debug, thiserror::Error)]
pub enum Halted {
    #[error(transparent)]
    Driver(#[from] driver::Halted),
    #[error(transparent)]
    Read(#[from] ReadFailure),
}

impl From<DiskFailure> for Halted {
    fn from(failure: DiskFailure) -> Self {
        Self::Driver(failure.into())
    }
}

/// Parts of the loop, made by `start`.
pub(crate) struct Parts {
    pub(crate) driver: Driver,
    pub(crate) log: Worker<LogJob>,
    pub(crate) flusher: Worker<FlushJob>,
    pub(crate) compactor: Worker<CompactJob>,
    pub(crate) body_writer: Worker<BodyWrite>,
    pub(crate) reactor: Worker<ReactJob>,
    pub(crate) reports: mpsc::UnboundedReceiver<FromThread>,
    pub(crate) mailbox: mpsc::Receiver<Request>,
    pub(crate) visible: watch::Sender<Cursor>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) latest: Arc<Latest>,
    pub(crate) reads: Arc<ReadPool>,
    pub(crate) space: Worker<CheckSpace>,
    pub(crate) metrics: Arc<Metrics>,
    /// For [`crate::Handle::elapsed`].
    pub(crate) elapsed: Arc<AtomicU64>,
    pub(crate) backups: Arc<Backups>,
    pub(crate) archives: Arc<Archives>,
    /// Held so that no other process opens the directory while the loop runs.
    pub(crate) directory: storage::directory::DataDirectory,
}

/// A node's loop; see [`NodeTask::run`].
#[allow(missing_debug_implementations, reason = "threads, channels and the whole state have no useful form")]
pub struct NodeTask {
    parts: Parts,
    begun: Instant,
    wait: Option<Mono>,
    /// The driver has more to do, and other tasks of this thread may run before it.
    has_more: bool,
    /// The span of the entry being written, from its proposal to its outcomes.
    entry: Option<tracing::Span>,
    disk: DiskWatch,
    checking_space: bool,
    /// The last entry that the archives have, as the node knows it.
    archived: Option<Index>,
    /// The archives that the next start knows of.
    listed_archives: Vec<BackupId>,
    /// Empty between calls of the driver.
    effects: Vec<Effect>,
    /// Claimed tasks that nobody has received.
    given_back: Vec<Request>,
    ended: Option<Result<(), Halted>>,
}

impl NodeTask {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            begun: Instant::now(),
            wait: None,
            has_more: false,
            entry: None,
            disk: DiskWatch::default(),
            checking_space: false,
            archived: None,
            listed_archives: parts.archives.names(),
            parts,
            effects: Vec::new(),
            given_back: Vec::new(),
            ended: None,
        }
    }

    /// Runs until `stop` resolves and everything is durable, or until the node halts.
    ///
    /// # Errors
    /// [`Halted`]: a disk failed, or what was read is not what was written. The process must end. A restart
    /// recovers everything that was acknowledged.
    ///
    /// The future is boxed so that this crate compiles the loop, and not once more for each program that runs a node.
    pub fn run<'s>(
        self,
        stop: impl Future<Output = ()> + 's,
    ) -> Pin<Box<dyn Future<Output = Result<(), Halted>> + 's>> {
        Box::pin(self.run_until(Box::pin(stop)))
    }

    async fn run_until(mut self, mut stop: Pin<Box<dyn Future<Output = ()> + '_>>) -> Result<(), Halted> {
        let mut stop_asked = false;
        let mut checks = interval(CHECK_EVERY);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut requests = Vec::with_capacity(MAILBOX_TAKE_MAX);
        // Before anything is purged.
        self.look_at_archives();
        self.step(Input::Start);
        loop {
            if let Some(ended) = self.ended.take() {
                return self.finish(ended);
            }
            let timer = self.wait.map(|at| self.begun + Duration::from_millis(at.0));
            let overdue = self.disk.deadline();
            tokio::select! {
                biased;
                Some(report) = self.parts.reports.recv() => {
                    if matches!(report, FromThread::Work(Ok(Report::Log(_)))) {
                        self.drain_sockets().await;
                    }
                    self.reported(report);
                }
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
                // Last, and after the other tasks of this thread: a long replay keeps nobody waiting.
                () = tokio::task::yield_now(), if self.has_more => self.step(Input::Continue),
            }
        }
    }

    /// Lets connections read the requests that have arrived, and takes them. The next entry is proposed after this:
    /// an entry costs a write and a sync however few commands it holds.
    async fn drain_sockets(&mut self) {
        if self.parts.driver.node_figures(self.now()).open_bytes >= ENTRY_BYTES_ENOUGH {
            return;
        }
        tokio::task::yield_now().await;
        let mut requests = Vec::new();
        while requests.len() < MAILBOX_TAKE_MAX
            && let Ok(request) = self.parts.mailbox.try_recv()
        {
            requests.push(request);
        }
        if !requests.is_empty() {
            self.step(Input::Requests(requests));
        }
    }

    fn now(&self) -> Now {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: wall_now(), mono: Mono(since) }
    }

    fn step(&mut self, input: Input) {
        self.has_more = false;
        let now = self.now();
        self.drive(|driver, effects| driver.step(now, input, effects));
    }

    fn reported(&mut self, report: FromThread) {
        let now = self.now();
        match report {
            FromThread::Work(Ok(report)) => {
                self.work_ended(&report);
                match report {
                    Report::Log(synced) => self.log_synced(now, synced),
                    report => self.drive(|driver, effects| driver.reported(now, report, effects)),
                }
            }
            FromThread::Work(Err(failure)) => self.ended = Some(Err(failure.into())),
            FromThread::Read(failure) => self.ended = Some(Err(failure.into())),
            FromThread::Archives => self.look_at_archives(),
            FromThread::Space(space) => {
                self.checking_space = false;
                self.drive(|driver, effects| driver.check(now, space, effects));
            }
        }
        if self.parts.driver.is_check_due() {
            self.check();
        }
    }

    /// The step after a log write became durable applies the entry, so it is timed for the metric `apply`.
    fn log_synced(&mut self, now: Now, synced: Synced) {
        self.parts.metrics.queue(Queue::LogWrites).depth.sub(synced.0.len() as u64);
        // The entry's span ends with its outcomes, which are effects of this step.
        let _entry = self.entry.take().map(tracing::Span::entered);
        let _apply = telemetry::spans::apply(synced.0.last().map_or(0, |ticket| ticket.0)).entered();
        let begun = Instant::now();
        let mut outcomes = 0;
        self.drive(|driver, effects| {
            let done = driver.reported(now, Report::Log(synced), effects);
            outcomes = effects.iter().filter(|effect| matches!(effect, Effect::Outcome { .. })).count();
            done
        });
        self.parts.metrics.apply.observe_duration(begun.elapsed());
        self.parts.metrics.entry_commands.observe(outcomes as u64);
    }

    /// Asks how much space the disk has. The driver's check follows with the answer.
    fn check(&mut self) {
        if !std::mem::replace(&mut self.checking_space, true) {
            self.parts.space.send(CheckSpace);
        }
        self.parts.backups.end_idle(Instant::now());
        self.look_at_archives();
        self.set_figures();
    }

    /// Tells the node which entries the archives have, if that has changed.
    fn look_at_archives(&mut self) {
        let have = self.parts.archives.have(Instant::now());
        if std::mem::replace(&mut self.archived, have) != have {
            self.step(Input::Archived(have));
        }
        let reading = self.parts.archives.names();
        if self.listed_archives != reading {
            self.listed_archives = reading;
            let archives = Arc::clone(&self.parts.archives);
            tokio::task::spawn_blocking(move || archives.keep_list());
        }
    }

    fn work_ended(&mut self, report: &Report) {
        match report {
            Report::Log(synced) => synced.0.iter().for_each(|_| self.disk.log_ended(Instant::now())),
            Report::Flushed(_) | Report::FlushOutOfSpace { .. } => self.disk.flush_ended(Instant::now()),
            Report::BodiesWritten => self.disk.bodies_ended(Instant::now()),
            Report::Reacted(reacted) => {
                return self.parts.metrics.reaction_lag.set_ms(reacted.lag_ms);
            }
            Report::Prepared(_) | Report::Compacted(_) | Report::BodiesCompacted(_) => return,
        }
        self.watch_disk();
    }

    /// If the disk has begun to stall, or to respond again, tells the node and its handles.
    fn watch_disk(&mut self) {
        let Some(change) = self.disk.change(Instant::now()) else { return };
        let (stalled, input) = match change {
            Change::Stalled { why } => {
                tracing::error!(why, "the disk does not respond: writes are rejected until it does");
                (Some(why.clone()), Input::DiskStalled { why })
            }
            Change::Responds => {
                tracing::info!("the disk responds again: the node accepts writes");
                (None, Input::DiskResponds)
            }
        };
        self.parts.metrics.disk_stalled.set(u64::from(stalled.is_some()));
        self.parts.status.send_modify(|status| status.disk_stalled = stalled);
        self.step(input);
    }

    /// Calls the driver, then does every effect in order.
    fn drive(&mut self, call: impl FnOnce(&mut Driver, &mut Vec<Effect>) -> Result<(), driver::Halted>) {
        if self.ended.is_some() {
            return;
        }
        let mut effects = std::mem::take(&mut self.effects);
        let done = call(&mut self.parts.driver, &mut effects);
        for effect in effects.drain(..) {
            self.obey(effect);
        }
        self.effects = effects;
        if let Err(halted) = done {
            self.ended = Some(Err(halted.into()));
        }
        if !self.given_back.is_empty() {
            let requests = std::mem::take(&mut self.given_back);
            self.step(Input::Requests(requests));
        }
    }

    fn finish(self, ended: Result<(), Halted>) -> Result<(), Halted> {
        // The replies of requests that still wait are dropped with the node, which reports their outcomes as
        // unknown.
        let Parts { log, flusher, compactor, body_writer, reactor, space, status, directory, .. } =
            self.parts;
        // The threads finish their jobs before the directory's lock is released.
        drop((log, flusher, compactor, body_writer, reactor, space));
        status.send_modify(|status| status.phase = Phase::Stopped);
        drop(directory);
        if let Err(halted) = &ended {
            tracing::error!(%halted, "the node stops; a restart recovers everything that was acknowledged");
        }
        ended
    }
}
