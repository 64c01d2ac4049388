//! Hedges that threads share.

use super::sync::{Mutex, lock};
use crate::contract::{Answer, Decide, Input, Outcome, Time};
use crate::hedge::{Config, Request, Snapshot, State, Ticket};

/// Hedges with one budget and one idea of what is slow, for all threads of a program: the plain state behind a lock.
///
/// ```
/// use mainstay_resilience::{Input, cell, hedge};
///
/// let hedges = cell::Hedge::new(hedge::Config::default());
/// assert!(hedges.ask(Input::default(), hedge::Request::First).admitted().is_some());
/// ```
#[derive(Debug)]
pub struct Hedge {
    config: Config,
    state: Mutex<State>,
}

impl Hedge {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = Mutex::new(config.state());
        Self { config, state }
    }

    /// As [`Decide::ask`].
    pub fn ask(&self, input: Input, request: Request) -> Answer<Ticket> {
        self.config.ask(&mut lock(&self.state), input, request)
    }

    /// As [`Decide::tell`].
    pub fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) {
        self.config.tell(&mut lock(&self.state), input, ticket, outcome, 1);
    }

    /// It as it is, for people and metrics.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.config.snapshot(&lock(&self.state), now)
    }
}
