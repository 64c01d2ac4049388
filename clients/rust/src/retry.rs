//! When and how often to try again: a pure decision.
//!
//! Waits double from `wait_first` up to `wait_max`, each drawn evenly between zero and that (full jitter:
//! clients that failed together do not come back together). A server's `Retry-After` is a floor. Attempts
//! are bounded, because a client that never gives up is a load that never goes away.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// How often a request is sent, and how long to wait between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// How often a request is sent in all; 1 never tries again.
    pub attempts_max: u32,
    pub wait_first: Duration,
    pub wait_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts_max: 5, wait_first: Duration::from_millis(100), wait_max: Duration::from_secs(5) }
    }
}

impl Retry {
    /// Send once only.
    #[must_use]
    pub fn never() -> Self {
        Self { attempts_max: 1, ..Self::default() }
    }

    /// How long to wait after `attempt` (from 1) failed; `None` gives up. `draw` is evenly distributed.
    #[must_use]
    pub(crate) fn wait(&self, attempt: u32, asked: Option<Duration>, draw: u64) -> Option<Duration> {
        (attempt < self.attempts_max).then(|| self.wait_unbounded(attempt, asked, draw))
    }

    /// The same without a last attempt, for readers that stay.
    #[must_use]
    pub(crate) fn wait_unbounded(&self, attempt: u32, asked: Option<Duration>, draw: u64) -> Duration {
        let doubled = self.wait_first.saturating_mul(1 << attempt.saturating_sub(1).min(16));
        let ceiling = u64::try_from(doubled.min(self.wait_max).as_micros()).unwrap_or(u64::MAX);
        let jittered = Duration::from_micros(draw % ceiling.saturating_add(1).max(1));
        asked.map_or(jittered, |floor| floor.saturating_add(jittered.min(floor)))
    }
}

/// Evenly distributed and different on every call: std's SipHash under keys from the operating system. No
/// secret hangs on it.
pub(crate) fn draw() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let retry = Retry {
            attempts_max: 5,
            wait_first: Duration::from_millis(100),
            wait_max: Duration::from_millis(300),
        };
        for (attempt, most_ms) in [(1, Some(100)), (2, Some(200)), (3, Some(300)), (4, Some(300)), (5, None)]
        {
            for draw in [0, 1, 99_999, u64::MAX] {
                let wait = retry.wait(attempt, None, draw);
                assert_eq!(wait.is_some(), most_ms.is_some());
                assert!(wait <= most_ms.map(Duration::from_millis), "{attempt} {draw}: {wait:?}");
            }
        }
    }

    #[test]
    fn a_servers_retry_after_is_a_floor() {
        let asked = Duration::from_secs(2);
        for draw in [0, 7, u64::MAX] {
            let wait = Retry::default().wait(1, Some(asked), draw).unwrap();
            assert!(wait >= asked && wait <= asked * 2, "{wait:?}");
        }
    }

    #[test]
    fn draws_differ() {
        assert_ne!(draw(), draw());
    }
}
