//! Remove a reaction.
//!
//! *From now on, no event makes a task.* The tasks that the reaction has enqueued stay in their queue. Deleting a
//! reaction that does not exist changes nothing.

use crate::damage::contradiction;
use crate::overlay::Overlay;
use crate::reaction::{count, load, set_count};
use format::row::reaction_key;
use model::{DeleteReaction, Outcome, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    delete: &DeleteReaction<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let first = overlay.first_slot();
    let existed = load(overlay, first, &delete.reaction)?.is_some();
    if existed {
        let left = count(overlay, first)?.checked_sub(1);
        let left = left.ok_or_else(|| contradiction("there are more reactions than were counted"))?;
        overlay.delete(reaction_key(first, delete.reaction.as_str()));
        set_count(left, overlay);
    }
    Ok(Outcome::ReactionDeleted { existed })
}
