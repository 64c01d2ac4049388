//! What is remembered of each host, and how it is decided.

use super::config::Config;
use crate::contract::{
    ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, below, nanos, percent_of,
};
use crate::window::{Tally, TimeWindow};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// Which host is to be called.
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
    /// The caller's own name for it, as a number.
    pub host: u32,
}

/// A call to a host.
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
    /// Which host it is for.
    ///
    /// ```
    /// # use mainstay_resilience::{Decide, Input, outlier};
    /// # let config = outlier::Config::default();
    /// let answer = config.ask(&mut config.state(), Input::default(), outlier::Request { host: 12 });
    /// assert_eq!(answer.admitted().map(|ticket| ticket.host()), Some(12));
    /// ```
    #[must_use]
    pub const fn host(self) -> u32 {
        self.host
    }
}

/// A host was ejected.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::outlier::{Config, Ejected, Request};
/// use mainstay_resilience::{Decide, Input, Outcome, Time, Recorded};
///
/// let config = Config::new().consecutive_failures(3);
/// let (mut state, input) = (config.state(), Input::default());
/// let tickets = [7, 8].map(|host| config.ask(&mut state, input, Request { host }).admitted().unwrap());
/// let until = Time::ZERO + Duration::from_secs(30);
/// let told = config.tell(&mut state, input, tickets[0], Outcome::Failure, 3);
/// assert_eq!(told, Recorded::Changed(Ejected { host: 7, until }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejected {
    /// Which one: the caller's number for it.
    pub host: u32,
    /// When it is admitted again.
    pub until: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Host {
    /// Begins anew with each ejection; never the same again, for no other host either.
    generation: u64,
    /// When it was last asked for.
    asked: Time,
    /// Failures since the last success.
    consecutive: u32,
    window: TimeWindow<Tally>,
    /// How many ejections followed one another.
    ejections: u32,
    /// When the last of them ends, or ended.
    until: Option<Time>,
}

/// What is remembered: at most `hosts_max` hosts.
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
    /// The latest moment seen.
    clock: Time,
    hosts: BTreeMap<u32, Host>,
    /// The last generation that was given out.
    generation: u64,
    /// Outcomes that came too late.
    stale: u64,
}

/// The hosts, for display.
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
    /// In the order of their numbers.
    pub hosts: Vec<HostSnapshot>,
    /// How many of them are ejected.
    pub ejected: u32,
    /// Outcomes that came too late to count.
    pub stale: u64,
}

/// A host, for display.
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
    /// The caller's number for it.
    pub host: u32,
    /// Until when it is ejected, if it is.
    pub ejected_until: Option<Time>,
    /// How many ejections followed one another.
    pub ejections: u32,
    /// Failures since its last success.
    pub consecutive_failures: u32,
    /// What is in its window.
    pub window: Tally,
}

/// Parts of a window.
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
            // It could not be remembered, so nothing is known against it.
            return Decision::Admit(Ticket { host: request.host, generation: 0 });
        };
        host.asked = now;
        if let Some(until) = host.ejected_until(now) {
            if stays {
                return Decision::Reject(Rejected { reason: Reason::Outlier, retry_at: Some(until) });
            }
            // All others were forgotten meanwhile: one always stays.
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
    /// Makes a host known; the one that was asked for longest ago makes room.
    fn meet(&self, state: &mut State, now: Time, number: u32) {
        // A configuration may have come to allow fewer.
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

    /// Would enough hosts stay?
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
        // An ejection of no time would be none.
        let until = now + Duration::from_nanos(length.max(1));
        // A clean slate for its return: what was begun before no longer counts.
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
    /// Would a call to that host be admitted? True for a host that is not known. Changes nothing.
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

    /// One of these hosts that would be admitted, each about as likely; none if there is none. Changes nothing: ask
    /// for it next.
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

    /// A host is gone for good. What is told of it later is stale; if it comes back, it is new.
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

    /// Is there a host that is not ejected?
    fn stays(&self, now: Time) -> bool {
        self.hosts.values().any(|host| host.ejected_until(now).is_none())
    }

    /// Time runs on, never back.
    fn see(&mut self, now: Time) -> Time {
        self.clock = self.clock.max(now);
        self.clock
    }
}
