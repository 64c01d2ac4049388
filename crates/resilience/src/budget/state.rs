//! The state of a budget, and its decisions.

use super::Config;
use crate::contract::{
    ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, nanos,
};
use crate::window::{Count, TimeWindow};
use core::convert::Infallible;

/// Buckets of the window.
const BUCKETS: u32 = 10;

/// Calls and extra attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Account {
    calls: u64,
    spent: u64,
}

impl Count for Account {
    fn add(&mut self, more: Self) {
        self.calls = self.calls.saturating_add(more.calls);
        self.spent = self.spent.saturating_add(more.spent);
    }

    fn take(&mut self, less: Self) {
        self.calls = self.calls.saturating_sub(less.calls);
        self.spent = self.spent.saturating_sub(less.spent);
    }
}

/// The state of a budget.
///
/// ```
/// use mainstay_resilience::{Decide, Time, budget};
///
/// let config = budget::Config::new().per_second_min(10);
/// let state: budget::State = config.state();
/// assert_eq!(config.snapshot(&state, Time::from_millis(5)).spent, 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    window: TimeWindow<Account>,
    clock: Time,
    rejected: u64,
}

/// A request to a budget.
///
/// ```
/// use mainstay_resilience::budget::{Config, Request};
/// use mainstay_resilience::{Decide, Input};
///
/// let (config, input) = (Config::new().per_second_min(0).percent(100), Input::default());
/// let mut state = config.state();
/// let _ = config.ask(&mut state, input, Request::Deposit { calls: 1 });
/// // Looking spends nothing.
/// assert!(config.ask(&mut state, input, Request::Look).admitted().is_some());
/// assert!(config.ask(&mut state, input, Request::Withdraw).admitted().is_some());
/// assert!(config.ask(&mut state, input, Request::Look).admitted().is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Records that calls have started, which adds their share to the budget. Always admitted.
    Deposit {
        /// The number of calls.
        calls: u32,
    },
    /// Asks for one extra attempt, and spends it if admitted.
    Withdraw,
    /// Asks whether an extra attempt would be admitted, without spending it.
    Look,
}

/// The ticket of an admitted request. It carries nothing, because recording its outcome changes nothing.
///
/// ```
/// use mainstay_resilience::budget::{Config, Request, Ticket};
/// use mainstay_resilience::{Decision, Decide, Input};
///
/// let config = Config::default();
/// let decision = config.ask(&mut config.state(), Input::default(), Request::Withdraw);
/// assert_eq!(decision, Decision::Admit(Ticket));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket;

/// A snapshot of a budget for display and metrics.
///
/// ```
/// use mainstay_resilience::{Decide, Time, budget};
///
/// let config = budget::Config::new().per_second_min(3);
/// let snapshot = config.snapshot(&config.state(), Time::ZERO);
/// assert_eq!((snapshot.calls, snapshot.left), (0, 30), "three per second for ten seconds");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls in the window.
    pub calls: u64,
    /// Extra attempts in the window.
    pub spent: u64,
    /// Extra attempts that are available now.
    pub left: u64,
    /// Requests for an extra attempt that were rejected since the state was created.
    pub rejected: u64,
}

impl Decide for Config {
    type State = State;
    type Request = Request;
    type Ticket = Ticket;
    type Change = Infallible;
    type Snapshot = Snapshot;

    fn state(&self) -> State {
        State { window: TimeWindow::new(self.length, BUCKETS), clock: Time::ZERO, rejected: 0 }
    }

    fn ask(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        state.see(input.now);
        if !state.window.fits(self.length, BUCKETS) {
            state.window = TimeWindow::new(self.length, BUCKETS);
        }
        if let Request::Deposit { calls } = request {
            state.window.add(state.clock, Account { calls: calls.into(), spent: 0 });
            return Decision::Admit(Ticket);
        }
        if self.left(state.window.total(state.clock)) == 0 {
            state.rejected = state.rejected.saturating_add(1);
            // Spent attempts are forgotten at the end of a bucket, so that is the earliest chance.
            return Decision::Reject(Rejected {
                reason: Reason::RetryBudget,
                retry_at: Some(state.window.bucket_end()),
            });
        }
        if request == Request::Withdraw {
            state.window.add(state.clock, Account { calls: 0, spent: 1 });
        }
        Decision::Admit(Ticket)
    }

    fn tell(&self, _: &mut State, _: Input, _: Ticket, _: Outcome, _: u32) -> Recorded<Infallible> {
        Recorded::Counted
    }

    fn snapshot(&self, state: &State, now: Time) -> Snapshot {
        let account = state.window.peek(state.clock.max(now));
        let left = self.left(account);
        Snapshot { calls: account.calls, spent: account.spent, left, rejected: state.rejected }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.validate()
    }
}

impl Config {
    /// The extra attempts that are available.
    fn left(&self, account: Account) -> u64 {
        let earned = u128::from(account.calls) * u128::from(self.percent) / 100;
        let given = u128::from(self.per_second_min) * u128::from(nanos(self.length)) / 1_000_000_000;
        u64::try_from((earned + given).saturating_sub(account.spent.into())).unwrap_or(u64::MAX)
    }
}

impl State {
    /// Moves the state's clock forward to `now`, never back.
    pub(crate) fn see(&mut self, now: Time) -> Time {
        self.clock = self.clock.max(now);
        self.clock
    }

    /// The end of the newest bucket. Until then, deposits may be made late without changing the result.
    #[cfg(feature = "sync")]
    pub(crate) fn bucket_end(&self) -> Time {
        self.window.bucket_end()
    }
}
