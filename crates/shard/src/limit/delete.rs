//! Remove a limit.
//!
//! *Tasks that wait for it can run. Queues may still name it: it limits nothing until it exists again, and what has begun
//! meanwhile counts then.*

use crate::limit::{row, walk};
use crate::overlay::Overlay;
use format::row::LimitRow;
use model::{DeleteLimit, Outcome, Refusal, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    delete: &DeleteLimit<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let limit = delete.limit.as_str();
    match row(overlay, limit)? {
        Some(LimitRow { settings: Some(_), .. }) => {
            walk(limit, LimitRow::default(), overlay);
            Ok(Outcome::LimitDeleted)
        }
        _ => Ok(Outcome::Refused(Refusal::NoLimit)),
    }
}
