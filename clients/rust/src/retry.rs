//! When to retry: the retry policy of `mainstay-resilience`, with a clock, a lock and random numbers.
//!
//! All calls of one client share a retry budget. Without it, each of a thousand callers would retry four
//! times when the node fails, and the node would recover into five times its load. This is the only module
//! that names `mainstay-resilience`.

use crate::error::Error;
use crate::transport::Repeat;
use mainstay_resilience::{Decide, Decision, Input, Time, budget, retry};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a request is retried, and how long the client waits between attempts.
///
/// The longest wait doubles from `backoff_first` to `backoff_max`. Each wait is random, from zero to that
/// value (full jitter), so that clients that failed together do not return together. The server's
/// `Retry-After` is respected up to `retry_after_max`.
///
/// ```
/// use mainstay_client::Retry;
/// use std::time::Duration;
///
/// let patient = Retry::default().attempts_max(20).backoff_max(Duration::from_secs(2));
/// assert_eq!(patient.budget_percent, 20);
/// assert_eq!(Retry::never().attempts_max, 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// The maximum number of times that a request is sent, from 1 (never retry) to 100. 5 by default.
    pub attempts_max: u32,
    /// The first wait is at most this long. 100 ms by default.
    pub backoff_first: Duration,
    /// No wait is longer than this, unless the server asks for it. 5 s by default.
    pub backoff_max: Duration,
    /// If the server asks for a longer wait than this, the client does not retry. 30 s by default.
    pub retry_after_max: Duration,
    /// No attempt begins later than this after the first one. 60 s by default.
    pub total_max: Duration,
    /// How many retries all calls of the client together may make, as a percentage of the calls in the last
    /// 10 s. 20 by default.
    pub budget_percent: u32,
    /// Retries per second that are allowed on top of that. 10 by default, so that a client that calls rarely
    /// may still retry.
    pub budget_per_second_min: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts_max: 5,
            backoff_first: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            retry_after_max: Duration::from_secs(30),
            total_max: Duration::from_secs(60),
            budget_percent: 20,
            budget_per_second_min: 10,
        }
    }
}

impl Retry {
    /// Sends every request once.
    #[must_use]
    pub fn never() -> Self {
        Self::default().attempts_max(1)
    }

    /// Sets [`Self::attempts_max`].
    #[must_use]
    pub fn attempts_max(self, attempts_max: u32) -> Self {
        Self { attempts_max, ..self }
    }

    /// Sets [`Self::backoff_first`].
    #[must_use]
    pub fn backoff_first(self, backoff_first: Duration) -> Self {
        Self { backoff_first, ..self }
    }

    /// Sets [`Self::backoff_max`].
    #[must_use]
    pub fn backoff_max(self, backoff_max: Duration) -> Self {
        Self { backoff_max, ..self }
    }

    /// Sets [`Self::retry_after_max`].
    #[must_use]
    pub fn retry_after_max(self, retry_after_max: Duration) -> Self {
        Self { retry_after_max, ..self }
    }

    /// Sets [`Self::total_max`].
    #[must_use]
    pub fn total_max(self, total_max: Duration) -> Self {
        Self { total_max, ..self }
    }

    /// Sets [`Self::budget_percent`] and [`Self::budget_per_second_min`].
    #[must_use]
    pub fn budget(self, budget_percent: u32, budget_per_second_min: u32) -> Self {
        Self { budget_percent, budget_per_second_min, ..self }
    }

    fn config(&self) -> retry::Config {
        let backoff =
            retry::Backoff::new().first(self.backoff_first).max(self.backoff_max).jitter(retry::Jitter::Full);
        let budget = budget::Config::new()
            .percent(self.budget_percent)
            .per_second_min(self.budget_per_second_min)
            .length(Duration::from_secs(10));
        retry::Config::new()
            .attempts_max(self.attempts_max)
            .elapsed_max(self.total_max)
            .backoff(backoff)
            .retry_after_max(self.retry_after_max)
            .budget(budget)
            .repeat(retry::Repeat::SafeOnly)
    }
}

/// The retries of one client.
#[derive(Debug)]
pub(crate) struct Retries {
    config: retry::Config,
    state: Mutex<retry::State>,
    clock: Instant,
}

impl Retries {
    /// # Errors
    /// [`Error::Retry`] when a value is out of its range.
    pub(crate) fn new(retry: &Retry) -> Result<Self, Error> {
        let config = retry.config();
        config.check().map_err(|invalid| Error::Retry(invalid.to_string()))?;
        Ok(Self { state: Mutex::new(config.state()), config, clock: Instant::now() })
    }

    fn input(&self) -> Input {
        let elapsed = u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Input { now: Time::from_nanos(elapsed), random: random() }
    }

    fn locked<T>(&self, decide: impl FnOnce(&retry::Config, &mut retry::State) -> T) -> T {
        decide(&self.config, &mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A call begins.
    pub(crate) fn begin(&self) -> Attempts {
        let input = self.input();
        self.locked(|config, state| {
            let _ = config.ask(state, input, retry::Request::First);
        });
        Attempts { begun: input.now, failed: 0 }
    }

    /// How long a subscription waits after this many failures in a row. It retries without end, so it takes
    /// nothing from the budget.
    pub(crate) fn backoff(&self, failures: u32, error: &Error) -> Duration {
        let backoff = self.config.backoff.after(failures, Duration::ZERO, random());
        match retry_after(error) {
            Some(floor) => floor.saturating_add(backoff.min(floor)),
            None => backoff,
        }
    }

    /// Waits until `error`, the last of `attempts`, may be followed by another attempt.
    ///
    /// # Errors
    /// `error` itself, if no other attempt may follow.
    pub(crate) async fn wait(&self, attempts: Attempts, repeat: Repeat, error: Error) -> Result<(), Error> {
        if !error.is_retryable() {
            return Err(error);
        }
        let is_safe = repeat == Repeat::Always || !error.is_outcome_unknown();
        let again = retry::Again {
            attempts: attempts.failed,
            begun: attempts.begun,
            // Only decorrelated jitter looks at it.
            backoff: Duration::ZERO,
            retry_after: retry_after(&error),
            safety: if is_safe { retry::Safety::Safe } else { retry::Safety::Unsafe },
            due: None,
        };
        let input = self.input();
        let mut decision = self.ask(input, again);
        if let Decision::Wait { until } = decision {
            tokio::time::sleep(Duration::from_nanos(until.as_nanos().saturating_sub(input.now.as_nanos())))
                .await;
            // Timers are coarse: the time may still read slightly before `until`.
            let input = self.input();
            let input = Input { now: input.now.max(until), ..input };
            decision = self.ask(input, retry::Again { due: Some(until), ..again });
        }
        match decision {
            Decision::Admit(_) => Ok(()),
            Decision::Wait { .. } | Decision::Reject(_) => Err(error),
        }
    }

    fn ask(&self, input: Input, again: retry::Again) -> Decision<retry::Ticket> {
        self.locked(|config, state| config.ask(state, input, retry::Request::Again(again)))
    }
}

/// The attempts of one call so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts {
    begun: Time,
    failed: u32,
}

impl Attempts {
    /// The same with one more failed attempt.
    pub(crate) fn failed(self) -> Self {
        Self { failed: self.failed.saturating_add(1), ..self }
    }
}

fn retry_after(error: &Error) -> Option<Duration> {
    error.problem().and_then(|problem| problem.retry_after)
}

/// Evenly distributed: std's SipHash under fresh keys. This saves a dependency, and no secret depends on it.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Problem;

    fn refused() -> Error {
        Error::Connect { address: "node".into(), source: "refused".into() }
    }

    /// How many attempts one call makes when all of them fail with `error`.
    async fn attempts(retries: &Retries, repeat: Repeat, error: impl Fn() -> Error) -> u32 {
        let (mut attempts, mut made) = (retries.begin(), 0);
        loop {
            made += 1;
            attempts = attempts.failed();
            if retries.wait(attempts, repeat, error()).await.is_err() {
                return made;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_end() {
        let retries = Retries::new(&Retry::default().attempts_max(3)).unwrap();
        assert_eq!(attempts(&retries, Repeat::Always, refused).await, 3);
        let never = Retries::new(&Retry::never()).unwrap();
        assert_eq!(attempts(&never, Repeat::Always, refused).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_bounds_the_retries_of_all_calls_together() {
        let retries = Retries::new(&Retry::default().budget(20, 0)).unwrap();
        let mut made = 0;
        for _ in 0..100 {
            made += attempts(&retries, Repeat::Always, refused).await;
        }
        assert!((110..=120).contains(&made), "{made} attempts for 100 calls");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_may_have_taken_effect_is_repeated_only_if_that_is_safe() {
        let retries = Retries::new(&Retry::default().attempts_max(3)).unwrap();
        let broken = || Error::Broken("reset".into());
        assert_eq!(attempts(&retries, Repeat::Always, broken).await, 3);
        assert_eq!(attempts(&retries, Repeat::IfUnchanged, broken).await, 1);
        assert_eq!(attempts(&retries, Repeat::IfUnchanged, refused).await, 3, "nothing was sent");
    }

    #[tokio::test(start_paused = true)]
    async fn the_client_waits_at_least_as_long_as_the_server_asks() {
        let retries = Retries::new(&Retry::default()).unwrap();
        let busy = |seconds| {
            let problem = Problem::from_response(503, b"busy");
            Error::Problem(Box::new(Problem { retry_after: Some(Duration::from_secs(seconds)), ..problem }))
        };
        let began = tokio::time::Instant::now();
        retries.wait(retries.begin().failed(), Repeat::Always, busy(2)).await.unwrap();
        assert!(began.elapsed() >= Duration::from_secs(2));
        retries.wait(retries.begin().failed(), Repeat::Always, busy(31)).await.unwrap_err();
    }

    #[test]
    fn backoff_doubles_up_to_its_bound_and_respects_retry_after() {
        let retry = Retry::default()
            .backoff_first(Duration::from_millis(100))
            .backoff_max(Duration::from_millis(300));
        let retries = Retries::new(&retry).unwrap();
        for (failures, most_ms) in [(1, 100), (2, 200), (3, 300), (9, 300)] {
            for _ in 0..100 {
                assert!(retries.backoff(failures, &refused()) <= Duration::from_millis(most_ms));
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_an_error() {
        for retry in [Retry::default().attempts_max(0), Retry::default().backoff_first(Duration::ZERO)] {
            assert!(matches!(Retries::new(&retry), Err(Error::Retry(_))), "{retry:?}");
        }
    }
}
