//! A bulkhead that tasks share.

use super::primitives::{Mutex, lock};
use crate::bulkhead::{Config, Request, Snapshot, State, Ticket};
use crate::contract::{Decide, Decision, Input, Outcome, Reason, Rejected, Time};
use crate::shed::Priority;
use core::task::{Poll, Waker};

/// A bulkhead for all tasks of a program: the plain state behind a lock that is never held across a call.
///
/// Who must wait has a [`Place`]. A permit that comes free is granted to the next in the queue there and then, in its
/// name, and its task is woken; should the task be gone, the permit goes on to the next. So no wake-up can be lost
/// and nobody is overtaken.
///
/// ```
/// use mainstay_resilience::sync::{Bulkhead, Entry};
/// use mainstay_resilience::shed::Priority;
/// use mainstay_resilience::{Input, Outcome, bulkhead};
///
/// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1)).queue_max(0);
/// let (bulkhead, input) = (Bulkhead::new(config), Input::default());
/// let Entry::Admit(ticket) = bulkhead.enter(input, Priority::Normal) else { unreachable!("it is free") };
/// assert!(matches!(bulkhead.enter(input, Priority::Normal), Entry::Reject(_)));
/// bulkhead.tell(input, ticket, Outcome::Success);
/// assert!(matches!(bulkhead.enter(input, Priority::Normal), Entry::Admit(_)));
/// ```
#[derive(Debug)]
pub struct Bulkhead {
    inner: Mutex<Inner>,
}

/// A place in the queue: held until a permit was taken, none will come, or it was left.
///
/// ```
/// use mainstay_resilience::sync::{Bulkhead, Entry, Place};
/// use mainstay_resilience::{Input, bulkhead, shed::Priority};
///
/// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
/// let (bulkhead, input) = (Bulkhead::new(config), Input::default());
/// let mut places: Vec<Place> = Vec::new();
/// for _ in 0..3 {
///     if let Entry::Wait { place, .. } = bulkhead.enter(input, Priority::Normal) {
///         places.push(place);
///     }
/// }
/// assert_eq!(places.len(), 2);
/// assert_ne!(places[0], places[1]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place(u64);

/// What a bulkhead says to a new caller.
///
/// ```
/// use mainstay_resilience::sync::{Bulkhead, Entry};
/// use mainstay_resilience::{Reason, Rejected, Input, bulkhead, shed::Priority};
///
/// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1)).queue_max(1);
/// let bulkhead = Bulkhead::new(config);
/// let entries = [0; 3].map(|_| bulkhead.enter(Input::default(), Priority::Normal));
/// assert!(matches!(
///     entries,
///     [Entry::Admit(_), Entry::Wait { .. }, Entry::Reject(Rejected { reason: Reason::BulkheadFull, .. }),]
/// ));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a permit must come back through `tell`, and a place through `leave`"]
pub enum Entry {
    /// Go ahead.
    Admit(Ticket),
    /// Wait in the queue: ask with [`Bulkhead::poll_granted`], and [`Bulkhead::leave`] it when done.
    Wait {
        /// Its place.
        place: Place,
        /// When its patience ends.
        until: Time,
    },
    /// Do not call: the queue is full, or the call was shed.
    Reject(Rejected),
}

#[derive(Debug)]
struct Inner {
    config: Config,
    state: State,
    waiting: Waiters,
}

/// Those in the queue, and those who were granted a permit and have not taken it yet; each found by its place at once.
#[derive(Debug, Default)]
struct Waiters {
    slots: Vec<Option<Waiter>>,
    free: Vec<usize>,
    last: u64,
}

#[derive(Debug)]
struct Waiter {
    place: u64,
    waker: Option<Waker>,
    granted: Option<Ticket>,
}

/// How much of a place is its slot: more than a queue may be long.
const SLOT_BITS: u32 = 20;

impl Waiters {
    /// A place that was never given out before, and in which slot it would be.
    fn next_place(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        let slot = self.free.last().copied().unwrap_or(self.slots.len());
        self.last << SLOT_BITS | slot as u64 & ((1 << SLOT_BITS) - 1)
    }

    fn slot(place: u64) -> usize {
        (place & ((1 << SLOT_BITS) - 1)) as usize
    }

    fn insert(&mut self, place: u64) {
        let waiter = Some(Waiter { place, waker: None, granted: None });
        match self.free.pop() {
            Some(slot) => self.slots[slot] = waiter,
            None => self.slots.push(waiter),
        }
    }

    fn get_mut(&mut self, place: u64) -> Option<&mut Waiter> {
        self.slots.get_mut(Self::slot(place))?.as_mut().filter(|waiter| waiter.place == place)
    }

    fn remove(&mut self, place: u64) -> Option<Waiter> {
        self.get_mut(place)?;
        self.free.push(Self::slot(place));
        self.slots.get_mut(Self::slot(place))?.take()
    }

    fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }
}

impl Bulkhead {
    /// One with all its permits free.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, bulkhead, sync::Bulkhead};
    /// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(8));
    /// assert_eq!(Bulkhead::new(config).snapshot(Time::ZERO).limit, 8);
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = config.state();
        Self { inner: Mutex::new(Inner { config, state, waiting: Waiters::default() }) }
    }

    /// A permit, a place in the queue, or neither.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, bulkhead, sync::{Bulkhead, Entry}, shed::Priority};
    /// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
    /// let (bulkhead, input) = (Bulkhead::new(config), Input::at(Time::ZERO));
    /// assert!(matches!(bulkhead.enter(input, Priority::Normal), Entry::Admit(_)));
    /// let Entry::Wait { until, .. } = bulkhead.enter(input, Priority::Normal) else { unreachable!() };
    /// assert_eq!(until, Time::from_millis(500), "its patience ends then");
    /// ```
    pub fn enter(&self, input: Input, priority: Priority) -> Entry {
        let inner = &mut *lock(&self.inner);
        let caller = inner.waiting.next_place();
        match inner.config.ask_as_new(&mut inner.state, input, Request { caller, priority }) {
            Decision::Admit(ticket) => Entry::Admit(ticket),
            Decision::Wait { until } => {
                inner.waiting.insert(caller);
                Entry::Wait { place: Place(caller), until }
            }
            Decision::Reject(rejected) => Entry::Reject(rejected),
        }
    }

    /// Has a permit come? If not, the waker is woken when one does. Pending for ever once its patience has ended: the
    /// caller watches the clock, and then [`leave`](Bulkhead::leave)s.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, bulkhead, sync::{Bulkhead, Entry}, shed::Priority};
    /// # use std::task::{Poll, Waker};
    /// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
    /// let (bulkhead, input) = (Bulkhead::new(config), Input::default());
    /// let Entry::Admit(ticket) = bulkhead.enter(input, Priority::Normal) else { unreachable!() };
    /// let Entry::Wait { place, .. } = bulkhead.enter(input, Priority::Normal) else { unreachable!() };
    /// // In a future it is its own waker, and this is one turn of its poll.
    /// let waker = Waker::noop();
    /// assert!(bulkhead.poll_granted(place, &waker).is_pending());
    /// bulkhead.tell(input, ticket, Outcome::Success);
    /// assert!(matches!(bulkhead.poll_granted(place, &waker), Poll::Ready(Ok(_))));
    /// ```
    ///
    /// # Errors
    /// The place is none: it was left, or its permit was taken.
    pub fn poll_granted(&self, place: Place, waker: &Waker) -> Poll<Result<Ticket, Reason>> {
        // Dropped after the lock: who drops a waker may drop a task with it, and what that holds comes back here.
        let _old;
        let inner = &mut *lock(&self.inner);
        let Some(waiter) = inner.waiting.get_mut(place.0) else {
            return Poll::Ready(Err(Reason::BulkheadWait));
        };
        if let Some(ticket) = waiter.granted.take() {
            inner.waiting.remove(place.0);
            return Poll::Ready(Ok(ticket));
        }
        if !waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            _old = waiter.waker.replace(waker.clone());
        }
        Poll::Pending
    }

    /// Leaves the queue; a permit that was granted and not taken goes to the next. Nothing happens if the place was
    /// left, or its permit taken, before.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, bulkhead, sync::{Bulkhead, Entry}, shed::Priority};
    /// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
    /// let (bulkhead, input) = (Bulkhead::new(config), Input::default());
    /// let _held = bulkhead.enter(input, Priority::Normal);
    /// let Entry::Wait { place, .. } = bulkhead.enter(input, Priority::Normal) else { unreachable!() };
    /// bulkhead.leave(input, place);
    /// assert_eq!(bulkhead.snapshot(input.now).waiting, 0);
    /// ```
    pub fn leave(&self, input: Input, place: Place) {
        let (waiter, wakers) = {
            let inner = &mut *lock(&self.inner);
            let Some(waiter) = inner.waiting.remove(place.0) else { return };
            match waiter.granted {
                Some(ticket) => {
                    inner.config.tell(&mut inner.state, input, ticket, Outcome::Cancelled, 1);
                }
                None => inner.state.give_up(place.0, input.now),
            }
            (waiter, inner.grant(input))
        };
        wake(wakers);
        // With its waker, which must not be dropped under the lock either.
        drop(waiter);
    }

    /// What came of a call: its permit is free.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, bulkhead, sync::{Bulkhead, Entry}, shed::Priority};
    /// let (bulkhead, input) = (Bulkhead::new(bulkhead::Config::default()), Input::default());
    /// let Entry::Admit(ticket) = bulkhead.enter(input, Priority::Normal) else { unreachable!() };
    /// assert_eq!(bulkhead.snapshot(input.now).in_use, 1);
    /// bulkhead.tell(input, ticket, Outcome::Failure);
    /// assert_eq!(bulkhead.snapshot(input.now).in_use, 0);
    /// ```
    pub fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) {
        let wakers = {
            let inner = &mut *lock(&self.inner);
            inner.config.tell(&mut inner.state, input, ticket, outcome, 1);
            inner.grant(input)
        };
        wake(wakers);
    }

    /// Other rules from now on. Where they have more permits, those in the queue get them.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, bulkhead, sync::{Bulkhead, Entry}, shed::Priority};
    /// # use std::task::Waker;
    /// let limit = |n| bulkhead::Config::new().limit(bulkhead::Limit::Fixed(n));
    /// let (bulkhead, input) = (Bulkhead::new(limit(1)), Input::default());
    /// let _held = bulkhead.enter(input, Priority::Normal);
    /// let Entry::Wait { place, .. } = bulkhead.enter(input, Priority::Normal) else { unreachable!() };
    /// bulkhead.configure(input, limit(2));
    /// assert!(bulkhead.poll_granted(place, Waker::noop()).is_ready());
    /// ```
    pub fn configure(&self, input: Input, config: Config) {
        let wakers = {
            let inner = &mut *lock(&self.inner);
            inner.config = config;
            inner.grant(input)
        };
        wake(wakers);
    }

    /// It as it is, for people and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, bulkhead, sync::Bulkhead, shed::Priority};
    /// let bulkhead = Bulkhead::new(bulkhead::Config::default());
    /// for _ in 0..40 {
    ///     let _ = bulkhead.enter(Input::default(), Priority::Normal);
    /// }
    /// let seen = bulkhead.snapshot(Time::ZERO);
    /// assert_eq!((seen.limit, seen.in_use, seen.waiting), (32, 32, 8));
    /// ```
    pub fn snapshot(&self, now: Time) -> Snapshot {
        let inner = lock(&self.inner);
        inner.config.snapshot(&inner.state, now)
    }
}

impl Inner {
    /// Grants what is free to those who are next, in their names: whom to wake. No more than permits are free.
    fn grant(&mut self, input: Input) -> Vec<Waker> {
        let mut wakers = Vec::new();
        if self.waiting.is_empty() {
            return wakers;
        }
        while let Some((caller, ticket)) = self.config.admit_next(&mut self.state, input) {
            match self.waiting.get_mut(caller) {
                Some(waiter) => {
                    waiter.granted = Some(ticket);
                    wakers.extend(waiter.waker.take());
                }
                // Nobody waits under that name: it must not hold a permit.
                None => {
                    self.config.tell(&mut self.state, input, ticket, Outcome::Cancelled, 1);
                }
            }
        }
        wakers
    }
}

/// Outside the lock: a waker may do anything, even ask again.
fn wake(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}
