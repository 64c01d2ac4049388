//! A snapshot of a guard.

use crate::{breaker, bulkhead, hedge, retry};

/// The state of a guard's policies, for display and metrics. A policy that is not configured is `None`.
///
/// ```
/// use mainstay_resilience::bulkhead;
/// use mainstay_resilience::guard::{Guard, Policy};
///
/// let policy = Policy::new().bulkhead(bulkhead::Config::default());
/// let snapshot = Guard::new("billing", policy)?.snapshot();
/// let bulkhead = snapshot.bulkhead.unwrap();
/// assert_eq!((bulkhead.in_use, bulkhead.limit), (0, 32));
/// assert!(snapshot.breaker.is_none());
/// # Ok::<(), mainstay_resilience::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The circuit breaker.
    pub breaker: Option<breaker::Snapshot>,
    /// The bulkhead.
    pub bulkhead: Option<bulkhead::Snapshot>,
    /// The number of tokens that the rate limit could grant now.
    pub tokens_available: Option<u32>,
    /// The retries and their budget.
    pub retry: Option<retry::Snapshot>,
    /// The hedges and their budget.
    pub hedge: Option<hedge::Snapshot>,
}
