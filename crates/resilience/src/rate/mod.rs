//! Rate limit: at most N tokens in a span of time.
//!
//! | | [`token_bucket`] | [`sliding_window`] |
//! |---|---|---|
//! | limits | the average rate, with bursts on top | every span of length `per` |
//! | most tokens granted in one span of `per` | `burst + tokens` | `tokens` |
//! | size of the state | one 64-bit word | 24 bytes per bucket in use |
//! | use it to | protect a service from overload | respect the limit of another service, such as a quota |
//!
//! A rate limit has no queue. [`Decision::Wait`](crate::Decision) is an estimate, not a reservation: the
//! first caller to ask at that moment gets the token. Granted tokens are spent, so recording an outcome
//! returns nothing.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::{Decision, Decide, Input, Time, rate};
//!
//! // Ten per second. A caller that would have to wait for less than a second is asked to wait.
//! let wait_max = Duration::from_secs(1);
//! let config = rate::token_bucket::Config::new().tokens(10).burst(1).wait_max(wait_max);
//! let (mut state, input) = (config.state(), Input::at(Time::ZERO));
//! assert!(config.ask(&mut state, input, rate::Request::default()).admitted().is_some());
//! let until = Time::from_millis(100);
//! assert_eq!(config.ask(&mut state, input, rate::Request::default()), Decision::Wait { until });
//! ```

pub mod sliding_window;
#[cfg(test)]
mod tests;
pub mod token_bucket;

use crate::contract::{ConfigError, DAY_MILLIS, Decision, Reason, Rejected, Time, nanos};
use core::time::Duration;

/// A request for tokens.
///
/// ```
/// use mainstay_resilience::rate;
///
/// assert_eq!(rate::Request::default().tokens, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// How many tokens are needed at once. All of them are granted, or none. Default: 1.
    pub tokens: u32,
}

impl Default for Request {
    fn default() -> Self {
        Self { tokens: 1 }
    }
}

/// Granted tokens. Recording an outcome with the ticket changes nothing.
///
/// ```
/// use mainstay_resilience::{Decide, Input, Outcome, Recorded, rate};
///
/// let config = rate::token_bucket::Config::default();
/// let mut state = config.state();
/// let ticket = config.ask(&mut state, Input::default(), rate::Request::default()).admitted().unwrap();
/// let before = state;
/// assert_eq!(config.tell(&mut state, Input::default(), ticket, Outcome::Failure, 1), Recorded::Counted);
/// assert_eq!(state, before);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Ticket {
    /// How many tokens were granted.
    pub tokens: u32,
}

/// The change that recording an outcome can cause in a rate limit: none.
///
/// ```
/// use mainstay_resilience::{Recorded, rate};
///
/// fn has_changed(recorded: Recorded<rate::Change>) -> bool {
///     match recorded {
///         Recorded::Counted | Recorded::Stale => false,
///         Recorded::Changed(never) => match never {},
///     }
/// }
/// assert!(!has_changed(Recorded::Counted));
/// ```
pub type Change = core::convert::Infallible;

/// The decision for a request that cannot be granted now: wait if the tokens are `ready` within `wait_max`,
/// else reject.
#[cold]
fn later(now: Time, ready: Option<Time>, wait_max: Duration) -> Decision<Ticket> {
    match ready {
        Some(until) if until.since(now) <= wait_max && until > now => Decision::Wait { until },
        retry_at => Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at }),
    }
}

const TOKENS_MAX: u64 = 10_000_000;

fn check_rate(tokens: u32, per: Duration) -> Result<(), ConfigError> {
    ConfigError::unless("tokens", tokens.into(), 1..=TOKENS_MAX)?;
    ConfigError::unless_millis("per_ms", per, 1..=DAY_MILLIS)?;
    // At higher rates, rounding the interval to whole nanoseconds would distort the rate.
    ConfigError::unless("tokens", tokens.into(), 1..=(nanos(per) / 100).max(1))
}
