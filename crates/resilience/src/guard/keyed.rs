//! Guards by key.

use super::classify::ErrorsAreFailures;
use super::handle::Guard;
use super::options::CallOptions;
use crate::contract::ConfigError;
use crate::policy::Policy;
use crate::sync::clock;
use crate::sync::keyed::Keyed;
use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// One policy, and one guard for each key (a host, a tenant, a report type), bounded in number. Created by
/// [`GuardBuilder::build_keyed`](super::GuardBuilder::build_keyed).
///
/// A new key takes the place of the least recently used guard that is idle: its breaker is closed, its
/// permits are all returned, and its tokens are all available. While no guard is idle, further keys share one
/// guard. All guards have the same name and therefore the same metrics: there may be many keys, but there
/// should be few labels.
///
/// ```
/// use mainstay_resilience::bulkhead;
/// use mainstay_resilience::guard::{CallError, Guard, Guards, Policy};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let policy = Policy::new().bulkhead(bulkhead::Config::default());
/// let tenants: Guards<String> = Guard::builder("reports").policy(policy).build_keyed(1_000).unwrap();
/// let report: Result<_, CallError<std::io::Error>> = tenants.get("acme").call(|| async { Ok("report") }).await;
/// assert_eq!(report.unwrap(), "report");
/// # });
/// ```
#[derive(Debug)]
pub struct Guards<K, C = ErrorsAreFailures> {
    name: Arc<str>,
    policy: Mutex<Policy>,
    classifier: Arc<C>,
    options: CallOptions,
    keyed: Keyed<K, Guard<C>>,
}

impl<K: Hash + Eq + Clone, C> Guards<K, C> {
    pub(super) fn with(
        name: Arc<str>,
        policy: Policy,
        classifier: Arc<C>,
        options: CallOptions,
        keys_max: u32,
    ) -> Result<Self, ConfigError> {
        ConfigError::unless("keys_max", keys_max.into(), 1..=1_000_000)?;
        let shared = Guard::with(name.clone(), policy.clone(), classifier.clone(), options)?;
        let keyed = Keyed::new(keys_max, shared);
        Ok(Self { name, policy: Mutex::new(policy), classifier, options, keyed })
    }

    /// Returns the key's guard. A new key gets a guard of its own if one can be made, and the shared guard
    /// otherwise.
    ///
    /// ```
    /// # use mainstay_resilience::breaker;
    /// # use mainstay_resilience::guard::{Guard, Guards, Policy};
    /// let policy = Policy::new().breaker(breaker::Config::default());
    /// let hosts: Guards<String> = Guard::builder("hosts").policy(policy).build_keyed(100)?;
    /// hosts.get("a").trip();
    /// assert!(!hosts.get("a").snapshot().breaker.unwrap().circuit.is_closed());
    /// assert!(hosts.get("b").snapshot().breaker.unwrap().circuit.is_closed());
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn get<Q>(&self, key: &Q) -> Guard<C>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let guard = self.keyed.get(
            key,
            clock::now(),
            || {
                let policy = self.policy.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Guard::with(self.name.clone(), policy, self.classifier.clone(), self.options).ok()
            },
            Guard::is_idle,
        );
        Guard::clone(&guard)
    }

    /// Replaces the policy of every guard, existing and future.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Guards, Policy};
    /// # use std::time::Duration;
    /// let hosts: Guards<u32> = Guard::builder("hosts").build_keyed(100)?;
    /// let early = hosts.get(&1);
    /// let policy = Policy::new().timeout(Duration::from_millis(400));
    /// hosts.configure(policy.clone())?;
    /// assert_eq!((&*early.policy(), &*hosts.get(&2).policy()), (&policy, &policy));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range. No policy has changed then.
    pub fn configure(&self, policy: Policy) -> Result<(), ConfigError> {
        policy.check()?;
        self.keyed.update(None, |guards| {
            *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = policy.clone();
            for guard in guards {
                guard.configure(policy.clone())?;
            }
            Ok(())
        })
    }

    /// Removes a key that will not be used again. Returns whether it was present.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Guards};
    /// let hosts: Guards<u32> = Guard::builder("hosts").build_keyed(100)?;
    /// hosts.get(&1);
    /// assert!(hosts.forget(&1) && !hosts.forget(&1));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn forget<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.keyed.forget(key)
    }

    /// All keys with their guards, in no particular order.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Guards};
    /// let hosts: Guards<u32> = Guard::builder("hosts").build_keyed(2)?;
    /// (0..5).for_each(|host| drop(hosts.get(&host)));
    /// assert_eq!(hosts.entries().len(), 2);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn entries(&self) -> Vec<(K, Guard<C>)> {
        self.keyed.entries().into_iter().map(|(key, guard)| (key, Guard::clone(&guard))).collect()
    }
}
