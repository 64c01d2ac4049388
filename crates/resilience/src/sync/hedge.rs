//! Hedges that threads share.

use super::primitives::{Mutex, lock};
use crate::contract::{Decide, Decision, Input, Outcome, Time};
use crate::hedge::{Config, Request, Snapshot, State, Ticket};

/// Hedges with one budget and one idea of what is slow, for all threads of a program: the plain state behind a lock.
///
/// ```
/// use mainstay_resilience::{Input, sync, hedge};
///
/// let hedges = sync::Hedge::new(hedge::Config::default());
/// assert!(hedges.ask(Input::default(), hedge::Request::First).admitted().is_some());
/// ```
#[derive(Debug)]
pub struct Hedge {
    config: Config,
    state: Mutex<State>,
}

impl Hedge {
    /// One that has seen nothing yet.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, sync, hedge};
    /// assert_eq!(sync::Hedge::new(hedge::Config::default()).snapshot(Time::ZERO).sent, 0);
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = Mutex::new(config.state());
        Self { config, state }
    }

    /// As [`Decide::ask`].
    ///
    /// ```
    /// # use mainstay_resilience::{Decision, Rejected, Reason, Input, sync, hedge, retry::Safety};
    /// let (hedges, input) = (sync::Hedge::new(hedge::Config::default()), Input::default());
    /// // A call that must not be made twice gets no second attempt.
    /// let second = hedge::Request::Second { begun: input.now, safety: Safety::Unsafe };
    /// let no = Decision::Reject(Rejected { reason: Reason::RetryUnsafe, retry_at: None });
    /// assert_eq!(hedges.ask(input, second), no);
    /// ```
    pub fn ask(&self, input: Input, request: Request) -> Decision<Ticket> {
        self.config.ask(&mut lock(&self.state), input, request)
    }

    /// As [`Decide::tell`]: of each attempt, the one that lost among them.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, Time, sync, hedge};
    /// let hedges = sync::Hedge::new(hedge::Config::new().calls_min(1));
    /// let ticket = hedges.ask(Input::at(Time::ZERO), hedge::Request::First).admitted().unwrap();
    /// let answered = Time::from_millis(40);
    /// hedges.tell(Input::at(answered), ticket, Outcome::Success);
    /// assert!(hedges.snapshot(answered).delay.is_some_and(|delay| delay.as_millis() >= 40));
    /// ```
    pub fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) {
        self.config.tell(&mut lock(&self.state), input, ticket, outcome, 1);
    }

    /// It as it is, for people and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, sync, hedge};
    /// let (hedges, input) = (sync::Hedge::new(hedge::Config::default()), Input::default());
    /// for _ in 0..100 {
    ///     let _ = hedges.ask(input, hedge::Request::First);
    /// }
    /// assert_eq!(hedges.snapshot(input.now).budget.left, 5, "five percent of the calls");
    /// ```
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.config.snapshot(&lock(&self.state), now)
    }
}
