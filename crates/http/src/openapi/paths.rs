//! One description an operation: what it takes, what it answers.
#![allow(dead_code, reason = "nothing here is called or made: only the descriptions are used")]

use super::schema::{
    Appended, Deleted, LineResult, Live, NewEvent, NewEventLine, Problem, Ready, RecordedEvent, Settings,
    SettingsInForce, StorePage, StreamList, StreamPage, SummaryLine, Transacted, Transaction,
};
use utoipa::{IntoParams, IntoResponses};

/// What every operation may be refused with.
#[derive(IntoResponses)]
enum Refused {
    /// The request cannot be answered as it is; see the problem's `code`, `detail` and `action`.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Request(Problem),
    /// Not now: `Retry-After` says when to try again. Writes can be sent again safely.
    #[response(status = "5XX", content_type = "application/problem+json")]
    Node(Problem),
}

#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
struct InStream {
    /// The stream's name, percent-encoded: 1 to 256 bytes of UTF-8 without control characters.
    stream: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
struct Conditions {
    /// `"41"`: the stream is at this revision; `*`: it exists.
    #[param(rename = "If-Match")]
    if_match: Option<String>,
    /// `*`: the stream does not exist.
    #[param(rename = "If-None-Match")]
    if_none_match: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
struct Keyed {
    /// The client's name for this effect, kept for 24 hours: for writes without an identity of their own.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
struct Followed {
    /// Where a subscriber that comes back stood; it overrides the start in the query.
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct StreamQuery {
    /// The revision to begin at; `end` (when following) for only what comes.
    from: Option<String>,
    /// The cursor to begin behind.
    after: Option<String>,
    /// `forward` (by default) or `backward`.
    direction: Option<String>,
    /// Events at most: of a page 100 by default and 1,000 at most, of lines all by default.
    limit: Option<u64>,
    /// Only what had been recorded by this RFC 3339 time, or up to this cursor. Not in the future.
    as_of: Option<String>,
    /// Only what had happened by this RFC 3339 time, by the events' own `time`.
    as_of_event_time: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct StoreQuery {
    /// The cursor to begin behind; `end` (when following) for only what comes.
    after: Option<String>,
    /// Only streams whose names begin like this.
    prefix: Option<String>,
    /// Only events of this type; may be repeated.
    #[param(rename = "type")]
    types: Option<Vec<String>>,
    /// Events at most: of a page 100 by default and 1,000 at most, of lines all by default.
    limit: Option<u64>,
    /// Only what had been recorded by this RFC 3339 time, or up to this cursor. Not in the future.
    as_of: Option<String>,
    /// Only what had happened by this RFC 3339 time, by the events' own `time`.
    as_of_event_time: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Only streams whose names begin like this.
    prefix: Option<String>,
    /// Where the last page ended, as its `next` has it.
    cursor: Option<String>,
    /// Streams at most: 100 by default, 1,000 at most.
    limit: Option<u64>,
}

/// Append events to a stream
///
/// One event, a batch or lines: all or none. In binary mode the attributes are `ce-*` headers and the body, of
/// any content type, is the data.
#[utoipa::path(
    post, path = "/v1/streams/{stream}/events", tag = "events", operation_id = "append",
    params(InStream, Conditions, Keyed),
    request_body(content(
        (NewEvent = "application/cloudevents+json"),
        (NewEvent = "application/json"),
        (Vec<NewEvent> = "application/cloudevents-batch+json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "Appended, or there already (`Idempotent-Replayed: true`)", body = Appended,
            headers(("ETag" = String, description = "The stream's revision, for `If-Match`"),
                    ("Idempotent-Replayed" = String, description = "`true` when every event was there already"))),
        Refused
    )
)]
pub(super) const fn append() {}

/// Read a stream
///
/// As a page, the whole of it as lines, or followed as server-sent events whose ids are cursors.
#[utoipa::path(
    get, path = "/v1/streams/{stream}/events", tag = "events", operation_id = "readStream",
    params(InStream, StreamQuery, Followed),
    responses(
        (status = 200, description = "A stream that does not exist is empty", content(
            (StreamPage = "application/json"), (RecordedEvent = "application/x-ndjson"), (String = "text/event-stream"))),
        Refused
    )
)]
pub(super) const fn read_stream() {}

/// Delete a stream
///
/// Its events go; its revisions are never used again. Repeating it is safe.
#[utoipa::path(
    delete, path = "/v1/streams/{stream}", tag = "streams", operation_id = "deleteStream",
    params(InStream, Conditions),
    responses((status = 200, description = "Deleted", body = Deleted), Refused)
)]
pub(super) const fn delete_stream() {}

/// What a stream keeps
#[utoipa::path(
    get, path = "/v1/streams/{stream}/settings", tag = "streams", operation_id = "getSettings",
    params(InStream),
    responses((status = 200, description = "The settings in force", body = SettingsInForce), Refused)
)]
pub(super) const fn get_settings() {}

/// Say what a stream keeps
///
/// Replaces all settings. What they remove is really removed from disk, in the background.
#[utoipa::path(
    put, path = "/v1/streams/{stream}/settings", tag = "streams", operation_id = "putSettings",
    params(InStream),
    request_body = Settings,
    responses((status = 200, description = "In force", body = SettingsInForce), Refused)
)]
pub(super) const fn put_settings() {}

/// List streams
#[utoipa::path(
    get, path = "/v1/streams", tag = "streams", operation_id = "listStreams",
    params(ListQuery),
    responses((status = 200, description = "In no order that means anything", body = StreamList), Refused)
)]
pub(super) const fn list_streams() {}

/// Append lines to many streams
///
/// Any number of lines, each an append of its own, answered in order while more are sent; the last line is a
/// summary. Read the answers while you write.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", operation_id = "appendLines",
    request_body(content = NewEventLine, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "An answer a line, then the summary", content(
            (LineResult = "application/x-ndjson"), (SummaryLine = "application/x-ndjson; part=summary"))),
        Refused
    )
)]
pub(super) const fn append_lines() {}

/// Read the whole store
///
/// In the order of recording, filtered; as a page, all of it as lines, or followed as server-sent events.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "readStore",
    params(StoreQuery, Followed),
    responses(
        (status = 200, description = "Removed events are passed over", content(
            (StorePage = "application/json"), (RecordedEvent = "application/x-ndjson"), (String = "text/event-stream")),
            headers(("Mainstay-Cursor" = String, description = "With lines: the end of what is sent"),
                    ("Mainstay-Removed-Through" = String, description = "With lines: events up to here may have been removed"))),
        Refused
    )
)]
pub(super) const fn read_store() {}

/// Checks and writes, all or none
#[utoipa::path(
    post, path = "/v1/transactions", tag = "transactions", operation_id = "transact",
    params(Keyed),
    request_body = Transaction,
    responses(
        (status = 200, description = "Done, or done already (`Idempotent-Replayed: true`)", body = Transacted,
            headers(("Idempotent-Replayed" = String, description = "`true` when it was done already"))),
        Refused
    )
)]
pub(super) const fn transact() {}

/// Does the process answer?
#[utoipa::path(
    get, path = "/livez", tag = "operations", operation_id = "live",
    responses((status = 200, description = "It does", body = Live))
)]
pub(super) const fn live() {}

/// Does the node take requests?
#[utoipa::path(
    get, path = "/readyz", tag = "operations", operation_id = "ready",
    responses((status = 200, description = "It does", body = Ready), Refused)
)]
pub(super) const fn ready() {}

/// Metrics in Prometheus form
#[utoipa::path(
    get, path = "/metrics", tag = "operations", operation_id = "metrics",
    responses((status = 200, description = "OpenMetrics text", body = String,
        content_type = "application/openmetrics-text"))
)]
pub(super) const fn metrics() {}

/// This document
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "operations", operation_id = "openapi",
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json"))
)]
pub(super) const fn openapi() {}

/// Every problem's code, with its cause and what to do
#[utoipa::path(
    get, path = "/v1/errors", tag = "operations", operation_id = "errors",
    responses((status = 200, description = "A page in Markdown", body = String, content_type = "text/markdown"))
)]
pub(super) const fn errors() {}
