//! Token bucket: a rate over the long run, with a burst.
//!
//! As the generic cell rate algorithm (ITU-T I.371): instead of counting tokens, it remembers the one moment when
//! the bucket will be full again. So its whole state is one word of 64 bits, that a program can keep in an atomic.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::rate::{Request, token_bucket::Config};
//! use mainstay_resilience::{Decide, Input, Time};
//!
//! let config = Config::new().tokens(2).per(Duration::from_secs(1)).burst(4);
//! let mut state = config.state();
//! let granted = (0..10_000).filter(|millis| {
//!     let input = Input::at(Time::from_millis(*millis));
//!     config.ask(&mut state, input, Request::default()).admitted().is_some()
//! });
//! // Asked every millisecond of ten seconds: the burst, and two a second.
//! assert_eq!(granted.count(), 4 + 19);
//! ```

use super::{Change, Request, Ticket, later};
use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS, Decide, Decision, Input, Outcome, Recorded, Time, nanos};
use core::time::Duration;

config! {
    /// How fast the bucket fills, and how much it holds.
    ///
    /// Tokens come back one at a time, each [`interval`](Config::interval) after the one before. The interval is a
    /// whole number of nanoseconds, rounded up: at a million tokens a second the rate may be up to a thousandth too
    /// low, at a thousand a second a millionth, and it is never too high. A burst of 10 at 5 a second is granted at
    /// once, and then one token every 200 ms.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input, Time, rate};
    ///
    /// let config = rate::token_bucket::Config::new().tokens(5).per(Duration::from_secs(1)).burst(10);
    /// let mut state = config.state();
    /// let now = Input::at(Time::ZERO);
    /// assert!(config.ask(&mut state, now, rate::Request { tokens: 10 }).admitted().is_some());
    /// let retry_at = Some(Time::from_millis(200));
    /// assert_eq!(
    ///     config.ask(&mut state, now, rate::Request { tokens: 1 }),
    ///     Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at }),
    /// );
    /// ```
    pub struct Config {
        /// So many tokens come back in each `per`. From 1 to 10,000,000, and no more than that a second; 100. With 0
        /// nothing is ever granted.
        pub tokens: u32 = 100,
        /// From 1 ms to a day; 1 s.
        #[cfg_attr(feature = "serde", serde(rename = "per_ms", with = "crate::contract::millis"))]
        pub per: Duration = Duration::from_secs(1),
        /// How many may be granted at once after a calm time. More than this is never granted in one request. From 1
        /// to 10,000,000; 100.
        pub burst: u32 = 100,
        /// Where the tokens come back within this time, the answer is to wait. From 0 to a day; 0.
        #[cfg_attr(feature = "serde", serde(rename = "wait_max_ms", with = "crate::contract::millis"))]
        pub wait_max: Duration = Duration::ZERO,
    }
}

/// What a bucket remembers: the moment when it will be full again, if nothing more is granted.
///
/// ```
/// use mainstay_resilience::{Decide, Input, rate};
///
/// // In one atomic word: load, ask, and compare-and-swap what was asked against what was loaded.
/// let config = rate::token_bucket::Config::default();
/// let word = core::sync::atomic::AtomicU64::new(config.state().to_bits());
/// let mut state = rate::token_bucket::State::from_bits(word.load(core::sync::atomic::Ordering::Relaxed));
/// let answer = config.ask(&mut state, Input::default(), rate::Request::default());
/// assert!(answer.admitted().is_some());
/// word.store(state.to_bits(), core::sync::atomic::Ordering::Relaxed);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct State {
    /// The theoretical arrival time of the recommendation.
    full_at: Time,
}

impl State {
    /// The state out of its one word. Any word is a state; 0 is a full bucket.
    ///
    /// ```
    /// # use mainstay_resilience::rate::token_bucket::State;
    /// assert_eq!(State::from_bits(0), State::default());
    /// ```
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self { full_at: Time::from_nanos(bits) }
    }

    /// The state as one word.
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

/// A bucket for display.
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
    /// How many tokens would be granted at once.
    pub available: u32,
    /// When it will be full again, if it is not.
    pub full_at: Option<Time>,
}

impl Config {
    /// How far tokens are apart that come back, in whole nanoseconds: at least one.
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

    fn interval_nanos(&self) -> u64 {
        // Rounded up once, here, and not with each request: or a burst that is asked for one by one would come to
        // more than the bucket holds.
        nanos(self.per).div_ceil(u64::from(self.tokens.max(1))).max(1)
    }

    fn span(&self, tokens: u32) -> u128 {
        u128::from(self.interval_nanos()) * u128::from(tokens)
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

    /// A clock that runs backwards makes tokens come back later, never sooner.
    fn ask(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        let tokens = request.tokens;
        if tokens > self.burst || self.tokens == 0 {
            return later(input.now, None, self.wait_max);
        }
        let full_at = u128::from(state.full_at.max(input.now).as_nanos()) + self.span(tokens);
        // A moment past the end of time could not be written down: nothing is granted that could not be counted.
        let Ok(full_at) = u64::try_from(full_at) else { return later(input.now, None, self.wait_max) };
        let ready = u128::from(full_at).saturating_sub(self.span(self.burst));
        if ready <= u128::from(input.now.as_nanos()) {
            state.full_at = Time::from_nanos(full_at);
            return Decision::Admit(Ticket { tokens });
        }
        let ready = u64::try_from(ready).map_or(Time::FAR, Time::from_nanos);
        later(input.now, Some(ready), self.wait_max)
    }

    fn tell(&self, _: &mut State, _: Input, _: Ticket, _: Outcome, _: u32) -> Recorded<Change> {
        Recorded::Counted
    }

    fn snapshot(&self, state: &State, now: Time) -> Snapshot {
        let owed = nanos(state.full_at.since(now));
        let available = self.span(self.burst).saturating_sub(owed.into()) / u128::from(self.interval_nanos());
        let available = if self.tokens == 0 { 0 } else { u32::try_from(available).unwrap_or(self.burst) };
        Snapshot { available, full_at: (owed > 0).then_some(state.full_at) }
    }

    fn check(&self) -> Result<(), ConfigError> {
        super::check_rate(self.tokens, self.per)?;
        ConfigError::unless("burst", self.burst.into(), 1..=super::PERMITS_MAX)?;
        ConfigError::unless_millis("wait_max_ms", self.wait_max, 0..=DAY_MILLIS)
    }
}
