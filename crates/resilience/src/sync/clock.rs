//! A program's clock and random numbers: the only place in this crate that has either.

use crate::contract::{Input, Time};
#[cfg(feature = "async")]
use core::time::Duration;
use std::sync::OnceLock;

#[cfg(not(feature = "async"))]
use std::time::Instant;
/// Tokio's clock, which a test can pause.
#[cfg(feature = "async")]
use tokio::time::Instant;

/// The origin of this program's [`Time`].
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// The current time, as every policy of this program sees it: monotonic, counted from the first reading.
///
/// With the feature `async` this is tokio's clock, which `tokio::time::pause` stops.
///
/// ```
/// use mainstay_resilience::sync;
///
/// let earlier = sync::now();
/// assert!(sync::now() >= earlier);
/// ```
#[must_use]
pub fn now() -> Time {
    time_of(Instant::now())
}

/// A moment on the program's clock. A moment before the first reading becomes [`Time::ZERO`].
pub(crate) fn time_of(instant: Instant) -> Time {
    Time::ZERO + instant.saturating_duration_since(origin())
}

/// A moment on tokio's clock. A moment that the clock cannot express becomes a year from now, which is longer
/// than any wait.
#[cfg(feature = "async")]
pub(crate) fn instant_of(time: Time) -> Instant {
    const FAR: Duration = Duration::from_secs(365 * 24 * 3_600);
    origin().checked_add(time.since(Time::ZERO)).unwrap_or_else(|| Instant::now() + FAR)
}

/// The current time with a fresh random number.
pub(crate) fn input() -> Input {
    input_at(now())
}

/// A moment with a fresh random number.
pub(crate) fn input_at(now: Time) -> Input {
    Input { now, random: fastrand::u64(..) }
}

/// Where a value takes the time from when it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeSource {
    /// This program's clock.
    Clock,
    /// The caller, which passed in the time when the value was created.
    Caller,
}

impl TimeSource {
    /// The current input, or the input at the time that the caller passed in.
    pub(super) fn input_or(self, given: Time) -> Input {
        match self {
            Self::Clock => input(),
            Self::Caller => Input::at(given),
        }
    }
}
