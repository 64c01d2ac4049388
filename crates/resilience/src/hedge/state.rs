//! The state of hedging, and its decisions.

use super::Config;
use super::histogram::Histogram;
use crate::budget;
use crate::contract::{
    ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, nanos,
};
use crate::retry::Safety;
use core::convert::Infallible;
use core::time::Duration;

/// The state of hedging: call durations in two halves, of which the older is forgotten as a whole. Takes
/// about 4 KiB.
///
/// ```
/// use mainstay_resilience::{Decide, Time, hedge};
///
/// let config = hedge::Config::default();
/// let state: hedge::State = config.state();
/// assert_eq!(config.snapshot(&state, Time::ZERO).delay, None, "nothing is known yet");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    pub(super) clock: Time,
    /// A moment in the newer half. Halves are `length` long and counted from the origin of time.
    pub(super) began: Time,
    pub(super) newer: Histogram,
    pub(super) older: Histogram,
    /// The quantile when it was last computed.
    pub(super) quantile: Option<Duration>,
    /// Calls recorded since then.
    pub(super) unseen: u32,
    pub(super) budget: budget::State,
    pub(super) sent: u64,
    pub(super) won: u64,
}

/// A request for an attempt.
///
/// ```
/// use mainstay_resilience::hedge::{Config, Request};
/// use mainstay_resilience::retry::Safety;
/// use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input};
///
/// let (config, input) = (Config::default(), Input::default());
/// let mut state = config.state();
/// assert!(config.ask(&mut state, input, Request::First).admitted().is_some());
/// // One call is too few to tell what is slow.
/// let second = Request::Second { begun: input.now, safety: Safety::Safe };
/// let unknown = Decision::Reject(Rejected { reason: Reason::HedgeUnknown, retry_at: None });
/// assert_eq!(config.ask(&mut state, input, second), unknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The first attempt of a call. It is always admitted, and adds its share to the budget.
    First,
    /// A hedge.
    Second {
        /// When the first attempt started.
        begun: Time,
        /// Whether the call is safe to repeat.
        safety: Safety,
    },
}

/// An admitted attempt.
///
/// **Record the outcome of the attempt that lost as well**, as [`Outcome::Cancelled`]. It was slow, and the
/// quantile must learn from it.
///
/// ```
/// use mainstay_resilience::hedge::{Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Time};
///
/// let config = Config::new().calls_min(1);
/// let mut state = config.state();
/// let at = |millis| Input::at(Time::from_millis(millis));
/// let ticket = config.ask(&mut state, at(0), Request::First).admitted().unwrap();
/// // A failure says nothing about how long a result takes.
/// config.tell(&mut state, at(1), ticket, Outcome::Failure, 1);
/// assert_eq!(config.snapshot(&state, Time::from_millis(1)).delay, None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket {
    pub(super) begun: Time,
    pub(super) is_second: bool,
}

/// A snapshot of hedging for display and metrics.
///
/// ```
/// use mainstay_resilience::hedge::{Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Time};
///
/// let config = Config::new().calls_min(1);
/// let mut state = config.state();
/// let at = |millis| Input::at(Time::from_millis(millis));
/// let ticket = config.ask(&mut state, at(0), Request::First).admitted().unwrap();
/// config.tell(&mut state, at(20), ticket, Outcome::Success, 1);
/// let delay = config.snapshot(&state, Time::from_millis(20)).delay.unwrap();
/// assert!((20..=21).contains(&delay.as_millis()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The delay before a call is hedged, or `None` while too few calls were recorded.
    pub delay: Option<Duration>,
    /// The number of hedges sent.
    pub sent: u64,
    /// The number of hedges that succeeded before the first attempt did.
    pub won: u64,
    /// The budget of hedges.
    pub budget: budget::Snapshot,
}

impl Decide for Config {
    type State = State;
    type Request = Request;
    type Ticket = Ticket;
    type Change = Infallible;
    type Snapshot = Snapshot;

    fn state(&self) -> State {
        State {
            clock: Time::ZERO,
            began: Time::ZERO,
            newer: Histogram::new(),
            older: Histogram::new(),
            quantile: None,
            unseen: 0,
            budget: self.budget.state(),
            sent: 0,
            won: 0,
        }
    }

    fn ask(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        let now = state.see(self, input.now);
        let no = |reason| Decision::Reject(Rejected { reason, retry_at: None });
        let (begun, safety) = match request {
            Request::First => {
                let _ = self.budget.ask(&mut state.budget, input, budget::Request::Deposit { calls: 1 });
                return Decision::Admit(Ticket { begun: now, is_second: false });
            }
            Request::Second { begun, safety } => (begun, safety),
        };
        if safety == Safety::Unsafe {
            return no(Reason::RetryUnsafe);
        }
        let Some(delay) = self.delay(state) else { return no(Reason::HedgeUnknown) };
        let due = begun + delay;
        if now < due {
            return Decision::Wait { until: due };
        }
        match self.budget.ask(&mut state.budget, input, budget::Request::Withdraw) {
            Decision::Admit(_) => {
                state.sent = state.sent.saturating_add(1);
                Decision::Admit(Ticket { begun: now, is_second: true })
            }
            Decision::Wait { until } => Decision::Wait { until },
            Decision::Reject(Rejected { retry_at, .. }) => {
                Decision::Reject(Rejected { reason: Reason::HedgeBudget, retry_at })
            }
        }
    }

    fn tell(
        &self,
        state: &mut State,
        input: Input,
        ticket: Ticket,
        outcome: Outcome,
        n: u32,
    ) -> Recorded<Infallible> {
        let now = state.see(self, input.now);
        let took = now.since(ticket.begun);
        let has_result = matches!(outcome, Outcome::Success | Outcome::Slow);
        // First attempts that lose to a hedge are the slow ones. If they were left out, the quantile would
        // fall with each hedge that wins, and the budget would be spent on calls that are not slow. How long
        // they would have taken is unknown, but they were above the quantile.
        let has_lost =
            || outcome == Outcome::Cancelled && state.quantile.is_some_and(|quantile| took >= quantile);
        if !(has_result || has_lost()) {
            return Recorded::Counted;
        }
        if has_result && ticket.is_second {
            state.won = state.won.saturating_add(n.into());
        }
        state.newer.add(took, n);
        state.unseen = state.unseen.saturating_add(n);
        let seen = state.newer.count.saturating_add(state.older.count);
        // Computed as soon as enough calls are known, and again after every `RECOUNT` calls.
        if seen >= u64::from(self.calls_min) && (state.quantile.is_none() || state.unseen >= RECOUNT) {
            state.quantile = Histogram::quantile([&state.newer, &state.older], self.quantile_percent);
            state.unseen = 0;
        }
        Recorded::Counted
    }

    fn snapshot(&self, state: &State, now: Time) -> Snapshot {
        Snapshot {
            delay: self.delay(state),
            sent: state.sent,
            won: state.won,
            budget: self.budget.snapshot(&state.budget, now),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.validate()
    }
}

impl Config {
    /// The delay before a call is hedged, if enough calls were recorded.
    fn delay(&self, state: &State) -> Option<Duration> {
        state.quantile.map(|quantile| quantile.min(self.delay_max).max(self.delay_min))
    }
}

/// The quantile is recomputed after this many calls. A computation scans the histogram, which takes about 200
/// ns.
const RECOUNT: u32 = 64;

impl State {
    fn see(&mut self, config: &Config, now: Time) -> Time {
        self.clock = self.clock.max(now);
        let number = |moment: Time| moment.as_nanos() / nanos(config.length).max(1);
        let passed = number(self.clock).saturating_sub(number(self.began));
        if passed > 0 {
            let ended = core::mem::replace(&mut self.newer, Histogram::new());
            self.older = if passed == 1 { ended } else { Histogram::new() };
            self.began = self.clock;
            if self.older.count < u64::from(config.calls_min) {
                self.quantile = None;
            }
        }
        self.clock
    }
}
