//! The configuration of outlier ejection.

use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS};
use core::time::Duration;

config! {
    /// When a host is ejected, and for how long.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, outlier};
    ///
    /// let config = outlier::Config::new().failure_percent(30);
    /// assert!(config.check().is_ok());
    /// ```
    pub struct Config {
        /// The number of failures in a row, with no success between them, that ejects a host. At least 1, or
        /// `None` to ignore runs of failures; default 5.
        pub consecutive_failures: Option<u32> = Some(5),
        /// The share of failed calls in the window that ejects a host, in percent. From 1 to 100, or `None`
        /// to ignore the share; default `None`.
        pub failure_percent: Option<u8> = None,
        /// The number of calls that the window must hold before a share of them can eject a host. From 1 to
        /// 1,000,000; default 20.
        pub calls_min: u32 = 20,
        /// The length of the window. It has ten buckets that are forgotten one at a time. From 10 ms to a
        /// day; default 10 s.
        #[cfg_attr(feature = "serde", serde(rename = "window_ms", with = "crate::contract::millis"))]
        pub window: Duration = Duration::from_secs(10),
        /// How long the first ejection lasts. Each further one lasts longer by the same amount. From 1 ms to
        /// a day; default 30 s.
        #[cfg_attr(feature = "serde", serde(rename = "eject_for_ms", with = "crate::contract::millis"))]
        pub eject_for: Duration = Duration::from_secs(30),
        /// The longest ejection. A host that goes this long without one starts again at `eject_for`. From
        /// `eject_for` to a day; default 300 s.
        #[cfg_attr(feature = "serde", serde(rename = "eject_for_max_ms", with = "crate::contract::millis"))]
        pub eject_for_max: Duration = Duration::from_secs(300),
        /// The largest share of the known hosts that may be ejected at once, in percent, rounded down. One
        /// host always remains. From 0, which ejects none, to 100; default 50.
        pub ejected_percent_max: u8 = 50,
        /// The maximum number of hosts to remember, at a few hundred bytes each. A further host replaces the
        /// one requested longest ago; an ejected host is replaced only if all are ejected. From 1 to 10,000;
        /// default 256.
        pub hosts_max: u32 = 256,
    }
}

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if let Some(failures) = self.consecutive_failures {
            ConfigError::unless("consecutive_failures", failures.into(), 1..=u32::MAX.into())?;
        }
        if let Some(percent) = self.failure_percent {
            ConfigError::unless("failure_percent", percent.into(), 1..=100)?;
        }
        ConfigError::unless("calls_min", self.calls_min.into(), 1..=1_000_000)?;
        ConfigError::unless_millis("window_ms", self.window, 10..=DAY_MILLIS)?;
        ConfigError::unless_millis("eject_for_ms", self.eject_for, 1..=DAY_MILLIS)?;
        let eject_for = u64::try_from(self.eject_for.as_millis()).unwrap_or(DAY_MILLIS);
        ConfigError::unless_millis("eject_for_max_ms", self.eject_for_max, eject_for..=DAY_MILLIS)?;
        ConfigError::unless("ejected_percent_max", self.ejected_percent_max.into(), 0..=100)?;
        ConfigError::unless("hosts_max", self.hosts_max.into(), 1..=10_000)
    }
}
