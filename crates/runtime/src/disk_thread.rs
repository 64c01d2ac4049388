//! The disk thread: flushes and compactions, one after the other, so that at most one of them competes with
//! the log for the disk. A waiting flush goes before the next step of a compaction.

use crate::store::{BodySync, Compaction, LogPreparer, StateCompactor, StateFlush};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Instant;
use storage::bodies::BodyError;
use storage::log::{LogError, Prepared};
use storage::state::{Compactor, Due, FlushJob, Progress, StateError};
use telemetry::Metrics;

/// A disk did not do what it was asked: the node stops.
#[derive(Debug, thiserror::Error)]
pub enum DiskFailure {
    #[error("the log cannot be made durable: {0}")]
    Log(String),
    #[error("the bodies of events cannot be written: {0}")]
    Bodies(String),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("a thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

impl DiskFailure {
    pub(crate) fn log(error: impl std::fmt::Display) -> Self {
        Self::Log(error.to_string())
    }

    pub(crate) fn bodies(error: impl std::fmt::Display) -> Self {
        Self::Bodies(error.to_string())
    }
}

#[derive(Debug)]
pub(crate) enum DiskJob {
    /// Bodies first, so that the state is never ahead of them.
    Flush { bodies: BodySync, flush: StateFlush },
    /// Rewrite a body segment without its dead events.
    CompactBodies(Compaction),
    /// The log may want a segment zeroed ahead of need.
    PrepareLog,
}

#[derive(Debug)]
pub(crate) enum DiskReport {
    Flushed(Progress),
    LogPrepared,
    /// The state's compaction did a step.
    Compacted,
    BodiesCompacted,
}

#[derive(Debug)]
pub(crate) struct DiskThread {
    jobs: Option<Sender<DiskJob>>,
    thread: Option<JoinHandle<()>>,
}

impl DiskThread {
    pub(crate) fn start(
        compactor: StateCompactor,
        preparer: LogPreparer,
        metrics: Arc<Metrics>,
        report: impl Fn(Result<DiskReport, DiskFailure>) + Send + 'static,
    ) -> io::Result<Self> {
        let (jobs, inbox) = channel();
        let thread = std::thread::Builder::new().name("disk".into()).spawn(move || {
            if let Err(failure) = run(&compactor, &preparer, &inbox, &metrics, &report) {
                report(Err(failure));
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Hands a job over. A thread that has failed has said so already.
    pub(crate) fn send(&self, job: DiskJob) {
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }
}

impl Drop for DiskThread {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(
    compactor: &StateCompactor,
    preparer: &LogPreparer,
    inbox: &Receiver<DiskJob>,
    metrics: &Metrics,
    report: &impl Fn(Result<DiskReport, DiskFailure>),
) -> Result<(), DiskFailure> {
    while let Ok(mut job) = inbox.recv() {
        loop {
            report(Ok(run_job(job, preparer, metrics)?));
            match next_job(compactor, inbox, report)? {
                Some(next) => job = next,
                None => break,
            }
        }
    }
    Ok(())
}

/// Compacts until there is nothing to do or a job waits.
fn next_job(
    compactor: &StateCompactor,
    inbox: &Receiver<DiskJob>,
    report: &impl Fn(Result<DiskReport, DiskFailure>),
) -> Result<Option<DiskJob>, DiskFailure> {
    loop {
        if let Ok(job) = inbox.try_recv() {
            return Ok(Some(job));
        }
        let due = compactor.step()?;
        report(Ok(DiskReport::Compacted));
        if due == Due::Nothing {
            return Ok(None);
        }
    }
}

fn run_job(job: DiskJob, preparer: &LogPreparer, metrics: &Metrics) -> Result<DiskReport, DiskFailure> {
    match job {
        DiskJob::Flush { bodies, flush } => {
            let begun = Instant::now();
            bodies.run().map_err(DiskFailure::bodies)?;
            let progress = flush.run()?;
            metrics.flush.observe_duration(begun.elapsed());
            Ok(DiskReport::Flushed(progress))
        }
        DiskJob::CompactBodies(compaction) => {
            match compaction.run() {
                // The old segment stays, and is due again at the next look.
                Ok(_) | Err(BodyError::NoSpace(_) | BodyError::Liveness(_)) => {}
                Err(error) => return Err(DiskFailure::bodies(error)),
            }
            // Recycled segments of the log may still hold what was removed.
            preparer.scrub_spares().map_err(DiskFailure::log)?;
            prepare(preparer)?;
            Ok(DiskReport::BodiesCompacted)
        }
        DiskJob::PrepareLog => {
            prepare(preparer)?;
            Ok(DiskReport::LogPrepared)
        }
    }
}

/// Zeroes segments ahead of need; without room for one the log goes on without it.
fn prepare(preparer: &LogPreparer) -> Result<(), DiskFailure> {
    while preparer.is_wanted() {
        match preparer.prepare() {
            Ok(Prepared::Some) => {}
            Ok(Prepared::Nothing) | Err(LogError::NoSpace(_)) => return Ok(()),
            Err(error) => return Err(DiskFailure::log(error)),
        }
    }
    Ok(())
}
