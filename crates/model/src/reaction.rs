//! The commands of reactions: a task is enqueued for each event that matches.
//!
//! A reaction follows the order of the whole store. Its cursor says how far it has come, and one command moves the
//! cursor and enqueues the tasks of the events that it has passed.

use crate::ids::{Cursor, Position};
use crate::limits;
use crate::name::{QueueName, ReactionName};
use crate::token::is_system_name;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Create a reaction, or replace its settings. The cursor of one that exists stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutReaction<'a> {
    pub reaction: ReactionName<'a>,
    pub settings: ReactionSettings<'a>,
    /// The cursor after which a new reaction begins; `None` for now.
    pub from: Option<Cursor>,
}

/// Which events a reaction selects, and which tasks it makes of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionSettings<'a> {
    /// Only events of streams whose names begin with this.
    pub prefix: Cow<'a, str>,
    /// Only events of these types; all if it is empty. At most [`limits::REACTION_TYPES_MAX`].
    pub types: Vec<Cow<'a, str>>,
    pub queue: QueueName<'a>,
    pub task_type: Cow<'a, str>,
    pub key: ReactionKey<'a>,
    /// The priority of the tasks.
    pub priority: u8,
    pub payload: ReactionPayload,
    /// A paused reaction stays where it is.
    pub paused: bool,
}

/// The key of a reaction's tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReactionKey<'a> {
    #[default]
    None,
    /// The name of the event's stream: the tasks of one stream run one at a time, in order.
    Stream,
    /// The same for all tasks.
    Fixed(Cow<'a, str>),
}

/// What a task of a reaction carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReactionPayload {
    /// The whole event.
    #[default]
    Event,
    /// Where the event is: its stream, revision and cursor.
    Reference,
}

impl ReactionSettings<'_> {
    /// Whether an event matches. Events of the system's own streams match only a prefix that names them: a reaction to
    /// all events is not one to what administrators do.
    #[must_use]
    pub fn selects(&self, stream: &str, event_type: &str) -> bool {
        stream.starts_with(&*self.prefix)
            && (!is_system_name(stream) || is_system_name(&self.prefix))
            && (self.types.is_empty() || self.types.iter().any(|wanted| *wanted == event_type))
    }

    /// The same settings with text of their own.
    #[must_use]
    pub fn into_owned(self) -> ReactionSettings<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        ReactionSettings {
            prefix: owned(self.prefix),
            types: self.types.into_iter().map(owned).collect(),
            queue: self.queue.into_owned(),
            task_type: owned(self.task_type),
            key: match self.key {
                ReactionKey::None => ReactionKey::None,
                ReactionKey::Stream => ReactionKey::Stream,
                ReactionKey::Fixed(key) => ReactionKey::Fixed(owned(key)),
            },
            priority: self.priority,
            payload: self.payload,
            paused: self.paused,
        }
    }
}

/// Remove a reaction. Tasks that it has enqueued stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteReaction<'a> {
    pub reaction: ReactionName<'a>,
}

/// Move a reaction's cursor and enqueue the tasks of the events that it passes. The node proposes this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct React<'a> {
    pub reaction: ReactionName<'a>,
    /// The version of the reaction as the proposer knew it: the position that its last change took.
    pub version: Position,
    /// The cursor as the proposer knew it.
    pub after: Cursor,
    /// The cursor from then on. No event can be appended at or before it any more.
    pub until: Cursor,
    /// The events between the two that match and are kept, in order. At most [`limits::REACT_EVENTS_MAX`].
    pub events: Vec<ReactedEvent<'a>>,
}

/// An event for which a task is enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactedEvent<'a> {
    pub cursor: Cursor,
    pub stream: Cow<'a, str>,
    /// The task's envelope; see [`crate::NewTask::envelope`].
    pub envelope: Cow<'a, [u8]>,
}

/// The id of the task that a reaction makes of an event: `~`, which no client's id begins with, the reaction, `@` and
/// the event's cursor.
#[must_use]
pub fn reaction_task_id(reaction: &str, event: Cursor) -> String {
    format!("~{reaction}@{event}")
}

// Such an id is a text of a task.
const _: () = assert!(limits::REACTION_NAME_BYTES_MAX + 2 + Cursor::DIGITS <= limits::TASK_TEXT_BYTES_MAX);
