//! What happens when a key opens, or may have opened.
//!
//! The first cohorts of each list go on, as many as tasks may begin. One that meets another closed gate waits there, and
//! the next one goes on in its place.

use super::key::LimitKey;
use super::list;
use crate::overlay::Overlay;
use crate::queue::cohort::{Cohort, Placed};
use crate::queue::tally::Queue;
use alloc::collections::BTreeSet;
use format::row::{CohortId, LimitListId, QueueKeys};
use model::{View, ViewError, limits};

/// Opens the keys to which something has happened in this command. What goes on and then waits for another gate frees
/// more keys. Beyond a bound, the node's next command opens those.
pub(crate) fn all<V: View>(overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
    let mut left = limits::ADVANCE_LIMITS_MAX;
    loop {
        let freed = overlay.take_freed();
        if freed.is_empty() {
            return Ok(());
        }
        let mut opened = BTreeSet::new();
        for gate in freed {
            if !opened.insert((gate.limit.clone(), gate.key.clone())) {
                continue;
            }
            let mut key = LimitKey::of(&gate, overlay)?;
            if left > 0 {
                left -= 1;
                one(&gate.limit, key.hash, overlay)?;
            } else {
                key.look_at(overlay.shard.elapsed, overlay);
                key.save(overlay);
            }
        }
    }
}

/// Says what can be claimed in queues that limit how many of their tasks run, and of which one runs no longer. This is for
/// a whole entry, because what is claimed, added or cancelled later in the entry counts too.
pub(crate) fn queues<V: View>(overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
    for keys in overlay.take_freed_queues() {
        let mut queue = Queue::by_id(keys, overlay)?;
        queue.announce_free(overlay)?;
        queue.save(overlay);
    }
    Ok(())
}

/// Lets cohorts go on that wait for the key. What is left to do is done by the node's next command.
pub(crate) fn one<V: View>(
    limit: &str,
    hash: u128,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let now = overlay.shard.elapsed;
    let key = LimitKey::by_hash(limit, hash, overlay)?;
    let free = key.free(now);
    if key.row.waiting == 0 || free == 0 {
        key.save(overlay);
        return Ok(());
    }
    let lists = list::lists(&key, limits::LIMIT_LISTS_MAX + 1, overlay)?;
    let mut is_done = lists.len() <= limits::LIMIT_LISTS_MAX;
    for (id, row) in lists.into_iter().take(limits::LIMIT_LISTS_MAX) {
        is_done &= open_list(&key, id, &row, free, overlay)?;
    }
    let mut key = LimitKey::by_hash(limit, hash, overlay)?;
    if !is_done {
        key.look_at(now, overlay);
    }
    key.save(overlay);
    Ok(())
}

/// Lets the first cohorts of a list go on. Returns whether that is all that can go on.
fn open_list<V: View>(
    key: &LimitKey,
    id: LimitListId,
    row: &format::row::LimitListRow,
    free: u64,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<bool, ViewError> {
    let first = list::first(key, id, row.from, limits::LIMIT_COHORTS_MAX, overlay)?;
    let keys = QueueKeys { slot: id.queue_slot, id: id.queue };
    let mut queue = Queue::by_id(keys, overlay)?;
    let (mut opened, mut looked_at, mut is_done) = (0, 0, false);
    let mut from = row.from;
    for hash in first {
        if opened >= free {
            break;
        }
        looked_at += 1;
        let cohort_id = CohortId { type_number: id.type_number, hash };
        let mut cohort = Cohort::load_known(cohort_id, &row.task_type, &queue, overlay)?;
        if is_closed_for(key, &cohort, overlay)? {
            // It costs more than there is. Those behind it do not pass it.
            is_done = true;
            break;
        }
        if let Some(place) = cohort.place_in_list() {
            if place != from {
                list::begins_at(key, id, place, overlay)?;
            }
            from = place + 1;
        }
        cohort.take_out(&mut queue, overlay)?;
        if cohort.place(&mut queue, overlay)? == Placed::Ready {
            opened += 1;
        }
        cohort.save(&queue, overlay);
    }
    if opened > 0 {
        // A claim may have put away as many in this entry, and now waits for these.
        queue.ready_again(overlay);
    }
    queue.save(overlay);
    Ok(is_done || opened >= free || looked_at >= row.cohorts)
}

/// Whether the key is closed for a cohort that waits for it. Then the node looks at it when it opens for that one.
fn is_closed_for<V: View>(
    key: &LimitKey,
    cohort: &Cohort,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<bool, ViewError> {
    let now = overlay.shard.elapsed;
    let Some(gate) = cohort.waits_for() else { return Ok(false) };
    let mut key = LimitKey::by_hash(&gate.limit, key.hash, overlay)?;
    if key.closed(gate.cost, now).is_none() {
        return Ok(false);
    }
    if let Some(opens) = key.opens(gate.cost, now) {
        key.look_at(opens, overlay);
        key.save(overlay);
    }
    Ok(true)
}
