//! The configuration of a breaker.

use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS};
use core::time::Duration;

config! {
    /// When a breaker trips, how long it stays open, and how it closes.
    ///
    /// ```
    /// use core::time::Duration;
    /// use mainstay_resilience::{Decide, breaker};
    ///
    /// let config = breaker::Config::new()
    ///     .window(breaker::Window::Time { length: Duration::from_secs(10), buckets: 10 })
    ///     .failure_percent(25);
    /// assert!(config.check().is_ok());
    /// ```
    pub struct Config {
        /// The recent calls that the breaker judges by. Default: the last 100.
        pub window: Window = Window::Calls(100),
        /// The number of calls that the window must hold before a share of them can trip the breaker. From 1
        /// to 1,000,000, and at most the size of a count window; default 20. With a small minimum the breaker
        /// trips by chance: with 2, one failure is "50 percent".
        pub calls_min: u32 = 20,
        /// The share of failed calls in the window that trips the breaker, in percent. From 1 to 100, or
        /// `None` to ignore the share; default 50.
        pub failure_percent: Option<u8> = Some(50),
        /// The share of slow calls in the window that trips the breaker, in percent. From 1 to 100, or `None`
        /// to ignore slow calls; default `None`.
        pub slow_percent: Option<u8> = None,
        /// Successes that take at least this long count as slow. From 1 ms to a day, or `None`; default
        /// `None`. Only a guard measures calls; the decision itself goes by the [`Outcome`](crate::Outcome)
        /// that is recorded.
        #[cfg_attr(feature = "serde", serde(rename = "slow_after_ms", with = "crate::contract::millis_or_none"))]
        pub slow_after: Option<Duration> = None,
        /// The number of failures in a row, with no success between them, that trips the breaker whatever
        /// `calls_min` is. At least 1, or `None` to ignore runs of failures; default `None`.
        pub consecutive_failures: Option<u32> = None,
        /// The number of different sources ([`Request::source`](super::Request)) that must have failures or
        /// slow calls before the breaker trips, so that one broken caller cannot open it for all. From 1 to
        /// 64; default 1.
        pub sources_min: u32 = 1,
        /// How long a failure or slow call counts for `sources_min`. From 1 ms to a day; default 60 s.
        #[cfg_attr(feature = "serde", serde(rename = "sources_within_ms", with = "crate::contract::millis"))]
        pub sources_within: Duration = Duration::from_secs(60),
        /// How long the first trip keeps the breaker open. Each further trip doubles it. From 1 ms to a day;
        /// default 5 s.
        #[cfg_attr(feature = "serde", serde(rename = "open_for_ms", with = "crate::contract::millis"))]
        pub open_for: Duration = Duration::from_secs(5),
        /// The longest open time, without jitter. From `open_for` to a day; default 60 s.
        #[cfg_attr(feature = "serde", serde(rename = "open_for_max_ms", with = "crate::contract::millis"))]
        pub open_for_max: Duration = Duration::from_secs(60),
        /// The random part that is added to an open time: up to this share of it, in percent. From 0 to 100;
        /// default 20.
        pub open_jitter_percent: u8 = 20,
        /// A breaker that stays closed for this long forgets its earlier trips: the next one lasts `open_for`
        /// again. From 0 to a day; default 120 s.
        #[cfg_attr(feature = "serde", serde(rename = "forget_after_ms", with = "crate::contract::millis"))]
        pub forget_after: Duration = Duration::from_secs(120),
        /// The number of probes that decide whether a half-open breaker closes. From 1 to 1,000; default 3.
        pub probes: u32 = 3,
        /// The number of probes that may run at once. From 1 to `probes`; default 1.
        pub probes_at_once: u32 = 1,
        /// The share of the probes that must succeed to close the breaker, in percent. From 1 to 100; default
        /// 100.
        pub probe_success_percent: u8 = 100,
        /// How long a probe may go without an outcome. After that it is given up, and its permit is free
        /// again. From 1 ms to a day; default 30 s. Set it longer than the slowest call takes.
        #[cfg_attr(feature = "serde", serde(rename = "probe_for_ms", with = "crate::contract::millis"))]
        pub probe_for: Duration = Duration::from_secs(30),
        /// The time after closing in which the share of admitted calls grows to 100 percent. From 0, which
        /// admits all calls at once, to a day; default 10 s. The ramp protects a recovering dependency from
        /// the full load.
        #[cfg_attr(feature = "serde", serde(rename = "ramp_for_ms", with = "crate::contract::millis"))]
        pub ramp_for: Duration = Duration::from_secs(10),
        /// The share of calls that the ramp starts with, in percent. From 1 to 100; default 10.
        pub ramp_from_percent: u8 = 10,
        /// Whether the breaker rejects calls or only reports that it would. Default: it rejects them.
        pub enforcement: Enforcement = Enforcement::Enforce,
    }
}

/// The recent calls that a breaker judges by.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::breaker::{Config, Window};
/// use mainstay_resilience::Decide;
///
/// let check = |window| Config::new().window(window).check().map_err(|error| error.field);
/// assert_eq!(check(Window::Time { length: Duration::from_secs(30), buckets: 10 }), Ok(()));
/// // A window of 10 calls never holds the 20 that `calls_min` requires.
/// assert_eq!(check(Window::Calls(10)), Err("calls_min".into()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Window {
    /// The last N calls, however old. From 1 to 1,000,000. Takes two bits per call.
    Calls(u32),
    /// The calls of the last N seconds, in buckets that are forgotten one at a time. Takes 24 bytes per
    /// bucket.
    Time {
        /// The length of the window. From 1 ms to a day.
        #[cfg_attr(feature = "serde", serde(rename = "length_ms", with = "crate::contract::millis"))]
        length: Duration,
        /// The number of buckets. From 1 to 1,000.
        buckets: u32,
    },
}

/// Whether a breaker rejects calls.
///
/// ```
/// use mainstay_resilience::breaker::{Config, Enforcement, Request};
/// use mainstay_resilience::{Decide, Input, Time};
///
/// let config = Config::new().enforcement(Enforcement::ObserveOnly);
/// let (mut state, input) = (config.state(), Input::at(Time::ZERO));
/// config.trip(&mut state, input);
/// assert!(config.ask(&mut state, input, Request::default()).admitted().is_some());
/// assert_eq!(config.snapshot(&state, input.now).would_reject, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Enforcement {
    /// The breaker rejects calls.
    Enforce,
    /// The breaker trips and closes as usual and reports it, but admits every call and counts those that it
    /// would have rejected. Use it to try out a new configuration in production.
    ObserveOnly,
}

impl Config {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let number = |field, is: u32, most: u64| ConfigError::unless(field, is.into(), 1..=most);
        let percent = |field, is: u8| ConfigError::unless(field, is.into(), 1..=100);
        match self.window {
            Window::Calls(calls) => number("window.calls", calls, 1_000_000)?,
            Window::Time { length, buckets } => {
                ConfigError::unless_millis("window.time.length_ms", length, 1..=DAY_MILLIS)?;
                number("window.time.buckets", buckets, 1_000)?;
            }
        }
        number("calls_min", self.calls_min, 1_000_000)?;
        if let Window::Calls(calls) = self.window {
            // The window could never hold that many calls, so the breaker would never trip.
            ConfigError::unless("calls_min", self.calls_min.into(), 1..=u64::from(calls))?;
        }
        self.failure_percent.map_or(Ok(()), |is| percent("failure_percent", is))?;
        self.slow_percent.map_or(Ok(()), |is| percent("slow_percent", is))?;
        self.consecutive_failures.map_or(Ok(()), |is| number("consecutive_failures", is, u32::MAX.into()))?;
        if let Some(slow_after) = self.slow_after {
            ConfigError::unless_millis("slow_after_ms", slow_after, 1..=DAY_MILLIS)?;
        }
        number("sources_min", self.sources_min, 64)?;
        ConfigError::unless_millis("sources_within_ms", self.sources_within, 1..=DAY_MILLIS)?;
        ConfigError::unless_millis("open_for_ms", self.open_for, 1..=DAY_MILLIS)?;
        let open_for = u64::try_from(self.open_for.as_millis()).unwrap_or(DAY_MILLIS);
        ConfigError::unless_millis("open_for_max_ms", self.open_for_max, open_for..=DAY_MILLIS)?;
        ConfigError::unless("open_jitter_percent", self.open_jitter_percent.into(), 0..=100)?;
        ConfigError::unless_millis("forget_after_ms", self.forget_after, 0..=DAY_MILLIS)?;
        number("probes", self.probes, 1_000)?;
        number("probes_at_once", self.probes_at_once, self.probes.into())?;
        percent("probe_success_percent", self.probe_success_percent)?;
        ConfigError::unless_millis("probe_for_ms", self.probe_for, 1..=DAY_MILLIS)?;
        ConfigError::unless_millis("ramp_for_ms", self.ramp_for, 0..=DAY_MILLIS)?;
        percent("ramp_from_percent", self.ramp_from_percent)
    }

    /// The number of probes that must succeed; at least one.
    pub(super) fn probes_needed(&self) -> u32 {
        let share = u64::from(self.probes.max(1)) * u64::from(self.probe_success_percent);
        u32::try_from(share.div_ceil(100)).unwrap_or(u32::MAX).max(1)
    }
}
