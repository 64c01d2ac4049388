//! Building a guard.

use super::classify::ErrorsAreFailures;
use super::handle::Guard;
use super::keyed::Guards;
use super::options::CallOptions;
use crate::contract::ConfigError;
use crate::policy::Policy;
use std::hash::Hash;
use std::sync::Arc;

/// Builds a [`Guard`], or [`Guards`] by key. Created by [`Guard::builder`].
///
/// ```
/// use mainstay_resilience::guard::{CallOptions, Guard, Policy};
/// use mainstay_resilience::{Outcome, retry};
///
/// let policy = Policy::new().retry(retry::Config::default());
/// let prices = Guard::builder("prices")
///     .policy(policy)
///     .classify_with(|result: Result<&u16, &std::io::Error>| match result {
///         Ok(500..) | Err(_) => Outcome::Failure,
///         Ok(_) => Outcome::Success,
///     })
///     .options(CallOptions::safe())
///     .build()?;
/// assert_eq!(prices.name(), "prices");
/// # Ok::<(), mainstay_resilience::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct GuardBuilder<C = ErrorsAreFailures> {
    name: Arc<str>,
    policy: Policy,
    classifier: C,
    options: CallOptions,
}

impl GuardBuilder {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            policy: Policy::default(),
            classifier: ErrorsAreFailures,
            options: CallOptions::default(),
        }
    }
}

impl<C> GuardBuilder<C> {
    /// Sets the policy. The default policy is empty and applies no rules.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// # use std::time::Duration;
    /// let policy = Policy::new().timeout(Duration::from_millis(400));
    /// let guard = Guard::builder("billing").policy(policy.clone()).build()?;
    /// assert_eq!(*guard.policy(), policy);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }

    /// Sets the classifier, which decides what a result means. By default, an error is a failure and
    /// everything else is a success.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    /// # runtime.unwrap().block_on(async {
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// # use mainstay_resilience::{Outcome, breaker};
    /// let breaker = breaker::Config::new().consecutive_failures(1);
    /// // A 404 comes from a service that works.
    /// let classify = |result: Result<&u32, &u16>| match result {
    ///     Ok(_) | Err(404) => Outcome::Success,
    ///     Err(_) => Outcome::Failure,
    /// };
    /// let policy = Policy::new().breaker(breaker);
    /// let guard = Guard::builder("items").policy(policy).classify_with(classify).build().unwrap();
    /// let _ = guard.call(|| async { Err::<u32, u16>(404) }).await;
    /// assert_eq!(guard.snapshot().breaker.unwrap().window.failures, 0);
    /// # });
    /// ```
    pub fn classify_with<D>(self, classifier: D) -> GuardBuilder<D> {
        let Self { name, policy, options, .. } = self;
        GuardBuilder { name, policy, classifier, options }
    }

    /// Sets the options of calls made with [`Guard::call`]. By default, a call is not safe to repeat.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    /// # runtime.unwrap().block_on(async {
    /// # use mainstay_resilience::guard::{CallOptions, Guard, Policy};
    /// # use mainstay_resilience::retry;
    /// # use std::cell::Cell;
    /// let policy = Policy::new().retry(retry::Config::default());
    /// let reads = Guard::builder("reads").policy(policy).options(CallOptions::safe()).build().unwrap();
    /// let attempts = Cell::new(0);
    /// let result = reads
    ///     .call(async || {
    ///         attempts.set(attempts.get() + 1);
    ///         if attempts.get() < 3 { Err("connection reset") } else { Ok("12 in stock") }
    ///     })
    ///     .await;
    /// assert_eq!((result, attempts.get()), (Ok("12 in stock"), 3));
    /// # });
    /// ```
    pub fn options(self, options: CallOptions) -> Self {
        Self { options, ..self }
    }

    /// Builds the guard.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// # use mainstay_resilience::retry;
    /// let retry = retry::Config::new().attempts_max(0);
    /// let policy = Policy::new().retry(retry);
    /// assert_eq!(Guard::builder("billing").policy(policy).build().unwrap_err().field, "retry.attempts_max");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field of the policy that is out of range.
    pub fn build(self) -> Result<Guard<C>, ConfigError> {
        let Self { name, policy, classifier, options } = self;
        Guard::with(name, policy, Arc::new(classifier), options)
    }

    /// Builds guards by key: at most `keys_max` of them, from 1 to 1,000,000.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Guards, Policy};
    /// let tenants: Guards<String> = Guard::builder("tenants").policy(Policy::default()).build_keyed(1_000)?;
    /// assert_eq!(tenants.get("acme").name(), "tenants");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field of the policy that is out of range, or `keys_max`.
    pub fn build_keyed<K: Hash + Eq + Clone>(self, keys_max: u32) -> Result<Guards<K, C>, ConfigError> {
        let Self { name, policy, classifier, options } = self;
        Guards::<K, C>::with(name, policy, Arc::new(classifier), options, keys_max)
    }
}
