//! A policy in use: the configuration, and the shared state of each of its parts.

use super::observer::Observer;
use super::options::CallOptions;
use super::snapshot::Snapshot;
use crate::contract::ConfigError;
use crate::policy::Policy;
use crate::retry::Safety;
use crate::sync::{Bulkhead, CircuitBreaker, Hedge, RateLimiter, Retry, clock};
use core::time::Duration;
use std::sync::Arc;

/// What a call keeps from its beginning to its end.
#[derive(Debug)]
pub(crate) struct Running {
    pub(super) observer: Arc<Observer>,
    pub(super) policy: Arc<Policy>,
    /// A success that took at least this long is slow.
    pub(super) slow_after: Duration,
    pub(super) breaker: Option<Arc<CircuitBreaker>>,
    pub(super) rate: Option<RateLimiter>,
    pub(super) bulkhead: Option<Arc<Bulkhead>>,
    pub(super) retry: Option<Arc<Retry>>,
    pub(super) hedge: Option<Arc<Hedge>>,
}

impl Running {
    pub(super) fn new(observer: Arc<Observer>, policy: Policy) -> Result<Self, ConfigError> {
        policy.check()?;
        Ok(Self {
            observer,
            slow_after: slow_after(&policy),
            breaker: policy.breaker.clone().map(CircuitBreaker::new).transpose()?.map(Arc::new),
            rate: policy.rate_limit.clone().map(RateLimiter::new).transpose()?,
            bulkhead: policy.bulkhead.clone().map(Bulkhead::new).transpose()?.map(Arc::new),
            retry: policy.retry.clone().map(Retry::new).transpose()?.map(Arc::new),
            hedge: policy.hedge.clone().map(Hedge::new).transpose()?.map(Arc::new),
            policy: Arc::new(policy),
        })
    }

    /// The same policies under a new configuration. A part that stays keeps its state; calls under way keep
    /// the parts that they started with.
    pub(super) fn reconfigured(&self, policy: Policy) -> Result<Self, ConfigError> {
        policy.check()?;
        Ok(Self {
            observer: self.observer.clone(),
            slow_after: slow_after(&policy),
            breaker: part(&self.breaker, &policy.breaker, CircuitBreaker::new, CircuitBreaker::configure)?,
            rate: policy.rate_limit.clone().map(|config| match &self.rate {
                Some(rate) => rate.reconfigured(config),
                None => RateLimiter::checked(config),
            }),
            bulkhead: part(&self.bulkhead, &policy.bulkhead, Bulkhead::new, Bulkhead::configure)?,
            retry: part(&self.retry, &policy.retry, Retry::new, Retry::configure)?,
            hedge: part(&self.hedge, &policy.hedge, Hedge::new, Hedge::configure)?,
            policy: Arc::new(policy),
        })
    }

    /// Whether a call with these options might be made more than once.
    pub(crate) fn may_repeat(&self, options: &CallOptions) -> bool {
        let retries = self.policy.retry.as_ref().is_some_and(|retry| retry.allows(options.safety));
        retries || self.hedge.is_some() && options.safety == Safety::Safe
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let now = clock::now();
        Snapshot {
            breaker: self.breaker.as_ref().map(|breaker| breaker.snapshot_at(now)),
            bulkhead: self.bulkhead.as_ref().map(|bulkhead| bulkhead.snapshot_at(now)),
            tokens_available: self.rate.as_ref().map(|rate| rate.available_at(now)),
            retry: self.retry.as_ref().map(|retry| retry.snapshot_at(now)),
            hedge: self.hedge.as_ref().map(|hedge| hedge.snapshot_at(now)),
        }
    }

    /// Whether a new guard would decide the same, so that nothing is lost when this one is removed.
    pub(super) fn is_idle(&self) -> bool {
        let now = clock::now();
        let is_closed =
            self.breaker.as_ref().is_none_or(|breaker| breaker.is_closed() && !breaker.is_forced());
        let is_empty = self.bulkhead.as_ref().is_none_or(|bulkhead| {
            let snapshot = bulkhead.snapshot_at(now);
            snapshot.in_use == 0 && snapshot.waiting == 0
        });
        is_closed && is_empty && self.rate.as_ref().is_none_or(|rate| rate.is_full(now))
    }
}

fn slow_after(policy: &Policy) -> Duration {
    let slow_after = policy.breaker.as_ref().and_then(|breaker| breaker.slow_after);
    // Only an attempt that cannot be interrupted can succeed after its timeout.
    slow_after.into_iter().chain(policy.timeout).min().unwrap_or(Duration::MAX)
}

/// One part under its new configuration: kept, created or left out.
fn part<T, Config: Clone>(
    old: &Option<Arc<T>>,
    config: &Option<Config>,
    new: impl FnOnce(Config) -> Result<T, ConfigError>,
    configure: impl FnOnce(&T, Config) -> Result<(), ConfigError>,
) -> Result<Option<Arc<T>>, ConfigError> {
    let Some(config) = config.clone() else { return Ok(None) };
    match old {
        Some(part) => configure(part, config).map(|()| Some(part.clone())),
        None => new(config).map(|part| Some(Arc::new(part))),
    }
}
