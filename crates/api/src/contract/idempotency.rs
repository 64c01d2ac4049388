//! The operations on executions: the runs of a team's own endpoints.

use super::operations::{ANY, BODY, COMMAND, DATA, OBJECT, QUERY, STREAM_NAME, json};
use super::parameters::{EXECUTION_KEY, STORE};
use super::{Access, Description, Method, Response, Scope, Tag};
use crate::catalogue::Code;

pub(super) const BEGIN: Description = Description {
    id: "beginExecution",
    method: Method::Post,
    path: "/v1/idempotency/{key}/begin",
    access: Access::write(Scope::Name),
    tag: Tag::Idempotency,
    summary: "Begin the work under a key",
    description: "Says whether the work is new (`begun`: do it, then complete it with the token) or done (`completed`: send the stored response). While someone else does it, the response is 409; with `wait`, the request waits for the response instead. An owner that begins again gets the token that it has.",
    parameters: &[&EXECUTION_KEY, &STORE],
    request: &[json("ExecutionBegin")],
    response: Response {
        description: "The work is yours to do, or done.",
        content: &[json("ExecutionBegun")],
        headers: &[],
    },
    problems: &[
        ANY,
        DATA,
        STREAM_NAME,
        BODY,
        OBJECT,
        COMMAND,
        &[Code::ExecutionInProgress, Code::FingerprintDiffers],
    ],
};

pub(super) const COMPLETE: Description = Description {
    id: "completeExecution",
    method: Method::Post,
    path: "/v1/idempotency/{key}/complete",
    access: Access::write(Scope::Name),
    tag: Tag::Idempotency,
    summary: "Complete the work under a key",
    description: "Stores the response, for everyone who comes with the key within `keep`. Repeating the request is safe. To complete together with checks and writes, send a transaction with the write `idempotency`.",
    parameters: &[&EXECUTION_KEY, &STORE],
    request: &[json("ExecutionComplete")],
    response: Response {
        description: "The response is stored.",
        content: &[json("ExecutionCompleted")],
        headers: &[],
    },
    problems: &[
        ANY,
        DATA,
        STREAM_NAME,
        BODY,
        OBJECT,
        COMMAND,
        &[Code::ExecutionLost, Code::StoredResponseTooLarge, Code::TooManyItems],
    ],
};

pub(super) const ABANDON: Description = Description {
    id: "abandonExecution",
    method: Method::Post,
    path: "/v1/idempotency/{key}/abandon",
    access: Access::write(Scope::Name),
    tag: Tag::Idempotency,
    summary: "Abandon the work under a key",
    description: "Frees the key: the work was not done, and the next request with the key begins it again.",
    parameters: &[&EXECUTION_KEY, &STORE],
    request: &[json("ExecutionAbandon")],
    response: Response {
        description: "The key is free.",
        content: &[json("ExecutionAbandoned")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::ExecutionLost]],
};

pub(super) const GET: Description = Description {
    id: "getExecution",
    method: Method::Get,
    path: "/v1/idempotency/{key}",
    access: Access::read(Scope::Name),
    tag: Tag::Idempotency,
    summary: "Get the state of a key",
    description: "Returns whether the work is in progress or completed, with the stored response. The remaining time may be a second too long.",
    parameters: &[&EXECUTION_KEY, &STORE],
    request: &[],
    response: Response { description: "The state of the key.", content: &[json("Execution")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::ExecutionNotFound]],
};

pub(super) const FORGET: Description = Description {
    id: "forgetExecution",
    method: Method::Delete,
    path: "/v1/idempotency/{key}",
    access: Access::write(Scope::Name),
    tag: Tag::Idempotency,
    summary: "Forget a key",
    description: "Frees the key whatever its state is, for operators. A stored response is forgotten, so the next request with the key does the work again. An owner that is still at work can no longer complete it.",
    parameters: &[&EXECUTION_KEY, &STORE],
    request: &[],
    response: Response {
        description: "The key is free.",
        content: &[json("ExecutionForgotten")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, COMMAND],
};
