//! When the next check begins.

use super::record::Summary;
use model::Wall;
use rustix::rand::{GetRandomFlags, getrandom};
use std::time::Duration;

/// After a check that has found damage, the next one begins no later than this: what it has found may be over.
const AFTER_DAMAGE: Duration = Duration::from_secs(24 * 3_600);
/// A check that was not finished begins again after this long, or earlier if checks follow each other faster.
const AFTER_UNFINISHED: Duration = Duration::from_secs(3_600);
/// After a start, a check waits for at least this part of the interval, and at most twice as long.
const START_PART: u32 = 200;

/// How long to wait after a start. A check may be overdue, and the node's caches are cold; and nodes that start together should
/// not check together. `drawn` is any number.
pub(super) fn after_start(every: Duration, last: Option<Summary>, now: Wall, drawn: u32) -> Duration {
    let part = every / START_PART;
    let settle = part + part.mul_f64(f64::from(drawn) / f64::from(u32::MAX));
    let due = last.map_or(Duration::ZERO, |last| {
        let since = Duration::from_millis(now.0.saturating_sub(last.ended.0));
        after_check(every, Some(last)).saturating_sub(since)
    });
    due.max(settle)
}

/// How long to wait after a check that has ended.
pub(super) fn after_check(every: Duration, last: Option<Summary>) -> Duration {
    match last {
        Some(last) if last.has_found_damage => every.min(AFTER_DAMAGE),
        _ => every,
    }
}

/// How long to wait after a check that has not.
pub(super) fn after_unfinished(every: Duration) -> Duration {
    every.min(AFTER_UNFINISHED)
}

/// A random number. Without randomness, nodes wait for the same time.
pub(super) fn draw() -> u32 {
    let mut bytes = [0; 4];
    match getrandom(&mut bytes, GetRandomFlags::empty()) {
        Ok(4) => u32::from_ne_bytes(bytes),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn a_check_follows_the_last_one_also_of_an_earlier_start_and_none_begins_at_once() {
        let now = Wall(1_800_000_000_000);
        // Seconds: the interval, since the last check, the wait with the least and the greatest number drawn.
        for (every, since, least, most) in [
            (7 * DAY, None, 3_024, 6_048),
            (7 * DAY, Some(DAY), 6 * DAY, 6 * DAY),
            (7 * DAY, Some(7 * DAY - 10), 3_024, 6_048),
            (7 * DAY, Some(30 * DAY), 3_024, 6_048),
            (DAY, Some(0), DAY, DAY),
            (200, None, 1, 2),
        ] {
            let last =
                since.map(|since| Summary { ended: Wall(now.0 - since * 1_000), has_found_damage: false });
            for (drawn, want) in [(0, least), (u32::MAX, most)] {
                let wait = after_start(Duration::from_secs(every), last, now, drawn);
                assert_eq!(wait, Duration::from_secs(want), "every {every} s, {since:?}, {drawn}");
            }
        }
    }

    #[test]
    fn a_clock_that_went_back_delays_a_check_by_no_more_than_the_interval() {
        let last = Summary { ended: Wall(5_000_000), has_found_damage: false };
        let every = Duration::from_secs(DAY);
        assert_eq!(after_start(every, Some(last), Wall(0), 0), every);
    }

    #[test]
    fn damage_is_looked_for_again_within_a_day_and_what_was_not_finished_within_an_hour() {
        let last = |has_found_damage| Some(Summary { ended: Wall(0), has_found_damage });
        for (every, damaged, healthy, unfinished) in
            [(7 * DAY, DAY, 7 * DAY, 3_600), (60, 60, 60, 60), (DAY / 2, DAY / 2, DAY / 2, 3_600)]
        {
            let of = Duration::from_secs;
            assert_eq!(after_check(of(every), last(true)), of(damaged));
            assert_eq!(after_check(of(every), last(false)), of(healthy));
            assert_eq!(after_unfinished(of(every)), of(unfinished));
        }
        let wait = after_start(Duration::from_secs(7 * DAY), last(true), Wall(3_600_000), 0);
        assert_eq!(wait, Duration::from_secs(23 * 3_600), "also over a restart");
    }
}
