//! Why a call has no result.

use crate::contract::Reason;
use core::fmt;
use core::time::Duration;
use std::sync::Arc;

/// A policy of the guard rejected the call: the dependency was not called.
///
/// ```
/// use mainstay_resilience::Reason;
/// use mainstay_resilience::guard::CallRejected;
/// use std::time::Duration;
///
/// let rejected = CallRejected::new("billing", Reason::RateLimit, Some(Duration::from_secs(2)));
/// assert_eq!(rejected.to_string(), "billing: the rate limit is reached; retry after 2000 ms");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallRejected {
    /// The guard's name.
    pub guard: Arc<str>,
    /// Which policy rejected the call, and why.
    pub reason: Reason,
    /// How long to wait before asking again can help, if the policy knows it. This belongs in a `Retry-After`
    /// header.
    pub retry_after: Option<Duration>,
}

impl CallRejected {
    /// Creates a rejection, for testing code that handles one.
    ///
    /// ```
    /// # use mainstay_resilience::{Reason, guard::CallRejected};
    /// let rejected = CallRejected::new("prices", Reason::BulkheadFull, None);
    /// assert_eq!(&*rejected.guard, "prices");
    /// ```
    #[must_use]
    pub fn new(guard: impl Into<Arc<str>>, reason: Reason, retry_after: Option<Duration>) -> Self {
        Self { guard: guard.into(), reason, retry_after }
    }
}

impl fmt::Display for CallRejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.guard, self.reason)?;
        match self.retry_after {
            Some(after) => write!(f, "; retry after {} ms", after.as_millis()),
            None => Ok(()),
        }
    }
}

impl std::error::Error for CallRejected {}

/// Why a guarded call has no result.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
/// # runtime.unwrap().block_on(async {
/// use mainstay_resilience::guard::{CallError, Guard, Policy};
/// use std::time::Duration;
///
/// let timeout = Duration::from_millis(400);
/// let guard = Guard::new("billing", Policy::new().timeout(timeout)).unwrap();
/// let result = guard.call(|| std::future::pending::<Result<(), &str>>()).await;
/// assert_eq!(result, Err(CallError::TimedOut(timeout)));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError<E> {
    /// A policy rejected the call: the dependency was not called.
    Rejected(CallRejected),
    /// The dependency was called, but did not respond within this time.
    TimedOut(Duration),
    /// The dependency was called, and the call failed.
    Failed(E),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::TimedOut(after) => write!(f, "timed out after {} ms", after.as_millis()),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Rejected(rejected) => Some(rejected),
            Self::TimedOut(_) => None,
            Self::Failed(error) => Some(error),
        }
    }
}
