//! Every event after a reaction's first cursor that matches makes exactly one task, in order, and no other event makes
//! one. A reaction passes each event once, because its cursor only moves on; the model checks that. So it is enough
//! that each step takes the right events.

use crate::content::task_head;
use crate::reference::{Kept, Reference};
use model::{Cursor, Position, React, ReactedEvent, ReactionSettings, Revision, Slot};
use reference_model::reaction::Reaction;

/// Checks one step that was applied. `settings` are those of the reaction.
///
/// # Errors
/// It has left an event out, or has taken one that does not match or does not exist.
pub fn check(
    react: &React<'_>,
    settings: &ReactionSettings<'_>,
    reference: &Reference,
) -> Result<(), String> {
    let taken = |cursor: Cursor| react.events.iter().any(|event| event.cursor == cursor);
    for kept in reference.kept(react.after, usize::MAX) {
        let matches = settings.selects(reference.stream_name(&kept), &reference.event_type(&kept));
        if kept.cursor <= react.until && matches && !taken(kept.cursor) {
            return Err(format!("{} passes {kept:?} without a task", react.reaction));
        }
    }
    react.events.iter().try_for_each(|event| check_event(event, react, settings, reference))
}

fn check_event(
    event: &ReactedEvent<'_>,
    react: &React<'_>,
    settings: &ReactionSettings<'_>,
    reference: &Reference,
) -> Result<(), String> {
    let found = reference.find(&event.stream, event.cursor);
    let found = found.ok_or_else(|| format!("{} takes {event:?}, which does not exist", react.reaction))?;
    let event_type = reference.event_type(&found);
    let head = task_head(event.cursor, &event.stream, &event_type);
    let text = event.envelope.strip_prefix(head.as_bytes());
    if text.is_some_and(|text| reference.has_text(&found, text))
        && settings.selects(&event.stream, &event_type)
    {
        return Ok(());
    }
    Err(format!("{} takes {event:?}, which does not match or is another event", react.reaction))
}

/// The reactions that should have come further: they are not paused, and their queues have space.
pub fn late(reference: &Reference) -> impl Iterator<Item = &Reaction> {
    let model = reference.model();
    model.reactions.iter().filter(move |reaction| {
        let queue = model.queues.all.iter().find(|queue| queue.name == reaction.settings.queue.as_str());
        let is_full = queue.is_some_and(|queue| queue.unfinished() >= queue.settings.backlog_max);
        let is_behind = || {
            let mut left = reference.kept(reaction.cursor, usize::MAX).into_iter();
            left.any(|kept| matches(reaction, &kept, reference))
        };
        !reaction.settings.paused && !is_full && is_behind()
    })
}

fn matches(reaction: &Reaction, kept: &Kept, reference: &Reference) -> bool {
    reaction.settings.selects(reference.stream_name(kept), &reference.event_type(kept))
}

impl Reference {
    /// An event that was appended, kept or not.
    fn find(&self, stream: &str, cursor: Cursor) -> Option<Kept> {
        let number = self.number_of(stream)?;
        let stream = &self.model().streams[number];
        let at = stream.events.iter().position(|event| Position(event.position) == cursor.position)?;
        let event = stream.events[at];
        let revision = Revision(at as u64);
        (cursor.slot == Slot(stream.slot)).then_some(Kept { cursor, stream: number, revision, event })
    }

    fn stream_name(&self, kept: &Kept) -> &str {
        &self.model().streams[kept.stream].name
    }
}
