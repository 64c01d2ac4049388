//! The node's loop: turns channels, timers and finished disk work into inputs, and obeys the outputs.
//!
//! It runs as one task of the same current-thread runtime that serves HTTP, so that a request crosses no
//! thread but the log's. The node itself stays a plain struct.

use crate::disk_threads::{CompactWork, DiskFailure, DiskReport, FlushWork, Reported};
use crate::handle::{Envelope, Phase, Status, wall_now};
use crate::log_thread::{LogJob, LogReport};
use crate::reads::{Latest, ReadPool};
use crate::space::Space;
use crate::store::{Bodies, Compaction, Engine, LogPreparer, StateFlush};
use crate::worker::Worker;
use model::{Cursor, limits};
use node::{Input, Mono, Node, Now, Output, RaftCompletion, RaftIo, Request, RequestId, Unavailable};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::bodies::BodyError;
use storage::state::{Pressure, State as _};
use telemetry::Metrics;
use telemetry::catalogue::Queue;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

/// How often the disk's room, the bodies' dead share and the figures are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// They are also looked at after so many bytes of log: well before a reserve of the default size is used up.
const LOOK_EVERY_BYTES: u64 = 16 << 20;
/// From so far ahead on, the alarm is raised with every look.
const WALL_AHEAD_ALARM_MS: u64 = 1_000;
/// Requests taken from the mailbox at a time.
const MAILBOX_TAKE_MAX: usize = limits::ENTRY_COMMANDS_MAX;

/// What the threads tell the loop.
#[derive(Debug)]
pub(crate) enum Report {
    Log(LogReport),
    Disk(Reported),
}

/// Why a node's loop ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum Halted {
    #[error(transparent)]
    Disk(#[from] DiskFailure),
    #[error(transparent)]
    Engine(#[from] node::EngineError),
}

/// Parts of the loop, made by `start`.
pub(crate) struct Parts {
    pub(crate) node: Node<Engine>,
    pub(crate) bodies: Bodies,
    pub(crate) log: Worker<LogJob>,
    pub(crate) flusher: Worker<FlushWork>,
    pub(crate) compactor: Worker<CompactWork>,
    pub(crate) preparer: LogPreparer,
    pub(crate) reports: mpsc::UnboundedReceiver<Report>,
    pub(crate) mailbox: mpsc::Receiver<Envelope>,
    pub(crate) visible: watch::Sender<Cursor>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) latest: Arc<Latest>,
    pub(crate) reads: Arc<ReadPool>,
    pub(crate) space: Space,
    pub(crate) metrics: Arc<Metrics>,
    /// Held so that no other process opens the directory while the loop runs.
    pub(crate) directory: storage::directory::DataDirectory,
}

/// A node's loop; see [`NodeTask::run`].
#[allow(
    missing_debug_implementations,
    reason = "threads, channels and the whole state: no form worth printing"
)]
pub struct NodeTask {
    parts: Parts,
    begun: Instant,
    next_request: u64,
    waiting: HashMap<RequestId, oneshot::Sender<Result<node::Answer, Unavailable>>>,
    wait: Option<Mono>,
    /// Of the entry whose write is under way, from proposal to answers.
    entry: Option<tracing::Span>,
    written_since_look: u64,
    scrub_log: bool,
    compacting_bodies: bool,
    preparing_log: bool,
    outputs: Vec<Output<RaftIo<StateFlush>>>,
    ended: Option<Result<(), Halted>>,
}

impl NodeTask {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            parts,
            begun: Instant::now(),
            next_request: 0,
            waiting: HashMap::new(),
            wait: None,
            entry: None,
            written_since_look: 0,
            scrub_log: false,
            compacting_bodies: false,
            preparing_log: false,
            outputs: Vec::new(),
            ended: None,
        }
    }

    /// Runs until `stop` resolves and all is durable, or until the node halts.
    ///
    /// # Errors
    /// [`Halted`]: a disk failed or something read is not what was written. The process must end; a restart
    /// recovers everything that was acknowledged.
    pub async fn run(mut self, stop: impl Future<Output = ()>) -> Result<(), Halted> {
        tokio::pin!(stop);
        let mut stop_asked = false;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut envelopes = Vec::with_capacity(MAILBOX_TAKE_MAX);
        self.step(Input::Start);
        loop {
            if let Some(ended) = self.ended.take() {
                return self.finish(ended);
            }
            let deadline = self.wait.map(|at| self.begun + Duration::from_millis(at.0));
            tokio::select! {
                biased;
                Some(report) = self.parts.reports.recv() => self.reported(report),
                () = &mut stop, if !stop_asked => {
                    stop_asked = true;
                    self.parts.status.send_modify(|status| status.phase = Phase::Stopping);
                    self.step(Input::Stop);
                }
                // Zero only when every handle is gone; then nothing more will come, and `stop` decides.
                taken = self.parts.mailbox.recv_many(&mut envelopes, MAILBOX_TAKE_MAX), if !self.parts.mailbox.is_closed() || !self.parts.mailbox.is_empty() => {
                    if taken > 0 { self.requested(&mut envelopes); }
                }
                () = sleep_until(deadline.unwrap_or(self.begun).into()), if deadline.is_some() => {
                    self.wait = None;
                    self.step(Input::Deadline);
                }
                _ = looks.tick() => self.look(),
            }
        }
    }

    fn now(&self) -> Now {
        let since = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { wall: wall_now(), mono: Mono(since) }
    }

    fn requested(&mut self, envelopes: &mut Vec<Envelope>) {
        let mut requests = Vec::with_capacity(envelopes.len());
        for envelope in envelopes.drain(..) {
            self.next_request += 1;
            let id = RequestId(self.next_request);
            self.waiting.insert(id, envelope.answer);
            requests.push(Request { id, ask: envelope.ask });
        }
        self.step(Input::Requests(requests));
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Log(Ok(ticket)) => {
                self.parts.metrics.queue(Queue::LogWrites).depth.sub(1);
                self.step(Input::Completion(RaftCompletion::LogSynced(ticket)));
                self.prepare_log();
                if self.written_since_look >= LOOK_EVERY_BYTES {
                    self.look();
                }
            }
            Report::Disk(Ok(DiskReport::Flushed(progress))) => {
                self.parts.bodies.persisted(progress.bodies_end);
                self.parts.compactor.send(CompactWork::State);
                let scrub = std::mem::take(&mut self.scrub_log);
                self.step(Input::Completion(RaftCompletion::Flushed(progress)));
                if scrub {
                    // Behind the purge that this step has asked for.
                    self.parts.log.send(LogJob::Scrub);
                }
            }
            Report::Disk(Ok(DiskReport::NoRoom(why))) => {
                self.step(Input::Completion(RaftCompletion::NoRoom));
                self.heed_space(Err(why));
            }
            Report::Disk(Ok(DiskReport::Compacted)) => {
                self.step(Input::Completion(RaftCompletion::Compacted))
            }
            Report::Disk(Ok(DiskReport::BodiesCompacted)) => {
                self.compacting_bodies = false;
                // The log may hold the removed events too: a flush purges it, and what it purged is replaced.
                self.scrub_log = true;
                self.parts.log.send(LogJob::Rotate);
                self.step(Input::Completion(RaftCompletion::FlushWanted));
            }
            Report::Disk(Ok(DiskReport::LogPrepared)) => self.preparing_log = false,
            Report::Log(Err(failure)) | Report::Disk(Err(failure)) => self.ended = Some(Err(failure.into())),
        }
    }

    /// One input, then every output in order.
    fn step(&mut self, input: Input<RaftCompletion>) {
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
                self.parts.latest.set(self.parts.node.engine().state().reader());
            }
        }
    }

    /// The step that follows a durable write is the one that applies it.
    fn node_step(&mut self, input: Input<RaftCompletion>, outputs: &mut Vec<Output<RaftIo<StateFlush>>>) {
        let now = self.now();
        let Input::Completion(RaftCompletion::LogSynced(ticket)) = input else {
            return self.parts.node.step(now, input, outputs);
        };
        // The entry's span ends with its answers, which this step gives.
        let _entry = self.entry.take().map(tracing::Span::entered);
        let _apply = telemetry::spans::apply(ticket.0).entered();
        let begun = Instant::now();
        self.parts.node.step(now, input, outputs);
        self.parts.metrics.apply.observe_duration(begun.elapsed());
        let answers = outputs.iter().filter(|output| matches!(output, Output::Answer(..))).count();
        self.parts.metrics.entry_commands.observe(answers as u64);
    }

    fn obey(&mut self, output: Output<RaftIo<StateFlush>>) {
        match output {
            Output::Io(io) => self.do_io(io),
            Output::Answer(request, answer) => {
                if matches!(answer, Err(Unavailable::Busy)) {
                    self.parts.metrics.queue(Queue::WaitingBytes).refused.inc();
                }
                if let Some(waiting) = self.waiting.remove(&request) {
                    // The client may have gone; what it asked for is done all the same.
                    let _ = waiting.send(answer);
                }
            }
            Output::Ready { replayed_entries } => self.became_ready(replayed_entries),
            Output::Wait(at) => self.wait = at,
            Output::Stopped => self.ended = Some(Ok(())),
            Output::Halt(error) => self.ended = Some(Err(error.into())),
            Output::Visible(_) | Output::Continue => {}
        }
    }

    fn do_io(&mut self, io: RaftIo<StateFlush>) {
        match io {
            RaftIo::WriteLog { ticket, records } => {
                self.entry = Some(telemetry::spans::entry(ticket.0));
                self.parts.metrics.queue(Queue::LogWrites).depth.add(1);
                self.parts.metrics.entry_bytes.observe(records.len() as u64);
                self.parts.metrics.log_written.add(records.len() as u64);
                self.written_since_look += records.len() as u64;
                self.parts.log.send(LogJob::Write { ticket, records });
            }
            RaftIo::AppendBodies { records, last, end } => self.append_bodies(&records, last, end),
            RaftIo::RemoveBodies { positions } => {
                self.parts.bodies.note_removed(&positions, wall_now());
            }
            RaftIo::Flush { flush } => {
                // Every body up to here was appended before this output.
                let bodies = self.parts.bodies.sync_handle();
                self.parts.flusher.send(FlushWork::Flush { bodies, flush });
            }
            RaftIo::PurgeLog { group, through } => {
                self.parts.log.send(LogJob::Purge { group, through });
            }
        }
    }

    fn append_bodies(&mut self, records: &[u8], last: Cursor, end: u64) {
        let failure = match self.parts.bodies.append(records, last) {
            Ok(at) if at == end => return,
            Ok(at) => DiskFailure::bodies(format!("they end at {at}, and the state says {end}")),
            Err(error) => DiskFailure::bodies(error),
        };
        self.ended = Some(Err(failure.into()));
    }

    fn show(&mut self, cursor: Cursor) {
        self.parts.metrics.last_visible.set_ms(cursor.position.wall().0);
        self.parts.visible.send_if_modified(|visible| {
            let moved = cursor > *visible;
            *visible = cursor.max(*visible);
            moved
        });
    }

    fn became_ready(&mut self, replayed_entries: u64) {
        self.parts.latest.set(self.parts.node.engine().state().reader());
        self.parts.status.send_modify(|status| {
            status.replayed_entries = replayed_entries;
            if status.phase == Phase::Starting {
                status.phase = Phase::Ready;
            }
        });
        self.parts.metrics.replayed_entries.set(replayed_entries);
        self.parts.metrics.became_ready();
        tracing::info!(replayed_entries, "the node is ready");
    }

    /// Looks after what changes slowly: room on the disk, dead bodies, figures.
    fn look(&mut self) {
        self.written_since_look = 0;
        self.heed_space(self.parts.space.look());
        self.compact_bodies();
        if self.parts.bodies.stats().is_flush_wanted {
            self.step(Input::Completion(RaftCompletion::FlushWanted));
        }
        // A compaction that found no room is tried again: without it no entry, and so no flush, would come.
        if self.parts.node.engine().state().pressure() != Pressure::None {
            self.parts.compactor.send(CompactWork::State);
        }
        self.prepare_log();
        self.tell_figures();
    }

    /// Room on the disk, or why there is none: writes are refused, or taken again and a flush that had no room
    /// is begun anew.
    fn heed_space(&mut self, space: Result<(), String>) {
        let read_only = space.as_ref().err().cloned();
        if self.parts.status.borrow().read_only == read_only {
            return;
        }
        match &read_only {
            // Told once, and not whenever the free bytes change.
            Some(_) if self.parts.status.borrow().read_only.is_some() => {}
            Some(why) => tracing::error!(why, "writes are refused until there is room again"),
            None => {
                tracing::info!("there is room on the disk again: writes are taken");
                self.step(Input::Completion(RaftCompletion::RoomAgain));
            }
        }
        self.parts.status.send_modify(|status| status.read_only = read_only);
        self.step(Input::DiskSpace(space));
    }

    fn compact_bodies(&mut self) {
        if self.compacting_bodies {
            return;
        }
        match self.parts.bodies.compaction_due(wall_now()) {
            Ok(Some(segment)) => {
                self.compacting_bodies = true;
                let segment = self.parts.bodies.compaction(segment);
                self.parts
                    .compactor
                    .send(CompactWork::Bodies(Compaction::new(segment, self.parts.latest.get())));
            }
            // No room now: due again at the next look.
            Ok(None) | Err(BodyError::NoSpace(_)) => {}
            Err(error) => self.ended = Some(Err(DiskFailure::bodies(error).into())),
        }
    }

    /// A segment of the log is zeroed ahead of need.
    fn prepare_log(&mut self) {
        if !self.preparing_log && self.parts.preparer.is_wanted() {
            self.preparing_log = true;
            self.parts.flusher.send(FlushWork::PrepareLog);
        }
    }

    fn tell_figures(&self) {
        let metrics = &self.parts.metrics;
        let node = self.parts.node.figures(self.now());
        let state = self.parts.node.engine().state().figures();
        metrics.wall_ahead.set_ms(node.wall_ahead_ms);
        if node.wall_ahead_ms >= WALL_AHEAD_ALARM_MS {
            tracing::warn!(
                ahead_ms = node.wall_ahead_ms,
                "the last entry's time is ahead of this machine's clock"
            );
        }
        if let Ok(clock) = shard::query::clock(self.parts.node.engine().state()) {
            metrics.queue(Queue::IdempotencyRecords).depth.set(clock.records);
            metrics.queue(Queue::IdempotencyBytes).depth.set(clock.records_bytes);
        }
        metrics.read_only.set(u64::from(self.parts.status.borrow().read_only.is_some()));
        metrics.state_bytes.set(state.table_bytes);
        metrics.state_memory.set(state.unflushed_bytes);
        metrics.state_cache.set(state.cache_bytes);
        let bodies = self.parts.bodies.stats();
        metrics.bodies_bytes.set(bodies.bytes);
        metrics.bodies_dead.set(bodies.dead_bytes);
        metrics.queue(Queue::Mailbox).depth.set((self.parts.mailbox.len() + node.waiting_commands) as u64);
        metrics.queue(Queue::WaitingBytes).depth.set(node.waiting_bytes as u64);
        metrics.queue(Queue::BodyReads).depth.set(self.parts.reads.depth() as u64);
    }

    fn finish(self, ended: Result<(), Halted>) -> Result<(), Halted> {
        let Self { parts, waiting, .. } = self;
        drop(waiting);
        let Parts { log, flusher, compactor, status, directory, .. } = parts;
        // The threads end their last job before the directory is given back.
        drop((log, flusher, compactor));
        status.send_modify(|status| status.phase = Phase::Stopped);
        drop(directory);
        if let Err(halted) = &ended {
            tracing::error!(%halted, "the node stops: nothing more is acknowledged; a restart recovers all that was");
        }
        ended
    }
}
