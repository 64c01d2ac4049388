//! Do the same to several tasks of a queue.
//!
//! *The proposer has searched for the tasks. Each is looked at again: one that is gone, has another state or does
//! not match any more is passed over. The others are cancelled, put back, moved into another queue, or dropped.* A dead
//! letter that another queue does not take, because it has a task with its id or too many types, stays where it is. A
//! full queue ends the command: the outcome says how far it has come, or that it is refused.

use crate::overlay::Overlay;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use crate::queue::{cohort, hash, replay};
use model::{ChangeTasks, Outcome, Refusal, TaskChange, TaskState, TasksChanged, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<V: View>(
    change: &ChangeTasks<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let mut done = TasksChanged::default();
    let Some(mut queue) = Queue::load(&change.queue, overlay)? else {
        return Ok(Outcome::TasksChanged(done));
    };
    let mut target = match &change.change {
        TaskChange::Replay { to: Some(to) } if *to != change.queue => Some(Queue::load_or_new(to, overlay)?),
        _ => None,
    };
    let has_new_target = target.as_ref().is_some_and(|target| target.row.types == 0);
    let class = change.class.as_deref().map(hash);
    for (at, position) in change.tasks.iter().take(limits::CHANGE_TASKS_MAX).enumerate() {
        let Some(task) = Task::load(overlay, queue.keys, *position)? else { continue };
        let has_type = change.task_type.as_ref().is_none_or(|wanted| *wanted == task.row.task_type);
        let has_class = class.is_none() || class == task.row.dead_class;
        let state = cohort::shown_state(overlay, queue.keys, &task)?;
        let has_state = change.state.is_none_or(|wanted| wanted == state);
        if !has_type || !has_class || !has_state {
            continue;
        }
        match one(&change.change, task, &mut queue, target.as_mut(), overlay)? {
            Done::Changed => done.changed += 1,
            Done::Passed => {}
            Done::Kept => done.kept += 1,
            Done::Full(refusal) if done == TasksChanged::default() => return Ok(Outcome::Refused(refusal)),
            Done::Full(_) => {
                done.full_after = Some(at as u32);
                break;
            }
        }
    }
    if let Some(target) = target
        && (done.changed > 0 || !has_new_target)
    {
        target.save(overlay);
    }
    queue.save(overlay);
    Ok(Outcome::TasksChanged(done))
}

/// What became of one task.
enum Done {
    Changed,
    Passed,
    Kept,
    Full(Refusal),
}

fn one<V: View>(
    change: &TaskChange<'_>,
    mut task: Task,
    queue: &mut Queue,
    target: Option<&mut Queue>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Done, ViewError> {
    let is_dead = task.row.state == TaskState::Dead;
    match change {
        TaskChange::Cancel if task.row.state.is_final() => return Ok(Done::Passed),
        TaskChange::Cancel => {
            task.cancel_or_tell(queue, overlay)?;
            task.save(queue, overlay);
        }
        _ if !is_dead => return Ok(Done::Passed),
        TaskChange::Drop => task.drop_dead(queue, overlay)?,
        TaskChange::Replay { .. } => {
            let refusal = match target {
                None => replay::is_full(queue),
                Some(target) => {
                    let refusal = replay::refuses(&task, target, overlay)?;
                    if refusal.is_none() {
                        replay::go(task, queue, target, overlay)?;
                        return Ok(Done::Changed);
                    }
                    refusal
                }
            };
            match refusal {
                None => replay::again(task, queue, overlay)?,
                Some(full @ Refusal::QueueFull { .. }) => return Ok(Done::Full(full)),
                Some(_) => return Ok(Done::Kept),
            }
        }
    }
    Ok(Done::Changed)
}
