//! Put a dead letter back with other content, or into another queue.
//!
//! *A replayed task starts over: all its counts are zero, and what it remembers of its attempts stays. In another queue
//! it is a new task with its old id, which goes behind the tasks of that queue.* If that queue is full, has a task with
//! this id, or would get too many types, nothing changes.

use crate::overlay::Overlay;
use crate::queue::hash;
use crate::queue::tally::Queue;
use crate::queue::task::{Task, id_row};
use alloc::vec::Vec;
use format::row::{MemberRow, TaskIdRow, TaskPart};
use model::{Fingerprint, IdHash, Outcome, Refusal, ReplayTask, TaskState, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    replay: &ReplayTask<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let no_task = Outcome::Refused(Refusal::NoTask);
    let Some(mut queue) = Queue::load(&replay.queue, overlay)? else { return Ok(no_task) };
    let Some(mut task) = Task::find(overlay, queue.keys, &replay.task)? else { return Ok(no_task) };
    let state = task.row.state;
    if state != TaskState::Dead {
        return Ok(Outcome::Refused(Refusal::WrongTaskState { state }));
    }
    let to = replay.to.as_ref().filter(|to| **to != replay.queue);
    let mut target = to.map(|to| Queue::load_or_new(to, overlay)).transpose()?;
    let refusal = match &mut target {
        Some(target) => refuses(&task, target, overlay)?,
        None => is_full(&queue),
    };
    if let Some(refusal) = refusal {
        return Ok(Outcome::Refused(refusal));
    }
    if let Some(envelope) = &replay.envelope {
        task.put_part(TaskPart::Envelope, envelope, &queue, overlay);
    }
    match target {
        None => again(task, &mut queue, overlay)?,
        Some(mut target) => {
            go(task, &mut queue, &mut target, overlay)?;
            target.save(overlay);
        }
    }
    queue.save(overlay);
    Ok(Outcome::DeadLetterSettled)
}

/// Why a queue takes no further task; `None` if it does.
pub(crate) fn is_full(queue: &Queue) -> Option<Refusal> {
    let backlog_max = queue.row.settings.backlog_max;
    queue.would_overflow(1).then_some(Refusal::QueueFull { backlog_max })
}

/// Why another queue does not take a dead letter; `None` if it does.
pub(crate) fn refuses<V: View>(
    task: &Task,
    target: &mut Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<Refusal>, ViewError> {
    if let Some(refusal) = is_full(target) {
        return Ok(Some(refusal));
    }
    if let Some(id) = &task.row.id
        && id_row(overlay, target.keys, id)?.is_some()
    {
        return Ok(Some(Refusal::TaskConflict { part: 0, task: 0 }));
    }
    let is_new = !target.has_type(&task.row.task_type, overlay)?;
    Ok((is_new && target.has_too_many_types(1)).then_some(Refusal::TooManyTypes { task: 0 }))
}

/// Puts a dead letter back into its queue, which has space for it.
pub(crate) fn again<V: View>(
    mut task: Task,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    task.leave(queue, overlay)?;
    start_over(&mut task, overlay);
    task.begin_again(queue, overlay)?;
    task.save(queue, overlay);
    Ok(())
}

/// Moves a dead letter into another queue, which does not refuse it.
pub(crate) fn go<V: View>(
    task: Task,
    queue: &mut Queue,
    target: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let parts = parts(&task, queue, overlay)?;
    let fingerprint = match &task.row.id {
        Some(id) => id_row(overlay, queue.keys, id)?.map(|row| row.fingerprint),
        None => None,
    };
    let mut moved = Task { at: task.at, row: task.row.clone() };
    // Its group follows it.
    let mut left = task;
    left.row.group = None;
    left.remove(queue, overlay)?;
    if !target.has_type(&moved.row.task_type, overlay)? {
        target.add_type(&moved.row.task_type);
    }
    moved.at = overlay.take_position();
    (moved.row.due, moved.row.dead_class, moved.row.settled) = (None, None, None);
    if let Some(id) = &moved.row.id {
        let row = TaskIdRow { task: moved.at, fingerprint: fingerprint.unwrap_or(Fingerprint(0)) };
        overlay.put(target.keys.task_id(IdHash(hash(id))), row.encode());
    }
    for (part, value) in parts {
        overlay.put(target.keys.part(moved.at, part), value);
    }
    if let Some(place) = moved.row.group {
        let row = MemberRow::Task { queue: target.row.name.clone(), task: moved.at };
        overlay.put(place.group.member(place.member), row.encode());
    }
    start_over(&mut moved, overlay);
    moved.begin_again(target, overlay)?;
    moved.save(target, overlay);
    Ok(())
}

/// All counts are zero, and no time of day counts any more.
fn start_over<V: View>(task: &mut Task, overlay: &Overlay<'_, '_, V>) {
    (task.row.attempts, task.row.lost, task.row.defers) = (0, 0, 0);
    task.row.run_after = None;
    task.row.options.deadline = None;
    // Its content may be another, and its queue.
    task.row.gates = None;
    task.row.replayed = Some(overlay.shard.wall);
}

/// The rows of the parts that a task has.
fn parts<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Vec<(TaskPart, Vec<u8>)>, ViewError> {
    let mut parts = Vec::new();
    for part_of in
        [TaskPart::Envelope, TaskPart::Result, TaskPart::Progress, TaskPart::Failures, TaskPart::Attempts]
    {
        if let Some(value) = overlay.get(&queue.keys.part(task.at, part_of))? {
            parts.push((part_of, value.to_vec()));
        }
    }
    Ok(parts)
}
