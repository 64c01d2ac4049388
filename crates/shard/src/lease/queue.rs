//! Who waits for a lease: a list in the order in which they first asked. Everything is found by its key, so the cost
//! does not depend on how many have waited before.

use super::state::Lease;
use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use alloc::string::String;
use format::row::{LeaseQueueEnds, LeaseWaiterRow, lease_waiter_key};
use model::{Elapsed, LeaseName, Namespace, Slot, View, ViewError, limits};

impl Lease<'_> {
    /// The row of a waiting holder.
    pub(super) fn waiter(&self, holder: &str, view: &impl View) -> Result<Option<LeaseWaiterRow>, ViewError> {
        load(self.slot, self.name, holder, view)
    }

    /// Writes the row of a holder that waits already.
    pub(super) fn put_waiter<V: View>(
        &mut self,
        holder: &str,
        row: &LeaseWaiterRow,
        overlay: &mut Overlay<'_, '_, V>,
    ) {
        let sweep = row.until.0.max(overlay.shard.elapsed.0.saturating_add(limits::LEASE_SWEEP_MS));
        self.row.sweep = self.row.sweep.min(Elapsed(sweep));
        overlay.put(self.waiter_key(holder), row.encode());
    }

    /// Adds a waiting holder, behind all others.
    pub(super) fn push_last<V: View>(
        &mut self,
        holder: &str,
        mut row: LeaseWaiterRow,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        match &mut self.row.ends {
            None => self.row.ends = Some(LeaseQueueEnds { first: holder.into(), last: holder.into() }),
            Some(ends) => {
                let last = core::mem::replace(&mut ends.last, holder.into());
                let mut before = self.linked(&last, overlay)?;
                before.after = Some(holder.into());
                overlay.put(self.waiter_key(&last), before.encode());
                row.before = Some(last);
            }
        }
        self.row.waiting += 1;
        self.put_waiter(holder, &row, overlay);
        Ok(())
    }

    /// Removes and returns the holder that has waited longest.
    pub(super) fn pop_first<V: View>(
        &mut self,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<Option<(String, LeaseWaiterRow)>, ViewError> {
        let Some(ends) = &self.row.ends else { return Ok(None) };
        let first = ends.first.clone();
        let row = self.linked(&first, overlay)?;
        self.remove(&first, &row, overlay)?;
        Ok(Some((first, row)))
    }

    /// Removes a waiting holder, whose row this is.
    pub(super) fn remove<V: View>(
        &mut self,
        holder: &str,
        row: &LeaseWaiterRow,
        overlay: &mut Overlay<'_, '_, V>,
    ) -> Result<(), ViewError> {
        if let Some(before) = &row.before {
            let mut neighbour = self.linked(before, overlay)?;
            neighbour.after.clone_from(&row.after);
            overlay.put(self.waiter_key(before), neighbour.encode());
        }
        if let Some(after) = &row.after {
            let mut neighbour = self.linked(after, overlay)?;
            neighbour.before.clone_from(&row.before);
            overlay.put(self.waiter_key(after), neighbour.encode());
        }
        let ends = self.row.ends.take().ok_or_else(|| contradiction("a waiting holder is in no queue"))?;
        self.row.ends = match (&row.before, &row.after) {
            (None, None) => None,
            (None, Some(after)) => Some(LeaseQueueEnds { first: after.clone(), ..ends }),
            (Some(before), None) => Some(LeaseQueueEnds { last: before.clone(), ..ends }),
            (Some(_), Some(_)) => Some(ends),
        };
        self.row.waiting = self
            .row
            .waiting
            .checked_sub(1)
            .ok_or_else(|| contradiction("the count of a lease's waiting holders is wrong"))?;
        if self.row.waiting == 0 {
            self.row.sweep = Elapsed(u64::MAX);
        }
        overlay.delete(self.waiter_key(holder));
        Ok(())
    }

    /// Removes all whose wait has ended: at most [`limits::LEASE_WAITERS_MAX`].
    pub(super) fn sweep<V: View>(&mut self, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
        let now = overlay.shard.elapsed;
        let mut earliest = Elapsed(u64::MAX);
        let mut next = self.row.ends.as_ref().map(|ends| ends.first.clone());
        while let Some(holder) = next {
            let row = self.linked(&holder, overlay)?;
            if row.until <= now {
                self.remove(&holder, &row, overlay)?;
            } else {
                earliest = earliest.min(row.until);
            }
            next = row.after;
        }
        // Not one by one, if many waits end one after another.
        self.row.sweep = earliest.max(Elapsed(now.0.saturating_add(limits::LEASE_SWEEP_MS)));
        if self.row.waiting == 0 {
            self.row.sweep = Elapsed(u64::MAX);
        }
        Ok(())
    }

    /// The row of a holder that is in the queue.
    fn linked(&self, holder: &str, view: &impl View) -> Result<LeaseWaiterRow, ViewError> {
        self.waiter(holder, view)?
            .ok_or_else(|| contradiction("a lease's queue names a holder that does not wait"))
    }

    fn waiter_key(&self, holder: &str) -> alloc::vec::Vec<u8> {
        lease_waiter_key(self.slot, Namespace::ROOT, self.name.as_str(), holder)
    }
}

pub(crate) fn load(
    slot: Slot,
    name: &LeaseName<'_>,
    holder: &str,
    view: &impl View,
) -> Result<Option<LeaseWaiterRow>, ViewError> {
    let stored = view.get(&lease_waiter_key(slot, Namespace::ROOT, name.as_str(), holder))?;
    let decoded = stored.map(|value| LeaseWaiterRow::decode(&value)).transpose();
    decoded.map_err(|error| bad_row("row of a waiting holder", error))
}
