//! Parameters and response headers, each described once for all operations that have them.

use super::{Location, Parameter, ResponseHeader, Values};

/// A name: 1 to 256 characters that are not control characters.
const NAME: Values = Values::Matching("^[^\\x00-\\x1f\\x7f-\\x9f]{1,256}$");
const CURSOR_FORM: Values = Values::Matching("^[0-9a-f]{20}$");
const CURSOR_OR_END: Values = Values::Matching("^(end|[0-9a-f]{20})$");

pub static STREAM: Parameter = Parameter {
    name: "stream",
    location: Location::Path,
    description: "The name of the stream, percent-encoded: 1 to 256 bytes of UTF-8 without control characters.",
    values: NAME,
};

pub static LEASE: Parameter = Parameter {
    name: "lease",
    location: Location::Path,
    description: "The name of the lease, percent-encoded: 1 to 256 bytes of UTF-8 without control characters.",
    values: NAME,
};
pub static VALUE: Parameter = Parameter {
    name: "value",
    location: Location::Path,
    description: "The name of the value, percent-encoded: 1 to 256 bytes of UTF-8 without control characters.",
    values: NAME,
};
pub static EXECUTION_KEY: Parameter = Parameter {
    name: "key",
    location: Location::Path,
    description: "The idempotency key of the endpoint's client, percent-encoded: 1 to 256 bytes of UTF-8 without control characters. Put the name of the endpoint, and of the caller, before it.",
    values: Values::Text,
};
pub static QUEUE: Parameter = Parameter {
    name: "queue",
    location: Location::Path,
    description: "The name of the queue, percent-encoded: 1 to 256 bytes of UTF-8 without control characters.",
    values: NAME,
};
pub static TENANT: Parameter = Parameter {
    name: "tenant",
    location: Location::Path,
    description: "The name of the tenant, percent-encoded: 1 to 256 bytes of UTF-8 without control characters.",
    values: NAME,
};
pub static TASK_LIMIT: Parameter = Parameter {
    name: "limit",
    location: Location::Path,
    description: "The name of the limit, percent-encoded: 1 to 256 bytes of UTF-8 without control characters.",
    values: Values::Text,
};
pub static BREAKER: Parameter = Parameter {
    name: "breaker",
    location: Location::Path,
    description: "The name of the breaker, percent-encoded: 1 to 256 bytes of UTF-8 without control characters.",
    values: NAME,
};
pub static SCHEDULE: Parameter = Parameter {
    name: "schedule",
    location: Location::Path,
    description: "The name of the schedule, percent-encoded: 1 to 200 bytes of UTF-8 without control characters.",
    values: Values::Text,
};
pub static OWNER: Parameter = Parameter {
    name: "owner",
    location: Location::Path,
    description: "The name of the owner, percent-encoded: 1 to 200 bytes of UTF-8 without control characters.",
    values: Values::Text,
};
pub static REACTION: Parameter = Parameter {
    name: "reaction",
    location: Location::Path,
    description: "The name of the reaction, percent-encoded: 1 to 200 bytes of UTF-8 without control characters.",
    values: Values::Text,
};
pub static TASK: Parameter = Parameter {
    name: "id",
    location: Location::Path,
    description: "The task's id, percent-encoded: the one that its client gave it, or else the server's, which begins with `~`.",
    values: NAME,
};

pub static GROUP: Parameter = Parameter {
    name: "group",
    location: Location::Path,
    description: "The id of the group, percent-encoded: 1 to 256 bytes of UTF-8 without control characters.",
    values: Values::Text,
};
pub static GROUP_WAIT: Parameter = query(
    "wait",
    "How long to wait until the group is done or failed, at most `60s`. The default is not to wait.",
    Values::Duration,
);
pub static TASK_WAIT: Parameter = query(
    "wait",
    "How long to wait for the end of the task, at most `60s`. The default is not to wait.",
    Values::Duration,
);
pub static IF_MATCH: Parameter = header(
    "If-Match",
    "The expected revision: `\"41\"` when the stream or value must be at revision 41, `*` when it must exist.",
    Values::Matching("^(\\*|\"[0-9]{1,19}\")$"),
);
pub static IF_NONE_MATCH: Parameter =
    header("If-None-Match", "`*` when the stream or value must not exist.", Values::OneOf(&["*"]));
pub static IDEMPOTENCY_KEY: Parameter = header(
    "Idempotency-Key",
    "A name for the intended effect, kept for 24 hours. Sending the same request again with the same key returns the \
     original outcome. Use a key for events and tasks without an `id`. To decide again and retry with a new expected revision, \
     derive the event's `id` from the command instead, and send no key.",
    Values::Text,
);
pub static LAST_EVENT_ID: Parameter = header(
    "Last-Event-ID",
    "When following: the `id` of the last message received. It overrides the start given in the query.",
    Values::Text,
);
pub static BACKUP: Parameter = Parameter {
    name: "backup",
    location: Location::Path,
    description: "The name of the backup: 16 lower-case hex digits that the client has chosen.",
    values: Values::Matching("^[0-9a-f]{16}$"),
};
pub static SEGMENT: Parameter = Parameter {
    name: "segment",
    location: Location::Path,
    description: "The segment, as the response to `PUT /v1/backups/{backup}` names it.",
    values: Values::Matching("^[0-9a-f]{16}-[0-9a-f]{8}$"),
};
pub static CHUNK: Parameter = query(
    "chunk",
    "The number of the chunk, from 0, which is the default.",
    Values::Matching("^[0-9]{1,9}$"),
);
pub static FROM_BYTE: Parameter =
    query("from", "The first byte to read, from 0, which is the default.", Values::Matching("^[0-9]{1,18}$"));
pub static ARCHIVE: Parameter = Parameter {
    name: "archive",
    location: Location::Path,
    description: "The name of the archive: 16 lower-case hex digits that the client has chosen.",
    values: Values::Matching("^[0-9a-f]{16}$"),
};
pub static AFTER_ENTRY: Parameter = query(
    "after",
    "The number of the last entry that the archive has, 0 if it has none, which is the default.",
    Values::Matching("^[0-9]{1,18}$"),
);
pub static AFTER_KEY: Parameter = query(
    "after",
    "The number of the last key that the copy has, 0 if it has none, which is the default.",
    Values::Matching("^[0-9]{1,9}$"),
);
pub static STORE: Parameter = header(
    "Mainstay-Store",
    "The identity of the store that the request is meant for, as `GET /v1` returns it. Another store responds with \
     `other_store` (409), so that a saved cursor is never used with a store it does not belong to.",
    Values::Matching("^[0-9a-f]{32}$"),
);

pub static FROM: Parameter = query(
    "from",
    "The revision to start at, inclusive. When following, `end` starts with the next event that is appended.",
    Values::Text,
);
pub static AFTER: Parameter = query("after", "Start after this cursor.", CURSOR_FORM);
pub static AFTER_OR_END: Parameter = query(
    "after",
    "Start after this cursor. When following, `end` starts with the next event that is appended.",
    CURSOR_OR_END,
);
pub static DIRECTION: Parameter =
    query("direction", "The order of the events.", Values::OneOf(&["forward", "backward"]));
pub static PREFIX: Parameter = query("prefix", "Only streams whose names start with this.", Values::Text);
pub static TYPE: Parameter =
    query("type", "Only events of this type. May be given up to 100 times.", Values::Texts);
pub static LIMIT: Parameter = query(
    "limit",
    "The maximum number of events. A page has 100 by default and 1,000 at most; NDJSON has no limit by default.",
    Values::Number,
);
pub static LIST_LIMIT: Parameter =
    query("limit", "The maximum number of streams: 100 by default, 1,000 at most.", Values::Number);
pub static TASKS_LIMIT: Parameter =
    query("limit", "The maximum number of tasks: 100 by default, 1,000 at most.", Values::Number);
pub static SCHEDULES_LIMIT: Parameter =
    query("limit", "The maximum number of schedules: 100 by default, 1,000 at most.", Values::Number);
pub static QUEUES_LIMIT: Parameter =
    query("limit", "The maximum number of queues: 100 by default, 1,000 at most.", Values::Number);
pub static LEASES_LIMIT: Parameter =
    query("limit", "The maximum number of leases: 100 by default, 1,000 at most.", Values::Number);
pub static VALUES_LIMIT: Parameter =
    query("limit", "The maximum number of values: 100 by default, 1,000 at most.", Values::Number);
pub static TENANTS_LIMIT: Parameter =
    query("limit", "The maximum number of tenants: 100 by default, 1,000 at most.", Values::Number);
pub static LIMITS_LIMIT: Parameter =
    query("limit", "The maximum number of limits: 100 by default, 1,000 at most.", Values::Number);
pub static BREAKERS_LIMIT: Parameter =
    query("limit", "The maximum number of breakers: 100 by default, 1,000 at most.", Values::Number);
pub static TOKENS_LIMIT: Parameter =
    query("limit", "The maximum number of tokens: 100 by default, 1,000 at most.", Values::Number);
pub static TOKEN: Parameter = Parameter {
    name: "id",
    location: Location::Path,
    description: "The id of the token: 16 hex digits, or `initial`.",
    values: Values::Matching("^([0-9a-f]{16}|initial)$"),
};
pub static TASK_STATE: Parameter = query(
    "state",
    "Only tasks in this state.",
    Values::OneOf(&["delayed", "blocked", "ready", "running", "done", "dead", "cancelled"]),
);
pub static LIST_CURSOR: Parameter =
    query("cursor", "Where the previous page ended, as in its `next`.", Values::Text);
pub static AS_OF: Parameter = query(
    "as_of",
    "Only events recorded up to this RFC 3339 time, up to this cursor, or up to `now`. A time up to 60 s ahead of the \
     node's clock counts as `now`.",
    Values::Text,
);
pub static AS_OF_EVENT_TIME: Parameter = query(
    "as_of_event_time",
    "Only events that happened up to this RFC 3339 time, according to their own `time`.",
    Values::Text,
);
pub static KEEP_ALIVE: Parameter = query(
    "keep_alive",
    "When following: how long the response may stay silent before a keep-alive message, from `1s` to `60s`.",
    Values::Text,
);
pub static READER: Parameter = query(
    "reader",
    "When following: a name of 1 to 64 bytes under which `/metrics` shows how far this reader is, also for a day after it \
     has gone. It changes nothing else.",
    Values::Text,
);

pub static ETAG: ResponseHeader = ResponseHeader {
    name: "etag",
    description: "The last revision of the stream or value in quotes, for `If-Match`.",
};
pub static REPLAYED: ResponseHeader = ResponseHeader {
    name: "idempotent-replayed",
    description: "`true` when the request had already taken effect: this is its original outcome.",
};
pub static RETRY_AFTER: ResponseHeader = ResponseHeader {
    name: "retry-after",
    description: "When the call is rejected: after how many seconds to ask again.",
};
pub static SENT_STORE: ResponseHeader =
    ResponseHeader { name: "mainstay-store", description: "The identity of the store that responds." };
pub static AS_OF_USED: ResponseHeader = ResponseHeader {
    name: "mainstay-as-of",
    description: "With `as_of`: the moment that the response shows. Sent back as `as_of`, it means the same moment.",
};
pub static CURSOR: ResponseHeader = ResponseHeader {
    name: "mainstay-cursor",
    description: "With NDJSON: the cursor where the response ends.",
};
pub static REMOVED_THROUGH: ResponseHeader = ResponseHeader {
    name: "mainstay-removed-through",
    description: "With NDJSON and server-sent events: events up to this cursor may have been removed by retention or deletion.",
};

const fn header(name: &'static str, description: &'static str, values: Values) -> Parameter {
    Parameter { name, location: Location::Header, description, values }
}

const fn query(name: &'static str, description: &'static str, values: Values) -> Parameter {
    Parameter { name, location: Location::Query, description, values }
}
