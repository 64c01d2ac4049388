//! All policies of one dependency, as one configuration.
//!
//! What is left out is not done. What is there is asked in this order, from the outside in:
//!
//! ```text
//!   deadline      nothing begins, waits or is retried past it
//!    └ retry      each attempt is asked anew of all that is below
//!       └ hedge   a second attempt beside a slow first, each asked of all that is below
//!          └ breaker      no use in waiting for a place before a dependency that is down
//!             └ rate limit
//!                └ bulkhead      a permit is held for the attempt alone, never during backoff
//!                   └ timeout    counts from when the dependency is called, not from when the line was entered
//! ```
//!
//! The order matters. A retry inside a breaker would hide failures from it; a bulkhead outside a retry would hold
//! permits through backoff; a timeout outside a bulkhead would blame the dependency for our own line.

use crate::contract::{Decide, Invalid};
use crate::{breaker, bulkhead, hedge, rate, retry};
use core::time::Duration;

/// The policies of one dependency. All of them are optional; none is there by default.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::policy::Policy;
/// use mainstay_resilience::{breaker, retry};
///
/// let policy = Policy {
///     timeout: Some(Duration::from_millis(800)),
///     retry: Some(retry::Config::default()),
///     breaker: Some(breaker::Config { probes: 0, ..breaker::Config::default() }),
///     ..Policy::default()
/// };
/// assert_eq!(policy.check().unwrap_err().field, "breaker.probes");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Policy {
    /// How long a call may take with all that belongs to it: lines, attempts, backoff. From 1 ms to a day.
    #[cfg_attr(feature = "serde", serde(rename = "deadline_ms", with = "crate::contract::millis_or_none"))]
    pub deadline: Option<Duration>,
    /// Whether a failed attempt is made again.
    pub retry: Option<retry::Config>,
    /// Whether a slow attempt gets a second one beside it.
    pub hedge: Option<hedge::Config>,
    /// When the dependency is left alone.
    pub breaker: Option<breaker::Config>,
    /// How many attempts there may be in a time.
    pub rate_limit: Option<RateLimit>,
    /// How many attempts there may be at once.
    pub bulkhead: Option<bulkhead::Config>,
    /// How long one attempt may take. From 1 ms to a day.
    #[cfg_attr(feature = "serde", serde(rename = "timeout_ms", with = "crate::contract::millis_or_none"))]
    pub timeout: Option<Duration>,
}

/// Which kind of rate limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum RateLimit {
    /// A rate over the long run, with a burst.
    Bucket(rate::bucket::Config),
    /// Never more than so many in any span of time.
    Window(rate::window::Config),
}

/// Milliseconds of a day.
const DAY: u64 = 24 * 60 * 60 * 1_000;

impl Policy {
    /// Does every part make sense?
    ///
    /// # Errors
    /// The first field that does not, by its whole path, and why.
    pub fn check(&self) -> Result<(), Invalid> {
        fn part<C: Decide>(name: &str, config: Option<&C>) -> Result<(), Invalid> {
            config.map_or(Ok(()), |config| config.check().map_err(|invalid| invalid.within(name)))
        }
        let span = |field, span: Option<Duration>| {
            span.map_or(Ok(()), |span| Invalid::unless_millis(field, span, 1..=DAY))
        };
        span("deadline_ms", self.deadline)?;
        part("retry", self.retry.as_ref())?;
        part("hedge", self.hedge.as_ref())?;
        part("breaker", self.breaker.as_ref())?;
        match &self.rate_limit {
            Some(RateLimit::Bucket(bucket)) => part("rate_limit.bucket", Some(bucket))?,
            Some(RateLimit::Window(window)) => part("rate_limit.window", Some(window))?,
            None => {}
        }
        part("bulkhead", self.bulkhead.as_ref())?;
        span("timeout_ms", self.timeout)
    }
}
