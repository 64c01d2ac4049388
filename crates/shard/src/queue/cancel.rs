//! Cancel a task.
//!
//! *A task that no worker runs is cancelled at once. One that runs goes on until its worker learns of it from a
//! heartbeat and settles it, or completes it; if it does neither, the task is cancelled when the claim expires.*

use crate::overlay::Overlay;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use model::{CancelTask, Outcome, Refusal, TaskState, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    cancel: &CancelTask<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let no_task = Outcome::Refused(Refusal::NoTask);
    let Some(mut queue) = Queue::load(&cancel.queue, overlay)? else { return Ok(no_task) };
    let Some(mut task) = Task::find(overlay, queue.keys, &cancel.task)? else { return Ok(no_task) };
    let state = task.row.state;
    match state {
        TaskState::Done | TaskState::Dead => return Ok(Outcome::Refused(Refusal::WrongTaskState { state })),
        TaskState::Cancelled => return Ok(Outcome::TaskCancelled(state)),
        TaskState::Running | TaskState::Delayed | TaskState::Blocked | TaskState::Ready => {
            task.cancel_or_tell(&mut queue, overlay)?;
        }
    }
    task.save(&queue, overlay);
    queue.save(overlay);
    Ok(Outcome::TaskCancelled(task.row.state))
}
