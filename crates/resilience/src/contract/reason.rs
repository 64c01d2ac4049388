//! Why a call was rejected.

use core::fmt;

/// Which policy rejected a call, and why.
///
/// ```
/// use mainstay_resilience::Reason;
///
/// assert_eq!(Reason::RetryBudget.to_string(), "the retry budget is spent");
/// assert_eq!((Reason::RetryBudget.policy(), Reason::RetryBudget.code()), ("retry", "retry_budget"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Reason {
    /// The breaker is open.
    BreakerOpen,
    /// The breaker is half-open, and as many probes as it allows are in flight.
    BreakerProbing,
    /// The breaker has closed, and its ramp does not admit all calls yet.
    BreakerRamp,
    /// An operator holds the breaker open.
    BreakerForced,
    /// No permit is free, and the queue is full or the bulkhead has none.
    BulkheadFull,
    /// The caller waited in the queue for as long as the configuration allows, and got no permit.
    BulkheadWait,
    /// There are not enough tokens.
    RateLimit,
    /// The remaining permits are reserved for more important calls.
    Shed,
    /// The call has used all its attempts.
    RetryAttempts,
    /// The attempts have taken as long as the configuration allows.
    RetryElapsed,
    /// Retries already make up as large a share of the calls as the budget allows.
    RetryBudget,
    /// The call is not known to be safe to repeat.
    RetryUnsafe,
    /// Too few calls have been seen to know which ones are slow.
    HedgeUnknown,
    /// Hedges already make up as large a share of the calls as the budget allows.
    HedgeBudget,
    /// The host is ejected.
    Outlier,
    /// The call's deadline has passed.
    Deadline,
}

impl Reason {
    /// The reason as a stable word for logs, metrics and clients.
    ///
    /// ```
    /// # use mainstay_resilience::Reason;
    /// assert_eq!(Reason::BreakerOpen.code(), "breaker_open");
    /// ```
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BreakerOpen => "breaker_open",
            Self::BreakerProbing => "breaker_probing",
            Self::BreakerRamp => "breaker_ramp",
            Self::BreakerForced => "breaker_forced",
            Self::BulkheadFull => "bulkhead_full",
            Self::BulkheadWait => "bulkhead_wait",
            Self::RateLimit => "rate_limit",
            Self::Shed => "shed",
            Self::RetryAttempts => "retry_attempts",
            Self::RetryElapsed => "retry_elapsed",
            Self::RetryBudget => "retry_budget",
            Self::RetryUnsafe => "retry_unsafe",
            Self::HedgeUnknown => "hedge_unknown",
            Self::HedgeBudget => "hedge_budget",
            Self::Outlier => "outlier",
            Self::Deadline => "deadline",
        }
    }

    /// The policy as a stable word.
    ///
    /// ```
    /// # use mainstay_resilience::Reason;
    /// assert_eq!(Reason::BreakerProbing.policy(), "breaker");
    /// ```
    #[must_use]
    pub const fn policy(self) -> &'static str {
        match self {
            Self::BreakerOpen | Self::BreakerProbing | Self::BreakerRamp | Self::BreakerForced => "breaker",
            Self::BulkheadFull | Self::BulkheadWait => "bulkhead",
            Self::RateLimit => "rate_limit",
            Self::Shed => "shed",
            Self::RetryAttempts | Self::RetryElapsed | Self::RetryBudget | Self::RetryUnsafe => "retry",
            Self::HedgeUnknown | Self::HedgeBudget => "hedge",
            Self::Outlier => "outlier",
            Self::Deadline => "deadline",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BreakerOpen => "the circuit breaker is open",
            Self::BreakerProbing => "the circuit breaker is half-open and waiting for its probes",
            Self::BreakerRamp => "the circuit breaker has just closed and does not admit all calls yet",
            Self::BreakerForced => "the circuit breaker is held open",
            Self::BulkheadFull => "overloaded: no permit is free and the queue is full",
            Self::BulkheadWait => "overloaded: no permit became free in time",
            Self::RateLimit => "the rate limit is reached",
            Self::Shed => "overloaded: calls of this priority are shed",
            Self::RetryAttempts => "all attempts were used",
            Self::RetryElapsed => "the time for attempts has run out",
            Self::RetryBudget => "the retry budget is spent",
            Self::RetryUnsafe => "the call is not known to be safe to repeat",
            Self::HedgeUnknown => "too few calls have been seen to hedge one",
            Self::HedgeBudget => "the hedge budget is spent",
            Self::Outlier => "the host is ejected",
            Self::Deadline => "the deadline has passed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    const ALL: [Reason; 16] = [
        Reason::BreakerOpen,
        Reason::BreakerProbing,
        Reason::BreakerRamp,
        Reason::BreakerForced,
        Reason::BulkheadFull,
        Reason::BulkheadWait,
        Reason::RateLimit,
        Reason::Shed,
        Reason::RetryAttempts,
        Reason::RetryElapsed,
        Reason::RetryBudget,
        Reason::RetryUnsafe,
        Reason::HedgeUnknown,
        Reason::HedgeBudget,
        Reason::Outlier,
        Reason::Deadline,
    ];

    #[test]
    fn each_reason_has_its_own_text_and_a_code_that_starts_with_its_policy() {
        let mut texts: Vec<String> = Vec::new();
        for reason in ALL {
            assert!(reason.code().starts_with(reason.policy()) && !reason.policy().is_empty(), "{reason:?}");
            texts.extend([reason.code().to_string(), reason.to_string()]);
        }
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 2 * ALL.len());
    }
}
