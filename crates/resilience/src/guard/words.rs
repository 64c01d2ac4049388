//! What a guarded call is, and what can come of it.

use crate::contract::{Outcome, Reason};
use crate::retry::Safety;
use crate::shed::Priority;
use core::fmt;
use core::time::Duration;
use std::sync::Arc;
use tokio::time::Instant;

/// What a guard should know of a call.
///
/// ```
/// use mainstay_resilience::guard::Call;
/// use mainstay_resilience::retry::Safety;
///
/// let read = Call { safety: Safety::Safe, ..Call::default() };
/// assert_eq!(read, Call::safe());
/// assert_eq!(Call::default().safety, Safety::Unsafe, "nothing is repeated unless you say that it may be");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// May it be made twice? Unsafe unless said otherwise: it is then neither retried nor hedged.
    pub safety: Safety,
    /// Who goes first when there is too much.
    pub priority: Priority,
    /// When its caller will no longer be interested.
    pub deadline: Option<Instant>,
    /// Whose call it is, for breakers that want failures of several sources.
    pub source: u32,
}

impl Default for Call {
    fn default() -> Self {
        Self { safety: Safety::Unsafe, priority: Priority::default(), deadline: None, source: 0 }
    }
}

impl Call {
    /// One that may be made twice.
    ///
    /// ```
    /// use mainstay_resilience::guard::Call;
    /// use mainstay_resilience::shed::Priority;
    ///
    /// // A read that nobody waits for.
    /// let prefetch = Call { priority: Priority::Low, ..Call::safe() };
    /// assert!(prefetch.priority < Call::safe().priority);
    /// ```
    #[must_use]
    pub fn safe() -> Self {
        Self { safety: Safety::Safe, ..Self::default() }
    }
}

/// One try of a call, as the operation is told.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
/// # runtime.unwrap().block_on(async {
/// use mainstay_resilience::guard::{Attempt, Call, Guard, Policy, errors_are_failures};
/// use std::time::Duration;
/// use tokio::time::Instant;
///
/// let policy = Policy::new().timeout(Duration::from_millis(400));
/// let guard = Guard::new("billing", policy).unwrap();
/// // What may be handed on as the deadline of those further in.
/// let left = |attempt: Attempt| async move {
///     attempt.deadline.map(|ends| ends - Instant::now()).ok_or("no deadline")
/// };
/// let left = guard.call(Call::default(), left, errors_are_failures).await.unwrap();
/// assert_eq!(left, Duration::from_millis(400));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// When it will be cut short: pass it on, so that those behind it do not work for nobody.
    pub deadline: Option<Instant>,
}

/// What the caller makes of a result.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::guard::Classification;
///
/// let busy = Classification { retry_after: Some(Duration::from_secs(2)), ..Classification::from(Outcome::Failure) };
/// assert_eq!(busy.outcome, Outcome::Failure);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classification {
    /// A failure is retried, if that is configured and safe.
    pub outcome: Outcome,
    /// What the dependency said of when to come back.
    pub retry_after: Option<Duration>,
}

impl From<Outcome> for Classification {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, retry_after: None }
    }
}

/// Takes an error for a failure and everything else for a success.
///
/// ```
/// use mainstay_resilience::Outcome;
/// use mainstay_resilience::guard::errors_are_failures;
///
/// let paid: Result<u32, &str> = Ok(3);
/// let down: Result<u32, &str> = Err("connection refused");
/// assert_eq!(errors_are_failures(paid.as_ref()).outcome, Outcome::Success);
/// assert_eq!(errors_are_failures(down.as_ref()).outcome, Outcome::Failure);
/// ```
pub fn errors_are_failures<T, E>(result: Result<&T, &E>) -> Classification {
    Classification::from(if result.is_ok() { Outcome::Success } else { Outcome::Failure })
}

/// A call that one of the guard's policies did not let through.
///
/// ```
/// use mainstay_resilience::Reason;
/// use mainstay_resilience::guard::CallRejected;
/// use std::time::Duration;
///
/// let retry_after = Some(Duration::from_secs(2));
/// let rejected = CallRejected { guard: "billing".into(), reason: Reason::RateLimit, retry_after };
/// assert_eq!(rejected.to_string(), "billing: the rate limit is reached; retry after 2000 ms");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRejected {
    /// The guard's name.
    pub guard: Arc<str>,
    /// Which policy, and why.
    pub reason: Reason,
    /// After which time asking again may help, if that can be known.
    pub retry_after: Option<Duration>,
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
/// use mainstay_resilience::guard::{Call, CallError, Guard, Policy, errors_are_failures};
/// use std::time::Duration;
///
/// let timeout = Duration::from_millis(400);
/// let guard = Guard::new("billing", Policy::new().timeout(timeout)).unwrap();
/// let hangs = |_attempt| std::future::pending::<Result<(), &str>>();
/// let result = guard.call(Call::default(), hangs, errors_are_failures).await;
/// assert_eq!(result, Err(CallError::TimedOut(timeout)));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError<E> {
    /// A policy said no: the dependency was not called.
    Rejected(CallRejected),
    /// It was called, and did not answer in this time.
    TimedOut(Duration),
    /// It was called, and failed.
    Failed(E),
}

impl<E: fmt::Display> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => rejected.fmt(f),
            Self::TimedOut(after) => write!(f, "no answer within {} ms", after.as_millis()),
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
