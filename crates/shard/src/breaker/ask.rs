//! Ask for a permit where a probe may be free.
//!
//! *When a breaker has been open for its time, exactly as many probes run in the whole cluster as its settings allow.
//! A probe without an outcome for long enough is given up, and another one may start.* All other calls are decided by
//! what the state says, and change nothing.

use super::{Breaker, Change};
use crate::overlay::Overlay;
use model::{AskBreaker, BreakerDecision, Outcome, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    ask: &AskBreaker<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let mut breaker = Breaker::load(ask.breaker.as_str(), overlay)?;
    let decision = breaker.ask(overlay.shard.elapsed, ask.random);
    if matches!(decision, BreakerDecision::Admitted { probe, .. } if probe != 0) {
        breaker.save(Change::Told, overlay)?;
    }
    Ok(Outcome::BreakerAsked(decision))
}
