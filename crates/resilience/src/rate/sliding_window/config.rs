//! The configuration of a sliding window.

use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS};
use crate::rate::check_rate;
use core::time::Duration;

/// The most buckets that a window has.
pub(super) const BUCKETS_MAX: u32 = 1_000;

config! {
    /// The number of tokens, and the span of time they are for.
    ///
    /// In any half-open span of length `per`, wherever it starts, at most `tokens` are granted. There is no
    /// boundary at which twice as many can pass, as there is with fixed windows.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::{Decision, Rejected, Reason, Decide, Input, Time, rate};
    ///
    /// let config = rate::sliding_window::Config::new().tokens(2).per(Duration::from_secs(1));
    /// let mut state = config.state();
    /// let mut ask =
    ///     |at: u64| config.ask(&mut state, Input::at(Time::from_millis(at)), rate::Request::default());
    /// assert!(ask(900).admitted().is_some());
    /// assert!(ask(999).admitted().is_some());
    /// let retry_at = Some(Time::from_millis(1_999));
    /// assert_eq!(ask(1_000), Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at }));
    /// assert!(ask(1_999).admitted().is_some());
    /// ```
    pub struct Config {
        /// The most tokens granted in any span of length `per`. From 1 to 10,000,000; default 100. A window
        /// with 0 never grants anything.
        pub tokens: u32 = 100,
        /// The length of the window. From 1 ms to a day; default 1 s.
        #[cfg_attr(feature = "serde", serde(rename = "per_ms", with = "crate::contract::millis"))]
        pub per: Duration = Duration::from_secs(1),
        /// The number of buckets in the window. With more buckets, tokens return sooner and the state is
        /// larger (24 bytes per bucket). From 1 to 1,000; default 10.
        pub buckets: u32 = 10,
        /// If the tokens return within this time, the decision is to wait; otherwise the request is rejected.
        /// From 0 to a day; default 0, which always rejects.
        #[cfg_attr(feature = "serde", serde(rename = "wait_max_ms", with = "crate::contract::millis"))]
        pub wait_max: Duration = Duration::ZERO,
    }
}

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        check_rate(self.tokens, self.per)?;
        ConfigError::unless("buckets", self.buckets.into(), 1..=BUCKETS_MAX.into())?;
        ConfigError::unless_millis("wait_max_ms", self.wait_max, 0..=DAY_MILLIS)
    }
}
