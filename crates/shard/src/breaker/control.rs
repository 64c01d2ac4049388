//! Hold a breaker open or closed, or let it decide for itself again.
//!
//! *A breaker that is held open admits no call; one that is held closed admits all. Outcomes change neither. When it is
//! released, it starts again, closed, and has forgotten its calls and trips.* Holding it as it is held already changes
//! nothing.

use super::{Breaker, Change, tasks};
use crate::overlay::Overlay;
use model::{ControlBreaker, Outcome, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    control: &ControlBreaker<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let mut breaker = Breaker::load(control.breaker.as_str(), overlay)?;
    if breaker.row.state.forced != control.forced {
        breaker.force(control.forced, overlay.shard.elapsed);
        breaker.save(Change::Told, overlay)?;
        tasks::let_go_on(control.breaker.as_str(), overlay)?;
    }
    Ok(Outcome::BreakerControlled)
}
