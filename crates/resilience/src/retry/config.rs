//! The configuration of retries: how many attempts, how far apart, and for how large a share of the calls.

use super::Safety;
use crate::budget;
use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS, Decide, below, nanos};
use core::time::Duration;

config! {
    /// When a failed attempt is repeated.
    ///
    /// ```
    /// use mainstay_resilience::{Decide, retry};
    ///
    /// assert!(retry::Config::default().check().is_ok());
    /// let config = retry::Config::new().attempts_max(0);
    /// assert_eq!(config.check().unwrap_err().field, "attempts_max");
    /// ```
    pub struct Config {
        /// The maximum number of attempts per call, including the first. From 1 to 100; default 3.
        pub attempts_max: u32 = 3,
        /// The time after the start of the first attempt within which every other attempt must start. From 1
        /// ms to a day; default 10 s.
        #[cfg_attr(feature = "serde", serde(rename = "elapsed_max_ms", with = "crate::contract::millis"))]
        pub elapsed_max: Duration = Duration::from_secs(10),
        /// The pause before each retry.
        pub backoff: Backoff = Backoff::default(),
        /// The longest `Retry-After` that is waited for. A dependency that asks for a longer pause is not
        /// called again. From 0 to a day; default 5 s.
        #[cfg_attr(feature = "serde", serde(rename = "retry_after_max_ms", with = "crate::contract::millis"))]
        pub retry_after_max: Duration = Duration::from_secs(5),
        /// The share of the calls that may be retries.
        pub budget: budget::Config = budget::Config::default(),
        /// The calls that may be repeated. Default: only safe ones.
        pub repeat: Repeat = Repeat::SafeOnly,
    }
}

config! {
    /// The pause before a retry. Without jitter it is `first`, and doubles with each attempt up to `max`.
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
        /// The pause after the first attempt, before jitter. From 1 ms to a day; default 50 ms.
        #[cfg_attr(feature = "serde", serde(rename = "first_ms", with = "crate::contract::millis"))]
        pub first: Duration = Duration::from_millis(50),
        /// The longest pause. From `first` to a day; default 2 s.
        #[cfg_attr(feature = "serde", serde(rename = "max_ms", with = "crate::contract::millis"))]
        pub max: Duration = Duration::from_secs(2),
        /// The random part of the pause. Default: full jitter.
        pub jitter: Jitter = Jitter::Full,
    }
}

/// The random part of a backoff. Without jitter, callers that failed together retry together.
///
/// Full and decorrelated jitter follow Marc Brooker, "Exponential Backoff And Jitter" (2015).
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
    /// A uniformly random pause from 0 to the doubled one.
    Full,
    /// A uniformly random pause from `first` to three times the previous pause, capped at `max`. Before the
    /// second attempt, `first` stands for the previous pause.
    Decorrelated,
    /// No random part: for tests, and for programs that are the only caller.
    None,
}

/// Which calls may be repeated.
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
    /// Only calls that are [`Safe`](Safety::Safe).
    SafeOnly,
    /// Every call. Use it only if you know that this dependency tolerates repeated calls.
    All,
}

impl Backoff {
    /// The pause after `attempts` attempts, of which the last was preceded by a pause of `last`.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::retry::Backoff;
    ///
    /// // Full jitter, and a first pause of 50 ms: the third pause is between 0 and 200 ms.
    /// let backoff = Backoff::new();
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
                // The first retry has no previous pause. Without `first` in its place, the first retries of all
                // callers would come at the same moment.
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
    /// Returns whether calls of this safety may be repeated.
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
