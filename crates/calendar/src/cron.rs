//! The next time that an expression matches in a time zone. What an expression matches on a clock that never jumps is
//! for `croner` to say; what happens where the clock jumps is decided here, because its rule for lists of times differs.

use croner::Cron as Pattern;
use croner::parser::CronParser;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// Jumps of the clock, and times of day that are passed over, before a search is given up. A zone has few jumps a
/// year, and an hour that is repeated has 3,600 times of day.
const STEPS_MAX: usize = 10_000;

/// An expression in a time zone.
#[derive(Debug)]
pub(crate) struct Cron {
    pattern: Pattern,
    zone: TimeZone,
    kind: Kind,
}

/// Whether an expression names times of day, or follows real time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    TimesOfDay,
    RealTime,
}

impl Cron {
    /// # Errors
    /// What is wrong with the expression.
    pub(crate) fn new(expression: &str, zone: TimeZone) -> Result<Self, String> {
        let pattern = CronParser::new().parse(expression).map_err(|error| error.to_string())?;
        if names_no_date(&pattern) {
            return Err("no month that it names has such a day".to_owned());
        }
        let of_day = [&pattern.pattern.seconds, &pattern.pattern.minutes, &pattern.pattern.hours];
        let is_fixed = of_day.iter().all(|field| field.step == 1 && !field.from_wildcard);
        let kind = if is_fixed { Kind::TimesOfDay } else { Kind::RealTime };
        Ok(Self { pattern, zone, kind })
    }

    /// The first match after a moment; `None` if there is none.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self.kind {
            Kind::TimesOfDay => self.next_time_of_day(after),
            Kind::RealTime => self.next_in_real_time(after),
        }
    }

    fn next_time_of_day(&self, after: Timestamp) -> Option<Timestamp> {
        let mut clock = self.zone.to_datetime(after);
        for _ in 0..STEPS_MAX {
            // The search goes by the clock. While an hour is repeated, what it finds may be over.
            clock = self.pattern.find_next_occurrence(&clock, false).ok()?;
            let moment = self.moment_of(clock)?;
            if moment > after {
                return Some(moment);
            }
        }
        None
    }

    /// When the clock shows a time for the first time, or would have if it had not jumped over it.
    fn moment_of(&self, clock: DateTime) -> Option<Timestamp> {
        match self.zone.to_ambiguous_timestamp(clock).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(clock).ok(),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(clock).ok(),
            AmbiguousOffset::Gap { before, .. } => {
                let in_gap =
                    before.to_timestamp(clock).ok()?.checked_add(SignedDuration::from_secs(1)).ok()?;
                self.zone.preceding(in_gap).next().map(|jump| jump.timestamp())
            }
        }
    }

    fn next_in_real_time(&self, after: Timestamp) -> Option<Timestamp> {
        let (mut from, mut is_inclusive) = (after, false);
        for _ in 0..STEPS_MAX {
            // Up to its next jump, the clock runs like real time.
            let offset = self.zone.to_offset(from);
            let clock = offset.to_datetime(from);
            let moment = self.pattern.find_next_occurrence(&clock, is_inclusive).ok()?;
            let moment = offset.to_timestamp(moment).ok()?;
            match self.zone.following(from).next() {
                Some(jump) if jump.timestamp() <= moment => (from, is_inclusive) = (jump.timestamp(), true),
                _ => return Some(moment),
            }
        }
        None
    }
}

/// Whether no year has a day that the pattern names, as in `0 0 31 2 *`. A search for one reads thousands of years, each time.
/// Days such as `L` and `15W` depend on the month, so they are left to the search.
fn names_no_date(pattern: &Pattern) -> bool {
    let pattern = &pattern.pattern;
    // Otherwise a day of the week is enough.
    let needs_day_of_month = pattern.is_dow_wildcard() || pattern.matches_dom_and_dow();
    let (days, months) = (&pattern.days, &pattern.months);
    if !needs_day_of_month || days.has_modifiers() || months.has_modifiers() {
        return false;
    }
    let longest = |month: &u16| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let most = months.values().iter().map(longest).max().unwrap_or(0);
    days.values().first().is_none_or(|first| *first > most)
}
