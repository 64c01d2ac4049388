//! The state of a token bucket, and its decisions.

use super::Config;
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Recorded, Time, nanos};
use crate::rate::{Change, Request, Ticket, later};
use core::time::Duration;

/// The state of a bucket: the moment at which it is full again if nothing more is granted.
///
/// ```
/// use core::sync::atomic::{AtomicU64, Ordering};
/// use mainstay_resilience::{Decide, Input, rate};
///
/// let config = rate::token_bucket::Config::new();
/// let word = AtomicU64::new(config.state().to_bits());
/// // Load, decide, and store the new state unless another thread was faster.
/// let granted = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bits| {
///     let mut state = rate::token_bucket::State::from_bits(bits);
///     let decision = config.ask(&mut state, Input::default(), rate::Request::default());
///     decision.admitted().map(|_| state.to_bits())
/// });
/// assert!(granted.is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct State {
    /// The theoretical arrival time of I.371.
    full_at: Time,
}

impl State {
    /// Creates a state from its 64-bit word. Every word is a valid state; 0 is a full bucket.
    ///
    /// ```
    /// # use mainstay_resilience::rate::token_bucket::State;
    /// assert_eq!(State::from_bits(0), State::default());
    /// ```
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { full_at: Time::from_nanos(bits) }
    }

    /// The state as a 64-bit word.
    ///
    /// ```
    /// # use mainstay_resilience::rate::token_bucket::State;
    /// assert_eq!(State::from_bits(7).to_bits(), 7);
    /// ```
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.full_at.as_nanos()
    }
}

/// A snapshot of a bucket for display and metrics.
///
/// ```
/// use mainstay_resilience::rate::{Request, token_bucket::Config};
/// use mainstay_resilience::{Decide, Input, Time};
///
/// let config = Config::new().tokens(10).burst(10);
/// let mut state = config.state();
/// let _ = config.ask(&mut state, Input::default(), Request { tokens: 4 });
/// let seen = config.snapshot(&state, Time::ZERO);
/// assert_eq!((seen.available, seen.full_at), (6, Some(Time::from_millis(400))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The number of tokens that could be granted at once.
    pub available: u32,
    /// When the bucket is full again, if it is not full now.
    pub full_at: Option<Time>,
}

impl Config {
    /// The time between two returning tokens, in whole nanoseconds; at least one.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::rate::token_bucket::Config;
    ///
    /// let config = Config::new().tokens(3).per(Duration::from_secs(1));
    /// assert_eq!(config.interval(), Duration::from_nanos(333_333_334));
    /// ```
    #[must_use]
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval_nanos())
    }

    /// Takes tokens for something that has happened already, whose cost was not known before it did, such as the bytes
    /// of a response. It is never refused: a bucket that has too few tokens is then in debt, and grants nothing until as
    /// many have returned. More than `burst` may be taken at once.
    ///
    /// ```
    /// use mainstay_resilience::rate::{Request, token_bucket::Config};
    /// use mainstay_resilience::{Decide, Input, Time};
    ///
    /// let config = Config::new().tokens(10).burst(10);
    /// let mut state = config.state();
    /// config.spend(&mut state, Time::ZERO, 30);
    /// let mut granted = |millis| {
    ///     config.ask(&mut state, Input::at(Time::from_millis(millis)), Request::default()).admitted().is_some()
    /// };
    /// assert!(!granted(2_000));
    /// assert!(granted(2_100), "the debt of 20 is paid after 2 s, and one token returned after that");
    /// ```
    pub fn spend(&self, state: &mut State, now: Time, tokens: u32) {
        let cost = self.interval_nanos().saturating_mul(u64::from(tokens));
        state.full_at = Time::from_nanos(state.full_at.max(now).as_nanos().saturating_add(cost));
    }

    fn interval_nanos(&self) -> u64 {
        // Rounded up here, once, rather than for each request. Otherwise a burst requested one token at a time
        // could exceed the capacity.
        nanos(self.per).div_ceil(u64::from(self.tokens.max(1))).max(1)
    }
}

/// What a configuration means, worked out once: a decision then needs no division.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rule {
    /// Nanoseconds between two returning tokens.
    interval: u64,
    /// Nanoseconds in which an empty bucket fills. A bucket that would take longer than the end of time is
    /// always full enough.
    fills_in: u64,
    /// The most tokens that one request can get. `None` if nothing is ever granted.
    most: Option<u32>,
    wait_max: Duration,
}

impl Rule {
    #[inline]
    pub(crate) fn new(config: &Config) -> Self {
        let interval = config.interval_nanos();
        let most = (config.tokens > 0).then_some(config.burst);
        let fills_in = interval.saturating_mul(u64::from(config.burst));
        Self { interval, fills_in, most, wait_max: config.wait_max }
    }

    /// A clock that steps back delays the return of tokens; it never hastens it.
    #[inline]
    pub(crate) fn ask(&self, state: &mut State, now: Time, tokens: u32) -> Decision<Ticket> {
        let can_grant = self.most.is_some_and(|most| tokens <= most);
        let asked = if can_grant { self.interval.checked_mul(u64::from(tokens)) } else { None };
        let full_at = asked.and_then(|asked| state.full_at.max(now).as_nanos().checked_add(asked));
        // Past the end of time the state could not record the grant, so nothing is granted.
        let Some(full_at) = full_at else { return later(now, None, self.wait_max) };
        let ready = Time::from_nanos(full_at.saturating_sub(self.fills_in));
        if ready > now {
            return later(now, Some(ready), self.wait_max);
        }
        state.full_at = Time::from_nanos(full_at);
        Decision::Admit(Ticket { tokens })
    }
}

impl Decide for Config {
    type State = State;
    type Request = Request;
    type Ticket = Ticket;
    type Change = Change;
    type Snapshot = Snapshot;

    fn state(&self) -> State {
        State::default()
    }

    #[inline]
    fn ask(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        Rule::new(self).ask(state, input.now, request.tokens)
    }

    fn tell(&self, _: &mut State, _: Input, _: Ticket, _: Outcome, _: u32) -> Recorded<Change> {
        Recorded::Counted
    }

    fn snapshot(&self, state: &State, now: Time) -> Snapshot {
        let owed = nanos(state.full_at.since(now));
        let interval = u128::from(self.interval_nanos());
        let available = (interval * u128::from(self.burst)).saturating_sub(owed.into()) / interval;
        let available = if self.tokens == 0 { 0 } else { u32::try_from(available).unwrap_or(self.burst) };
        Snapshot { available, full_at: (owed > 0).then_some(state.full_at) }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.validate()
    }
}
