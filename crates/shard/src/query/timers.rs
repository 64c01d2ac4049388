//! Which command the node should propose on its own, and when to check again.
//!
//! Time enters through the log: nothing expires until an entry says so. The node checks when an effect says
//! so, when a timer comes due, after one of its own commands was applied, and once when it starts to lead.

use crate::damage::bad_row;
use crate::shard::FIRST_SLOT;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{
    CleanUpKey, KindRange, RecordTimerKey, WallTimerKey, clean_ups, decode_name, record_timers, wall_timers,
};
use model::{
    CleanUp, Command, Elapsed, EntryClock, ExpireEvents, Order, StreamName, View, ViewError, Wall, limits,
};

/// The next moments at which something may be due, by each clock. Clean-up work is always due at once and has
/// no moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    pub wall: Option<Wall>,
    pub elapsed: Option<Elapsed>,
}

/// The command to propose at `clock`, one at a time; `None` when nothing is due. The longest overdue work
/// comes first, so that no kind of work starves another.
///
/// # Errors
/// [`ViewError`].
pub fn due(view: &impl View, clock: EntryClock) -> Result<Option<Command<'static>>, ViewError> {
    let wall = first(view, wall_timers(FIRST_SLOT), wall_timer)?;
    let expiry = wall.and_then(|(timer, stream)| {
        let overdue_ms = clock.wall.0.checked_sub(timer.deadline.0)?;
        Some((overdue_ms, Command::ExpireEvents(ExpireEvents { stream })))
    });
    let clean_up = || Command::CleanUp(CleanUp { rows_max: limits::CLEAN_UP_ROWS_MAX as u32 });
    let work = first(view, clean_ups(FIRST_SLOT), |key, _| CleanUpKey::decode(key))?
        .map(|work| (clock.wall.0.saturating_sub(work.queued.wall().0), clean_up()));
    let records =
        first(view, record_timers(FIRST_SLOT), |key, _| RecordTimerKey::decode(key))?.and_then(|timer| {
            let overdue_ms = clock.elapsed.0.checked_sub(timer.deadline.0)?;
            Some((overdue_ms, clean_up()))
        });
    let most_overdue =
        [expiry, work, records].into_iter().flatten().max_by_key(|(overdue_ms, _)| *overdue_ms);
    Ok(most_overdue.map(|(_, command)| command))
}

/// When to check [`due`] again.
///
/// # Errors
/// [`ViewError`].
pub fn next_deadline(view: &impl View) -> Result<Deadlines, ViewError> {
    let wall = first(view, wall_timers(FIRST_SLOT), |key, _| WallTimerKey::decode(key))?;
    let elapsed = first(view, record_timers(FIRST_SLOT), |key, _| RecordTimerKey::decode(key))?;
    Ok(Deadlines { wall: wall.map(|timer| timer.deadline), elapsed: elapsed.map(|timer| timer.deadline) })
}

fn wall_timer(key: &[u8], value: &[u8]) -> Result<(WallTimerKey, StreamName<'static>), FormatError> {
    Ok((WallTimerKey::decode(key)?, decode_name(value)?.into_owned()))
}

/// The first row of a range.
fn first<T>(
    view: &impl View,
    range: KindRange,
    decode: impl Fn(&[u8], &[u8]) -> Result<T, FormatError>,
) -> Result<Option<T>, ViewError> {
    let mut found = None;
    view.scan(range.as_range(), Order::Ascending, &mut |key, value| {
        found = Some(decode(key, value));
        ControlFlow::Break(())
    })?;
    found.transpose().map_err(|error| bad_row("timer", error))
}

#[cfg(test)]
mod tests {
    use crate::testing::Store;
    use model::Command;

    #[test]
    fn the_longest_overdue_work_comes_first() {
        let mut store = Store::default();
        store.run("keep a age 1000; append a x; append b y; wait 60000; delete b");
        assert!(matches!(store.due(), Some(Command::ExpireEvents(_))), "due for 59 seconds");
        let Some(expire) = store.due() else { panic!("nothing is due") };
        store.apply(expire);
        assert!(matches!(store.due(), Some(Command::CleanUp(_))));
        store.run("append a z; wait 90000");
        assert!(
            matches!(store.due(), Some(Command::CleanUp(_))),
            "a timer that came due a second ago does not overtake it"
        );
        store.run("clean 1024");
        assert!(matches!(store.due(), Some(Command::ExpireEvents(_))));
        store.run("expire a; clean 1024");
        assert_eq!(store.due(), None);
    }
}
