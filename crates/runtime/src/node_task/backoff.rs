//! When to try again what a full disk has refused.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(64);

/// The pause before the next attempt. It doubles with each failure, up to about a minute.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    /// Whether the last attempt failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Whether an attempt may be made now.
    pub(super) fn may_try(&self, now: Instant) -> bool {
        self.not_before.is_none_or(|at| at <= now)
    }

    /// An attempt found no space.
    pub(super) fn failed(&mut self, now: Instant) {
        let pause = FIRST.saturating_mul(1 << self.failures.min(16)).min(MAX);
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + pause);
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The disk has space again: there is no reason to wait.
    pub(super) fn try_now(&mut self) {
        self.not_before = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_bound_and_ends_with_a_success_or_with_space() {
        let mut backoff = Backoff::default();
        let mut now = Instant::now();
        let mut pauses = Vec::new();
        for _ in 0..100 {
            assert!(backoff.may_try(now));
            backoff.failed(now);
            let pause = (0..).find(|s| backoff.may_try(now + Duration::from_secs(*s))).unwrap();
            pauses.push(pause);
            now += Duration::from_secs(pause);
        }
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 64, 64]);
        assert!(pauses[8..].iter().all(|pause| *pause == 64));
        backoff.failed(now);
        assert!(!backoff.may_try(now) && backoff.is_failing());
        backoff.try_now();
        assert!(backoff.may_try(now) && backoff.is_failing());
        backoff.succeeded();
        assert!(!backoff.is_failing());
    }
}
