//! The state of retries, and the decision about one retry.

use super::{Config, Jitter, Safety};
use crate::budget;
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time};
use core::convert::Infallible;
use core::time::Duration;

/// The state shared by all calls. The progress of a single call comes with its request.
///
/// ```
/// use mainstay_resilience::{Decide, Input, Time, retry};
///
/// let config = retry::Config::default();
/// let mut state: retry::State = config.state();
/// let _ = config.ask(&mut state, Input::default(), retry::Request::First);
/// assert_eq!(config.snapshot(&state, Time::ZERO).budget.calls, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    pub(crate) budget: budget::State,
    pub(super) retries: u64,
    pub(super) recovered: u64,
}

/// A request for an attempt.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::retry::{Again, Config, Request, Safety};
/// use mainstay_resilience::{Decide, Decision, Input, Outcome, Time};
///
/// let config = Config::new();
/// let mut state = config.state();
/// let mut input = Input { now: Time::from_millis(1_000), random: u64::MAX };
/// let ticket = config.ask(&mut state, input, Request::First).admitted().unwrap();
/// config.tell(&mut state, input, ticket, Outcome::Failure, 1);
///
/// // Ask when the next attempt may start.
/// let again = Again {
///     attempts: ticket.attempt,
///     begun: input.now,
///     backoff: Duration::ZERO,
///     retry_after: None,
///     safety: Safety::Safe,
///     due: None,
/// };
/// let Decision::Wait { until } = config.ask(&mut state, input, Request::Again(again)) else {
///     unreachable!("one of three attempts was used, and the budget is full")
/// };
/// // At that moment, the budget pays for it.
/// input.now = until;
/// let again = Again { due: Some(until), ..again };
/// let ticket = config.ask(&mut state, input, Request::Again(again)).admitted().unwrap();
/// assert_eq!(ticket.attempt, 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first attempt of a call. It is always admitted, and adds its share to the budget.
    First,
    /// Another attempt of a call.
    Again(Again),
}

/// The progress of a call whose last attempt failed.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::retry::{Again, Backoff, Config, Jitter, Request, Safety};
/// use mainstay_resilience::{Decision, Decide, Input, Time};
///
/// let backoff = Backoff::new().jitter(Jitter::None);
/// let config = Config::new().backoff(backoff);
/// let again = Again {
///     attempts: 2,
///     begun: Time::ZERO,
///     backoff: Duration::from_millis(50),
///     // The dependency asked for two seconds, which is longer than the backoff of 100 ms.
///     retry_after: Some(Duration::from_secs(2)),
///     safety: Safety::Safe,
///     due: None,
/// };
/// let decision = config.ask(&mut config.state(), Input::at(Time::ZERO), Request::Again(again));
/// assert_eq!(decision, Decision::Wait { until: Time::from_millis(2_000) });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Again {
    /// The number of attempts so far.
    pub attempts: u32,
    /// When the first attempt started.
    pub begun: Time,
    /// The pause before the last attempt; zero if there was only one.
    pub backoff: Duration,
    /// The pause that the dependency asked for (`Retry-After`). No attempt starts sooner. With jitter, the
    /// backoff is added to it; without jitter, the longer of the two applies.
    pub retry_after: Option<Duration>,
    /// Whether the call is safe to repeat.
    pub safety: Safety,
    /// The moment that an earlier decision named: the attempt starts then, if the budget pays. `None` asks
    /// for that moment.
    pub due: Option<Time>,
}

/// An admitted attempt.
///
/// ```
/// use mainstay_resilience::retry::{Config, Request, Ticket};
/// use mainstay_resilience::{Decision, Decide, Input};
///
/// let config = Config::default();
/// let decision = config.ask(&mut config.state(), Input::default(), Request::First);
/// assert_eq!(decision, Decision::Admit(Ticket { attempt: 1 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket {
    /// The number of the attempt, counted from 1.
    pub attempt: u32,
}

/// A snapshot of retries for display and metrics.
///
/// ```
/// use mainstay_resilience::{Decide, Time, retry};
///
/// let config = retry::Config::default();
/// let snapshot = config.snapshot(&config.state(), Time::ZERO);
/// assert_eq!((snapshot.retries, snapshot.recovered, snapshot.budget.left), (0, 0, 100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// Attempts after the first attempt of their call.
    pub retries: u64,
    /// Retries that succeeded.
    pub recovered: u64,
    /// The retry budget.
    pub budget: budget::Snapshot,
}

impl Decide for Config {
    type State = State;
    type Request = Request;
    type Ticket = Ticket;
    type Change = Infallible;
    type Snapshot = Snapshot;

    fn state(&self) -> State {
        State { budget: self.budget.state(), retries: 0, recovered: 0 }
    }

    fn ask(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        match request {
            Request::First => {
                self.deposit(state, input, 1);
                Decision::Admit(Ticket { attempt: 1 })
            }
            Request::Again(again) => self.again(state, input, again),
        }
    }

    fn tell(
        &self,
        state: &mut State,
        _: Input,
        ticket: Ticket,
        outcome: Outcome,
        n: u32,
    ) -> Recorded<Infallible> {
        if ticket.attempt > 1 && matches!(outcome, Outcome::Success | Outcome::Slow) {
            state.recovered = state.recovered.saturating_add(n.into());
        }
        Recorded::Counted
    }

    fn snapshot(&self, state: &State, now: Time) -> Snapshot {
        let budget = self.budget.snapshot(&state.budget, now);
        Snapshot { retries: state.retries, recovered: state.recovered, budget }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.validate()
    }
}

impl Config {
    /// Records that `calls` calls have started.
    pub(crate) fn deposit(&self, state: &mut State, input: Input, calls: u32) {
        let _ = self.budget.ask(&mut state.budget, input, budget::Request::Deposit { calls });
    }

    fn again(&self, state: &mut State, input: Input, again: Again) -> Decision<Ticket> {
        let now = state.budget.see(input.now);
        let no = |reason| Decision::Reject(Rejected { reason, retry_at: None });
        if !self.allows(again.safety) {
            return no(Reason::RetryUnsafe);
        }
        if again.attempts >= self.attempts_max {
            return no(Reason::RetryAttempts);
        }
        let due = match again.due {
            Some(due) => due,
            None => {
                let asked = again.retry_after.unwrap_or_default();
                if asked > self.retry_after_max {
                    return Decision::Reject(Rejected {
                        reason: Reason::RetryElapsed,
                        retry_at: Some(now + asked),
                    });
                }
                now + self.wait(asked, &again, input.random)
            }
        };
        // A caller that slept longer than it was told to may be too late as well.
        if due.max(now).since(again.begun) > self.elapsed_max {
            return no(Reason::RetryElapsed);
        }
        // Waiting is pointless if the budget is spent. The budget pays only when the attempt starts.
        let is_due = again.due.is_some() && now >= due;
        let asked = if is_due { budget::Request::Withdraw } else { budget::Request::Look };
        match self.budget.ask(&mut state.budget, input, asked) {
            Decision::Reject(Rejected { reason, retry_at }) => {
                Decision::Reject(Rejected { reason, retry_at })
            }
            _ if is_due => {
                state.retries = state.retries.saturating_add(1);
                Decision::Admit(Ticket { attempt: again.attempts.saturating_add(1) })
            }
            _ => Decision::Wait { until: due },
        }
    }

    /// The pause before the next attempt: never shorter than the dependency asked for.
    fn wait(&self, asked: Duration, again: &Again, random: u64) -> Duration {
        let backoff = self.backoff.after(again.attempts, again.backoff, random);
        match self.backoff.jitter {
            Jitter::None => backoff.max(asked),
            // The backoff is added. Otherwise all callers that were told the same moment would return together.
            Jitter::Full | Jitter::Decorrelated => backoff.saturating_add(asked),
        }
    }
}
