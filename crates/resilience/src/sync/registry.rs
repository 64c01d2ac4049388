//! Breakers by key, for the threads of a program.

use super::Breaker;
use crate::breaker::Circuit;
use crate::contract::{Input, Time};
use crate::registry::{Config, Snapshot, leaver};
use foldhash::fast::RandomState;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// Breakers by key, bounded in number: [`crate::registry`] has the rules.
///
/// With the feature `metrics`, `resilience_registry_shared_total` counts the look-ups that were given the shared
/// breaker, since all others were open: the bound is too low, or much is broken.
///
/// A look-up takes a shared lock, which is held for the look-up alone. Who calls one dependency often can keep
/// what [`get`](Registry::get) gave, as long as it does so: a breaker that has left the registry goes on working
/// for those who hold it, apart from the one that its key gets next.
///
/// ```
/// use mainstay_resilience::{Input, Outcome, breaker, sync, registry};
///
/// let breakers: sync::Registry<String> = sync::Registry::new(registry::Config::default());
/// let input = Input::default();
/// let breaker = breakers.get("billing.internal", input.now);
/// if let Some(ticket) = breaker.ask(input, breaker::Request::default()).admitted() {
///     breaker.tell(input, ticket, Outcome::Success);
/// }
/// assert_eq!(breakers.snapshot().keys, 1);
/// ```
#[derive(Debug)]
pub struct Registry<K> {
    inner: RwLock<Inner<K>>,
    shared_calls: AtomicU64,
}

#[derive(Debug)]
struct Inner<K> {
    config: Config,
    slots: HashMap<K, Slot, RandomState>,
    shared: Arc<Breaker>,
    left: u64,
}

#[derive(Debug)]
struct Slot {
    breaker: Arc<Breaker>,
    /// When it was last looked up, to the millisecond: one store a millisecond, not one a call.
    used_millis: AtomicU64,
}

impl<K: Hash + Eq + Clone> Registry<K> {
    /// No key yet.
    ///
    /// ```
    /// # use mainstay_resilience::{sync, registry};
    /// let breakers: sync::Registry<u64> = sync::Registry::new(registry::Config::default());
    /// assert!(breakers.breakers().is_empty());
    /// ```
    #[must_use]
    pub fn new(config: Config) -> Self {
        let shared = Arc::new(Breaker::new(config.breaker.clone()));
        let inner = Inner { config, slots: HashMap::default(), shared, left: 0 };
        Self { inner: RwLock::new(inner), shared_calls: AtomicU64::new(0) }
    }

    /// The key's breaker; made if it has none; the shared one if none may be made.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, sync, registry};
    /// # use std::sync::Arc;
    /// let breakers: sync::Registry<String> = sync::Registry::new(registry::Config::default());
    /// let (one, other) = (breakers.get("a", Time::ZERO), breakers.get("b", Time::ZERO));
    /// assert!(!Arc::ptr_eq(&one, &other));
    /// assert!(Arc::ptr_eq(&one, &breakers.get("a", Time::from_millis(1))));
    /// ```
    pub fn get<Q>(&self, key: &Q, now: Time) -> Arc<Breaker>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let millis = now.as_nanos() / 1_000_000;
        {
            let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = inner.slots.get(key) {
                if slot.used_millis.load(Ordering::Relaxed) < millis {
                    slot.used_millis.store(millis, Ordering::Relaxed);
                }
                return slot.breaker.clone();
            }
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        match inner.make(key, millis) {
            Some(breaker) => breaker,
            None => {
                self.shared_calls.fetch_add(1, Ordering::Relaxed);
                #[cfg(feature = "metrics")]
                metrics::counter!("resilience_registry_shared_total").increment(1);
                inner.shared.clone()
            }
        }
    }

    /// Other rules from now on, for every breaker that is there and those to come.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, breaker, sync, registry};
    /// let breakers: sync::Registry<String> = sync::Registry::new(registry::Config::default());
    /// let early = breakers.get("billing", Time::ZERO);
    /// let breaker = breaker::Config::new().enforcement(breaker::Enforcement::ObserveOnly);
    /// breakers.configure(Input::default(), registry::Config::new().breaker(breaker).keys_max(10));
    /// // It reaches those that were there before.
    /// early.trip(Input::default());
    /// assert!(early.ask(Input::default(), breaker::Request::default()).admitted().is_some());
    /// ```
    pub fn configure(&self, input: Input, config: Config) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        for breaker in inner.slots.values().map(|slot| &slot.breaker).chain([&inner.shared]) {
            breaker.configure(input, config.breaker.clone());
        }
        inner.config = config;
    }

    /// A key that will not be used again gives its place back, whatever its breaker's state. Was it there?
    ///
    /// ```
    /// # use mainstay_resilience::{Time, sync, registry};
    /// let breakers: sync::Registry<u32> = sync::Registry::new(registry::Config::default());
    /// breakers.get(&7, Time::ZERO);
    /// assert!(breakers.forget(&7) && !breakers.forget(&7));
    /// ```
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.inner.write().unwrap_or_else(PoisonError::into_inner).slots.remove(key).is_some()
    }

    /// Every key with its breaker, in no order: for people and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, breaker, sync, registry};
    /// let breakers: sync::Registry<u32> = sync::Registry::new(registry::Config::default());
    /// for tenant in 1..=3 {
    ///     breakers.get(&tenant, Time::ZERO);
    /// }
    /// breakers.get(&2, Time::ZERO).trip(Input::default());
    /// let open = breakers.breakers().into_iter().filter(|(_, breaker)| !breaker.is_closed());
    /// assert_eq!(open.map(|(tenant, _)| tenant).collect::<Vec<_>>(), [2]);
    /// ```
    pub fn breakers(&self) -> Vec<(K, Arc<Breaker>)> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.slots.iter().map(|(key, slot)| (key.clone(), slot.breaker.clone())).collect()
    }

    /// The registry as a whole, for people and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, Time, sync, registry};
    /// let breakers: sync::Registry<u32> = sync::Registry::new(registry::Config::default());
    /// breakers.get(&1, Time::ZERO);
    /// breakers.get(&2, Time::ZERO).trip(Input::default());
    /// let seen = breakers.snapshot();
    /// assert_eq!((seen.keys, seen.not_closed), (2, 1));
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let not_closed = inner.slots.values().filter(|slot| slot.breaker.circuit() != Circuit::Closed);
        Snapshot {
            keys: inner.slots.len() as u64,
            not_closed: not_closed.count() as u64,
            left: inner.left,
            shared_calls: self.shared_calls.load(Ordering::Relaxed),
        }
    }
}

impl<K: Hash + Eq + Clone> Inner<K> {
    fn make<Q>(&mut self, key: &Q, used_millis: u64) -> Option<Arc<Breaker>>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        // Another thread may have made it between the locks.
        if let Some(slot) = self.slots.get(key) {
            return Some(slot.breaker.clone());
        }
        while self.slots.len() >= self.config.keys_max.max(1) as usize {
            // What somebody wanted of a breaker would leave with it.
            let free = self.slots.iter().filter(|(_, slot)| !slot.breaker.is_forced());
            let slots = free.map(|(key, slot)| {
                (key, Time::from_millis(slot.used_millis.load(Ordering::Relaxed)), slot.breaker.circuit())
            });
            let leaving = leaver(slots)?.clone();
            self.slots.remove(leaving.borrow());
            self.left = self.left.saturating_add(1);
        }
        let breaker = Arc::new(Breaker::new(self.config.breaker.clone()));
        let slot = Slot { breaker: breaker.clone(), used_millis: AtomicU64::new(used_millis) };
        self.slots.insert(key.to_owned(), slot);
        Some(breaker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{self, Forced, Request};
    use crate::contract::Outcome;

    fn registry(keys_max: u32) -> Registry<u32> {
        let breaker = breaker::Config { consecutive_failures: Some(1), ..breaker::Config::default() };
        Registry::new(Config { breaker, keys_max })
    }

    fn at(millis: u64) -> Input {
        Input::at(Time::from_millis(millis))
    }

    fn fail(registry: &Registry<u32>, key: u32, millis: u64) {
        let breaker = registry.get(&key, at(millis).now);
        let ticket = breaker.ask(at(millis), Request::default()).admitted().expect("admitted");
        breaker.tell(at(millis), ticket, Outcome::Failure);
    }

    fn keys(registry: &Registry<u32>) -> Vec<u32> {
        let mut keys: Vec<u32> = registry.breakers().into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn the_least_recently_used_closed_one_leaves_first_and_an_open_one_never() {
        let registry = registry(3);
        fail(&registry, 1, 1);
        for (key, millis) in [(2, 2), (3, 3), (2, 4), (4, 5)] {
            let _ = registry.get(&key, at(millis).now);
        }
        assert_eq!(keys(&registry), [1, 2, 4]);
        let expected = Snapshot { keys: 3, not_closed: 1, left: 1, shared_calls: 0 };
        assert_eq!(registry.snapshot(), expected);
    }

    #[test]
    fn when_all_are_open_further_keys_share_one_breaker_and_are_counted() {
        let registry = registry(2);
        fail(&registry, 1, 1);
        fail(&registry, 2, 1);
        assert!(Arc::ptr_eq(&registry.get(&8, Time::ZERO), &registry.get(&9, Time::ZERO)));
        assert_eq!(registry.snapshot().shared_calls, 2);
        assert_eq!(keys(&registry), [1, 2]);
    }

    #[test]
    fn one_that_is_held_open_or_closed_does_not_leave() {
        for (forced, admits) in [(Forced::Open, false), (Forced::Closed, true)] {
            let registry = registry(2);
            registry.get(&1, at(1).now).force(at(1), forced);
            for key in 2..5 {
                let _ = registry.get(&key, at(key.into()).now);
            }
            let held = registry.get(&1, at(9).now);
            assert_eq!(held.snapshot(at(9).now).forced, forced, "what somebody wanted of it holds");
            assert_eq!(held.ask(at(9), Request::default()).admitted().is_some(), admits);
        }
    }

    #[test]
    fn new_rules_reach_every_breaker() {
        let registry = registry(2);
        let breaker = registry.get(&1, Time::ZERO);
        let rules = breaker::Config { consecutive_failures: Some(3), ..breaker::Config::default() };
        registry.configure(at(1), Config { breaker: rules, keys_max: 2 });
        fail(&registry, 1, 1);
        fail(&registry, 2, 1);
        assert!(breaker.is_closed());
        assert_eq!(registry.snapshot().not_closed, 0);
    }

    #[test]
    fn threads_that_meet_a_new_key_at_once_get_one_breaker() {
        let registry = registry(4);
        let got: Vec<Arc<Breaker>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| registry.get(&7, Time::ZERO))).collect();
            threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
        });
        assert!(got.iter().all(|breaker| Arc::ptr_eq(breaker, &got[0])));
    }
}
