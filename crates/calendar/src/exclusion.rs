//! Days and ranges of time in which a schedule has no ticks.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// A range of time, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exclusion {
    from: Timestamp,
    pub(crate) to: Timestamp,
}

impl Exclusion {
    /// Reads `2026-12-25`, a day in the schedule's zone, or `2026-12-24T12:00:00Z/2026-12-27T00:00:00Z`.
    pub(crate) fn parse(text: &str, zone: &TimeZone) -> Option<Self> {
        let (from, to) = match text.split_once('/') {
            Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
            None => {
                let day: Date = text.parse().ok()?;
                // `Date` also reads the date of a longer text.
                if text.len() != "2026-12-25".len() {
                    return None;
                }
                let begin = |day: Date| day.to_zoned(zone.clone()).ok().map(|begin| begin.timestamp());
                (begin(day)?, begin(day.checked_add(1.day()).ok()?)?)
            }
        };
        (from < to).then_some(Self { from, to })
    }

    pub(crate) fn contains(&self, moment: Timestamp) -> bool {
        (self.from..self.to).contains(&moment)
    }
}
