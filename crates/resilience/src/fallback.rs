//! Fallback: another answer in place of none, as plain functions.
//!
//! A fallback is a cached value, a default, a shorter page: worse than the true answer, and better than an error.
//! What it is belongs to the caller; this module says when there may be one. Not for everything: a caller that is
//! over its rate limit should hear so and slow down, and one whose deadline has passed reads no answer at all.
//!
//! An answer that looks like the true one hides that there is none. Mark it as a fallback, and count it.

use crate::contract::{By, Outcome};

/// For what a fallback may answer. It never answers for a success, for the caller's own mistake
/// ([`Outcome::Neutral`]) or for a caller that has left ([`Outcome::Cancelled`]).
///
/// ```
/// use mainstay_resilience::fallback::{Answers, Config, Missing, applies};
/// use mainstay_resilience::{By, Outcome};
///
/// // This one is as expensive as the call: no use in it when there is too much to do.
/// let config = Config { bulkhead: Answers::PassOn, shed: Answers::PassOn, ..Config::default() };
/// assert!(applies(&config, Missing::Outcome(Outcome::Failure)));
/// assert!(applies(&config, Missing::Refusal(By::BreakerOpen)));
/// assert!(!applies(&config, Missing::Refusal(By::BulkheadFull)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(default, deny_unknown_fields))]
pub struct Config {
    /// For a failure of the dependency, after its last attempt. Fallback.
    pub failure: Answers,
    /// Where the breaker says no. Fallback.
    pub breaker: Answers,
    /// Where the bulkhead is full. Fallback.
    pub bulkhead: Answers,
    /// Where load is shed. Fallback.
    pub shed: Answers,
    /// Where there is no host left to call, or the host was ejected. Fallback.
    pub outlier: Answers,
    /// Where there is to be no further attempt. Fallback.
    pub retry: Answers,
    /// Where the caller is over its rate. Pass on.
    pub rate_limit: Answers,
    /// Where the deadline has passed. Pass on.
    pub deadline: Answers,
}

/// Who answers.
///
/// ```
/// use mainstay_resilience::fallback::{Answers, Config};
///
/// assert_eq!(Config::default().rate_limit, Answers::PassOn);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Answers {
    /// The fallback does.
    Fallback,
    /// The caller hears what happened.
    PassOn,
}

/// What there is instead of an answer.
///
/// ```
/// use mainstay_resilience::fallback::{Config, Missing, applies};
/// use mainstay_resilience::{By, Outcome};
///
/// let config = Config::default();
/// assert!(applies(&config, Missing::Refusal(By::Shed)));
/// assert!(!applies(&config, Missing::Outcome(Outcome::Slow)), "late, but an answer");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Missing {
    /// The dependency was called, and this came of it.
    Outcome(Outcome),
    /// A policy said no.
    Refusal(By),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            failure: Answers::Fallback,
            breaker: Answers::Fallback,
            bulkhead: Answers::Fallback,
            shed: Answers::Fallback,
            outlier: Answers::Fallback,
            retry: Answers::Fallback,
            rate_limit: Answers::PassOn,
            deadline: Answers::PassOn,
        }
    }
}

/// May a fallback answer for this?
///
/// ```
/// use mainstay_resilience::fallback::{Config, Missing, applies};
/// use mainstay_resilience::{By, Outcome};
///
/// let config = Config::default();
/// let price = |result: Result<u32, Missing>| match result {
///     Err(missing) if applies(&config, missing) => Ok(100),
///     other => other,
/// };
/// assert_eq!(price(Ok(95)), Ok(95));
/// assert_eq!(price(Err(Missing::Refusal(By::BreakerOpen))), Ok(100));
/// let too_fast = Missing::Refusal(By::RateLimit);
/// assert_eq!(price(Err(too_fast)), Err(too_fast));
/// ```
#[must_use]
pub fn applies(config: &Config, missing: Missing) -> bool {
    let answers = match missing {
        Missing::Outcome(Outcome::Failure) => config.failure,
        Missing::Outcome(Outcome::Success | Outcome::Slow | Outcome::Neutral | Outcome::Cancelled) => {
            Answers::PassOn
        }
        Missing::Refusal(by) => refused(config, by),
    };
    answers == Answers::Fallback
}

fn refused(config: &Config, by: By) -> Answers {
    match by {
        By::BreakerOpen | By::BreakerProbing | By::BreakerRamp | By::BreakerForced => config.breaker,
        By::BulkheadFull | By::BulkheadWait => config.bulkhead,
        By::RateLimit => config.rate_limit,
        By::Shed => config.shed,
        By::RetryAttempts | By::RetryElapsed | By::RetryBudget | By::RetryUnsafe => config.retry,
        // The first attempt is still under way: nothing is missing yet.
        By::HedgeUnknown | By::HedgeBudget => Answers::PassOn,
        By::Outlier => config.outlier,
        By::Deadline => config.deadline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Config = Config {
        failure: Answers::PassOn,
        breaker: Answers::PassOn,
        bulkhead: Answers::PassOn,
        shed: Answers::PassOn,
        outlier: Answers::PassOn,
        retry: Answers::PassOn,
        rate_limit: Answers::PassOn,
        deadline: Answers::PassOn,
    };

    #[test]
    fn each_field_decides_on_its_own_and_on_nothing_else() {
        let yes = Answers::Fallback;
        let refusals = |all: &[By]| all.iter().map(|by| Missing::Refusal(*by)).collect::<Vec<_>>();
        let cases = [
            (Config { failure: yes, ..NONE }, vec![Missing::Outcome(Outcome::Failure)]),
            (
                Config { breaker: yes, ..NONE },
                refusals(&[By::BreakerOpen, By::BreakerProbing, By::BreakerRamp, By::BreakerForced]),
            ),
            (Config { bulkhead: yes, ..NONE }, refusals(&[By::BulkheadFull, By::BulkheadWait])),
            (Config { shed: yes, ..NONE }, refusals(&[By::Shed])),
            (Config { outlier: yes, ..NONE }, refusals(&[By::Outlier])),
            (
                Config { retry: yes, ..NONE },
                refusals(&[By::RetryAttempts, By::RetryElapsed, By::RetryBudget, By::RetryUnsafe]),
            ),
            (Config { rate_limit: yes, ..NONE }, refusals(&[By::RateLimit])),
            (Config { deadline: yes, ..NONE }, refusals(&[By::Deadline])),
        ];
        let all: Vec<Missing> = cases.iter().flat_map(|(_, answered)| answered.clone()).collect();
        for (config, answered) in &cases {
            for missing in &all {
                assert_eq!(applies(config, *missing), answered.contains(missing), "{missing:?}: {config:?}");
            }
        }
    }

    #[test]
    fn what_is_no_missing_answer_is_never_replaced() {
        let every =
            Config { rate_limit: Answers::Fallback, deadline: Answers::Fallback, ..Config::default() };
        for outcome in [Outcome::Success, Outcome::Slow, Outcome::Neutral, Outcome::Cancelled] {
            assert!(!applies(&every, Missing::Outcome(outcome)), "{outcome:?}");
        }
        for by in [By::HedgeUnknown, By::HedgeBudget] {
            assert!(!applies(&every, Missing::Refusal(by)), "{by:?}");
        }
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_configuration_is_written_by_name() {
        let config: Config =
            serde_json::from_str(r#"{"bulkhead":"pass_on","deadline":"fallback"}"#).expect("read");
        let expected = Config { bulkhead: Answers::PassOn, deadline: Answers::Fallback, ..Config::default() };
        assert_eq!(config, expected);
        let written = serde_json::to_string(&config).expect("written");
        assert_eq!(serde_json::from_str::<Config>(&written).expect("read"), config);
        assert!(serde_json::from_str::<Config>(r#"{"breakers":"pass_on"}"#).is_err());
    }
}
