//! Rate limit: at most so many tokens in so much time.
//!
//! | | [`token_bucket`] | [`sliding_window`] |
//! |---|---|---|
//! | holds | the rate over the long run, with a burst on top | at most `tokens` in any span of `per` |
//! | worst case in one span of `per` | `burst + tokens` | `tokens` |
//! | state | one word of 64 bits | one entry for each bucket in use |
//! | good for | protecting a service from being run over | a promise made to somebody, such as a quota |
//!
//! Neither keeps a queue: [`Decision::Wait`](crate::Decision) is an estimate, not a reservation, and whoever asks first
//! at that moment gets the token. Nothing comes back through `tell`: a token that was granted is spent.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::{Decision, Decide, Input, Time, rate};
//!
//! // Ten a second, and whoever has to wait for less than a second is asked to.
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

/// What is asked for.
///
/// ```
/// use mainstay_resilience::rate;
///
/// assert_eq!(rate::Request::default().tokens, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// How many tokens at once: all of them or none. 1.
    pub tokens: u32,
}

impl Default for Request {
    fn default() -> Self {
        Self { tokens: 1 }
    }
}

/// Tokens that were granted. Telling what came of them changes nothing.
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
    /// How many.
    pub tokens: u32,
}

/// The change that a rate limit's `tell` could report: there is none.
///
/// ```
/// use mainstay_resilience::{Recorded, rate};
///
/// fn has_changed(told: Recorded<rate::Change>) -> bool {
///     match told {
///         Recorded::Counted | Recorded::Stale => false,
///         Recorded::Changed(never) => match never {},
///     }
/// }
/// assert!(!has_changed(Recorded::Counted));
/// ```
pub type Change = core::convert::Infallible;

/// Not now: is the moment near enough to wait for?
fn later(now: Time, ready: Option<Time>, wait_max: Duration) -> Decision<Ticket> {
    match ready {
        Some(until) if until.since(now) <= wait_max && until > now => Decision::Wait { until },
        retry_at => Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at }),
    }
}

const PERMITS_MAX: u64 = 10_000_000;

fn check_rate(tokens: u32, per: Duration) -> Result<(), ConfigError> {
    ConfigError::unless("tokens", tokens.into(), 1..=PERMITS_MAX)?;
    ConfigError::unless_millis("per_ms", per, 1..=DAY_MILLIS)?;
    // Beyond that, rounding to whole nanoseconds would be seen.
    ConfigError::unless("tokens", tokens.into(), 1..=(nanos(per) / 100).max(1))
}
