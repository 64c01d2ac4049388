//! Let tasks go on whose limits allow it again.
//!
//! *When a rate has refilled, or the time for which a worker has closed a key is over, tasks of the key can be claimed
//! again. When a limit's settings have changed, each of its keys is looked at.* The node proposes this. If the command
//! is repeated or early, it changes nothing.

use super::key::LimitKey;
use super::{keys_of, open, row, set_timer};
use crate::damage::bad_row;
use crate::overlay::Overlay;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{LimitKeys, LimitRange, LimitRow, LimitSubject, LimitTimerKey, decode_part};
use model::{AdvanceLimits, Elapsed, Order, Outcome, Timer, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<V: View>(
    advance: &AdvanceLimits,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let keys_max = (advance.keys_max as usize).min(limits::ADVANCE_LIMITS_MAX);
    let Found { due, next } = find(advance, keys_max, overlay)?;
    let mut left = keys_max;
    for (timer, limit) in due {
        if left == 0 {
            return Ok(more(timer.due, advance, overlay));
        }
        match timer.subject {
            LimitSubject::Key(hash) => {
                left -= 1;
                look_at(&limit, hash, timer, overlay)?;
            }
            LimitSubject::Walk => left -= walk(&limit, timer, left, overlay)?,
        }
    }
    Ok(next.map_or(Outcome::Progressed { more: false }, |next| more(next, advance, overlay)))
}

/// Tells the node when the next timer is due.
fn more<V: View>(next: Elapsed, advance: &AdvanceLimits, overlay: &mut Overlay<'_, '_, V>) -> Outcome {
    overlay.set_timer(advance.slot, Timer::Limits(next));
    Outcome::Progressed { more: next <= overlay.shard.elapsed }
}

fn look_at<V: View>(
    limit: &str,
    hash: u128,
    timer: LimitTimerKey,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let mut key = LimitKey::by_hash(limit, hash, overlay)?;
    if key.row.due != Some(timer.due) {
        overlay.delete(timer.encode());
        return Ok(());
    }
    key.clear_timer(overlay);
    key.save(overlay);
    open::one(limit, hash, overlay)
}

/// Looks at the next keys of a limit whose settings have changed. Returns how many those were, at least 1.
fn walk<V: View>(
    limit: &str,
    timer: LimitTimerKey,
    keys_max: usize,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<usize, ViewError> {
    overlay.delete(timer.encode());
    let Some(LimitRow { settings, walk: Some(from) }) = row(overlay, limit)? else { return Ok(1) };
    let keys = keys_of(limit);
    let found = next_keys(keys, from, keys_max, overlay)?;
    for hash in &found {
        open::one(limit, *hash, overlay)?;
    }
    let next = if found.len() < keys_max { None } else { found.last().and_then(|last| last.checked_add(1)) };
    let name = LimitKeys::name(keys.slot, limit);
    match (settings, next) {
        (None, None) => overlay.delete(name),
        _ => overlay.put(name, LimitRow { settings, walk: next }.encode()),
    }
    if next.is_some() {
        set_timer(keys, limit, overlay.shard.elapsed, LimitSubject::Walk, overlay);
    }
    Ok(found.len().max(1))
}

fn next_keys<V: View>(
    limit: LimitKeys,
    from: u128,
    keys_max: usize,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Vec<u128>, ViewError> {
    let mut found = Vec::new();
    let mut bad = None;
    overlay.scan(LimitRange::keys(limit, from).as_range(), Order::Ascending, &mut |key, _| {
        match LimitKeys::parse_key(key) {
            Ok(hash) => found.push(hash),
            Err(error) => bad = Some(error),
        }
        if bad.is_none() && found.len() < keys_max {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    bad.map_or(Ok(found), |error| Err(bad_row("key of a limit's key", error)))
}

struct Found {
    /// With the names of the limits.
    due: Vec<(LimitTimerKey, String)>,
    /// When the first timer after those is due.
    next: Option<Elapsed>,
}

fn find<V: View>(
    advance: &AdvanceLimits,
    keys_max: usize,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Found, ViewError> {
    let now = overlay.shard.elapsed;
    let mut found = Found { due: Vec::new(), next: None };
    let mut bad: Option<FormatError> = None;
    let range = LimitRange::timers(advance.slot, advance.from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, value| {
        let what = "limit name";
        let limit = decode_part(value)
            .and_then(|name| core::str::from_utf8(name).map_err(|_| FormatError::Text { what }));
        match LimitTimerKey::decode(key).and_then(|timer| Ok((timer, limit?))) {
            Ok((timer, limit)) if timer.due <= now && found.due.len() < keys_max => {
                found.due.push((timer, String::from(limit)));
                return ControlFlow::Continue(());
            }
            Ok((timer, _)) => found.next = Some(timer.due),
            Err(error) => bad = Some(error),
        }
        ControlFlow::Break(())
    })?;
    bad.map_or(Ok(found), |error| Err(bad_row("limit timer", error)))
}
