//! The cohorts that wait for a key, in a list for each type of each queue.
//!
//! Each list is first come, first served. There is one for each type of each queue because the workers of one may be
//! gone while those of another wait for tasks.

use super::key::LimitKey;
use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{LimitKeys, LimitListId, LimitListRow, LimitRange, decode_cohort_hash, encode_cohort_hash};
use model::{Order, View, ViewError};

/// A cohort begins to wait, behind all others of its list. Returns its place.
pub(crate) fn join<V: View>(
    key: &mut LimitKey,
    list: LimitListId,
    task_type: &str,
    cohort: u128,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<u64, ViewError> {
    let mut row = load(key, list, overlay)?.unwrap_or_else(|| LimitListRow {
        task_type: task_type.to_owned(),
        cohorts: 0,
        from: 0,
        next: 0,
    });
    let place = row.next;
    row.next += 1;
    row.cohorts += 1;
    overlay.put(key.keys.list(key.hash, list), row.encode());
    overlay.put(key.keys.waiting(key.hash, list, place), encode_cohort_hash(cohort));
    key.row.waiting += 1;
    Ok(place)
}

/// A cohort waits no longer.
pub(crate) fn leave<V: View>(
    key: &mut LimitKey,
    list: LimitListId,
    place: u64,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let mut row = load(key, list, overlay)?.ok_or_else(lost)?;
    row.cohorts = row.cohorts.checked_sub(1).ok_or_else(lost)?;
    if place == row.from {
        row.from += 1;
    }
    if row.cohorts == 0 {
        overlay.delete(key.keys.list(key.hash, list));
    } else {
        overlay.put(key.keys.list(key.hash, list), row.encode());
    }
    overlay.delete(key.keys.waiting(key.hash, list, place));
    key.row.waiting = key.row.waiting.checked_sub(1).ok_or_else(lost)?;
    Ok(())
}

/// The first cohort of the list is at this place. Those before it have gone, some of them from the middle, and no one
/// looks for them any more.
pub(crate) fn begins_at<V: View>(
    key: &LimitKey,
    list: LimitListId,
    place: u64,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let row = load(key, list, overlay)?.ok_or_else(lost)?;
    overlay.put(key.keys.list(key.hash, list), LimitListRow { from: place, ..row }.encode());
    Ok(())
}

fn load<V: View>(
    key: &LimitKey,
    list: LimitListId,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<LimitListRow>, ViewError> {
    let Some(value) = overlay.get(&key.keys.list(key.hash, list))? else { return Ok(None) };
    LimitListRow::decode(&value).map(Some).map_err(|error| bad_row("row of a list of cohorts", error))
}

/// The first lists of a key, in the order of their queues.
pub(crate) fn lists<V: View>(
    key: &LimitKey,
    lists_max: usize,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Vec<(LimitListId, LimitListRow)>, ViewError> {
    let mut lists = Vec::new();
    let mut bad = None;
    overlay.scan(LimitRange::lists(key.keys, key.hash).as_range(), Order::Ascending, &mut |key, value| {
        match LimitKeys::parse_list(key).and_then(|list| Ok((list, LimitListRow::decode(value)?))) {
            Ok(list) => lists.push(list),
            Err(error) => bad = Some(error),
        }
        if bad.is_none() && lists.len() < lists_max {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    bad.map_or(Ok(lists), |error| Err(bad_row("row of a list of cohorts", error)))
}

/// The first cohorts of a list.
pub(crate) fn first<V: View>(
    key: &LimitKey,
    list: LimitListId,
    from: u64,
    cohorts_max: usize,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Vec<u128>, ViewError> {
    let mut cohorts = Vec::new();
    let mut bad = None;
    let range = LimitRange::waiting(key.keys, key.hash, list, from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |_, value| {
        match decode_cohort_hash(value) {
            Ok(cohort) => cohorts.push(cohort),
            Err(error) => bad = Some(error),
        }
        if bad.is_none() && cohorts.len() < cohorts_max {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    bad.map_or(Ok(cohorts), |error| Err(bad_row("waiting cohort", error)))
}

fn lost() -> ViewError {
    contradiction("a limit has lost a cohort that waits for it")
}
