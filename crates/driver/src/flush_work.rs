//! The flush thread's work: make bodies and state durable, and prepare log segments.

use crate::report::{DiskFailure, Report};
use std::collections::VecDeque;
use storage::bodies::{BodyError, BodySync};
use storage::disk::Disk;
use storage::log::{LogError, LogPreparer, Prepared};
use storage::state::StateError;

/// A job for the flush thread.
#[derive(Debug)]
pub enum FlushJob<D: Disk, F> {
    /// Makes bodies and then the state durable.
    Flush { bodies: BodySync<D>, flush: F },
    /// The log may need a segment zeroed in advance.
    PrepareLog,
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
    PrepareLog,
}

/// The jobs under way. At most one flush and one preparation are.
#[derive(Debug)]
pub struct FlushWork<D: Disk, F> {
    preparer: LogPreparer<D>,
    steps: VecDeque<Step<D, F>>,
}

impl<D: Disk, F: storage::state::FlushJob> FlushWork<D, F> {
    #[must_use]
    pub fn new(preparer: LogPreparer<D>) -> Self {
        Self { preparer, steps: VecDeque::new() }
    }

    pub fn take(&mut self, job: FlushJob<D, F>) {
        self.steps.push_back(match job {
            FlushJob::Flush { bodies, flush } => Step::SyncBodies { bodies, flush },
            FlushJob::PrepareLog => Step::PrepareLog,
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
            Some(Step::PrepareLog) => self.prepare_log(),
        }
    }

    /// Zeroes one segment. On a full disk the log continues without.
    fn prepare_log(&mut self) -> Result<Option<Report>, DiskFailure> {
        if !self.preparer.is_wanted() {
            return Ok(Some(Report::LogPrepared));
        }
        match self.preparer.prepare() {
            Ok(Prepared::Some) => {
                self.steps.push_front(Step::PrepareLog);
                Ok(None)
            }
            Ok(Prepared::Nothing) | Err(LogError::NoSpace(_)) => Ok(Some(Report::LogPrepared)),
            Err(error) => Err(error.into()),
        }
    }
}
