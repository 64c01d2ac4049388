//! Replace a queue's settings.
//!
//! *From now on the new settings apply, also to tasks that are in the queue.* How long a finished task is kept was
//! decided when it was finished, and the limits of a task that runs when it was claimed.

use crate::overlay::Overlay;
use crate::queue::tally::Queue;
use model::{Outcome, PutQueue, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    put: &PutQueue<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let mut queue = Queue::load_or_new(&put.queue, overlay)?;
    let resumes = queue.row.settings.paused && !put.settings.paused;
    let has_other_concurrency = queue.row.settings.options.concurrency != put.settings.options.concurrency;
    let (before, options) = (&queue.row.settings.options, &put.settings.options);
    let has_other_limits = before.limits != options.limits || before.breaker != options.breaker;
    queue.row_mut().settings = put.settings.clone();
    if has_other_limits {
        queue.row_mut().generation += 1;
        queue.load_types(overlay)?;
        for (task_type, row) in queue.types() {
            overlay.ready_again(&queue.row.name, task_type, row.ready() + row.cohorts.waiting);
        }
    } else if resumes || has_other_concurrency {
        queue.load_types(overlay)?;
        queue.ready_again(overlay);
    }
    if put.settings.options.concurrency.is_some() {
        overlay.freed_in(queue.keys);
    }
    queue.save(overlay);
    Ok(Outcome::QueuePut)
}
