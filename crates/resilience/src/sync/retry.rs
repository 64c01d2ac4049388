//! Retries shared by threads.

use super::clock;
use super::lanes::Lanes;
use super::primitives::{AtomicU64, Mutex, Ordering, lock};
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Reason, Rejected, Time};
use crate::retry::{Again, Config, Request, Safety, Snapshot, State, Ticket};
use core::time::Duration;

/// Retries with one budget for all threads. Beginning a call costs one compare-and-swap.
///
/// ```
/// use mainstay_resilience::retry::{self, Safety};
/// use mainstay_resilience::{Outcome, sync::Retry};
///
/// fn fetch(retry: &Retry) -> Result<&'static str, Box<dyn std::error::Error>> {
///     let mut attempts = retry.begin(Safety::Safe);
///     loop {
///         let result: Result<_, std::io::Error> = Ok("42"); // The attempt.
///         let Err(error) = result else {
///             attempts.record(Outcome::Success);
///             return Ok(result?);
///         };
///         // Another attempt, after a pause? If not, the last error is the result.
///         let Ok(pause) = attempts.pause(None) else { return Err(error.into()) };
///         std::thread::sleep(pause);
///         if attempts.try_acquire().is_err() {
///             return Err(error.into());
///         }
///     }
/// }
/// let retry = Retry::new(retry::Config::default())?;
/// assert_eq!(fetch(&retry)?, "42");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Retry {
    lanes: Lanes,
    /// From this moment on a call must be counted at its own time.
    bucket_end: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    state: State,
}

/// The attempts of one call. Dropping it gives nothing back: an attempt that was paid for from the budget
/// stays paid for.
///
/// ```
/// use mainstay_resilience::retry::{self, Safety};
/// use mainstay_resilience::{Reason, sync::Retry};
///
/// let retry = Retry::new(retry::Config::default())?;
/// // A call that may not be repeated has one attempt.
/// let mut attempts = retry.begin(Safety::Unsafe);
/// assert_eq!(attempts.pause(None).unwrap_err().reason, Reason::RetryUnsafe);
/// assert_eq!(attempts.number(), 1);
/// # Ok::<(), mainstay_resilience::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Attempts<'a> {
    retry: &'a Retry,
    ticket: Ticket,
    begun: Time,
    safety: Safety,
    /// The last pause, and when the next attempt is due.
    backoff: Duration,
    due: Option<Time>,
}

impl Attempts<'_> {
    /// The number of the current attempt, from 1.
    ///
    /// ```
    /// # use mainstay_resilience::{retry, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// assert_eq!(retry.begin(retry::Safety::Safe).number(), 1);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn number(&self) -> u32 {
        self.ticket.attempt
    }

    /// Call this after a failed attempt. It returns how long to pause before the next one. `retry_after` is
    /// the pause that the dependency asked for.
    ///
    /// ```
    /// # use mainstay_resilience::{retry, sync::Retry};
    /// # use core::time::Duration;
    /// let retry = Retry::new(retry::Config::default())?;
    /// let mut attempts = retry.begin(retry::Safety::Safe);
    /// let pause = attempts.pause(Some(Duration::from_secs(2)))?;
    /// assert!(pause >= Duration::from_millis(1_900), "`Retry-After` is honoured");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if there is no further attempt: too many were made, they took too long, the call is
    /// not safe to repeat, the dependency asked for too long a pause, or the budget is spent.
    pub fn pause(&mut self, retry_after: Option<Duration>) -> Result<Duration, Rejected> {
        let input = clock::input();
        Ok(self.due_at(input, retry_after)?.since(input.now))
    }

    /// Like [`pause`](Self::pause), but at a given time. Returns the moment at which the next attempt is due.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, retry, sync::Retry};
    /// let backoff = retry::Backoff::new().jitter(retry::Jitter::None);
    /// let retry = Retry::new(retry::Config::new().backoff(backoff))?;
    /// let input = Input::at(Time::ZERO);
    /// let mut attempts = retry.begin_at(input, retry::Safety::Safe);
    /// assert_eq!(attempts.due_at(input, None)?, Time::from_millis(50));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The same errors as [`pause`](Self::pause).
    pub fn due_at(&mut self, input: Input, retry_after: Option<Duration>) -> Result<Time, Rejected> {
        self.due = None;
        let due = match self.ask(input, retry_after) {
            Decision::Admit(_) => input.now,
            Decision::Wait { until } => until,
            Decision::Reject(rejected) => return Err(rejected),
        };
        (self.due, self.backoff) = (Some(due), due.since(input.now));
        Ok(due)
    }

    /// Begins the next attempt, which the budget pays for. Call this after the pause; a timer that fires
    /// slightly early does no harm.
    ///
    /// ```
    /// # use mainstay_resilience::{retry, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// let mut attempts = retry.begin(retry::Safety::Safe);
    /// std::thread::sleep(attempts.pause(None)?);
    /// attempts.try_acquire()?;
    /// assert_eq!(attempts.number(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the budget was spent in the meantime, or if it is too late for another attempt.
    pub fn try_acquire(&mut self) -> Result<(), Rejected> {
        self.try_acquire_at(clock::input())
    }

    /// Like [`try_acquire`](Self::try_acquire), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, retry, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// let mut attempts = retry.begin_at(Input::default(), retry::Safety::Safe);
    /// let due = attempts.due_at(Input::default(), None)?;
    /// attempts.try_acquire_at(Input::at(due))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The same errors as [`try_acquire`](Self::try_acquire).
    pub fn try_acquire_at(&mut self, input: Input) -> Result<(), Rejected> {
        let due = self.due.unwrap_or(input.now);
        self.due = Some(due);
        match self.ask(Input { now: input.now.max(due), ..input }, None) {
            Decision::Admit(ticket) => {
                (self.ticket, self.due) = (ticket, None);
                Ok(())
            }
            Decision::Wait { until } => Err(Rejected { reason: Reason::RetryBudget, retry_at: Some(until) }),
            Decision::Reject(rejected) => Err(rejected),
        }
    }

    fn ask(&self, input: Input, retry_after: Option<Duration>) -> Decision<Ticket> {
        let (attempts, begun, backoff) = (self.ticket.attempt, self.begun, self.backoff);
        let again = Again { attempts, begun, backoff, retry_after, safety: self.safety, due: self.due };
        self.retry.locked(input, |config, state| config.ask(state, input, Request::Again(again)))
    }

    /// Records how the current attempt ended. Only successful retries are counted.
    ///
    /// ```
    /// # use mainstay_resilience::{Outcome, retry, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// retry.begin(retry::Safety::Safe).record(Outcome::Success);
    /// assert_eq!(retry.snapshot().recovered, 0, "the first attempt is not a retry");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn record(&self, outcome: Outcome) {
        self.record_at(clock::input(), outcome);
    }

    /// Like [`record`](Self::record), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, retry, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// let input = Input::default();
    /// let mut attempts = retry.begin_at(input, retry::Safety::Safe);
    /// let due = Input::at(attempts.due_at(input, None)?);
    /// attempts.try_acquire_at(due)?;
    /// attempts.record_at(due, Outcome::Success);
    /// assert_eq!(retry.snapshot_at(due.now).recovered, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_at(&self, input: Input, outcome: Outcome) {
        if self.ticket.attempt > 1 {
            let ticket = self.ticket;
            self.retry.locked(input, |config, state| config.tell(state, input, ticket, outcome, 1));
        }
    }
}

impl Retry {
    /// Creates retries with a budget to which no call has added its share yet.
    ///
    /// ```
    /// # use mainstay_resilience::{retry, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// assert_eq!(retry.snapshot().budget.left, 100, "ten per second without any calls");
    /// let config = retry::Config::new().attempts_max(0);
    /// assert_eq!(Retry::new(config).unwrap_err().field, "attempts_max");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let state = config.state();
        let bucket_end = AtomicU64::new(state.budget.bucket_end().as_nanos());
        Ok(Self { lanes: Lanes::new(), bucket_end, inner: Mutex::new(Inner { config, state }) })
    }

    /// Begins a call, which adds its share to the budget.
    ///
    /// ```
    /// # use mainstay_resilience::{retry::{self, Safety}, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// for _ in 0..50 {
    ///     retry.begin(Safety::Safe);
    /// }
    /// assert_eq!(retry.snapshot().budget.left, 110, "a fifth of the calls on top");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn begin(&self, safety: Safety) -> Attempts<'_> {
        self.begin_at(clock::input(), safety)
    }

    /// Like [`begin`](Self::begin), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, retry::{self, Safety}, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// assert_eq!(retry.begin_at(Input::default(), Safety::Safe).number(), 1);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[inline]
    pub fn begin_at(&self, input: Input, safety: Safety) -> Attempts<'_> {
        self.count_at(input);
        self.attempts(input.now, safety)
    }

    /// Adds a call's share to the budget.
    #[inline]
    pub(crate) fn count_at(&self, input: Input) {
        let is_same_bucket = input.now.as_nanos() < self.bucket_end.load(Ordering::Relaxed);
        if !(is_same_bucket && self.lanes.add(0)) {
            self.begin_bucket(input);
        }
    }

    /// The attempts of a call that has been counted, and began at that moment.
    pub(crate) fn attempts(&self, begun: Time, safety: Safety) -> Attempts<'_> {
        let ticket = Ticket { attempt: 1 };
        Attempts { retry: self, ticket, begun, safety, backoff: Duration::ZERO, due: None }
    }

    #[cold]
    fn begin_bucket(&self, input: Input) {
        self.locked(input, |config, state| {
            let _ = config.ask(state, input, Request::First);
        });
    }

    /// Replaces the configuration. What was added to the budget and spent is kept, unless the budget's length
    /// changes.
    ///
    /// ```
    /// # use mainstay_resilience::{Reason, retry::{self, Safety}, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// retry.configure(retry::Config::new().attempts_max(1))?;
    /// let rejected = retry.begin(Safety::Safe).pause(None).unwrap_err();
    /// assert_eq!(rejected.reason, Reason::RetryAttempts);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range. The configuration is then unchanged.
    pub fn configure(&self, config: Config) -> Result<(), ConfigError> {
        self.configure_at(clock::input(), config)
    }

    /// Like [`configure`](Self::configure), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, retry, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// assert!(retry.configure_at(Input::default(), retry::Config::default()).is_ok());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range. The configuration is then unchanged.
    pub fn configure_at(&self, input: Input, config: Config) -> Result<(), ConfigError> {
        config.check()?;
        // The calls in the lanes are counted under the old configuration, before it is replaced.
        self.locked(input, |_, _| ());
        lock(&self.inner).config = config;
        Ok(())
    }

    /// The current state, for display and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{retry::{self, Safety}, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// retry.begin(Safety::Safe);
    /// let snapshot = retry.snapshot();
    /// assert_eq!((snapshot.retries, snapshot.budget.calls), (0, 1));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(clock::now())
    }

    /// Like [`snapshot`](Self::snapshot), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, retry, sync::Retry};
    /// let retry = Retry::new(retry::Config::default())?;
    /// assert_eq!(retry.snapshot_at(Time::ZERO).retries, 0);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn snapshot_at(&self, now: Time) -> Snapshot {
        self.locked(Input::at(now), |config, state| config.snapshot(state, now))
    }

    fn locked<R>(&self, input: Input, operation: impl FnOnce(&Config, &mut State) -> R) -> R {
        let Inner { config, state } = &mut *lock(&self.inner);
        let calls = self.lanes.close();
        if calls > 0 {
            let end = self.bucket_end.load(Ordering::Relaxed);
            let now = input.now.min(Time::from_nanos(end.saturating_sub(1)));
            config.deposit(state, Input { now, ..input }, calls);
        }
        let result = operation(config, state);
        self.bucket_end.store(state.budget.bucket_end().as_nanos(), Ordering::Relaxed);
        self.lanes.open(0);
        result
    }
}
