//! The compaction thread's work: merge the state's tables, and rewrite body segments without their dead events.
//! It has a thread of its own because one step may take a second, and delaying a flush costs memory and replay
//! time.

use crate::report::{DiskFailure, Report};
use shard::query;
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
        if let Some(BodyRewrite { segment, state }) = self.bodies.pop_front() {
            return match segment.run(|record| query::is_live(&state, record)) {
                // On a full disk the old segment stays. It is due again at a later check.
                Ok(_) | Err(BodyError::NoSpace(_) | BodyError::Liveness(_)) => {
                    Ok(Some(Report::BodiesCompacted))
                }
                Err(error) => Err(error.into()),
            };
        }
        if !self.is_state_due {
            return Ok(None);
        }
        self.is_state_due = match self.compactor.step() {
            Ok(due) => due == Due::More,
            // On a full disk nothing is merged. It is tried again after the next flush.
            Err(StateError::NoSpace(_)) => false,
            Err(error) => return Err(error.into()),
        };
        Ok(Some(Report::Compacted))
    }
}
