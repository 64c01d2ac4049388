//! The configuration of hedging.

use crate::budget;
use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS, Decide};
use core::time::Duration;

config! {
    /// When a call is slow, and the share of the calls that may be hedged.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, hedge};
    ///
    /// let config = hedge::Config::new().quantile_percent(99);
    /// assert!(config.check().is_ok());
    /// ```
    pub struct Config {
        /// A call is slow once it has taken longer than this share of the recent calls, in percent. From 50
        /// to 99; default 95.
        pub quantile_percent: u8 = 95,
        /// The number of recent calls needed before any call is hedged. From 1 to 1,000,000; default 50.
        pub calls_min: u32 = 50,
        /// The shortest delay before a hedge, whatever the quantile is. From 0 to a day; default 1 ms.
        #[cfg_attr(feature = "serde", serde(rename = "delay_min_ms", with = "crate::contract::millis"))]
        pub delay_min: Duration = Duration::from_millis(1),
        /// The longest delay before a hedge, whatever the quantile is. From `delay_min` to a day; default 10
        /// s.
        #[cfg_attr(feature = "serde", serde(rename = "delay_max_ms", with = "crate::contract::millis"))]
        pub delay_max: Duration = Duration::from_secs(10),
        /// How long call durations are remembered: at least this long, at most twice as long. From 1 s to a
        /// day; default 30 s.
        #[cfg_attr(feature = "serde", serde(rename = "length_ms", with = "crate::contract::millis"))]
        pub length: Duration = Duration::from_secs(30),
        /// The share of the calls that may be hedged. Default: 5 percent, and no minimum per second.
        #[cfg_attr(feature = "serde", serde(deserialize_with = "own_budget"))]
        pub budget: budget::Config = BUDGET,
    }
}

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::unless("quantile_percent", self.quantile_percent.into(), 50..=99)?;
        ConfigError::unless("calls_min", self.calls_min.into(), 1..=1_000_000)?;
        ConfigError::unless_millis("delay_min_ms", self.delay_min, 0..=DAY_MILLIS)?;
        let delay_min = u64::try_from(self.delay_min.as_millis()).unwrap_or(DAY_MILLIS);
        ConfigError::unless_millis("delay_max_ms", self.delay_max, delay_min..=DAY_MILLIS)?;
        ConfigError::unless_millis("length_ms", self.length, 1_000..=DAY_MILLIS)?;
        self.budget.check().map_err(|error| error.within("budget"))
    }
}

/// The default budget of hedges. It differs from that of retries.
const BUDGET: budget::Config =
    budget::Config { percent: 5, per_second_min: 0, length: Duration::from_secs(10) };

/// Deserializes a budget whose missing fields take the defaults of hedges, not those of retries.
#[cfg(feature = "serde")]
fn own_budget<'de, D: serde::Deserializer<'de>>(from: D) -> Result<budget::Config, D::Error> {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Budget {
        percent: u32,
        per_second_min: u32,
        #[serde(rename = "length_ms", with = "crate::contract::millis")]
        length: Duration,
    }

    impl Default for Budget {
        fn default() -> Self {
            let budget::Config { percent, per_second_min, length } = BUDGET;
            Self { percent, per_second_min, length }
        }
    }

    let Budget { percent, per_second_min, length } = Budget::deserialize(from)?;
    Ok(budget::Config { percent, per_second_min, length })
}
