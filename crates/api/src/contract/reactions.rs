//! The operations on reactions.

use super::operations::{ANY, BODY, COMMAND, DATA, OBJECT, QUERY, STREAM_NAME, json};
use super::parameters::{REACTION, STORE};
use super::{Access, Description, Method, Response, Scope, Tag};
use crate::catalogue::Code;

pub(super) const PUT: Description = Description {
    id: "putReaction",
    method: Method::Put,
    path: "/v1/reactions/{reaction}",
    access: Access::write(Scope::Name),
    tag: Tag::Reactions,
    summary: "Create a reaction, or replace its settings",
    description: "For each event that matches, a task is enqueued, exactly once. A new reaction begins at `from`; one that exists goes on from where it is. The same settings again change nothing.",
    parameters: &[&REACTION, &STORE],
    request: &[json("ReactionSettings")],
    response: Response {
        description: "The settings in force.",
        content: &[json("ReactionPut")],
        headers: &[],
    },
    problems: &[
        ANY,
        DATA,
        STREAM_NAME,
        BODY,
        OBJECT,
        COMMAND,
        &[Code::TooManyItems, Code::CursorBeyondEnd, Code::TooManyReactions],
    ],
};

pub(super) const GET: Description = Description {
    id: "getReaction",
    method: Method::Get,
    path: "/v1/reactions/{reaction}",
    access: Access::read(Scope::Name),
    tag: Tag::Reactions,
    summary: "Show a reaction",
    description: "Returns the settings of a reaction, how far it has come, and what it waits for.",
    parameters: &[&REACTION, &STORE],
    request: &[],
    response: Response { description: "The reaction.", content: &[json("Reaction")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::ReactionNotFound]],
};

pub(super) const DELETE: Description = Description {
    id: "deleteReaction",
    method: Method::Delete,
    path: "/v1/reactions/{reaction}",
    access: Access::write(Scope::Name),
    tag: Tag::Reactions,
    summary: "Remove a reaction",
    description: "From now on, no event makes a task. The tasks that the reaction has enqueued stay. Deleting a reaction that does not exist changes nothing.",
    parameters: &[&REACTION, &STORE],
    request: &[],
    response: Response {
        description: "The reaction does not exist.",
        content: &[json("ReactionDeleted")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, COMMAND],
};

pub(super) const LIST: Description = Description {
    id: "listReactions",
    method: Method::Get,
    path: "/v1/reactions",
    access: Access::read(Scope::Filtered),
    tag: Tag::Reactions,
    summary: "List reactions",
    description: "Returns all reactions, by name: a store has at most 256.",
    parameters: &[&STORE],
    request: &[],
    response: Response { description: "The reactions.", content: &[json("ReactionList")], headers: &[] },
    problems: &[ANY, DATA, QUERY],
};
