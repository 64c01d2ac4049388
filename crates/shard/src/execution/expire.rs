//! Free the keys of one slot whose time is over, a bounded number at a time.
//!
//! *No user sees a difference, except that who waits for a key is told.* A key whose time is over counts as free for
//! `begin`, whether its rows are deleted or not.

use super::Execution;
use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::ExecutionTimerKey;
use model::{Elapsed, ExecutionKey, ExpireExecutions, Order, Outcome, Timer, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<V: View>(
    expire: &ExpireExecutions,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let executions_max = (expire.executions_max as usize).min(limits::ENTRY_OWN_EXECUTIONS_MAX);
    let Found { due, next } = find(expire, executions_max, overlay)?;
    for (key, deadline) in due {
        let execution = Execution::load(&key, overlay)?;
        if execution.row()?.is_none_or(|row| row.expires != deadline) {
            return Err(contradiction("an execution's timer is not the one of its row"));
        }
        execution.remove(overlay)?;
    }
    let Some(next) = next else { return Ok(Outcome::Progressed { more: false }) };
    overlay.set_timer(expire.slot, Timer::Executions(next));
    Ok(Outcome::Progressed { more: next <= overlay.shard.elapsed })
}

struct Found {
    due: Vec<(ExecutionKey<'static>, Elapsed)>,
    /// The first timer after those.
    next: Option<Elapsed>,
}

fn find<V: View>(
    expire: &ExpireExecutions,
    executions_max: usize,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Found, ViewError> {
    let now = overlay.shard.elapsed;
    let mut found = Found { due: Vec::new(), next: None };
    let mut bad: Option<FormatError> = None;
    let range = ExecutionTimerKey::timers(expire.slot, expire.from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, _| {
        match ExecutionTimerKey::decode(key) {
            Ok(timer) if timer.deadline <= now && found.due.len() < executions_max => {
                found.due.push((timer.key.into_owned(), timer.deadline));
                return ControlFlow::Continue(());
            }
            Ok(timer) => found.next = Some(timer.deadline),
            Err(error) => bad = Some(error),
        }
        ControlFlow::Break(())
    })?;
    bad.map_or(Ok(found), |error| Err(bad_row("execution timer", error)))
}

#[cfg(test)]
mod tests {
    use crate::testing::Store;
    use alloc::format;

    #[test]
    fn the_node_frees_each_key_when_its_time_is_over() {
        let mut store = Store::default();
        for at in 0..40 {
            store.run(&format!("begin k{at} by a ttl {}", 1_000 + at));
        }
        store.run("complete k7 with 201");
        for at in 0..40 {
            let due = store.agenda.next().elapsed.unwrap();
            assert!(due.0 <= 1_000 + at, "the timer of the next key is set");
            store.run(&format!("wait {}", (1_000 + at) - store.elapsed.0));
            store.do_what_is_due();
            assert_eq!(store.state().contains(&format!("k{at} ")), at == 7, "{}", store.state());
        }
        assert_eq!(store.state(), "k7 is 201");
        store.run("wait 10000");
        store.do_what_is_due();
        assert_eq!((store.state().as_str(), store.rows_of_executions()), ("", [0, 0]));
        assert_eq!(store.agenda.next().elapsed, None);
    }

    #[test]
    fn each_key_with_a_row_has_one_timer() {
        let mut store = Store::default();
        for (script, rows) in [
            ("begin pay by a", [1, 1]),
            ("begin pay by b", [1, 1]),
            ("wait 1000; begin pay by b", [1, 1]),
            ("complete pay with 201", [1, 1]),
            ("begin tax by a", [2, 2]),
            ("abandon tax", [1, 1]),
            ("forget-key pay", [0, 0]),
        ] {
            store.run(script);
            assert_eq!(store.rows_of_executions(), rows, "{script}");
        }
    }

    #[test]
    fn a_step_is_bounded_and_says_whether_more_is_due() {
        let mut store = Store::default();
        for at in 0..5 {
            store.run(&format!("begin k{at}{{t}} by a"));
        }
        store.run("wait 1000");
        assert_eq!(store.run("free {t} 3"), "more");
        assert_eq!(store.rows_of_executions(), [2, 2]);
        assert_eq!(store.run("free {t} 3"), "no more");
        assert_eq!(store.rows_of_executions(), [0, 0]);
    }
}
