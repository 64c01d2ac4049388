//! How often, how much later, and for how large a share of the calls.

use super::Safety;
use crate::budget;
use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS, Decide, below, nanos};
use core::time::Duration;

config! {
    /// When a failed attempt is made again.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, retry};
    ///
    /// assert!(retry::Config::default().check().is_ok());
    /// let config = retry::Config::new().attempts_max(0);
    /// assert_eq!(config.check().unwrap_err().field, "attempts_max");
    /// ```
    pub struct Config {
        /// How many attempts a call has, the first among them. From 1 to 100; 3.
        pub attempts_max: u32 = 3,
        /// No attempt begins later than this after the first. From 1 ms to a day; 10 s.
        #[cfg_attr(feature = "serde", serde(rename = "elapsed_max_ms", with = "crate::contract::millis"))]
        pub elapsed_max: Duration = Duration::from_secs(10),
        /// How long to wait.
        pub backoff: Backoff = Backoff::default(),
        /// A dependency that asks for more patience than this is not asked again. From 0 to a day; 5 s.
        #[cfg_attr(feature = "serde", serde(rename = "retry_after_max_ms", with = "crate::contract::millis"))]
        pub retry_after_max: Duration = Duration::from_secs(5),
        /// For how large a share of the calls there may be retries.
        pub budget: budget::Config = budget::Config::default(),
        /// Which calls are repeated.
        pub repeat: Repeat = Repeat::SafeOnly,
    }
}

config! {
    /// How long to wait before another attempt: at most `first`, then twice as long each time, up to `max`.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::retry::{Backoff, Jitter};
    ///
    /// let backoff = Backoff::new().jitter(Jitter::None);
    /// assert_eq!(backoff.after(1, Duration::ZERO, 0), Duration::from_millis(50));
    /// assert_eq!(backoff.after(3, Duration::ZERO, 0), Duration::from_millis(200));
    /// ```
    #[derive(Copy)]
    pub struct Backoff {
        /// From 1 ms to a day; 50 ms.
        #[cfg_attr(feature = "serde", serde(rename = "first_ms", with = "crate::contract::millis"))]
        pub first: Duration = Duration::from_millis(50),
        /// At least `first`; 2 s.
        #[cfg_attr(feature = "serde", serde(rename = "max_ms", with = "crate::contract::millis"))]
        pub max: Duration = Duration::from_secs(2),
        /// How much of it is chance.
        pub jitter: Jitter = Jitter::Full,
    }
}

/// How much of a backoff is chance. Without any, all who failed together come back together.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::retry::{Backoff, Jitter};
///
/// let backoff = Backoff::new().jitter(Jitter::Decorrelated);
/// let (last, random) = (Duration::from_millis(200), u64::MAX);
/// assert_eq!(backoff.after(2, last, 0), Duration::from_millis(50));
/// assert_eq!(backoff.after(2, last, random), Duration::from_millis(600));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Jitter {
    /// All of it: evenly from 0 to the doubled time.
    Full,
    /// Evenly from `first` to three times the last backoff, or to three times `first` where there was none; what
    /// lies beyond `max` is cut to it. (Both: Brooker, "Exponential Backoff And Jitter", 2015.)
    Decorrelated,
    /// None of it: for tests, and for callers that are alone.
    None,
}

/// Which calls are repeated.
///
/// ```
/// use mainstay_resilience::retry::{Config, Repeat, Safety};
///
/// let config = Config::new().repeat(Repeat::All);
/// assert!(config.allows(Safety::Unsafe));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Repeat {
    /// Those that are safe.
    SafeOnly,
    /// All: you know that this dependency does not mind.
    All,
}

impl Backoff {
    /// How long to wait after that many failed attempts, of which the last was waited for so long.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::retry::Backoff;
    ///
    /// // Full jitter, first 50 ms: the third wait is somewhere between nothing and 200 ms.
    /// let backoff = Backoff::default();
    /// assert_eq!(backoff.after(3, Duration::ZERO, 0), Duration::ZERO);
    /// assert_eq!(backoff.after(3, Duration::ZERO, u64::MAX), Duration::from_millis(200));
    /// ```
    #[must_use]
    pub fn after(&self, attempts: u32, last: Duration, random: u64) -> Duration {
        let (first, max) = (nanos(self.first), nanos(self.max));
        let doubled = 1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
        let exponential = first.saturating_mul(doubled).min(max);
        Duration::from_nanos(match self.jitter {
            Jitter::None => exponential,
            Jitter::Full => below(random, exponential.saturating_add(1)),
            Jitter::Decorrelated => {
                // Where none came before, `first` stands for it: or the first retries of all would come together.
                let most = nanos(last).max(first).saturating_mul(3);
                first.saturating_add(below(random, (most - first).saturating_add(1))).min(max)
            }
        })
    }

    fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::unless_millis("backoff.first_ms", self.first, 1..=DAY_MILLIS)?;
        let first = u64::try_from(self.first.as_millis()).unwrap_or(DAY_MILLIS);
        ConfigError::unless_millis("backoff.max_ms", self.max, first..=DAY_MILLIS)
    }
}

impl Config {
    /// Is such a call repeated?
    ///
    /// ```
    /// use mainstay_resilience::retry::{Config, Safety};
    ///
    /// assert!(!Config::default().allows(Safety::Unsafe));
    /// ```
    #[must_use]
    pub fn allows(&self, safety: Safety) -> bool {
        safety == Safety::Safe || self.repeat == Repeat::All
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        ConfigError::unless("attempts_max", self.attempts_max.into(), 1..=100)?;
        ConfigError::unless_millis("elapsed_max_ms", self.elapsed_max, 1..=DAY_MILLIS)?;
        self.backoff.validate()?;
        ConfigError::unless_millis("retry_after_max_ms", self.retry_after_max, 0..=DAY_MILLIS)?;
        self.budget.check().map_err(|error| error.within("budget"))
    }
}
