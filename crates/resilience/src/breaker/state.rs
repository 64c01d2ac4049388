//! The state of a breaker, and its decisions.

use super::config::{Config, Enforcement, Window};
use super::sources::Sources;
use crate::contract::{
    ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, below, nanos, percent_of,
};
use crate::window::{CountWindow, Tally, TimeWindow};
use alloc::vec::Vec;
use core::time::Duration;

/// The three states of a circuit breaker. The ramp is part of closed.
///
/// ```
/// use mainstay_resilience::breaker::{Circuit, Config};
/// use mainstay_resilience::Decide;
///
/// assert_eq!(Config::default().state().circuit(), Circuit::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Circuit {
    /// Calls are admitted and counted.
    Closed,
    /// Calls are rejected.
    Open,
    /// A few calls are admitted as probes.
    HalfOpen,
}

impl Circuit {
    /// Whether it is [`Circuit::Closed`].
    ///
    /// ```
    /// # use mainstay_resilience::breaker::Circuit;
    /// assert!(Circuit::Closed.is_closed() && !Circuit::HalfOpen.is_closed());
    /// ```
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Closed)
    }

    /// The state as a stable word for logs, metrics and clients.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::Circuit;
    /// assert_eq!(Circuit::HalfOpen.code(), "half_open");
    /// ```
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A transition from one state to another.
///
/// ```
/// use mainstay_resilience::breaker::{Circuit, Config};
/// use mainstay_resilience::{Decide, Input};
///
/// let config = Config::new();
/// let transition = config.trip(&mut config.state(), Input::default());
/// assert_eq!((transition.from, transition.to), (Circuit::Closed, Circuit::Open));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transition {
    /// The state before.
    pub from: Circuit,
    /// The state after.
    pub to: Circuit,
}

/// Whether an operator holds the breaker open or closed.
///
/// ```
/// use mainstay_resilience::breaker::{Config, Forced, Request};
/// use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input};
///
/// let (config, input) = (Config::default(), Input::default());
/// let mut state = config.state();
/// config.force(&mut state, input, Forced::Open);
/// let forced = Decision::Reject(Rejected { reason: Reason::BreakerForced, retry_at: None });
/// assert_eq!(config.ask(&mut state, input, Request::default()), forced);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Forced {
    /// The breaker decides for itself.
    #[default]
    No,
    /// The breaker rejects every call, even if it otherwise only observes.
    Open,
    /// The breaker admits and counts every call, and never trips.
    Closed,
}

/// A request to make a call.
///
/// ```
/// use mainstay_resilience::breaker::{Circuit, Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome};
///
/// let config = Config::new().consecutive_failures(2).sources_min(2);
/// let (mut state, input) = (config.state(), Input::default());
/// let mut fail = |source| {
///     let ticket = config.ask(&mut state, input, Request { source }).admitted().unwrap();
///     config.tell(&mut state, input, ticket, Outcome::Failure, 5);
///     state.circuit()
/// };
/// // The failures of one source are not enough to trip the breaker.
/// assert_eq!(fail(1), Circuit::Closed);
/// assert_eq!(fail(2), Circuit::Open);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Where the call comes from (a host, a tenant), as a number of your choice. It matters only if
    /// [`Config::sources_min`] is above 1.
    pub source: u32,
}

/// The ticket of an admitted call. Its outcome counts until the breaker changes state; that of a probe counts
/// for at most [`Config::probe_for`].
///
/// ```
/// use mainstay_resilience::breaker::{Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Recorded};
///
/// let (config, input) = (Config::default(), Input::default());
/// let mut state = config.state();
/// let ticket = config.ask(&mut state, input, Request::default()).admitted().unwrap();
/// config.trip(&mut state, input);
/// assert_eq!(config.tell(&mut state, input, ticket, Outcome::Success, 1), Recorded::Stale);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket {
    pub(crate) generation: u32,
    /// The number of the probe, or 0 for a call that is not a probe.
    pub(crate) probe: u32,
    pub(crate) source: u32,
}

impl Ticket {
    /// Returns whether the call is a probe: one of the few calls that test recovery.
    ///
    /// ```
    /// # use mainstay_resilience::{Decide, Input, breaker};
    /// # let config = breaker::Config::default();
    /// let ticket = config.ask(&mut config.state(), Input::default(), breaker::Request::default());
    /// assert!(!ticket.admitted().unwrap().is_probe(), "a closed breaker does not probe");
    /// ```
    #[must_use]
    pub const fn is_probe(self) -> bool {
        self.probe != 0
    }
}

/// Whether a breaker admits calls.
///
/// ```
/// use mainstay_resilience::breaker::{Config, Mode};
/// use mainstay_resilience::Decide;
///
/// assert_eq!(Config::default().state().save().mode, Mode::Closed);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Mode {
    /// All calls.
    Closed,
    /// A growing share of calls, since the breaker closed.
    Ramp,
    /// None until this time.
    Open {
        /// When the first probe may start.
        until: Time,
    },
    /// Probes.
    HalfOpen,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) enum Calls {
    Count(CountWindow),
    Time(TimeWindow<Tally>),
}

/// A probe without an outcome so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Probe {
    pub(super) id: u32,
    pub(super) until: Time,
}

/// The state of a breaker. It is complete: a copy decides exactly as the original does.
///
/// ```
/// use mainstay_resilience::breaker::{Config, Request};
/// use mainstay_resilience::{Decide, Input};
///
/// let (config, input) = (Config::new(), Input { random: 42, ..Input::default() });
/// let mut state = config.state();
/// config.trip(&mut state, input);
/// let mut replica = state.clone();
/// let decisions = [&mut state, &mut replica].map(|it| config.ask(it, input, Request::default()));
/// assert_eq!(decisions[0], decisions[1]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    pub(super) mode: Mode,
    pub(super) forced: Forced,
    pub(super) generation: u32,
    /// When the mode started.
    pub(super) since: Time,
    /// The latest time seen.
    pub(super) clock: Time,
    pub(super) calls: Calls,
    /// Failures since the last success.
    pub(super) consecutive: u32,
    /// Trips in a row.
    pub(super) trips: u32,
    pub(super) sources: Sources,
    /// Probes without an outcome so far.
    pub(super) probes: Vec<Probe>,
    pub(super) probe_last: u32,
    pub(super) probes_succeeded: u32,
    pub(super) probes_failed: u32,
    /// Outcomes that came too late to count.
    pub(super) stale: u64,
    /// Calls that would have been rejected if the breaker were enforced.
    pub(super) would_reject: u64,
}

/// A snapshot of a breaker for display and metrics.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::breaker::{Circuit, Config};
/// use mainstay_resilience::{Decide, Input, Time};
///
/// let config = Config::new().open_jitter_percent(0);
/// let mut state = config.state();
/// config.trip(&mut state, Input::at(Time::ZERO));
/// let seen = config.snapshot(&state, Time::from_millis(1));
/// assert_eq!((seen.circuit, seen.trips, seen.admitted_percent), (Circuit::Open, 1, 0));
/// assert_eq!(seen.open_until, Some(Time::ZERO + Duration::from_secs(5)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The state of the circuit.
    pub circuit: Circuit,
    /// Whether an operator holds the breaker open or closed.
    pub forced: Forced,
    /// Whether the breaker is closed and still ramping up: it admits only a share of the calls.
    pub ramping: bool,
    /// The number of transitions so far.
    pub generation: u32,
    /// When the present state started.
    pub since: Time,
    /// When the open time ends, if the breaker is open.
    pub open_until: Option<Time>,
    /// The share of calls that are admitted: 100 when closed, less during the ramp, 0 when open or half-open.
    pub admitted_percent: u8,
    /// The calls in the window.
    pub window: Tally,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Trips in a row. Each makes the next open time longer.
    pub trips: u32,
    /// Admitted probes whose outcome is not known yet.
    pub probes_under_way: u32,
    /// Outcomes that came too late to count.
    pub stale: u64,
    /// Calls that would have been rejected if the breaker were enforced.
    pub would_reject: u64,
}

impl Decide for Config {
    type State = State;
    type Request = Request;
    type Ticket = Ticket;
    type Change = Transition;
    type Snapshot = Snapshot;

    fn state(&self) -> State {
        State {
            mode: Mode::Closed,
            forced: Forced::No,
            generation: 0,
            since: Time::ZERO,
            clock: Time::ZERO,
            calls: Calls::new(self.window),
            consecutive: 0,
            trips: 0,
            sources: Sources::default(),
            probes: Vec::new(),
            probe_last: 0,
            probes_succeeded: 0,
            probes_failed: 0,
            stale: 0,
            would_reject: 0,
        }
    }

    fn ask(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        let now = state.see(self, input.now);
        let ticket = Ticket { generation: state.generation, probe: 0, source: request.source };
        match state.forced {
            Forced::Open => {
                return Decision::Reject(Rejected { reason: Reason::BreakerForced, retry_at: None });
            }
            Forced::Closed => return Decision::Admit(ticket),
            Forced::No => {}
        }
        let (reason, retry_at) = match state.mode {
            Mode::Closed => return Decision::Admit(ticket),
            Mode::Ramp if below(input.random, 100) < self.ramp_percent(state, now) => {
                return Decision::Admit(ticket);
            }
            Mode::Ramp => (Reason::BreakerRamp, state.since + self.ramp_for),
            Mode::Open { until } if now < until => (Reason::BreakerOpen, until),
            Mode::Open { .. } | Mode::HalfOpen => match self.probe(state, now) {
                Ok(probe) => {
                    return Decision::Admit(Ticket { generation: state.generation, probe, ..ticket });
                }
                Err(free_at) => (Reason::BreakerProbing, free_at),
            },
        };
        match self.enforcement {
            Enforcement::Enforce => Decision::Reject(Rejected { reason, retry_at: Some(retry_at) }),
            Enforcement::ObserveOnly => {
                state.would_reject = state.would_reject.saturating_add(1);
                Decision::Admit(ticket)
            }
        }
    }

    fn tell(
        &self,
        state: &mut State,
        input: Input,
        ticket: Ticket,
        outcome: Outcome,
        n: u32,
    ) -> Recorded<Transition> {
        let now = state.see(self, input.now);
        if ticket.generation != state.generation {
            state.stale = state.stale.saturating_add(n.into());
            return Recorded::Stale;
        }
        match state.mode {
            // Only a breaker that observes admits such calls.
            Mode::Open { .. } => return Recorded::Counted,
            Mode::HalfOpen if ticket.probe == 0 => return Recorded::Counted,
            Mode::HalfOpen => return self.tell_probe(state, input.random, ticket.probe, outcome),
            Mode::Closed | Mode::Ramp => {}
        }
        if n == 0 || matches!(outcome, Outcome::Neutral | Outcome::Cancelled) {
            return Recorded::Counted;
        }
        state.calls.count(now, outcome, n);
        match outcome {
            Outcome::Failure => state.consecutive = state.consecutive.saturating_add(n),
            _ => state.consecutive = 0,
        }
        if outcome == Outcome::Success || state.forced != Forced::No {
            return Recorded::Counted;
        }
        if self.sources_min > 1 {
            state.sources.note(ticket.source, now, self.sources_min);
        }
        if self.is_too_much(state, now) {
            return Recorded::Changed(self.open(state, input.random));
        }
        Recorded::Counted
    }

    fn snapshot(&self, state: &State, now: Time) -> Snapshot {
        let now = now.max(state.clock);
        let (admitted, open_until) = match state.mode {
            Mode::Closed => (100, None),
            Mode::Ramp => (self.ramp_percent(state, now), None),
            Mode::Open { until } => (0, Some(until)),
            Mode::HalfOpen => (0, None),
        };
        Snapshot {
            circuit: state.circuit(),
            forced: state.forced,
            ramping: state.forced == Forced::No && state.mode == Mode::Ramp && admitted < 100,
            generation: state.generation,
            since: state.since,
            open_until,
            admitted_percent: match state.forced {
                Forced::No => u8::try_from(admitted.min(100)).unwrap_or(100),
                Forced::Open => 0,
                Forced::Closed => 100,
            },
            window: state.calls.peek(now),
            consecutive_failures: state.consecutive,
            trips: state.trips,
            probes_under_way: state.probes.iter().filter(|probe| now < probe.until).count() as u32,
            stale: state.stale,
            would_reject: state.would_reject,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.validate()
    }
}

impl Config {
    /// Trips the breaker from outside, for operators and health checks. As after any other trip, it probes
    /// once its open time has passed. Does nothing while the breaker is held open or closed.
    ///
    /// This transition does not reach the metrics. For the breaker of a guard, use the guard's own method.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Input, breaker};
    ///
    /// let (config, input) = (breaker::Config::default(), Input::default());
    /// let mut state = config.state();
    /// config.trip(&mut state, input);
    /// assert!(config.ask(&mut state, input, breaker::Request::default()).admitted().is_none());
    /// ```
    pub fn trip(&self, state: &mut State, input: Input) -> Transition {
        state.see(self, input.now);
        if state.forced != Forced::No {
            let circuit = state.circuit();
            return Transition { from: circuit, to: circuit };
        }
        self.open(state, input.random)
    }

    /// Holds the breaker open or closed, or releases it with [`Forced::No`]. A released breaker starts again,
    /// closed.
    ///
    /// This transition does not reach the metrics. For the breaker of a guard, use the guard's own method.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Input, breaker};
    ///
    /// let (config, input) = (breaker::Config::default(), Input::default());
    /// let mut state = config.state();
    /// config.force(&mut state, input, breaker::Forced::Open);
    /// assert!(config.ask(&mut state, input, breaker::Request::default()).admitted().is_none());
    /// config.force(&mut state, input, breaker::Forced::No);
    /// assert!(config.ask(&mut state, input, breaker::Request::default()).admitted().is_some());
    /// ```
    pub fn force(&self, state: &mut State, input: Input, forced: Forced) -> Transition {
        let now = state.see(self, input.now);
        let from = state.circuit();
        state.begin(Mode::Closed, now);
        state.forced = forced;
        state.trips = 0;
        Transition { from, to: state.circuit() }
    }

    /// Admits a probe and returns its number. If no probe may start, returns when a permit will be free.
    fn probe(&self, state: &mut State, now: Time) -> Result<u32, Time> {
        if let Mode::Open { .. } = state.mode {
            state.begin(Mode::HalfOpen, now);
        }
        state.probes.retain(|probe| now < probe.until);
        if state.probes.is_empty() && state.probes_settled() >= self.probes.max(1) {
            // The new configuration requires fewer probes than have finished. Start over, because no outcome
            // would decide.
            (state.probes_succeeded, state.probes_failed) = (0, 0);
        }
        let under_way = u32::try_from(state.probes.len()).unwrap_or(u32::MAX);
        let settled = state.probes_settled();
        // A configuration of zeros still allows one probe. Otherwise the breaker would never close.
        let all = self.probes.max(1);
        if under_way >= self.probes_at_once.clamp(1, all) || under_way.saturating_add(settled) >= all {
            return Err(state.probes.iter().map(|probe| probe.until).min().unwrap_or(now));
        }
        state.probe_last = state.probe_last.checked_add(1).unwrap_or(1);
        let until = now + self.probe_for.max(Duration::from_nanos(1));
        state.probes.push(Probe { id: state.probe_last, until });
        Ok(state.probe_last)
    }

    fn tell_probe(&self, state: &mut State, random: u64, id: u32, outcome: Outcome) -> Recorded<Transition> {
        let now = state.clock;
        let found = state.probes.iter().position(|probe| probe.id == id && now < probe.until);
        let Some(place) = found else {
            state.stale = state.stale.saturating_add(1);
            return Recorded::Stale;
        };
        state.probes.swap_remove(place);
        match outcome {
            Outcome::Neutral | Outcome::Cancelled => {}
            Outcome::Success => state.probes_succeeded = state.probes_succeeded.saturating_add(1),
            Outcome::Slow if self.slow_percent.is_none() => {
                state.probes_succeeded = state.probes_succeeded.saturating_add(1);
            }
            Outcome::Slow | Outcome::Failure => state.probes_failed = state.probes_failed.saturating_add(1),
        }
        let needed = self.probes_needed();
        if state.probes_succeeded >= needed {
            return Recorded::Changed(self.close(state));
        }
        if state.probes_failed > self.probes.max(1).saturating_sub(needed) {
            return Recorded::Changed(self.open(state, random));
        }
        Recorded::Counted
    }

    fn is_too_much(&self, state: &mut State, now: Time) -> bool {
        if self.sources_min > 1 && state.sources.recent(now, self.sources_within) < self.sources_min {
            return false;
        }
        if self.consecutive_failures.is_some_and(|most| state.consecutive >= most.max(1)) {
            return true;
        }
        let window = state.calls.total(now);
        if window.calls < u64::from(self.calls_min) {
            return false;
        }
        let is_share = |part: u64, percent: Option<u8>| {
            percent.is_some_and(|percent| {
                part > 0 && u128::from(part) * 100 >= u128::from(percent) * u128::from(window.calls)
            })
        };
        is_share(window.failures, self.failure_percent) || is_share(window.slow, self.slow_percent)
    }

    fn open(&self, state: &mut State, random: u64) -> Transition {
        let now = state.clock;
        let from = state.circuit();
        let was_calm = from == Circuit::Closed && now.since(state.since) >= self.forget_after;
        state.trips = if was_calm { 1 } else { state.trips.saturating_add(1) };
        let doubled = 1_u64.checked_shl(state.trips - 1).unwrap_or(u64::MAX);
        let length = nanos(self.open_for).saturating_mul(doubled).min(nanos(self.open_for_max));
        let jitter = below(random, percent_of(length, self.open_jitter_percent.into()));
        let until = now + Duration::from_nanos(length.saturating_add(jitter));
        state.begin(Mode::Open { until }, now);
        Transition { from, to: Circuit::Open }
    }

    fn close(&self, state: &mut State) -> Transition {
        let now = state.clock;
        let from = state.circuit();
        state.begin(if self.ramp_for.is_zero() { Mode::Closed } else { Mode::Ramp }, now);
        Transition { from, to: Circuit::Closed }
    }

    /// The share of calls that the ramp admits at `now`, in percent.
    fn ramp_percent(&self, state: &State, now: Time) -> u64 {
        let (passed, all) = (nanos(now.since(state.since)), nanos(self.ramp_for).max(1));
        let from = u64::from(self.ramp_from_percent.min(100));
        let grown = u128::from(100 - from) * u128::from(passed.min(all)) / u128::from(all);
        from + u64::try_from(grown).unwrap_or(100)
    }
}

impl State {
    /// Closed, open or half-open. A forced breaker is in the state that it is held in, and a ramping breaker
    /// is closed.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Circuit, Config};
    /// # use mainstay_resilience::{Decide, Input};
    /// # let config = Config::default();
    /// let mut state = config.state();
    /// config.trip(&mut state, Input::default());
    /// assert_eq!(state.circuit(), Circuit::Open);
    /// ```
    #[must_use]
    pub const fn circuit(&self) -> Circuit {
        match (self.forced, self.mode) {
            (Forced::Open, _) => Circuit::Open,
            (Forced::Closed, _) | (Forced::No, Mode::Closed | Mode::Ramp) => Circuit::Closed,
            (Forced::No, Mode::Open { .. }) => Circuit::Open,
            (Forced::No, Mode::HalfOpen) => Circuit::HalfOpen,
        }
    }

    /// Returns whether every call is admitted: closed, not ramping, and not held open.
    ///
    /// ```
    /// # use mainstay_resilience::breaker::{Config, Forced};
    /// # use mainstay_resilience::{Decide, Input};
    /// # let config = Config::default();
    /// let mut state = config.state();
    /// assert!(state.admits_all());
    /// config.force(&mut state, Input::default(), Forced::Open);
    /// assert!(!state.admits_all());
    /// ```
    #[must_use]
    pub const fn admits_all(&self) -> bool {
        matches!((self.mode, self.forced), (Mode::Closed, Forced::No | Forced::Closed))
    }

    /// Returns whether an operator holds the breaker open or closed.
    #[cfg(all(feature = "sync", not(loom)))]
    pub(crate) fn is_forced(&self) -> bool {
        self.forced != Forced::No
    }

    const fn probes_settled(&self) -> u32 {
        self.probes_succeeded.saturating_add(self.probes_failed)
    }

    /// The number of transitions so far, wrapping after 2^32. A ticket of an earlier generation is stale.
    ///
    /// ```
    /// # use mainstay_resilience::{Decide, Input, breaker};
    /// # let config = breaker::Config::default();
    /// let mut state = config.state();
    /// let before = state.generation();
    /// config.trip(&mut state, Input::default());
    /// assert_ne!(state.generation(), before);
    /// ```
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The end of the window's newest bucket. Until then, successes may be recorded late without changing the
    /// result.
    #[cfg(feature = "sync")]
    pub(crate) fn bucket_end(&self) -> Time {
        match &self.calls {
            Calls::Count(_) => Time::FAR,
            Calls::Time(window) => window.bucket_end(),
        }
    }

    /// Moves the clock forward to `now`, never back, and adapts the state to a changed configuration.
    fn see(&mut self, config: &Config, now: Time) -> Time {
        self.clock = self.clock.max(now);
        if !self.calls.fits(config.window) {
            self.calls = Calls::new(config.window);
        }
        if self.mode == Mode::Ramp && self.clock.since(self.since) >= config.ramp_for {
            // The generation stays the same, because the same calls continue to count.
            self.mode = Mode::Closed;
        }
        self.clock
    }

    /// Starts a mode, and forgets what was counted in the previous one.
    fn begin(&mut self, mode: Mode, now: Time) {
        self.mode = mode;
        self.since = now;
        self.generation = self.generation.wrapping_add(1);
        self.calls.clear();
        self.consecutive = 0;
        self.sources.clear();
        self.probes.clear();
        self.probes_succeeded = 0;
        self.probes_failed = 0;
    }
}

impl Calls {
    fn new(window: Window) -> Self {
        match window {
            Window::Calls(calls) => Self::Count(CountWindow::new(calls)),
            Window::Time { length, buckets } => Self::Time(TimeWindow::new(length, buckets)),
        }
    }

    fn fits(&self, window: Window) -> bool {
        match (self, window) {
            (Self::Count(calls), Window::Calls(length)) => calls.fits(length),
            (Self::Time(calls), Window::Time { length, buckets }) => calls.fits(length, buckets),
            _ => false,
        }
    }

    fn count(&mut self, now: Time, outcome: Outcome, n: u32) {
        let failures = if outcome == Outcome::Failure { n.into() } else { 0 };
        let slow = if outcome == Outcome::Slow { n.into() } else { 0 };
        match self {
            Self::Count(window) => match outcome {
                Outcome::Failure => window.failure(n),
                Outcome::Slow => window.slow(n),
                _ => window.success(n),
            },
            Self::Time(window) => window.add(now, Tally { calls: n.into(), failures, slow }),
        }
    }

    fn total(&mut self, now: Time) -> Tally {
        match self {
            Self::Count(window) => window.total(),
            Self::Time(window) => window.total(now),
        }
    }

    fn peek(&self, now: Time) -> Tally {
        match self {
            Self::Count(window) => window.total(),
            Self::Time(window) => window.peek(now),
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Count(window) => window.clear(),
            Self::Time(window) => window.clear(),
        }
    }
}
