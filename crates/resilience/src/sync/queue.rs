//! Callers waiting for a permit.

use super::bulkhead::{Bulkhead, BulkheadPermit};
use super::clock::TimeSource;
use crate::bulkhead::Ticket;
use crate::contract::{Input, Time};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// A caller in the queue of a [`Bulkhead`]: a future that resolves to its permit. Dropping it leaves the
/// queue, and passes on a permit that was granted in the meantime.
///
/// The future has no timer: it stays pending after [`until`](Queued::until), when `wait_max` has ended. The
/// caller must watch the clock, and drop the future then.
///
/// ```
/// use mainstay_resilience::shed::Priority;
/// use mainstay_resilience::sync::{Bulkhead, Admission};
/// use mainstay_resilience::{Input, Outcome, bulkhead};
///
/// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
/// let bulkhead = Bulkhead::new(config)?;
/// let permit = bulkhead.try_acquire()?;
/// let Admission::Queued(queued) = bulkhead.enter(Priority::Normal)? else { unreachable!("the permit is taken") };
/// assert_eq!(bulkhead.snapshot().waiting, 1);
/// drop(queued);
/// assert_eq!(bulkhead.snapshot().waiting, 0);
/// # permit.record(Outcome::Success);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a caller that is dropped at once leaves the queue"]
pub struct Queued<'a> {
    bulkhead: &'a Bulkhead,
    caller: u64,
    entered: Time,
    until: Time,
    source: TimeSource,
    is_done: bool,
}

impl<'a> Queued<'a> {
    /// A caller that entered at one moment and waits until another.
    pub(super) fn new(
        bulkhead: &'a Bulkhead,
        caller: u64,
        (entered, until): (Time, Time),
        source: TimeSource,
    ) -> Self {
        Self { bulkhead, caller, entered, until, source, is_done: false }
    }

    /// When the caller's `wait_max` ends.
    ///
    /// ```
    /// # use mainstay_resilience::shed::Priority;
    /// # use mainstay_resilience::sync::{Bulkhead, Admission};
    /// # use mainstay_resilience::{Input, Time, bulkhead};
    /// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
    /// let (bulkhead, input) = (Bulkhead::new(config)?, Input::at(Time::ZERO));
    /// let _held = bulkhead.try_acquire_at(input, Priority::Normal)?;
    /// let Admission::Queued(queued) = bulkhead.enter_at(input, Priority::Normal)? else { unreachable!() };
    /// assert_eq!(queued.until(), Time::from_millis(500));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn until(&self) -> Time {
        self.until
    }

    /// Leaves the queue at a given time. Dropping the future does the same at the time that was passed when
    /// the caller entered, or else at the current time.
    ///
    /// ```
    /// # use mainstay_resilience::shed::Priority;
    /// # use mainstay_resilience::sync::{Bulkhead, Admission};
    /// # use mainstay_resilience::{Input, Time, bulkhead};
    /// let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
    /// let (bulkhead, input) = (Bulkhead::new(config)?, Input::at(Time::ZERO));
    /// let _held = bulkhead.try_acquire_at(input, Priority::Normal)?;
    /// let Admission::Queued(queued) = bulkhead.enter_at(input, Priority::Normal)? else { unreachable!() };
    /// queued.leave_at(Input::at(Time::from_millis(500)));
    /// assert_eq!(bulkhead.snapshot_at(Time::from_millis(500)).waited_out, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn leave_at(mut self, input: Input) {
        self.is_done = true;
        self.bulkhead.leave(input, self.caller);
    }
}

impl<'a> Future for Queued<'a> {
    type Output = BulkheadPermit<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BulkheadPermit<'a>> {
        if self.is_done {
            return Poll::Pending;
        }
        let bulkhead = self.bulkhead;
        match bulkhead.poll_granted(self.caller, cx.waker()) {
            Poll::Ready(ticket) => {
                self.is_done = true;
                Poll::Ready(BulkheadPermit::new(bulkhead, ticket, self.source))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.bulkhead.leave(self.source.input_or(self.entered), self.caller);
        }
    }
}

/// The callers in the queue, and those that were granted a permit and have not taken it yet. A lookup by name
/// takes constant time.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    slots: Vec<Option<Waiter>>,
    free: Vec<usize>,
    last: u64,
}

#[derive(Debug)]
pub(super) struct Waiter {
    caller: u64,
    waker: Option<Waker>,
    pub(super) granted: Option<Ticket>,
}

/// The bits of a caller's name that hold its slot: enough for more callers than a queue may hold.
const SLOT_BITS: u32 = 20;

impl Waiters {
    /// A name that was never used before, for the next free slot.
    pub(super) fn next_name(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        let slot = self.free.last().copied().unwrap_or(self.slots.len());
        self.last << SLOT_BITS | slot as u64 & ((1 << SLOT_BITS) - 1)
    }

    fn slot(caller: u64) -> usize {
        (caller & ((1 << SLOT_BITS) - 1)) as usize
    }

    pub(super) fn insert(&mut self, caller: u64) {
        let waiter = Some(Waiter { caller, waker: None, granted: None });
        match self.free.pop().and_then(|slot| self.slots.get_mut(slot)) {
            Some(slot) => *slot = waiter,
            None => self.slots.push(waiter),
        }
    }

    pub(super) fn remove(&mut self, caller: u64) -> Option<Waiter> {
        self.get_mut(caller)?;
        self.free.push(Self::slot(caller));
        self.slots.get_mut(Self::slot(caller))?.take()
    }

    fn get_mut(&mut self, caller: u64) -> Option<&mut Waiter> {
        self.slots.get_mut(Self::slot(caller))?.as_mut().filter(|waiter| waiter.caller == caller)
    }

    /// Grants a permit, and returns the caller's waker. Returns the permit if the caller is gone.
    pub(super) fn grant(&mut self, caller: u64, ticket: Ticket) -> Result<Option<Waker>, Ticket> {
        let Some(waiter) = self.get_mut(caller) else { return Err(ticket) };
        waiter.granted = Some(ticket);
        Ok(waiter.waker.take())
    }

    /// Takes the permit that was granted, or stores the waker. Returns the waker that it replaced, which must
    /// be dropped after the lock is released.
    #[inline]
    pub(super) fn poll(&mut self, caller: u64, waker: &Waker) -> (Poll<Ticket>, Option<Waker>) {
        let Some(waiter) = self.get_mut(caller) else { return (Poll::Pending, None) };
        if let Some(ticket) = waiter.granted.take() {
            let waker = self.remove(caller).and_then(|waiter| waiter.waker);
            return (Poll::Ready(ticket), waker);
        }
        if waiter.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return (Poll::Pending, None);
        }
        (Poll::Pending, waiter.waker.replace(waker.clone()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slots.len() == self.free.len()
    }
}

/// The wakers to call after the lock is released: a waker may do anything, including asking for a permit. A
/// returned permit usually goes to one caller, so a single waker needs no allocation.
#[derive(Debug, Default)]
#[must_use = "these callers hold a permit and must be woken"]
pub(super) struct Wakers {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakers {
    pub(super) fn push(&mut self, waker: Waker) {
        match self.first {
            None => self.first = Some(waker),
            Some(_) => self.more.push(waker),
        }
    }

    pub(super) fn wake(self) {
        for waker in self.first.into_iter().chain(self.more) {
            waker.wake();
        }
    }
}
