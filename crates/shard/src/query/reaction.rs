//! Reactions, and what stops them.

use crate::damage::bad_row;
use crate::queue::id_of;
use crate::queue::tally::queue_row;
use crate::reaction::{decode, load};
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{ReactionRow, parse_reaction_key, reaction_rows};
use model::{Cursor, Order, Position, ReactionName, ReactionSettings, Slot, View, ViewError, limits};

/// A reaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionView {
    pub name: ReactionName<'static>,
    pub settings: ReactionSettings<'static>,
    /// Changes with the settings.
    pub version: Position,
    /// How far it has come.
    pub cursor: Cursor,
    /// How many tasks it has enqueued since it was created.
    pub tasks: u64,
    /// Why its next task cannot be enqueued.
    pub obstacle: Option<Obstacle>,
}

/// Why a queue takes no task of a reaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The queue holds as many unfinished tasks as it may.
    QueueFull,
    /// The queue has tasks of as many types as it may, and none of this one.
    TooManyTypes,
}

/// Reads the reactions of the shard whose first slot is `first`, by name.
///
/// # Errors
/// [`ViewError`].
pub fn reactions(view: &impl View, first: Slot) -> Result<Vec<ReactionView>, ViewError> {
    let mut found = Vec::new();
    view.scan(reaction_rows(first).as_range(), Order::Ascending, &mut |key, value| {
        let name = parse_reaction_key(key).map(ReactionName::into_owned);
        let row = name.and_then(|name| Ok((name, ReactionRow::decode(value)?)));
        found.push(row.map(|(name, row)| view_of(name, row)));
        ControlFlow::Continue(())
    })?;
    found
        .into_iter()
        .map(|reaction| {
            let reaction = reaction.map_err(|error| bad_row("reaction row", error))?;
            Ok(ReactionView { obstacle: obstacle(view, &reaction.settings)?, ..reaction })
        })
        .collect()
}

/// Reads one reaction; `None` when it does not exist.
///
/// # Errors
/// [`ViewError`].
pub fn reaction(
    view: &impl View,
    first: Slot,
    name: &ReactionName<'_>,
) -> Result<Option<ReactionView>, ViewError> {
    let Some(value) = load(view, first, name)? else { return Ok(None) };
    let reaction = view_of(name.clone().into_owned(), decode(&value)?);
    Ok(Some(ReactionView { obstacle: obstacle(view, &reaction.settings)?, ..reaction }))
}

fn view_of(name: ReactionName<'static>, row: ReactionRow<'_>) -> ReactionView {
    ReactionView {
        name,
        settings: row.settings.into_owned(),
        version: row.version,
        cursor: row.cursor,
        tasks: row.tasks,
        obstacle: None,
    }
}

fn obstacle(view: &impl View, settings: &ReactionSettings<'_>) -> Result<Option<Obstacle>, ViewError> {
    let Some(queue) = id_of(view, &settings.queue)? else { return Ok(None) };
    let row = queue_row(view, queue)?;
    if row.unfinished >= row.settings.backlog_max {
        return Ok(Some(Obstacle::QueueFull));
    }
    let is_full = row.types as usize >= limits::QUEUE_TYPES_MAX;
    let refuses_type = is_full && view.get(&queue.task_type(&settings.task_type))?.is_none();
    Ok(refuses_type.then_some(Obstacle::TooManyTypes))
}
