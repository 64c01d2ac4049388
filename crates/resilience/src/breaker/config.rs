//! A breaker's rules.

use crate::config::config;
use crate::contract::{ConfigError, DAY_MILLIS};
use core::time::Duration;

config! {
    /// When a breaker trips, for how long it is open, and how it closes.
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
        /// Which calls are looked at.
        pub window: Window = Window::Calls(100),
        /// With fewer calls than this in the window, no share trips. From 1 to 1,000,000; 20.
        pub calls_min: u32 = 20,
        /// Trips when at least this share of the window's calls failed. From 1 to 100; 50.
        pub failure_percent: Option<u8> = Some(50),
        /// Trips when at least this share was slow. From 1 to 100; none.
        pub slow_percent: Option<u8> = None,
        /// From when on a success is slow. The decision takes the caller's word ([`Outcome::Slow`](crate::Outcome));
        /// the async wrapper measures it. None.
        #[cfg_attr(feature = "serde", serde(rename = "slow_after_ms", with = "crate::contract::millis_or_none"))]
        pub slow_after: Option<Duration> = None,
        /// Trips on this many failures with no success between them, whatever `calls_min` says. From 1; none.
        pub consecutive_failures: Option<u32> = None,
        /// A trip needs failures (or slow calls) from at least so many sources ([`Request::source`](super::Request)),
        /// so that one sick caller cannot open the breaker for all. From 1 to 64; 1.
        pub sources_min: u32 = 1,
        /// How long a source's failure counts for that. 60 s.
        #[cfg_attr(feature = "serde", serde(rename = "sources_within_ms", with = "crate::contract::millis"))]
        pub sources_within: Duration = Duration::from_secs(60),
        /// How long the first trip keeps it open; each further one doubles it. From 1 ms to a day; 5 s.
        #[cfg_attr(feature = "serde", serde(rename = "open_for_ms", with = "crate::contract::millis"))]
        pub open_for: Duration = Duration::from_secs(5),
        /// How long a trip keeps it open at most, jitter aside. At least `open_for`; 60 s.
        #[cfg_attr(feature = "serde", serde(rename = "open_for_max_ms", with = "crate::contract::millis"))]
        pub open_for_max: Duration = Duration::from_secs(60),
        /// An open time is lengthened by a random share of itself, up to this one. From 0 to 100; 20.
        pub open_jitter_percent: u8 = 20,
        /// Closed for this long, a trip counts as the first again. 120 s.
        #[cfg_attr(feature = "serde", serde(rename = "forget_after_ms", with = "crate::contract::millis"))]
        pub forget_after: Duration = Duration::from_secs(120),
        /// How many probes a half-open breaker decides on. From 1 to 1,000; 3.
        pub probes: u32 = 3,
        /// How many of them may be under way at once. From 1 to `probes`; 1.
        pub probes_at_once: u32 = 1,
        /// Closes when this share of the probes succeeded. From 1 to 100; 100.
        pub probe_success_percent: u8 = 100,
        /// After this long a probe's place is free again, whatever became of its caller. From 1 ms to a day; 30 s.
        #[cfg_attr(feature = "serde", serde(rename = "probe_for_ms", with = "crate::contract::millis"))]
        pub probe_for: Duration = Duration::from_secs(30),
        /// Once closed, the share of admitted calls grows to all over this time. 0 admits all at once; 10 s.
        #[cfg_attr(feature = "serde", serde(rename = "ramp_for_ms", with = "crate::contract::millis"))]
        pub ramp_for: Duration = Duration::from_secs(10),
        /// The share with which the ramp begins. From 1 to 100; 10.
        pub ramp_from_percent: u8 = 10,
        /// Whether its rejections are real.
        pub enforcement: Enforcement = Enforcement::Enforce,
    }
}

/// The calls that a breaker looks at.
///
/// ```
/// use core::time::Duration;
/// use mainstay_resilience::breaker::{Config, Window};
/// use mainstay_resilience::Decide;
///
/// let check = |window| Config::new().window(window).check().map_err(|error| error.field);
/// assert_eq!(check(Window::Time { length: Duration::from_secs(30), buckets: 10 }), Ok(()));
/// // A window of 10 calls never holds the 20 that `calls_min` wants.
/// assert_eq!(check(Window::Calls(10)), Err("calls_min".into()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Window {
    /// The last so-many calls, whenever they were. From 1 to 1,000,000: two bits each.
    Calls(u32),
    /// The calls of the last so-much time, forgotten bucket by bucket: 24 bytes each.
    Time {
        /// From 1 ms to a day.
        #[cfg_attr(feature = "serde", serde(rename = "length_ms", with = "crate::contract::millis"))]
        length: Duration,
        /// From 1 to 1,000.
        buckets: u32,
    },
}

/// Whether a breaker's rejections are real.
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
    /// They are.
    Enforce,
    /// It trips and closes as it would, says so, counts what it would have rejected, and admits all: for the
    /// first weeks with new numbers.
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
            // More calls than the window can hold would never trip.
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

    /// How many probes must succeed: at least one.
    pub(super) fn probes_needed(&self) -> u32 {
        let share = u64::from(self.probes.max(1)) * u64::from(self.probe_success_percent);
        u32::try_from(share.div_ceil(100)).unwrap_or(u32::MAX).max(1)
    }
}
