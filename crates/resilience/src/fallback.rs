//! Fallback: a good-enough result when there is no better one.
//!
//! Examples are a cached price, an empty list of recommendations, or "we will email you". Only the caller
//! knows what is good enough. This module decides *when* to use it: [`applies`] is the whole rule.
//!
//! ```
//! use mainstay_resilience::Reason;
//! use mainstay_resilience::fallback::{Trigger, When, applies};
//!
//! let cached = Some(95);
//! let price = |fresh: Result<u32, Trigger>| match fresh {
//!     Err(why) if applies(When::NoResponse, why) => cached,
//!     fresh => fresh.ok(),
//! };
//! assert_eq!(price(Ok(99)), Some(99));
//! assert_eq!(price(Err(Trigger::Rejected(Reason::BreakerOpen))), Some(95));
//! assert_eq!(price(Err(Trigger::Failed)), None);
//! ```

use crate::contract::Reason;

/// When a fallback may be used.
///
/// ```
/// use mainstay_resilience::fallback::{Trigger, When, applies};
///
/// let mild = [When::Rejected, When::NoResponse, When::AnyFailure];
/// assert_eq!(mild.map(|when| applies(when, Trigger::TimedOut)), [false, true, true]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum When {
    /// A policy rejected the call, so the dependency did nothing. Always safe.
    #[default]
    Rejected,
    /// The call was rejected or timed out. After a timeout, the dependency may still have done the work.
    NoResponse,
    /// The call was rejected, timed out or failed.
    AnyFailure,
}

/// Why there is no regular result.
///
/// ```
/// use mainstay_resilience::Reason;
/// use mainstay_resilience::fallback::{Trigger, When, applies};
///
/// let full = Trigger::Rejected(Reason::BulkheadFull);
/// assert!(applies(When::Rejected, full) && !applies(When::Rejected, Trigger::Failed));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// A policy rejected the call, and the dependency was not called.
    Rejected(Reason),
    /// The dependency was called and did not respond in time.
    TimedOut,
    /// The dependency was called and returned an error.
    Failed,
}

/// Returns whether the fallback may be used.
///
/// It is never used after the deadline, because the caller has stopped waiting.
///
/// ```
/// use mainstay_resilience::Reason;
/// use mainstay_resilience::fallback::{Trigger, When, applies};
///
/// assert!(applies(When::Rejected, Trigger::Rejected(Reason::BreakerOpen)));
/// assert!(!applies(When::Rejected, Trigger::TimedOut));
/// assert!(!applies(When::AnyFailure, Trigger::Rejected(Reason::Deadline)));
/// ```
#[must_use]
pub const fn applies(when: When, trigger: Trigger) -> bool {
    match trigger {
        Trigger::Rejected(Reason::Deadline) => false,
        Trigger::Rejected(_) => true,
        Trigger::TimedOut => matches!(when, When::NoResponse | When::AnyFailure),
        Trigger::Failed => matches!(when, When::AnyFailure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fallback_is_used_for_exactly_the_triggers_it_names_and_never_after_the_deadline() {
        let triggers = [Trigger::Rejected(Reason::BulkheadFull), Trigger::TimedOut, Trigger::Failed];
        let cases = [
            (When::Rejected, [true, false, false]),
            (When::NoResponse, [true, true, false]),
            (When::AnyFailure, [true, true, true]),
        ];
        for (when, expected) in cases {
            assert_eq!(triggers.map(|trigger| applies(when, trigger)), expected, "{when:?}");
            assert!(!applies(when, Trigger::Rejected(Reason::Deadline)));
        }
    }
}
