//! Every problem that the API answers with: its stable code, its status, what it means, what to do about it,
//! and whether the same request can succeed later. docs/errors.md has a section for each; a test holds the
//! two together.
//!
//! A code, once released, keeps its meaning and its status. Texts may get better.

use std::fmt;

/// One row of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What the client should do.
    pub action: &'static str,
    /// The same request may succeed later, without a change.
    pub retryable: bool,
}

macro_rules! catalogue {
    ($($variant:ident = $code:literal $status:literal $retry:ident $title:literal, $cause:literal, $action:literal;)*) => {
        /// A problem's stable name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $cause] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the catalogue (by status).
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            #[must_use]
            pub const fn entry(self) -> &'static Entry {
                match self {
                    $(Self::$variant => &Entry {
                        code: $code, status: $status, title: $title, cause: $cause, action: $action,
                        retryable: catalogue!(@$retry),
                    },)*
                }
            }
        }
    };
    (@retry) => { true };
    (@final) => { false };
}

catalogue! {
    BadRequest = "bad_request" 400 final "The request is not valid HTTP",
        "The request line, a header or the framing of the body breaks the rules of HTTP, or a header that must stand alone is missing or of the wrong form.",
        "Fix the client, or the proxy in between; the detail says what was wrong where that is known.";
    IncompleteBody = "incomplete_body" 400 final "The body ended early",
        "The connection's sending side was closed before the whole body had come.",
        "Send the whole body, then wait for the answer. Nothing of a request with an incomplete body takes effect; lines of `POST /v1/events` that were complete do.";
    InvalidPath = "invalid_path" 400 final "The path cannot be decoded",
        "The path holds a `%` that is not followed by two hex digits, or its percent-encoded bytes are not UTF-8.",
        "Percent-encode the UTF-8 bytes of a name, for example `a%20b` for `a b` and `%25` for `%`.";
    InvalidName = "invalid_name" 400 final "The name is not allowed",
        "A name has 1 to 256 bytes of UTF-8 without control characters, and is not `.` or `..`.",
        "Choose another name; the detail says which rule was broken.";
    UnknownParameter = "unknown_parameter" 400 final "The query has a parameter that this route does not know",
        "A misspelt parameter would otherwise be ignored in silence, and the answer would not be the one asked for.",
        "Remove or correct the parameter named in `parameter`.";
    DuplicateParameter = "duplicate_parameter" 400 final "A parameter was given twice",
        "Only `type` may be repeated.",
        "Send the parameter named in `parameter` once.";
    InvalidParameter = "invalid_parameter" 400 final "A parameter's value cannot be used",
        "The value is not of the form that the parameter needs, is out of its range, or does not go with another parameter or with the form of the answer.",
        "Correct the parameter named in `parameter`; the detail says what it takes.";
    TimeInFuture = "time_in_future" 400 final "`as_of` lies in the future",
        "What a stream will hold at a future time is not known, so the answer could not stay the same.",
        "Ask for a time or a cursor that is not after now.";
    InvalidHeader = "invalid_header" 400 final "A header's value cannot be used",
        "The header named in `header` is not of the form that it needs here.",
        "Correct the header; the detail says what it takes, for example `If-Match: \"41\"`.";
    DuplicateHeader = "duplicate_header" 400 final "A header was sent twice",
        "The header named in `header` has one value; with two, nobody could say which one was meant.",
        "Send it once.";
    InvalidUtf8 = "invalid_utf8" 400 final "The body is not UTF-8",
        "JSON is UTF-8. The detail says at which byte it stops being that.",
        "Encode the text as UTF-8; send other bytes in `data_base64`, or as the body of an event in binary mode.";
    InvalidJson = "invalid_json" 400 final "The body is not JSON",
        "The text breaks the grammar of JSON (RFC 8259) at the byte named in the detail.",
        "Send valid JSON.";
    JsonTooDeep = "json_too_deep" 400 final "The JSON is nested too deep",
        "Objects and arrays may be nested 64 deep.",
        "Flatten the data, or send it as text.";
    UnknownMember = "unknown_member" 400 final "An object has a member that is not known",
        "A misspelt member would otherwise be ignored in silence. In an event, a member that is no attribute is an extension: its name has only lower-case letters and digits.",
        "Remove or rename the member named in `member`; what belongs to the event's content goes into `data`.";
    DuplicateMember = "duplicate_member" 400 final "An object has a member twice",
        "With two values, nobody could say which one was meant.",
        "Send the member named in `member` once. Inside `data` nothing is checked or changed.";
    MissingMember = "missing_member" 400 final "A member is missing",
        "The member named in `member` is needed; of an event only `type` is.",
        "Send it.";
    InvalidMember = "invalid_member" 400 final "A member's value cannot be used",
        "The value is of another type than the member needs, out of its range, or breaks a rule of CloudEvents.",
        "Correct the member named in `member`; the detail says what it takes.";
    ReservedMember = "reserved_member" 400 final "A member is the server's to set",
        "`revision`, `cursor` and `recordedtime` say where and when an event was recorded; `stream` is given by the path.",
        "Leave the member named in `member` out. `POST /v1/events` takes `stream`.";
    EmptyBatch = "empty_batch" 400 final "There is nothing to append",
        "A batch, or an append of a transaction, holds no event.",
        "Send at least one event.";
    TooManyItems = "too_many_items" 400 final "There are too many items in one request",
        "A batch has at most 1,000 events; a transaction at most 1,000 checks, and 1,000 events in all its writes.",
        "Split the request, or send independent events to `POST /v1/events`, which takes any number.";
    NotFound = "not_found" 404 final "There is nothing at this path",
        "No route of the API has this path. (A stream that does not exist is read as one without events.)",
        "Check the path; a `/` within a name is sent as `%2F`. `GET /v1/openapi.json` lists all routes.";
    MethodNotAllowed = "method_not_allowed" 405 final "The path does not have this method",
        "The path exists; `Allow` says which methods it takes.",
        "Use one of those.";
    NotAcceptable = "not_acceptable" 406 final "The route has no answer in this form",
        "`Accept` names none of the forms that the route can answer in.",
        "Ask for `application/json`, or where events are read also for `application/x-ndjson` or `text/event-stream`.";
    BodyTimeout = "body_timeout" 408 retry "The body came too slowly",
        "The body stopped coming, or came at a trickle, for longer than the node waits.",
        "Send the request again. Nothing of it has taken effect, but for complete lines of `POST /v1/events`.";
    EventConflict = "event_conflict" 409 final "The event's id is taken by another event",
        "The stream holds an event with this `source` and `id` and other content, or the request itself holds two such events.",
        "Give the new event an id of its own. A retry must send the same attributes and the same bytes of `data`.";
    TruncateBeyondEnd = "truncate_beyond_end" 409 final "`truncate_before` lies beyond the stream's end",
        "Events that do not exist yet cannot be removed.",
        "Use at most the stream's last revision and one.";
    StreamFull = "stream_full" 409 final "The stream has no revision left to give",
        "A stream has 2^63 revisions.",
        "Go on in another stream.";
    HistoryTruncated = "history_truncated" 410 final "This part of the stream's history has been removed",
        "Retention (`max_age`, `max_count`, `truncate_before`) or a deletion removed events that the answer would need.",
        "Read from the revision in `first_revision`, the first that is kept. A subscriber starts again from there.";
    WrongRevision = "wrong_revision" 412 final "The stream is not at the expected revision",
        "Somebody else appended in the meantime, or the stream does or does not exist against what the check says.",
        "Read the stream on from what you know, decide again, and append with the revision in `current_revision` (null: the stream does not exist).";
    BodyTooLarge = "body_too_large" 413 final "The body is too large",
        "A request's body has at most 8 MiB; `POST /v1/events` takes any number of lines instead.",
        "Split the request.";
    EventTooLarge = "event_too_large" 413 final "An event is too large",
        "An event's data has at most 1 MiB, its attributes and extensions together 16 KiB, its extensions are at most 64.",
        "Keep large things elsewhere and put a reference into the event.";
    LineTooLong = "line_too_long" 413 final "A line is too long",
        "A line of `POST /v1/events` has at most 2 MiB.",
        "Send each event on a line of its own. The stream of lines ends here: lines after this one were not read.";
    UriTooLong = "uri_too_long" 414 final "The URI is too long",
        "A request's URI has at most 8 KiB.",
        "Shorten it: a name has at most 256 bytes.";
    UnsupportedMediaType = "unsupported_media_type" 415 final "The body's content type is not taken here",
        "`Content-Type` is missing, is not one of those that the route takes, or names another charset than UTF-8; or the body is compressed.",
        "Events come as `application/cloudevents+json`, `application/json`, `application/cloudevents-batch+json`, `application/x-ndjson`, or with `ce-*` headers and any content type; all else as `application/json`. Send no `Content-Encoding`.";
    KeyConflict = "key_conflict" 422 final "The idempotency key was used for another request",
        "The key's record holds another content.",
        "Use a new key for each intended effect, and the same body for its retries.";
    HeadTooLarge = "head_too_large" 431 final "The request's head is too large",
        "A head has at most 16 KiB and 100 headers.",
        "Send fewer or smaller headers.";
    Internal = "internal" 500 retry "The node failed to answer",
        "Something the node relies on failed while answering: a read of its own files, or one of its threads. Its log has the cause.",
        "Look at the node's log. Retrying a write is safe by the events' ids or an idempotency key.";
    UnsupportedCommand = "unsupported_command" 501 final "The cluster's data is not yet of the version for this",
        "The store still applies an older behaviour that does not know this command.",
        "Finish the upgrade first.";
    Busy = "busy" 503 retry "Too much is waiting already",
        "A bounded queue is full: the node takes no more than it can answer soon. Nothing was changed.",
        "Wait for the seconds in `Retry-After`, then send the request again.";
    ReadOnly = "read_only" 503 retry "The node refuses writes for now",
        "The disk has no space left for the log or the events. Reads go on.",
        "Make space; the node takes writes again by itself. Nothing was changed.";
    NotReady = "not_ready" 503 retry "The node is still starting",
        "The node reads its log before it answers.",
        "Wait for `/readyz`, then send the request again.";
    Stopping = "stopping" 503 retry "The node is stopping",
        "The node was asked to stop and takes nothing new. Nothing was changed.",
        "Send the request again when it is back.";
    OutcomeUnknown = "outcome_unknown" 503 retry "The node stopped before the outcome was known",
        "The write may or may not have taken effect.",
        "Send the same request again: by the events' ids or the idempotency key it takes effect once.";
    TooManyConnections = "too_many_connections" 503 retry "There are too many connections",
        "The node holds at most 4,096 connections at once.",
        "Use fewer connections, or HTTP/2; retry after a moment.";
    TooManySubscribers = "too_many_subscribers" 503 retry "There are too many subscribers",
        "The node holds at most 1,024 subscriptions at once.",
        "Share subscriptions within a process; retry after a moment.";
    KeysFull = "keys_full" 503 retry "The store of idempotency keys is full",
        "A live key is never forgotten, so a full store takes no new keyed requests until the oldest keys expire (24 h).",
        "Send the request without a key (events have an identity of their own), or wait.";
}

impl Code {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.entry().code
    }

    #[must_use]
    pub const fn status(self) -> u16 {
        self.entry().status
    }

    /// The code with this text.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// docs/errors.md as the catalogue has it.
#[must_use]
pub fn page() -> String {
    let mut page = String::from(HEAD);
    for code in Code::ALL {
        let Entry { code, status, title, cause, action, retryable } = *code.entry();
        let retry = if retryable { "yes" } else { "no" };
        page.push_str(&format!(
            "\n## {code}\n\n**{status}: {title}.** Retryable: {retry}.\n\n{cause}\n\n*What to do:* {action}\n"
        ));
    }
    page
}

const HEAD: &str = "\
# Errors

Every refusal is a problem in the form of RFC 9457, with `Content-Type: application/problem+json`:

```json
{\"type\":\"/v1/errors#wrong_revision\",\"title\":\"The stream is not at the expected revision\",\"status\":412,\"code\":\"wrong_revision\",\"detail\":\"`cart-7` is at revision 41\",\"action\":\"Read the stream on from what you know, decide again, and append with the revision in `current_revision` (null: the stream does not exist).\",\"retryable\":false,\"current_revision\":41}
```

- `code` is stable: programs decide by it. `title` and `action` say the same for every problem of a code, `detail`
  says what happened this time.
- `retryable` says whether the same request, unchanged, may succeed later. With a 503 comes `Retry-After`.
- Further members name the place: `member` (a path into the JSON that was sent, such as
  `writes[0].append.events[2].type`), `parameter`, `header`, `line` (from 1), `event` and `part` (from 0).
- Within an answer that has begun, a problem is a line `{\"problem\": {...}}` of NDJSON, or an event `problem` of SSE.

A node serves this page at `/v1/errors`. It is generated from the catalogue in the code (`crates/api/src/catalogue.rs`).
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_docs_have_a_section_for_each_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(path, page()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(written == page(), "docs/errors.md is not what the catalogue says: BLESS=1 rewrites it");
    }

    #[test]
    fn codes_are_unique_words_and_only_servers_faults_are_500() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            let entry = code.entry();
            assert!(entry.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()));
            assert!(entry.cause.ends_with(['.', ')']) && entry.action.ends_with('.'), "{code}");
            assert!(!entry.title.ends_with('.'), "{code}");
            assert_eq!(Code::find(entry.code), Some(*code));
        }
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()), "the page reads by status");
    }
}
