//! The rules of ejection.

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
        /// Ejected after this many failures with no success between them. From 1; 5.
        pub consecutive_failures: Option<u32> = Some(5),
        /// Ejected when at least this share of its calls in the window failed. From 1 to 100; none.
        pub failure_percent: Option<u8> = None,
        /// With fewer calls than this in the window, no share ejects. From 1 to 1,000,000; 20.
        pub calls_min: u32 = 20,
        /// The window, in ten parts: between nine and ten tenths of it are looked at. From 10 ms to a day; 10 s.
        #[cfg_attr(feature = "serde", serde(rename = "window_ms", with = "crate::contract::millis"))]
        pub window: Duration = Duration::from_secs(10),
        /// How long the first ejection is; each further one is longer by this. From 1 ms to a day; 30 s.
        #[cfg_attr(feature = "serde", serde(rename = "eject_for_ms", with = "crate::contract::millis"))]
        pub eject_for: Duration = Duration::from_secs(30),
        /// How long one is at most; and after this long without one, the next counts as the first. At least
        /// `eject_for`; 300 s.
        #[cfg_attr(feature = "serde", serde(rename = "eject_for_max_ms", with = "crate::contract::millis"))]
        pub eject_for_max: Duration = Duration::from_secs(300),
        /// The largest share of the known hosts that is ejected at once, rounded down: a host is ejected only if that
        /// still holds then. One always stays. From 0 to 100, where 0 ejects none; 50.
        pub ejected_percent_max: u8 = 50,
        /// How many hosts are known at most, some hundred bytes each. One more pushes out the one that was asked for
        /// longest ago, and an ejected one only when all are. From 1 to 10,000; 256.
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
