//! The flush thread's work: make bodies and state durable, and prepare segments of log and bodies.

use crate::report::{Attempt, DiskFailure, Report};
use std::collections::VecDeque;
use storage::bodies::{BodyError, BodyPreparer, BodySync};
use storage::disk::Disk;
use storage::log::{LogError, LogPreparer, Prepared};
use storage::state::StateError;

/// A job for the flush thread.
#[derive(Debug)]
pub enum FlushJob<D: Disk, F> {
    /// Makes bodies and then the state durable.
    Flush { bodies: BodySync<D>, flush: F },
    /// The log may need a segment zeroed in advance, or the body file its next one.
    Prepare,
}

#[derive(Debug)]
enum Step<D: Disk, F> {
    /// Bodies first, so that the state is never ahead of them.
    SyncBodies {
        bodies: BodySync<D>,
        flush: F,
    },
    FlushState {
        flush: F,
    },
    PrepareBodies,
    PrepareLog,
}

/// The jobs under way. At most one flush and one preparation are.
#[derive(Debug)]
pub struct FlushWork<D: Disk, F> {
    log: LogPreparer<D>,
    bodies: BodyPreparer<D>,
    steps: VecDeque<Step<D, F>>,
}

impl<D: Disk, F: storage::state::FlushJob> FlushWork<D, F> {
    #[must_use]
    pub fn new(log: LogPreparer<D>, bodies: BodyPreparer<D>) -> Self {
        Self { log, bodies, steps: VecDeque::new() }
    }

    pub fn take(&mut self, job: FlushJob<D, F>) {
        self.steps.push_back(match job {
            FlushJob::Flush { bodies, flush } => Step::SyncBodies { bodies, flush },
            FlushJob::Prepare => Step::PrepareBodies,
        });
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.steps.is_empty()
    }

    /// Whether the next step makes a state durable whose bodies are already synced.
    #[must_use]
    pub fn is_flushing_state(&self) -> bool {
        matches!(self.steps.front(), Some(Step::FlushState { .. }))
    }

    /// Does the next step of the first job, and returns its report if that ends it.
    ///
    /// # Errors
    /// The node must stop.
    pub fn step(&mut self) -> Result<Option<Report>, DiskFailure> {
        match self.steps.pop_front() {
            None => Ok(None),
            Some(Step::SyncBodies { bodies, flush }) => match bodies.run() {
                Ok(_) => {
                    self.steps.push_front(Step::FlushState { flush });
                    Ok(None)
                }
                Err(BodyError::NoSpace(why)) => Ok(Some(Report::FlushOutOfSpace { why: why.to_string() })),
                Err(error) => Err(error.into()),
            },
            Some(Step::FlushState { flush }) => match flush.run() {
                Ok(progress) => Ok(Some(Report::Flushed(progress))),
                Err(StateError::NoSpace(why)) => Ok(Some(Report::FlushOutOfSpace { why })),
                Err(error) => Err(error.into()),
            },
            Some(Step::PrepareBodies) => match self.bodies.prepare() {
                Ok(()) => {
                    self.steps.push_front(Step::PrepareLog);
                    Ok(None)
                }
                Err(BodyError::NoSpace(why)) => Ok(Some(out_of_space(&why))),
                Err(error) => Err(error.into()),
            },
            Some(Step::PrepareLog) => self.prepare_log(),
        }
    }

    /// Zeroes one segment. On a full disk the log continues without.
    fn prepare_log(&mut self) -> Result<Option<Report>, DiskFailure> {
        if !self.log.is_wanted() {
            return Ok(Some(Report::Prepared(Attempt::Done)));
        }
        match self.log.prepare() {
            Ok(Prepared::Some) => {
                self.steps.push_front(Step::PrepareLog);
                Ok(None)
            }
            Ok(Prepared::Nothing) => Ok(Some(Report::Prepared(Attempt::Done))),
            Err(LogError::NoSpace(why)) => Ok(Some(out_of_space(&why))),
            Err(error) => Err(error.into()),
        }
    }
}

fn out_of_space(why: &std::io::Error) -> Report {
    Report::Prepared(Attempt::OutOfSpace { why: why.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use format::body::{BodyRecord, encode};
    use format::header::StoreId;
    use model::{Cursor, Filled, GroupId, Index, KeyId, Namespace, Position, Revision, Slot, Term, WriteSet};
    use storage::bodies::{Bodies, BodyOptions};
    use storage::log::{Log, LogOptions};
    use storage::memory_disk::MemoryDisk;
    use storage::memory_state::{MemoryFlush, MemoryState, MemoryStateDisk};
    use storage::state::{Progress, State as _};

    const STORE: StoreId = StoreId(7);

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

    /// A flush of a state that refers to one body, ready to be done, and the progress of that state.
    fn flush(disk: &MemoryDisk, states: &MemoryStateDisk) -> (FlushWork<MemoryDisk, MemoryFlush>, Progress) {
        let (mut bodies, _) = Bodies::open(disk.clone(), 0, BodyOptions::new(STORE)).unwrap();
        let mut state = MemoryState::open(states);
        let (bytes, cursor) = record();
        let end = bodies.append(&bytes, cursor).unwrap();
        let progress = Progress { group: GroupId(1), index: Index(2), term: Term(1), bodies_end: end };
        state.commit(&WriteSet::default(), progress).unwrap();
        let log = Log::open(MemoryDisk::new(), LogOptions::new(STORE)).unwrap();
        let mut work = FlushWork::new(log.preparer, bodies.preparer());
        work.take(FlushJob::Flush { bodies: bodies.sync_handle(), flush: state.begin_flush().unwrap() });
        (work, progress)
    }

    #[test]
    fn a_flushed_state_refers_only_to_bodies_that_survive_a_power_cut() {
        let (disk, states) = (MemoryDisk::new(), MemoryStateDisk::new());
        let (mut work, progress) = flush(&disk, &states);
        assert!(matches!(work.step(), Ok(None)));
        assert!(matches!(work.step(), Ok(Some(Report::Flushed(flushed))) if flushed == progress));
        let lost = disk.crash(&mut || 0);
        let end = states.progress().bodies_end;
        let (bodies, _) = Bodies::open(lost, end, BodyOptions::new(STORE)).unwrap();
        assert_eq!(bodies.end(), progress.bodies_end);
    }

    #[test]
    fn a_state_is_not_flushed_when_its_bodies_cannot_be_synced() {
        let (disk, states) = (MemoryDisk::new(), MemoryStateDisk::new());
        let (mut work, _) = flush(&disk, &states);
        disk.fail_at(disk.operations(), std::io::ErrorKind::Other);
        assert!(matches!(work.step(), Err(DiskFailure::Bodies(_))));
        assert!(work.is_idle(), "the state must not follow");
        assert_eq!(states.progress(), Progress::default());
    }
}
