//! The state of a sliding window, and its decisions.

use super::Config;
use super::config::BUCKETS_MAX;
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Recorded, Time, nanos};
use crate::rate::{Change, Request, Ticket, later};
use alloc::collections::VecDeque;
use core::time::Duration;

/// Tokens that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Bucket {
    first: Time,
    last: Time,
    tokens: u64,
}

/// The state of a sliding window: at most `buckets + 2` buckets, plus those left over from an earlier
/// configuration.
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
    /// The latest time seen.
    clock: Time,
    /// Oldest first.
    buckets: VecDeque<Bucket>,
    /// The sum of their tokens.
    used: u64,
}

/// A snapshot of a sliding window for display and metrics.
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
    /// The number of tokens that could be granted at once.
    pub available: u32,
    /// The number of granted tokens in the window.
    pub used: u64,
    /// When the oldest of them return, if there are any.
    pub next_at: Option<Time>,
}

impl Config {
    /// How long a bucket collects tokens: at least a nanosecond, rounded up so that there are no more than
    /// `buckets`.
    fn bucket(&self) -> Duration {
        Duration::from_nanos(nanos(self.per).div_ceil(u64::from(self.bucket_count())).max(1))
    }

    fn bucket_count(&self) -> u32 {
        self.buckets.clamp(1, BUCKETS_MAX)
    }

    fn free_at(&self, bucket: &Bucket) -> Time {
        bucket.last + self.per
    }

    /// Whether the bucket's last token was granted at least `per` ago. This does not compare with
    /// [`free_at`](Self::free_at), which saturates at the end of time.
    fn is_free(&self, bucket: &Bucket, now: Time) -> bool {
        now.since(bucket.last) >= self.per
    }

    /// Whether `tokens` more fit into the window.
    fn fits(&self, used: u64, tokens: u32) -> bool {
        used.saturating_add(tokens.into()) <= self.tokens.into()
    }

    /// The first moment at which `tokens` fit if nothing more is granted.
    fn ready_at(&self, state: &State, tokens: u32) -> Option<Time> {
        let mut used = state.used;
        state.buckets.iter().find_map(|bucket| {
            used = used.saturating_sub(bucket.tokens);
            self.fits(used, tokens).then(|| self.free_at(bucket))
        })
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

    /// Takes time proportional to what is forgotten. A rejection looks at each bucket at most once.
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
        self.validate()
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
