//! A rate limit shared by threads.

use super::clock;
use super::primitives::{AtomicU64, Mutex, Ordering, lock};
use crate::contract::{ConfigError, Decide, Decision, Input, Reason, Rejected, Time};
use crate::policy::RateLimit;
use crate::rate::token_bucket::{self, Rule};
use crate::rate::{Request, Ticket, sliding_window};
#[cfg(feature = "async")]
use core::time::Duration;

/// A rate limit shared by threads.
///
/// A token is spent when it is granted, however the call ends, so there is no permit to give back. The whole
/// state of a token bucket is one atomic word; a sliding window is behind a lock.
///
/// ```
/// use mainstay_resilience::policy::RateLimit;
/// use mainstay_resilience::{Reason, rate::token_bucket, sync::RateLimiter};
///
/// let config = token_bucket::Config::new().burst(1);
/// let limiter = RateLimiter::new(RateLimit::TokenBucket(config))?;
/// assert!(limiter.try_acquire().is_ok());
/// let rejected = limiter.try_acquire().unwrap_err();
/// assert_eq!(rejected.reason, Reason::RateLimit);
/// assert!(rejected.retry_at.is_some());
/// # Ok::<(), mainstay_resilience::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct RateLimiter {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    TokenBucket { config: token_bucket::Config, rule: Rule, word: AtomicU64 },
    SlidingWindow { config: sliding_window::Config, state: Mutex<sliding_window::State> },
}

impl RateLimiter {
    /// Creates a limiter with all its tokens available.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{rate::sliding_window, sync::RateLimiter};
    /// let tokens = |tokens| sliding_window::Config::new().tokens(tokens);
    /// assert_eq!(RateLimiter::new(RateLimit::SlidingWindow(tokens(7)))?.available(), 7);
    /// let error = RateLimiter::new(RateLimit::SlidingWindow(tokens(0))).unwrap_err();
    /// assert_eq!(error.field, "sliding_window.tokens");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    pub fn new(config: RateLimit) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self::checked(config))
    }

    /// Like [`new`](Self::new), for a configuration that has already been checked.
    pub(crate) fn checked(config: RateLimit) -> Self {
        let kind = match config {
            RateLimit::TokenBucket(config) => {
                let word = AtomicU64::new(config.state().to_bits());
                Kind::TokenBucket { rule: Rule::new(&config), config, word }
            }
            RateLimit::SlidingWindow(config) => {
                let state = Mutex::new(config.state());
                Kind::SlidingWindow { config, state }
            }
        };
        Self { kind }
    }

    /// A limiter with another configuration. If the algorithm is the same, the tokens that this one has spent
    /// stay spent.
    #[cfg(feature = "async")]
    pub(crate) fn reconfigured(&self, config: RateLimit) -> Self {
        let new = Self::checked(config);
        match (&self.kind, &new.kind) {
            (Kind::TokenBucket { word: old, .. }, Kind::TokenBucket { word, .. }) => {
                word.store(old.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            (Kind::SlidingWindow { state: old, .. }, Kind::SlidingWindow { state, .. }) => {
                *lock(state) = lock(old).clone();
            }
            _ => {}
        }
        new
    }

    /// Spends one token, if one is available. Does not wait.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{rate::token_bucket, sync::RateLimiter};
    /// let limiter = RateLimiter::new(RateLimit::TokenBucket(token_bucket::Config::default()))?;
    /// assert!(limiter.try_acquire().is_ok());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if no token is available. `retry_at` says when one will be, unless another caller
    /// takes it.
    pub fn try_acquire(&self) -> Result<(), Rejected> {
        self.try_acquire_at(clock::input(), Request::default())
    }

    /// Like [`try_acquire`](Self::try_acquire), but at a given time and for several tokens at once.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{Input, Time, rate, sync::RateLimiter};
    /// let config = rate::token_bucket::Config::new().tokens(10).burst(5);
    /// let limiter = RateLimiter::new(RateLimit::TokenBucket(config))?;
    /// let (input, three) = (Input::at(Time::ZERO), rate::Request { tokens: 3 });
    /// assert!(limiter.try_acquire_at(input, three).is_ok());
    /// // Two are left, and a third returns in 100 ms.
    /// let rejected = limiter.try_acquire_at(input, three).unwrap_err();
    /// assert_eq!(rejected.retry_at, Some(Time::from_millis(100)));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if too few tokens are available. `retry_at` says when enough will be, unless another
    /// caller takes them.
    #[inline]
    pub fn try_acquire_at(&self, input: Input, request: Request) -> Result<(), Rejected> {
        match self.ask_at(input, request) {
            Decision::Admit(()) => Ok(()),
            Decision::Wait { until } => Err(Rejected { reason: Reason::RateLimit, retry_at: Some(until) }),
            Decision::Reject(rejected) => Err(rejected),
        }
    }

    /// Spends tokens, or returns when to ask again. The decision is `Wait` if that is within the
    /// configuration's `wait_max`.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{Decision, Input, Time, rate, sync::RateLimiter};
    /// let wait_max = Duration::from_millis(200);
    /// let config = rate::token_bucket::Config::new().tokens(10).burst(1).wait_max(wait_max);
    /// let limiter = RateLimiter::new(RateLimit::TokenBucket(config))?;
    /// let (input, one) = (Input::at(Time::ZERO), rate::Request::default());
    /// assert_eq!(limiter.ask_at(input, one), Decision::Admit(()));
    /// assert_eq!(limiter.ask_at(input, one), Decision::Wait { until: Time::from_millis(100) });
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[inline]
    pub fn ask_at(&self, input: Input, request: Request) -> Decision<()> {
        let decision = match &self.kind {
            Kind::TokenBucket { rule, word, .. } => ask_word(rule, word, input.now, request),
            Kind::SlidingWindow { config, state } => config.ask(&mut lock(state), input, request),
        };
        match decision {
            Decision::Admit(_) => Decision::Admit(()),
            Decision::Wait { until } => Decision::Wait { until },
            Decision::Reject(rejected) => Decision::Reject(rejected),
        }
    }

    /// Spends one token, and waits for it for at most the configuration's `wait_max`.
    ///
    /// Waiting callers have no order, and a wait reserves nothing: the first caller to ask when a token is
    /// available gets it.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    /// # runtime.unwrap().block_on(async {
    /// # use core::time::Duration;
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{rate::token_bucket, sync::RateLimiter};
    /// let wait_max = Duration::from_millis(200);
    /// let config = token_bucket::Config::new().tokens(10).burst(1).wait_max(wait_max);
    /// let limiter = RateLimiter::new(RateLimit::TokenBucket(config)).unwrap();
    /// for _ in 0..5 {
    ///     assert!(limiter.acquire().await.is_ok(), "one every 100 ms");
    /// }
    /// # });
    /// ```
    ///
    /// # Errors
    /// Returns an error if no token became available in time.
    #[cfg(feature = "async")]
    pub async fn acquire(&self) -> Result<(), Rejected> {
        let wait_ends = clock::now() + self.wait_max();
        loop {
            let until = match self.ask_at(clock::input(), Request::default()) {
                Decision::Admit(()) => return Ok(()),
                Decision::Wait { until } if until <= wait_ends => until,
                Decision::Wait { until } => {
                    return Err(Rejected { reason: Reason::RateLimit, retry_at: Some(until) });
                }
                Decision::Reject(rejected) => return Err(rejected),
            };
            tokio::time::sleep_until(clock::instant_of(until)).await;
        }
    }

    /// How long a caller may wait for a token.
    #[cfg(feature = "async")]
    pub(crate) fn wait_max(&self) -> Duration {
        match &self.kind {
            Kind::TokenBucket { config, .. } => config.wait_max,
            Kind::SlidingWindow { config, .. } => config.wait_max,
        }
    }

    /// The number of tokens that could be granted now.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{rate::token_bucket, sync::RateLimiter};
    /// let config = token_bucket::Config::new().burst(30);
    /// let limiter = RateLimiter::new(RateLimit::TokenBucket(config))?;
    /// assert_eq!(limiter.available(), 30);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn available(&self) -> u32 {
        self.available_at(clock::now())
    }

    /// Like [`available`](Self::available), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{Input, Time, rate, sync::RateLimiter};
    /// let config = rate::token_bucket::Config::new().tokens(10).burst(10);
    /// let limiter = RateLimiter::new(RateLimit::TokenBucket(config))?;
    /// limiter.try_acquire_at(Input::at(Time::ZERO), rate::Request { tokens: 10 })?;
    /// assert_eq!(limiter.available_at(Time::from_millis(250)), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn available_at(&self, now: Time) -> u32 {
        match &self.kind {
            Kind::TokenBucket { config, word, .. } => {
                let state = token_bucket::State::from_bits(word.load(Ordering::Relaxed));
                config.snapshot(&state, now).available
            }
            Kind::SlidingWindow { config, state } => config.snapshot(&lock(state), now).available,
        }
    }

    /// Whether all tokens are available, so that a new limiter would decide the same.
    #[cfg(not(loom))]
    pub(crate) fn is_full(&self, now: Time) -> bool {
        let capacity = match &self.kind {
            Kind::TokenBucket { config, .. } => config.burst,
            Kind::SlidingWindow { config, .. } => config.tokens,
        };
        self.available_at(now) >= capacity
    }
}

/// Reads the word, decides, and stores the new word unless another thread was faster.
#[inline]
fn ask_word(rule: &Rule, word: &AtomicU64, now: Time, request: Request) -> Decision<Ticket> {
    let mut seen = word.load(Ordering::Relaxed);
    loop {
        let mut state = token_bucket::State::from_bits(seen);
        let decision = rule.ask(&mut state, now, request.tokens);
        let next = state.to_bits();
        if next == seen {
            return decision;
        }
        match word.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return decision,
            Err(newer) => seen = newer,
        }
    }
}
