//! The program's clock and chance: the only place of this crate that has either.

use crate::contract::{Input, Time};
use std::sync::OnceLock;
use tokio::time::Instant;

/// Where this program's [`Time`] begins.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// The present moment, on tokio's clock (which a test may pause).
pub(crate) fn now() -> Time {
    time_of(Instant::now())
}

/// A moment of tokio's clock; one before this program's first is that one.
pub(crate) fn time_of(instant: Instant) -> Time {
    Time::ZERO + instant.saturating_duration_since(origin())
}

/// A moment on tokio's clock; one that this clock cannot say is a year away: longer than any wait.
pub(crate) fn instant_of(time: Time) -> Instant {
    const FAR: core::time::Duration = core::time::Duration::from_secs(365 * 24 * 3_600);
    origin().checked_add(time.since(Time::ZERO)).unwrap_or_else(|| Instant::now() + FAR)
}

/// The present moment with new chance.
pub(crate) fn input() -> Input {
    input_at(now())
}

/// A moment with new chance.
pub(crate) fn input_at(now: Time) -> Input {
    Input { now, random: fastrand::u64(..) }
}
