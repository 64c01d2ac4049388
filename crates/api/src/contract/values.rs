//! The operations on values.

use super::operations::{ANY, BODY, COMMAND, DATA, KEYED, QUERY, STREAM_NAME, json};
use super::parameters::{
    ETAG, IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, KEEP_ALIVE, LIST_CURSOR, REPLAYED, STORE, VALUE,
    VALUES_LIMIT,
};
use super::{Access, Content, Description, Method, Response, Schema, Scope, Tag};
use crate::catalogue::Code;

pub(super) const PUT: Description = Description {
    id: "putValue",
    method: Method::Put,
    path: "/v1/values/{value}",
    access: Access::write(Scope::Name),
    tag: Tag::Values,
    summary: "Write a value",
    description: "Replaces the content of the value, or creates it. The body is the content, at most 64 KiB of any type.",
    parameters: &[&VALUE, &IF_MATCH, &IF_NONE_MATCH, &IDEMPOTENCY_KEY, &STORE],
    request: &[Content { media_type: "*/*", schema: Schema::Bytes }],
    response: Response {
        description: "The value is written.",
        content: &[json("ValueWritten")],
        headers: &[&ETAG, &REPLAYED],
    },
    problems: &[
        ANY,
        DATA,
        STREAM_NAME,
        BODY,
        COMMAND,
        KEYED,
        &[Code::WrongRevision, Code::ValueTooLarge, Code::ValueFull],
    ],
};

pub(super) const GET: Description = Description {
    id: "getValue",
    method: Method::Get,
    path: "/v1/values/{value}",
    access: Access::read(Scope::Name),
    tag: Tag::Values,
    summary: "Read a value",
    description: "Returns the content as it was written, with its content type. With `Accept: text/event-stream`, the response is a watch: the value as it is, and again after each change. Changes in quick succession may be one message.",
    parameters: &[&VALUE, &KEEP_ALIVE, &STORE],
    request: &[],
    response: Response {
        description: "The content. As server-sent events, each message has the event name `value` and a `ValueSeen` as its data.",
        content: &[
            Content { media_type: "*/*", schema: Schema::Bytes },
            Content { media_type: "text/event-stream", schema: Schema::Object("ValueSeen") },
        ],
        headers: &[&ETAG],
    },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::ValueNotFound, Code::TooManySubscribers]],
};

pub(super) const LIST: Description = Description {
    id: "listValues",
    method: Method::Get,
    path: "/v1/values",
    access: Access::read(Scope::Filtered),
    tag: Tag::Values,
    summary: "List values",
    description: "Returns one page of the values, without their content, in no particular order. A page may be short or empty and still have a `next`.",
    parameters: &[&LIST_CURSOR, &VALUES_LIMIT, &STORE],
    request: &[],
    response: Response { description: "The values.", content: &[json("ValueList")], headers: &[] },
    problems: &[ANY, DATA, QUERY],
};

pub(super) const DELETE: Description = Description {
    id: "deleteValue",
    method: Method::Delete,
    path: "/v1/values/{value}",
    access: Access::write(Scope::Name),
    tag: Tag::Values,
    summary: "Delete a value",
    description: "Removes the value. Its revisions are never used again. Repeating the request is safe.",
    parameters: &[&VALUE, &IF_MATCH, &IF_NONE_MATCH, &STORE],
    request: &[],
    response: Response {
        description: "The value does not exist any more.",
        content: &[json("ValueDeleted")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, COMMAND, &[Code::WrongRevision]],
};
