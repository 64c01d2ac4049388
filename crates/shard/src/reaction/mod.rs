//! Reactions: a task for each event that matches.
//!
//! A reaction follows the order of the whole store, as a subscriber does. Its cursor is in the state, and one command
//! moves it and enqueues the tasks of the events that it passes: both happen or neither. The node reads the events,
//! because they are not in the state, and proposes that command. It says which version of the reaction and which
//! cursor it knew, and has no effect if these are not the reaction's any more.

pub(crate) mod delete;
pub(crate) mod put;
pub(crate) mod react;
#[cfg(test)]
mod tests;

use crate::damage::bad_row;
use crate::overlay::Overlay;
use format::row::{ReactionRow, decode_number, encode_number, reaction_key, reactions_key};
use model::{ReactionName, Slot, Value, View, ViewError};

/// The bytes of a reaction's row; `None` when it does not exist.
pub(crate) fn load(
    view: &impl View,
    first: Slot,
    reaction: &ReactionName<'_>,
) -> Result<Option<Value>, ViewError> {
    view.get(&reaction_key(first, reaction.as_str()))
}

pub(crate) fn decode(value: &[u8]) -> Result<ReactionRow<'_>, ViewError> {
    ReactionRow::decode(value).map_err(|error| bad_row("reaction row", error))
}

fn save<V: View>(reaction: &ReactionName<'_>, row: &ReactionRow<'_>, overlay: &mut Overlay<'_, '_, V>) {
    overlay.put(reaction_key(overlay.first_slot(), reaction.as_str()), row.encode());
}

/// How many reactions there are.
fn count(view: &impl View, first: Slot) -> Result<u64, ViewError> {
    let Some(value) = view.get(&reactions_key(first))? else { return Ok(0) };
    decode_number(&value).map_err(|error| bad_row("number of reactions", error))
}

/// Writes the number of reactions, and tells the requests that wait for changes of reactions.
fn set_count<V: View>(count: u64, overlay: &mut Overlay<'_, '_, V>) {
    let key = reactions_key(overlay.first_slot()).to_vec();
    overlay.put(key.clone(), encode_number(count));
    overlay.notify(key);
}
