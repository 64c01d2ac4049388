//! Enqueue a batch of tasks.
//!
//! *Each task is added, or the result says that the queue has it already.* A client's id identifies the task: the same
//! id with the same content is a replay, and with other content a conflict, which touches no other task of the batch.
//! If the batch would exceed the queue's backlog, or bring it too many types, nothing is added. A new task is blocked
//! if an unfinished task has its key, delayed if its time has not come, and ready otherwise. A task with a unique key
//! may find that another one makes it unnecessary: the result names that one, and other tasks are not affected.

use crate::damage::contradiction;
use crate::overlay::Overlay;
use crate::queue::tally::Queue;
use crate::queue::task::{Task, id_row};
use crate::queue::unique::{self, Met};
use crate::queue::{hash, id_of};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use format::row::{GroupPlace, TaskIdRow, TaskPart};
use model::{Enqueue, Enqueued, EnqueuedTask, IdHash, NewTask, Outcome, Position, Refusal, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    enqueue: &Enqueue<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let mut queue = Queue::load_or_new(&enqueue.queue, overlay)?;
    if let Some(refusal) = check(enqueue, &mut queue, overlay)? {
        return Ok(Outcome::Refused(refusal));
    }
    let mut tasks = Vec::with_capacity(enqueue.tasks.len());
    for task in &enqueue.tasks {
        tasks.push(add(task, &mut queue, overlay)?);
    }
    let slot = queue.keys.slot;
    if tasks.iter().any(|task| matches!(task, EnqueuedTask::Added(_))) {
        queue.save(overlay);
    }
    Ok(Outcome::Enqueued(Enqueued { slot, tasks }))
}

/// Adds tasks as part of a transaction, in which every task must be added or known.
pub(crate) fn write<V: View>(
    enqueue: &Enqueue<'_>,
    part: u32,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Result<Enqueued, Refusal>, ViewError> {
    let enqueued = match apply(enqueue, overlay)? {
        Outcome::Enqueued(enqueued) => enqueued,
        Outcome::Refused(refusal) => return Ok(Err(refusal)),
        _ => return Err(contradiction("tasks were enqueued with another outcome")),
    };
    let conflict = enqueued.tasks.iter().position(|task| matches!(task, EnqueuedTask::Conflict(_)));
    Ok(conflict.map_or(Ok(enqueued), |task| Err(Refusal::TaskConflict { part, task: task as u32 })))
}

/// The result if the queue has every task already; `None` otherwise.
pub(crate) fn replay<V: View>(
    enqueue: &Enqueue<'_>,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<Enqueued>, ViewError> {
    let Some(keys) = id_of(overlay, &enqueue.queue)? else { return Ok(None) };
    let mut tasks = Vec::with_capacity(enqueue.tasks.len());
    for task in &enqueue.tasks {
        let Some(id) = &task.id else { return Ok(None) };
        match id_row(overlay, keys, id)? {
            Some(row) if row.fingerprint == task.fingerprint => tasks.push(EnqueuedTask::Replayed(row.task)),
            _ => return Ok(None),
        }
    }
    Ok(Some(Enqueued { slot: keys.slot, tasks }))
}

/// Checks that the queue takes all tasks that it does not have yet.
fn check<V: View>(
    enqueue: &Enqueue<'_>,
    queue: &mut Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<Refusal>, ViewError> {
    let mut new = Vec::with_capacity(enqueue.tasks.len());
    for (at, task) in enqueue.tasks.iter().enumerate() {
        let is_known = match &task.id {
            Some(id) => id_row(overlay, queue.keys, id)?.is_some(),
            None => false,
        };
        if !is_known && !meets_another(task, queue, overlay)? {
            new.push((at, task));
        }
    }
    if queue.would_overflow(new.len() as u64) {
        return Ok(Some(Refusal::QueueFull { backlog_max: queue.row.settings.backlog_max }));
    }
    let mut types = BTreeSet::new();
    for (at, task) in new {
        if !types.contains(&*task.task_type) && !queue.has_type(&task.task_type, overlay)? {
            types.insert(&*task.task_type);
            if queue.has_too_many_types(types.len()) {
                return Ok(Some(Refusal::TooManyTypes { task: at as u32 }));
            }
        }
    }
    Ok(None)
}

/// Whether the queue has no more unfinished tasks after this one was enqueued, because of its unique key.
fn meets_another<V: View>(
    task: &NewTask<'_>,
    queue: &Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<bool, ViewError> {
    let Some(unique) = &task.options.unique else { return Ok(false) };
    Ok(!matches!(unique::meet(unique, queue, overlay)?, Met::Nothing))
}

/// Adds one task, for which there is space.
pub(crate) fn add<V: View>(
    new: &NewTask<'_>,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<EnqueuedTask, ViewError> {
    if let Some(id) = &new.id
        && let Some(row) = id_row(overlay, queue.keys, id)?
    {
        let is_same = row.fingerprint == new.fingerprint;
        return Ok(if is_same { EnqueuedTask::Replayed(row.task) } else { EnqueuedTask::Conflict(row.task) });
    }
    if let Some(unique) = &new.options.unique {
        match unique::meet(unique, queue, overlay)? {
            Met::Nothing => {}
            Met::Existing(task) => return Ok(EnqueuedTask::Existing { task: task.at, id: task.row.id }),
            Met::Replaced(mut task) => {
                task.cancel(queue, overlay)?;
                task.save(queue, overlay);
            }
        }
    }
    Ok(EnqueuedTask::Added(insert(new, None, queue, overlay)?))
}

/// Adds a task that no check stands against, with its place in a group.
pub(crate) fn insert<V: View>(
    new: &NewTask<'_>,
    group: Option<GroupPlace>,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Position, ViewError> {
    if !queue.has_type(&new.task_type, overlay)? {
        queue.add_type(&new.task_type);
    }
    let at = overlay.take_position();
    let mut task = Task::new(at, new);
    task.row.group = group;
    if let Some(id) = &new.id {
        let row = TaskIdRow { task: at, fingerprint: new.fingerprint };
        overlay.put(queue.keys.task_id(IdHash(hash(id))), row.encode());
    }
    task.put_part(TaskPart::Envelope, &new.envelope, queue, overlay);
    task.begin(queue, overlay)?;
    task.save(queue, overlay);
    Ok(at)
}
