//! Values by key, bounded in number: the rules of [`registry`](crate::registry) for any shared policy.

use crate::contract::Time;
use foldhash::fast::RandomState;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// At most `keys_max` values, created on demand, and one value that further keys share while none can be
/// removed.
#[derive(Debug)]
pub(crate) struct Keyed<K, V> {
    inner: RwLock<Inner<K, V>>,
    shared_calls: AtomicU64,
}

#[derive(Debug)]
struct Inner<K, V> {
    keys_max: usize,
    slots: HashMap<K, Slot<V>, RandomState>,
    shared: Arc<V>,
    removed: u64,
}

#[derive(Debug)]
struct Slot<V> {
    value: Arc<V>,
    /// When the value was last looked up, in milliseconds, so that a busy key costs one store per
    /// millisecond, not one per call.
    used_millis: AtomicU64,
}

/// How many keys there are, and what became of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) keys: u64,
    pub(crate) removed: u64,
    pub(crate) shared_calls: u64,
}

impl<K: Hash + Eq + Clone, V> Keyed<K, V> {
    pub(crate) fn new(keys_max: u32, shared: V) -> Self {
        let keys_max = keys_max.max(1) as usize;
        #[cfg(feature = "metrics")]
        metrics::describe_counter!(
            "resilience_registry_shared_total",
            "Lookups that returned the policy shared by keys without one of their own."
        );
        let inner = Inner { keys_max, slots: HashMap::default(), shared: Arc::new(shared), removed: 0 };
        Self { inner: RwLock::new(inner), shared_calls: AtomicU64::new(0) }
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner<K, V>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<K, V>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key's value. A new key gets a value from `make`. If there are already `keys_max` values, it takes
    /// the place of the least recently used one that `may_remove` allows. If there is none, the key gets the
    /// shared value.
    pub(crate) fn get<Q>(
        &self,
        key: &Q,
        now: Time,
        make: impl FnOnce() -> Option<V>,
        may_remove: impl Fn(&V) -> bool,
    ) -> Arc<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let millis = now.as_nanos() / 1_000_000;
        if let Some(slot) = self.read().slots.get(key) {
            if slot.used_millis.load(Ordering::Relaxed) < millis {
                slot.used_millis.store(millis, Ordering::Relaxed);
            }
            return slot.value.clone();
        }
        let mut inner = self.write();
        // Another thread may have added it between the two locks.
        if let Some(slot) = inner.slots.get(key) {
            return slot.value.clone();
        }
        let made = if inner.make_space(may_remove) { make() } else { None };
        let Some(value) = made.map(Arc::new) else {
            self.shared_calls.fetch_add(1, Ordering::Relaxed);
            #[cfg(feature = "metrics")]
            metrics::counter!("resilience_registry_shared_total").increment(1);
            return inner.shared.clone();
        };
        let slot = Slot { value: value.clone(), used_millis: AtomicU64::new(millis) };
        inner.slots.insert(key.to_owned(), slot);
        value
    }

    /// Changes every value, including the shared one, and also the bound if a new one is given. No key can be
    /// added in the meantime, so whatever `change` does to its own state takes effect at the same moment.
    pub(crate) fn update<R>(
        &self,
        keys_max: Option<u32>,
        change: impl FnOnce(&mut dyn Iterator<Item = &V>) -> R,
    ) -> R {
        let mut inner = self.write();
        if let Some(keys_max) = keys_max {
            inner.keys_max = keys_max.max(1) as usize;
        }
        change(&mut inner.slots.values().map(|slot| &*slot.value).chain([&*inner.shared]))
    }

    pub(crate) fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.write().slots.remove(key).is_some()
    }

    pub(crate) fn entries(&self) -> Vec<(K, Arc<V>)> {
        self.read().slots.iter().map(|(key, slot)| (key.clone(), slot.value.clone())).collect()
    }

    pub(crate) fn counts(&self) -> Counts {
        let inner = self.read();
        let shared_calls = self.shared_calls.load(Ordering::Relaxed);
        Counts { keys: inner.slots.len() as u64, removed: inner.removed, shared_calls }
    }
}

impl<K: Hash + Eq + Clone, V> Inner<K, V> {
    /// Removes the least recently used values until there is space for one more. Returns whether there is.
    fn make_space(&mut self, may_remove: impl Fn(&V) -> bool) -> bool {
        while self.slots.len() >= self.keys_max {
            let free = self.slots.iter().filter(|(_, slot)| may_remove(&slot.value));
            let oldest = free.min_by_key(|(_, slot)| slot.used_millis.load(Ordering::Relaxed));
            let Some(removed) = oldest.map(|(key, _)| key.clone()) else { return false };
            self.slots.remove(&removed);
            self.removed = self.removed.saturating_add(1);
        }
        true
    }
}
