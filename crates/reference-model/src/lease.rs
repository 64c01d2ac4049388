//! Leases in the model: vectors of who holds and who waits, searched from end to end.

use super::{Simple, SimpleOutcome};
use model::{Namespace, slot_of};

/// A holder of a lease, or of an expired lease that is held off.
#[derive(Clone, Debug)]
pub struct Held {
    pub holder: String,
    pub token: u64,
    pub asked: u64,
    pub ttl_ms: u64,
    pub hold_off_ms: u64,
    pub expires: u64,
}

impl Held {
    /// When another one may have it.
    #[must_use]
    pub fn free_at(&self) -> u64 {
        self.expires.saturating_add(self.hold_off_ms)
    }
}

/// A holder that waits for its turn.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub holder: String,
    pub asked: u64,
    pub ttl_ms: u64,
    pub hold_off_ms: u64,
    pub until: u64,
}

/// One lease.
#[derive(Clone, Debug, Default)]
pub struct Lease {
    pub name: String,
    pub slot: u16,
    pub permits: u32,
    pub holders: Vec<Held>,
    pub queue: Vec<Waiting>,
    /// All tokens that were ever granted.
    pub tokens: Vec<u64>,
}

/// A request for a lease.
#[derive(Clone, Debug)]
pub struct Acquire {
    pub lease: usize,
    pub holder: String,
    pub ttl_ms: u64,
    pub hold_off_ms: u64,
    pub permits: u32,
    pub wait_ms: u64,
}

/// A token, with the slot that it was sent with.
pub type Token = (u64, u16);

impl Simple {
    /// The number of a lease. A name that was never seen gets the next number.
    pub fn lease(&mut self, name: &str) -> usize {
        self.leases.iter().position(|lease| lease.name == name).unwrap_or_else(|| {
            let slot = slot_of(Namespace::ROOT, name).0;
            self.leases.push(Lease { name: name.to_owned(), slot, ..Lease::default() });
            self.leases.len() - 1
        })
    }

    /// Whether the lease is held with this token.
    pub(crate) fn is_held(&self, lease: usize, (token, slot): Token) -> bool {
        let lease = &self.leases[lease];
        let held = |held: &Held| held.token == token && self.elapsed < held.expires;
        slot == lease.slot && lease.holders.iter().any(held)
    }

    /// Ends what has ended, and hands free permits to waiting holders.
    fn settle_lease(&mut self, at: usize) {
        let now = self.elapsed;
        self.leases[at].holders.retain(|held| now < held.free_at());
        self.leases[at].queue.retain(|waiting| now < waiting.until);
        while self.leases[at].holders.len() < self.leases[at].permits as usize
            && !self.leases[at].queue.is_empty()
        {
            let first = self.leases[at].queue.remove(0);
            self.grant_lease(at, first);
        }
    }

    fn grant_lease(&mut self, at: usize, waiting: Waiting) -> u64 {
        let (token, now) = (self.take_position(), self.elapsed);
        let lease = &mut self.leases[at];
        assert!(lease.tokens.last().is_none_or(|last| *last < token), "tokens grow");
        lease.tokens.push(token);
        let Waiting { holder, asked, ttl_ms, hold_off_ms, .. } = waiting;
        lease.holders.push(Held { holder, token, asked, ttl_ms, hold_off_ms, expires: now + ttl_ms });
        assert!(lease.holders.len() <= lease.permits as usize, "no more holders than permits");
        token
    }

    fn holds(&self, at: usize, holder: &str) -> Option<usize> {
        let live = |held: &Held| held.holder == holder && self.elapsed < held.expires;
        self.leases[at].holders.iter().position(live)
    }

    pub(crate) fn acquire(&mut self, acquire: &Acquire) -> SimpleOutcome {
        let (at, now) = (acquire.lease, self.elapsed);
        self.settle_lease(at);
        let lease = &self.leases[at];
        let in_use = !lease.holders.is_empty() || !lease.queue.is_empty();
        if in_use && lease.permits != acquire.permits {
            return SimpleOutcome::LeasePermitsDiffer(lease.permits);
        }
        self.leases[at].permits = acquire.permits;
        let slot = self.leases[at].slot;
        if let Some(place) = self.holds(at, &acquire.holder) {
            let asked = self.take_position();
            let held = &mut self.leases[at].holders[place];
            held.asked = asked;
            let remaining_ms = held.expires - now;
            return SimpleOutcome::LeaseGranted { token: (held.token, slot), remaining_ms, replayed: true };
        }
        let waiting = |asked| Waiting {
            holder: acquire.holder.clone(),
            asked,
            ttl_ms: acquire.ttl_ms,
            hold_off_ms: acquire.hold_off_ms,
            until: now + acquire.wait_ms,
        };
        if self.leases[at].holders.len() < acquire.permits as usize {
            let asked = self.take_position();
            let token = self.grant_lease(at, waiting(asked));
            let remaining_ms = acquire.ttl_ms;
            return SimpleOutcome::LeaseGranted { token: (token, slot), remaining_ms, replayed: false };
        }
        if acquire.wait_ms == 0 {
            let first = self.leases[at].holders.iter().min_by_key(|held| (held.free_at(), held.token));
            let (token, free_at) = first.map_or((0, now), |held| (held.token, held.free_at()));
            return SimpleOutcome::LeaseHeld { token: (token, slot), remaining_ms: free_at - now };
        }
        let asked = self.take_position();
        let queue = &mut self.leases[at].queue;
        match queue.iter_mut().find(|other| other.holder == acquire.holder) {
            Some(place) => *place = waiting(asked),
            None => queue.push(waiting(asked)),
        }
        SimpleOutcome::LeaseAwaited(asked)
    }

    pub(crate) fn renew(&mut self, at: usize, token: Token, ttl_ms: Option<u64>) -> SimpleOutcome {
        self.settle_lease(at);
        if !self.is_held(at, token) {
            return SimpleOutcome::LeaseLost(0);
        }
        let now = self.elapsed;
        let mut holders = self.leases[at].holders.iter_mut();
        let Some(held) = holders.find(|held| held.token == token.0) else { unreachable!() };
        held.ttl_ms = ttl_ms.unwrap_or(held.ttl_ms);
        held.expires = held.expires.max(now + held.ttl_ms);
        SimpleOutcome::LeaseRenewed(held.expires - now)
    }

    pub(crate) fn release(&mut self, at: usize, token: Token) -> SimpleOutcome {
        self.settle_lease(at);
        if !self.is_held(at, token) {
            return SimpleOutcome::LeaseLost(0);
        }
        self.leases[at].holders.retain(|held| held.token != token.0);
        self.settle_lease(at);
        SimpleOutcome::LeaseReleased
    }

    pub(crate) fn withdraw(&mut self, at: usize, holder: &str, asked: u64) -> SimpleOutcome {
        self.settle_lease(at);
        self.leases[at].queue.retain(|waiting| waiting.holder != holder || waiting.asked != asked);
        if let Some(place) = self.holds(at, holder)
            && self.leases[at].holders[place].asked == asked
        {
            self.leases[at].holders.remove(place);
            self.settle_lease(at);
        }
        SimpleOutcome::LeaseWithdrawn
    }

    /// Settles the leases of one slot, if there may be any.
    pub(crate) fn expire_leases(&mut self, slot: u16, leases_max: u32) -> SimpleOutcome {
        for at in 0..self.leases.len() {
            if leases_max > 0 && self.leases[at].slot == slot {
                self.settle_lease(at);
            }
        }
        SimpleOutcome::Progressed
    }
}
