//! A circuit breaker shared by threads.

use super::clock;
use super::lanes::Lanes;
use super::primitives::{AtomicU64, Mutex, Ordering, lock};
use crate::breaker::{Circuit, Config, Forced, Request, Snapshot, State, Ticket, Transition};
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time};
use core::mem;

/// A circuit breaker shared by threads.
///
/// It decides as the plain [`breaker`](crate::breaker) would for some order of the calls that agrees with the
/// order within each thread. With a window of 1,024 calls, or of 10 seconds in 10 buckets, it takes less than
/// 1 KiB, including its heap memory. While the breaker is closed, acquiring a permit costs about 1 ns, and
/// recording a success costs one compare-and-swap.
///
/// ```
/// use mainstay_resilience::breaker::{Circuit, Config};
/// use mainstay_resilience::{Outcome, Reason, sync::CircuitBreaker};
///
/// let config = Config::new().consecutive_failures(2);
/// let breaker = CircuitBreaker::new(config)?;
/// for _ in 0..2 {
///     breaker.try_acquire()?.record(Outcome::Failure);
/// }
/// assert_eq!(breaker.circuit(), Circuit::Open);
/// assert_eq!(breaker.try_acquire().unwrap_err().reason, Reason::BreakerOpen);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CircuitBreaker {
    lanes: Lanes,
    /// From this moment on, a success must be recorded at its own time.
    bucket_end: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    state: State,
}

/// A call that a [`CircuitBreaker`] admitted. If it is dropped without an outcome, the call counts as
/// cancelled: it says nothing about the dependency, and a probe's permit is free again.
///
/// ```
/// use mainstay_resilience::{breaker, sync::CircuitBreaker};
///
/// let breaker = CircuitBreaker::new(breaker::Config::default())?;
/// drop(breaker.try_acquire()?);
/// assert_eq!(breaker.snapshot().window.calls, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct BreakerPermit<'a> {
    breaker: &'a CircuitBreaker,
    ticket: Ticket,
    change: Option<Transition>,
}

impl BreakerPermit<'_> {
    /// Records how the call ended.
    ///
    /// ```
    /// # use mainstay_resilience::{Outcome, Recorded, breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// assert_eq!(breaker.try_acquire()?.record(Outcome::Success), Recorded::Counted);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record(self, outcome: Outcome) -> Recorded<Transition> {
        self.record_at(clock::input(), outcome)
    }

    /// Like [`record`](Self::record), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, Recorded, breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::new().consecutive_failures(1))?;
    /// let input = Input::default();
    /// let permit = breaker.try_acquire_at(input, breaker::Request::default())?;
    /// assert!(matches!(permit.record_at(input, Outcome::Failure), Recorded::Changed(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn record_at(self, input: Input, outcome: Outcome) -> Recorded<Transition> {
        let (breaker, ticket) = (self.breaker, self.ticket);
        mem::forget(self);
        breaker.tell(input, ticket, outcome)
    }

    /// Whether this call is a probe: one of the few that test recovery while the breaker is half-open.
    ///
    /// ```
    /// # use mainstay_resilience::{breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// assert!(!breaker.try_acquire()?.is_probe());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.ticket.is_probe()
    }

    /// The transition that this call caused when it was admitted: the first probe turns an open breaker
    /// half-open.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Circuit, Config, Request};
    /// # use mainstay_resilience::{Input, Time, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(Config::default())?;
    /// breaker.trip_at(Input::at(Time::ZERO));
    /// let minute = Input::at(Time::from_millis(60_000));
    /// let probe = breaker.try_acquire_at(minute, Request::default())?;
    /// assert_eq!(probe.change().map(|change| change.to), Some(Circuit::HalfOpen));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn change(&self) -> Option<Transition> {
        self.change
    }

    /// Whether the breaker has changed state since this call was admitted, so that its outcome would no
    /// longer count.
    ///
    /// ```
    /// # use mainstay_resilience::{breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// let permit = breaker.try_acquire()?;
    /// breaker.trip();
    /// assert!(permit.is_stale());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.breaker.lanes.generation() != Some(self.ticket.generation)
            && lock(&self.breaker.inner).state.generation() != self.ticket.generation
    }

    /// Gives the permit back without recording an outcome. Only for a call that was never made and whose
    /// ticket is stale.
    #[cfg(feature = "async")]
    pub(crate) fn forget(self) {
        mem::forget(self);
    }
}

impl Drop for BreakerPermit<'_> {
    fn drop(&mut self) {
        // A cancelled call has no time of its own. A policy treats the origin of time as the latest time it
        // has seen.
        self.breaker.tell(Input::at(Time::ZERO), self.ticket, Outcome::Cancelled);
    }
}

impl CircuitBreaker {
    /// Creates a closed breaker.
    ///
    /// ```
    /// # use mainstay_resilience::{breaker, sync::CircuitBreaker};
    /// let config = breaker::Config::new().probes(0);
    /// assert_eq!(CircuitBreaker::new(config).unwrap_err().field, "probes");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let state = config.state();
        let lanes = Lanes::new();
        let bucket_end = AtomicU64::new(state.bucket_end().as_nanos());
        Ok(Self { lanes, bucket_end, inner: Mutex::new(Inner { config, state }) })
    }

    /// Asks for a permit to make a call.
    ///
    /// ```
    /// # use mainstay_resilience::{Reason, breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// assert!(breaker.try_acquire().is_ok());
    /// breaker.trip();
    /// assert_eq!(breaker.try_acquire().unwrap_err().reason, Reason::BreakerOpen);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns the reason if the breaker does not admit the call, and when to retry.
    pub fn try_acquire(&self) -> Result<BreakerPermit<'_>, Rejected> {
        self.try_acquire_at(clock::input(), Request::default())
    }

    /// Like [`try_acquire`](Self::try_acquire), but at a given time and for a given source.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// let (input, request) = (Input::at(Time::from_millis(1)), breaker::Request { source: 7 });
    /// assert!(breaker.try_acquire_at(input, request).is_ok());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns the reason if the breaker does not admit the call, and when to retry.
    #[inline]
    pub fn try_acquire_at(&self, input: Input, request: Request) -> Result<BreakerPermit<'_>, Rejected> {
        if let Some(generation) = self.lanes.generation() {
            let ticket = Ticket { generation, probe: 0, source: request.source };
            return Ok(BreakerPermit { breaker: self, ticket, change: None });
        }
        // The permit is created here, so that the common case stays in registers.
        let (ticket, change) = self.ask_state(input, request)?;
        Ok(BreakerPermit { breaker: self, ticket, change })
    }

    #[cold]
    fn ask_state(&self, input: Input, request: Request) -> Result<(Ticket, Option<Transition>), Rejected> {
        self.locked(input, |config, state| {
            let from = state.circuit();
            let decision = config.ask(state, input, request);
            let to = state.circuit();
            match decision {
                Decision::Admit(ticket) => Ok((ticket, (from != to).then_some(Transition { from, to }))),
                // A breaker never tells a caller to wait.
                Decision::Wait { until } => {
                    Err(Rejected { reason: Reason::BreakerProbing, retry_at: Some(until) })
                }
                Decision::Reject(rejected) => Err(rejected),
            }
        })
    }

    #[inline]
    pub(super) fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) -> Recorded<Transition> {
        if ticket.probe == 0 {
            match outcome {
                Outcome::Success
                    if input.now.as_nanos() < self.bucket_end.load(Ordering::Relaxed)
                        && self.lanes.add(ticket.generation) =>
                {
                    return Recorded::Counted;
                }
                Outcome::Neutral | Outcome::Cancelled
                    if self.lanes.generation() == Some(ticket.generation) =>
                {
                    return Recorded::Counted;
                }
                _ => {}
            }
        }
        self.tell_state(input, ticket, outcome)
    }

    #[cold]
    fn tell_state(&self, input: Input, ticket: Ticket, outcome: Outcome) -> Recorded<Transition> {
        self.locked(input, |config, state| config.tell(state, input, ticket, outcome, 1))
    }

    /// Opens the breaker as if it had tripped by itself: it probes once its open time has passed. Does
    /// nothing while the breaker is held open or closed.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Circuit, Config};
    /// # use mainstay_resilience::sync::CircuitBreaker;
    /// // A health check failed: do not wait for calls to fail.
    /// let breaker = CircuitBreaker::new(Config::default())?;
    /// assert_eq!(breaker.trip().to, Circuit::Open);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn trip(&self) -> Transition {
        self.trip_at(clock::input())
    }

    /// Like [`trip`](Self::trip), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// breaker.trip_at(Input::default());
    /// assert!(!breaker.is_closed());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn trip_at(&self, input: Input) -> Transition {
        self.locked(input, |config, state| config.trip(state, input))
    }

    /// Holds the breaker open or closed, or releases it with [`Forced::No`]. A released breaker starts again,
    /// closed.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Circuit, Config, Forced};
    /// # use mainstay_resilience::sync::CircuitBreaker;
    /// let breaker = CircuitBreaker::new(Config::default())?;
    /// breaker.force(Forced::Open);
    /// assert_eq!(breaker.circuit(), Circuit::Open);
    /// breaker.force(Forced::No);
    /// assert!(breaker.is_closed());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn force(&self, forced: Forced) -> Transition {
        self.force_at(clock::input(), forced)
    }

    /// Like [`force`](Self::force), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// breaker.force_at(Input::default(), breaker::Forced::Open);
    /// assert_eq!(breaker.snapshot().forced, breaker::Forced::Open);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn force_at(&self, input: Input, forced: Forced) -> Transition {
        self.locked(input, |config, state| config.force(state, input, forced))
    }

    /// Replaces the configuration. The breaker keeps its state, and outstanding permits stay valid; a
    /// different window starts empty.
    ///
    /// ```
    /// # use mainstay_resilience::{Outcome, breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// let permit = breaker.try_acquire()?;
    /// breaker.configure(breaker::Config::new().consecutive_failures(1))?;
    /// permit.record(Outcome::Failure);
    /// assert!(!breaker.is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
    /// # use mainstay_resilience::{Input, breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// let wrong = breaker::Config::new().probes(0);
    /// assert!(breaker.configure_at(Input::default(), wrong).is_err());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range. The configuration is then unchanged.
    pub fn configure_at(&self, input: Input, config: Config) -> Result<(), ConfigError> {
        config.check()?;
        let mut inner = lock(&self.inner);
        self.settle(&mut inner, input);
        inner.config = config;
        // Recording zero outcomes makes the new window and ramp take effect.
        let Inner { config, state } = &mut *inner;
        let ticket = Ticket { generation: state.generation(), probe: 0, source: 0 };
        config.tell(state, input, ticket, Outcome::Neutral, 0);
        self.publish(&inner);
        Ok(())
    }

    /// The current state, for display and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// breaker.trip();
    /// let snapshot = breaker.snapshot();
    /// assert_eq!((snapshot.circuit.code(), snapshot.trips), ("open", 1));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(clock::now())
    }

    /// Like [`snapshot`](Self::snapshot), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, breaker, sync::CircuitBreaker};
    /// let breaker = CircuitBreaker::new(breaker::Config::default())?;
    /// breaker.trip_at(Input::at(Time::ZERO));
    /// assert_eq!(breaker.snapshot_at(Time::from_millis(1)).trips, 1);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn snapshot_at(&self, now: Time) -> Snapshot {
        self.locked(Input::at(now), |config, state| config.snapshot(state, now))
    }

    /// Closed, open or half-open. A forced breaker is in the state that it is held in, and a ramping breaker
    /// is closed (see [`Snapshot::ramping`]).
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Circuit, Config};
    /// # use mainstay_resilience::sync::CircuitBreaker;
    /// let breaker = CircuitBreaker::new(Config::default())?;
    /// assert_eq!(breaker.circuit(), Circuit::Closed);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn circuit(&self) -> Circuit {
        if self.lanes.generation().is_some() { Circuit::Closed } else { lock(&self.inner).state.circuit() }
    }

    /// Whether [`circuit`](Self::circuit) is [`Circuit::Closed`].
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Config, Forced};
    /// # use mainstay_resilience::sync::CircuitBreaker;
    /// let breaker = CircuitBreaker::new(Config::default())?;
    /// breaker.trip();
    /// breaker.force(Forced::Closed);
    /// assert!(breaker.is_closed());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.circuit() == Circuit::Closed
    }

    /// Whether an operator holds the breaker open or closed.
    #[cfg(not(loom))]
    pub(crate) fn is_forced(&self) -> bool {
        lock(&self.inner).state.is_forced()
    }

    /// Runs one operation on the state, after adding what the lanes hold.
    fn locked<R>(&self, input: Input, operation: impl FnOnce(&Config, &mut State) -> R) -> R {
        let mut inner = lock(&self.inner);
        self.settle(&mut inner, input);
        let Inner { config, state } = &mut *inner;
        let result = operation(config, state);
        self.publish(&inner);
        result
    }

    /// Closes the lanes and records the successes that they held, at a time within the bucket that they
    /// belong to.
    fn settle(&self, inner: &mut Inner, input: Input) {
        let n = self.lanes.close();
        if n == 0 {
            return;
        }
        let end = self.bucket_end.load(Ordering::Relaxed);
        let now = input.now.min(Time::from_nanos(end.saturating_sub(1)));
        let Inner { config, state } = inner;
        let ticket = Ticket { generation: state.generation(), probe: 0, source: 0 };
        config.tell(state, Input { now, ..input }, ticket, Outcome::Success, n);
    }

    /// Reopens the lanes if every call is admitted.
    fn publish(&self, inner: &Inner) {
        self.bucket_end.store(inner.state.bucket_end().as_nanos(), Ordering::Relaxed);
        if inner.state.admits_all() {
            self.lanes.open(inner.state.generation());
        }
    }
}
