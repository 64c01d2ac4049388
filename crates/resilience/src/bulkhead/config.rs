//! A bulkhead's rules.

use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS};
use crate::shed;
use core::time::Duration;

config! {
    /// How many calls at once, and how many may wait for how long.
    ///
    /// ```
    /// use mainstay_resilience::bulkhead::{Config, Limit};
    /// use mainstay_resilience::Decide;
    ///
    /// let config = Config::new().limit(Limit::Fixed(10)).queue_max(20);
    /// assert!(config.check().is_ok());
    /// ```
    pub struct Config {
        /// How many permits there are. 32, fixed.
        pub limit: Limit = Limit::Fixed(32),
        /// How many callers may wait. From 0 to 10,000, where 0 rejects at once; 32.
        pub queue_max: u32 = 32,
        /// How long each of them may wait. From 0 to a day, where 0 rejects at once; 500 ms.
        #[cfg_attr(feature = "serde", serde(rename = "wait_max_ms", with = "crate::contract::millis"))]
        pub wait_max: Duration = Duration::from_millis(500),
        /// Keeps the last permits, and the last place in the queue, for the more important callers. None.
        pub shed: Option<shed::Config> = None,
    }
}

/// How many calls at once.
///
/// ```
/// use mainstay_resilience::bulkhead::{Config, Gradient, Limit};
///
/// let config = Config::new().limit(Limit::Gradient(Gradient::default()));
/// assert_ne!(config, Config::default());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Limit {
    /// Always so many. From 1 to 1,000,000.
    Fixed(u32),
    /// Grows while calls are fast enough, and falls by a share when they are not: for those who know which latency
    /// they want.
    Aimd(Aimd),
    /// Follows the ratio of the latency without a queue to the present one: for those who do not.
    Gradient(Gradient),
}

config! {
    /// Additive increase, multiplicative decrease (Chiu and Jain, 1989).
    ///
    /// One more after as many good answers as the limit is, counted while at least half of it is in use. A failure, a
    /// slow success, or any call that took longer than `latency_target` cuts it, and only calls that began after a cut
    /// can cut it again: one round trip, one cut.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::bulkhead::{Aimd, Config, Limit};
    /// use mainstay_resilience::{Decide, Input, Outcome, Time, Recorded};
    ///
    /// let aimd = Aimd::new().initial(20).latency_target(Duration::from_millis(100));
    /// let config = Config::new().limit(Limit::Aimd(aimd));
    /// let mut state = config.state();
    /// let ticket = config.ask(&mut state, Input::at(Time::ZERO), Default::default()).admitted().unwrap();
    /// let told = config.tell(&mut state, Input::at(Time::from_millis(101)), ticket, Outcome::Success, 1);
    /// assert!(matches!(told, Recorded::Changed(changed) if changed.to == 18));
    /// ```
    pub struct Aimd {
        /// From `min` to `max`; 20.
        pub initial: u32 = 20,
        /// From 1 to `max`; 1.
        pub min: u32 = 1,
        /// From 1 to 1,000,000; 1,000.
        pub max: u32 = 1_000,
        /// What a cut leaves. From 10 to 99; 90.
        pub backoff_percent: u8 = 90,
        /// A call that takes longer is a reason to cut. From 1 ms to a day; 500 ms.
        #[cfg_attr(feature = "serde", serde(rename = "latency_target_ms", with = "crate::contract::millis"))]
        pub latency_target: Duration = Duration::from_millis(500),
    }
}

config! {
    /// The gradient between two latencies, as Netflix's concurrency-limits has it (Gradient2).
    ///
    /// After each round trip the limit moves by `smoothing_percent` of the way to
    /// `limit * min(1, tolerance * baseline / present) + sqrt(limit)`: the root is the queue that it allows itself, to
    /// find out whether there is room. It does not grow while less than half of it is in use.
    ///
    /// The baseline is what differs. A long-term average of all latencies follows the queue that the limit itself
    /// makes, and under a load that never ends the limit grows for ever. So while the limit is in use, the baseline
    /// only learns downwards; and every `remeasure_every` the limit is a quarter of itself for one round trip, and the
    /// baseline is measured anew, without a queue. That is also how it begins.
    ///
    /// ```
    /// use mainstay_resilience::bulkhead::Gradient;
    ///
    /// let patient = Gradient::new().tolerance_percent(200);
    /// assert_eq!(patient.initial, 20);
    /// ```
    pub struct Gradient {
        /// From `min` to `max`; 20.
        pub initial: u32 = 20,
        /// From 1 to `max`; 1.
        pub min: u32 = 1,
        /// From 1 to 1,000,000; 1,000.
        pub max: u32 = 1_000,
        /// How much of the baseline is no reason to fall yet. From 100 to 1,000; 150.
        pub tolerance_percent: u16 = 150,
        /// How far each step goes. From 1 to 100; 20.
        pub smoothing_percent: u8 = 20,
        /// From 1 s to a day; 30 s.
        #[cfg_attr(feature = "serde", serde(rename = "remeasure_every_ms", with = "crate::contract::millis"))]
        pub remeasure_every: Duration = Duration::from_secs(30),
    }
}

const PERMITS_MAX: u64 = 1_000_000;

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match &self.limit {
            Limit::Fixed(permits) => ConfigError::unless("limit.fixed", (*permits).into(), 1..=PERMITS_MAX)?,
            Limit::Aimd(aimd) => aimd.validate().map_err(|error| error.within("limit.aimd"))?,
            Limit::Gradient(gradient) => {
                gradient.validate().map_err(|error| error.within("limit.gradient"))?;
            }
        }
        ConfigError::unless("queue_max", self.queue_max.into(), 0..=10_000)?;
        ConfigError::unless_millis("wait_max_ms", self.wait_max, 0..=DAY_MILLIS)?;
        let shed = self.shed.as_ref().map_or(Ok(()), crate::Decide::check);
        shed.map_err(|error| error.within("shed"))
    }
}

fn validate_range(initial: u32, min: u32, max: u32) -> Result<(), ConfigError> {
    ConfigError::unless("max", max.into(), 1..=PERMITS_MAX)?;
    ConfigError::unless("min", min.into(), 1..=max.into())?;
    ConfigError::unless("initial", initial.into(), min.into()..=max.into())
}

impl Aimd {
    fn validate(&self) -> Result<(), ConfigError> {
        validate_range(self.initial, self.min, self.max)?;
        ConfigError::unless("backoff_percent", self.backoff_percent.into(), 10..=99)?;
        ConfigError::unless_millis("latency_target_ms", self.latency_target, 1..=DAY_MILLIS)
    }
}

impl Gradient {
    fn validate(&self) -> Result<(), ConfigError> {
        validate_range(self.initial, self.min, self.max)?;
        ConfigError::unless("tolerance_percent", self.tolerance_percent.into(), 100..=1_000)?;
        ConfigError::unless("smoothing_percent", self.smoothing_percent.into(), 1..=100)?;
        ConfigError::unless_millis("remeasure_every_ms", self.remeasure_every, 1_000..=DAY_MILLIS)
    }
}
