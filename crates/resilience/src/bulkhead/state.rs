//! The state of a bulkhead, and its decisions.

use super::config::Config;
use super::limiter::{Limiter, Sample};
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time};
use crate::shed::Priority;
use alloc::collections::VecDeque;
use core::time::Duration;

/// A request for a permit.
///
/// ```
/// use mainstay_resilience::bulkhead::Request;
/// use mainstay_resilience::shed::Priority;
///
/// assert_eq!(Request::default().priority, Priority::Normal);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// A number of your choice that identifies the caller; unique among the callers in the queue. A request
    /// with the number of a queued caller comes from that caller, and keeps the priority that it was queued
    /// with. A caller that has waited for `wait_max` may have lost its place to another; if it asks after
    /// that, it counts as a new caller.
    pub caller: u64,
    /// How important the request is. The queue is ordered by priority.
    pub priority: Priority,
}

/// A permit.
///
/// **Record each ticket once.** A bulkhead counts permits and does not tell them apart, so recording a ticket
/// twice returns the permit of another call. Only when no permit is in use is the second `tell` recognised as
/// [`Recorded::Stale`]. The permits of `sync::Bulkhead` (feature `sync`) cannot be recorded twice.
///
/// ```
/// use mainstay_resilience::bulkhead::{Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Recorded, Time};
///
/// let config = Config::new();
/// let (mut state, input) = (config.state(), Input::at(Time::from_millis(5)));
/// let ticket = config.ask(&mut state, input, Request::default()).admitted().unwrap();
/// assert_eq!(ticket.begun(), Time::from_millis(5));
/// assert_eq!(config.tell(&mut state, input, ticket, Outcome::Cancelled, 1), Recorded::Counted);
/// assert_eq!(config.snapshot(&state, input.now).in_use, 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket {
    begun: Time,
}

impl Ticket {
    /// When the call was admitted.
    ///
    /// ```
    /// # use mainstay_resilience::{Decide, Input, Time, bulkhead};
    /// # let config = bulkhead::Config::default();
    /// let input = Input::at(Time::from_millis(20));
    /// let decision = config.ask(&mut config.state(), input, bulkhead::Request::default());
    /// assert_eq!(decision.admitted().map(|ticket| ticket.begun()), Some(input.now));
    /// ```
    #[must_use]
    pub const fn begun(self) -> Time {
        self.begun
    }
}

/// A change of an adaptive limit.
///
/// ```
/// use mainstay_resilience::bulkhead::{Aimd, Config, Limit, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Recorded};
///
/// let aimd = Aimd::new().initial(10).backoff_percent(50);
/// let config = Config::new().limit(Limit::Aimd(aimd));
/// let (mut state, input) = (config.state(), Input::default());
/// let ticket = config.ask(&mut state, input, Request::default()).admitted().unwrap();
/// let recorded = config.tell(&mut state, input, ticket, Outcome::Failure, 1);
/// assert!(matches!(recorded, Recorded::Changed(change) if (change.from, change.to) == (10, 5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Changed {
    /// The number of permits before.
    pub from: u32,
    /// The number of permits now.
    pub to: u32,
}

/// A caller in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Waiting {
    caller: u64,
    priority: Priority,
    until: Time,
}

/// The state of a bulkhead. The queue holds at most `queue_max` callers.
///
/// ```
/// use mainstay_resilience::bulkhead::{Config, State};
/// use mainstay_resilience::{Decide, Time};
///
/// let snapshot = Config::default().snapshot(&State::default(), Time::ZERO);
/// assert_eq!((snapshot.limit, snapshot.in_use, snapshot.waiting), (32, 0, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    /// The latest time seen.
    clock: Time,
    in_use: u32,
    /// Ordered by priority, then by arrival.
    queue: VecDeque<Waiting>,
    limiter: Limiter,
    /// Callers that were rejected at once.
    rejected: u64,
    /// Callers whose `wait_max` ended in the queue.
    waited_out: u64,
}

/// A snapshot of a bulkhead for display and metrics.
///
/// ```
/// use mainstay_resilience::bulkhead::{Config, Limit, Request};
/// use mainstay_resilience::{Decide, Input, Time};
///
/// let config = Config::new().limit(Limit::Fixed(2)).queue_max(1);
/// let mut state = config.state();
/// for caller in 0..5 {
///     let _ = config.ask(&mut state, Input::default(), Request { caller, ..Request::default() });
/// }
/// let seen = config.snapshot(&state, Time::ZERO);
/// assert_eq!((seen.in_use, seen.waiting, seen.rejected), (2, 1, 2));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The number of permits.
    pub limit: u32,
    /// The number of permits in use. It can exceed `limit` when the limit has just fallen.
    pub in_use: u32,
    /// The number of callers in the queue.
    pub waiting: u32,
    /// The latency without queueing, if a gradient limit has measured it.
    pub baseline: Option<Duration>,
    /// Callers that were rejected at once.
    pub rejected: u64,
    /// Callers whose `wait_max` ended in the queue. A caller is counted when it asks again, or when its place
    /// goes to another.
    pub waited_out: u64,
}

impl Decide for Config {
    type State = State;
    type Request = Request;
    type Ticket = Ticket;
    type Change = Changed;
    type Snapshot = Snapshot;

    fn state(&self) -> State {
        State::default()
    }

    fn ask(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        let now = state.see(input.now);
        match state.queue.iter().position(|waiting| waiting.caller == request.caller) {
            Some(place) => self.ask_again(state, now, place),
            None => self.ask_first(state, now, request),
        }
    }

    /// Returns `n` permits, whatever the outcome. If fewer are in use, only those are returned; if none are,
    /// the result is [`Recorded::Stale`].
    fn tell(
        &self,
        state: &mut State,
        input: Input,
        ticket: Ticket,
        outcome: Outcome,
        n: u32,
    ) -> Recorded<Changed> {
        let now = state.see(input.now);
        let n_held = n.min(state.in_use);
        if n_held == 0 {
            return if n == 0 { Recorded::Counted } else { Recorded::Stale };
        }
        let from = state.limiter.limit(&self.limit);
        let sample = Sample { begun: ticket.begun, now, outcome, n: n_held, in_use: state.in_use };
        state.limiter.tell(&self.limit, sample);
        state.in_use -= n_held;
        let to = state.limiter.limit(&self.limit);
        if from == to { Recorded::Counted } else { Recorded::Changed(Changed { from, to }) }
    }

    fn snapshot(&self, state: &State, now: Time) -> Snapshot {
        let now = now.max(state.clock);
        let waiting = state.queue.iter().filter(|waiting| now < waiting.until).count();
        Snapshot {
            limit: state.limiter.limit(&self.limit),
            in_use: state.in_use,
            waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
            baseline: state.limiter.baseline(),
            rejected: state.rejected,
            waited_out: state.waited_out,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.validate()
    }
}

impl Config {
    /// The first caller in the queue that would be admitted now: the one to wake.
    ///
    /// ```
    /// use mainstay_resilience::bulkhead::{Config, Limit, Request};
    /// use mainstay_resilience::{Decision, Decide, Input, Outcome};
    ///
    /// let config = Config::new().limit(Limit::Fixed(1));
    /// let (mut state, input) = (config.state(), Input::default());
    /// let request = |caller| Request { caller, ..Request::default() };
    /// let ticket = config.ask(&mut state, input, request(1)).admitted().unwrap();
    /// assert!(matches!(config.ask(&mut state, input, request(2)), Decision::Wait { .. }));
    /// assert_eq!(config.next(&state, input.now), None);
    /// config.tell(&mut state, input, ticket, Outcome::Success, 1);
    /// assert_eq!(config.next(&state, input.now), Some(2));
    /// assert!(config.ask(&mut state, input, request(2)).admitted().is_some());
    /// ```
    #[must_use]
    pub fn next(&self, state: &State, now: Time) -> Option<u64> {
        self.ready(state, now).next()
    }

    /// All callers in the queue that would be admitted now, in order; no more than there are free permits.
    ///
    /// Wake these after a [`tell`](Decide::tell), after a caller has [left](State::leave) the queue, and
    /// after a change of the configuration.
    ///
    /// ```
    /// use mainstay_resilience::bulkhead::{Config, Limit, Request};
    /// use mainstay_resilience::{Decide, Input, Time};
    ///
    /// let small = Config::new().limit(Limit::Fixed(0));
    /// let mut state = small.state();
    /// for caller in [7, 8, 9] {
    ///     let _ = small.ask(&mut state, Input::default(), Request { caller, ..Request::default() });
    /// }
    /// let large = Config::new().limit(Limit::Fixed(2));
    /// assert_eq!(large.ready(&state, Time::ZERO).collect::<Vec<_>>(), [7, 8]);
    /// ```
    pub fn ready<'a>(&'a self, state: &'a State, now: Time) -> impl Iterator<Item = u64> + 'a {
        let now = now.max(state.clock);
        let limit = state.limiter.limit(&self.limit);
        let all = limit.saturating_sub(state.in_use) as usize;
        let patient = state.queue.iter().filter(move |waiting| now < waiting.until);
        patient.take(all).enumerate().filter_map(move |(before, waiting)| {
            let free = self.share(waiting.priority, limit).saturating_sub(state.in_use);
            (before < free as usize).then_some(waiting.caller)
        })
    }

    /// Like [`ask`](Decide::ask), for a caller that is known not to be queued. Saves the search through the
    /// queue.
    #[cfg(feature = "sync")]
    pub(crate) fn ask_as_new(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        let now = state.see(input.now);
        self.ask_first(state, now, request)
    }

    /// Like [`ask`](Decide::ask), for a caller that does not want to wait.
    #[cfg(feature = "sync")]
    pub(crate) fn ask_without_waiting(
        &self,
        state: &mut State,
        input: Input,
        priority: Priority,
    ) -> Result<Ticket, Rejected> {
        let now = state.see(input.now);
        if self.is_turn(state, now, state.place_of(priority), priority) {
            return Ok(state.take(now));
        }
        Err(self.reject(state, priority))
    }

    /// Admits the caller that [`next`](Config::next) would return.
    #[cfg(feature = "sync")]
    pub(crate) fn admit_next(&self, state: &mut State, input: Input) -> Option<(u64, Ticket)> {
        let now = state.see(input.now);
        let place = state.queue.iter().position(|waiting| now < waiting.until)?;
        let waiting = state.queue.get(place).copied()?;
        if !self.is_turn(state, now, place, waiting.priority) {
            return None;
        }
        state.queue.remove(place);
        Some((waiting.caller, state.take(now)))
    }

    fn ask_first(&self, state: &mut State, now: Time, request: Request) -> Decision<Ticket> {
        if self.is_turn(state, now, state.place_of(request.priority), request.priority) {
            return state.admit(now);
        }
        let may_wait = self.shed.as_ref().is_none_or(|shed| request.priority >= shed.queue_from);
        let places = if may_wait && !self.wait_max.is_zero() {
            self.share(request.priority, self.queue_max) as usize
        } else {
            0
        };
        if state.queue.len() >= places {
            // Free the places of callers whose `wait_max` has ended but who have not asked again.
            let before = state.queue.len();
            state.queue.retain(|waiting| now < waiting.until);
            state.waited_out = state.waited_out.saturating_add((before - state.queue.len()) as u64);
        }
        if state.queue.len() >= places {
            return Decision::Reject(self.reject(state, request.priority));
        }
        let until = now + self.wait_max;
        let place = state.place_of(request.priority);
        state.queue.insert(place, Waiting { caller: request.caller, priority: request.priority, until });
        Decision::Wait { until }
    }

    /// Rejects a call at once, and counts it.
    fn reject(&self, state: &mut State, priority: Priority) -> Rejected {
        state.rejected = state.rejected.saturating_add(1);
        let limit = state.limiter.limit(&self.limit);
        let is_shed = state.in_use < limit && self.share(priority, limit) <= state.in_use;
        Rejected { reason: if is_shed { Reason::Shed } else { Reason::BulkheadFull }, retry_at: None }
    }

    fn ask_again(&self, state: &mut State, now: Time, place: usize) -> Decision<Ticket> {
        let Some(waiting) = state.queue.get(place).copied() else {
            return Decision::Reject(Rejected { reason: Reason::BulkheadWait, retry_at: None });
        };
        if now >= waiting.until {
            state.queue.remove(place);
            state.waited_out = state.waited_out.saturating_add(1);
            return Decision::Reject(Rejected { reason: Reason::BulkheadWait, retry_at: None });
        }
        if self.is_turn(state, now, place, waiting.priority) {
            state.queue.remove(place);
            return state.admit(now);
        }
        Decision::Wait { until: waiting.until }
    }

    /// Returns whether a permit is free for this priority, and one for each caller ahead of that position.
    fn is_turn(&self, state: &State, now: Time, place: usize, priority: Priority) -> bool {
        let limit = state.limiter.limit(&self.limit);
        let free = self.share(priority, limit).saturating_sub(state.in_use) as usize;
        // `take` stops the search as soon as the result is known.
        free > 0
            && state.queue.iter().take(place).filter(|waiting| now < waiting.until).take(free).count() < free
    }

    fn share(&self, priority: Priority, of: u32) -> u32 {
        self.shed.as_ref().map_or(of, |shed| shed.share(priority, of))
    }
}

impl State {
    /// Removes a caller that gives up waiting from the queue. Returns whether it was queued.
    ///
    /// ```
    /// use mainstay_resilience::bulkhead::{Config, Limit, Request};
    /// use mainstay_resilience::{Decide, Input};
    ///
    /// let config = Config::new().limit(Limit::Fixed(0));
    /// let mut state = config.state();
    /// let _ = config.ask(&mut state, Input::default(), Request { caller: 7, ..Request::default() });
    /// assert!(state.leave(7));
    /// assert!(!state.leave(7));
    /// ```
    pub fn leave(&mut self, caller: u64) -> bool {
        let place = self.queue.iter().position(|waiting| waiting.caller == caller);
        place.and_then(|place| self.queue.remove(place)).is_some()
    }

    /// Like [`leave`](State::leave), but counts a caller whose `wait_max` has ended. A caller that lost its
    /// place to another was already counted at that point.
    #[cfg(feature = "sync")]
    pub(crate) fn give_up(&mut self, caller: u64, now: Time) {
        let now = self.see(now);
        let place = self.queue.iter().position(|waiting| waiting.caller == caller);
        if place.and_then(|place| self.queue.remove(place)).is_some_and(|waiting| now >= waiting.until) {
            self.waited_out = self.waited_out.saturating_add(1);
        }
    }

    #[cfg(test)]
    pub(super) fn queue_is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Moves the clock forward to `now`, never back.
    fn see(&mut self, now: Time) -> Time {
        self.clock = self.clock.max(now);
        self.clock
    }

    /// The position of a new caller in the queue: behind all callers of its priority.
    fn place_of(&self, priority: Priority) -> usize {
        // Usually all callers have the same priority, so no search is needed.
        match self.queue.back() {
            Some(last) if last.priority < priority => {
                self.queue.partition_point(|waiting| waiting.priority >= priority)
            }
            _ => self.queue.len(),
        }
    }

    fn admit(&mut self, now: Time) -> Decision<Ticket> {
        Decision::Admit(self.take(now))
    }

    fn take(&mut self, now: Time) -> Ticket {
        self.in_use = self.in_use.saturating_add(1);
        Ticket { begun: now }
    }
}
