//! Outlier ejection that threads share.

use super::sync::{Mutex, lock};
use crate::contract::{Answer, Decide, Input, Outcome, Time, Told};
use crate::outlier::{Config, Ejected, Request, Snapshot, State, Ticket};

/// Which of several hosts fail, for all threads of a program: the plain state behind a lock.
///
/// ```
/// use mainstay_resilience::{Input, Outcome, cell, outlier};
///
/// let hosts = cell::Outlier::new(outlier::Config::default());
/// let (host, answer) = hosts.pick(Input::default(), &[7]).unwrap();
/// assert_eq!(host, 7);
/// hosts.tell(Input::default(), answer.admitted().unwrap(), Outcome::Success);
/// ```
#[derive(Debug)]
pub struct Outlier {
    config: Config,
    state: Mutex<State>,
}

impl Outlier {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = Mutex::new(config.state());
        Self { config, state }
    }

    /// One of these hosts by chance, but none that is ejected, and what is said of it. None if all are, or there is
    /// none.
    pub fn pick(&self, input: Input, hosts: &[u32]) -> Option<(u32, Answer<Ticket>)> {
        let mut state = lock(&self.state);
        let host = state.pick(hosts, input)?;
        Some((host, self.config.ask(&mut state, input, Request { host })))
    }

    /// As [`Decide::ask`].
    pub fn ask(&self, input: Input, request: Request) -> Answer<Ticket> {
        self.config.ask(&mut lock(&self.state), input, request)
    }

    /// As [`Decide::tell`].
    pub fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) -> Told<Ejected> {
        self.config.tell(&mut lock(&self.state), input, ticket, outcome, 1)
    }

    /// All hosts as they are, for people and metrics.
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.config.snapshot(&lock(&self.state), now)
    }
}
