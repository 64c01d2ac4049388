//! Retry budget: extra attempts as a share of the calls.
//!
//! Why a budget and not only a maximum of attempts: with three attempts a call, a dependency that fails gets three
//! times the load just when it can bear least. A budget bounds the extra load of *all* callers' retries together:
//! with 20 percent, a failing dependency sees at most 1.2 times its usual load. As in Finagle's `RetryBudget`, a
//! minimum a second lets those retry who call rarely; it comes on top, for each process.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::budget::{Config, Request};
//! use mainstay_resilience::{Decide, Input, Time};
//!
//! let config = Config::new().percent(20).per_second_min(0).length(Duration::from_secs(10));
//! let (mut state, input) = (config.state(), Input::at(Time::ZERO));
//! // All of a hundred calls fail, and all of them want to retry: twenty may.
//! let _ = config.ask(&mut state, input, Request::Deposit { calls: 100 });
//! let retries =
//!     (0..100).filter(|_| config.ask(&mut state, input, Request::Withdraw).admitted().is_some());
//! assert_eq!(retries.count(), 20);
//! ```

use crate::config::config;
use crate::contract::{
    ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, nanos,
};
use crate::window::{Count, TimeWindow};
use core::convert::Infallible;
use core::time::Duration;

config! {
    /// How large a share of the calls may be extra attempts.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Input, budget};
    ///
    /// let config = budget::Config::new().percent(20).per_second_min(0);
    /// let mut state = config.state();
    /// let input = Input::default();
    /// let _ = config.ask(&mut state, input, budget::Request::Deposit { calls: 10 });
    /// assert!(config.ask(&mut state, input, budget::Request::Withdraw).admitted().is_some());
    /// assert!(config.ask(&mut state, input, budget::Request::Withdraw).admitted().is_some());
    /// assert!(config.ask(&mut state, input, budget::Request::Withdraw).admitted().is_none());
    /// ```
    pub struct Config {
        /// Extra attempts for each hundred calls. From 0 to 1,000; 20.
        pub percent: u32 = 20,
        /// Extra attempts a second that are there without any call. From 0 to 1,000,000; 10.
        pub per_second_min: u32 = 10,
        /// For how long calls count, and what was spent. From 1 s to an hour, in ten buckets; 10 s.
        #[cfg_attr(feature = "serde", serde(rename = "length_ms", with = "crate::contract::millis"))]
        pub length: Duration = Duration::from_secs(10),
    }
}

const BUCKETS: u32 = 10;

/// What was earned and spent.
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

/// What a budget remembers.
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

/// What is asked of a budget.
///
/// ```
/// use mainstay_resilience::budget::{Config, Request};
/// use mainstay_resilience::{Decide, Input};
///
/// let (config, input) = (Config::new().per_second_min(0).percent(100), Input::default());
/// let mut state = config.state();
/// // Calls may be deposited many at a time.
/// let _ = config.ask(&mut state, input, Request::Deposit { calls: 1 });
/// // To look costs nothing.
/// assert!(config.ask(&mut state, input, Request::Look).admitted().is_some());
/// assert!(config.ask(&mut state, input, Request::Withdraw).admitted().is_some());
/// assert!(config.ask(&mut state, input, Request::Look).admitted().is_none());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Calls were made: always admitted, and earns their share.
    Deposit {
        /// How many.
        calls: u32,
    },
    /// May there be an extra attempt? Admitted, it is spent.
    Withdraw,
    /// The same without spending it.
    Look,
}

/// What a budget gives: there is nothing to tell of it.
///
/// ```
/// use mainstay_resilience::budget::{Config, Request, Ticket};
/// use mainstay_resilience::{Decision, Decide, Input};
///
/// let config = Config::default();
/// let answer = config.ask(&mut config.state(), Input::default(), Request::Withdraw);
/// assert_eq!(answer, Decision::Admit(Ticket));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket;

/// A budget for display.
///
/// ```
/// use mainstay_resilience::{Decide, Time, budget};
///
/// let config = budget::Config::new().per_second_min(3);
/// let snapshot = config.snapshot(&config.state(), Time::ZERO);
/// assert_eq!((snapshot.calls, snapshot.left), (0, 30), "three a second, for ten seconds");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// Calls in its window.
    pub calls: u64,
    /// Extra attempts in its window.
    pub spent: u64,
    /// How many more there may be now.
    pub left: u64,
    /// Extra attempts that were rejected, ever.
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
            // A bucket's end is the first moment when something can be forgotten.
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
        ConfigError::unless("percent", self.percent.into(), 0..=1_000)?;
        ConfigError::unless("per_second_min", self.per_second_min.into(), 0..=1_000_000)?;
        ConfigError::unless_millis("length_ms", self.length, 1_000..=3_600_000)
    }
}

impl Config {
    /// Extra attempts that are not spent yet.
    fn left(&self, account: Account) -> u64 {
        let earned = u128::from(account.calls) * u128::from(self.percent) / 100;
        let given = u128::from(self.per_second_min) * u128::from(nanos(self.length)) / 1_000_000_000;
        u64::try_from((earned + given).saturating_sub(account.spent.into())).unwrap_or(u64::MAX)
    }
}

impl State {
    /// Time runs on, never back.
    pub(crate) fn see(&mut self, now: Time) -> Time {
        self.clock = self.clock.max(now);
        self.clock
    }

    /// Until when a deposit need not be made at its own moment.
    #[cfg(feature = "sync")]
    pub(crate) fn bucket_end(&self) -> Time {
        self.window.bucket_end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_rng::{Rng, steps};
    use proptest::prelude::*;

    fn of(percent: u32, per_second_min: u32) -> Config {
        Config { percent, per_second_min, ..Config::default() }
    }

    fn withdraw(config: &Config, state: &mut State, millis: u64) -> bool {
        config.ask(state, Input::at(Time::from_millis(millis)), Request::Withdraw).admitted().is_some()
    }

    fn deposit(config: &Config, state: &mut State, millis: u64, calls: u32) {
        let _ = config.ask(state, Input::at(Time::from_millis(millis)), Request::Deposit { calls });
    }

    #[test]
    fn extra_attempts_are_a_share_of_the_calls_plus_a_minimum() {
        let cases = [
            // percent, minimum a second, calls, how many may be spent
            (20, 0, 100, 20),
            (20, 0, 4, 0),
            (20, 0, 5, 1),
            (0, 1, 0, 10),
            (0, 0, 1_000, 0),
            (10, 2, 50, 25),
            (100, 0, 7, 7),
            (250, 0, 2, 5),
        ];
        for (percent, minimum, calls, expected) in cases {
            let (config, mut state) = (of(percent, minimum), of(percent, minimum).state());
            deposit(&config, &mut state, 1, calls);
            assert_eq!(config.snapshot(&state, Time::from_millis(1)).left, expected);
            let spent = (0..1_000).take_while(|_| withdraw(&config, &mut state, 1)).count();
            assert_eq!(spent as u64, expected, "{percent} % of {calls} and {minimum} a second");
            assert_eq!(config.snapshot(&state, Time::from_millis(1)).rejected, 1);
        }
    }

    #[test]
    fn what_was_earned_and_what_was_spent_is_forgotten_after_the_window() {
        let (config, mut state) = (of(100, 0), of(100, 0).state());
        deposit(&config, &mut state, 0, 5);
        assert!(withdraw(&config, &mut state, 9_999));
        assert!(!withdraw(&config, &mut state, 10_000), "the calls are too long ago");
        deposit(&config, &mut state, 10_000, 2);
        assert!(withdraw(&config, &mut state, 10_000));
        assert!(!withdraw(&config, &mut state, 10_000), "the one spent at 9,999 still counts");
        deposit(&config, &mut state, 19_000, 1);
        assert!(withdraw(&config, &mut state, 19_000));
    }

    #[test]
    fn a_look_spends_nothing_and_a_rejection_says_when_to_come_back() {
        let (config, mut state) = (of(100, 0), of(100, 0).state());
        let input = Input::at(Time::from_millis(1_500));
        let retry_at = Some(Time::from_millis(2_000));
        deposit(&config, &mut state, 1_500, 1);
        for _ in 0..3 {
            assert!(config.ask(&mut state, input, Request::Look).admitted().is_some());
        }
        assert!(withdraw(&config, &mut state, 1_500));
        let rejected = Decision::Reject(Rejected { reason: Reason::RetryBudget, retry_at });
        assert_eq!(config.ask(&mut state, input, Request::Look), rejected);
        assert_eq!(config.ask(&mut state, input, Request::Withdraw), rejected);
    }

    #[test]
    fn it_decides_as_one_that_keeps_every_call_does() {
        let mut rng = Rng(0xb0d9e7);
        for walk in 0..steps(750) {
            let length = 1_000 * (1 + rng.below(3));
            let config = Config {
                length: Duration::from_millis(length),
                ..of(1 + rng.below(60) as u32, rng.below(3) as u32)
            };
            let (mut state, mut kept, mut now) = (config.state(), Vec::<(u64, u64, u64)>::new(), 0);
            for step in 0..2_000 {
                now += rng.below(3) * rng.below(length / 20);
                // Ten buckets: what lies ten or more of them back is forgotten.
                kept.retain(|(at, ..)| at / (length / 10) + 10 > now / (length / 10));
                if rng.below(3) > 0 {
                    let calls = rng.below(4);
                    deposit(&config, &mut state, now, calls as u32);
                    kept.push((now, calls, 0));
                } else {
                    let calls: u64 = kept.iter().map(|(_, calls, _)| calls).sum();
                    let spent: u64 = kept.iter().map(|(_, _, spent)| spent).sum();
                    let may = calls * u64::from(config.percent) / 100
                        + u64::from(config.per_second_min) * length / 1_000;
                    assert_eq!(withdraw(&config, &mut state, now), spent < may, "walk {walk}, step {step}");
                    if spent < may {
                        kept.push((now, 0, 1));
                    }
                }
            }
        }
    }

    #[test]
    fn a_clock_that_goes_back_or_leaps_a_year_earns_nothing_twice() {
        let (config, mut state) = (of(100, 0), of(100, 0).state());
        deposit(&config, &mut state, 60_000, 1);
        assert!(withdraw(&config, &mut state, 1_000), "what was earned at 60,000 is there");
        assert!(!withdraw(&config, &mut state, 0), "and was spent");
        deposit(&config, &mut state, 0, 1);
        assert!(withdraw(&config, &mut state, 69_999), "the deposit counts as of 60,000");
        let year = 365 * 24 * 60 * 60 * 1_000;
        deposit(&config, &mut state, 70_000, 5);
        assert!(!withdraw(&config, &mut state, year), "all is forgotten");
        deposit(&config, &mut state, 70_000, 1);
        assert!(withdraw(&config, &mut state, year));
        assert!(!withdraw(&config, &mut state, year));
    }

    #[test]
    fn a_window_of_another_length_begins_empty() {
        let (config, mut state) = (of(100, 0), of(100, 0).state());
        deposit(&config, &mut state, 0, 5);
        let longer = Config { length: Duration::from_secs(20), ..config.clone() };
        assert!(!withdraw(&longer, &mut state, 1));
        deposit(&longer, &mut state, 1, 1);
        let larger = Config { percent: 200, ..longer };
        assert!(withdraw(&larger, &mut state, 2) && withdraw(&larger, &mut state, 2), "the calls are kept");
    }

    #[test]
    fn counters_and_clocks_at_their_ends_decide_something() {
        let config = Config { percent: u32::MAX, per_second_min: u32::MAX, length: Duration::MAX };
        let mut state = config.state();
        for now in [Time::FAR, Time::ZERO] {
            for _ in 0..3 {
                let _ = config.ask(&mut state, Input::at(now), Request::Deposit { calls: u32::MAX });
                assert!(config.ask(&mut state, Input::at(now), Request::Withdraw).admitted().is_some());
            }
        }
        let zero = Config { percent: 0, per_second_min: 0, length: Duration::ZERO };
        let mut state = zero.state();
        assert!(zero.ask(&mut state, Input::at(Time::FAR), Request::Withdraw).admitted().is_none());
        assert_eq!(zero.check().expect_err("no length").field, "length_ms");
    }

    #[test]
    fn a_configuration_that_makes_no_sense_names_its_field() {
        assert_eq!(of(1_001, 0).check().expect_err("percent").field, "percent");
        assert_eq!(of(1, 1_000_001).check().expect_err("minimum").field, "per_second_min");
        let length = |millis| Config { length: Duration::from_millis(millis), ..Config::default() };
        for outside in [0, 999, 3_600_001] {
            assert_eq!(length(outside).check().expect_err("length").field, "length_ms");
        }
        for inside in [Config::default(), length(1_000), length(3_600_000), of(0, 0), of(1_000, 1_000_000)] {
            assert_eq!(inside.check(), Ok(()));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn no_configuration_and_no_sequence_panics(
            numbers in any::<(u32, u32, u64)>(),
            steps in proptest::collection::vec((any::<u64>(), any::<u32>(), 0..3_u8), 1..40),
        ) {
            let length = Duration::from_nanos(numbers.2 >> (numbers.2 % 64));
            let config = Config { percent: numbers.0, per_second_min: numbers.1, length };
            let mut state = config.state();
            for (now, calls, kind) in steps {
                let input = Input::at(Time::from_nanos(now >> (now % 64)));
                let request = match kind {
                    0 => Request::Deposit { calls },
                    1 => Request::Withdraw,
                    _ => Request::Look,
                };
                let _ = config.ask(&mut state, input, request);
                // What it shows is what it does.
                let left = config.snapshot(&state, input.now).left;
                let looked = config.ask(&mut state, input, Request::Look).admitted().is_some();
                prop_assert_eq!(left > 0, looked);
            }
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_configuration_is_written_with_its_units_and_a_state_goes_on_as_before() {
        let text = r#"{"percent":15,"per_second_min":2,"length_ms":5000}"#;
        let config: Config = serde_json::from_str(text).expect("read");
        assert_eq!(config, Config { length: Duration::from_secs(5), ..of(15, 2) });
        assert_eq!(serde_json::to_string(&config).expect("written"), text);
        assert_eq!(serde_json::from_str::<Config>("{}").expect("read"), Config::default());
        assert!(serde_json::from_str::<Config>(r#"{"length":5}"#).is_err());
        let mut state = config.state();
        for step in 0..100 {
            deposit(&config, &mut state, step * 70, 2);
            let written = serde_json::to_string(&state).expect("written");
            let mut read: State = serde_json::from_str(&written).expect("read");
            let answers = [&mut state, &mut read].map(|state| withdraw(&config, state, step * 70));
            assert_eq!(answers[0], answers[1], "step {step}");
            assert_eq!(read, state);
        }
    }
}
