//! Breakers by key (a host, a tenant, a report type), bounded in number.
//!
//! A key that is new when there are as many as there may be takes the place of the least recently used breaker
//! that is closed. One that is open or half-open never leaves: it holds what was learnt the hard way; nor does one that
//! somebody holds open or closed. When none
//! is closed, further keys share one breaker, and the count of calls that did says so.
//!
//! A registry is a shelf, not a policy: what it holds decides. [`State`] is the plain one, for a state machine;
//! `sync::Registry` (feature `sync`) is for the threads of a program. Both follow [`leaver`].
//!
//! ```
//! use mainstay_resilience::{Input, Outcome, Time, breaker, registry};
//!
//! let breaker = breaker::Config::new().consecutive_failures(1);
//! let config = registry::Config::new().breaker(breaker).keys_max(1);
//! let mut breakers = config.state();
//! let input = Input::at(Time::ZERO);
//! let ask =
//!     |breakers: &mut _, key| config.ask(breakers, input, &key, breaker::Request::default()).admitted();
//! let ticket = ask(&mut breakers, "a").unwrap();
//! config.tell(&mut breakers, input, &"a", ticket, Outcome::Failure);
//! // "a" is open and stays, so "b" has no breaker of its own.
//! assert!(ask(&mut breakers, "b").is_some() && ask(&mut breakers, "a").is_none());
//! assert_eq!(config.snapshot(&breakers).shared_calls, 1);
//! ```

use crate::breaker::{self, Circuit, Request, Transition};
use crate::config::config;
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Recorded, Rejected, Time};
use alloc::collections::BTreeMap;

config! {
    /// The rules of a registry.
    ///
    /// ```
    /// use mainstay_resilience::registry::Config;
    ///
    /// assert!(Config::default().check().is_ok());
    /// assert_eq!(Config::new().keys_max(0).check().unwrap_err().field, "keys_max");
    /// ```
    pub struct Config {
        /// The rules of each breaker.
        pub breaker: breaker::Config = breaker::Config::default(),
        /// How many keys have a breaker of their own. From 1 to 1,000,000; 1,000.
        pub keys_max: u32 = 1_000,
    }
}

/// Whose breaker leaves for a new key's: of those that are closed, the one used longest ago; the first of them
/// in the given order, if several were.
///
/// ```
/// use mainstay_resilience::Time;
/// use mainstay_resilience::breaker::Circuit::{Closed, Open};
/// use mainstay_resilience::registry::leaver;
///
/// let at = Time::from_millis;
/// let breakers = [("a", at(1), Open), ("b", at(3), Closed), ("c", at(2), Closed)];
/// assert_eq!(leaver(breakers), Some("c"));
/// assert_eq!(leaver([("a", at(1), Open)]), None);
/// ```
pub fn leaver<K>(breakers: impl IntoIterator<Item = (K, Time, Circuit)>) -> Option<K> {
    let closed = breakers.into_iter().filter(|(_, _, circuit)| *circuit == Circuit::Closed);
    closed.min_by_key(|(_, used, _)| *used).map(|(key, _, _)| key)
}

/// A registry for display.
///
/// ```
/// use mainstay_resilience::registry::{Config, Snapshot};
///
/// let config = Config::default();
/// assert_eq!(config.snapshot(&config.state::<u32>()), Snapshot::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// Keys that have a breaker of their own.
    pub keys: u64,
    /// Of these, how many are not closed.
    pub not_closed: u64,
    /// Breakers that left for others.
    pub left: u64,
    /// Calls that were asked of the shared one, since no breaker could leave.
    pub shared_calls: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Slot {
    breaker: breaker::State,
    used: Time,
    /// The how-manieth that was made, from 1: a key may come to have another.
    number: u64,
}

/// The plain registry: at most [`Config::keys_max`] breakers, and the shared one.
///
/// ```
/// use mainstay_resilience::registry::{Config, State};
///
/// /// What a state machine keeps: breakers by the number of a tenant.
/// struct Machine {
///     breakers: State<u64>,
/// }
/// let machine = Machine { breakers: Config::default().state() };
/// assert_eq!(Config::default().snapshot(&machine.breakers).keys, 0);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(deserialize = "K: Ord + serde::Deserialize<'de>")))]
pub struct State<K> {
    slots: BTreeMap<K, Slot>,
    shared: breaker::State,
    /// How many breakers were made.
    made: u64,
    left: u64,
    shared_calls: u64,
}

/// An admitted call, and whose breaker admitted it.
///
/// ```
/// use mainstay_resilience::registry::{Config, Ticket};
/// use mainstay_resilience::{Input, breaker};
///
/// let config = Config::default();
/// let answer = config.ask(&mut config.state(), Input::default(), &7, breaker::Request::default());
/// // It goes along with the call, and comes back with its outcome.
/// let ticket: Option<Ticket> = answer.admitted();
/// assert!(ticket.is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket {
    breaker: breaker::Ticket,
    /// The number of its breaker; 0 for the shared one.
    number: u64,
}

impl<K: Ord> State<K> {
    /// A key that will not be used again gives its place back, whatever its breaker's state. Was it there?
    ///
    /// ```
    /// use mainstay_resilience::{Input, breaker, registry};
    ///
    /// let config = registry::Config::default();
    /// let (mut breakers, input) = (config.state(), Input::default());
    /// let _ = config.ask(&mut breakers, input, &7, breaker::Request::default());
    /// assert!(breakers.forget(&7) && !breakers.forget(&7));
    /// ```
    pub fn forget(&mut self, key: &K) -> bool {
        self.slots.remove(key).is_some()
    }
}

impl Config {
    /// Does the configuration make sense?
    ///
    /// ```
    /// use mainstay_resilience::{breaker, registry};
    ///
    /// let breaker = breaker::Config::new().calls_min(0);
    /// let config = registry::Config::new().breaker(breaker);
    /// assert_eq!(config.check().unwrap_err().field, "breaker.calls_min");
    /// ```
    ///
    /// # Errors
    /// The first field that does not, and why.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless("keys_max", self.keys_max.into(), 1..=1_000_000)?;
        self.breaker.check().map_err(|error| error.within("breaker"))
    }

    /// No key yet.
    ///
    /// ```
    /// # use mainstay_resilience::registry::Config;
    /// let breakers = Config::default().state::<(u32, u32)>();
    /// assert_eq!(Config::default().snapshot(&breakers).keys, 0);
    /// ```
    #[must_use]
    pub fn state<K: Ord + Clone>(&self) -> State<K> {
        State { slots: BTreeMap::new(), shared: self.breaker.state(), made: 0, left: 0, shared_calls: 0 }
    }

    /// May a call be made, as the key's breaker has it?
    ///
    /// ```
    /// use mainstay_resilience::{Decision, Input, Outcome, breaker, registry};
    ///
    /// let config = registry::Config::default();
    /// let (mut breakers, input) = (config.state(), Input::default());
    /// if let Decision::Admit(ticket) = config.ask(&mut breakers, input, &"billing", breaker::Request::default()) {
    ///     config.tell(&mut breakers, input, &"billing", ticket, Outcome::Failure);
    /// }
    /// assert_eq!(config.snapshot_of(&breakers, &"billing", input.now).unwrap().window.failures, 1);
    /// ```
    pub fn ask<K: Ord + Clone>(
        &self,
        state: &mut State<K>,
        input: Input,
        key: &K,
        request: Request,
    ) -> Decision<Ticket> {
        self.make_room(state, input.now, key);
        let (breaker, number) = match state.slots.get_mut(key) {
            Some(slot) => {
                slot.used = slot.used.max(input.now);
                (&mut slot.breaker, slot.number)
            }
            None => {
                state.shared_calls = state.shared_calls.saturating_add(1);
                (&mut state.shared, 0)
            }
        };
        match self.breaker.ask(breaker, input, request) {
            Decision::Admit(breaker) => Decision::Admit(Ticket { breaker, number }),
            Decision::Wait { until } => Decision::Wait { until },
            Decision::Reject(Rejected { reason, retry_at }) => {
                Decision::Reject(Rejected { reason, retry_at })
            }
        }
    }

    /// What came of the call. The outcome of a call whose breaker has left meanwhile is stale.
    ///
    /// ```
    /// use mainstay_resilience::{Input, Outcome, Recorded, breaker, registry};
    ///
    /// let config = registry::Config::new().keys_max(1);
    /// let (mut breakers, input, request) = (config.state(), Input::default(), breaker::Request::default());
    /// let ticket = config.ask(&mut breakers, input, &"a", request).admitted().unwrap();
    /// // "b" takes the only place, since the breaker of "a" is closed.
    /// let _ = config.ask(&mut breakers, input, &"b", request);
    /// assert_eq!(config.tell(&mut breakers, input, &"a", ticket, Outcome::Failure), Recorded::Stale);
    /// ```
    pub fn tell<K: Ord + Clone>(
        &self,
        state: &mut State<K>,
        input: Input,
        key: &K,
        ticket: Ticket,
        outcome: Outcome,
    ) -> Recorded<Transition> {
        let breaker = match state.slots.get_mut(key) {
            _ if ticket.number == 0 => &mut state.shared,
            Some(slot) if slot.number == ticket.number => &mut slot.breaker,
            _ => return Recorded::Stale,
        };
        self.breaker.tell(breaker, input, ticket.breaker, outcome, 1)
    }

    /// The key's breaker, if it has one of its own.
    ///
    /// ```
    /// use mainstay_resilience::breaker::{Circuit, Request};
    /// use mainstay_resilience::{Input, Time, registry};
    ///
    /// let config = registry::Config::default();
    /// let mut breakers = config.state();
    /// assert_eq!(config.snapshot_of(&breakers, &"billing", Time::ZERO), None);
    /// let _ = config.ask(&mut breakers, Input::default(), &"billing", Request::default());
    /// assert_eq!(config.snapshot_of(&breakers, &"billing", Time::ZERO).unwrap().circuit, Circuit::Closed);
    /// ```
    pub fn snapshot_of<K: Ord>(&self, state: &State<K>, key: &K, now: Time) -> Option<breaker::Snapshot> {
        state.slots.get(key).map(|slot| self.breaker.snapshot(&slot.breaker, now))
    }

    /// The registry as a whole, for people and metrics.
    ///
    /// ```
    /// use mainstay_resilience::{Input, breaker, registry};
    ///
    /// let config = registry::Config::new().keys_max(2);
    /// let mut breakers = config.state();
    /// for tenant in 0..5 {
    ///     let _ = config.ask(&mut breakers, Input::default(), &tenant, breaker::Request::default());
    /// }
    /// let snapshot = config.snapshot(&breakers);
    /// assert_eq!((snapshot.keys, snapshot.left), (2, 3));
    /// ```
    pub fn snapshot<K>(&self, state: &State<K>) -> Snapshot {
        let not_closed =
            state.slots.values().filter(|slot| slot.breaker.circuit() != Circuit::Closed).count();
        Snapshot {
            keys: state.slots.len() as u64,
            not_closed: not_closed as u64,
            left: state.left,
            shared_calls: state.shared_calls,
        }
    }

    /// Makes a breaker for the key, if it has none and another may leave for it.
    fn make_room<K: Ord + Clone>(&self, state: &mut State<K>, now: Time, key: &K) {
        if state.slots.contains_key(key) {
            return;
        }
        // More than one may have to leave, when the bound was lowered.
        while state.slots.len() >= self.keys_max.max(1) as usize {
            let slots = state.slots.iter().map(|(key, slot)| (key, slot.used, slot.breaker.circuit()));
            let Some(leaving) = leaver(slots).cloned() else { return };
            state.slots.remove(&leaving);
            state.left = state.left.saturating_add(1);
        }
        state.made = state.made.saturating_add(1);
        let slot = Slot { breaker: self.breaker.state(), used: now, number: state.made };
        state.slots.insert(key.clone(), slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn small() -> Config {
        let breaker = breaker::Config {
            consecutive_failures: Some(1),
            open_for: Duration::from_secs(5),
            open_jitter_percent: 0,
            ..breaker::Config::default()
        };
        Config { breaker, keys_max: 3 }
    }

    fn at(millis: u64) -> Input {
        Input::at(Time::from_millis(millis))
    }

    fn call(
        config: &Config,
        state: &mut State<u32>,
        millis: u64,
        key: u32,
        outcome: Outcome,
    ) -> Recorded<Transition> {
        let ticket = config.ask(state, at(millis), &key, Request::default()).admitted().expect("admitted");
        config.tell(state, at(millis), &key, ticket, outcome)
    }

    fn keys(state: &State<u32>) -> Vec<u32> {
        state.slots.keys().copied().collect()
    }

    #[test]
    fn a_configuration_that_makes_no_sense_names_its_field() {
        assert_eq!(small().check(), Ok(()));
        assert_eq!(
            Config { keys_max: 1_000_001, ..small() }.check().expect_err("too many").field,
            "keys_max"
        );
        let breaker = breaker::Config { probes: 0, ..small().breaker };
        assert_eq!(Config { breaker, ..small() }.check().expect_err("no probe").field, "breaker.probes");
    }

    #[test]
    fn a_key_that_is_forgotten_gives_its_place_back_whatever_its_state() {
        let (config, mut state) = (small(), small().state());
        call(&config, &mut state, 1, 1, Outcome::Failure);
        let shown = config.snapshot_of(&state, &1, Time::from_millis(1)).map(|breaker| breaker.circuit);
        assert_eq!(shown, Some(Circuit::Open));
        assert!(state.forget(&1), "open as it is");
        assert!(!state.forget(&1));
        assert_eq!(keys(&state), [] as [u32; 0]);
    }

    #[test]
    fn each_key_has_a_breaker_of_its_own() {
        let (config, mut state) = (small(), small().state());
        call(&config, &mut state, 1, 1, Outcome::Failure);
        assert!(config.ask(&mut state, at(2), &1, Request::default()).admitted().is_none());
        assert_eq!(call(&config, &mut state, 2, 2, Outcome::Success), Recorded::Counted);
    }

    #[test]
    fn the_least_recently_used_closed_one_leaves_first_and_an_open_one_never() {
        let (config, mut state) = (small(), small().state());
        call(&config, &mut state, 1, 1, Outcome::Failure);
        call(&config, &mut state, 2, 2, Outcome::Success);
        call(&config, &mut state, 3, 3, Outcome::Success);
        call(&config, &mut state, 4, 2, Outcome::Success);
        call(&config, &mut state, 5, 4, Outcome::Success);
        assert_eq!(keys(&state), [1, 2, 4], "3 was used longest ago; 1 is open");
        call(&config, &mut state, 6, 5, Outcome::Success);
        assert_eq!(keys(&state), [1, 4, 5]);
        assert_eq!(config.snapshot(&state), Snapshot { keys: 3, not_closed: 1, left: 2, shared_calls: 0 });
    }

    #[test]
    fn when_all_are_open_further_keys_share_one_breaker_and_are_counted() {
        let (config, mut state) = (small(), small().state());
        for key in 1..=3 {
            call(&config, &mut state, 1, key, Outcome::Failure);
        }
        assert_eq!(call(&config, &mut state, 2, 8, Outcome::Success), Recorded::Counted);
        assert!(matches!(call(&config, &mut state, 3, 9, Outcome::Failure), Recorded::Changed(_)));
        assert!(config.ask(&mut state, at(4), &8, Request::default()).admitted().is_none(), "it is shared");
        assert_eq!(config.snapshot(&state), Snapshot { keys: 3, not_closed: 3, left: 0, shared_calls: 3 });
        assert_eq!(config.snapshot_of(&state, &8, Time::ZERO), None);
    }

    #[test]
    fn an_outcome_whose_breaker_has_left_is_stale() {
        let (config, mut state) = (small(), small().state());
        let ticket = config.ask(&mut state, at(1), &1, Request::default()).admitted().expect("admitted");
        for key in 2..=4 {
            call(&config, &mut state, 2, key, Outcome::Success);
        }
        assert_eq!(config.tell(&mut state, at(3), &1, ticket, Outcome::Failure), Recorded::Stale);
        call(&config, &mut state, 4, 1, Outcome::Success);
        assert_eq!(
            config.tell(&mut state, at(5), &1, ticket, Outcome::Failure),
            Recorded::Stale,
            "nor its next one's"
        );
    }

    #[test]
    fn a_lower_bound_lets_as_many_leave_as_it_takes() {
        let (config, mut state) = (small(), small().state());
        for key in 1..=3 {
            call(&config, &mut state, u64::from(key), key, Outcome::Success);
        }
        let config = Config { keys_max: 1, ..config };
        call(&config, &mut state, 4, 4, Outcome::Success);
        assert_eq!(keys(&state), [4]);
        let config = Config { keys_max: 0, ..config };
        call(&config, &mut state, 5, 5, Outcome::Success);
        assert_eq!(keys(&state), [5], "a bound of zero still works");
    }
}
