//! What the end of a task means for its group.
//!
//! *When all members are done, `then` is enqueued. When a member is dead or cancelled, `on_dead` is enqueued. Each of them
//! happens once at most, even if dead letters are replayed and end again.* A group that is a member of another one is
//! done there when its `then` is, which takes its place, or else when all its members are. A group is kept for as long as
//! one of its members is.

use crate::damage::{bad_row, contradiction};
use crate::group::{Standing, Step, load, standing};
use crate::overlay::Overlay;
use crate::queue::enqueue::insert;
use crate::queue::tally::Queue;
use crate::queue::task::id_row;
use alloc::collections::{BTreeSet, VecDeque};
use format::row::{Follows, GroupKeys, GroupPlace, GroupRow, MemberRow, decode_follower};
use model::{Position, View, ViewError};

/// Takes the steps that a command has left.
pub(crate) fn take_all<V: View>(overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
    let mut steps = VecDeque::from(overlay.take_steps());
    // Groups that have changed, by position, so that what follows is enqueued in a definite order.
    let mut changed = BTreeSet::new();
    while let Some(step) = steps.pop_front() {
        let outer = take(step, overlay)?;
        changed.insert((step.place.group.id, step.place.group.slot));
        steps.extend(outer);
    }
    for (id, slot) in changed.iter().copied() {
        follow(GroupKeys { slot, id }, overlay)?;
    }
    // Groups in groups are younger than those around them, so they go first.
    let mut kept = changed;
    while let Some((id, slot)) = kept.pop_last() {
        if let Some(outer) = remove(GroupKeys { slot, id }, overlay)? {
            kept.insert((outer.group.id, outer.group.slot));
        }
    }
    Ok(())
}

/// Counts one member. Returns what that means for the group around it.
fn take<V: View>(step: Step, overlay: &mut Overlay<'_, '_, V>) -> Result<Option<Step>, ViewError> {
    let keys = step.place.group;
    let mut row = load(overlay, keys)?;
    let before = standing(&row);
    let miscounted = || contradiction("the count of a group's members is wrong");
    match step.to {
        Standing::Open => row.failed = row.failed.checked_sub(1).ok_or_else(miscounted)?,
        Standing::Done => row.done += 1,
        Standing::Failed => row.failed += 1,
        Standing::Gone => {
            row.kept = row.kept.checked_sub(1).ok_or_else(miscounted)?;
            overlay.delete(keys.member(step.place.member));
        }
    }
    if row.done + row.failed > row.members {
        return Err(miscounted());
    }
    let after = standing(&row);
    overlay.put(keys.group(), row.encode());
    if before == after {
        return Ok(None);
    }
    overlay.notify(keys.group().to_vec());
    let is_passed_on = after == Standing::Done && row.has_then;
    Ok(row.place.filter(|_| !is_passed_on).map(|place| Step { place, to: after }))
}

/// Enqueues what follows, once.
fn follow<V: View>(keys: GroupKeys, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
    let mut row = load(overlay, keys)?;
    let is_due = row.failed > 0 && row.has_on_dead && row.on_dead_at.is_none();
    if is_due {
        row.on_dead_at = Some(enqueue(keys, Follows::OnDead, None, overlay)?);
    }
    let is_next = standing(&row) == Standing::Done && row.has_then && row.then_at.is_none();
    if is_next {
        row.then_at = Some(enqueue(keys, Follows::Then, row.place, overlay)?);
    }
    if is_due || is_next {
        overlay.put(keys.group(), row.encode());
    }
    Ok(())
}

/// Enqueues a task that waits for nothing but its turn. It is added even to a full queue, and without its id if another
/// task has that.
fn enqueue<V: View>(
    keys: GroupKeys,
    which: Follows,
    place: Option<GroupPlace>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Position, ViewError> {
    let value = overlay.get(&keys.follows(which))?;
    let value = value.ok_or_else(|| contradiction("a group has lost what follows"))?.to_vec();
    let follower = decode_follower(&value).map_err(|error| bad_row("task that follows", error))?;
    let mut queue = Queue::load_or_new(&follower.queue, overlay)?;
    let mut task = follower.task;
    if let Some(id) = &task.id
        && id_row(overlay, queue.keys, id)?.is_some()
    {
        task.id = None;
    }
    let at = insert(&task, place, &mut queue, overlay)?;
    queue.save(overlay);
    if let Some(place) = place {
        let row = MemberRow::Task { queue: follower.queue.as_str().into(), task: at };
        overlay.put(place.group.member(place.member), row.encode());
    }
    Ok(at)
}

/// Removes a group of which no member is kept. Returns the place that it had, if nothing has taken it.
fn remove<V: View>(
    keys: GroupKeys,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Option<GroupPlace>, ViewError> {
    let row: GroupRow = load(overlay, keys)?;
    if row.kept > 0 {
        return Ok(None);
    }
    overlay.delete(keys.group());
    overlay.delete(keys.follows(Follows::Then));
    overlay.delete(keys.follows(Follows::OnDead));
    if let Some((name, _)) = &row.named {
        overlay.delete(GroupKeys::name(keys.slot, name));
    }
    let Some(place) = row.place.filter(|_| row.then_at.is_none()) else { return Ok(None) };
    let gone = Step { place, to: Standing::Gone };
    take(gone, overlay)?;
    Ok(Some(place))
}
