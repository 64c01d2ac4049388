//! A rate limit that threads share.

use super::primitives::{AtomicU64, Mutex, Ordering, lock};
use crate::contract::{Decide, Decision, Input, Time};
use crate::rate::{Request, Ticket, sliding_window, token_bucket};

/// A token bucket for all threads of a program: its whole state is one word, which is read, asked, and swapped if
/// nobody was quicker.
///
/// ```
/// use mainstay_resilience::{Input, sync, rate};
///
/// let limit = sync::TokenBucket::new(rate::token_bucket::Config::new().burst(1));
/// assert!(limit.ask(Input::default(), rate::Request::default()).admitted().is_some());
/// assert!(limit.ask(Input::default(), rate::Request::default()).admitted().is_none());
/// ```
#[derive(Debug)]
pub struct TokenBucket {
    config: token_bucket::Config,
    word: AtomicU64,
}

impl TokenBucket {
    /// A full one.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, sync, rate};
    /// let config = rate::token_bucket::Config::new().burst(30);
    /// assert_eq!(sync::TokenBucket::new(config).snapshot(Time::ZERO).available, 30);
    /// ```
    #[must_use]
    pub fn new(config: token_bucket::Config) -> Self {
        let word = AtomicU64::new(config.state().to_bits());
        Self { config, word }
    }

    /// Is there a token? As [`Decide::ask`].
    ///
    /// ```
    /// # use mainstay_resilience::{Decision, Rejected, Reason, Input, Time, sync, rate};
    /// let limit = sync::TokenBucket::new(rate::token_bucket::Config::new().tokens(10).burst(5));
    /// let (input, three) = (Input::at(Time::ZERO), rate::Request { tokens: 3 });
    /// assert!(limit.ask(input, three).admitted().is_some());
    /// // Two are left, and one more comes in 100 ms.
    /// let retry_at = Some(Time::from_millis(100));
    /// assert_eq!(limit.ask(input, three), Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at }));
    /// ```
    pub fn ask(&self, input: Input, request: Request) -> Decision<Ticket> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let mut state = token_bucket::State::from_bits(word);
            let answer = self.config.ask(&mut state, input, request);
            let next = state.to_bits();
            if next == word {
                return answer;
            }
            match self.word.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return answer,
                Err(now) => word = now,
            }
        }
    }

    /// It as it is, for people and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, sync, rate};
    /// let limit = sync::TokenBucket::new(rate::token_bucket::Config::new().tokens(10).burst(10));
    /// let _ = limit.ask(Input::at(Time::ZERO), rate::Request { tokens: 10 });
    /// assert_eq!(limit.snapshot(Time::from_millis(250)).available, 2);
    /// ```
    pub fn snapshot(&self, now: Time) -> token_bucket::Snapshot {
        self.config.snapshot(&token_bucket::State::from_bits(self.word.load(Ordering::Relaxed)), now)
    }
}

/// A sliding window for all threads of a program: the plain state behind a lock.
///
/// ```
/// use mainstay_resilience::{Input, sync, rate};
///
/// let limit = sync::SlidingWindow::new(rate::sliding_window::Config::new().tokens(1));
/// assert!(limit.ask(Input::default(), rate::Request::default()).admitted().is_some());
/// assert!(limit.ask(Input::default(), rate::Request::default()).admitted().is_none());
/// ```
#[derive(Debug)]
pub struct SlidingWindow {
    config: sliding_window::Config,
    state: Mutex<sliding_window::State>,
}

impl SlidingWindow {
    /// An empty one.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, sync, rate};
    /// let limit = sync::SlidingWindow::new(rate::sliding_window::Config::new().tokens(7));
    /// assert_eq!(limit.snapshot(Time::ZERO).available, 7);
    /// ```
    #[must_use]
    pub fn new(config: sliding_window::Config) -> Self {
        let state = Mutex::new(config.state());
        Self { config, state }
    }

    /// Is there a token? As [`Decide::ask`].
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, sync, rate};
    /// let limit = sync::SlidingWindow::new(rate::sliding_window::Config::new().tokens(3));
    /// let ask = |millis| limit.ask(Input::at(Time::from_millis(millis)), rate::Request { tokens: 3 });
    /// assert!(ask(0).admitted().is_some());
    /// assert!(ask(999).admitted().is_none(), "not in the same second");
    /// assert!(ask(1_000).admitted().is_some());
    /// ```
    pub fn ask(&self, input: Input, request: Request) -> Decision<Ticket> {
        self.config.ask(&mut lock(&self.state), input, request)
    }

    /// It as it is, for people and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, sync, rate};
    /// let limit = sync::SlidingWindow::new(rate::sliding_window::Config::new().tokens(3));
    /// let _ = limit.ask(Input::at(Time::ZERO), rate::Request::default());
    /// assert_eq!(limit.snapshot(Time::ZERO).next_at, Some(Time::from_millis(1_000)));
    /// ```
    pub fn snapshot(&self, now: Time) -> sliding_window::Snapshot {
        self.config.snapshot(&lock(&self.state), now)
    }
}
