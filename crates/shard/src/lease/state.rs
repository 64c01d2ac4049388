//! One lease: who holds it, and the hand-over to waiting holders.
//!
//! A lease has a row while it is in use, and for a while after that. With its row it has exactly one timer, which is
//! never later than the moment at which the node must look at the lease. A renewal does not move the timer: when it
//! comes due, it is set again. So a lease that is renewed, or taken and released many times a second, leaves no
//! trail of deleted timers that the node would have to pass over.

use crate::damage::bad_row;
use crate::overlay::Overlay;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{LeaseHolder, LeaseRow, LeaseTimerKey, LeaseWaiterRow, lease_key, lease_waiter_key};
use model::{Cursor, Elapsed, LeaseName, Namespace, Position, Refusal, Slot, Timer, View, ViewError};

/// One lease during a command.
#[derive(Debug)]
pub(super) struct Lease<'n> {
    pub(super) name: &'n LeaseName<'n>,
    pub(super) slot: Slot,
    pub(super) row: LeaseRow,
    stored: Option<LeaseRow>,
}

/// The row of a lease that no one has or waits for.
const UNUSED: LeaseRow = LeaseRow {
    permits: 0,
    holders: Vec::new(),
    waiting: 0,
    ends: None,
    sweep: Elapsed(u64::MAX),
    timer: Elapsed(u64::MAX),
};

impl<'n> Lease<'n> {
    /// The lease as the state has it.
    pub(super) fn load(name: &'n LeaseName<'n>, view: &impl View) -> Result<Self, ViewError> {
        let slot = name.slot(Namespace::ROOT);
        let stored = load_row(slot, name, view)?;
        Ok(Self { name, slot, row: stored.clone().unwrap_or(UNUSED), stored })
    }

    /// Ends what time has ended, and hands free permits to waiting holders.
    pub(super) fn settle<V: View>(&mut self, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
        let now = overlay.shard.elapsed;
        self.row.holders.retain(|holder| now < holder.free_at());
        if self.row.sweep <= now {
            self.sweep(overlay)?;
        }
        while self.has_free_permit()
            && let Some((holder, waiter)) = self.pop_first(overlay)?
        {
            if now < waiter.until {
                overlay.notify(lease_waiter_key(self.slot, Namespace::ROOT, self.name.as_str(), &holder));
                self.grant(holder, &waiter, overlay);
            }
        }
        Ok(())
    }

    pub(super) fn has_free_permit(&self) -> bool {
        self.row.holders.len() < self.row.permits as usize
    }

    /// Whether someone has the lease, waits for it, or must be waited for.
    pub(super) fn is_in_use(&self) -> bool {
        !self.row.holders.is_empty() || self.row.waiting > 0
    }

    /// Grants a permit, and returns its token.
    pub(super) fn grant<V: View>(
        &mut self,
        holder: String,
        waiter: &LeaseWaiterRow,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Cursor {
        let token = overlay.take_position();
        let expires = Elapsed(overlay.shard.elapsed.0.saturating_add(waiter.ttl_ms));
        let LeaseWaiterRow { asked, since, ttl_ms, hold_off_ms, .. } = *waiter;
        self.row.holders.push(LeaseHolder { holder, token, asked, since, ttl_ms, hold_off_ms, expires });
        Cursor::new(token, self.slot)
    }

    /// The holder that has the lease with this token at `now`.
    pub(super) fn with_token(&mut self, token: Cursor, now: Elapsed) -> Option<&mut LeaseHolder> {
        let here = token.slot == self.slot;
        self.row.holders.iter_mut().find(|holder| here && is_live(holder, token.position, now))
    }

    /// The place of a holder that has the lease at `now`.
    pub(super) fn place_of(&self, holder: &str, now: Elapsed) -> Option<usize> {
        self.row.holders.iter().position(|other| other.holder == holder && now < other.expires)
    }

    /// Says who is due to lose the lease first.
    pub(super) fn held(&self, now: Elapsed) -> Refusal {
        let first = self.row.holders.iter().min_by_key(|holder| (holder.free_at(), holder.token));
        let (token, free_at) = first.map_or((Position::ZERO, now), |holder| (holder.token, holder.free_at()));
        let remaining_ms = free_at.0.saturating_sub(now.0);
        Refusal::LeaseHeld { token: Cursor::new(token, self.slot), remaining_ms }
    }

    /// Writes the lease. If its timer would come too late, it is replaced.
    pub(super) fn store<V: View>(mut self, overlay: &mut Overlay<'_, '_, V>) {
        if self.stored.is_none() && !self.is_in_use() {
            return;
        }
        self.tell(overlay);
        self.set_timer(self.due(), overlay);
        if self.stored.as_ref() != Some(&self.row) {
            overlay.put(self.key(), self.row.encode());
        }
    }

    /// Writes the lease, whose timer has come due: it gets another one, or no row if it is not used.
    pub(super) fn store_after_timer<V: View>(mut self, overlay: &mut Overlay<'_, '_, V>) {
        self.tell(overlay);
        overlay.delete(self.timer_key(self.row.timer));
        if self.is_in_use() {
            self.row.timer = Elapsed(u64::MAX);
            self.stored = None;
            self.set_timer(self.due(), overlay);
            overlay.put(self.key(), self.row.encode());
        } else {
            overlay.delete(self.key());
        }
    }

    /// Tells the watchers of the lease whether its holders or its queue have changed.
    fn tell<V: View>(&self, overlay: &mut Overlay<'_, '_, V>) {
        let unused = UNUSED;
        let before = self.stored.as_ref().unwrap_or(&unused);
        let tokens = |row: &LeaseRow| row.holders.iter().map(|holder| holder.token).collect::<Vec<_>>();
        if before.waiting != self.row.waiting
            || before.ends != self.row.ends
            || tokens(before) != tokens(&self.row)
        {
            overlay.notify(self.key());
        }
    }

    fn set_timer<V: View>(&mut self, due: Elapsed, overlay: &mut Overlay<'_, '_, V>) {
        if self.row.timer <= due && self.stored.is_some() {
            return;
        }
        if self.stored.is_some() {
            overlay.delete(self.timer_key(self.row.timer));
        }
        self.row.timer = due;
        overlay.put(self.timer_key(due), Vec::new());
        overlay.set_timer(self.slot, Timer::Leases(due));
    }

    /// When something must be done about the lease.
    fn due(&self) -> Elapsed {
        let free = self.row.holders.iter().map(LeaseHolder::free_at).min();
        free.map_or(self.row.sweep, |free| free.min(self.row.sweep))
    }

    fn key(&self) -> Vec<u8> {
        lease_key(self.slot, Namespace::ROOT, self.name.as_str())
    }

    fn timer_key(&self, deadline: Elapsed) -> Vec<u8> {
        let lease = self.name.clone();
        LeaseTimerKey { slot: self.slot, deadline, namespace: Namespace::ROOT, lease }.encode()
    }
}

/// Whether the lease is held with this token at `now`.
pub(crate) fn is_held(
    name: &LeaseName<'_>,
    token: Cursor,
    now: Elapsed,
    view: &impl View,
) -> Result<bool, ViewError> {
    let slot = name.slot(Namespace::ROOT);
    let row = load_row(slot, name, view)?;
    let live = |holder: &LeaseHolder| is_live(holder, token.position, now);
    Ok(token.slot == slot && row.is_some_and(|row| row.holders.iter().any(live)))
}

fn is_live(holder: &LeaseHolder, token: Position, now: Elapsed) -> bool {
    holder.token == token && now < holder.expires
}

pub(crate) fn load_row(
    slot: Slot,
    name: &LeaseName<'_>,
    view: &impl View,
) -> Result<Option<LeaseRow>, ViewError> {
    let stored = view.get(&lease_key(slot, Namespace::ROOT, name.as_str()))?;
    let decoded = stored.map(|value| LeaseRow::decode(&value)).transpose();
    decoded.map_err(|error| bad_row("lease row", error))
}
