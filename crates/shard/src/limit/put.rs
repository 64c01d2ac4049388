//! Replace a limit, or create it.
//!
//! *From now on the limit holds for every queue that names it, also for tasks that wait there. Claims that last count,
//! and none is taken away: after a limit was lowered, nothing more is claimed until enough claims have ended.*

use crate::limit::{row, walk};
use crate::overlay::Overlay;
use format::row::LimitRow;
use model::{Outcome, PutLimit, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    put: &PutLimit<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let limit = put.limit.as_str();
    let before = row(overlay, limit)?;
    let settings = Some(put.settings);
    if before.is_none_or(|row| row.settings != settings) {
        walk(limit, LimitRow { settings, walk: None }, overlay);
    }
    Ok(Outcome::LimitPut)
}
