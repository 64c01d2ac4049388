//! Dead letters by the class of their last failure.
//!
//! *Each class has a count, and its dead letters can be found without looking at the others.*

use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use crate::queue::hash;
use crate::queue::history::failures;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::DeadClassRow;
use model::{View, ViewError};

/// A task has become a dead letter.
pub(crate) fn join<V: View>(
    task: &mut Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let last = failures(overlay, queue.keys, task)?.pop();
    let class = last.map_or_else(String::new, |failure| failure.class);
    let key = hash(&class);
    let mut row = load(key, queue, overlay)?.unwrap_or(DeadClassRow { class, tasks: 0 });
    row.tasks += 1;
    task.row.dead_class = Some(key);
    overlay.put(queue.keys.dead_class(key), row.encode());
    overlay.put(queue.keys.dead_of_class(key, task.at), Vec::new());
    Ok(())
}

/// A task is a dead letter no longer. One from before classes were kept has none.
pub(crate) fn leave<V: View>(
    task: &mut Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let Some(key) = task.row.dead_class.take() else { return Ok(()) };
    let miscounted = || contradiction("the count of a class of dead letters is wrong");
    let mut row = load(key, queue, overlay)?.ok_or_else(miscounted)?;
    row.tasks = row.tasks.checked_sub(1).ok_or_else(miscounted)?;
    overlay.delete(queue.keys.dead_of_class(key, task.at));
    if row.tasks == 0 {
        overlay.delete(queue.keys.dead_class(key));
    } else {
        overlay.put(queue.keys.dead_class(key), row.encode());
    }
    Ok(())
}

fn load<V: View>(
    key: u128,
    queue: &Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<DeadClassRow>, ViewError> {
    let Some(value) = overlay.get(&queue.keys.dead_class(key))? else { return Ok(None) };
    DeadClassRow::decode(&value).map(Some).map_err(|error| bad_row("class's row", error))
}
