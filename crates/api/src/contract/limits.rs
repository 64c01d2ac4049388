//! The operations on limits.

use super::operations::{ANY, BODY, COMMAND, DATA, OBJECT, QUERY, STREAM_NAME, json};
use super::parameters::{LIMITS_LIMIT, LIST_CURSOR, STORE, TASK_LIMIT};
use super::{Access, Description, Method, Response, Scope, Tag};
use crate::catalogue::Code;

pub(super) const PUT: Description = Description {
    id: "putLimit",
    method: Method::Put,
    path: "/v1/limits/{limit}",
    access: Access::admin(Scope::Name),
    tag: Tag::Queues,
    summary: "Write a limit",
    description: "Replaces the limit, or creates it. It holds for the tasks of all queues whose settings name it, also for those that wait there already. Each key of the limit has all of it.",
    parameters: &[&TASK_LIMIT, &STORE],
    request: &[json("LimitSettings")],
    response: Response { description: "The new limit.", content: &[json("LimitInForce")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND],
};

pub(super) const GET: Description = Description {
    id: "getLimit",
    method: Method::Get,
    path: "/v1/limits/{limit}",
    access: Access::read(Scope::Name),
    tag: Tag::Queues,
    summary: "Get a limit",
    description: "Returns the limit, and what its keys have in use.",
    parameters: &[&TASK_LIMIT, &STORE],
    request: &[],
    response: Response { description: "The limit.", content: &[json("Limit")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::LimitNotFound]],
};

pub(super) const DELETE: Description = Description {
    id: "deleteLimit",
    method: Method::Delete,
    path: "/v1/limits/{limit}",
    access: Access::admin(Scope::Name),
    tag: Tag::Queues,
    summary: "Delete a limit",
    description: "Removes the limit. Tasks that wait for it can run. Queues may still name it: it limits nothing until it is written again.",
    parameters: &[&TASK_LIMIT, &STORE],
    request: &[],
    response: Response {
        description: "The limit does not exist any more.",
        content: &[json("ListedLimit")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, COMMAND, &[Code::LimitNotFound]],
};

pub(super) const LIST: Description = Description {
    id: "listLimits",
    method: Method::Get,
    path: "/v1/limits",
    access: Access::read(Scope::Filtered),
    tag: Tag::Queues,
    summary: "List limits",
    description: "Returns one page of the names of limits, in no particular order.",
    parameters: &[&LIST_CURSOR, &LIMITS_LIMIT, &STORE],
    request: &[],
    response: Response { description: "The limits.", content: &[json("LimitList")], headers: &[] },
    problems: &[ANY, DATA, QUERY],
};
