//! The disk threads besides the log thread: one flushes the state and prepares segments, the other compacts and
//! frees what was replaced. They are separate because one step of a compaction may take a second, and delaying a flush costs
//! memory and replay time.

use crate::store::{BodyPreparer, BodySync, Compaction, LogPreparer, StateCompactor, StateFlush};
use crate::worker::Worker;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant};
use storage::bodies::BodyError;
use storage::disk::Disk;
use storage::log::{LogError, Prepared};
use storage::state::{Compactor, Due, FlushJob, Progress, StateError};
use telemetry::Metrics;

/// How often the compaction thread frees what was replaced: memtables and tables that a reader still used when
/// others took their place.
const FREE_EVERY: Duration = Duration::from_secs(1);

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
    /// The log may need a segment zeroed in advance, or the body file its next one.
    Prepare,
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
    Prepared(Attempt),
    /// One step of the state's compaction is done.
    Compacted(Attempt),
    BodiesCompacted(Attempt),
}

/// How work ended that can wait until the disk has space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Attempt {
    Done,
    OutOfSpace(String),
}

pub(crate) type Reported = Result<DiskReport, DiskFailure>;

pub(crate) fn start_flushing(
    log: LogPreparer,
    bodies: BodyPreparer,
    metrics: Arc<Metrics>,
    report: impl Fn(Reported) + Send + 'static,
) -> io::Result<Worker<FlushWork>> {
    Worker::start("flush", move |inbox: Receiver<FlushWork>| {
        for work in inbox {
            let done = match work {
                FlushWork::Flush { bodies, flush } => run_flush(bodies, flush, &metrics),
                FlushWork::Prepare => prepare(&log, &bodies).map(DiskReport::Prepared),
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
        loop {
            match inbox.recv_timeout(FREE_EVERY) {
                Ok(work) => {
                    if let Err(failure) = compact(work, &compactor, &inbox, &report) {
                        return report(Err(failure));
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            compactor.free_unused();
        }
    })
}

/// Bodies first: what a flushed state refers to must be on the disk.
fn run_flush<D: Disk>(
    bodies: storage::bodies::BodySync<D>,
    flush: impl FlushJob,
    metrics: &Metrics,
) -> Reported {
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
            report(Ok(DiskReport::BodiesCompacted(compact_bodies(compaction)?)));
        }
        let (due, attempt) = match compactor.step() {
            Ok(due) => (due, Attempt::Done),
            // Nothing was merged.
            Err(StateError::NoSpace(why)) => (Due::Nothing, Attempt::OutOfSpace(why)),
            Err(error) => return Err(error.into()),
        };
        report(Ok(DiskReport::Compacted(attempt)));
        next = match inbox.try_recv() {
            Ok(work) => Some(work),
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) if due == Due::Nothing => return Ok(()),
            Err(TryRecvError::Empty) => None,
        };
    }
}

fn compact_bodies(compaction: Compaction) -> Result<Attempt, DiskFailure> {
    match compaction.run() {
        Ok(_) => Ok(Attempt::Done),
        // The old segment stays.
        Err(BodyError::NoSpace(why)) => Ok(Attempt::OutOfSpace(why.to_string())),
        Err(error) => Err(DiskFailure::bodies(error)),
    }
}

/// Prepares segments in advance. On a full disk, log and bodies continue without them.
fn prepare(log: &LogPreparer, bodies: &BodyPreparer) -> Result<Attempt, DiskFailure> {
    match bodies.prepare() {
        Ok(()) => {}
        Err(BodyError::NoSpace(why)) => return Ok(Attempt::OutOfSpace(why.to_string())),
        Err(error) => return Err(DiskFailure::bodies(error)),
    }
    while log.is_wanted() {
        match log.prepare() {
            Ok(Prepared::Some) => {}
            Ok(Prepared::Nothing) => break,
            Err(LogError::NoSpace(why)) => return Ok(Attempt::OutOfSpace(why.to_string())),
            Err(error) => return Err(DiskFailure::log(error)),
        }
    }
    Ok(Attempt::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::body::{BodyRecord, encode};
    use format::header::StoreId;
    use model::{Cursor, Filled, Index, KeyId, Namespace, Position, Revision, Slot, Term, WriteSet};
    use storage::bodies::{Bodies, BodyOptions};
    use storage::memory_disk::MemoryDisk;
    use storage::memory_state::{MemoryState, MemoryStateDisk};
    use storage::state::State as _;

    const OPTIONS: BodyOptions = BodyOptions::new(StoreId(7));

    fn record() -> (Vec<u8>, Cursor) {
        let cursor = Cursor::new(Position(9), Slot(3));
        let record = BodyRecord {
            position: cursor.position,
            slot: cursor.slot,
            namespace: Namespace::ROOT,
            key_id: KeyId(0),
            revision: Revision(0),
            filled: Filled::default(),
            stream: "cart-7",
            event_type: "added",
            envelope: b"{}",
        };
        let mut bytes = Vec::new();
        encode(&record, &mut bytes);
        (bytes, cursor)
    }

    #[test]
    fn a_flushed_state_refers_only_to_bodies_that_survive_a_power_cut() {
        let metrics = Metrics::new(telemetry::Build::of("test"));
        let (disk, states) = (MemoryDisk::new(), MemoryStateDisk::new());
        let (mut bodies, _) = Bodies::open(disk.clone(), 0, OPTIONS).unwrap();
        let mut state = MemoryState::open(&states);
        let (bytes, cursor) = record();
        let end = bodies.append(&bytes, cursor).unwrap();
        let progress = Progress { index: Index(2), term: Term(1), bodies_end: end };
        state.commit(&WriteSet::default(), progress).unwrap();
        let flush = state.begin_flush().unwrap();
        let done = run_flush(bodies.sync_handle(), flush, &metrics);
        assert!(matches!(done, Ok(DiskReport::Flushed(flushed)) if flushed == progress), "{done:?}");
        let disk = disk.crash(&mut || 0);
        let (bodies, _) = Bodies::open(disk, states.progress().bodies_end, OPTIONS).unwrap();
        assert_eq!(bodies.end(), end);
    }

    #[test]
    fn a_state_is_not_flushed_when_its_bodies_cannot_be_synced() {
        let metrics = Metrics::new(telemetry::Build::of("test"));
        let (disk, states) = (MemoryDisk::new(), MemoryStateDisk::new());
        let (mut bodies, _) = Bodies::open(disk.clone(), 0, OPTIONS).unwrap();
        let mut state = MemoryState::open(&states);
        let (bytes, cursor) = record();
        let end = bodies.append(&bytes, cursor).unwrap();
        let progress = Progress { index: Index(2), term: Term(1), bodies_end: end };
        state.commit(&WriteSet::default(), progress).unwrap();
        let flush = state.begin_flush().unwrap();
        disk.fail_at(disk.operations(), io::ErrorKind::Other);
        let failed = run_flush(bodies.sync_handle(), flush, &metrics);
        assert!(matches!(failed, Err(DiskFailure::Bodies(_))), "{failed:?}");
        assert_eq!(states.progress(), Progress::default());
    }
}
