//! Delete a schedule.
//!
//! *A deleted schedule has no more ticks. Tasks that it has enqueued stay in their queue.* Deleting a schedule that does
//! not exist changes nothing.

use crate::overlay::Overlay;
use crate::schedule::state::Schedule;
use model::{DeleteSchedule, Outcome, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    delete: &DeleteSchedule<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let Some(schedule) = Schedule::load(&delete.schedule, overlay)? else {
        return Ok(Outcome::ScheduleDeleted { existed: false });
    };
    schedule.delete(overlay)?;
    Ok(Outcome::ScheduleDeleted { existed: true })
}
