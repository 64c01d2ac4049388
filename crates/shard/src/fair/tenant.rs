//! A tenant of a queue: its weight, and what it has there.

use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use format::row::{FairRow, QueueKeys, TenantRow, TextHash};
use model::{View, ViewError, limits};

/// A tenant's row; `None` if it has no unfinished tasks and no weight of its own.
pub(crate) fn row(
    view: &impl View,
    queue: QueueKeys,
    tenant: TextHash,
) -> Result<Option<TenantRow>, ViewError> {
    let Some(value) = view.get(&queue.tenant(tenant))? else { return Ok(None) };
    TenantRow::decode(&value).map(Some).map_err(|error| bad_row("tenant's row", error))
}

/// What all tenants have together.
pub(crate) fn together(view: &impl View, queue: QueueKeys) -> Result<FairRow, ViewError> {
    let Some(value) = view.get(&queue.fair())? else { return Ok(FairRow::default()) };
    FairRow::decode(&value).map_err(|error| bad_row("row of a queue's tenants", error))
}

/// The weight of a tenant.
pub(crate) fn weight(row: &TenantRow) -> u8 {
    let weight = row.weight.unwrap_or(1).clamp(1, limits::TENANT_WEIGHT_MAX);
    u8::try_from(weight).unwrap_or(u8::MAX)
}

/// Whether a tenant runs at least as many tasks as its share of those that run, with one more.
pub(crate) fn has_its_share(view: &impl View, queue: QueueKeys, tenant: TextHash) -> Result<bool, ViewError> {
    let Some(row) = row(view, queue, tenant)? else { return Ok(false) };
    let all = together(view, queue)?;
    let own = u128::from(row.running) * u128::from(all.weights);
    Ok(own >= (u128::from(all.running) + 1) * u128::from(weight(&row)))
}

/// Changes a tenant's row, and counts its weight among those that run tasks or have some that can be claimed.
pub(crate) fn change<V: View>(
    queue: QueueKeys,
    tenant: TextHash,
    overlay: &mut Overlay<'_, '_, V>,
    change: impl FnOnce(&mut TenantRow) -> Option<()>,
) -> Result<(), ViewError> {
    let mut row = row(overlay, queue, tenant)?.unwrap_or_default();
    let before = counted(&row);
    change(&mut row).ok_or_else(miscounted)?;
    let after = counted(&row);
    if before != after {
        all(queue, overlay, |all| {
            all.weights = (all.weights + after).checked_sub(before)?;
            Some(())
        })?;
    }
    if row.unfinished == 0 && row.weight.is_none() {
        overlay.delete(queue.tenant(tenant));
    } else {
        overlay.put(queue.tenant(tenant), row.encode());
    }
    Ok(())
}

/// Changes what all tenants have together.
pub(super) fn all<V: View>(
    queue: QueueKeys,
    overlay: &mut Overlay<'_, '_, V>,
    change: impl FnOnce(&mut FairRow) -> Option<()>,
) -> Result<(), ViewError> {
    let mut row = together(overlay, queue)?;
    change(&mut row).ok_or_else(miscounted)?;
    overlay.put(queue.fair(), row.encode());
    Ok(())
}

/// The weight of a tenant that takes part.
fn counted(row: &TenantRow) -> u64 {
    if row.running > 0 || row.lanes > 0 { u64::from(weight(row)) } else { 0 }
}

fn miscounted() -> ViewError {
    contradiction("the count of a tenant's tasks is wrong")
}
