//! Tasks with the same key run one at a time, in the order in which they were enqueued.
//!
//! *The first unfinished task of a key is its head. It blocks the others until it is done, dead or cancelled, also
//! while it waits for another attempt.*

use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use crate::queue::hash;
use crate::queue::tally::Queue;
use core::ops::ControlFlow;
use format::row::{KeyRow, QueueKeys, QueueRange};
use model::{Order, Position, View, ViewError};

/// Whether a task may run as far as its key is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Head,
    Blocked,
}

/// An unfinished task takes the key, or waits for it.
pub(crate) fn take<V: View>(
    queue: &Queue,
    key: Option<&str>,
    task: Position,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Turn, ViewError> {
    let Some(key) = key.map(hash) else { return Ok(Turn::Head) };
    match load(queue, key, overlay)? {
        None => {
            let row = KeyRow { head: task, blocked: 0, from: Position(u64::MAX) };
            overlay.put(queue.keys.key(key), row.encode());
            Ok(Turn::Head)
        }
        Some(mut row) => {
            row.from = if row.blocked == 0 { task } else { row.from.min(task) };
            row.blocked += 1;
            overlay.put(queue.keys.key(key), row.encode());
            overlay.put(queue.keys.blocked(key, task), alloc::vec::Vec::new());
            Ok(Turn::Blocked)
        }
    }
}

/// A blocked task is finished, or becomes the head.
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

/// The head is finished. Returns the task that is the head from now on; the caller takes it out of the blocked ones.
pub(crate) fn release<V: View>(
    queue: &Queue,
    key: &str,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Option<Position>, ViewError> {
    let key = hash(key);
    let mut row = load(queue, key, overlay)?.ok_or_else(no_row)?;
    if row.blocked == 0 {
        overlay.delete(queue.keys.key(key));
        return Ok(None);
    }
    let mut first = None;
    let range = QueueRange::blocked(queue.keys, key, row.from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, _| {
        first = Some(QueueKeys::parse_blocked(key));
        ControlFlow::Break(())
    })?;
    let next = first.ok_or_else(no_row)?.map_err(|error| bad_row("blocked task", error))?;
    row.head = next;
    row.from = Position(next.0.saturating_add(1));
    overlay.put(queue.keys.key(key), row.encode());
    Ok(Some(next))
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
