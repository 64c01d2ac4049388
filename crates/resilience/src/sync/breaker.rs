//! A breaker that threads share.

use super::lanes::Lanes;
use super::primitives::{AtomicU64, Mutex, Ordering, lock};
use crate::breaker::{Circuit, Config, Forced, Request, Snapshot, State, Ticket, Transition};
use crate::contract::{Decide, Decision, Input, Outcome, Recorded, Time};

/// A circuit breaker for all threads of a program: the plain state behind a lock, with the two questions of a
/// closed breaker's good calls kept away from it.
///
/// Its answers are those of the plain state under some order of the questions that agrees with each thread's own.
/// With a window of 1,024 calls, or of 10 seconds in 10 buckets, it takes less than 1 KiB, heap included.
///
/// ```
/// use mainstay_resilience::{Decision, Input, Outcome, Time, breaker, sync};
///
/// let breaker = sync::Breaker::new(breaker::Config::default());
/// let input = Input { now: Time::from_millis(1), random: 0 };
/// if let Decision::Admit(ticket) = breaker.ask(input, breaker::Request::default()) {
///     breaker.tell(input, ticket, Outcome::Success);
/// }
/// assert_eq!(breaker.snapshot(input.now).window.calls, 1);
/// ```
#[derive(Debug)]
pub struct Breaker {
    lanes: Lanes,
    /// From when on a success must be told at its own moment.
    bucket_end: AtomicU64,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    state: State,
}

impl Breaker {
    /// A closed one.
    ///
    /// ```
    /// # use mainstay_resilience::{breaker, sync};
    /// let breaker = sync::Breaker::new(breaker::Config::new().calls_min(5));
    /// assert!(breaker.is_closed());
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        let state = config.state();
        let lanes = Lanes::new();
        let bucket_end = AtomicU64::new(state.bucket_end().as_nanos());
        Self { lanes, bucket_end, inner: Mutex::new(Inner { config, state }) }
    }

    /// May a call be made? As [`Decide::ask`]; about 1 ns while it is closed.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, breaker, sync};
    /// let breaker = sync::Breaker::new(breaker::Config::default());
    /// let (input, request) = (Input::at(Time::from_millis(1)), breaker::Request::default());
    /// assert!(breaker.ask(input, request).admitted().is_some());
    /// breaker.trip(input);
    /// assert!(breaker.ask(input, request).admitted().is_none());
    /// ```
    #[inline]
    pub fn ask(&self, input: Input, request: Request) -> Decision<Ticket> {
        match self.lanes.generation() {
            Some(generation) => Decision::Admit(Ticket { generation, probe: 0, source: request.source }),
            None => self.ask_state(input, request).0,
        }
    }

    /// The same, with the change that asking made: time may turn an open breaker half-open.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Circuit, Config, Request};
    /// # use mainstay_resilience::{Input, Time, sync};
    /// let breaker = sync::Breaker::new(Config::default());
    /// breaker.trip(Input::at(Time::ZERO));
    /// // A minute later it is time for a probe.
    /// let (answer, change) = breaker.ask_and_see(Input::at(Time::from_millis(60_000)), Request::default());
    /// assert!(answer.admitted().is_some_and(|ticket| ticket.is_probe()));
    /// assert_eq!(change.map(|change| change.to), Some(Circuit::HalfOpen));
    /// ```
    #[inline]
    pub fn ask_and_see(&self, input: Input, request: Request) -> (Decision<Ticket>, Option<Transition>) {
        match self.lanes.generation() {
            Some(generation) => {
                (Decision::Admit(Ticket { generation, probe: 0, source: request.source }), None)
            }
            None => self.ask_state(input, request),
        }
    }

    #[cold]
    fn ask_state(&self, input: Input, request: Request) -> (Decision<Ticket>, Option<Transition>) {
        self.locked(input, |config, state| {
            let from = state.circuit();
            let answer = config.ask(state, input, request);
            let to = state.circuit();
            (answer, (from != to).then_some(Transition { from, to }))
        })
    }

    /// What came of a call. As [`Decide::tell`]; one compare-and-swap for a success while it is closed.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, Recorded, breaker, sync};
    /// let config = breaker::Config::new().consecutive_failures(1);
    /// let (breaker, input) = (sync::Breaker::new(config), Input::default());
    /// let ticket = breaker.ask(input, breaker::Request::default()).admitted().unwrap();
    /// assert_eq!(breaker.tell(input, ticket, Outcome::Success), Recorded::Counted);
    /// assert!(matches!(breaker.tell(input, ticket, Outcome::Failure), Recorded::Changed(_)));
    /// ```
    #[inline]
    pub fn tell(&self, input: Input, ticket: Ticket, outcome: Outcome) -> Recorded<Transition> {
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

    /// Opens it from outside, as if it had tripped; nothing changes while it is held open or closed.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Circuit, Config};
    /// # use mainstay_resilience::{Input, sync};
    /// // A health check has failed: no need to learn it from the calls.
    /// let breaker = sync::Breaker::new(Config::default());
    /// assert_eq!(breaker.trip(Input::default()).to, Circuit::Open);
    /// ```
    pub fn trip(&self, input: Input) -> Transition {
        self.locked(input, |config, state| config.trip(state, input))
    }

    /// Holds it open or closed from outside, or lets go of it.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Config, Forced, Request};
    /// # use mainstay_resilience::{Input, sync};
    /// let (breaker, input) = (sync::Breaker::new(Config::default()), Input::default());
    /// breaker.force(input, Forced::Open);
    /// assert!(breaker.ask(input, Request::default()).admitted().is_none());
    /// breaker.force(input, Forced::No);
    /// assert!(breaker.is_closed());
    /// ```
    pub fn force(&self, input: Input, forced: Forced) -> Transition {
        self.locked(input, |config, state| config.force(state, input, forced))
    }

    /// Other rules from now on. The state is kept; another window begins empty.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Outcome, breaker, sync};
    /// let (breaker, input) = (sync::Breaker::new(breaker::Config::default()), Input::default());
    /// let ticket = breaker.ask(input, breaker::Request::default()).admitted().unwrap();
    /// breaker.configure(input, breaker::Config::new().consecutive_failures(1));
    /// // The ticket is still good, and the new rule holds.
    /// breaker.tell(input, ticket, Outcome::Failure);
    /// assert!(!breaker.is_closed());
    /// ```
    pub fn configure(&self, input: Input, config: Config) {
        let mut inner = lock(&self.inner);
        self.settle(&mut inner, input);
        inner.config = config;
        // The new configuration's window, and its ramp, take their place with the next look at the time.
        let Inner { config, state } = &mut *inner;
        config.tell(
            state,
            input,
            Ticket { generation: state.generation(), probe: 0, source: 0 },
            Outcome::Neutral,
            0,
        );
        self.publish(&inner);
    }

    /// It as it is, for people and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, breaker, sync};
    /// let breaker = sync::Breaker::new(breaker::Config::default());
    /// breaker.trip(Input::at(Time::ZERO));
    /// let seen = breaker.snapshot(Time::from_millis(1));
    /// assert_eq!((seen.circuit.code(), seen.trips), ("open", 1));
    /// ```
    pub fn snapshot(&self, now: Time) -> Snapshot {
        self.locked(Input::at(now), |config, state| config.snapshot(state, now))
    }

    /// Which of the three states it is in.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Circuit, Config};
    /// # use mainstay_resilience::{Input, sync};
    /// let breaker = sync::Breaker::new(Config::default());
    /// assert_eq!(breaker.circuit(), Circuit::Closed);
    /// breaker.trip(Input::default());
    /// assert_eq!(breaker.circuit(), Circuit::Open);
    /// ```
    pub fn circuit(&self) -> Circuit {
        if self.lanes.generation().is_some() { Circuit::Closed } else { lock(&self.inner).state.circuit() }
    }

    /// Does somebody hold it open or closed?
    #[cfg(not(loom))]
    pub(super) fn is_forced(&self) -> bool {
        lock(&self.inner).state.is_forced()
    }

    /// Is a ticket from after the last change?
    #[cfg(feature = "async")]
    pub(crate) fn is_current(&self, ticket: Ticket) -> bool {
        self.lanes.generation() == Some(ticket.generation)
            || lock(&self.inner).state.generation() == ticket.generation
    }

    /// Does it admit every call at present?
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Config, Forced};
    /// # use mainstay_resilience::{Input, sync};
    /// let breaker = sync::Breaker::new(Config::default());
    /// breaker.trip(Input::default());
    /// breaker.force(Input::default(), Forced::Closed);
    /// assert!(breaker.is_closed(), "somebody says so");
    /// ```
    pub fn is_closed(&self) -> bool {
        self.lanes.generation().is_some() || lock(&self.inner).state.admits_all()
    }

    /// One question at a time: what was pending first.
    fn locked<R>(&self, input: Input, question: impl FnOnce(&Config, &mut State) -> R) -> R {
        let mut inner = lock(&self.inner);
        self.settle(&mut inner, input);
        let Inner { config, state } = &mut *inner;
        let answer = question(config, state);
        self.publish(&inner);
        answer
    }

    /// Closes the lanes and tells the state what was pending, at a moment of the bucket that it was told in.
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

    /// Lets the lanes know; closed they stay unless every call is admitted.
    fn publish(&self, inner: &Inner) {
        self.bucket_end.store(inner.state.bucket_end().as_nanos(), Ordering::Relaxed);
        if inner.state.admits_all() {
            self.lanes.open(inner.state.generation());
        }
    }
}
