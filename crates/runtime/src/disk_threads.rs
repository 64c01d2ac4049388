//! The disk threads besides the log thread: one flushes the state and prepares log segments, the other
//! compacts. They are separate because one step of a compaction may take a second, and delaying a flush costs
//! memory and replay time.

use crate::store::{BodySync, Compaction, LogPreparer, StateCompactor, StateFlush};
use crate::worker::Worker;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;
use storage::bodies::BodyError;
use storage::log::{LogError, Prepared};
use storage::state::{Compactor, Due, FlushJob, Progress, StateError};
use telemetry::Metrics;

/// A disk operation failed: the node stops.
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
pub(crate) enum FlushWork {
    /// Bodies first, so that the state is never ahead of them.
    Flush { bodies: BodySync, flush: StateFlush },
    /// The log may need a segment zeroed in advance.
    PrepareLog,
}

#[derive(Debug)]
pub(crate) enum CompactWork {
    /// A flush has added tables to merge.
    State,
    /// Rewrite a body segment without its dead events.
    Bodies(Compaction),
}

#[derive(Debug)]
pub(crate) enum DiskReport {
    Flushed(Progress),
    /// The disk had no space for the flush, which can be started again once it has.
    FlushOutOfSpace(String),
    LogPrepared,
    /// One step of the state's compaction is done.
    Compacted,
    BodiesCompacted,
}

pub(crate) type Reported = Result<DiskReport, DiskFailure>;

pub(crate) fn start_flushing(
    preparer: LogPreparer,
    metrics: Arc<Metrics>,
    report: impl Fn(Reported) + Send + 'static,
) -> io::Result<Worker<FlushWork>> {
    Worker::start("flush", move |inbox: Receiver<FlushWork>| {
        for work in inbox {
            let done = match work {
                FlushWork::Flush { bodies, flush } => run_flush(bodies, flush, &metrics),
                FlushWork::PrepareLog => prepare(&preparer).map(|()| DiskReport::LogPrepared),
            };
            let failed = done.is_err();
            report(done);
            if failed {
                return;
            }
        }
    })
}

pub(crate) fn start_compacting(
    compactor: StateCompactor,
    report: impl Fn(Reported) + Send + 'static,
) -> io::Result<Worker<CompactWork>> {
    Worker::start("compact", move |inbox: Receiver<CompactWork>| {
        while let Ok(work) = inbox.recv() {
            if let Err(failure) = compact(work, &compactor, &inbox, &report) {
                return report(Err(failure));
            }
        }
    })
}

fn run_flush(bodies: BodySync, flush: StateFlush, metrics: &Metrics) -> Reported {
    let begun = Instant::now();
    match bodies.run() {
        Ok(_) => {}
        Err(BodyError::NoSpace(why)) => return Ok(DiskReport::FlushOutOfSpace(why.to_string())),
        Err(error) => return Err(DiskFailure::bodies(error)),
    }
    match flush.run() {
        Ok(progress) => {
            metrics.flush.observe_duration(begun.elapsed());
            Ok(DiskReport::Flushed(progress))
        }
        Err(StateError::NoSpace(why)) => Ok(DiskReport::FlushOutOfSpace(why)),
        Err(error) => Err(error.into()),
    }
}

/// Does the work, compacts the state until nothing is due, and does the work that arrives in the meantime.
fn compact(
    work: CompactWork,
    compactor: &StateCompactor,
    inbox: &Receiver<CompactWork>,
    report: &impl Fn(Reported),
) -> Result<(), DiskFailure> {
    let mut next = Some(work);
    loop {
        if let Some(CompactWork::Bodies(compaction)) = next.take() {
            compact_bodies(compaction)?;
            report(Ok(DiskReport::BodiesCompacted));
        }
        let due = match compactor.step() {
            Ok(due) => due,
            // On a full disk nothing is merged. It is tried again after the next flush.
            Err(StateError::NoSpace(_)) => Due::Nothing,
            Err(error) => return Err(error.into()),
        };
        report(Ok(DiskReport::Compacted));
        next = match inbox.try_recv() {
            Ok(work) => Some(work),
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) if due == Due::Nothing => return Ok(()),
            Err(TryRecvError::Empty) => None,
        };
    }
}

fn compact_bodies(compaction: Compaction) -> Result<(), DiskFailure> {
    match compaction.run() {
        // On a full disk the old segment stays. It is due again at the next check.
        Ok(_) | Err(BodyError::NoSpace(_) | BodyError::Liveness(_)) => Ok(()),
        Err(error) => Err(DiskFailure::bodies(error)),
    }
}

/// Zeroes segments in advance. On a full disk the log continues without them.
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
