//! How a tick enqueues its task, and which runs are unfinished.

use crate::damage::bad_row;
use crate::damage::contradiction;
use crate::overlay::Overlay;
use crate::queue::task::Task;
use crate::queue::{cancel, enqueue, id_of};
use crate::schedule::state::{Schedule, definition};
use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;
use format::row::{Held, decode_definition};
use model::schedule::{run_id, tick_text};
use model::{
    CancelTask, Enqueue, EnqueuedTask, HeldBy, NewTask, Outcome, Paused, Position, QueueName, Refusal,
    RunCause, ScheduleDefinition, ScheduleName, ScheduleRun, TaskOptions, TaskRef, TaskState, View,
    ViewError, Wall, limits,
};

/// Enqueues the tasks of some ticks, all or none.
pub(crate) fn start<V: View>(
    schedule: &mut Schedule<'_>,
    definition: &ScheduleDefinition<'_>,
    ticks: &[(Wall, RunCause)],
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Result<Vec<ScheduleRun>, Refusal>, ViewError> {
    let template = &definition.enqueue;
    let task = |(tick, cause): &(Wall, RunCause)| {
        template.tasks.first().map(|task| task_of(&schedule.name, task, *tick, *cause))
    };
    let tasks = ticks.iter().filter_map(task).collect();
    let enqueue = Enqueue { keyed: None, queue: template.queue.clone(), tasks };
    let enqueued = match schedule.while_stored(overlay, |overlay| enqueue::apply(&enqueue, overlay))? {
        Outcome::Enqueued(enqueued) => enqueued,
        Outcome::Refused(refusal) => return Ok(Err(refusal)),
        _ => return Err(contradiction("tasks were enqueued with another outcome")),
    };
    let mut runs = Vec::with_capacity(ticks.len());
    for ((tick, cause), task) in ticks.iter().zip(enqueued.tasks) {
        match task {
            EnqueuedTask::Added(task) | EnqueuedTask::Replayed(task) => {
                runs.push(ScheduleRun { tick: *tick, cause: *cause, task });
            }
            EnqueuedTask::Conflict(_) => schedule.row.totals.conflicts += 1,
            // The unique key of the task says that another one does its work.
            EnqueuedTask::Existing { .. } => schedule.row.totals.overlapped += 1,
        }
    }
    schedule.row.held = None;
    schedule.row.totals.runs += runs.len() as u64;
    schedule.row.runs.extend_from_slice(&runs);
    let surplus = schedule.row.runs.len().saturating_sub(limits::SCHEDULE_RUNS_KEPT);
    schedule.row.runs.drain(..surplus);
    Ok(Ok(runs))
}

/// The task that a tick enqueues.
fn task_of<'a>(
    schedule: &ScheduleName<'_>,
    template: &NewTask<'a>,
    tick: Wall,
    cause: RunCause,
) -> NewTask<'a> {
    let mut envelope = template.envelope.to_vec();
    envelope.extend_from_slice(b",\"scheduled\":\"");
    envelope.extend_from_slice(tick_text(tick).as_bytes());
    envelope.push(b'"');
    let options =
        TaskOptions { schedule: Some(Cow::Owned(schedule.to_string())), ..template.options.clone() };
    NewTask {
        id: Some(Cow::Owned(run_id(schedule, tick, cause))),
        envelope: Cow::Owned(envelope),
        options,
        ..template.clone()
    }
}

/// Remembers why a tick cannot enqueue its task. It tries again after a while.
pub(crate) fn hold<V: View>(
    schedule: &mut Schedule<'_>,
    refusal: &Refusal,
    overlay: &Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let by = match refusal {
        Refusal::QueueFull { .. } => HeldBy::QueueFull,
        Refusal::TooManyTypes { .. } => HeldBy::TooManyTypes,
        _ => return Err(contradiction("a tick was refused for another reason")),
    };
    let now = overlay.shard.wall;
    let since = schedule.row.held.map_or(now, |held| held.since);
    let retry = Wall(now.0.saturating_add(limits::SCHEDULE_RETRY_MS));
    schedule.row.held = Some(Held { by, since, retry });
    Ok(())
}

/// Runs that are unfinished, among those that the schedule remembers.
pub(crate) fn unfinished(schedule: &Schedule<'_>, view: &impl View) -> Result<Vec<Position>, ViewError> {
    let mut unfinished = Vec::new();
    let Some(queue) = queue_of(schedule) else { return Ok(unfinished) };
    let Some(keys) = id_of(view, &queue)? else { return Ok(unfinished) };
    for run in &schedule.row.runs {
        let task = Task::load(view, keys, run.task)?;
        if task.is_some_and(|task| !task.row.state.is_final()) {
            unfinished.push(run.task);
        }
    }
    Ok(unfinished)
}

/// Cancels runs.
pub(crate) fn cancel_all<V: View>(
    schedule: &mut Schedule<'_>,
    runs: &[Position],
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let Some(queue) = queue_of(schedule) else { return Ok(()) };
    schedule.while_stored(overlay, |overlay| {
        for run in runs {
            let cancel = CancelTask { queue: queue.clone(), task: TaskRef::Server(*run) };
            cancel::apply(&cancel, overlay)?;
        }
        Ok(())
    })
}

fn queue_of(schedule: &Schedule<'_>) -> Option<QueueName<'static>> {
    QueueName::new(schedule.row.queue.clone()).ok()
}

/// A run has ended. The next waiting tick can begin, and a dead letter may pause the schedule.
pub(crate) fn finished<V: View>(
    schedule: &str,
    task: Position,
    state: TaskState,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    let Ok(name) = ScheduleName::new(schedule) else { return Ok(()) };
    let Some(mut schedule) = Schedule::load(&name, overlay)? else { return Ok(()) };
    if !schedule.row.runs.iter().any(|run| run.task == task) {
        return Ok(());
    }
    if state == TaskState::Dead && schedule.row.paused.is_none() {
        let stored = definition(&name, overlay)?;
        let definition =
            decode_definition(&stored).map_err(|error| bad_row("definition of a schedule", error))?;
        if definition.rules.pause_on_failure {
            schedule.row.paused = Some(Paused::ByFailure);
        }
    }
    schedule.row.wake |= !schedule.row.waiting.is_empty();
    schedule.save(overlay)
}
