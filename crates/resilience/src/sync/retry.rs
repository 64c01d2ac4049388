//! Retries that threads share.

use super::lanes::Lanes;
use super::primitives::{AtomicU64, Mutex, Ordering, lock};
use crate::contract::{Decide, Decision, Input, Outcome, Time};
use crate::retry::{Again, Config, Request, Snapshot, State, Ticket};

/// Retries with one budget, for all threads of a program: the plain state behind a lock, with the calls that only
/// earn their share kept away from it.
///
/// ```
/// use mainstay_resilience::{Input, Outcome, sync, retry};
///
/// let retries = sync::Retry::new(retry::Config::default());
/// let ticket = retries.first(Input::default());
/// retries.tell(Input::default(), ticket, Outcome::Success);
/// assert_eq!(retries.snapshot(Input::default().now).budget.calls, 1);
/// ```
#[derive(Debug)]
pub struct Retry {
    lanes: Lanes,
    /// From when on a call must be counted at its own moment.
    bucket_end: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    state: State,
}

impl Retry {
    /// One with nothing earned yet.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, sync, retry};
    /// let retries = sync::Retry::new(retry::Config::default());
    /// assert_eq!(retries.snapshot(Time::ZERO).budget.left, 100, "ten a second, without any call");
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = config.state();
        let bucket_end = AtomicU64::new(state.budget.bucket_end().as_nanos());
        Self { lanes: Lanes::new(), bucket_end, inner: Mutex::new(Inner { config, state }) }
    }

    /// A call begins: one compare-and-swap.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, sync, retry};
    /// let (retries, input) = (sync::Retry::new(retry::Config::default()), Input::default());
    /// for _ in 0..50 {
    ///     assert_eq!(retries.first(input).attempt, 1);
    /// }
    /// assert_eq!(retries.snapshot(input.now).budget.left, 110, "a fifth of the calls on top");
    /// ```
    #[inline]
    pub fn first(&self, input: Input) -> Ticket {
        let is_same_bucket = input.now.as_nanos() < self.bucket_end.load(Ordering::Relaxed);
        if !(is_same_bucket && self.lanes.add(0)) {
            self.first_of_a_bucket(input);
        }
        Ticket { attempt: 1 }
    }

    #[cold]
    fn first_of_a_bucket(&self, input: Input) {
        self.locked(input, |config, state| {
            let _ = config.ask(state, input, Request::First);
        });
    }

    /// Another attempt? As [`Decide::ask`].
    ///
    /// ```
    /// # use mainstay_resilience::{Decision, Rejected, Reason, Input, Time, sync, retry};
    /// # use std::time::Duration;
    /// let (retries, input) = (sync::Retry::new(retry::Config::default()), Input::at(Time::ZERO));
    /// let again = retry::Again {
    ///     attempts: 3,
    ///     begun: input.now,
    ///     backoff: Duration::from_millis(100),
    ///     retry_after: None,
    ///     safety: retry::Safety::Safe,
    ///     due: None,
    /// };
    /// let enough = Decision::Reject(Rejected { reason: Reason::RetryAttempts, retry_at: None });
    /// assert_eq!(retries.again(input, again), enough);
    /// ```
    pub fn again(&self, input: Input, again: Again) -> Decision<Ticket> {
        self.locked(input, |config, state| config.ask(state, input, Request::Again(again)))
    }

    /// What came of an attempt. Of a first one there is nothing to learn.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, sync, retry};
    /// let (retries, input) = (sync::Retry::new(retry::Config::default()), Input::default());
    /// let second = retry::Ticket { attempt: 2 };
    /// retries.tell(input, second, Outcome::Success);
    /// assert_eq!(retries.snapshot(input.now).recovered, 1);
    /// ```
    pub fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) {
        if ticket.attempt > 1 {
            self.locked(input, |config, state| config.tell(state, input, ticket, outcome, 1));
        }
    }

    /// It as it is, for people and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, sync, retry};
    /// let (retries, input) = (sync::Retry::new(retry::Config::default()), Input::default());
    /// retries.first(input);
    /// let seen = retries.snapshot(input.now);
    /// assert_eq!((seen.retries, seen.budget.calls, seen.budget.rejected), (0, 1, 0));
    /// ```
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.locked(Input::at(now), |config, state| config.snapshot(state, now))
    }

    fn locked<R>(&self, input: Input, question: impl FnOnce(&Config, &mut State) -> R) -> R {
        let Inner { config, state } = &mut *lock(&self.inner);
        let calls = self.lanes.close();
        if calls > 0 {
            let end = self.bucket_end.load(Ordering::Relaxed);
            let now = input.now.min(Time::from_nanos(end.saturating_sub(1)));
            config.deposit(state, Input { now, ..input }, calls);
        }
        let answer = question(config, state);
        self.bucket_end.store(state.budget.bucket_end().as_nanos(), Ordering::Relaxed);
        self.lanes.open(0);
        answer
    }
}
