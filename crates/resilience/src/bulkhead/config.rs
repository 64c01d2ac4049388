//! The configuration of a bulkhead.

use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS};
use crate::shed;
use core::time::Duration;

config! {
    /// How many calls run at once, how many callers may wait, and for how long.
    ///
    /// ```
    /// use mainstay_resilience::bulkhead::{Config, Limit};
    /// use mainstay_resilience::Decide;
    ///
    /// let config = Config::new().limit(Limit::Fixed(10)).queue_max(20);
    /// assert!(config.check().is_ok());
    /// ```
    pub struct Config {
        /// The number of permits. Default: 32, fixed.
        pub limit: Limit = Limit::Fixed(32),
        /// The maximum number of callers in the queue. From 0, which rejects at once, to 10,000; default 32.
        pub queue_max: u32 = 32,
        /// The longest time that a caller waits in the queue. From 0, which rejects at once, to a day;
        /// default 500 ms.
        #[cfg_attr(feature = "serde", serde(rename = "wait_max_ms", with = "crate::contract::millis"))]
        pub wait_max: Duration = Duration::from_millis(500),
        /// Reserves the last permits and the last places in the queue for more important callers. Default:
        /// `None`.
        pub shed: Option<shed::Config> = None,
    }
}

/// The number of permits: fixed or adaptive.
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
    /// A fixed number. From 1 to 1,000,000.
    Fixed(u32),
    /// Grows while calls are fast enough, and shrinks when they are not. Use it if you know the latency that
    /// you want.
    Aimd(Aimd),
    /// Follows the ratio of the latency without queueing to the present one. Use it if you do not.
    Gradient(Gradient),
}

config! {
    /// Additive increase, multiplicative decrease (Chiu and Jain, 1989).
    ///
    /// The limit grows by one after as many good outcomes as the limit itself, counted while at least half of
    /// it is in use. A failure, a slow success, or any call that takes longer than `latency_target` cuts the
    /// limit. Only calls that started after a cut can cut again, so that one overload causes one cut.
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
    /// let recorded = config.tell(&mut state, Input::at(Time::from_millis(101)), ticket, Outcome::Success, 1);
    /// assert!(matches!(recorded, Recorded::Changed(changed) if changed.to == 18));
    /// ```
    pub struct Aimd {
        /// The limit at the start. From `min` to `max`; default 20.
        pub initial: u32 = 20,
        /// The lowest limit. From 1 to `max`; default 1.
        pub min: u32 = 1,
        /// The highest limit. From 1 to 1,000,000; default 1,000.
        pub max: u32 = 1_000,
        /// What remains of the limit after a cut, in percent. From 10 to 99; default 90.
        pub backoff_percent: u8 = 90,
        /// The latency above which a call cuts the limit. From 1 ms to a day; default 500 ms.
        #[cfg_attr(feature = "serde", serde(rename = "latency_target_ms", with = "crate::contract::millis"))]
        pub latency_target: Duration = Duration::from_millis(500),
    }
}

config! {
    /// The gradient between two latencies, after Gradient2 of Netflix's concurrency-limits.
    ///
    /// After each round trip, the limit moves by `smoothing_percent` of the way to `limit * min(1, tolerance
    /// * baseline / present) + sqrt(limit)`. The root is the queue that the limit allows itself in order to
    /// probe for more capacity. The limit does not grow while less than half of it is in use.
    ///
    /// The baseline differs from Gradient2. A long-term average of all latencies includes the queueing that
    /// the limit itself causes, so under sustained load the limit would grow forever. Here the baseline only
    /// falls while the limit is in use. Every `remeasure_every`, the limit drops to a quarter for one round
    /// trip, and the baseline is measured again without queueing. The limiter starts in the same way.
    ///
    /// ```
    /// use mainstay_resilience::bulkhead::Gradient;
    ///
    /// let tolerant = Gradient::new().tolerance_percent(200);
    /// assert_eq!(tolerant.initial, 20);
    /// ```
    pub struct Gradient {
        /// The limit at the start. From `min` to `max`; default 20.
        pub initial: u32 = 20,
        /// The lowest limit. From 1 to `max`; default 1.
        pub min: u32 = 1,
        /// The highest limit. From 1 to 1,000,000; default 1,000.
        pub max: u32 = 1_000,
        /// The latency, as a percentage of the baseline, up to which the limit does not shrink. From 100 to
        /// 1,000; default 150.
        pub tolerance_percent: u16 = 150,
        /// How far each step moves toward the new limit, in percent. From 1 to 100; default 20.
        pub smoothing_percent: u8 = 20,
        /// The time between measurements of the baseline. From 1 s to a day; default 30 s.
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
