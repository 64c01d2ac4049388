//! The state of each host, and the decisions about it.

use super::config::Config;
use crate::contract::{
    ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, below, nanos, percent_of,
};
use crate::window::{Tally, TimeWindow};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// A request to call a host.
///
/// ```
/// use mainstay_resilience::outlier::{Config, Request};
/// use mainstay_resilience::{Decide, Input, Time};
///
/// let config = Config::default();
/// let mut state = config.state();
/// for host in [3, 1, 3] {
///     let _ = config.ask(&mut state, Input::default(), Request { host });
/// }
/// assert_eq!(config.snapshot(&state, Time::ZERO).hosts.len(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The number of the host, chosen by the caller.
    pub host: u32,
}

/// The ticket of an admitted call.
///
/// ```
/// use mainstay_resilience::outlier::{Config, Request};
/// use mainstay_resilience::{Decide, Input};
///
/// let config = Config::default();
/// let ticket = config.ask(&mut config.state(), Input::default(), Request { host: 7 }).admitted().unwrap();
/// assert_eq!(ticket.host(), 7);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket {
    host: u32,
    generation: u64,
}

impl Ticket {
    /// The host that the call is for.
    ///
    /// ```
    /// # use mainstay_resilience::{Decide, Input, outlier};
    /// # let config = outlier::Config::default();
    /// let decision = config.ask(&mut config.state(), Input::default(), outlier::Request { host: 12 });
    /// assert_eq!(decision.admitted().map(|ticket| ticket.host()), Some(12));
    /// ```
    #[must_use]
    pub const fn host(self) -> u32 {
        self.host
    }
}

/// A host was ejected.
///
/// ```
/// use mainstay_resilience::outlier::{Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Recorded, Time};
///
/// let config = Config::new().consecutive_failures(3);
/// let (mut state, input) = (config.state(), Input::default());
/// let tickets = [7, 8].map(|host| config.ask(&mut state, input, Request { host }).admitted().unwrap());
/// let recorded = config.tell(&mut state, input, tickets[0], Outcome::Failure, 3);
/// let Recorded::Changed(ejected) = recorded else { unreachable!("three failures in a row eject") };
/// assert_eq!((ejected.host, ejected.until), (7, Time::from_millis(30_000)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ejected {
    /// The number of the host.
    pub host: u32,
    /// When the host is admitted again.
    pub until: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Host {
    /// Changes with each ejection, and is never reused, not even for another host.
    generation: u64,
    /// When the host was last requested.
    asked: Time,
    /// Failures since the last success.
    consecutive: u32,
    window: TimeWindow<Tally>,
    /// Ejections in a row.
    ejections: u32,
    /// When the last of them ends, or ended.
    until: Option<Time>,
}

/// The state of all known hosts; at most `hosts_max`.
///
/// ```
/// use mainstay_resilience::{Decide, outlier};
///
/// let config = outlier::Config::default();
/// assert_eq!(config.state(), outlier::State::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct State {
    /// The latest time seen.
    clock: Time,
    hosts: BTreeMap<u32, Host>,
    /// The latest generation that was assigned.
    generation: u64,
    /// Outcomes that came too late to count.
    stale: u64,
}

/// A snapshot of all hosts for display and metrics.
///
/// ```
/// use mainstay_resilience::outlier::{Config, Request};
/// use mainstay_resilience::{Decide, Input, Time};
///
/// let config = Config::default();
/// let mut state = config.state();
/// let _ = config.ask(&mut state, Input::default(), Request { host: 7 });
/// let snapshot = config.snapshot(&state, Time::ZERO);
/// assert_eq!((snapshot.hosts[0].host, snapshot.hosts[0].ejected_until, snapshot.ejected), (7, None, 0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The hosts, ordered by number.
    pub hosts: Vec<HostSnapshot>,
    /// The number of ejected hosts.
    pub ejected: u32,
    /// Outcomes that came too late to count.
    pub stale: u64,
}

/// A snapshot of one host.
///
/// ```
/// use mainstay_resilience::outlier::{Config, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Time};
///
/// let config = Config::default();
/// let (mut state, input) = (config.state(), Input::default());
/// let ticket = config.ask(&mut state, input, Request { host: 7 }).admitted().unwrap();
/// config.tell(&mut state, input, ticket, Outcome::Failure, 2);
/// let host = &config.snapshot(&state, Time::ZERO).hosts[0];
/// assert_eq!((host.consecutive_failures, host.window.calls, host.ejections), (2, 2, 0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HostSnapshot {
    /// The number of the host.
    pub host: u32,
    /// When the ejection ends, if the host is ejected.
    pub ejected_until: Option<Time>,
    /// Ejections in a row. Each makes the next one longer.
    pub ejections: u32,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// The calls in the window.
    pub window: Tally,
}

/// Buckets of a window.
const BUCKETS: u32 = 10;

impl Decide for Config {
    type State = State;
    type Request = Request;
    type Ticket = Ticket;
    type Change = Ejected;
    type Snapshot = Snapshot;

    fn state(&self) -> State {
        State::default()
    }

    fn ask(&self, state: &mut State, input: Input, request: Request) -> Decision<Ticket> {
        let now = state.see(input.now);
        let stays = state.stays(now);
        if !state.hosts.contains_key(&request.host) {
            self.meet(state, now, request.host);
        }
        let Some(host) = state.hosts.get_mut(&request.host) else {
            // The host could not be added, so there is no reason to reject it.
            return Decision::Admit(Ticket { host: request.host, generation: 0 });
        };
        host.asked = now;
        if let Some(until) = host.ejected_until(now) {
            if stays {
                return Decision::Reject(Rejected { reason: Reason::Outlier, retry_at: Some(until) });
            }
            // All other hosts have been forgotten since. One host is always admitted.
            host.until = Some(now);
        }
        Decision::Admit(Ticket { host: request.host, generation: host.generation })
    }

    fn tell(
        &self,
        state: &mut State,
        input: Input,
        ticket: Ticket,
        outcome: Outcome,
        n: u32,
    ) -> Recorded<Ejected> {
        let now = state.see(input.now);
        let found = state.hosts.get_mut(&ticket.host).filter(|host| host.generation == ticket.generation);
        let Some(host) = found else {
            state.stale = state.stale.saturating_add(n.into());
            return Recorded::Stale;
        };
        if n == 0 || matches!(outcome, Outcome::Neutral | Outcome::Cancelled) {
            return Recorded::Counted;
        }
        if !host.window.fits(self.window, BUCKETS) {
            host.window = TimeWindow::new(self.window, BUCKETS);
        }
        let is_failure = outcome == Outcome::Failure;
        let failures = if is_failure { n.into() } else { 0 };
        let slow = if outcome == Outcome::Slow { n.into() } else { 0 };
        host.window.add(now, Tally { calls: n.into(), failures, slow });
        host.consecutive = if is_failure { host.consecutive.saturating_add(n) } else { 0 };
        if !is_failure || !self.is_too_much(host, now) || !self.may_eject(state, now) {
            return Recorded::Counted;
        }
        self.eject(state, now, ticket.host)
    }

    fn snapshot(&self, state: &State, now: Time) -> Snapshot {
        let now = now.max(state.clock);
        let hosts: Vec<_> = state
            .hosts
            .iter()
            .map(|(number, host)| HostSnapshot {
                host: *number,
                ejected_until: host.ejected_until(now),
                ejections: host.ejections,
                consecutive_failures: host.consecutive,
                window: host.window.peek(now),
            })
            .collect();
        let ejected = hosts.iter().filter(|host| host.ejected_until.is_some()).count();
        Snapshot { hosts, ejected: u32::try_from(ejected).unwrap_or(u32::MAX), stale: state.stale }
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.validate()
    }
}

impl Config {
    /// Adds a host. If there are too many, the one requested longest ago is forgotten.
    fn meet(&self, state: &mut State, now: Time, number: u32) {
        // More than one, if the configuration now allows fewer.
        while state.hosts.len() >= self.hosts_max.max(1) as usize {
            let oldest = state
                .hosts
                .iter()
                .min_by_key(|(number, host)| (host.ejected_until(now), host.asked, **number))
                .map(|(number, _)| *number);
            let Some(oldest) = oldest else { break };
            state.hosts.remove(&oldest);
        }
        state.generation = state.generation.wrapping_add(1);
        let host = Host {
            generation: state.generation,
            asked: now,
            consecutive: 0,
            window: TimeWindow::new(self.window, BUCKETS),
            ejections: 0,
            until: None,
        };
        state.hosts.insert(number, host);
    }

    fn is_too_much(&self, host: &mut Host, now: Time) -> bool {
        if self.consecutive_failures.is_some_and(|most| host.consecutive >= most.max(1)) {
            return true;
        }
        let window = host.window.total(now);
        window.calls >= self.calls_min.into()
            && self.failure_percent.is_some_and(|percent| {
                u128::from(window.failures) * 100 >= u128::from(percent) * u128::from(window.calls)
            })
    }

    /// Returns whether enough hosts would remain.
    fn may_eject(&self, state: &State, now: Time) -> bool {
        let all = state.hosts.len() as u64;
        let ejected = state.ejected(now) as u64 + 1;
        ejected <= percent_of(all, self.ejected_percent_max.min(100).into()) && ejected < all
    }

    fn eject(&self, state: &mut State, now: Time, number: u32) -> Recorded<Ejected> {
        let next = state.generation.wrapping_add(1);
        let Some(host) = state.hosts.get_mut(&number) else { return Recorded::Counted };
        let was_calm = host.until.is_some_and(|until| now.since(until) >= self.eject_for_max);
        host.ejections = if was_calm { 1 } else { host.ejections.saturating_add(1) };
        let length =
            nanos(self.eject_for).saturating_mul(host.ejections.into()).min(nanos(self.eject_for_max));
        // With a length of zero, the host would not be ejected at all.
        let until = now + Duration::from_nanos(length.max(1));
        // The host starts again when it returns: calls that started before no longer count.
        host.generation = next;
        host.consecutive = 0;
        host.window.clear();
        host.until = Some(until);
        state.generation = next;
        Recorded::Changed(Ejected { host: number, until })
    }
}

impl Host {
    fn ejected_until(&self, now: Time) -> Option<Time> {
        self.until.filter(|until| now < *until)
    }
}

impl State {
    /// Returns whether a call to the host would be admitted, without changing the state. Unknown hosts are
    /// admitted.
    ///
    /// ```
    /// use mainstay_resilience::{Time, outlier};
    ///
    /// assert!(outlier::State::default().admits(7, Time::ZERO));
    /// ```
    #[must_use]
    pub fn admits(&self, host: u32, now: Time) -> bool {
        let now = now.max(self.clock);
        self.hosts.get(&host).is_none_or(|host| host.ejected_until(now).is_none()) || !self.stays(now)
    }

    /// Picks one of the given hosts that would be admitted, each with about the same probability. Returns
    /// `None` if there is none. Does not change the state: request the host afterwards.
    ///
    /// ```
    /// use mainstay_resilience::outlier::{Config, Request};
    /// use mainstay_resilience::{Decide, Input, Outcome, Recorded};
    ///
    /// let config = Config::new().consecutive_failures(1);
    /// let (mut state, input) = (config.state(), Input::default());
    /// let hosts = [10, 20];
    /// for host in hosts {
    ///     let _ = config.ask(&mut state, input, Request { host });
    /// }
    /// let ticket = config.ask(&mut state, input, Request { host: 10 }).admitted().unwrap();
    /// assert!(matches!(config.tell(&mut state, input, ticket, Outcome::Failure, 1), Recorded::Changed(_)));
    /// for random in [0, u64::MAX / 2, u64::MAX] {
    ///     assert_eq!(state.pick(&hosts, Input { random, ..input }), Some(20));
    /// }
    /// ```
    #[must_use]
    pub fn pick(&self, hosts: &[u32], input: Input) -> Option<u32> {
        let admitted = || hosts.iter().copied().filter(|host| self.admits(*host, input.now));
        let place = below(input.random, admitted().count() as u64);
        admitted().nth(usize::try_from(place).unwrap_or(0))
    }

    /// Forgets a host that no longer exists. Later outcomes are stale; if the host comes back, it is new.
    /// Returns whether it was known.
    ///
    /// ```
    /// use mainstay_resilience::outlier::{Config, Request};
    /// use mainstay_resilience::{Decide, Input};
    ///
    /// let config = Config::default();
    /// let mut state = config.state();
    /// let _ = config.ask(&mut state, Input::default(), Request { host: 7 });
    /// assert!(state.forget(7));
    /// assert!(!state.forget(7));
    /// ```
    pub fn forget(&mut self, host: u32) -> bool {
        self.hosts.remove(&host).is_some()
    }

    fn ejected(&self, now: Time) -> usize {
        self.hosts.values().filter(|host| host.ejected_until(now).is_some()).count()
    }

    /// Returns whether at least one host is not ejected.
    fn stays(&self, now: Time) -> bool {
        self.hosts.values().any(|host| host.ejected_until(now).is_none())
    }

    /// Moves the clock forward to `now`, never back.
    fn see(&mut self, now: Time) -> Time {
        self.clock = self.clock.max(now);
        self.clock
    }
}
