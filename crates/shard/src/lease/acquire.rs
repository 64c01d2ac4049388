//! Grant a lease, or let the holder wait for its turn.
//!
//! *A lease has at most as many holders at a time as it has permits: usually one. Who asks first gets it first.* A
//! holder that asks again for what it has gets the same token, and its time goes on as before: a retry changes
//! nothing. A holder that asks again while it waits keeps its place, and waits for as long as it says now.
//!
//! If the lease is not free, a holder that does not wait is refused, and so is every new one while the queue is full. While a
//! lease is in use, everyone must ask for the same number of permits.
//!
//! The token of a grant is greater than that of every earlier grant of the lease.

use super::state::Lease;
use crate::overlay::Overlay;
use format::row::LeaseWaiterRow;
use model::{AcquireLease, Cursor, Elapsed, Granted, Outcome, Refusal, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<V: View>(
    acquire: &AcquireLease<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let mut lease = Lease::load(&acquire.lease, overlay)?;
    lease.settle(overlay)?;
    let outcome = decide(acquire, &mut lease, overlay)?;
    lease.store(overlay);
    Ok(outcome)
}

fn decide<V: View>(
    acquire: &AcquireLease<'_>,
    lease: &mut Lease<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let now = overlay.shard.elapsed;
    if lease.is_in_use() && lease.row.permits != acquire.permits {
        return Ok(Outcome::Refused(Refusal::LeasePermitsDiffer { permits: lease.row.permits }));
    }
    lease.row.permits = acquire.permits;
    if let Some(place) = lease.place_of(&acquire.holder, now) {
        let holder = &mut lease.row.holders[place];
        holder.asked = overlay.take_position();
        holder.since = now;
        let token = Cursor::new(holder.token, lease.slot);
        let remaining_ms = holder.expires.0.saturating_sub(now.0);
        return Ok(Outcome::LeaseGranted(Granted { token, remaining_ms, replayed: true }));
    }
    // After the hand-over, no one waits for a permit that is free.
    if lease.has_free_permit() {
        let mut waiter = waiter(acquire, now);
        waiter.asked = overlay.take_position();
        let token = lease.grant(acquire.holder.clone().into_owned(), &waiter, overlay);
        return Ok(Outcome::LeaseGranted(Granted { token, remaining_ms: acquire.ttl_ms, replayed: false }));
    }
    if acquire.wait_ms == 0 {
        return Ok(Outcome::Refused(lease.held(now)));
    }
    await_turn(acquire, lease, overlay)
}

fn await_turn<V: View>(
    acquire: &AcquireLease<'_>,
    lease: &mut Lease<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let mut before = lease.waiter(&acquire.holder, overlay)?;
    // A wait that has ended keeps no place.
    if let Some(row) = before.take_if(|row| row.until <= overlay.shard.elapsed) {
        lease.remove(&acquire.holder, &row, overlay)?;
    }
    if before.is_none() && lease.row.waiting >= limits::LEASE_WAITERS_MAX {
        return Ok(Outcome::Refused(Refusal::LeaseQueueFull));
    }
    let mut row = waiter(acquire, overlay.shard.elapsed);
    row.asked = overlay.take_position();
    let asked = row.asked;
    match before {
        Some(before) => {
            row.before = before.before;
            row.after = before.after;
            lease.put_waiter(&acquire.holder, &row, overlay);
        }
        None => lease.push_last(&acquire.holder, row, overlay)?,
    }
    Ok(Outcome::LeaseAwaited { asked })
}

fn waiter(acquire: &AcquireLease<'_>, now: Elapsed) -> LeaseWaiterRow {
    LeaseWaiterRow {
        asked: model::Position::ZERO,
        since: now,
        ttl_ms: acquire.ttl_ms,
        hold_off_ms: acquire.hold_off_ms,
        until: Elapsed(now.0.saturating_add(acquire.wait_ms)),
        before: None,
        after: None,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};
    use alloc::format;
    use model::limits;

    #[test]
    fn a_lease_has_one_holder_at_a_time() {
        check(&[
            ("", "acquire lock by a", "granted 1000", "lock: a"),
            ("acquire lock by a", "acquire lock by b", "held 1000", "lock: a"),
            ("acquire lock by a; wait 999", "acquire lock by b", "held 1", "lock: a"),
            ("acquire lock by a; acquire other by b", "acquire lock by b", "held 1000", "lock: a, other: b"),
        ]);
    }

    #[test]
    fn a_lease_that_has_expired_is_free_whether_the_node_has_noticed_it_or_not() {
        check(&[
            ("acquire lock by a; wait 1000", "acquire lock by b", "granted 1000", "lock: b"),
            ("acquire lock by a; wait 1000; hand lock 9", "acquire lock by b", "granted 1000", "lock: b"),
            ("acquire lock by a; wait 1000", "acquire lock by a", "granted 1000", "lock: a"),
        ]);
    }

    #[test]
    fn a_holder_that_asks_again_gets_what_it_has() {
        check(&[
            ("acquire lock by a; wait 400", "acquire lock by a", "had 600", "lock: a"),
            ("acquire lock by a; wait 400", "acquire lock by a ttl 9000 wait 10", "had 600", "lock: a"),
            (
                "acquire lock by a; acquire lock by b wait 900; acquire lock by c wait 900",
                "acquire lock by b wait 5000",
                "waits",
                "lock: a < b c",
            ),
        ]);
        let mut store = Store::default();
        store.run("acquire lock by a");
        let first = store.token("lock", "a").0;
        store.run("wait 10; acquire lock by a");
        assert_eq!(store.token("lock", "a").0, first);
    }

    #[test]
    fn the_token_of_a_grant_is_greater_than_that_of_every_grant_before() {
        let mut store = Store::default();
        let mut last = model::Cursor::START;
        let ends = [
            "release lock of a",
            "wait 1000",
            "wait 1000; hand lock 9",
            "release lock of a; wait 2000; hand lock 9",
            "acquire lock by a wait 9; withdraw lock of a",
        ];
        for end in ends {
            // The shard's wall may stand still.
            store.wall.0 = 1_000_000;
            store.run("acquire lock by a");
            let token = store.token("lock", "a").0;
            assert!(token > last, "{token} after {last}, before {end:?}");
            last = token;
            store.run(end);
        }
        assert_eq!(store.lease_row("lock").map(|row| row.holders.len()), Some(0));
    }

    #[test]
    fn who_asks_first_gets_the_lease_first() {
        check(&[
            (
                "acquire lock by a; acquire lock by b wait 9000; acquire lock by c wait 9000",
                "release lock of a",
                "released",
                "lock: b < c",
            ),
            (
                "acquire lock by a; acquire lock by b wait 9000; acquire lock by c wait 9000; wait 1000",
                "hand lock 9",
                "no more",
                "lock: b < c",
            ),
            (
                "acquire lock by a; acquire lock by b wait 500; acquire lock by c wait 9000; wait 500",
                "acquire lock by b wait 500",
                "waits",
                "lock: a < c b",
            ),
            // The last holder to ask finds that the lease went to the waiting one.
            (
                "acquire lock by a; acquire lock by b wait 9000; wait 1000",
                "acquire lock by c",
                "held 1000",
                "lock: b",
            ),
            (
                "acquire lock by a; acquire lock by b wait 9000; release lock of a",
                "acquire lock by a wait 9000",
                "waits",
                "lock: b < a",
            ),
            (
                "acquire lock by a; acquire lock by b wait 9000; wait 1000",
                "acquire lock by a wait 9000",
                "waits",
                "lock: b < a",
            ),
        ]);
    }

    #[test]
    fn who_has_waited_for_as_long_as_it_said_is_passed_over() {
        check(&[
            (
                "acquire lock by a; acquire lock by b wait 999; acquire lock by c wait 9000; wait 1000",
                "hand lock 9",
                "no more",
                "lock: c",
            ),
            (
                "acquire lock by a; acquire lock by b wait 1000; wait 1000",
                "acquire lock by c",
                "granted 1000",
                "lock: c",
            ),
            (
                "acquire lock by a ttl 60000; acquire lock by b wait 500; acquire lock by c wait 9000; wait 1000",
                "hand lock 9",
                "no more",
                "lock: a < c",
            ),
        ]);
    }

    #[test]
    fn a_lease_with_several_permits_has_as_many_holders() {
        check(&[
            ("acquire pool by a permits 2", "acquire pool by b permits 2", "granted 1000", "pool: a b"),
            (
                "acquire pool by a permits 2; wait 5; acquire pool by b permits 2",
                "acquire pool by c permits 2",
                "held 995",
                "pool: a b",
            ),
            (
                "acquire pool by a permits 2; acquire pool by b permits 2; acquire pool by c permits 2 wait 90",
                "release pool of b",
                "released",
                "pool: a c",
            ),
            ("acquire pool by a permits 2", "acquire pool by b", "has 2 permits", "pool: a"),
            (
                "acquire pool by a permits 2; release pool of a",
                "acquire pool by b",
                "granted 1000",
                "pool: b",
            ),
        ]);
    }

    #[test]
    fn a_lease_that_expires_may_be_held_off_for_a_while() {
        check(&[
            ("acquire lock by a hold 500; wait 1000", "acquire lock by b", "held 500", "lock: a off"),
            ("acquire lock by a hold 500; wait 1000", "acquire lock by a", "held 500", "lock: a off"),
            (
                "acquire lock by a hold 500; wait 1499",
                "renew lock of a",
                "part 0 has lost the lease",
                "lock: a off",
            ),
            ("acquire lock by a hold 500; wait 1500", "acquire lock by b", "granted 1000", "lock: b"),
            ("acquire lock by a hold 500; release lock of a", "acquire lock by b", "granted 1000", "lock: b"),
            (
                "acquire lock by a hold 500; acquire lock by b wait 9000; wait 1499; hand lock 9; wait 1",
                "hand lock 9",
                "no more",
                "lock: b",
            ),
        ]);
    }

    #[test]
    fn a_full_queue_refuses_new_holders_only() {
        let mut store = Store::default();
        store.run("acquire lock by a ttl 60000");
        for at in 0..limits::LEASE_WAITERS_MAX {
            assert_eq!(store.run(&format!("acquire lock by w{at} wait 5000")), "waits");
        }
        assert_eq!(store.run("acquire lock by late wait 5000"), "the queue is full");
        assert_eq!(store.run("acquire lock by w7 wait 9000"), "waits");
        // All but one have waited for long enough.
        assert_eq!(store.run("wait 5000; acquire lock by late wait 5000"), "waits");
        assert_eq!(store.queue("lock"), ["w7", "late"]);
    }
}
