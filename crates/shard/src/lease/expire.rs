//! Hand over one slot's leases that have expired, a bounded number at a time.
//!
//! *A lease that expires goes to the holder that has waited longest, although no client does anything.* Besides, the
//! rows of waits that have ended are deleted, and those of leases that are not used any more.

use super::state::Lease;
use crate::damage::bad_row;
use crate::overlay::Overlay;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::LeaseTimerKey;
use model::{Elapsed, ExpireLeases, LeaseName, Order, Outcome, Timer, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<V: View>(
    expire: &ExpireLeases,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let leases_max = (expire.leases_max as usize).min(limits::ENTRY_OWN_LEASES_MAX);
    let Found { due, next } = find(expire, leases_max, overlay)?;
    for (name, deadline) in due {
        let mut lease = Lease::load(&name, overlay)?;
        if lease.row.timer != deadline {
            return Err(crate::damage::contradiction("a lease's timer is not the one that its row names"));
        }
        lease.settle(overlay)?;
        lease.store_after_timer(overlay);
    }
    let Some(next) = next else { return Ok(Outcome::Progressed { more: false }) };
    overlay.set_timer(expire.slot, Timer::Leases(next));
    Ok(Outcome::Progressed { more: next <= overlay.shard.elapsed })
}

struct Found {
    due: Vec<(LeaseName<'static>, Elapsed)>,
    /// The first timer after those.
    next: Option<Elapsed>,
}

fn find<V: View>(
    expire: &ExpireLeases,
    leases_max: usize,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Found, ViewError> {
    let now = overlay.shard.elapsed;
    let mut found = Found { due: Vec::new(), next: None };
    let mut bad: Option<FormatError> = None;
    let range = LeaseTimerKey::timers(expire.slot, expire.from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, _| {
        match LeaseTimerKey::decode(key) {
            Ok(timer) if timer.deadline <= now && found.due.len() < leases_max => {
                found.due.push((timer.lease.into_owned(), timer.deadline));
                return ControlFlow::Continue(());
            }
            Ok(timer) => found.next = Some(timer.deadline),
            Err(error) => bad = Some(error),
        }
        ControlFlow::Break(())
    })?;
    bad.map_or(Ok(found), |error| Err(bad_row("lease timer", error)))
}

#[cfg(test)]
mod tests {
    use crate::testing::Store;
    use alloc::format;

    #[test]
    fn the_node_hands_over_each_lease_when_it_expires() {
        let mut store = Store::default();
        for at in 0..40 {
            store.run(&format!("acquire l{at} by a ttl {}; acquire l{at} by b wait 90000", 1_000 + at));
        }
        for at in 0..40 {
            let due = store.agenda.next().elapsed.unwrap();
            assert!(due.0 <= 1_000 + at, "the timer of the next lease is set");
            let to = (1_000 + at) - store.elapsed.0;
            store.run(&format!("wait {to}"));
            store.do_what_is_due();
            assert!(store.state().contains(&format!("l{at}: b")), "{}", store.state());
        }
    }

    #[test]
    fn a_lease_that_is_not_used_leaves_no_row() {
        let mut store = Store::default();
        store.run("acquire lock by a; acquire lock by b wait 500; acquire lock by c wait 700; wait 400");
        store.run("release lock of a; release lock of b; withdraw lock of c");
        assert_eq!(store.rows_of_leases(), [1, 0, 1]);
        store.run("wait 60000");
        store.do_what_is_due();
        assert_eq!(store.rows_of_leases(), [0, 0, 0]);
        assert_eq!(store.agenda.next().elapsed, None);
    }

    #[test]
    fn who_has_stopped_waiting_leaves_no_row_although_the_lease_stays_held() {
        for (script, waiting) in [
            ("acquire lock by b wait 100; acquire lock by c wait 100; wait 1000", 0),
            // Someone else has left the queue, by itself or because its wait was over.
            ("acquire lock by b wait 100; acquire lock by c wait 100; withdraw lock of b; wait 1000", 0),
            ("acquire lock by b wait 100; acquire lock by c wait 1500; wait 1000", 1),
            ("acquire lock by b wait 100; acquire lock by c wait 1500; wait 1000; hand lock 9; wait 1000", 0),
        ] {
            let mut store = Store::default();
            store.run(&format!("acquire lock by a ttl 60000; {script}"));
            store.do_what_is_due();
            assert_eq!(store.rows_of_leases(), [1, waiting, 1], "{script}");
        }
    }

    #[test]
    fn a_lease_that_is_taken_and_released_often_writes_one_timer() {
        let mut store = Store::default();
        store.run("acquire lock by a; release lock of a");
        for _ in 0..50 {
            store.run("wait 1; acquire lock by a ttl 3000; wait 1; renew lock of a; release lock of a");
            let timers = store.applied.writes.0.iter().filter(|(key, _)| key[6] == 136).count();
            assert_eq!((timers, store.rows_of_leases()), (0, [1, 0, 1]));
        }
    }

    #[test]
    fn a_step_is_bounded_and_says_whether_more_is_due() {
        let mut store = Store::default();
        for at in 0..5 {
            store.run(&format!("acquire l{at}{{t}} by a"));
        }
        store.run("wait 1000");
        assert_eq!(store.run("hand {t} 3"), "more");
        assert_eq!(store.rows_of_leases(), [2, 0, 2]);
        assert_eq!(store.run("hand {t} 3"), "no more");
        assert_eq!(store.rows_of_leases(), [0, 0, 0]);
    }
}
