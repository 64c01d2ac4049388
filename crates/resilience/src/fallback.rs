//! Fallback: an answer that is good enough, when there is no better one.
//!
//! A cached price, an empty list of recommendations, "we will mail you": decided by the caller, for it alone knows
//! what is good enough. Here is only *when*: [`applies`] is the whole rule.
//!
//! ```
//! use mainstay_resilience::Reason;
//! use mainstay_resilience::fallback::{Trigger, When, applies};
//!
//! let cached = Some(95);
//! let price = |fresh: Result<u32, Trigger>| match fresh {
//!     Err(why) if applies(When::NoAnswer, why) => cached,
//!     fresh => fresh.ok(),
//! };
//! assert_eq!(price(Ok(99)), Some(99));
//! assert_eq!(price(Err(Trigger::Rejected(Reason::BreakerOpen))), Some(95));
//! assert_eq!(price(Err(Trigger::Failed)), None);
//! ```

use crate::contract::Reason;

/// When a fallback may answer.
///
/// ```
/// use mainstay_resilience::fallback::{Trigger, When, applies};
///
/// let mild = [When::Rejected, When::NoAnswer, When::AnyFailure];
/// assert_eq!(mild.map(|when| applies(when, Trigger::TimedOut)), [false, true, true]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum When {
    /// A policy said no, so nothing was done: always safe.
    #[default]
    Rejected,
    /// That, or there was no answer in time: what was asked for may have been done all the same.
    NoAnswer,
    /// That, or the answer was an error.
    AnyFailure,
}

/// Why there is no better answer.
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
    /// A policy said no: the dependency was not called.
    Rejected(Reason),
    /// It was called, and there was no answer in time.
    TimedOut,
    /// It was called, and the answer was an error.
    Failed,
}

/// May the fallback answer? Never when the deadline has passed: nobody is there to hear it.
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
        Trigger::TimedOut => matches!(when, When::NoAnswer | When::AnyFailure),
        Trigger::Failed => matches!(when, When::AnyFailure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_fallback_answers_for_what_it_says() {
        let triggers = [Trigger::Rejected(Reason::BulkheadFull), Trigger::TimedOut, Trigger::Failed];
        let cases = [
            (When::Rejected, [true, false, false]),
            (When::NoAnswer, [true, true, false]),
            (When::AnyFailure, [true, true, true]),
        ];
        for (when, expected) in cases {
            assert_eq!(triggers.map(|trigger| applies(when, trigger)), expected, "{when:?}");
            assert!(!applies(when, Trigger::Rejected(Reason::Deadline)));
        }
    }
}
