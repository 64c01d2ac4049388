//! Remove a breaker.
//!
//! *Its settings and all that it remembers are gone. It begins anew, closed and with the default settings, when it is
//! next used.*

use super::{Breaker, hash, slot, tasks};
use crate::overlay::Overlay;
use format::row::breaker_recent_key;
use model::{DeleteBreaker, Outcome, Refusal, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<V: View>(
    delete: &DeleteBreaker<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let name = delete.breaker.as_str();
    let breaker = Breaker::load(name, overlay)?;
    if breaker.stored.is_none() {
        return Ok(Outcome::Refused(Refusal::NoBreaker));
    }
    breaker.remove(overlay)?;
    for group in 0..limits::BREAKER_RECENT_GROUPS as u16 {
        let recent = breaker_recent_key(slot(name), hash(name), group);
        if overlay.get(&recent)?.is_some() {
            overlay.delete(recent);
        }
    }
    tasks::let_go_on(name, overlay)?;
    Ok(Outcome::BreakerDeleted)
}
