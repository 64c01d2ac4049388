//! A task that another one makes unnecessary.
//!
//! *While a task with a unique key is unfinished, another one with that key is not added, or takes its place.* Which of
//! these, and whether a running task counts, is the mode of the new task. The rule is looked at when a task is enqueued
//! and never again: one that fails, or is replayed, does not conflict with what was enqueued later.

use crate::damage::{bad_row, contradiction};
use crate::overlay::Overlay;
use crate::queue::hash;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use alloc::vec::Vec;
use format::row::UniqueRow;
use model::{Position, TaskState, Unique, UniqueMode, View, ViewError};

/// What a new task meets.
#[derive(Debug)]
pub(crate) enum Met {
    /// It is added.
    Nothing,
    /// This one makes it unnecessary.
    Existing(Task),
    /// It makes this one unnecessary.
    Replaced(Task),
}

/// Looks for unfinished tasks with the key.
pub(crate) fn meet<V: View>(
    unique: &Unique<'_>,
    queue: &Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Met, ViewError> {
    let tasks = load(queue, &unique.key, overlay)?;
    let mut met = Met::Nothing;
    // There are never more than three: an earlier one that may run at the same time, one that has the key, and one
    // that waits for it. The last one counts.
    for at in tasks {
        let task = Task::load(overlay, queue.keys, at)?
            .ok_or_else(|| contradiction("an unfinished task with a unique key has no row"))?;
        let is_running = task.row.state == TaskState::Running;
        match unique.mode {
            UniqueMode::Existing => met = Met::Existing(task),
            UniqueMode::OneWaiting if !is_running => met = Met::Existing(task),
            UniqueMode::Replace if !is_running => met = Met::Replaced(task),
            UniqueMode::OneWaiting | UniqueMode::Replace => {}
        }
    }
    Ok(met)
}

/// A task is unfinished from now on.
pub(crate) fn join<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let Some(unique) = &task.row.options.unique else { return Ok(()) };
    let mut tasks = load(queue, &unique.key, overlay)?;
    tasks.push(task.at);
    save(&unique.key, tasks, queue, overlay);
    Ok(())
}

/// A task is unfinished again. If others have its key meanwhile, they do not know of it.
pub(crate) fn join_again<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let Some(unique) = &task.row.options.unique else { return Ok(()) };
    if load(queue, &unique.key, overlay)?.is_empty() { join(task, queue, overlay) } else { Ok(()) }
}

/// A task is finished.
pub(crate) fn leave<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let Some(unique) = &task.row.options.unique else { return Ok(()) };
    let mut tasks = load(queue, &unique.key, overlay)?;
    tasks.retain(|at| *at != task.at);
    save(&unique.key, tasks, queue, overlay);
    Ok(())
}

fn load<V: View>(queue: &Queue, key: &str, overlay: &Overlay<'_, '_, V>) -> Result<Vec<Position>, ViewError> {
    match overlay.get(&queue.keys.unique(hash(key)))? {
        None => Ok(Vec::new()),
        Some(value) => {
            let row = UniqueRow::decode(&value).map_err(|error| bad_row("unique key's row", error))?;
            Ok(row.tasks)
        }
    }
}

fn save<V: View>(key: &str, tasks: Vec<Position>, queue: &Queue, overlay: &mut Overlay<'_, '_, V>) {
    let at = queue.keys.unique(hash(key));
    if tasks.is_empty() {
        overlay.delete(at);
    } else {
        overlay.put(at, UniqueRow { tasks }.encode());
    }
}
