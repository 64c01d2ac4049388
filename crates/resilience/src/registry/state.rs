//! The state of a registry, and the rules for its keys.

use super::Config;
use crate::breaker::{self, Circuit, Request, Transition};
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Recorded, Rejected, Time};
use alloc::collections::BTreeMap;

/// The breaker to remove for a new key: of the closed ones, the one that was used longest ago, and the first
/// of them in the given order if there are several. `None` if none is closed.
///
/// ```
/// use mainstay_resilience::Time;
/// use mainstay_resilience::breaker::Circuit::{Closed, Open};
/// use mainstay_resilience::registry::to_remove;
///
/// let at = Time::from_millis;
/// let breakers = [("a", at(1), Open), ("b", at(3), Closed), ("c", at(2), Closed)];
/// assert_eq!(to_remove(breakers), Some("c"));
/// assert_eq!(to_remove([("a", at(1), Open)]), None);
/// ```
pub fn to_remove<K>(breakers: impl IntoIterator<Item = (K, Time, Circuit)>) -> Option<K> {
    let closed = breakers.into_iter().filter(|(_, _, circuit)| *circuit == Circuit::Closed);
    closed.min_by_key(|(_, used, _)| *used).map(|(key, _, _)| key)
}

/// A snapshot of a registry for display and metrics.
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
    /// Keys with a breaker of their own.
    pub keys: u64,
    /// Of these, breakers that are not closed.
    pub not_closed: u64,
    /// Breakers that were removed for others.
    pub removed: u64,
    /// Calls that used the shared breaker.
    pub shared_calls: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Slot {
    breaker: breaker::State,
    used: Time,
    /// Counts the breakers created so far, from 1. It tells two breakers of one key apart.
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
    pub(super) slots: BTreeMap<K, Slot>,
    shared: breaker::State,
    /// The number of breakers created.
    made: u64,
    removed: u64,
    shared_calls: u64,
}

/// The ticket of an admitted call. It knows which breaker admitted it.
///
/// ```
/// use mainstay_resilience::registry::{Config, Ticket};
/// use mainstay_resilience::{Input, breaker};
///
/// let config = Config::default();
/// let decision = config.ask(&mut config.state(), Input::default(), &7, breaker::Request::default());
/// // Keep it until the call ends, then record the outcome with it.
/// let ticket: Option<Ticket> = decision.admitted();
/// assert!(ticket.is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket {
    breaker: breaker::Ticket,
    /// The number of the breaker; 0 for the shared one.
    number: u64,
}

impl<K: Ord> State<K> {
    /// Removes the breaker of a key that is no longer used, whatever its state. Returns whether there was
    /// one.
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
    /// Checks that every field is in range.
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
    /// Returns an error that names the first field out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::unless("keys_max", self.keys_max.into(), 1..=1_000_000)?;
        self.breaker.check().map_err(|error| error.within("breaker"))
    }

    /// Creates an empty registry.
    ///
    /// ```
    /// # use mainstay_resilience::registry::Config;
    /// let breakers = Config::default().state::<(u32, u32)>();
    /// assert_eq!(Config::default().snapshot(&breakers).keys, 0);
    /// ```
    #[must_use]
    pub fn state<K: Ord + Clone>(&self) -> State<K> {
        State { slots: BTreeMap::new(), shared: self.breaker.state(), made: 0, removed: 0, shared_calls: 0 }
    }

    /// Asks the key's breaker to admit a call.
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
        self.ensure_breaker(state, input.now, key);
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

    /// Records the outcome of a call. The outcome is stale if the breaker has been removed.
    ///
    /// ```
    /// use mainstay_resilience::{Input, Outcome, Recorded, breaker, registry};
    ///
    /// let config = registry::Config::new().keys_max(1);
    /// let (mut breakers, input, request) = (config.state(), Input::default(), breaker::Request::default());
    /// let ticket = config.ask(&mut breakers, input, &"a", request).admitted().unwrap();
    /// // "b" takes the only place, because the breaker of "a" is closed.
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

    /// A snapshot of the key's breaker, if it has one of its own.
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

    /// A snapshot of the whole registry.
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
    /// assert_eq!((snapshot.keys, snapshot.removed), (2, 3));
    /// ```
    pub fn snapshot<K>(&self, state: &State<K>) -> Snapshot {
        let not_closed =
            state.slots.values().filter(|slot| slot.breaker.circuit() != Circuit::Closed).count();
        Snapshot {
            keys: state.slots.len() as u64,
            not_closed: not_closed as u64,
            removed: state.removed,
            shared_calls: state.shared_calls,
        }
    }

    /// Creates a breaker for the key, unless it has one or no breaker can be removed for it.
    fn ensure_breaker<K: Ord + Clone>(&self, state: &mut State<K>, now: Time, key: &K) {
        if state.slots.contains_key(key) {
            return;
        }
        // More than one has to be removed if `keys_max` was lowered.
        while state.slots.len() >= self.keys_max.max(1) as usize {
            let slots = state.slots.iter().map(|(key, slot)| (key, slot.used, slot.breaker.circuit()));
            let Some(removed) = to_remove(slots).cloned() else { return };
            state.slots.remove(&removed);
            state.removed = state.removed.saturating_add(1);
        }
        state.made = state.made.saturating_add(1);
        let slot = Slot { breaker: self.breaker.state(), used: now, number: state.made };
        state.slots.insert(key.clone(), slot);
    }
}
