//! Sliding window: never more than so many tokens in any span of time.
//!
//! Tokens that were granted close together are counted together, in a bucket, and come back together: `per`
//! after the *last* of them. So the window errs on one side only. A token comes back at least `per` after it was
//! granted, and less than `per + per / buckets` after it.
//!
//! ```
//! use mainstay_resilience::rate::{Request, sliding_window::Config};
//! use mainstay_resilience::{Decide, Input, Time};
//!
//! let config = Config::new().tokens(5);
//! let mut state = config.state();
//! let granted = (0..1_000).filter(|millis| {
//!     let input = Input::at(Time::from_millis(*millis));
//!     config.ask(&mut state, input, Request::default()).admitted().is_some()
//! });
//! assert_eq!(granted.count(), 5, "in a second, however often it is asked");
//! ```

use super::{Change, Request, Ticket, later};
use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS, Decide, Decision, Input, Outcome, Recorded, Time, nanos};
use alloc::collections::VecDeque;
use core::time::Duration;

config! {
    /// How many tokens in which span.
    ///
    /// In any half-open span of the length `per`, wherever it begins, at most `tokens` are granted: there is no edge
    /// at which twice as many could pass, as there is with windows that begin anew.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input, Time, rate};
    ///
    /// let config = rate::sliding_window::Config::new().tokens(2).per(Duration::from_secs(1));
    /// let mut state = config.state();
    /// let mut ask =
    ///     |at: u64| config.ask(&mut state, Input::at(Time::from_millis(at)), rate::Request::default());
    /// assert!(ask(900).admitted().is_some());
    /// assert!(ask(999).admitted().is_some());
    /// let retry_at = Some(Time::from_millis(1_999));
    /// assert_eq!(ask(1_000), Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at }));
    /// assert!(ask(1_999).admitted().is_some());
    /// ```
    pub struct Config {
        /// At most so many in any `per`. From 1 to 10,000,000; 100. With 0 nothing is ever granted.
        pub tokens: u32 = 100,
        /// From 1 ms to a day; 1 s.
        #[cfg_attr(feature = "serde", serde(rename = "per_ms", with = "crate::contract::millis"))]
        pub per: Duration = Duration::from_secs(1),
        /// In how many parts the span is counted: the more, the sooner tokens come back, and the larger the state
        /// (24 bytes each). From 1 to 1,000; 10.
        pub buckets: u32 = 10,
        /// Where the tokens come back within this time, the answer is to wait. From 0 to a day; 0.
        #[cfg_attr(feature = "serde", serde(rename = "wait_max_ms", with = "crate::contract::millis"))]
        pub wait_max: Duration = Duration::ZERO,
    }
}

/// Tokens that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Bucket {
    first: Time,
    last: Time,
    tokens: u64,
}

/// What a window remembers: at most `buckets + 2` buckets, what is left of an earlier configuration's aside.
///
/// ```
/// use mainstay_resilience::{Decide, rate};
///
/// let config = rate::sliding_window::Config::default();
/// assert_eq!(config.state(), rate::sliding_window::State::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    /// The latest moment seen.
    clock: Time,
    /// The oldest first.
    buckets: VecDeque<Bucket>,
    /// What they come to.
    used: u64,
}

/// A window for display.
///
/// ```
/// use mainstay_resilience::rate::{Request, sliding_window::Config};
/// use mainstay_resilience::{Decide, Input, Time};
///
/// let config = Config::new().tokens(5);
/// let mut state = config.state();
/// let _ = config.ask(&mut state, Input::at(Time::from_millis(300)), Request { tokens: 2 });
/// let seen = config.snapshot(&state, Time::from_millis(400));
/// assert_eq!((seen.used, seen.available, seen.next_at), (2, 3, Some(Time::from_millis(1_300))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// How many tokens would be granted at once.
    pub available: u32,
    /// How many are counted.
    pub used: u64,
    /// When the oldest of them come back, if there are any.
    pub next_at: Option<Time>,
}

impl Config {
    /// So long a bucket collects, at least a nanosecond; rounded up, so that there are no more of them.
    fn bucket(&self) -> Duration {
        Duration::from_nanos(nanos(self.per).div_ceil(u64::from(self.bucket_count())).max(1))
    }

    fn bucket_count(&self) -> u32 {
        self.buckets.clamp(1, BUCKETS_MAX)
    }

    fn free_at(&self, bucket: &Bucket) -> Time {
        bucket.last + self.per
    }

    /// Its last token is `per` ago. Not a comparison with [`free_at`](Self::free_at), which stops at the end of
    /// time.
    fn is_free(&self, bucket: &Bucket, now: Time) -> bool {
        now.since(bucket.last) >= self.per
    }

    /// Would so many more fit?
    fn fits(&self, used: u64, tokens: u32) -> bool {
        used.saturating_add(tokens.into()) <= self.tokens.into()
    }

    /// The first moment when so many fit, if nothing more is granted.
    fn ready_at(&self, state: &State, tokens: u32) -> Option<Time> {
        let mut used = state.used;
        state.buckets.iter().find_map(|bucket| {
            used = used.saturating_sub(bucket.tokens);
            self.fits(used, tokens).then(|| self.free_at(bucket))
        })
    }
}

const BUCKETS_MAX: u32 = 1_000;

impl Decide for Config {
    type State = State;
    type Request = Request;
    type Ticket = Ticket;
    type Change = Change;
    type Snapshot = Snapshot;

    fn state(&self) -> State {
        State::default()
    }

    /// Costs what is forgotten; a rejection costs up to one look at each bucket.
    fn ask(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        state.clock = state.clock.max(input.now);
        let now = state.clock;
        state.forget(self, now);
        let tokens = request.tokens;
        if !self.fits(0, tokens) || self.tokens == 0 {
            return later(now, None, self.wait_max);
        }
        if !self.fits(state.used, tokens) {
            return later(now, self.ready_at(state, tokens), self.wait_max);
        }
        if tokens > 0 {
            state.count(self, now, tokens);
        }
        Decision::Admit(Ticket { tokens })
    }

    fn tell(&self, _: &mut State, _: Input, _: Ticket, _: Outcome, _: u32) -> Recorded<Change> {
        Recorded::Counted
    }

    fn snapshot(&self, state: &State, now: Time) -> Snapshot {
        let now = now.max(state.clock);
        let gone = state.buckets.iter().take_while(|bucket| self.is_free(bucket, now));
        let used = gone.fold(state.used, |used, bucket| used.saturating_sub(bucket.tokens));
        let available = u64::from(self.tokens).saturating_sub(used);
        Snapshot {
            available: u32::try_from(available).unwrap_or(self.tokens),
            used,
            next_at: state.buckets.iter().find(|bucket| !self.is_free(bucket, now)).map(|b| self.free_at(b)),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        super::check_rate(self.tokens, self.per)?;
        ConfigError::unless("buckets", self.buckets.into(), 1..=BUCKETS_MAX.into())?;
        ConfigError::unless_millis("wait_max_ms", self.wait_max, 0..=DAY_MILLIS)
    }
}

impl State {
    fn forget(&mut self, config: &Config, now: Time) {
        while let Some(bucket) = self.buckets.front().filter(|bucket| config.is_free(bucket, now)) {
            self.used = self.used.saturating_sub(bucket.tokens);
            self.buckets.pop_front();
        }
    }

    fn count(&mut self, config: &Config, now: Time, tokens: u32) {
        self.used = self.used.saturating_add(tokens.into());
        match self.buckets.back_mut() {
            Some(newest) if now.since(newest.first) < config.bucket() => {
                newest.last = newest.last.max(now);
                newest.tokens = newest.tokens.saturating_add(tokens.into());
            }
            _ => self.buckets.push_back(Bucket { first: now, last: now, tokens: tokens.into() }),
        }
    }
}
