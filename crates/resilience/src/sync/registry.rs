//! Circuit breakers and rate limiters by key.

use super::keyed::Keyed;
use super::primitives::{Mutex, lock};
use super::{CircuitBreaker, RateLimiter, clock};
use crate::breaker::{self, Circuit};
use crate::contract::{ConfigError, Input, Rejected, Time};
use crate::policy::RateLimit;
use crate::rate;
use crate::registry::{Config, Snapshot};
use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

/// One circuit breaker for each key (a host, a tenant, a report type), bounded in number.
///
/// [`registry`](crate::registry) has the rules: a new key takes the place of the least recently used breaker
/// that is closed. While none is closed, further keys share one breaker. With the feature `metrics`,
/// `resilience_registry_shared_total` counts the lookups that got the shared one. If it grows, the bound is
/// too low, or many dependencies are failing at once.
///
/// A lookup takes a shared lock for its own duration. Code that calls one dependency often can keep the
/// breaker that [`get`](CircuitBreakers::get) returned. A breaker that has been removed keeps working for
/// those who hold it, independently of the one that its key gets next.
///
/// ```
/// use mainstay_resilience::{Outcome, registry, sync::CircuitBreakers};
///
/// let breakers: CircuitBreakers<String> = CircuitBreakers::new(registry::Config::default())?;
/// let breaker = breakers.get("billing.internal");
/// breaker.try_acquire()?.record(Outcome::Success);
/// assert_eq!(breakers.snapshot().keys, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CircuitBreakers<K> {
    config: Mutex<breaker::Config>,
    keyed: Keyed<K, CircuitBreaker>,
}

impl<K: Hash + Eq + Clone> CircuitBreakers<K> {
    /// Creates a registry without any keys.
    ///
    /// ```
    /// # use mainstay_resilience::{registry, sync::CircuitBreakers};
    /// let config = registry::Config::new().keys_max(0);
    /// assert_eq!(CircuitBreakers::<u64>::new(config).unwrap_err().field, "keys_max");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let Config { breaker, keys_max, .. } = config;
        let shared = CircuitBreaker::new(breaker.clone())?;
        Ok(Self { config: Mutex::new(breaker), keyed: Keyed::new(keys_max, shared) })
    }

    /// Returns the key's breaker. A new key gets a breaker of its own if one can be made, and the shared
    /// breaker otherwise.
    ///
    /// ```
    /// # use mainstay_resilience::{registry, sync::CircuitBreakers};
    /// # use std::sync::Arc;
    /// let breakers: CircuitBreakers<String> = CircuitBreakers::new(registry::Config::default())?;
    /// let (one, other) = (breakers.get("a"), breakers.get("b"));
    /// assert!(!Arc::ptr_eq(&one, &other));
    /// assert!(Arc::ptr_eq(&one, &breakers.get("a")));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn get<Q>(&self, key: &Q) -> Arc<CircuitBreaker>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.get_at(key, clock::now())
    }

    /// Like [`get`](Self::get), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Time, registry, sync::CircuitBreakers};
    /// let breakers: CircuitBreakers<u32> = CircuitBreakers::new(registry::Config::default())?;
    /// assert!(breakers.get_at(&7, Time::ZERO).is_closed());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn get_at<Q>(&self, key: &Q, now: Time) -> Arc<CircuitBreaker>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let make = || CircuitBreaker::new(lock(&self.config).clone()).ok();
        // An operator's decision to hold a breaker open or closed must not be lost with it.
        let may_remove = |breaker: &CircuitBreaker| breaker.is_closed() && !breaker.is_forced();
        self.keyed.get(key, now, make, may_remove)
    }

    /// Replaces the configuration of every breaker, existing and future.
    ///
    /// ```
    /// # use mainstay_resilience::{breaker, registry, sync::CircuitBreakers};
    /// let breakers: CircuitBreakers<String> = CircuitBreakers::new(registry::Config::default())?;
    /// let early = breakers.get("billing");
    /// let observe = breaker::Config::new().enforcement(breaker::Enforcement::ObserveOnly);
    /// breakers.configure(registry::Config::new().breaker(observe).keys_max(10))?;
    /// early.trip();
    /// assert!(early.try_acquire().is_ok(), "it reaches the breakers that were there before");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range. No configuration has changed then.
    pub fn configure(&self, config: Config) -> Result<(), ConfigError> {
        self.configure_at(clock::input(), config)
    }

    /// Like [`configure`](Self::configure), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::{Input, registry, sync::CircuitBreakers};
    /// let breakers: CircuitBreakers<u32> = CircuitBreakers::new(registry::Config::default())?;
    /// assert!(breakers.configure_at(Input::default(), registry::Config::default()).is_ok());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range. No configuration has changed then.
    pub fn configure_at(&self, input: Input, config: Config) -> Result<(), ConfigError> {
        config.check()?;
        let Config { breaker, keys_max, .. } = config;
        self.keyed.update(Some(keys_max), |breakers| {
            *lock(&self.config) = breaker.clone();
            for each in breakers {
                each.configure_at(input, breaker.clone())?;
            }
            Ok(())
        })
    }

    /// Removes a key that will not be used again, whatever the state of its breaker. Returns whether it was
    /// present.
    ///
    /// ```
    /// # use mainstay_resilience::{registry, sync::CircuitBreakers};
    /// let breakers: CircuitBreakers<u32> = CircuitBreakers::new(registry::Config::default())?;
    /// breakers.get(&7);
    /// assert!(breakers.forget(&7) && !breakers.forget(&7));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.keyed.forget(key)
    }

    /// All keys with their breakers, in no particular order.
    ///
    /// ```
    /// # use mainstay_resilience::{registry, sync::CircuitBreakers};
    /// let breakers: CircuitBreakers<u32> = CircuitBreakers::new(registry::Config::default())?;
    /// for tenant in 1..=3 {
    ///     breakers.get(&tenant);
    /// }
    /// breakers.get(&2).trip();
    /// let open = breakers.entries().into_iter().filter(|(_, breaker)| !breaker.is_closed());
    /// assert_eq!(open.map(|(tenant, _)| tenant).collect::<Vec<_>>(), [2]);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn entries(&self) -> Vec<(K, Arc<CircuitBreaker>)> {
        self.keyed.entries()
    }

    /// A snapshot of the whole registry, for display and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::{registry, sync::CircuitBreakers};
    /// let breakers: CircuitBreakers<u32> = CircuitBreakers::new(registry::Config::default())?;
    /// breakers.get(&1);
    /// breakers.get(&2).trip();
    /// let snapshot = breakers.snapshot();
    /// assert_eq!((snapshot.keys, snapshot.not_closed), (2, 1));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        let open = self.keyed.entries().iter().filter(|(_, each)| each.circuit() != Circuit::Closed).count();
        let counts = self.keyed.counts();
        Snapshot {
            keys: counts.keys,
            not_closed: open as u64,
            removed: counts.removed,
            shared_calls: counts.shared_calls,
        }
    }
}

/// One rate limiter for each key (a client, a tenant), bounded in number.
///
/// A new key takes the place of the least recently used limiter that has all its tokens, so nothing is lost
/// with it. While no limiter has all its tokens, further keys share one, so that a flood of new keys cannot
/// get around the limit.
///
/// ```
/// use mainstay_resilience::policy::RateLimit;
/// use mainstay_resilience::{rate::token_bucket, sync::RateLimiters};
///
/// let each = RateLimit::TokenBucket(token_bucket::Config::new().burst(1));
/// let limiters: RateLimiters<String> = RateLimiters::new(each, 10_000)?;
/// assert!(limiters.try_acquire("alice").is_ok());
/// assert!(limiters.try_acquire("alice").is_err());
/// assert!(limiters.try_acquire("bob").is_ok());
/// # Ok::<(), mainstay_resilience::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct RateLimiters<K> {
    config: RateLimit,
    keyed: Keyed<K, RateLimiter>,
}

impl<K: Hash + Eq + Clone> RateLimiters<K> {
    /// Creates limiters for at most `keys_max` keys: from 1 to 1,000,000.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{rate::token_bucket, sync::RateLimiters};
    /// let each = RateLimit::TokenBucket(token_bucket::Config::default());
    /// assert_eq!(RateLimiters::<u32>::new(each, 0).unwrap_err().field, "keys_max");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field of the configuration that is out of range, or `keys_max`.
    pub fn new(each: RateLimit, keys_max: u32) -> Result<Self, ConfigError> {
        ConfigError::unless("keys_max", keys_max.into(), 1..=1_000_000)?;
        let shared = RateLimiter::new(each.clone())?;
        Ok(Self { config: each, keyed: Keyed::new(keys_max, shared) })
    }

    /// Returns the key's limiter. A new key gets a limiter of its own if one can be made, and the shared
    /// limiter otherwise.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{rate::token_bucket, sync::RateLimiters};
    /// let each = RateLimit::TokenBucket(token_bucket::Config::new().burst(5));
    /// let limiters: RateLimiters<u32> = RateLimiters::new(each, 100)?;
    /// assert_eq!(limiters.get(&7).available(), 5);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn get<Q>(&self, key: &Q) -> Arc<RateLimiter>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.get_at(key, clock::now())
    }

    /// Like [`get`](Self::get), but at a given time.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{Time, rate::token_bucket, sync::RateLimiters};
    /// let each = RateLimit::TokenBucket(token_bucket::Config::default());
    /// let limiters: RateLimiters<u32> = RateLimiters::new(each, 100)?;
    /// limiters.get_at(&7, Time::ZERO);
    /// assert_eq!(limiters.keys(), 1);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn get_at<Q>(&self, key: &Q, now: Time) -> Arc<RateLimiter>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let make = || Some(RateLimiter::checked(self.config.clone()));
        self.keyed.get(key, now, make, |limiter| limiter.is_full(now))
    }

    /// Spends one of the key's tokens, if one is available.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{rate::token_bucket, sync::RateLimiters};
    /// let each = RateLimit::TokenBucket(token_bucket::Config::default());
    /// let limiters: RateLimiters<u32> = RateLimiters::new(each, 100)?;
    /// assert!(limiters.try_acquire(&7).is_ok());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error if the key has no token. `retry_at` says when it will have one.
    pub fn try_acquire<Q>(&self, key: &Q) -> Result<(), Rejected>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let input = clock::input();
        self.get_at(key, input.now).try_acquire_at(input, rate::Request::default())
    }

    /// The number of keys with a limiter of their own.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{rate::token_bucket, sync::RateLimiters};
    /// let each = RateLimit::TokenBucket(token_bucket::Config::default());
    /// let limiters: RateLimiters<u32> = RateLimiters::new(each, 2)?;
    /// (0..5).for_each(|key| drop(limiters.get(&key)));
    /// assert_eq!(limiters.keys(), 2);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn keys(&self) -> u64 {
        self.keyed.counts().keys
    }

    /// The number of lookups that got the shared limiter, because no other could be removed.
    ///
    /// ```
    /// # use mainstay_resilience::policy::RateLimit;
    /// # use mainstay_resilience::{rate::token_bucket, sync::RateLimiters};
    /// let each = RateLimit::TokenBucket(token_bucket::Config::default());
    /// let limiters: RateLimiters<u32> = RateLimiters::new(each, 1)?;
    /// limiters.try_acquire(&1).and(limiters.try_acquire(&2))?;
    /// assert_eq!(limiters.shared_calls(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shared_calls(&self) -> u64 {
        self.keyed.counts().shared_calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::{self, Forced, Request};
    use crate::contract::Outcome;
    use crate::rate::token_bucket;

    fn registry(keys_max: u32) -> CircuitBreakers<u32> {
        let breaker = breaker::Config { consecutive_failures: Some(1), ..breaker::Config::default() };
        CircuitBreakers::new(Config { breaker, keys_max }).expect("valid")
    }

    fn at(millis: u64) -> Input {
        Input::at(Time::from_millis(millis))
    }

    fn fail(registry: &CircuitBreakers<u32>, key: u32, millis: u64) {
        let breaker = registry.get_at(&key, at(millis).now);
        let permit = breaker.try_acquire_at(at(millis), Request::default()).expect("admitted");
        permit.record_at(at(millis), Outcome::Failure);
    }

    fn keys(registry: &CircuitBreakers<u32>) -> Vec<u32> {
        let mut keys: Vec<u32> = registry.entries().into_iter().map(|(key, _)| key).collect();
        keys.sort_unstable();
        keys
    }

    #[test]
    fn the_least_recently_used_closed_breaker_is_removed_first_and_an_open_one_never() {
        let registry = registry(3);
        fail(&registry, 1, 1);
        for (key, millis) in [(2, 2), (3, 3), (2, 4), (4, 5)] {
            let _ = registry.get_at(&key, at(millis).now);
        }
        assert_eq!(keys(&registry), [1, 2, 4]);
        let expected = Snapshot { keys: 3, not_closed: 1, removed: 1, shared_calls: 0 };
        assert_eq!(registry.snapshot(), expected);
    }

    #[test]
    fn when_all_are_open_further_keys_share_one_breaker_and_are_counted() {
        let registry = registry(2);
        fail(&registry, 1, 1);
        fail(&registry, 2, 1);
        assert!(Arc::ptr_eq(&registry.get_at(&8, Time::ZERO), &registry.get_at(&9, Time::ZERO)));
        assert_eq!(registry.snapshot().shared_calls, 2);
        assert_eq!(keys(&registry), [1, 2]);
    }

    #[test]
    fn a_breaker_that_is_held_open_or_closed_is_not_removed() {
        for (forced, admits) in [(Forced::Open, false), (Forced::Closed, true)] {
            let registry = registry(2);
            registry.get_at(&1, at(1).now).force_at(at(1), forced);
            for key in 2..5 {
                let _ = registry.get_at(&key, at(key.into()).now);
            }
            let held = registry.get_at(&1, at(9).now);
            assert_eq!(held.snapshot_at(at(9).now).forced, forced, "it stays as the operator left it");
            assert_eq!(held.try_acquire_at(at(9), Request::default()).is_ok(), admits);
        }
    }

    #[test]
    fn a_new_configuration_reaches_every_breaker() {
        let registry = registry(2);
        let breaker = registry.get_at(&1, Time::ZERO);
        let rules = breaker::Config { consecutive_failures: Some(3), ..breaker::Config::default() };
        registry.configure_at(at(1), Config { breaker: rules, keys_max: 2 }).expect("valid");
        fail(&registry, 1, 1);
        fail(&registry, 2, 1);
        assert!(breaker.is_closed());
        assert_eq!(registry.snapshot().not_closed, 0);
    }

    #[test]
    fn threads_that_meet_a_new_key_at_once_get_one_breaker() {
        let registry = registry(4);
        let got: Vec<Arc<CircuitBreaker>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| registry.get_at(&7, Time::ZERO))).collect();
            threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
        });
        assert!(got.iter().all(|breaker| Arc::ptr_eq(breaker, &got[0])));
    }

    #[test]
    fn a_rate_limiter_is_removed_only_when_it_has_all_its_tokens() {
        let each = RateLimit::TokenBucket(token_bucket::Config::new().tokens(10).burst(1));
        let limiters: RateLimiters<u32> = RateLimiters::new(each, 1).expect("valid");
        let spend = |key, millis| {
            limiters.get_at(&key, at(millis).now).try_acquire_at(at(millis), rate::Request::default()).is_ok()
        };
        assert!(spend(1, 0));
        assert!(spend(2, 1), "the shared one had a token");
        assert!(!spend(3, 2), "and keys that share it share its tokens");
        assert_eq!(limiters.shared_calls(), 2);
        assert!(spend(4, 100), "the first has its token back, and is removed");
        assert_eq!(limiters.keys(), 1);
    }
}
