//! Replace a breaker's settings, or create the breaker.
//!
//! *The settings apply from now on. What the breaker remembers stays: one that is open stays open for as long as it was
//! to be. Only a window of another length starts empty.*

use super::{Breaker, Change, tasks};
use crate::overlay::Overlay;
use model::{Outcome, PutBreaker, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    put: &PutBreaker<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let mut breaker = Breaker::load(put.breaker.as_str(), overlay)?;
    breaker.set(put.settings.clone(), overlay.shard.elapsed);
    breaker.save(Change::Told, overlay)?;
    tasks::let_go_on(put.breaker.as_str(), overlay)?;
    Ok(Outcome::BreakerPut)
}
