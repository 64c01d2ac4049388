//! Give a lease back.
//!
//! *The lease goes to the holder that has waited longest, at once.* Only who holds the lease can release it: a token of
//! an earlier grant, or of a lease that has expired, is refused and changes nothing. A lease that is released is not
//! held off.

use super::state::Lease;
use crate::overlay::Overlay;
use model::{Outcome, Refusal, ReleaseLease, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    release: &ReleaseLease<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let now = overlay.shard.elapsed;
    let mut lease = Lease::load(&release.lease, overlay)?;
    lease.settle(overlay)?;
    let outcome = match lease.with_token(release.token, now) {
        None => Outcome::Refused(Refusal::LeaseLost { part: 0 }),
        Some(_) => {
            lease.row.holders.retain(|holder| holder.token != release.token.position);
            lease.settle(overlay)?;
            Outcome::LeaseReleased
        }
    };
    lease.store(overlay);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};
    use format::row::{lease_key, lease_waiter_key};
    use model::{Effect, LeaseName, Namespace};

    #[test]
    fn only_who_holds_the_lease_can_release_it() {
        const LOST: &str = "part 0 has lost the lease";
        check(&[
            ("acquire lock by a", "release lock of a", "released", "lock:"),
            ("acquire lock by a; release lock of a", "release lock of a", LOST, "lock:"),
            ("acquire lock by a; wait 1000; acquire lock by b", "release lock of a", LOST, "lock: b"),
            ("acquire lock by a; wait 1000", "release lock of a", LOST, "lock:"),
        ]);
    }

    #[test]
    fn only_who_is_granted_the_lease_is_told_and_who_watches_it() {
        let mut store = Store::default();
        store.run(
            "acquire lock by a; acquire lock by b wait 900; acquire lock by c wait 900; release lock of a",
        );
        let slot = LeaseName::new("lock").unwrap().slot(Namespace::ROOT);
        let lease = lease_key(slot, Namespace::ROOT, "lock");
        let granted = lease_waiter_key(slot, Namespace::ROOT, "lock", "b");
        let told = [lease, granted].map(|key| Effect::Notify { key });
        assert_eq!(store.applied.effects, told);
    }

    #[test]
    fn who_watches_a_lease_is_told_when_its_holder_or_its_queue_changes() {
        let slot = LeaseName::new("lock").unwrap().slot(Namespace::ROOT);
        let told = Effect::Notify { key: lease_key(slot, Namespace::ROOT, "lock") };
        let mut store = Store::default();
        for (script, is_told) in [
            ("acquire lock by a", true),
            ("acquire lock by a", false),
            ("acquire lock by b", false),
            ("renew lock of a ttl 500", false),
            ("acquire lock by b wait 100", true),
            ("acquire lock by b wait 900", false),
            ("acquire lock by c wait 900", true),
            ("acquire lock by d wait 900", true),
            ("withdraw lock of c", true),
            ("withdraw lock of d", true),
            ("wait 1000; hand lock 9", true),
        ] {
            store.run(script);
            assert_eq!(store.applied.effects.contains(&told), is_told, "{script}");
        }
    }
}
