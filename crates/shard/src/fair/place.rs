//! The places of tenants in the lanes of types, and the cohorts that a tenant has in a lane.

use super::tenant;
use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use core::ops::ControlFlow;
use format::row::{
    FairLane, FairTypeRow, Pass, QueueKeys, QueueRange, ShareId, ShareRow, TenantList, TenantListId,
    TextHash, decode_cohort_hash, encode_cohort_hash,
};
use model::{Order, View, ViewError};

/// What a claim costs a tenant of weight 1.
pub(crate) const STRIDE: u64 = 1 << 24;

/// The tenant that is next in a lane, and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) lane: u8,
    pub(crate) tenant: TextHash,
    pub(crate) pass: u64,
    /// How many tenants the lane has.
    pub(crate) tenants: u64,
}

/// The place of a tenant in a lane; `None` if it has no tasks there that can be claimed.
pub(crate) fn row(view: &impl View, queue: QueueKeys, share: ShareId) -> Result<Option<ShareRow>, ViewError> {
    let Some(value) = view.get(&queue.share(share))? else { return Ok(None) };
    ShareRow::decode(&value).map(Some).map_err(|error| bad_row("row of a tenant's share", error))
}

/// The lists of a type.
pub(crate) fn lists(view: &impl View, queue: QueueKeys, type_number: u32) -> Result<FairTypeRow, ViewError> {
    let Some(value) = view.get(&queue.fair_type(type_number))? else { return Ok(FairTypeRow::default()) };
    FairTypeRow::decode(&value).map_err(|error| bad_row("row of a type's tenants", error))
}

/// The tenant that is next in a lane; `None` if no tenant has tasks there.
pub(crate) fn next(
    view: &impl View,
    queue: QueueKeys,
    type_number: u32,
    lane: &FairLane,
) -> Result<Option<Next>, ViewError> {
    let Some(list) = lane.lists.iter().min_by_key(|list| list.first) else { return Ok(None) };
    let id = TenantListId { type_number, lane: lane.lane, weight: list.weight };
    let value = view.get(&queue.tenant_turn(id, list.first))?.ok_or_else(lost)?;
    let tenant = decode_cohort_hash(&value).map_err(|error| bad_row("turn of a tenant", error))?;
    let tenants = lane.lists.iter().map(|list| list.tenants).sum();
    Ok(Some(Next { lane: lane.lane, tenant, pass: list.first.pass, tenants }))
}

/// A tenant has tasks in a lane from now on.
pub(crate) fn enter<V: View>(
    queue: QueueKeys,
    share: ShareId,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<ShareRow, ViewError> {
    let mut weight = 1;
    tenant::change(queue, share.tenant, overlay, |row| {
        row.lanes += 1;
        weight = tenant::weight(row);
        Some(())
    })?;
    let at = join(queue, share, weight, overlay)?;
    let row = ShareRow { weight, at, cohorts: 0, first: 0, next: 0 };
    overlay.put(queue.share(share), row.encode());
    Ok(row)
}

/// A tenant has no more tasks in a lane.
pub(crate) fn leave<V: View>(
    queue: QueueKeys,
    share: ShareId,
    row: ShareRow,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    part(queue, share, row, overlay)?;
    overlay.delete(queue.share(share));
    tenant::change(queue, share.tenant, overlay, |row| {
        row.lanes = row.lanes.checked_sub(1)?;
        Some(())
    })
}

/// A tenant has had its turn in a lane, when its place was at this pass. It pays, and goes behind.
pub(crate) fn pay<V: View>(
    queue: QueueKeys,
    share: ShareId,
    pass: u64,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let mut lists = lists(overlay, queue, share.type_number)?;
    let lane = lane_of(&mut lists, share.lane);
    lane.now = lane.now.max(pass);
    overlay.put(queue.fair_type(share.type_number), lists.encode());
    let Some(row) = row(overlay, queue, share)? else { return Ok(()) };
    part(queue, share, row, overlay)?;
    let weight = tenant::row(overlay, queue, share.tenant)?.as_ref().map_or(1, tenant::weight);
    let at = join(queue, share, weight, overlay)?;
    overlay.put(queue.share(share), ShareRow { weight, at, ..row }.encode());
    Ok(())
}

/// A cohort of a tenant can be claimed from, behind all others of it. Returns its turn.
pub(crate) fn cohort_enters<V: View>(
    queue: QueueKeys,
    share: ShareId,
    cohort: u128,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<u64, ViewError> {
    let mut row = match row(overlay, queue, share)? {
        Some(row) => row,
        None => enter(queue, share, overlay)?,
    };
    let turn = row.next;
    if row.cohorts == 0 {
        row.first = turn;
    }
    row.next += 1;
    row.cohorts += 1;
    overlay.put(queue.share_cohort(share, turn), encode_cohort_hash(cohort));
    overlay.put(queue.share(share), row.encode());
    Ok(turn)
}

/// A cohort of a tenant cannot be claimed from any more.
pub(crate) fn cohort_leaves<V: View>(
    queue: QueueKeys,
    share: ShareId,
    turn: u64,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let mut row = row(overlay, queue, share)?.ok_or_else(lost)?;
    overlay.delete(queue.share_cohort(share, turn));
    row.cohorts = row.cohorts.checked_sub(1).ok_or_else(lost)?;
    if row.cohorts == 0 {
        return leave(queue, share, row, overlay);
    }
    if row.first == turn {
        let mut first = None;
        let range = QueueRange::share_cohorts(queue, share, turn.saturating_add(1));
        overlay.scan(range.as_range(), Order::Ascending, &mut |key, _| {
            first = Some(QueueKeys::parse_share_cohort(key));
            ControlFlow::Break(())
        })?;
        row.first = first.ok_or_else(lost)?.map_err(|error| bad_row("cohort of a tenant", error))?;
    }
    overlay.put(queue.share(share), row.encode());
    Ok(())
}

/// The cohort of a tenant whose turn it is.
pub(crate) fn first_cohort(view: &impl View, queue: QueueKeys, share: ShareId) -> Result<u128, ViewError> {
    let row = row(view, queue, share)?.ok_or_else(lost)?;
    let value = view.get(&queue.share_cohort(share, row.first))?.ok_or_else(lost)?;
    decode_cohort_hash(&value).map_err(|error| bad_row("cohort of a tenant", error))
}

/// Enters the list of a weight, at its end.
fn join<V: View>(
    queue: QueueKeys,
    share: ShareId,
    weight: u8,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Pass, ViewError> {
    let mut row = lists(overlay, queue, share.type_number)?;
    let turn = row.next_turn;
    row.next_turn += 1;
    let lane = lane_of(&mut row, share.lane);
    let at = Pass { pass: lane.now.saturating_add(STRIDE / u64::from(weight.max(1))), turn };
    match lane.lists.binary_search_by_key(&weight, |list| list.weight) {
        Ok(found) => lane.lists[found].tenants += 1,
        Err(place) => lane.lists.insert(place, TenantList { weight, tenants: 1, first: at }),
    }
    let list = TenantListId { type_number: share.type_number, lane: share.lane, weight };
    overlay.put(queue.tenant_turn(list, at), encode_cohort_hash(share.tenant));
    overlay.put(queue.fair_type(share.type_number), row.encode());
    Ok(at)
}

/// Leaves the list in which it is.
fn part<V: View>(
    queue: QueueKeys,
    share: ShareId,
    place: ShareRow,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let mut row = lists(overlay, queue, share.type_number)?;
    let id = TenantListId { type_number: share.type_number, lane: share.lane, weight: place.weight };
    overlay.delete(queue.tenant_turn(id, place.at));
    let lane = lane_of(&mut row, share.lane);
    let found = lane.lists.binary_search_by_key(&place.weight, |list| list.weight).map_err(|_| lost())?;
    let list = &mut lane.lists[found];
    list.tenants = list.tenants.checked_sub(1).ok_or_else(lost)?;
    if list.tenants == 0 {
        lane.lists.remove(found);
    } else if list.first == place.at {
        let behind = Pass { turn: place.at.turn.saturating_add(1), ..place.at };
        let mut first = None;
        let range = QueueRange::tenant_turns(queue, id, behind);
        overlay.scan(range.as_range(), Order::Ascending, &mut |key, _| {
            first = Some(QueueKeys::parse_tenant_turn(key));
            ControlFlow::Break(())
        })?;
        list.first = first.ok_or_else(lost)?.map_err(|error| bad_row("turn of a tenant", error))?;
    }
    overlay.put(queue.fair_type(share.type_number), row.encode());
    Ok(())
}

fn lane_of(row: &mut FairTypeRow, lane: u8) -> &mut FairLane {
    let at = match row.lanes.binary_search_by_key(&lane, |found| found.lane) {
        Ok(at) => at,
        Err(at) => {
            row.lanes.insert(at, FairLane { lane, now: 0, lists: alloc::vec::Vec::new() });
            at
        }
    };
    &mut row.lanes[at]
}

fn lost() -> ViewError {
    contradiction("a tenant's place does not match its tasks")
}
