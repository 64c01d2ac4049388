//! Restart the time of a lease.
//!
//! *Only who holds the lease can renew it.* A token of an earlier grant, or of a lease that has expired, is refused,
//! even if no one has taken the lease since. A renewal never shortens the time: who misses the outcome of a renewal
//! may still count on the time that it knew of.

use super::state::Lease;
use crate::overlay::Overlay;
use model::{Elapsed, Outcome, Refusal, RenewLease, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    renew: &RenewLease<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let now = overlay.shard.elapsed;
    let mut lease = Lease::load(&renew.lease, overlay)?;
    lease.settle(overlay)?;
    let outcome = match lease.with_token(renew.token, now) {
        None => Outcome::Refused(Refusal::LeaseLost { part: 0 }),
        Some(holder) => {
            holder.ttl_ms = renew.ttl_ms.unwrap_or(holder.ttl_ms);
            holder.expires = holder.expires.max(Elapsed(now.0.saturating_add(holder.ttl_ms)));
            Outcome::LeaseRenewed { remaining_ms: holder.expires.0.saturating_sub(now.0) }
        }
    };
    lease.store(overlay);
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use crate::testing::check;

    #[test]
    fn a_renewal_restarts_the_time() {
        check(&[
            ("acquire lock by a; wait 900", "renew lock of a", "renewed 1000", "lock: a"),
            ("acquire lock by a; wait 900", "renew lock of a ttl 5000", "renewed 5000", "lock: a"),
            (
                "acquire lock by a; renew lock of a ttl 5000; wait 1000",
                "renew lock of a",
                "renewed 5000",
                "lock: a",
            ),
            (
                "acquire lock by a; wait 900; renew lock of a; wait 999",
                "acquire lock by b",
                "held 1",
                "lock: a",
            ),
            (
                "acquire lock by a; acquire lock by b wait 9000; wait 900; renew lock of a; wait 100",
                "hand lock 9",
                "no more",
                "lock: a < b",
            ),
        ]);
    }

    #[test]
    fn a_renewal_never_shortens_the_time() {
        check(&[(
            "acquire lock by a ttl 9000; wait 1000",
            "renew lock of a ttl 1000",
            "renewed 8000",
            "lock: a",
        )]);
    }

    #[test]
    fn who_has_lost_the_lease_cannot_renew_it() {
        const LOST: &str = "part 0 has lost the lease";
        check(&[
            ("acquire lock by a; wait 1000", "renew lock of a", LOST, "lock:"),
            ("acquire lock by a; wait 1000; acquire lock by b", "renew lock of a", LOST, "lock: b"),
            ("acquire lock by a; release lock of a", "renew lock of a", LOST, "lock:"),
            ("acquire lock by a; wait 1000; hand lock 9", "renew lock of a", LOST, ""),
            // Another grant of the same holder has another token.
            ("acquire lock by a; acquire lock by b wait 9000; wait 1000", "renew lock of a", LOST, "lock: b"),
        ]);
    }
}
