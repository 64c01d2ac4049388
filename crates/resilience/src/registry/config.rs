//! The configuration of a registry.

use crate::breaker;
use crate::config::config;

config! {
    /// The configuration of a registry.
    ///
    /// ```
    /// use mainstay_resilience::registry::Config;
    ///
    /// assert!(Config::default().check().is_ok());
    /// assert_eq!(Config::new().keys_max(0).check().unwrap_err().field, "keys_max");
    /// ```
    pub struct Config {
        /// The configuration of every breaker.
        pub breaker: breaker::Config = breaker::Config::default(),
        /// The number of keys with a breaker of their own. From 1 to 1,000,000; default 1,000.
        pub keys_max: u32 = 1_000,
    }
}
