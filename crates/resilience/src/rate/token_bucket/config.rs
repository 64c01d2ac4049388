//! The configuration of a token bucket.

use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS};
use crate::rate::check_rate;
use core::time::Duration;

config! {
    /// The refill rate and the capacity of a bucket.
    ///
    /// Tokens return one at a time, one every [`interval`](Config::interval). A bucket that refills 5 tokens
    /// per second with a burst of 10 grants 10 tokens at once, and then one every 200 ms.
    ///
    /// The interval is a whole number of nanoseconds, rounded up, so the rate is never too high. It may be
    /// too low by up to one part in a thousand at a million tokens per second, and by one in a million at a
    /// thousand per second.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input, Time, rate};
    ///
    /// let config = rate::token_bucket::Config::new().tokens(5).per(Duration::from_secs(1)).burst(10);
    /// let mut state = config.state();
    /// let now = Input::at(Time::ZERO);
    /// assert!(config.ask(&mut state, now, rate::Request { tokens: 10 }).admitted().is_some());
    /// let retry_at = Some(Time::from_millis(200));
    /// assert_eq!(
    ///     config.ask(&mut state, now, rate::Request { tokens: 1 }),
    ///     Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at }),
    /// );
    /// ```
    pub struct Config {
        /// The number of tokens that return in each `per`. From 1 to 10,000,000, and at most 10,000,000 per
        /// second; default 100. A bucket with 0 never grants anything.
        pub tokens: u32 = 100,
        /// The span of time for `tokens`. From 1 ms to a day; default 1 s.
        #[cfg_attr(feature = "serde", serde(rename = "per_ms", with = "crate::contract::millis"))]
        pub per: Duration = Duration::from_secs(1),
        /// The number of tokens in a full bucket. A request for more is never granted. At least 1;
        /// default 100.
        pub burst: u32 = 100,
        /// If the tokens return within this time, the decision is to wait; otherwise the request is rejected.
        /// From 0 to a day; default 0, which always rejects.
        #[cfg_attr(feature = "serde", serde(rename = "wait_max_ms", with = "crate::contract::millis"))]
        pub wait_max: Duration = Duration::ZERO,
    }
}

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        check_rate(self.tokens, self.per)?;
        ConfigError::unless("burst", self.burst.into(), 1..=u32::MAX.into())?;
        ConfigError::unless_millis("wait_max_ms", self.wait_max, 0..=DAY_MILLIS)
    }
}
