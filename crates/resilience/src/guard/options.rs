//! What a guard knows about one call, and what an attempt knows about itself.

use crate::retry::Safety;
use crate::shed::Priority;
use tokio::time::Instant;

/// What a guard knows about one call.
///
/// ```
/// use mainstay_resilience::guard::CallOptions;
/// use mainstay_resilience::retry::Safety;
///
/// let read = CallOptions { safety: Safety::Safe, ..CallOptions::default() };
/// assert_eq!(read, CallOptions::safe());
/// assert_eq!(CallOptions::default().safety, Safety::Unsafe, "nothing is repeated by default");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallOptions {
    /// Whether the call may be made twice. By default it is not safe to repeat, and is neither retried nor
    /// hedged.
    pub safety: Safety,
    /// How important the call is when there is more load than capacity.
    pub priority: Priority,
    /// The moment by which the caller needs a result.
    pub deadline: Option<Instant>,
    /// Where the call comes from, for breakers that require failures from several sources.
    pub source: u32,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self { safety: Safety::Unsafe, priority: Priority::default(), deadline: None, source: 0 }
    }
}

impl CallOptions {
    /// The options of a call that may be made twice.
    ///
    /// ```
    /// use mainstay_resilience::guard::CallOptions;
    /// use mainstay_resilience::shed::Priority;
    ///
    /// let prefetch = CallOptions { priority: Priority::Low, ..CallOptions::safe() };
    /// assert!(prefetch.priority < CallOptions::safe().priority);
    /// ```
    #[must_use]
    pub fn safe() -> Self {
        Self { safety: Safety::Safe, ..Self::default() }
    }
}

/// One try of a call, as the operation sees it.
///
/// ```
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
/// # runtime.unwrap().block_on(async {
/// use mainstay_resilience::guard::{Attempt, CallOptions, Guard, Policy};
/// use std::time::Duration;
/// use tokio::time::Instant;
///
/// let policy = Policy::new().timeout(Duration::from_millis(400));
/// let guard = Guard::new("billing", policy).unwrap();
/// // How much time is left, to pass on to the dependency.
/// let left = |attempt: Attempt| async move {
///     attempt.deadline.map(|ends| ends - Instant::now()).ok_or("no deadline")
/// };
/// let left = guard.call_with(CallOptions::default(), left).await.unwrap();
/// assert_eq!(left, Duration::from_millis(400));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attempt {
    /// The number of the attempt, from 1.
    pub number: u32,
    /// When the attempt is cut short. Pass it on to dependencies, so that none of them works for a caller
    /// that has left.
    pub deadline: Option<Instant>,
}
