//! Replay a dead letter, or drop it.
//!
//! *A replayed task starts over: all its counts are zero, and it is ready at once, or waits for its key. A dropped one
//! is gone.*

use crate::overlay::Overlay;
use crate::queue::replay;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use model::{DeadLetterEnd, Outcome, Refusal, SettleDeadLetter, TaskState, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    settle: &SettleDeadLetter<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let no_task = Outcome::Refused(Refusal::NoTask);
    let Some(mut queue) = Queue::load(&settle.queue, overlay)? else { return Ok(no_task) };
    let Some(task) = Task::find(overlay, queue.keys, &settle.task)? else { return Ok(no_task) };
    let state = task.row.state;
    if state != TaskState::Dead {
        return Ok(Outcome::Refused(Refusal::WrongTaskState { state }));
    }
    match settle.end {
        DeadLetterEnd::Drop => task.drop_dead(&mut queue, overlay)?,
        DeadLetterEnd::Replay => {
            if let Some(refusal) = replay::is_full(&queue) {
                return Ok(Outcome::Refused(refusal));
            }
            replay::again(task, &mut queue, overlay)?;
        }
    }
    queue.save(overlay);
    Ok(Outcome::DeadLetterSettled)
}
