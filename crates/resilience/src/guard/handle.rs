//! The guard itself.

use super::builder::GuardBuilder;
use super::classify::{Classify, ErrorsAreFailures};
use super::error::CallError;
use super::observer::Observer;
use super::options::{Attempt, CallOptions};
use super::running::Running;
use super::snapshot::Snapshot;
use crate::breaker::Forced;
use crate::contract::ConfigError;
use crate::policy::Policy;
use crate::sync::clock;
use arc_swap::ArcSwap;
use core::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

/// Applies the policies of one dependency to calls. Clones share everything, including what they learn.
///
/// ```
/// use mainstay_resilience::breaker;
/// use mainstay_resilience::guard::{Guard, Policy};
///
/// let policy = Policy::new().breaker(breaker::Config::default());
/// let guard = Guard::new("billing", policy)?;
/// let clone = guard.clone();
/// guard.trip();
/// assert_eq!(clone.snapshot().breaker.unwrap().circuit, breaker::Circuit::Open);
/// # Ok::<(), mainstay_resilience::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Guard<C = ErrorsAreFailures> {
    core: Arc<Core>,
    classifier: Arc<C>,
    options: CallOptions,
}

#[derive(Debug)]
struct Core {
    observer: Arc<Observer>,
    running: ArcSwap<Running>,
    /// Held while the policy is replaced.
    configuring: Mutex<()>,
}

impl<C> Clone for Guard<C> {
    fn clone(&self) -> Self {
        Self { core: self.core.clone(), classifier: self.classifier.clone(), options: self.options }
    }
}

impl Guard {
    /// Creates a guard with a name, which appears in its errors and metrics. Every error of a call counts as
    /// a failure; use [`builder`](Guard::builder) to set another classifier.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// use mainstay_resilience::retry;
    ///
    /// let retry = retry::Config::new().attempts_max(0);
    /// let policy = Policy::new().retry(retry);
    /// assert_eq!(Guard::new("billing", policy).unwrap_err().field, "retry.attempts_max");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field of the policy that is out of range.
    pub fn new(name: &str, policy: Policy) -> Result<Self, ConfigError> {
        Self::builder(name).policy(policy).build()
    }

    /// Starts to build a guard, for example with its own classifier or call options.
    ///
    /// ```
    /// # use mainstay_resilience::guard::Guard;
    /// let guard = Guard::builder("billing").build()?;
    /// assert_eq!(guard.name(), "billing");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn builder(name: &str) -> GuardBuilder {
        GuardBuilder::new(name)
    }
}

impl<C> Guard<C> {
    pub(super) fn with(
        name: Arc<str>,
        policy: Policy,
        classifier: Arc<C>,
        options: CallOptions,
    ) -> Result<Self, ConfigError> {
        let observer = Arc::new(Observer::new(name));
        let running = ArcSwap::from_pointee(Running::new(observer.clone(), policy)?);
        let core = Core { observer, running, configuring: Mutex::new(()) };
        Ok(Self { core: Arc::new(core), classifier, options })
    }

    /// The same guard, for code that classifies results itself.
    #[cfg(feature = "tower")]
    pub(crate) fn without_classifier(&self) -> Guard {
        Guard { core: self.core.clone(), classifier: Arc::new(ErrorsAreFailures), options: self.options }
    }

    /// The guard's name.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// assert_eq!(Guard::new("billing", Policy::default())?.name(), "billing");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        self.core.observer.name()
    }

    /// The current policy.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// # use std::time::Duration;
    /// let policy = Policy::new().timeout(Duration::from_millis(400));
    /// let guard = Guard::new("billing", policy.clone())?;
    /// assert_eq!(*guard.policy(), policy);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn policy(&self) -> Arc<Policy> {
        self.core.running.load().policy.clone()
    }

    /// Replaces the policy. It applies to calls that begin from now on; calls under way finish under the old
    /// one.
    ///
    /// What the guard has learned is kept: the breaker's state and window, the permits in use and the queue,
    /// and the tokens and budgets that were spent. A part that the new policy leaves out is dropped; a new
    /// part starts afresh.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// use mainstay_resilience::bulkhead;
    ///
    /// let limit = |permits| {
    ///     let limit = bulkhead::Limit::Fixed(permits);
    ///     Policy::new().bulkhead(bulkhead::Config::new().limit(limit))
    /// };
    /// let guard = Guard::new("billing", limit(10))?;
    /// guard.configure(limit(20))?;
    /// assert_eq!(guard.snapshot().bulkhead.unwrap().limit, 20);
    /// assert_eq!(guard.configure(limit(0)).unwrap_err().field, "bulkhead.limit.fixed");
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range. The policy is then unchanged.
    pub fn configure(&self, policy: Policy) -> Result<(), ConfigError> {
        let _one_at_a_time = self.core.configuring.lock().unwrap_or_else(PoisonError::into_inner);
        let running = self.core.running.load_full().reconfigured(policy)?;
        self.core.running.store(Arc::new(running));
        Ok(())
    }

    /// A snapshot of all its policies, for display and metrics.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// # use mainstay_resilience::retry;
    /// let policy = Policy::new().retry(retry::Config::default());
    /// let snapshot = Guard::new("billing", policy)?.snapshot();
    /// assert_eq!(snapshot.retry.unwrap().retries, 0);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.core.running.load().snapshot()
    }

    /// Opens the breaker as if it had tripped by itself: it probes once its open time has passed. Does
    /// nothing if the policy has no breaker, or while the breaker is held open or closed.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// use mainstay_resilience::breaker::{Circuit, Config};
    ///
    /// let policy = Policy::new().breaker(Config::default());
    /// let guard = Guard::new("billing", policy)?;
    /// guard.trip();
    /// assert_eq!(guard.snapshot().breaker.unwrap().circuit, Circuit::Open);
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn trip(&self) {
        if let Some(breaker) = &self.core.running.load().breaker {
            self.core.observer.changed(breaker.trip_at(clock::input()));
        }
    }

    /// Holds the breaker open or closed, or releases it with [`Forced::No`]. Does nothing if the policy has
    /// no breaker.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Guard, Policy};
    /// use mainstay_resilience::breaker::{Circuit, Config, Forced};
    ///
    /// let policy = Policy::new().breaker(Config::default());
    /// let guard = Guard::new("billing", policy)?;
    /// guard.force(Forced::Open);
    /// let breaker = guard.snapshot().breaker.unwrap();
    /// assert_eq!((breaker.circuit, breaker.forced), (Circuit::Open, Forced::Open));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    pub fn force(&self, forced: Forced) {
        if let Some(breaker) = &self.core.running.load().breaker {
            let transition = breaker.force_at(clock::input(), forced);
            self.core.observer.forced(forced);
            self.core.observer.changed(transition);
        }
    }

    /// Whether a call with these options might be made more than once.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{CallOptions, Guard, Policy};
    /// # use mainstay_resilience::retry;
    /// let policy = Policy::new().retry(retry::Config::default());
    /// let guard = Guard::new("billing", policy)?;
    /// assert!(guard.may_repeat(&CallOptions::safe()));
    /// assert!(!guard.may_repeat(&CallOptions::default()));
    /// # Ok::<(), mainstay_resilience::ConfigError>(())
    /// ```
    #[must_use]
    pub fn may_repeat(&self, options: &CallOptions) -> bool {
        self.core.running.load().may_repeat(options)
    }

    /// The policy in force, for a call that begins now.
    pub(crate) fn running(&self) -> Arc<Running> {
        self.core.running.load_full()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.core.running.load().is_idle()
    }

    /// Makes a call with the guard's [options](GuardBuilder::options). By default, it is not safe to repeat.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # use mainstay_resilience::guard::{CallError, Guard, Policy};
    /// let guard = Guard::new("billing", Policy::default()).unwrap();
    /// let result: Result<u32, CallError<std::io::Error>> = guard.call(|| async { Ok(42) }).await;
    /// assert_eq!(result.unwrap(), 42);
    /// # });
    /// ```
    ///
    /// # Errors
    /// The same errors as [`call_with`](Guard::call_with).
    pub async fn call<T, E, F>(&self, operation: impl Fn() -> F) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        self.call_with(self.options, |_| operation()).await
    }

    /// Makes a call with its own options. `operation` is called for each attempt.
    ///
    /// If no further attempt is made, because the limit was reached or a policy rejected it, the last result
    /// is returned: a response that counts as a failure is still a response.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    /// # runtime.unwrap().block_on(async {
    /// # use mainstay_resilience::guard::{Attempt, CallOptions, Guard, Policy};
    /// # use mainstay_resilience::retry;
    /// let policy = Policy::new().retry(retry::Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// let billing = |attempt: Attempt| async move {
    ///     if attempt.number == 1 { Err("connection reset") } else { Ok("paid") }
    /// };
    /// assert_eq!(guard.call_with(CallOptions::safe(), billing).await, Ok("paid"));
    /// # });
    /// ```
    ///
    /// # Errors
    /// Returns [`CallError::Rejected`] if no attempt was made, and otherwise the error of the last attempt.
    pub async fn call_with<T, E, F>(
        &self,
        options: CallOptions,
        operation: impl Fn(Attempt) -> F,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        let classify = |result: Result<&T, &E>| self.classifier.classify(result);
        let running = self.running();
        running.call(&options, operation, &classify).await
    }

    /// Makes a call of a single attempt, whatever the policy says about retries and hedges. Use it for an
    /// operation that cannot be repeated, such as one that consumes its request.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # use mainstay_resilience::guard::{CallOptions, Guard, Policy};
    /// let guard = Guard::new("uploads", Policy::default()).unwrap();
    /// let body = vec![0_u8; 1_024];
    /// let send = |_attempt| async move { Ok::<usize, std::io::Error>(body.into_iter().count()) };
    /// assert_eq!(guard.call_once(CallOptions::default(), send).await.unwrap(), 1_024);
    /// # });
    /// ```
    ///
    /// # Errors
    /// The same errors as [`call_with`](Guard::call_with).
    pub async fn call_once<T, E, F>(
        &self,
        options: CallOptions,
        operation: impl FnOnce(Attempt) -> F,
    ) -> Result<T, CallError<E>>
    where
        F: Future<Output = Result<T, E>>,
        C: Classify<T, E>,
    {
        let classify = |result: Result<&T, &E>| self.classifier.classify(result);
        let running = self.running();
        running.call_once(&options, operation, &classify).await
    }

    /// Makes a call in the current thread, for programs without an async runtime. It blocks while it waits
    /// for a token, for a permit, or before a retry. There are no hedges.
    ///
    /// **A running operation cannot be interrupted.** The policy's timeouts and the deadline are checked
    /// between attempts and limit every wait, so give the operation a timeout of its own. A success that took
    /// longer than the policy's timeout counts as slow.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{CallError, Guard, Policy};
    /// let guard = Guard::new("billing", Policy::default()).unwrap();
    /// let result: Result<u32, CallError<std::io::Error>> = guard.call_blocking(|| Ok(42));
    /// assert_eq!(result.unwrap(), 42);
    /// ```
    ///
    /// # Errors
    /// Like [`call_with`](Guard::call_with), but except that no attempt times out.
    pub fn call_blocking<T, E>(&self, operation: impl Fn() -> Result<T, E>) -> Result<T, CallError<E>>
    where
        C: Classify<T, E>,
    {
        self.call_blocking_with(self.options, |_| operation())
    }

    /// Like [`call_blocking`](Guard::call_blocking), but with its own options.
    ///
    /// ```
    /// # use mainstay_resilience::guard::{Attempt, CallOptions, Guard, Policy};
    /// # use mainstay_resilience::retry;
    /// let policy = Policy::new().retry(retry::Config::default());
    /// let guard = Guard::new("billing", policy).unwrap();
    /// let billing = |attempt: Attempt| if attempt.number == 1 { Err("connection reset") } else { Ok("paid") };
    /// assert_eq!(guard.call_blocking_with(CallOptions::safe(), billing), Ok("paid"));
    /// ```
    ///
    /// # Errors
    /// The same errors as [`call_blocking`](Guard::call_blocking).
    pub fn call_blocking_with<T, E>(
        &self,
        options: CallOptions,
        operation: impl Fn(Attempt) -> Result<T, E>,
    ) -> Result<T, CallError<E>>
    where
        C: Classify<T, E>,
    {
        let classify = |result: Result<&T, &E>| self.classifier.classify(result);
        self.running().call_blocking(&options, operation, &classify)
    }
}
