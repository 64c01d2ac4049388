//! Searches for tasks that one command is to change alike, and the classes of dead letters.

use crate::damage::bad_row;
use crate::queue::task::Task;
use crate::queue::{cohort, hash, id_of};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{DeadClassRow, QueueKeys, QueueRange};
use model::{Order, Position, QueueName, TaskState, View, ViewError, limits};

/// Which tasks to search for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TasksSought<'a> {
    /// `None`: all that are unfinished.
    pub state: Option<TaskState>,
    pub task_type: Option<Cow<'a, str>>,
    /// Of the last failure of a dead letter.
    pub class: Option<Cow<'a, str>>,
    /// Only tasks after this one.
    pub after: Position,
    /// At most this many.
    pub limit: usize,
    /// Examine at most this many.
    pub examined_max: usize,
}

/// What was found, in the order in which the tasks were enqueued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TasksFound {
    pub tasks: Vec<Position>,
    /// The search goes on after this; `None` at the end.
    pub next: Option<Position>,
}

/// Searches for tasks of one queue.
///
/// # Errors
/// [`ViewError`].
pub fn tasks_sought(
    view: &impl View,
    queue: &QueueName<'_>,
    sought: &TasksSought<'_>,
) -> Result<TasksFound, ViewError> {
    let mut found = TasksFound::default();
    let Some(keys) = id_of(view, queue)? else { return Ok(found) };
    let candidates = candidates(view, keys, sought)?;
    let is_cut = candidates.len() >= sought.examined_max;
    let mut candidates = candidates.into_iter();
    for at in candidates.by_ref() {
        found.next = Some(at);
        let Some(task) = Task::load(view, keys, at)? else { continue };
        let state = cohort::shown_state(view, keys, &task)?;
        let has_state = sought.state.map_or(!state.is_final(), |wanted| wanted == state);
        let has_type = sought.task_type.as_ref().is_none_or(|wanted| *wanted == task.row.task_type);
        if has_state && has_type {
            found.tasks.push(at);
            if found.tasks.len() >= sought.limit {
                break;
            }
        }
    }
    if candidates.next().is_none() && !is_cut {
        found.next = None;
    }
    Ok(found)
}

/// Tasks that may be among those that are sought, by the best index that there is.
fn candidates(
    view: &impl View,
    keys: QueueKeys,
    sought: &TasksSought<'_>,
) -> Result<Vec<Position>, ViewError> {
    type Parse = fn(&[u8]) -> Result<Position, FormatError>;
    let (range, parse): (_, Parse) = match (&sought.class, sought.state) {
        (Some(class), _) => {
            let range = QueueRange::dead_of_class_after(keys, hash(class), sought.after);
            (range, QueueKeys::parse_dead_of_class)
        }
        (None, Some(TaskState::Dead)) => (QueueRange::dead_after(keys, sought.after), QueueKeys::parse_dead),
        (None, _) => (QueueRange::tasks_after(keys, sought.after), QueueKeys::parse_task),
    };
    let mut found = Vec::new();
    let mut bad = None;
    view.scan(range.as_range(), Order::Ascending, &mut |key, _| {
        match parse(key) {
            Ok(at) => found.push(at),
            Err(error) => bad = Some(error),
        }
        if bad.is_none() && found.len() < sought.examined_max {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    bad.map_or(Ok(found), |error| Err(bad_row("task's key", error)))
}

/// The dead letters of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadClass {
    pub class: String,
    pub tasks: u64,
}

/// The classes of a queue's dead letters, those with the most tasks first, and whether there are more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeadClasses {
    pub classes: Vec<DeadClass>,
    pub has_more: bool,
}

/// Reads the classes of dead letters, at most [`limits::DEAD_CLASSES_SHOWN_MAX`].
///
/// # Errors
/// [`ViewError`].
pub fn dead_classes(view: &impl View, queue: &QueueName<'_>) -> Result<DeadClasses, ViewError> {
    let mut found = DeadClasses::default();
    let Some(keys) = id_of(view, queue)? else { return Ok(found) };
    let mut bad = None;
    view.scan(QueueRange::dead_classes(keys).as_range(), Order::Ascending, &mut |_, value| {
        if found.classes.len() == limits::DEAD_CLASSES_SHOWN_MAX {
            found.has_more = true;
            return ControlFlow::Break(());
        }
        match DeadClassRow::decode(value) {
            Ok(row) => found.classes.push(DeadClass { class: row.class, tasks: row.tasks }),
            Err(error) => bad = Some(error),
        }
        if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if let Some(error) = bad {
        return Err(bad_row("class's row", error));
    }
    found.classes.sort_by(|a, b| b.tasks.cmp(&a.tasks).then_with(|| a.class.cmp(&b.class)));
    Ok(found)
}
