//! A rate limit that threads share.

use super::sync::{AtomicU64, Mutex, Ordering, lock};
use crate::contract::{Answer, Decide, Input, Time};
use crate::rate::{Request, Ticket, bucket, window};

/// A token bucket for all threads of a program: its whole state is one word, which is read, asked, and swapped if
/// nobody was quicker.
///
/// ```
/// use mainstay_resilience::{Input, cell, rate};
///
/// let limit = cell::Bucket::new(rate::bucket::Config { burst: 1, ..Default::default() });
/// assert!(limit.ask(Input::default(), rate::Request::default()).admitted().is_some());
/// assert!(limit.ask(Input::default(), rate::Request::default()).admitted().is_none());
/// ```
#[derive(Debug)]
pub struct Bucket {
    config: bucket::Config,
    word: AtomicU64,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn new(config: bucket::Config) -> Self {
        let word = AtomicU64::new(config.state().to_bits());
        Self { config, word }
    }

    /// Is there a permit? As [`Decide::ask`].
    pub fn ask(&self, input: Input, request: Request) -> Answer<Ticket> {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let mut state = bucket::State::from_bits(word);
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
    pub fn snapshot(&self, now: Time) -> bucket::Snapshot {
        self.config.snapshot(&bucket::State::from_bits(self.word.load(Ordering::Relaxed)), now)
    }
}

/// A sliding window for all threads of a program: the plain state behind a lock.
///
/// ```
/// use mainstay_resilience::{Input, cell, rate};
///
/// let limit = cell::Window::new(rate::window::Config { permits: 1, ..Default::default() });
/// assert!(limit.ask(Input::default(), rate::Request::default()).admitted().is_some());
/// assert!(limit.ask(Input::default(), rate::Request::default()).admitted().is_none());
/// ```
#[derive(Debug)]
pub struct Window {
    config: window::Config,
    state: Mutex<window::State>,
}

impl Window {
    /// An empty one.
    #[must_use]
    pub fn new(config: window::Config) -> Self {
        let state = Mutex::new(config.state());
        Self { config, state }
    }

    /// Is there a permit? As [`Decide::ask`].
    pub fn ask(&self, input: Input, request: Request) -> Answer<Ticket> {
        self.config.ask(&mut lock(&self.state), input, request)
    }

    /// It as it is, for people and metrics.
    pub fn snapshot(&self, now: Time) -> window::Snapshot {
        self.config.snapshot(&lock(&self.state), now)
    }
}
