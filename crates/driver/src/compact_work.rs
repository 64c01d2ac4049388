//! The compaction thread's work: merge the state's tables, and rewrite body segments without their dead events.
//! It has a thread of its own because one step may take a second, and delaying a flush costs memory and replay
//! time.

use crate::report::{Attempt, DiskFailure, Report};
use model::SlotRange;
use shard::query::Liveness;
use std::collections::VecDeque;
use storage::bodies::{BodyError, Compaction};
use storage::disk::Disk;
use storage::state::{Compactor, Due, Reader, StateError};

/// A job for the compaction thread.
#[derive(Debug)]
pub enum CompactJob<D: Disk, R> {
    /// A flush may have added tables to merge.
    State,
    Bodies(BodyRewrite<D, R>),
}

/// A body segment to rewrite, and the state that says which of its events are live.
#[derive(Debug)]
pub struct BodyRewrite<D: Disk, R> {
    pub segment: Compaction<D>,
    pub state: R,
    /// The slots of the shard that the state belongs to.
    pub slots: SlotRange,
}

/// The jobs under way. At most one rewrite is.
#[derive(Debug)]
pub struct CompactWork<D: Disk, C, R> {
    compactor: C,
    bodies: VecDeque<BodyRewrite<D, R>>,
    is_state_due: bool,
}

impl<D: Disk, C: Compactor, R: Reader> CompactWork<D, C, R> {
    #[must_use]
    pub fn new(compactor: C) -> Self {
        Self { compactor, bodies: VecDeque::new(), is_state_due: false }
    }

    pub fn take(&mut self, job: CompactJob<D, R>) {
        match job {
            CompactJob::State => self.is_state_due = true,
            CompactJob::Bodies(rewrite) => self.bodies.push_back(rewrite),
        }
    }

    /// Whether nothing is left to do.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.is_state_due && self.bodies.is_empty()
    }

    /// Does the next step and returns its report. `None` if nothing was to be done.
    ///
    /// # Errors
    /// The node must stop.
    pub fn step(&mut self) -> Result<Option<Report>, DiskFailure> {
        if let Some(BodyRewrite { segment, state, slots }) = self.bodies.pop_front() {
            let mut liveness =
                Liveness::new(&state, slots.first).map_err(|error| BodyError::Liveness(error.into()))?;
            return match segment.run(|record| liveness.is_live(record)) {
                Ok(_) => Ok(Some(Report::BodiesCompacted(Attempt::Done))),
                // The old segment stays.
                Err(BodyError::NoSpace(why)) => {
                    Ok(Some(Report::BodiesCompacted(Attempt::OutOfSpace { why: why.to_string() })))
                }
                Err(error) => Err(error.into()),
            };
        }
        if !self.is_state_due {
            return Ok(None);
        }
        let (due, attempt) = match self.compactor.step() {
            Ok(due) => (due, Attempt::Done),
            // Nothing was merged.
            Err(StateError::NoSpace(why)) => (Due::Nothing, Attempt::OutOfSpace { why }),
            Err(error) => return Err(error.into()),
        };
        self.is_state_due = due == Due::More;
        Ok(Some(Report::Compacted(attempt)))
    }

    /// Frees memtables and tables that were replaced and that no reader uses any more. Call it about once a
    /// second.
    pub fn free_unused(&self) {
        self.compactor.free_unused();
    }
}
