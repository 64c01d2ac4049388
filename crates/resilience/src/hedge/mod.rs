//! Hedge: a second attempt beside a slow first, and the first answer wins.
//!
//! Some answers are slow for reasons that a second try does not share: a pause of one replica, a full line, a lost
//! packet. A hedge is sent when a call has taken longer than nearly all do (the observed quantile), within a
//! [`budget`], and only where twice has the effect of once. (Dean and Barroso, "The Tail at Scale",
//! 2013.)
//!
//! ```
//! use mainstay_resilience::hedge::{Config, Request};
//! use mainstay_resilience::retry::Safety;
//! use mainstay_resilience::{Decision, Decide, Input, Outcome, Time};
//!
//! let config = Config::new().calls_min(20);
//! let mut state = config.state();
//! let at = |millis| Input::at(Time::from_millis(millis));
//! for call in 0..100 {
//!     let ticket = config.ask(&mut state, at(call * 10), Request::First).admitted().unwrap();
//!     config.tell(&mut state, at(call * 10 + 5), ticket, Outcome::Success, 1);
//! }
//! // All took 5 ms: one that has taken 8 is slow.
//! let begun = Time::from_millis(1_000);
//! let second = Request::Second { begun, safety: Safety::Safe };
//! assert!(matches!(config.ask(&mut state, at(1_001), second), Decision::Wait { .. }));
//! assert!(config.ask(&mut state, at(1_008), second).admitted().is_some());
//! ```

use crate::budget;
use crate::config::config;
use crate::contract::{
    ConfigError, DAY_MILLIS, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, nanos,
};
use crate::retry::Safety;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::time::Duration;

config! {
    /// When a call is slow, and for how large a share of the calls there may be a second attempt.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, hedge};
    ///
    /// let config = hedge::Config::new().quantile_percent(99);
    /// assert!(config.check().is_ok());
    /// ```
    pub struct Config {
        /// A call is slow when it has taken longer than this share of the calls did. From 50 to 99; 95.
        pub quantile_percent: u8 = 95,
        /// Before so many calls were seen, none is hedged. From 1 to 1,000,000; 50.
        pub calls_min: u32 = 50,
        /// A call is not slow before this. From 0 to a day; 1 ms.
        #[cfg_attr(feature = "serde", serde(rename = "delay_min_ms", with = "crate::contract::millis"))]
        pub delay_min: Duration = Duration::from_millis(1),
        /// A call is slow after this, whatever was seen. From `delay_min` to a day; 10 s.
        #[cfg_attr(feature = "serde", serde(rename = "delay_max_ms", with = "crate::contract::millis"))]
        pub delay_max: Duration = Duration::from_secs(10),
        /// Between one and two of these, what was seen is forgotten. From 1 s to a day; 30 s.
        #[cfg_attr(feature = "serde", serde(rename = "length_ms", with = "crate::contract::millis"))]
        pub length: Duration = Duration::from_secs(30),
        /// For how large a share of the calls. 5 percent, and nothing without calls.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "own_budget"))]
        pub budget: budget::Config = BUDGET,
    }
}

/// The budget of hedges has numbers of its own where none are given.
const BUDGET: budget::Config =
    budget::Config { percent: 5, per_second_min: 0, length: Duration::from_secs(10) };

/// Reads a budget of which a part is left out: with the hedges' numbers, not with the retries'.
#[cfg(feature = "serde")]
fn own_budget<'de, D: serde::Deserializer<'de>>(from: D) -> Result<budget::Config, D::Error> {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Budget {
        percent: u32,
        per_second_min: u32,
        #[serde(rename = "length_ms", with = "crate::contract::millis")]
        length: Duration,
    }

    impl Default for Budget {
        fn default() -> Self {
            let budget::Config { percent, per_second_min, length } = BUDGET;
            Self { percent, per_second_min, length }
        }
    }

    let Budget { percent, per_second_min, length } = Budget::deserialize(from)?;
    Ok(budget::Config { percent, per_second_min, length })
}

/// What is remembered: how long calls took, in two halves of which the older is forgotten as a whole. Some 4 KiB.
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
    clock: Time,
    /// A moment in the newer half. Halves are `length` long and counted from the origin of time.
    began: Time,
    newer: Histogram,
    older: Histogram,
    /// The quantile as last computed.
    quantile: Option<Duration>,
    /// Calls seen since.
    unseen: u32,
    budget: budget::State,
    sent: u64,
    won: u64,
}

/// What is asked for.
///
/// ```
/// use mainstay_resilience::hedge::{Config, Request};
/// use mainstay_resilience::retry::Safety;
/// use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input};
///
/// let (config, input) = (Config::default(), Input::default());
/// let mut state = config.state();
/// assert!(config.ask(&mut state, input, Request::First).admitted().is_some());
/// // One call is too few to know what is slow.
/// let second = Request::Second { begun: input.now, safety: Safety::Safe };
/// let unknown = Decision::Reject(Rejected { reason: Reason::HedgeUnknown, retry_at: None });
/// assert_eq!(config.ask(&mut state, input, second), unknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// A call: always admitted, and earns its share of the budget.
    First,
    /// A second attempt of one.
    Second {
        /// When the first began.
        begun: Time,
        /// May it be made twice?
        safety: Safety,
    },
}

/// An attempt under way. **Tell also of the one that lost**, as [`Outcome::Cancelled`]: it was slow, and what is
/// slow is learnt from it.
///
/// ```
/// use mainstay_resilience::hedge::{Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Time};
///
/// let config = Config::new().calls_min(1);
/// let mut state = config.state();
/// let at = |millis| Input::at(Time::from_millis(millis));
/// let ticket = config.ask(&mut state, at(0), Request::First).admitted().unwrap();
/// // A failure says nothing of how long an answer takes.
/// config.tell(&mut state, at(1), ticket, Outcome::Failure, 1);
/// assert_eq!(config.snapshot(&state, Time::from_millis(1)).delay, None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket {
    begun: Time,
    is_second: bool,
}

/// Hedges for display.
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
    /// After how long a call is hedged; none while too few were seen.
    pub delay: Option<Duration>,
    /// Hedges that were sent.
    pub sent: u64,
    /// Of these, how many answered well (before the first, or else they were cancelled).
    pub won: u64,
    /// Earned and spent.
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
        let is_answer = matches!(outcome, Outcome::Success | Outcome::Slow);
        // The first attempts that lose to their hedges are the slow ones. Without them the quantile would fall with
        // each hedge that wins, more calls would be hedged, and the budget would be spent on those that are not slow.
        // How long they would have taken is unknown, but not on which side of the quantile.
        let has_lost =
            || outcome == Outcome::Cancelled && state.quantile.is_some_and(|quantile| took >= quantile);
        if !(is_answer || has_lost()) {
            return Recorded::Counted;
        }
        if is_answer && ticket.is_second {
            state.won = state.won.saturating_add(n.into());
        }
        state.newer.add(took, n);
        state.unseen = state.unseen.saturating_add(n);
        let seen = state.newer.count.saturating_add(state.older.count);
        // Often while there is little to go by, then often enough.
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
        ConfigError::unless("quantile_percent", self.quantile_percent.into(), 50..=99)?;
        ConfigError::unless("calls_min", self.calls_min.into(), 1..=1_000_000)?;
        ConfigError::unless_millis("delay_min_ms", self.delay_min, 0..=DAY_MILLIS)?;
        let delay_min = u64::try_from(self.delay_min.as_millis()).unwrap_or(DAY_MILLIS);
        ConfigError::unless_millis("delay_max_ms", self.delay_max, delay_min..=DAY_MILLIS)?;
        ConfigError::unless_millis("length_ms", self.length, 1_000..=DAY_MILLIS)?;
        self.budget.check().map_err(|error| error.within("budget"))
    }
}

impl Config {
    /// After how long a call is hedged, if enough is known.
    fn delay(&self, state: &State) -> Option<Duration> {
        state.quantile.map(|quantile| quantile.min(self.delay_max).max(self.delay_min))
    }
}

/// After so many calls the quantile is computed anew: it costs a pass over the histogram, some 200 ns.
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

/// How many buckets a power of two has: a quantile is too long by at most a sixteenth.
const PARTS: u64 = 16;
/// Up to 2^32 µs, 71 minutes; what takes longer counts as that.
const BUCKETS: usize = 16 * 29;

/// How long calls took, in microseconds, with buckets that grow with the time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Histogram {
    counts: Vec<u32>,
    count: u64,
}

impl Histogram {
    fn new() -> Self {
        Self { counts: alloc::vec![0; BUCKETS], count: 0 }
    }

    fn bucket(took: Duration) -> usize {
        let micros = (nanos(took) / 1_000).min(u64::from(u32::MAX));
        if micros < PARTS {
            return micros as usize;
        }
        let power = u64::from(micros.ilog2()) - 4;
        ((power + 1) * PARTS + (micros >> power) - PARTS) as usize
    }

    /// The first time that is no longer in the bucket.
    fn end(bucket: usize) -> Duration {
        let bucket = bucket as u64;
        if bucket < PARTS {
            return Duration::from_micros(bucket + 1);
        }
        let power = bucket / PARTS - 1;
        Duration::from_micros((bucket % PARTS + PARTS + 1) << power)
    }

    fn add(&mut self, took: Duration, n: u32) {
        if let Some(count) = self.counts.get_mut(Self::bucket(took)) {
            let before = *count;
            *count = count.saturating_add(n);
            self.count = self.count.saturating_add((*count - before).into());
        }
    }

    /// A time within which that share of all took, at most a sixteenth (and a microsecond) too long.
    fn quantile(halves: [&Self; 2], percent: u8) -> Option<Duration> {
        let all = u128::from(halves[0].count) + u128::from(halves[1].count);
        let rank = (all * u128::from(percent)).div_ceil(100);
        let mut seen = 0_u128;
        let buckets = halves[0].counts.iter().zip(&halves[1].counts).enumerate().take(BUCKETS);
        for (bucket, (newer, older)) in buckets {
            seen += u128::from(*newer) + u128::from(*older);
            if seen > 0 && seen >= rank {
                return Some(Self::end(bucket));
            }
        }
        None
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_rng::{Rng, steps};
    use proptest::prelude::*;

    fn config() -> Config {
        Config { calls_min: 10, ..Config::default() }
    }

    fn at(millis: u64) -> Input {
        Input::at(Time::from_millis(millis))
    }

    /// So many calls of that length, which end at that moment.
    fn seen(config: &Config, state: &mut State, end_ms: u64, took_ms: u64, calls: u32) {
        for _ in 0..calls {
            let ticket = config.ask(state, at(end_ms), Request::First).admitted().expect("always");
            let ticket = Ticket { begun: Time::from_millis(end_ms - took_ms), ..ticket };
            config.tell(state, at(end_ms), ticket, Outcome::Success, 1);
        }
    }

    fn second(begun_ms: u64) -> Request {
        Request::Second { begun: Time::from_millis(begun_ms), safety: Safety::Safe }
    }

    #[test]
    fn a_call_is_hedged_after_the_quantile_and_not_before_enough_were_seen() {
        let (config, mut state) = (config(), config().state());
        seen(&config, &mut state, 1_000, 20, 9);
        let unknown = Decision::Reject(Rejected { reason: Reason::HedgeUnknown, retry_at: None });
        assert_eq!(config.ask(&mut state, at(2_000), second(1_000)), unknown);
        seen(&config, &mut state, 2_000, 20, 91);
        let delay = config.snapshot(&state, at(1_000).now).delay.expect("known");
        assert!((20..=22).contains(&delay.as_millis()), "{delay:?}");
        let due = Time::from_millis(2_000) + delay;
        assert_eq!(config.ask(&mut state, at(2_001), second(2_000)), Decision::Wait { until: due });
        let ticket = config.ask(&mut state, Input::at(due), second(2_000)).admitted().expect("due");
        config.tell(&mut state, Input::at(due), ticket, Outcome::Success, 1);
        let snapshot = config.snapshot(&state, due);
        assert_eq!((snapshot.sent, snapshot.won, snapshot.budget.spent), (1, 1, 1));
    }

    #[test]
    fn hedges_stay_within_their_share_of_the_calls() {
        let (config, mut state) = (config(), config().state());
        seen(&config, &mut state, 1_000, 10, 100);
        let hedges =
            (0..100).filter(|_| config.ask(&mut state, at(1_500), second(1_000)).admitted().is_some());
        assert_eq!(hedges.count(), 5);
        let answer = config.ask(&mut state, at(1_500), second(1_000));
        assert!(
            matches!(answer, Decision::Reject(Rejected { reason: Reason::HedgeBudget, .. })),
            "{answer:?}"
        );
    }

    #[test]
    fn a_call_that_is_not_safe_is_not_hedged() {
        let (config, mut state) = (config(), config().state());
        seen(&config, &mut state, 1_000, 10, 100);
        let request = Request::Second { begun: Time::from_millis(1_000), safety: Safety::Unsafe };
        let answer = config.ask(&mut state, at(1_500), request);
        assert_eq!(answer, Decision::Reject(Rejected { reason: Reason::RetryUnsafe, retry_at: None }));
    }

    #[test]
    fn only_good_answers_say_how_long_a_call_takes() {
        let (config, mut state) = (config(), config().state());
        let ticket = Ticket { begun: Time::ZERO, is_second: false };
        for outcome in [Outcome::Failure, Outcome::Neutral, Outcome::Cancelled] {
            config.tell(&mut state, at(5_000), ticket, outcome, 1_000);
        }
        assert_eq!(config.snapshot(&state, at(5_000).now).delay, None);
        config.tell(&mut state, at(5_000), ticket, Outcome::Slow, 10);
        assert!(config.snapshot(&state, at(5_000).now).delay.is_some());
    }

    #[test]
    fn the_delay_keeps_to_its_bounds() {
        let config =
            Config { delay_min: Duration::from_millis(15), delay_max: Duration::from_millis(30), ..config() };
        for (took_ms, expected_ms) in [(1, 15), (20, 20), (500, 30)] {
            let mut state = config.state();
            seen(&config, &mut state, 1_000, took_ms, 100);
            let delay = config.snapshot(&state, at(1_000).now).delay.expect("known").as_millis();
            assert!((expected_ms..=expected_ms + 1).contains(&delay), "{took_ms}: {delay}");
        }
    }

    #[test]
    fn what_was_seen_is_forgotten_between_one_length_and_two() {
        let (config, mut state) = (config(), config().state());
        seen(&config, &mut state, 29_000, 500, 100);
        seen(&config, &mut state, 31_000, 10, 100);
        let delay =
            |state: &State, now: u64| config.snapshot(state, at(now).now).delay.expect("known").as_millis();
        assert!(delay(&state, 31_000) >= 500, "half of what is known took half a second");
        seen(&config, &mut state, 62_000, 10, 100);
        assert!(delay(&state, 62_000) < 12, "{}", delay(&state, 62_000));
        let year = 365 * 24 * 3_600 * 1_000;
        let unknown = Decision::Reject(Rejected { reason: Reason::HedgeUnknown, retry_at: None });
        assert_eq!(config.ask(&mut state, at(year), second(62_000)), unknown);
    }

    #[test]
    fn a_quantile_is_at_most_a_sixteenth_above_the_sorted_truth() {
        let mut rng = Rng(0x4157);
        for _ in 0..steps(200) {
            let scale = 1 << rng.below(32);
            let n = 1 + rng.below(2_000);
            let (mut halves, mut all) = ([Histogram::new(), Histogram::new()], Vec::new());
            for _ in 0..n {
                let micros = rng.below(scale);
                halves[rng.below(2) as usize].add(Duration::from_micros(micros), 1);
                all.push(micros);
            }
            all.sort_unstable();
            for percent in [50, 90, 95, 99] {
                let truth = all[(n as usize * percent as usize).div_ceil(100) - 1];
                let found = Histogram::quantile([&halves[0], &halves[1]], percent).expect("not empty");
                let found = found.as_micros() as u64;
                assert!(
                    found > truth && found <= truth + truth / 16 + 1,
                    "{percent} % of {n}: {found}, {truth}"
                );
            }
        }
    }

    #[test]
    fn every_time_has_a_bucket_and_the_buckets_follow_one_another() {
        assert_eq!(Histogram::bucket(Duration::MAX), BUCKETS - 1);
        for bucket in 1..BUCKETS {
            let begin = Histogram::end(bucket - 1);
            assert_eq!(Histogram::bucket(begin), bucket);
            assert_eq!(Histogram::bucket(begin - Duration::from_nanos(1)), bucket - 1);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

        #[test]
        fn no_configuration_and_no_sequence_panics(
            numbers in any::<(u8, u32, u32, u32)>(),
            spans in any::<[u64; 4]>(),
            steps in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 1..30),
        ) {
            let span = |n: usize| Duration::from_nanos(spans[n] >> (spans[n] % 64));
            let budget = budget::Config { percent: numbers.2, per_second_min: numbers.3, length: span(3) };
            let config = Config {
                quantile_percent: numbers.0,
                calls_min: numbers.1 >> (numbers.1 % 32),
                delay_min: span(0),
                delay_max: span(1),
                length: span(2),
                budget,
            };
            let mut state = config.state();
            for (now, begun, n) in steps {
                let input = Input::at(Time::from_nanos(now >> (begun % 64)));
                let begun = Time::from_nanos(begun >> (now % 64));
                if let Decision::Admit(ticket) = config.ask(&mut state, input, Request::First) {
                    config.tell(&mut state, input, Ticket { begun, ..ticket }, Outcome::Success, n >> (n % 32));
                }
                let _ = config.ask(&mut state, input, Request::Second { begun, safety: Safety::Safe });
                let _ = config.snapshot(&state, input.now);
            }
        }
    }
}
