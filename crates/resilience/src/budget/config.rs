//! The configuration of a budget.

use crate::config::config;
use crate::contract::ConfigError;
use core::time::Duration;

config! {
    /// The share of the calls that may be extra attempts.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, Input, budget};
    ///
    /// let config = budget::Config::new().percent(20).per_second_min(0);
    /// let mut state = config.state();
    /// let input = Input::default();
    /// let _ = config.ask(&mut state, input, budget::Request::Deposit { calls: 10 });
    /// assert!(config.ask(&mut state, input, budget::Request::Withdraw).admitted().is_some());
    /// assert!(config.ask(&mut state, input, budget::Request::Withdraw).admitted().is_some());
    /// assert!(config.ask(&mut state, input, budget::Request::Withdraw).admitted().is_none());
    /// ```
    pub struct Config {
        /// Extra attempts per hundred calls. From 0 to 1,000; default 20.
        pub percent: u32 = 20,
        /// Extra attempts per second that are available without any calls. From 0 to 1,000,000; default 10.
        pub per_second_min: u32 = 10,
        /// How long calls and extra attempts count. The window has ten buckets, so its oldest tenth is
        /// forgotten all at once. From 1 s to an hour; default 10 s.
        #[cfg_attr(feature = "serde", serde(rename = "length_ms", with = "crate::contract::millis"))]
        pub length: Duration = Duration::from_secs(10),
    }
}

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::unless("percent", self.percent.into(), 0..=1_000)?;
        ConfigError::unless("per_second_min", self.per_second_min.into(), 0..=1_000_000)?;
        ConfigError::unless_millis("length_ms", self.length, 1_000..=3_600_000)
    }
}
