//! A bulkhead shared by tasks and threads.

use super::clock::{self, TimeSource};
use super::primitives::{Mutex, lock};
use super::queue::{Queued, Waiters, Wakers};
use crate::bulkhead::{Config, Request, Snapshot, State, Ticket};
#[cfg(feature = "async")]
use crate::contract::Reason;
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Rejected, Time};
use crate::shed::Priority;
use core::mem;
use core::task::{Poll, Waker};

/// A cap on concurrent calls, shared by tasks and threads.
///
/// A returned permit is granted to the first caller in the queue at once, and then that caller's task is
/// woken. If the task is gone, the permit goes to the next caller. Therefore no wake-up is lost, and no
/// caller overtakes another of the same priority.
///
/// ```
/// use mainstay_resilience::{Outcome, Reason, bulkhead, sync::Bulkhead};
///
/// let limit = bulkhead::Limit::Fixed(1);
/// let bulkhead = Bulkhead::new(bulkhead::Config::new().limit(limit))?;
/// let permit = bulkhead.try_acquire()?;
/// assert_eq!(bulkhead.try_acquire().unwrap_err().reason, Reason::BulkheadFull);
/// permit.record(Outcome::Success);
/// assert!(bulkhead.try_acquire().is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Bulkhead {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    state: State,
    waiters: Waiters,
}

/// One of a [`Bulkhead`]'s permits. If it is dropped without an outcome, it is returned, and the call counts
/// as cancelled.
///
/// ```
/// use mainstay_resilience::{bulkhead, sync::Bulkhead};
///
/// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
/// let permit = bulkhead.try_acquire()?;
/// assert_eq!(bulkhead.snapshot().in_use, 1);
/// drop(permit);
/// assert_eq!(bulkhead.snapshot().in_use, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a permit that is dropped at once is returned"]
pub struct BulkheadPermit<'a> {
    bulkhead: &'a Bulkhead,
    ticket: Ticket,
    source: TimeSource,
}

impl<'a> BulkheadPermit<'a> {
    pub(super) fn new(bulkhead: &'a Bulkhead, ticket: Ticket, source: TimeSource) -> Self {
        Self { bulkhead, ticket, source }
    }

    /// Returns the permit and records how the call ended. An adaptive limit learns from it.
    ///
    /// ```
    /// # use mainstay_resilience::{Outcome, bulkhead, sync::Bulkhead};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
    /// bulkhead.try_acquire()?.record(Outcome::Failure);
    /// assert_eq!(bulkhead.snapshot().in_use, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record(self, outcome: Outcome) {
        self.record_at(clock::input(), outcome);
    }

    /// Like [`record`](Self::record), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, bulkhead, shed::Priority, sync::Bulkhead};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
    /// let permit = bulkhead.try_acquire_at(Input::default(), Priority::Normal)?;
    /// permit.record_at(Input::default(), Outcome::Success);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn record_at(self, input: Input, outcome: Outcome) {
        let (bulkhead, ticket) = (self.bulkhead, self.ticket);
        mem::forget(self);
        bulkhead.tell(input, ticket, outcome);
    }
}

impl Drop for BulkheadPermit<'_> {
    fn drop(&mut self) {
        let input = self.source.input_or(self.ticket.begun());
        self.bulkhead.tell(input, self.ticket, Outcome::Cancelled);
    }
}

/// What [`Bulkhead::enter`] gives a caller: a permit, or a place in the queue.
///
/// ```
/// use mainstay_resilience::shed::Priority;
/// use mainstay_resilience::sync::{Bulkhead, Admission};
/// use mainstay_resilience::{Reason, bulkhead};
///
/// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1)).queue_max(1);
/// let bulkhead = Bulkhead::new(config)?;
/// let admissions = [0; 3].map(|_| bulkhead.enter(Priority::Normal));
/// assert!(matches!(admissions, [Ok(Admission::Permit(_)), Ok(Admission::Queued(_)), Err(_)]));
/// # Ok::<(), mainstay_resilience::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use = "if it is dropped at once, the permit is returned or the caller leaves the queue"]
pub enum Admission<'a> {
    /// A permit was free.
    Permit(BulkheadPermit<'a>),
    /// The caller is in the queue.
    Queued(Queued<'a>),
}

impl Bulkhead {
    /// Creates a bulkhead with all permits free.
    ///
    /// ```
    /// # use mainstay_resilience::{bulkhead, sync::Bulkhead};
    /// let fixed = |permits| bulkhead::Config::new().limit(bulkhead::Limit::Fixed(permits));
    /// assert_eq!(Bulkhead::new(fixed(8))?.snapshot().limit, 8);
    /// assert_eq!(Bulkhead::new(fixed(0)).unwrap_err().field, "limit.fixed");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let state = config.state();
        Ok(Self { inner: Mutex::new(Inner { config, state, waiters: Waiters::default() }) })
    }

    /// Acquires a permit for a call of normal priority. Does not wait.
    ///
    /// ```
    /// # use mainstay_resilience::{bulkhead, sync::Bulkhead};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
    /// let permits: Vec<_> = (0..40).map(|_| bulkhead.try_acquire()).filter_map(Result::ok).collect();
    /// assert_eq!(permits.len(), 32);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if no permit is free, or if callers are waiting for the next one.
    pub fn try_acquire(&self) -> Result<BulkheadPermit<'_>, Rejected> {
        self.try_acquire_with(clock::input(), Priority::Normal, TimeSource::Clock)
    }

    /// Like [`try_acquire`](Self::try_acquire), but at a given time and for a given priority.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, bulkhead, shed::Priority, sync::Bulkhead};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
    /// assert!(bulkhead.try_acquire_at(Input::default(), Priority::Critical).is_ok());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if no permit is free, or if callers are waiting for the next one.
    #[inline]
    pub fn try_acquire_at(&self, input: Input, priority: Priority) -> Result<BulkheadPermit<'_>, Rejected> {
        self.try_acquire_with(input, priority, TimeSource::Caller)
    }

    fn try_acquire_with(
        &self,
        input: Input,
        priority: Priority,
        source: TimeSource,
    ) -> Result<BulkheadPermit<'_>, Rejected> {
        let inner = &mut *lock(&self.inner);
        let ticket = inner.config.ask_without_waiting(&mut inner.state, input, priority)?;
        Ok(BulkheadPermit::new(self, ticket, source))
    }

    /// Acquires a permit. If none is free, waits in the queue for at most the configuration's `wait_max`.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    /// # runtime.unwrap().block_on(async {
    /// # use mainstay_resilience::{Reason, bulkhead, shed::Priority, sync::Bulkhead};
    /// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
    /// let bulkhead = Bulkhead::new(config).unwrap();
    /// let permit = bulkhead.acquire(Priority::Normal).await.unwrap();
    /// let rejected = bulkhead.acquire(Priority::Normal).await.unwrap_err();
    /// assert_eq!(rejected.reason, Reason::BulkheadWait);
    /// # drop(permit);
    /// # });
    /// ```
    ///
    /// # Errors
    /// Returns an error if no permit is free and the queue is full, if the call is shed, or if no permit
    /// becomes free in time.
    #[cfg(feature = "async")]
    pub async fn acquire(&self, priority: Priority) -> Result<BulkheadPermit<'_>, Rejected> {
        match self.enter(priority)? {
            Admission::Permit(permit) => Ok(permit),
            Admission::Queued(queued) => {
                let until = clock::instant_of(queued.until());
                let granted = tokio::time::timeout_at(until, queued).await;
                granted.map_err(|_| Rejected { reason: Reason::BulkheadWait, retry_at: None })
            }
        }
    }

    /// Acquires a permit or a place in the queue, for callers with their own way to wait.
    ///
    /// ```
    /// # use mainstay_resilience::{bulkhead, shed::Priority, sync::{Bulkhead, Admission}};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
    /// assert!(matches!(bulkhead.enter(Priority::Normal), Ok(Admission::Permit(_))));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if no permit is free and the queue is full, or if the call is shed.
    pub fn enter(&self, priority: Priority) -> Result<Admission<'_>, Rejected> {
        self.enter_with(clock::input(), priority, TimeSource::Clock)
    }

    /// Like [`enter`](Self::enter), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, bulkhead, shed::Priority, sync::{Bulkhead, Admission}};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
    /// assert!(matches!(bulkhead.enter_at(Input::default(), Priority::Normal), Ok(Admission::Permit(_))));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if no permit is free and the queue is full, or if the call is shed.
    #[inline]
    pub fn enter_at(&self, input: Input, priority: Priority) -> Result<Admission<'_>, Rejected> {
        self.enter_with(input, priority, TimeSource::Caller)
    }

    /// Like [`enter_at`](Self::enter_at), with the source of the time at which the result is dropped.
    pub(crate) fn enter_with(
        &self,
        input: Input,
        priority: Priority,
        source: TimeSource,
    ) -> Result<Admission<'_>, Rejected> {
        let inner = &mut *lock(&self.inner);
        let caller = inner.waiters.next_name();
        match inner.config.ask_as_new(&mut inner.state, input, Request { caller, priority }) {
            Decision::Admit(ticket) => Ok(Admission::Permit(BulkheadPermit::new(self, ticket, source))),
            Decision::Wait { until } => {
                inner.waiters.insert(caller);
                Ok(Admission::Queued(Queued::new(self, caller, (input.now, until), source)))
            }
            Decision::Reject(rejected) => Err(rejected),
        }
    }

    pub(super) fn poll_granted(&self, caller: u64, waker: &Waker) -> Poll<Ticket> {
        // The replaced waker is dropped after the lock is released: dropping it may drop a task, whose
        // permits are returned here.
        let (granted, _replaced) = lock(&self.inner).waiters.poll(caller, waker);
        granted
    }

    /// Removes a caller from the queue. A permit that was granted to it goes to the next one.
    pub(super) fn leave(&self, input: Input, caller: u64) {
        let (waiter, wakers) = {
            let inner = &mut *lock(&self.inner);
            let Some(waiter) = inner.waiters.remove(caller) else { return };
            match waiter.granted {
                Some(ticket) => {
                    inner.config.tell(&mut inner.state, input, ticket, Outcome::Cancelled, 1);
                }
                None => inner.state.give_up(caller, input.now),
            }
            (waiter, inner.grant(input))
        };
        wakers.wake();
        // This drops its waker, which must not be dropped under the lock either.
        drop(waiter);
    }

    fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) {
        let wakers = {
            let inner = &mut *lock(&self.inner);
            inner.config.tell(&mut inner.state, input, ticket, outcome, 1);
            inner.grant(input)
        };
        wakers.wake();
    }

    /// Replaces the configuration. If it allows more permits, waiting callers get them.
    ///
    /// ```
    /// # use mainstay_resilience::{bulkhead, sync::Bulkhead};
    /// let fixed = |permits| bulkhead::Config::new().limit(bulkhead::Limit::Fixed(permits));
    /// let bulkhead = Bulkhead::new(fixed(1))?;
    /// let held = bulkhead.try_acquire()?;
    /// bulkhead.configure(fixed(2))?;
    /// assert!(bulkhead.try_acquire().is_ok());
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
    /// # use mainstay_resilience::{Input, bulkhead, sync::Bulkhead};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
    /// let none = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(0));
    /// assert!(bulkhead.configure_at(Input::default(), none).is_err());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range. The configuration is then unchanged.
    pub fn configure_at(&self, input: Input, config: Config) -> Result<(), ConfigError> {
        config.check()?;
        let wakers = {
            let inner = &mut *lock(&self.inner);
            inner.config = config;
            inner.grant(input)
        };
        wakers.wake();
        Ok(())
    }

    /// The current state, for display and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{bulkhead, sync::Bulkhead};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
    /// let _permit = bulkhead.try_acquire()?;
    /// let snapshot = bulkhead.snapshot();
    /// assert_eq!((snapshot.limit, snapshot.in_use, snapshot.waiting), (32, 1, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot_at(clock::now())
    }

    /// Like [`snapshot`](Self::snapshot), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, bulkhead, sync::Bulkhead};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default())?;
    /// assert_eq!(bulkhead.snapshot_at(Time::ZERO).in_use, 0);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn snapshot_at(&self, now: Time) -> Snapshot {
        let inner = lock(&self.inner);
        inner.config.snapshot(&inner.state, now)
    }
}

impl Inner {
    /// Grants the free permits to the first callers in the queue, and returns their wakers: at most as many
    /// as permits were free.
    fn grant(&mut self, input: Input) -> Wakers {
        let mut wakers = Wakers::default();
        if self.waiters.is_empty() {
            return wakers;
        }
        while let Some((caller, ticket)) = self.config.admit_next(&mut self.state, input) {
            match self.waiters.grant(caller, ticket) {
                Ok(Some(waker)) => wakers.push(waker),
                // The caller has not been polled yet, and finds its permit when it is.
                Ok(None) => {}
                // The caller is gone, so it must not hold a permit.
                Err(ticket) => {
                    self.config.tell(&mut self.state, input, ticket, Outcome::Cancelled, 1);
                }
            }
        }
        wakers
    }
}
