//! Stop waiting for a lease.
//!
//! *Who stops waiting is not granted the lease later.* If it was granted just before, it goes to the next one, for
//! no one has learned of the grant. If the holder has asked again since, it is that request that counts, and this
//! command changes nothing. So it may be late, or come twice.

use super::state::Lease;
use crate::overlay::Overlay;
use model::{Outcome, View, ViewError, WithdrawLease};

/// Decides the command.
pub(crate) fn apply<V: View>(
    withdraw: &WithdrawLease<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let now = overlay.shard.elapsed;
    let mut lease = Lease::load(&withdraw.lease, overlay)?;
    lease.settle(overlay)?;
    match lease.waiter(&withdraw.holder, overlay)? {
        Some(row) if row.asked == withdraw.asked => lease.remove(&withdraw.holder, &row, overlay)?,
        _ => {
            let ours = lease.place_of(&withdraw.holder, now);
            if let Some(place) = ours.filter(|place| lease.row.holders[*place].asked == withdraw.asked) {
                lease.row.holders.remove(place);
                lease.settle(overlay)?;
            }
        }
    }
    lease.store(overlay);
    Ok(Outcome::LeaseWithdrawn)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};

    #[test]
    fn who_stops_waiting_leaves_the_queue_as_it_is_for_the_others() {
        let queue = "acquire lock by a; acquire lock by b wait 90; acquire lock by c wait 90; acquire lock by d wait 90";
        for (who, after) in [("b", "lock: a < c d"), ("c", "lock: a < b d"), ("d", "lock: a < b c")] {
            let mut store = Store::default();
            store.run(queue);
            assert_eq!(store.run(&alloc::format!("withdraw lock of {who}")), "withdrawn");
            assert_eq!(store.state(), after);
        }
    }

    #[test]
    fn a_grant_of_which_no_one_has_learned_goes_to_the_next() {
        check(&[
            (
                "acquire lock by a; acquire lock by b wait 90; acquire lock by c wait 90; release lock of a",
                "withdraw lock of b",
                "withdrawn",
                "lock: c",
            ),
            ("acquire lock by a; wait 1000", "withdraw lock of a", "withdrawn", "lock:"),
        ]);
    }

    #[test]
    fn a_late_withdrawal_does_nothing_to_a_later_request() {
        let mut store = Store::default();
        store.run("acquire lock by a; acquire lock by b wait 90");
        let late = store.command_of("withdraw lock of b");
        store.run("acquire lock by b wait 900");
        store.apply(late.clone());
        assert_eq!(store.state(), "lock: a < b");
        store.run("release lock of a; acquire lock by b");
        store.apply(late);
        assert_eq!(store.state(), "lock: b");
    }
}
