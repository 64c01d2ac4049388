//! The log thread: it writes everything that has arrived, syncs once for all of it, and reports each ticket.
//!
//! Its inbox is a channel, whose length the engine bounds: each group has one entry in flight. A failed write
//! or sync ends the thread for good, because after a failed sync the kernel may treat lost pages as written.
//! Nothing may be acknowledged after that.

use crate::disk_threads::DiskFailure;
use crate::store::{LogPreparer, LogWriter};
use crate::worker::Worker;
use consensus::Ticket;
use model::{GroupId, Index};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use storage::log::LogError;
use telemetry::Metrics;

/// After this long without work, the thread records the log's durable end in the log.
const MARK_AFTER: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) enum LogJob {
    Write {
        ticket: Ticket,
        records: Vec<u8>,
    },
    Purge {
        group: GroupId,
        through: Index,
    },
    /// Begin a new segment, so that the one before can be purged even if nothing more is written.
    Rotate,
    /// Purged segments may hold removed events: replace them with fresh ones.
    Scrub,
}

/// A ticket whose records are durable, or the failure that ended the thread.
pub(crate) type LogReport = Result<Ticket, DiskFailure>;

pub(crate) fn start_log(
    writer: LogWriter,
    preparer: LogPreparer,
    metrics: std::sync::Arc<Metrics>,
    report: impl Fn(LogReport) + Send + 'static,
) -> std::io::Result<Worker<LogJob>> {
    Worker::start("log", move |inbox: Receiver<LogJob>| {
        if let Err(failure) = run(writer, &preparer, &inbox, &metrics, &report) {
            report(Err(failure));
        }
    })
}

fn run(
    mut writer: LogWriter,
    preparer: &LogPreparer,
    inbox: &Receiver<LogJob>,
    metrics: &Metrics,
    report: &impl Fn(LogReport),
) -> Result<(), DiskFailure> {
    let mut marked = true;
    let mut tickets = Vec::new();
    loop {
        let first = if marked {
            inbox.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            inbox.recv_timeout(MARK_AFTER)
        };
        let first = match first {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                or_no_space(writer.mark())?;
                marked = true;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => {
                return if marked { Ok(()) } else { or_no_space(writer.mark()) };
            }
        };
        let mut bytes = 0;
        for job in std::iter::once(first).chain(inbox.try_iter()) {
            match job {
                LogJob::Write { ticket, records } => {
                    writer.write(&records).map_err(DiskFailure::log)?;
                    bytes += records.len() as u64;
                    tickets.push(ticket);
                }
                // On a full disk the segment stays as it is until the next removal.
                LogJob::Rotate => or_no_space(writer.rotate())?,
                LogJob::Scrub => {
                    // Purged segments become spares only with a sync.
                    writer.sync().map_err(DiskFailure::log)?;
                    preparer.scrub_spares().map_err(DiskFailure::log)?;
                }
                // On a full disk the entries stay until the next flush, which purges them too.
                LogJob::Purge { group, through } => or_no_space(writer.purge(group, through))?,
            }
        }
        if !tickets.is_empty() {
            let span = telemetry::spans::fsync(bytes).entered();
            let begun = Instant::now();
            writer.sync().map_err(DiskFailure::log)?;
            metrics.log_sync.observe_duration(begun.elapsed());
            drop(span);
            let stats = writer.stats();
            metrics.log_bytes.set(stats.bytes);
            metrics.log_segments.set(stats.segments as u64);
            marked = !writer.is_mark_wanted();
            tickets.drain(..).for_each(|ticket| report(Ok(ticket)));
        }
    }
}

/// Work that may be left undone while the disk has no space.
fn or_no_space(result: Result<(), LogError>) -> Result<(), DiskFailure> {
    match result {
        Ok(()) | Err(LogError::NoSpace(_)) => Ok(()),
        Err(error) => Err(DiskFailure::log(error)),
    }
}
