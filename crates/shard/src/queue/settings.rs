//! Replace a queue's settings.
//!
//! *From now on the new settings apply, also to tasks that are in the queue.* How long a finished task is kept was
//! decided when it was finished.

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
    queue.row_mut().settings = put.settings.clone();
    if resumes {
        queue.load_types(overlay)?;
        queue.ready_again(overlay);
    }
    queue.save(overlay);
    Ok(Outcome::QueuePut)
}
