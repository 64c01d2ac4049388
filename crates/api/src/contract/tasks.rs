//! The operations on many tasks and on groups of tasks.

use super::operations::{ANY, BODY, COMMAND, DATA, OBJECT, QUERY, STREAM_NAME, json};
use super::parameters::{GROUP, GROUP_WAIT, QUEUE, REPLAYED, STORE};
use super::{Access, Description, Method, Response, Scope, Tag};
use crate::catalogue::Code;

pub(super) const DEAD_LETTERS: Description = Description {
    id: "deadLetters",
    method: Method::Get,
    path: "/v1/queues/{queue}/dead-letters",
    access: Access::read(Scope::Name),
    tag: Tag::Queues,
    summary: "Count the dead letters of a queue by class",
    description: "Returns the classes of the last failures, those with the most dead letters first. There are at most 1,000; `more` says that others were left out.",
    parameters: &[&QUEUE, &STORE],
    request: &[],
    response: Response { description: "The classes.", content: &[json("DeadLetterClasses")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY],
};

pub(super) const REPLAY_DEAD: Description = Description {
    id: "replayDeadLetters",
    method: Method::Post,
    path: "/v1/queues/{queue}/dead-letters/replay",
    access: Access::write(Scope::Name),
    tag: Tag::Queues,
    summary: "Replay many dead letters",
    description: "Puts dead letters back into their queue, or into another one, oldest first: all, or those of a class or type. One request changes at most 256. Repeat it with `next` as `after` until `next` is null. If the queue becomes full, the request stops there; one that has changed nothing is refused.",
    parameters: &[&QUEUE, &STORE],
    request: &[json("ReplayMany")],
    response: Response {
        description: "How many were changed, and where to go on.",
        content: &[json("TasksChanged")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::QueueFull]],
};

pub(super) const DROP_DEAD: Description = Description {
    id: "dropDeadLetters",
    method: Method::Post,
    path: "/v1/queues/{queue}/dead-letters/drop",
    access: Access::write(Scope::Name),
    tag: Tag::Queues,
    summary: "Drop many dead letters",
    description: "Removes dead letters for good, oldest first: all, or those of a class or type. One request removes at most 256. Repeat it with `next` as `after` until `next` is null.",
    parameters: &[&QUEUE, &STORE],
    request: &[json("DropMany")],
    response: Response {
        description: "How many were removed, and where to go on.",
        content: &[json("TasksChanged")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND],
};

pub(super) const CANCEL_TASKS: Description = Description {
    id: "cancelTasks",
    method: Method::Post,
    path: "/v1/queues/{queue}/cancel",
    access: Access::write(Scope::Name),
    tag: Tag::Queues,
    summary: "Cancel many tasks",
    description: "Cancels unfinished tasks, oldest first: all, or those in a state or of a type. Workers of tasks that run learn of it from their next heartbeat. One request changes at most 256. Repeat it with `next` as `after` until `next` is null.",
    parameters: &[&QUEUE, &STORE],
    request: &[json("CancelMany")],
    response: Response {
        description: "How many were cancelled, and where to go on.",
        content: &[json("TasksChanged")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND],
};

pub(super) const CREATE_GROUP: Description = Description {
    id: "createGroup",
    method: Method::Post,
    path: "/v1/groups",
    access: Access::write(Scope::Body),
    tag: Tag::Queues,
    summary: "Create a group of tasks",
    description: "Enqueues all tasks of a group, or none, in any queues. When all members are done, `then` is enqueued; when one is dead or cancelled, `on_dead` is. Each follows at most once. A member may be a group; there, its `then` takes its place. The `id` makes the request safe to repeat.",
    parameters: &[&STORE],
    request: &[json("NewGroup")],
    response: Response {
        description: "All tasks are in their queues.",
        content: &[json("GroupCreated")],
        headers: &[&REPLAYED],
    },
    problems: &[
        ANY,
        DATA,
        STREAM_NAME,
        BODY,
        OBJECT,
        COMMAND,
        &[
            Code::EmptyBatch,
            Code::TooManyItems,
            Code::TaskTooLarge,
            Code::TaskConflict,
            Code::GroupConflict,
            Code::QueueFull,
            Code::TooManyTypes,
        ],
    ],
};

pub(super) const GET_GROUP: Description = Description {
    id: "getGroup",
    method: Method::Get,
    path: "/v1/groups/{group}",
    access: Access::read(Scope::Name),
    tag: Tag::Queues,
    summary: "Get a group",
    description: "Returns how the group stands: `open`, `done`, or `failed` when all members have ended and some are dead or cancelled. With `wait`, the response comes as soon as it is no longer open, or when the time is up. Members that are no longer kept are left out of `members`, and still count.",
    parameters: &[&GROUP, &GROUP_WAIT, &STORE],
    request: &[],
    response: Response { description: "The group.", content: &[json("Group")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::GroupNotFound]],
};
