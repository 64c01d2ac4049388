//! When to try again what a full disk has refused.

use node::Mono;

const FIRST_MS: u64 = 1_000;
const MAX_MS: u64 = 64_000;

/// The pause before the next attempt. It doubles with each failure, up to about a minute.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    not_before: Mono,
}

impl Backoff {
    /// How many attempts in a row have failed.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether an attempt may be made now.
    pub(crate) fn may_try(&self, now: Mono) -> bool {
        self.not_before <= now
    }

    /// An attempt found no space.
    pub(crate) fn failed(&mut self, now: Mono) {
        self.not_before = now.after_ms((FIRST_MS << self.failures.min(16)).min(MAX_MS));
        self.failures = self.failures.saturating_add(1);
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The disk has space again: there is no reason to wait.
    pub(crate) fn try_now(&mut self) {
        self.not_before = Mono::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_a_bound_and_ends_with_a_success_or_with_space() {
        let mut backoff = Backoff::default();
        let mut now = Mono(5);
        let mut pauses = Vec::new();
        for _ in 0..100 {
            assert!(backoff.may_try(now));
            backoff.failed(now);
            let pause = (0..).find(|s| backoff.may_try(now.after_ms(s * 1_000))).unwrap();
            pauses.push(pause);
            now = now.after_ms(pause * 1_000);
        }
        assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 64, 64]);
        assert!(pauses[8..].iter().all(|pause| *pause == 64));
        backoff.failed(now);
        assert!(!backoff.may_try(now));
        backoff.try_now();
        assert!(backoff.may_try(now) && backoff.failures() == 101);
        backoff.succeeded();
        assert_eq!(backoff.failures(), 0);
    }
}
