//! Tasks with the same key run one at a time, or as many at a time as the queue's settings say, and begin in the order
//! in which they were enqueued.
//!
//! *The first unfinished tasks of a key are let out: each when the one before it has begun, and as many as may run. The
//! others are blocked. A task that was let out counts until it is done, dead or cancelled, also while it waits for another
//! attempt.* The next task is looked for when one of the key begins or ends, so a greater number counts from then on.
//! A task whose unique key is its key is let out only when no other one is.

use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use crate::queue::hash;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use core::ops::ControlFlow;
use format::row::{KeyRow, QueueKeys, QueueRange};
use model::{Order, Position, UniqueMode, View, ViewError};

/// Whether a task may run as far as its key is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Head,
    Blocked,
}

/// An unfinished task takes the key, or waits for it.
pub(crate) fn take<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Turn, ViewError> {
    let Some(key) = task.row.key.as_deref().map(hash) else { return Ok(Turn::Head) };
    let Some(mut row) = load(queue, key, overlay)? else {
        let row = KeyRow { head: task.at, blocked: 0, from: Position(u64::MAX), open: 1 };
        overlay.put(queue.keys.key(key), row.encode());
        return Ok(Turn::Head);
    };
    if row.blocked == 0 && !is_alone(task) && has_place(&row, None, queue, overlay)? {
        row.head = task.at;
        row.open += 1;
        overlay.put(queue.keys.key(key), row.encode());
        return Ok(Turn::Head);
    }
    row.from = if row.blocked == 0 { task.at } else { row.from.min(task.at) };
    row.blocked += 1;
    overlay.put(queue.keys.key(key), row.encode());
    overlay.put(queue.keys.blocked(key, task.at), alloc::vec::Vec::new());
    Ok(Turn::Blocked)
}

/// A blocked task is finished, or is let out.
pub(crate) fn leave<V: View>(
    queue: &Queue,
    key: &str,
    task: Position,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let key = hash(key);
    let mut row = load(queue, key, overlay)?.ok_or_else(no_row)?;
    row.blocked = row.blocked.checked_sub(1).ok_or_else(no_row)?;
    overlay.put(queue.keys.key(key), row.encode());
    overlay.delete(queue.keys.blocked(key, task));
    Ok(())
}

/// A task that was let out has begun. Returns the one that is let out now; the caller takes it out of the blocked ones.
pub(crate) fn begun<V: View>(
    queue: &Queue,
    key: &str,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Option<Task>, ViewError> {
    if tasks_max(queue) == 1 {
        return Ok(None);
    }
    let key = hash(key);
    let row = load(queue, key, overlay)?.ok_or_else(no_row)?;
    let_next_out(row, None, key, queue, overlay)
}

/// A task that was let out is finished. Returns the one that is let out now; the caller takes it out of the blocked ones.
pub(crate) fn release<V: View>(
    finished: &Task,
    key: &str,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Option<Task>, ViewError> {
    let key = hash(key);
    let mut row = load(queue, key, overlay)?.ok_or_else(no_row)?;
    row.open = row.open.checked_sub(1).ok_or_else(no_row)?;
    if row.open == 0 && row.blocked == 0 {
        overlay.delete(queue.keys.key(key));
        return Ok(None);
    }
    if row.open > 0 {
        overlay.put(queue.keys.key(key), row.encode());
    }
    let_next_out(row, Some(finished.at), key, queue, overlay)
}

fn let_next_out<V: View>(
    mut row: KeyRow,
    finished: Option<Position>,
    key: u128,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Option<Task>, ViewError> {
    if row.blocked == 0 || !has_place(&row, finished, queue, overlay)? {
        return Ok(None);
    }
    let mut first = None;
    let range = QueueRange::blocked(queue.keys, key, row.from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, _| {
        first = Some(QueueKeys::parse_blocked(key));
        ControlFlow::Break(())
    })?;
    let next = first.ok_or_else(no_row)?.map_err(|error| bad_row("blocked task", error))?;
    let task =
        Task::load(overlay, queue.keys, next)?.ok_or_else(|| contradiction("a blocked task has no row"))?;
    if row.open > 0 && is_alone(&task) {
        return Ok(None);
    }
    row.head = next;
    row.from = Position(next.0.saturating_add(1));
    row.open += 1;
    overlay.put(queue.keys.key(key), row.encode());
    Ok(Some(task))
}

/// Whether another task of the key may be let out. A task that has just finished is not saved yet.
fn has_place<V: View>(
    row: &KeyRow,
    finished: Option<Position>,
    queue: &Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<bool, ViewError> {
    if row.open == 0 {
        return Ok(true);
    }
    if row.open >= tasks_max(queue) {
        return Ok(false);
    }
    if finished == Some(row.head) {
        return Ok(true);
    }
    let head = Task::load(overlay, queue.keys, row.head)?;
    Ok(head.is_none_or(|head| head.has_begun()))
}

/// How many tasks of a key may run at the same time.
fn tasks_max(queue: &Queue) -> u32 {
    queue.row.settings.options.key_concurrency.unwrap_or(1).max(1)
}

/// Whether no other task of its key runs next to it: at most one task with such a unique key does.
fn is_alone(task: &Task) -> bool {
    task.row.options.unique.as_ref().is_some_and(|unique| unique.mode != UniqueMode::Existing)
}

fn load<V: View>(
    queue: &Queue,
    key: u128,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<KeyRow>, ViewError> {
    let Some(value) = overlay.get(&queue.keys.key(key))? else { return Ok(None) };
    KeyRow::decode(&value).map(Some).map_err(|error| bad_row("key's row", error))
}

fn no_row() -> ViewError {
    contradiction("a key's row does not match its tasks")
}
