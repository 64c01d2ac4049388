//! A policy's reply to a request.

use super::{Reason, Time};
use core::fmt;
use core::time::Duration;

/// A policy's reply to a request.
///
/// ```
/// use mainstay_resilience::{Decision, Reason, Rejected, Time};
///
/// fn advice(decision: Decision<u8>) -> &'static str {
///     match decision {
///         Decision::Admit(_) => "call",
///         Decision::Wait { .. } => "sleep, then ask again",
///         Decision::Reject(_) => "fail at once",
///     }
/// }
/// assert_eq!(advice(Decision::Wait { until: Time::from_millis(5) }), "sleep, then ask again");
/// let rejected = Rejected { reason: Reason::BreakerOpen, retry_at: None };
/// assert_eq!(advice(Decision::Reject(rejected)), "fail at once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the ticket of an admitted call must be returned through `tell`"]
pub enum Decision<T> {
    /// Make the call, then return the ticket with its outcome.
    Admit(T),
    /// Not yet: ask again at `until`, or as soon as an outcome is recorded.
    Wait {
        /// When to ask again. Earlier calls return the same decision unless an outcome was recorded.
        until: Time,
    },
    /// Do not make the call.
    Reject(Rejected),
}

impl<T> Decision<T> {
    /// The ticket, if the call was admitted.
    ///
    /// ```
    /// # use mainstay_resilience::{Decision, Reason, Rejected};
    /// assert_eq!(Decision::Admit(7).admitted(), Some(7));
    /// let rejected = Rejected { reason: Reason::RateLimit, retry_at: None };
    /// assert_eq!(Decision::<u32>::Reject(rejected).admitted(), None);
    /// ```
    #[must_use]
    pub fn admitted(self) -> Option<T> {
        match self {
            Self::Admit(ticket) => Some(ticket),
            Self::Wait { .. } | Self::Reject(_) => None,
        }
    }
}

/// A call that a policy did not admit: the reason, and when a retry can help.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::{Reason, Rejected, Time};
///
/// let rejected = Rejected { reason: Reason::RateLimit, retry_at: Some(Time::from_millis(250)) };
/// assert_eq!(rejected.to_string(), "the rate limit is reached");
/// // For a `Retry-After` header.
/// assert_eq!(rejected.retry_after(Time::ZERO), Some(Duration::from_millis(250)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Rejected {
    /// Which policy rejected the call, and why.
    pub reason: Reason,
    /// The first moment at which asking again can help, if the policy knows it.
    pub retry_at: Option<Time>,
}

impl Rejected {
    /// How long to wait from `now` before asking again can help, if the policy knows it.
    ///
    /// ```
    /// # use mainstay_resilience::{Reason, Rejected, Time};
    /// let rejected = Rejected { reason: Reason::BulkheadFull, retry_at: None };
    /// assert_eq!(rejected.retry_after(Time::ZERO), None, "a bulkhead cannot know when a permit is returned");
    /// ```
    #[must_use]
    pub fn retry_after(&self, now: Time) -> Option<Duration> {
        self.retry_at.map(|at| at.since(now))
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl core::error::Error for Rejected {}
