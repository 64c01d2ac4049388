//! The operations on breakers.

use super::operations::{ANY, BODY, COMMAND, DATA, OBJECT, QUERY, STREAM_NAME, json};
use super::parameters::{BREAKER, BREAKERS_LIMIT, KEEP_ALIVE, LIST_CURSOR, RETRY_AFTER, STORE};
use super::{Access, Content, Description, Method, Response, Schema, Scope, Tag};
use crate::catalogue::Code;

const CONTROLLED: Response =
    Response { description: "How the breaker is held.", content: &[json("BreakerControlled")], headers: &[] };

pub(super) const PUT: Description = Description {
    id: "putBreaker",
    method: Method::Put,
    path: "/v1/breakers/{breaker}",
    access: Access::admin(Scope::Name),
    tag: Tag::Breakers,
    summary: "Write the settings of a breaker",
    description: "Replaces all settings; an absent member has its default. The breaker need not exist yet. What it remembers stays: one that is open stays open for as long as it was to be.",
    parameters: &[&BREAKER, &STORE],
    request: &[json("BreakerSettings")],
    response: Response { description: "The new settings.", content: &[json("BreakerInForce")], headers: &[] },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::TooManyItems]],
};

pub(super) const GET: Description = Description {
    id: "getBreaker",
    method: Method::Get,
    path: "/v1/breakers/{breaker}",
    access: Access::read(Scope::Name),
    tag: Tag::Breakers,
    summary: "Get a breaker",
    description: "Returns the state of the breaker, its settings, and the workers that have recorded outcomes of late. A breaker that was never used is closed, and has the default settings. With `Accept: text/event-stream`, the response is a watch: the breaker as it is, and again after each change of its state or its settings. Outcomes that change neither are not told.",
    parameters: &[&BREAKER, &KEEP_ALIVE, &STORE],
    request: &[],
    response: Response {
        description: "The breaker. As server-sent events, each message has the event name `breaker`.",
        content: &[json("Breaker"), Content { media_type: "text/event-stream", schema: Schema::Text }],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::TooManySubscribers]],
};

pub(super) const DELETE: Description = Description {
    id: "deleteBreaker",
    method: Method::Delete,
    path: "/v1/breakers/{breaker}",
    access: Access::admin(Scope::Name),
    tag: Tag::Breakers,
    summary: "Delete a breaker",
    description: "Removes the settings of the breaker, and all that it remembers. When it is next used, it begins again, closed and with the default settings.",
    parameters: &[&BREAKER, &STORE],
    request: &[],
    response: Response {
        description: "The breaker does not exist any more.",
        content: &[json("ListedBreaker")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, COMMAND, &[Code::BreakerNotFound]],
};

pub(super) const LIST: Description = Description {
    id: "listBreakers",
    method: Method::Get,
    path: "/v1/breakers",
    access: Access::read(Scope::Filtered),
    tag: Tag::Breakers,
    summary: "List breakers",
    description: "Returns one page of the names of breakers, in no particular order.",
    parameters: &[&LIST_CURSOR, &BREAKERS_LIMIT, &STORE],
    request: &[],
    response: Response { description: "The breakers.", content: &[json("BreakerList")], headers: &[] },
    problems: &[ANY, DATA, QUERY],
};

pub(super) const PERMIT: Description = Description {
    id: "breakerPermit",
    method: Method::Post,
    path: "/v1/breakers/{breaker}/permit",
    access: Access::write(Scope::Name),
    tag: Tag::Breakers,
    summary: "Ask before a call",
    description: "Returns whether the call is admitted. A rejected call is a decision and not an error: its response has status 200 too, with `Retry-After`. Record the outcome of an admitted call with its token. While the breaker is closed, the request writes nothing. A breaker that was never used is closed.",
    parameters: &[&BREAKER, &STORE],
    request: &[],
    response: Response {
        description: "The decision.",
        content: &[json("BreakerDecision")],
        headers: &[&RETRY_AFTER],
    },
    problems: &[ANY, DATA, STREAM_NAME, COMMAND],
};

pub(super) const RECORD: Description = Description {
    id: "breakerRecord",
    method: Method::Post,
    path: "/v1/breakers/{breaker}/record",
    access: Access::write(Scope::Name),
    tag: Tag::Breakers,
    summary: "Record the outcome of a call",
    description: "Counts the outcome of an admitted call, or of up to 1,000. Each token counts once, so repeating the request is safe. An outcome of a call that was admitted before the breaker last opened or closed is stale, and does not count.",
    parameters: &[&BREAKER, &STORE],
    request: &[json("BreakerRecords")],
    response: Response {
        description: "What has become of the outcomes, and the state of the breaker after them.",
        content: &[json("BreakerRecorded")],
        headers: &[],
    },
    problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::TooManyItems]],
};

pub(super) const OPEN: Description = Description {
    id: "openBreaker",
    method: Method::Post,
    path: "/v1/breakers/{breaker}/open",
    access: Access::admin(Scope::Name),
    tag: Tag::Breakers,
    summary: "Hold a breaker open",
    description: "Rejects all calls until the breaker is released or held closed.",
    parameters: &[&BREAKER, &STORE],
    request: &[],
    response: CONTROLLED,
    problems: &[ANY, DATA, STREAM_NAME, COMMAND],
};

pub(super) const CLOSE: Description = Description {
    id: "closeBreaker",
    method: Method::Post,
    path: "/v1/breakers/{breaker}/close",
    access: Access::admin(Scope::Name),
    tag: Tag::Breakers,
    summary: "Hold a breaker closed",
    description: "Admits all calls, however many fail, until the breaker is released or held open.",
    parameters: &[&BREAKER, &STORE],
    request: &[],
    response: CONTROLLED,
    problems: &[ANY, DATA, STREAM_NAME, COMMAND],
};

pub(super) const AUTO: Description = Description {
    id: "releaseBreaker",
    method: Method::Post,
    path: "/v1/breakers/{breaker}/auto",
    access: Access::admin(Scope::Name),
    tag: Tag::Breakers,
    summary: "Release a breaker",
    description: "Lets a breaker that is held open or closed decide for itself again. It starts closed, and has forgotten its calls and trips. A breaker that is not held stays as it is.",
    parameters: &[&BREAKER, &STORE],
    request: &[],
    response: CONTROLLED,
    problems: &[ANY, DATA, STREAM_NAME, COMMAND],
};
