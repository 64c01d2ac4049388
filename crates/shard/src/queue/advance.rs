//! Do what is due for the tasks of one slot.
//!
//! *A claim that has expired ends: the attempt counts as failed, and a task that has lost its workers too often is a
//! dead letter, whatever its retry policy says. A delayed task whose time has come is ready. A task whose deadline has
//! passed before it was claimed is a dead letter. A finished task that was kept long enough is gone.* The node proposes this. If the command is repeated or early, it changes nothing.

use crate::breaker;
use crate::damage::bad_row;
use crate::overlay::Overlay;
use crate::queue::settle::wait;
use crate::queue::tally::Queue;
use crate::queue::task::{Task, WORKER_LOST, WasBlocked};
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{QueueKeys, QueueRange, TaskTimerKey};
use model::{AdvanceTasks, CallOutcome, Order, Outcome, TaskDue, TaskState, Timer, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<V: View>(
    advance: &AdvanceTasks,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let tasks_max = (advance.tasks_max as usize).min(limits::ADVANCE_TASKS_MAX);
    let Found { due, next } = find(advance, tasks_max, overlay)?;
    for timer in due {
        let keys = QueueKeys { slot: advance.slot, id: timer.queue };
        let mut queue = Queue::by_id(keys, overlay)?;
        if one(timer, &mut queue, overlay)? {
            queue.save(overlay);
        }
    }
    let Some(next) = next else { return Ok(Outcome::Progressed { more: false }) };
    overlay.set_timer(advance.slot, Timer::Tasks(next.due));
    Ok(Outcome::Progressed { more: is_due(next.due, overlay) })
}

/// Whether a moment has come.
fn is_due<V: View>(due: TaskDue, overlay: &Overlay<'_, '_, V>) -> bool {
    match due {
        TaskDue::Wall(wall) => wall <= overlay.shard.wall,
        TaskDue::Elapsed(elapsed) => elapsed <= overlay.shard.elapsed,
    }
}

/// Returns whether anything of the queue has changed.
fn one<V: View>(
    timer: TaskTimerKey,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<bool, ViewError> {
    let task = Task::load(overlay, queue.keys, timer.task)?;
    let Some(mut task) = task.filter(|task| task.row.due == Some(timer.due)) else {
        overlay.delete(timer.encode());
        return Ok(false);
    };
    match task.row.state {
        TaskState::Running => expire(&mut task, queue, overlay)?,
        TaskState::Delayed | TaskState::Ready | TaskState::Blocked if task.has_missed_deadline(overlay) => {
            task.miss_deadline(queue, overlay)?;
        }
        TaskState::Delayed => {
            task.leave(queue, overlay)?;
            task.ready(queue, overlay)?;
        }
        // Neither waits for anything but its deadline.
        TaskState::Ready | TaskState::Blocked => {}
        TaskState::Done | TaskState::Dead | TaskState::Cancelled => {
            task.remove(queue, overlay)?;
            return Ok(true);
        }
    }
    task.save(queue, overlay);
    Ok(true)
}

/// Ends a claim, unless heartbeats have extended it.
fn expire<V: View>(
    task: &mut Task,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let Some(claim) = task.row.claim.clone() else { return Ok(()) };
    if claim.expires > overlay.shard.elapsed {
        task.set_timer(TaskDue::Elapsed(claim.expires), queue, overlay);
        return Ok(());
    }
    let lost = CallOutcome::Failed { class: WORKER_LOST.into() };
    breaker::tasks::end(task, &claim.worker, lost, overlay)?;
    task.leave(queue, overlay)?;
    task.row.lost = task.row.lost.saturating_add(1);
    task.record_failure(&claim, WORKER_LOST, b"", queue, overlay)?;
    let policy = task.retry(queue);
    if claim.cancelled {
        task.finish(TaskState::Cancelled, WasBlocked::No, queue, overlay)
    } else if task.row.lost >= queue.row.settings.lost_max
        || task.row.attempts >= policy.attempts_max
        || task.gives_up(WORKER_LOST, queue, overlay)
    {
        task.finish(TaskState::Dead, WasBlocked::No, queue, overlay)
    } else {
        let delay_ms = task.backoff_ms(policy, claim.token);
        wait(delay_ms, task, queue, overlay).map(drop)
    }
}

struct Found {
    due: Vec<TaskTimerKey>,
    /// The first timer after those.
    next: Option<TaskTimerKey>,
}

fn find<V: View>(
    advance: &AdvanceTasks,
    tasks_max: usize,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Found, ViewError> {
    let mut found = Found { due: Vec::new(), next: None };
    let mut bad: Option<FormatError> = None;
    let range = QueueRange::timers(advance.slot, advance.from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, _| {
        match TaskTimerKey::decode(key) {
            Ok(timer) if is_due(timer.due, overlay) && found.due.len() < tasks_max => {
                found.due.push(timer);
                return ControlFlow::Continue(());
            }
            Ok(timer) => found.next = Some(timer),
            Err(error) => bad = Some(error),
        }
        ControlFlow::Break(())
    })?;
    bad.map_or(Ok(found), |error| Err(bad_row("task timer", error)))
}
