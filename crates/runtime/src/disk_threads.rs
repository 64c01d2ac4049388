//! The threads that do the driver's work on disks: one for the log, one for flushes, one for compactions, one that
//! writes bodies, one that reads events for reactions. Each takes jobs from its inbox and reports; what a job means is
//! [`driver`]'s.

use crate::store::{BodyWrite, CompactJob, CompactWork, FlushJob, FlushWork, LogWork, ReactJob, ReactWork};
use crate::worker::Worker;
use driver::{DiskFailure, LogJob, Report};
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use telemetry::Metrics;

/// After this long without work, the log thread records the log's durable end in the log.
const MARK_AFTER: Duration = Duration::from_millis(20);

/// How often the compaction thread frees what was replaced: memtables and tables that a reader still used when
/// others took their place.
const FREE_EVERY: Duration = Duration::from_secs(1);

/// What a thread reports. After a failure, it ends.
pub(crate) type Reported = Result<Report, DiskFailure>;

pub(crate) fn start_log(
    work: LogWork,
    metrics: Arc<Metrics>,
    report: impl Fn(Reported) + Send + 'static,
) -> io::Result<Worker<LogJob>> {
    Worker::start("log", move |inbox: Receiver<LogJob>| {
        if let Err(failure) = run_log(work, &inbox, &metrics, &report) {
            report(Err(failure));
        }
    })
}

fn run_log(
    mut work: LogWork,
    inbox: &Receiver<LogJob>,
    metrics: &Metrics,
    report: &impl Fn(Reported),
) -> Result<(), DiskFailure> {
    loop {
        let wait = if work.is_mark_due() { MARK_AFTER } else { Duration::MAX };
        match inbox.recv_timeout(wait) {
            Ok(job) => work.take(job)?,
            Err(RecvTimeoutError::Timeout) => work.mark()?,
            Err(RecvTimeoutError::Disconnected) => return work.mark(),
        }
        for job in inbox.try_iter() {
            work.take(job)?;
        }
        if work.unsynced_bytes() == 0 {
            continue;
        }
        let span = telemetry::spans::fsync(work.unsynced_bytes());
        let begun = Instant::now();
        if let Some(synced) = span.in_scope(|| work.sync())? {
            metrics.log_sync.observe_duration(begun.elapsed());
            let stats = work.stats();
            metrics.log_bytes.set(stats.bytes);
            metrics.log_segments.set(stats.segments as u64);
            report(Ok(Report::Log(synced)));
        }
    }
}

pub(crate) fn start_flushing(
    mut work: FlushWork,
    metrics: Arc<Metrics>,
    report: impl Fn(Reported) + Send + 'static,
) -> io::Result<Worker<FlushJob>> {
    Worker::start("flush", move |inbox: Receiver<FlushJob>| {
        for job in inbox {
            work.take(job);
            let begun = Instant::now();
            while !work.is_idle() {
                match work.step() {
                    Ok(None) => {}
                    Ok(Some(done)) => {
                        if matches!(done, Report::Flushed(_)) {
                            metrics.flush.observe_duration(begun.elapsed());
                        }
                        report(Ok(done));
                    }
                    Err(failure) => return report(Err(failure)),
                }
            }
        }
    })
}

pub(crate) fn start_compacting(
    mut work: CompactWork,
    report: impl Fn(Reported) + Send + 'static,
) -> io::Result<Worker<CompactJob>> {
    Worker::start("compact", move |inbox: Receiver<CompactJob>| {
        loop {
            match inbox.recv_timeout(FREE_EVERY) {
                Ok(job) => work.take(job),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            work.free_unused();
            while !work.is_idle() {
                inbox.try_iter().for_each(|job| work.take(job));
                match work.step() {
                    Ok(Some(done)) => report(Ok(done)),
                    Ok(None) => {}
                    Err(failure) => return report(Err(failure)),
                }
            }
        }
    })
}

/// A thread of its own, because the read pool is for clients.
pub(crate) fn start_reacting(
    mut work: ReactWork,
    report: impl Fn(Reported) + Send + 'static,
) -> io::Result<Worker<ReactJob>> {
    Worker::start("react", move |inbox: Receiver<ReactJob>| {
        for job in inbox {
            match work.run(&job) {
                Ok(done) => report(Ok(done)),
                Err(failure) => return report(Err(failure)),
            }
        }
    })
}

/// A thread of its own, because a flush may take long and the bodies wait in memory.
pub(crate) fn start_writing_bodies(
    report: impl Fn(Reported) + Send + 'static,
) -> io::Result<Worker<BodyWrite>> {
    Worker::start("bodies", move |inbox: Receiver<BodyWrite>| {
        for job in inbox {
            match job.run() {
                Ok(()) => report(Ok(Report::BodiesWritten)),
                Err(failure) => return report(Err(failure.into())),
            }
        }
    })
}
