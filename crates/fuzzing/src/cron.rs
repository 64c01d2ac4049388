//! Cron expressions, intervals and exclusions, in zones whose clocks jump.

use calendar::Calendar;
use model::{CatchUp, Overlap, ScheduleRules, Timing, Wall};

/// Zones with jumps of an hour, half an hour, at midnight, and of a day; and without any.
const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "No/Such",
];
/// Ticks that are looked at.
const TICKS: usize = 4;

/// A byte for the zone, four for the time after which ticks are asked for, and the expression. A line break divides it
/// from an exclusion.
pub fn expression(bytes: &[u8]) {
    let Some(([zone, time @ ..], text)) = bytes.split_first_chunk::<5>() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    // Up to the year 2106.
    let after = Wall(u64::from(u32::from_le_bytes(*time)) * 1_000);
    let (expression, exclusion) =
        text.split_once('\n').map_or((text, None), |(text, rest)| (text, Some(rest)));
    let zone = ZONES[usize::from(*zone) % ZONES.len()];
    let timing = Timing::Cron { expression: expression.into(), zone: zone.into() };
    let rules = ScheduleRules {
        timing,
        start: None,
        end: None,
        exclusions: exclusion.map(Into::into).into_iter().collect(),
        runs_max: None,
        jitter_ms: 0,
        catch_up: CatchUp::One,
        late_ms: 60_000,
        overlap: Overlap::Skip,
        pause_on_failure: false,
    };
    let Ok(calendar) = Calendar::new(&rules, after) else { return };
    let mut last = after;
    for tick in calendar.after(after).take(TICKS) {
        assert!(tick > last, "{expression:?} in {zone}: {tick:?} after {last:?}");
        // Asked a millisecond before it, the calendar says the same.
        let before = Wall(tick.0 - 1);
        assert_eq!(calendar.next(before.max(last)), Some(tick), "{expression:?} in {zone}");
        last = tick;
    }
}
