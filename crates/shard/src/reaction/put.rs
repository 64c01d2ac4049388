//! Create a reaction, or replace its settings.
//!
//! *A new reaction begins after the cursor that the request names, or now. One that exists goes on from where it is.*
//! So the same request can be sent on every deployment. The same settings again change nothing. Other settings hold
//! for every event that the reaction has not passed. No reaction begins in the future.

use crate::overlay::Overlay;
use crate::reaction::{count, decode, load, save, set_count};
use format::row::ReactionRow;
use model::{Cursor, Outcome, PutReaction, Refusal, Slot, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<V: View>(
    put: &PutReaction<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let first = overlay.first_slot();
    if let Some(value) = load(overlay, first, &put.reaction)? {
        let row = decode(&value)?;
        return change(put, row, overlay);
    }
    let end = overlay.shard.last;
    if put.from.is_some_and(|from| from.position > end) {
        return Ok(Outcome::Refused(Refusal::CursorBeyondEnd { end }));
    }
    let reactions = count(overlay, first)?;
    if reactions >= limits::REACTIONS_MAX {
        return Ok(Outcome::Refused(Refusal::TooManyReactions));
    }
    let version = overlay.take_position();
    let cursor = put.from.unwrap_or(Cursor::new(version, Slot(u16::MAX)));
    let row = ReactionRow { settings: put.settings.clone(), version, cursor, tasks: 0 };
    save(&put.reaction, &row, overlay);
    set_count(reactions + 1, overlay);
    Ok(Outcome::ReactionPut { cursor })
}

fn change<V: View>(
    put: &PutReaction<'_>,
    row: ReactionRow<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let cursor = row.cursor;
    if row.settings != put.settings {
        let row = ReactionRow { settings: put.settings.clone(), version: overlay.take_position(), ..row };
        save(&put.reaction, &row, overlay);
        set_count(count(overlay, overlay.first_slot())?, overlay);
    }
    Ok(Outcome::ReactionPut { cursor })
}
