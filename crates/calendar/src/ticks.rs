//! The ticks of one schedule.

use crate::cron::Cron;
use crate::exclusion::Exclusion;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use model::{ScheduleRules, Timing, Wall};
use thiserror::Error;

/// Why the ticks of a schedule cannot be computed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{why}")]
pub struct CalendarError {
    pub part: Part,
    pub why: String,
}

/// What is wrong about a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Cron,
    Zone,
    /// The number of the exclusion.
    Exclusion(usize),
}

impl CalendarError {
    fn new(part: Part, why: impl Into<String>) -> Self {
        Self { part, why: why.into() }
    }
}

/// When a schedule is due.
#[derive(Debug)]
pub struct Calendar {
    pattern: Pattern,
    start: Option<Wall>,
    end: Option<Wall>,
    exclusions: Vec<Exclusion>,
}

#[derive(Debug)]
enum Pattern {
    Cron(Box<Cron>),
    Every { ms: u64, anchor: Wall },
}

impl Calendar {
    /// The calendar of a schedule that was put at `put`.
    ///
    /// # Errors
    /// [`CalendarError`]: what is wrong with its rules.
    pub fn new(rules: &ScheduleRules<'_>, put: Wall) -> Result<Self, CalendarError> {
        let (pattern, zone) = match &rules.timing {
            Timing::Every(ms) => {
                let anchor = rules.start.unwrap_or(put);
                (Pattern::Every { ms: (*ms).max(1), anchor }, TimeZone::UTC)
            }
            Timing::Cron { expression, zone } => {
                let zone = TimeZone::get(zone).map_err(|_| {
                    CalendarError::new(
                        Part::Zone,
                        format!("`{zone}` is not a time zone, such as `Europe/Berlin`"),
                    )
                })?;
                let cron = Cron::new(expression, zone.clone()).map_err(|why| {
                    CalendarError::new(Part::Cron, format!("`{expression}` is not a cron expression: {why}"))
                })?;
                (Pattern::Cron(Box::new(cron)), zone)
            }
        };
        let exclusion = |(at, text): (usize, &std::borrow::Cow<'_, str>)| {
            let why = "this must be a day such as `2026-12-25`, or a range such as \
                `2026-12-24T12:00:00Z/2026-12-27T00:00:00Z`";
            Exclusion::parse(text, &zone).ok_or_else(|| CalendarError::new(Part::Exclusion(at), why))
        };
        let exclusions = rules.exclusions.iter().enumerate().map(exclusion).collect::<Result<_, _>>()?;
        Ok(Self { pattern, start: rules.start, end: rules.end, exclusions })
    }

    /// The first tick after a moment; `None` if there are no more.
    #[must_use]
    pub fn next(&self, after: Wall) -> Option<Wall> {
        let mut after = match self.start {
            Some(Wall(start)) if after.0 < start => {
                // Its start may be a tick.
                Wall(start.checked_sub(1)?)
            }
            _ => after,
        };
        // Each search moves beyond an exclusion.
        for _ in 0..=self.exclusions.len() {
            let tick = self.next_of_pattern(after)?;
            if self.end.is_some_and(|end| tick > end) {
                return None;
            }
            let moment = moment(tick)?;
            let Some(excluded) = self.exclusions.iter().find(|excluded| excluded.contains(moment)) else {
                return Some(tick);
            };
            after = Wall(wall(excluded.to)?.0.checked_sub(1)?);
        }
        None
    }

    /// The ticks after a moment, in order.
    pub fn after(&self, after: Wall) -> impl Iterator<Item = Wall> {
        std::iter::successors(self.next(after), |tick| self.next(*tick))
    }

    fn next_of_pattern(&self, after: Wall) -> Option<Wall> {
        match &self.pattern {
            Pattern::Cron(cron) => wall(cron.next(moment(after)?)?),
            Pattern::Every { anchor, .. } if after < *anchor => Some(*anchor),
            Pattern::Every { ms, anchor } => {
                let passed = (after.0 - anchor.0) / ms;
                anchor.0.checked_add((passed + 1).checked_mul(*ms)?).map(Wall)
            }
        }
    }
}

fn moment(wall: Wall) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(wall.0).ok()?).ok()
}

/// The millisecond of a moment. Exclusions may end within one, and then end with it.
fn wall(moment: Timestamp) -> Option<Wall> {
    let up = moment.checked_add(SignedDuration::from_nanos(999_999)).ok()?;
    u64::try_from(up.as_millisecond()).ok().map(Wall)
}
