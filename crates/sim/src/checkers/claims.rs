//! A claim that waits for tasks is granted one as soon as there is one that it can take.

use model::{Claim, TaskState};
use reference_model::Simple;
use reference_model::queue::{Queue, Task};

/// The node has nothing to do, and this claim still waits.
///
/// # Errors
/// A task can be claimed.
pub fn has_reason_to_wait(claim: &Claim<'_>, model: &Simple) -> Result<(), String> {
    let queue = model.queues.all.iter().find(|queue| queue.name == claim.queue.as_str());
    let Some(queue) = queue.filter(|queue| gives_out_tasks(queue)) else { return Ok(()) };
    let is_wanted = |task: &&Task| {
        let of_type = claim.types.is_empty() || claim.types.iter().any(|of| *of == task.sent.task_type);
        of_type && queue.shown_state(task) == TaskState::Ready && task.sent.deadline.is_none()
    };
    match queue.tasks.iter().find(is_wanted) {
        Some(task) => Err(format!("{claim:?} waits although {task:?} is ready")),
        None => Ok(()),
    }
}

/// Whether each ready task of the queue can be claimed. Of those that have limits or a breaker, a claim has to find that
/// out.
fn gives_out_tasks(queue: &Queue) -> bool {
    let options = &queue.settings.options;
    let has_gates = !options.limits.is_empty() || options.breaker.is_some() || !queue.cohorts.is_empty();
    !queue.settings.paused && !has_gates && queue.free() > 0
}
