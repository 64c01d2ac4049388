//! The words that every policy shares: time, outcomes, answers, and the one shape, [`Decide`].
//!
//! ```
//! use mainstay_resilience::{Answer, Decide, Input, Time, rate};
//!
//! /// Any policy can be asked in the same way.
//! fn admits<D: Decide>(policy: &D, state: &mut D::State, request: D::Request) -> bool {
//!     matches!(policy.ask(state, Input::at(Time::ZERO), request), Answer::Admit(_))
//! }
//! let limit = rate::bucket::Config { burst: 1, ..Default::default() };
//! let mut state = limit.state();
//! assert!(admits(&limit, &mut state, rate::Request::default()));
//! assert!(!admits(&limit, &mut state, rate::Request::default()));
//! ```

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// A moment: nanoseconds since an origin that the caller chose, and keeps to.
///
/// It should only run forward; a moment before one that a state has already seen counts as that one.
/// Sums and differences stop at their ends instead of wrapping: [`Time::FAR`] is 584 years away.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::Time;
///
/// let begun = Time::from_millis(1_000);
/// let now = begun + Duration::from_millis(250);
/// assert_eq!(now.since(begun), Duration::from_millis(250));
/// assert_eq!(begun.since(now), Duration::ZERO);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct Time(u64);

impl Time {
    /// The origin.
    ///
    /// ```
    /// # use mainstay_resilience::Time;
    /// assert_eq!(Time::default(), Time::ZERO);
    /// assert_eq!(Time::ZERO.as_nanos(), 0);
    /// ```
    pub const ZERO: Self = Self(0);
    /// Later than any other: "never".
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// assert_eq!(Time::FAR + Duration::from_secs(1), Time::FAR);
    /// assert!(Time::FAR > Time::from_millis(u64::MAX / 1_000_000_000));
    /// ```
    pub const FAR: Self = Self(u64::MAX);

    /// So many nanoseconds after the origin.
    ///
    /// ```
    /// # use mainstay_resilience::Time;
    /// assert_eq!(Time::from_nanos(1_500_000).as_nanos(), 1_500_000);
    /// assert_eq!(Time::from_nanos(0), Time::ZERO);
    /// ```
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// So many milliseconds after the origin; at most [`Time::FAR`].
    ///
    /// ```
    /// # use mainstay_resilience::Time;
    /// assert_eq!(Time::from_millis(2), Time::from_nanos(2_000_000));
    /// assert_eq!(Time::from_millis(u64::MAX), Time::FAR);
    /// ```
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    ///
    /// ```
    /// # use mainstay_resilience::Time;
    /// // To keep a moment in an atomic word, say, and read it again.
    /// let word = Time::from_millis(3).as_nanos();
    /// assert_eq!(Time::from_nanos(word), Time::from_millis(3));
    /// ```
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment; zero if that one is later.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::Time;
    /// let (early, late) = (Time::from_millis(10), Time::from_millis(25));
    /// assert_eq!(late.since(early), Duration::from_millis(15));
    /// assert_eq!(early.since(late), Duration::ZERO, "a clock that goes back takes nothing away");
    /// ```
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl core::ops::Add<Duration> for Time {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(nanos(span)))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::FAR {
            f.write_str("never")
        } else {
            write!(f, "{:?}", Duration::from_nanos(self.0))
        }
    }
}

/// Milliseconds of a day: the longest span that a configuration may name.
pub(crate) const DAY_MILLIS: u64 = 86_400_000;

/// A span as nanoseconds, at most [`u64::MAX`] of them.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// So many hundredths of a number, rounded down, without overflow.
pub(crate) fn percent_of(number: u64, percent: u64) -> u64 {
    u64::try_from(u128::from(number) * u128::from(percent) / 100).unwrap_or(u64::MAX)
}

/// A number from 0 to `bound - 1` out of a random one, each about as likely; 0 for a bound of 0.
pub(crate) fn below(random: u64, bound: u64) -> u64 {
    // Multiply and shift (Lemire, "Fast random integer generation in an interval", 2019) without its
    // rejection: the bias is below bound / 2^64.
    ((u128::from(random) * u128::from(bound)) >> 64) as u64
}

/// What a decision may know of the world.
///
/// ```
/// use mainstay_resilience::{Input, Time};
///
/// // A test, a simulation or a replicated state machine passes in what it likes.
/// let input = Input { now: Time::from_millis(5), random: 42 };
/// assert_eq!(input.now, Time::from_millis(5));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// The present moment.
    pub now: Time,
    /// Evenly distributed over all of `u64`, new for each question. Only jitter and chance depend on it.
    pub random: u64,
}

impl Input {
    /// A moment, with no chance in it.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time};
    /// let now = Time::from_millis(7);
    /// assert_eq!(Input::at(now), Input { now, random: 0 });
    /// ```
    #[must_use]
    pub const fn at(now: Time) -> Self {
        Self { now, random: 0 }
    }
}

/// What came of a call, in the caller's judgement: a 404 may well be a success of the service.
///
/// ```
/// use mainstay_resilience::Outcome;
///
/// /// What this caller makes of a status.
/// fn judge(status: u16) -> Outcome {
///     match status {
///         500..=599 => Outcome::Failure,
///         400 => Outcome::Neutral,
///         _ => Outcome::Success,
///     }
/// }
/// assert_eq!(judge(404), Outcome::Success, "it did answer: there is no such thing");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Outcome {
    /// The dependency did its work.
    Success,
    /// It did, but took too long.
    Slow,
    /// It did not.
    Failure,
    /// The call says nothing about the dependency (a bad request of ours, a refusal by one of these policies).
    Neutral,
    /// The caller gave up or vanished before there was an answer.
    Cancelled,
}

/// The answer to a question.
///
/// ```
/// use mainstay_resilience::{Answer, By, Time};
///
/// /// What a caller does with each of the three.
/// fn advice(answer: Answer<u8>) -> &'static str {
///     match answer {
///         Answer::Admit(_) => "call",
///         Answer::Wait { .. } => "sleep, then ask again",
///         Answer::Deny { .. } => "answer at once",
///     }
/// }
/// assert_eq!(advice(Answer::Wait { until: Time::from_millis(5) }), "sleep, then ask again");
/// assert_eq!(advice(Answer::Deny { by: By::BreakerOpen, retry_at: None }), "answer at once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an admitted call's ticket must come back through `tell`"]
pub enum Answer<T> {
    /// Go ahead; bring the ticket back with what came of it.
    Admit(T),
    /// Not yet: ask again at that moment, or as soon as anything was told.
    Wait {
        /// Asking before has the same answer, unless something was told meanwhile.
        until: Time,
    },
    /// No.
    Deny {
        /// Which policy, and why.
        by: By,
        /// The first moment when asking again may help, if that can be known.
        retry_at: Option<Time>,
    },
}

impl<T> Answer<T> {
    /// The ticket, if there is one.
    ///
    /// ```
    /// # use mainstay_resilience::{Answer, By};
    /// assert_eq!(Answer::Admit(7).admitted(), Some(7));
    /// let no: Answer<u32> = Answer::Deny { by: By::RateLimit, retry_at: None };
    /// assert_eq!(no.admitted(), None);
    /// ```
    #[must_use]
    pub fn admitted(self) -> Option<T> {
        match self {
            Self::Admit(ticket) => Some(ticket),
            Self::Wait { .. } | Self::Deny { .. } => None,
        }
    }
}

/// Which policy said no, and why.
///
/// ```
/// use mainstay_resilience::By;
///
/// assert_eq!(By::RetryBudget.to_string(), "the retry budget is spent");
/// assert_eq!((By::RetryBudget.policy(), By::RetryBudget.code()), ("retry", "retry_budget"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum By {
    /// The breaker is open.
    BreakerOpen,
    /// The breaker is half-open, and all of its probes are under way.
    BreakerProbing,
    /// The breaker has closed, and the dependency's traffic is still growing back.
    BreakerRamp,
    /// Somebody holds the breaker open.
    BreakerForced,
    /// No permit is free and the line is full (or there is none).
    BulkheadFull,
    /// The place in line was held for as long as it may be.
    BulkheadWait,
    /// Too many requests for the configured rate.
    RateLimit,
    /// Load is shed, and this request is among the less important ones.
    Shed,
    /// There were as many attempts as there may be.
    RetryAttempts,
    /// The attempts have taken as long as they may.
    RetryElapsed,
    /// Retries are already as large a share of the calls as they may be.
    RetryBudget,
    /// The call is not known to be safe to repeat.
    RetryUnsafe,
    /// Too few calls were seen to know what is slow.
    HedgeUnknown,
    /// Hedges are already as large a share of the calls as they may be.
    HedgeBudget,
    /// The host was ejected.
    Outlier,
    /// The caller's deadline has passed.
    Deadline,
}

impl By {
    /// The reason, as a stable word for logs, metrics and clients.
    ///
    /// ```
    /// # use mainstay_resilience::By;
    /// assert_eq!(By::BreakerOpen.code(), "breaker_open");
    /// ```
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BreakerOpen => "breaker_open",
            Self::BreakerProbing => "breaker_probing",
            Self::BreakerRamp => "breaker_ramp",
            Self::BreakerForced => "breaker_forced",
            Self::BulkheadFull => "bulkhead_full",
            Self::BulkheadWait => "bulkhead_wait",
            Self::RateLimit => "rate_limit",
            Self::Shed => "shed",
            Self::RetryAttempts => "retry_attempts",
            Self::RetryElapsed => "retry_elapsed",
            Self::RetryBudget => "retry_budget",
            Self::RetryUnsafe => "retry_unsafe",
            Self::HedgeUnknown => "hedge_unknown",
            Self::HedgeBudget => "hedge_budget",
            Self::Outlier => "outlier",
            Self::Deadline => "deadline",
        }
    }

    /// The policy, as a stable word.
    ///
    /// ```
    /// # use mainstay_resilience::By;
    /// assert_eq!(By::BreakerProbing.policy(), "breaker");
    /// ```
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Self::BreakerOpen | Self::BreakerProbing | Self::BreakerRamp | Self::BreakerForced => "breaker",
            Self::BulkheadFull | Self::BulkheadWait => "bulkhead",
            Self::RateLimit => "rate_limit",
            Self::Shed => "shed",
            Self::RetryAttempts | Self::RetryElapsed | Self::RetryBudget | Self::RetryUnsafe => "retry",
            Self::HedgeUnknown | Self::HedgeBudget => "hedge",
            Self::Outlier => "outlier",
            Self::Deadline => "deadline",
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BreakerOpen => "the circuit breaker is open",
            Self::BreakerProbing => "the circuit breaker is half-open and its probes are under way",
            Self::BreakerRamp => {
                "the circuit breaker has just closed and lets only a part of the calls through"
            }
            Self::BreakerForced => "the circuit breaker is held open",
            Self::BulkheadFull => "overloaded: no permit is free and the line is full",
            Self::BulkheadWait => "overloaded: no permit came free in time",
            Self::RateLimit => "the rate limit is reached",
            Self::Shed => "overloaded: requests of this priority are shed",
            Self::RetryAttempts => "there were as many attempts as there may be",
            Self::RetryElapsed => "the attempts have taken as long as they may",
            Self::RetryBudget => "the retry budget is spent",
            Self::RetryUnsafe => "the call is not known to be safe to repeat",
            Self::HedgeUnknown => "too few calls were seen to hedge one",
            Self::HedgeBudget => "the hedge budget is spent",
            Self::Outlier => "the host is ejected",
            Self::Deadline => "the deadline has passed",
        })
    }
}

/// What became of what was told.
///
/// ```
/// use mainstay_resilience::breaker::{Circuit, Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Told};
///
/// let config = Config { consecutive_failures: Some(1), ..Config::default() };
/// let (mut state, input) = (config.state(), Input::default());
/// let ticket = config.ask(&mut state, input, Request::default()).admitted().unwrap();
/// let told = config.tell(&mut state, input, ticket, Outcome::Failure, 1);
/// assert!(matches!(told, Told::Changed(change) if change.to == Circuit::Open));
/// // The ticket is from before the trip.
/// assert_eq!(config.tell(&mut state, input, ticket, Outcome::Success, 1), Told::Stale);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<C> {
    /// It was taken into account.
    Counted,
    /// The ticket is from before the last change, or was told already: nothing was disturbed.
    Stale,
    /// It was, and it changed the policy's mind.
    Changed(C),
}

/// The one shape of a policy: the implementing type is its configuration.
///
/// Neither question fails, panics or blocks, whatever the configuration, the state or the input; a
/// configuration that passes [`check`](Decide::check) also makes sense.
///
/// ```
/// use mainstay_resilience::{Answer, Decide, Input, Outcome, Time, Told, breaker};
///
/// let config = breaker::Config::default();
/// let mut state = config.state();
/// let input = Input { now: Time::from_millis(1), random: 0 };
/// let Answer::Admit(ticket) = config.ask(&mut state, input, breaker::Request::default()) else {
///     unreachable!("a new breaker is closed")
/// };
/// assert_eq!(config.tell(&mut state, input, ticket, Outcome::Success, 1), Told::Counted);
/// ```
pub trait Decide {
    /// What is remembered between questions; bounded by the configuration.
    type State;
    /// What is asked for.
    type Request;
    /// What comes back with the outcome.
    type Ticket;
    /// What can change by being told.
    type Change;
    /// The state, for display.
    type Snapshot;

    /// The state before the first question.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Time, bulkhead};
    ///
    /// let config = bulkhead::Config::default();
    /// assert_eq!(config.snapshot(&config.state(), Time::ZERO).in_use, 0);
    /// ```
    fn state(&self) -> Self::State;

    /// May this go ahead? An answer other than [`Answer::Admit`] leaves nothing to be told.
    ///
    /// ```
    /// use mainstay_resilience::{Answer, By, Decide, Input, Time, bulkhead};
    ///
    /// let limit = bulkhead::Limit::Fixed(1);
    /// let config = bulkhead::Config { limit, line_max: 0, ..Default::default() };
    /// let (mut state, input) = (config.state(), Input::at(Time::ZERO));
    /// let caller = |caller| bulkhead::Request { caller, ..Default::default() };
    /// assert!(matches!(config.ask(&mut state, input, caller(1)), Answer::Admit(_)));
    /// let full = Answer::Deny { by: By::BulkheadFull, retry_at: None };
    /// assert_eq!(config.ask(&mut state, input, caller(2)), full);
    /// ```
    fn ask(&self, state: &mut Self::State, input: Input, request: Self::Request) -> Answer<Self::Ticket>;

    /// What came of it: `n` outcomes of one kind, from tickets that were given out alike.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Input, Outcome, Told, breaker};
    ///
    /// let config = breaker::Config::default();
    /// let (mut state, input) = (config.state(), Input::default());
    /// let ticket = config.ask(&mut state, input, breaker::Request::default()).admitted().unwrap();
    /// // 40 calls that were admitted alike and went alike can be told at once.
    /// assert_eq!(config.tell(&mut state, input, ticket, Outcome::Success, 40), Told::Counted);
    /// assert_eq!(config.snapshot(&state, input.now).window.calls, 40);
    /// ```
    fn tell(
        &self,
        state: &mut Self::State,
        input: Input,
        ticket: Self::Ticket,
        outcome: Outcome,
        n: u32,
    ) -> Told<Self::Change>;

    /// The state as it is at that moment, for people and metrics; changes nothing.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Input, Time, rate};
    ///
    /// let config = rate::bucket::Config { permits: 1, burst: 2, ..Default::default() };
    /// let mut state = config.state();
    /// let _ = config.ask(&mut state, Input::at(Time::ZERO), rate::Request::default());
    /// assert_eq!(config.snapshot(&state, Time::ZERO).available, 1);
    /// assert_eq!(config.snapshot(&state, Time::from_millis(1_000)).available, 2);
    /// ```
    fn snapshot(&self, state: &Self::State, now: Time) -> Self::Snapshot;

    /// Does the configuration make sense?
    ///
    /// ```
    /// use mainstay_resilience::{Decide, hedge};
    ///
    /// let config = hedge::Config { quantile_percent: 100, ..hedge::Config::default() };
    /// assert_eq!(config.check().unwrap_err().field, "quantile_percent");
    /// ```
    ///
    /// # Errors
    /// The first field that does not, and why.
    fn check(&self) -> Result<(), Invalid>;
}

/// A configuration's field that makes no sense.
///
/// ```
/// use mainstay_resilience::{Decide, breaker};
///
/// let config = breaker::Config { probes: 0, ..breaker::Config::default() };
/// let invalid = config.check().unwrap_err();
/// assert_eq!(invalid.to_string(), "`probes` must be from 1 to 1000, and is 0");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The field, from the outermost: `breaker.probes`.
    pub field: Cow<'static, str>,
    /// What it must be, and what it is.
    pub problem: String,
}

impl Invalid {
    /// A field's problem.
    ///
    /// ```
    /// # use mainstay_resilience::Invalid;
    /// let invalid = Invalid::new("url", "must begin with https://");
    /// assert_eq!(invalid.to_string(), "`url` must begin with https://");
    /// ```
    #[must_use]
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self { field: Cow::Borrowed(field), problem: problem.into() }
    }

    /// The same, one level further in.
    ///
    /// ```
    /// # use mainstay_resilience::Invalid;
    /// let invalid = Invalid::new("permits", "must not be 0").within("bucket").within("rate_limit");
    /// assert_eq!(invalid.field, "rate_limit.bucket.permits");
    /// ```
    #[must_use]
    pub fn within(self, outer: &str) -> Self {
        Self { field: Cow::Owned(alloc::format!("{outer}.{}", self.field)), ..self }
    }

    /// A number must lie in a range.
    pub(crate) fn unless(
        field: &'static str,
        is: u64,
        range: core::ops::RangeInclusive<u64>,
    ) -> Result<(), Self> {
        if range.contains(&is) {
            return Ok(());
        }
        Err(Self::new(
            field,
            alloc::format!("must be from {} to {}, and is {is}", range.start(), range.end()),
        ))
    }

    /// A span must lie in a range of milliseconds.
    pub(crate) fn unless_millis(
        field: &'static str,
        is: Duration,
        range: core::ops::RangeInclusive<u64>,
    ) -> Result<(), Self> {
        let inside = Duration::from_millis(*range.start())..=Duration::from_millis(*range.end());
        if inside.contains(&is) {
            return Ok(());
        }
        let (least, most) = range.into_inner();
        Err(Self::new(field, alloc::format!("must be from {least} to {most} ms, and is {is:?}")))
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.field, self.problem)
    }
}

impl core::error::Error for Invalid {}

/// Spans as whole milliseconds, for a field that says so in its written name.
#[cfg(feature = "serde")]
pub(crate) mod millis {
    use core::time::Duration;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(span: &Duration, to: S) -> Result<S::Ok, S::Error> {
        u64::try_from(span.as_millis()).unwrap_or(u64::MAX).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}

/// The same for a span that may be missing.
#[cfg(feature = "serde")]
pub(crate) mod millis_or_none {
    use core::time::Duration;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde passes the field as it is")]
    pub(crate) fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX)).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_moment_is_shown_as_what_has_passed_since_the_origin() {
        assert_eq!(alloc::format!("{:?} {:?}", Time::from_millis(1_500), Time::FAR), "1.5s never");
    }

    #[test]
    fn each_reason_has_a_code_that_begins_with_its_policy_and_words_of_its_own() {
        let all = [
            By::BreakerOpen,
            By::BreakerProbing,
            By::BreakerRamp,
            By::BreakerForced,
            By::BulkheadFull,
            By::BulkheadWait,
            By::RateLimit,
            By::Shed,
            By::RetryAttempts,
            By::RetryElapsed,
            By::RetryBudget,
            By::RetryUnsafe,
            By::HedgeUnknown,
            By::HedgeBudget,
            By::Outlier,
            By::Deadline,
        ];
        let mut said: Vec<String> = Vec::new();
        for by in all {
            assert!(by.code().starts_with(by.policy()) && !by.policy().is_empty(), "{by:?}");
            said.extend([by.code().to_string(), by.to_string()]);
        }
        let lines = said.len();
        said.sort();
        said.dedup();
        assert_eq!(said.len(), lines, "each is said once");
        assert_eq!(By::BulkheadFull.to_string(), "overloaded: no permit is free and the line is full");
    }

    #[test]
    fn a_problem_names_the_field_from_the_outermost() {
        let invalid = Invalid::new("probes", "is wrong").within("breaker");
        assert_eq!(invalid.to_string(), "`breaker.probes` is wrong");
    }

    #[test]
    fn numbers_at_their_ends_are_kept() {
        assert_eq!(percent_of(u64::MAX, 1_000), u64::MAX);
        assert_eq!((percent_of(250, 10), percent_of(99, 1)), (25, 0));
        assert_eq!(nanos(Duration::MAX), u64::MAX);
        assert_eq!((below(u64::MAX, 10), below(0, 10), below(u64::MAX, 0)), (9, 0, 0));
        assert_eq!(Time::from_nanos(5) + Duration::MAX, Time::FAR);
    }
}
