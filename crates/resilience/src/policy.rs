//! The policies of one dependency, as one configuration.
//!
//! Policies that are not configured do not apply. The others apply in this order, from the outside in:
//!
//! ```text
//!   total timeout   no attempt starts, waits or is retried after it
//!    └ retry        every attempt passes everything below
//!       └ hedge     a second attempt alongside a slow first one; each passes everything below
//!          └ breaker      before the queue: waiting for a dependency that is down is pointless
//!             └ rate limit
//!                └ bulkhead      a permit is held during the attempt only, never during backoff
//!                   └ timeout    starts when the dependency is called, not when the caller is queued
//! ```
//!
//! The order matters. A retry inside a breaker would hide failures from it. A bulkhead outside a retry would
//! hold permits during backoff. A timeout outside a bulkhead would blame the dependency for time spent in our
//! own queue.
//!
//! ```
//! use core::time::Duration;
//! use mainstay_resilience::policy::Policy;
//! use mainstay_resilience::{breaker, retry};
//!
//! let policy = Policy::new()
//!     .total_timeout(Duration::from_secs(2))
//!     .retry(retry::Config::new())
//!     .breaker(breaker::Config::new())
//!     .timeout(Duration::from_millis(400));
//! assert!(policy.check().is_ok());
//! assert!(policy.bulkhead.is_none(), "a policy that is not configured does not apply");
//! ```

use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS, Decide};
use crate::{breaker, bulkhead, hedge, rate, retry};
use core::time::Duration;

config! {
    /// The policies of one dependency. All of them are optional, and none applies by default.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::policy::Policy;
    /// use mainstay_resilience::{breaker, retry};
    ///
    /// let policy = Policy::new()
    ///     .timeout(Duration::from_millis(800))
    ///     .retry(retry::Config::default())
    ///     .breaker(breaker::Config::new().probes(0));
    /// assert_eq!(policy.check().unwrap_err().field, "breaker.probes");
    /// ```
    pub struct Policy {
        /// How long a call may take with everything that belongs to it: queueing, attempts and backoff. From
        /// 1 ms to a day, or `None` for no limit.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "total_timeout_ms", with = "crate::contract::millis_or_none")
        )]
        pub total_timeout: Option<Duration> = None,
        /// Whether and how failed attempts are repeated.
        pub retry: Option<retry::Config> = None,
        /// Whether and when a slow attempt gets a second one alongside.
        pub hedge: Option<hedge::Config> = None,
        /// When the dependency is no longer called.
        pub breaker: Option<breaker::Config> = None,
        /// How many attempts may start in a span of time.
        pub rate_limit: Option<RateLimit> = None,
        /// How many attempts may run at once.
        pub bulkhead: Option<bulkhead::Config> = None,
        /// How long one attempt may take. From 1 ms to a day, or `None` for no limit.
        #[cfg_attr(feature = "serde", serde(rename = "timeout_ms", with = "crate::contract::millis_or_none"))]
        pub timeout: Option<Duration> = None,
    }
}

/// The algorithm of a rate limit.
///
/// ```
/// use mainstay_resilience::policy::{Policy, RateLimit};
/// use mainstay_resilience::rate;
///
/// // A promised quota: never more than 50 in any second.
/// let quota = rate::sliding_window::Config::new().tokens(50);
/// let policy = Policy::new().rate_limit(RateLimit::SlidingWindow(quota));
/// assert!(policy.check().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum RateLimit {
    /// An average rate with bursts.
    TokenBucket(rate::token_bucket::Config),
    /// At most N tokens in any span of time.
    SlidingWindow(rate::sliding_window::Config),
}

impl RateLimit {
    /// Checks that every field is in its range.
    ///
    /// ```
    /// use mainstay_resilience::policy::RateLimit;
    /// use mainstay_resilience::rate::token_bucket;
    ///
    /// let empty = token_bucket::Config::new().burst(0);
    /// assert_eq!(RateLimit::TokenBucket(empty).check().unwrap_err().field, "token_bucket.burst");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::TokenBucket(config) => config.check().map_err(|error| error.within("token_bucket")),
            Self::SlidingWindow(config) => config.check().map_err(|error| error.within("sliding_window")),
        }
    }
}

impl Policy {
    /// Checks that every field of every part is in its range.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::policy::Policy;
    ///
    /// let policy = Policy::new().timeout(Duration::ZERO);
    /// let error = policy.check().unwrap_err();
    /// assert_eq!(error.to_string(), "`timeout_ms` must be from 1 to 86400000 ms, but is 0ns");
    /// ```
    ///
    /// # Errors
    /// Returns an error that names the first field out of range by its full path, and says what is wrong with
    /// it.
    pub fn check(&self) -> Result<(), ConfigError> {
        fn part<C: Decide>(name: &str, config: Option<&C>) -> Result<(), ConfigError> {
            config.map_or(Ok(()), |config| config.check().map_err(|error| error.within(name)))
        }
        let span = |field, span: Option<Duration>| {
            span.map_or(Ok(()), |span| ConfigError::unless_millis(field, span, 1..=DAY_MILLIS))
        };
        span("total_timeout_ms", self.total_timeout)?;
        part("retry", self.retry.as_ref())?;
        part("hedge", self.hedge.as_ref())?;
        part("breaker", self.breaker.as_ref())?;
        if let Some(rate_limit) = &self.rate_limit {
            rate_limit.check().map_err(|error| error.within("rate_limit"))?;
        }
        part("bulkhead", self.bulkhead.as_ref())?;
        span("timeout_ms", self.timeout)
    }
}

/// Reads a policy and checks it. If anything is wrong, the error names the field by its full path.
///
/// ```
/// use mainstay_resilience::policy;
///
/// let read = |text| policy::read(&mut serde_json::Deserializer::from_str(text));
/// assert!(read(r#"{"timeout_ms": 800, "bulkhead": {"limit": {"fixed": 20}}}"#).is_ok());
///
/// let wrong = |text| read(text).unwrap_err().to_string();
/// assert_eq!(wrong(r#"{"breaker": {"probes": 0}}"#), "`breaker.probes` must be from 1 to 1000, but is 0");
/// assert!(wrong(r#"{"breaker": {"probes": "two"}}"#).starts_with("`breaker.probes` invalid type: string"));
/// assert!(wrong(r#"{"timeout": 800}"#).starts_with("`timeout` unknown field"));
/// ```
///
/// # Errors
/// Returns an error that names the field that could not be read, or the first one that is out of range.
#[cfg(feature = "serde")]
pub fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Policy, ConfigError> {
    use alloc::string::ToString;

    let policy: Policy = serde_path_to_error::deserialize(from).map_err(|error| {
        let (field, problem) = (error.path().to_string(), error.inner().to_string());
        ConfigError { field: field.into(), problem }
    })?;
    policy.check()?;
    Ok(policy)
}

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn a_whole_policy_is_read_from_a_file_and_written_the_same() {
        let text = r#"
            total_timeout_ms = 3000
            timeout_ms = 800

            [retry]
            attempts_max = 4
            backoff = { first_ms = 20, max_ms = 500, jitter = "decorrelated" }
            budget = { percent = 10 }

            [breaker]
            window = { time = { length_ms = 10000, buckets = 10 } }
            failure_percent = 25
            enforcement = "observe_only"

            [rate_limit.sliding_window]
            tokens = 50
            per_ms = 1000

            [bulkhead]
            limit = { gradient = { max = 200 } }
            shed = { low_percent = 30 }

            [hedge]
            quantile_percent = 99
        "#;
        let policy = read(toml::Deserializer::parse(text).expect("it is TOML")).expect("it is a policy");
        assert_eq!(policy.timeout, Some(Duration::from_millis(800)));
        assert_eq!(policy.retry.as_ref().map(|retry| retry.attempts_max), Some(4));
        let written = serde_json::to_string(&policy).expect("it can be written");
        assert_eq!(read(&mut serde_json::Deserializer::from_str(&written)), Ok(policy));
    }

    #[test]
    fn whatever_is_wrong_the_error_names_the_field() {
        let cases = [
            (r#"{"total_timeout_ms": 0}"#, "total_timeout_ms"),
            (r#"{"total_timeout_ms": -1}"#, "total_timeout_ms"),
            (r#"{"retry": {"budget": {"percent": 5000}}}"#, "retry.budget.percent"),
            (r#"{"retry": {"backoff": {"jitter": "some"}}}"#, "retry.backoff.jitter"),
            (r#"{"hedge": {"quantile_percent": 100}}"#, "hedge.quantile_percent"),
            (r#"{"hedge": {"quantile_percent": 256}}"#, "hedge.quantile_percent"),
            (r#"{"breaker": {"window": {"calls": 0}}}"#, "breaker.window.calls"),
            (r#"{"rate_limit": {"token_bucket": {"tokens": 0}}}"#, "rate_limit.token_bucket.tokens"),
            (r#"{"rate_limit": {"sliding_window": {"buckets": 0}}}"#, "rate_limit.sliding_window.buckets"),
            (r#"{"bulkhead": {"limit": {"aimd": {"min": 0}}}}"#, "bulkhead.limit.aimd.min"),
            (r#"{"bulkhead": {"shed": {"low_percent": 90}}}"#, "bulkhead.shed.low_percent"),
            (r#"{"timeout_ms": 86400001}"#, "timeout_ms"),
            (r#"{"breakers": {}}"#, "breakers"),
        ];
        for (text, field) in cases {
            let error = read(&mut serde_json::Deserializer::from_str(text)).expect_err(text);
            assert_eq!(error.field, field, "{text}: {error}");
        }
        assert!(read(&mut serde_json::Deserializer::from_str("{}")).is_ok());
    }
}
