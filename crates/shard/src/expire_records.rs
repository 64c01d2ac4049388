//! Delete one slot's expired idempotency records, a bounded number at a time.
//!
//! *No user sees a difference.* An expired record counts as absent whether its rows are deleted or not. An
//! effect says when the slot's next record expires.

use crate::damage::bad_row;
use crate::idempotency;
use crate::overlay::Overlay;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{RecordTimerKey, TimerRange};
use model::{ExpireRecords, Order, Outcome, Timer, View, ViewError, limits};

/// A record and its timer.
const ROWS_EACH: usize = 2;

/// Decides the command.
pub(crate) fn apply<V: View>(
    expire: &ExpireRecords,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let records_max = (expire.rows_max as usize).min(limits::CLEAN_UP_ROWS_MAX) / ROWS_EACH;
    let Found { expired, next } = find(expire, records_max, overlay)?;
    for timer in expired {
        idempotency::expire(timer, overlay)?;
    }
    let Some(next) = next else { return Ok(Outcome::Progressed { more: false }) };
    overlay.set_timer(expire.slot, Timer::Records(next.deadline));
    Ok(Outcome::Progressed { more: next.deadline <= overlay.shard.elapsed })
}

struct Found {
    expired: Vec<RecordTimerKey>,
    /// The first timer after those.
    next: Option<RecordTimerKey>,
}

fn find<V: View>(
    expire: &ExpireRecords,
    records_max: usize,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Found, ViewError> {
    let now = overlay.shard.elapsed;
    let mut found = Found { expired: Vec::new(), next: None };
    let mut bad: Option<FormatError> = None;
    let range = TimerRange::record_timers(expire.slot, expire.from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, _| {
        match RecordTimerKey::decode(key) {
            Ok(timer) if timer.deadline <= now && found.expired.len() < records_max => {
                found.expired.push(timer);
                return ControlFlow::Continue(());
            }
            Ok(timer) => found.next = Some(timer),
            Err(error) => bad = Some(error),
        }
        ControlFlow::Break(())
    })?;
    bad.map_or(Ok(found), |error| Err(bad_row("record timer", error)))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};
    use model::{Effect, Elapsed, Timer};

    const DAY: &str = "wait 86400000";

    #[test]
    fn a_step_is_bounded_and_says_when_the_next_record_expires() {
        let mut store = Store::default();
        store.run("key i append cart a; key j append cart b; wait 5; key k append cart c; wait 5");
        store.run(DAY);
        let next = |store: &Store| match store.applied.effects[..] {
            [] => None,
            [Effect::TimerSet { timer: Timer::Records(at), .. }] => Some(at),
            _ => panic!("{:?}", store.applied.effects),
        };
        assert_eq!(store.run("forget cart 3"), "more");
        assert_eq!(next(&store), Some(Elapsed(86_400_000)));
        assert_eq!(store.run("forget cart 2"), "more");
        assert_eq!(next(&store), Some(Elapsed(86_400_005)));
        assert_eq!(store.run("forget cart 100"), "no more");
        assert_eq!(next(&store), None);
    }

    #[test]
    fn a_live_record_stays() {
        check(&[
            ("key k append cart _; wait 86399999; forget cart 100", "key k append cart _", "0*", "cart 0_"),
            ("key k append cart _; wait 86400000; forget cart 100", "key k append cart _", "1", "cart 0_ 1_"),
            ("", "forget cart 100", "no more", ""),
        ]);
    }
}
