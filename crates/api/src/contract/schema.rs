//! The objects of the API as types. The server reads and writes them by hand, for speed; tests read its real
//! answers into these, unknown members refused, so that neither can drift.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// An event on its way in: a CloudEvent 1.0. Further members whose names have only lower-case letters and digits
/// are extensions: a text, an integer of 32 bits or a truth value.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct NewEvent {
    #[schema(example = "1.0")]
    pub specversion: Option<String>,
    /// Names the event within its source: sent again with the same content it is a replay. Without one, the
    /// server makes one.
    pub id: Option<String>,
    /// Who says so: a URI reference. Without one it is `/streams/{stream}`.
    pub source: Option<String>,
    #[serde(rename = "type")]
    #[schema(example = "cart.item-added")]
    pub event_type: String,
    pub subject: Option<String>,
    /// When it happened, in RFC 3339. Without one it is when it was recorded.
    pub time: Option<String>,
    pub datacontenttype: Option<String>,
    pub dataschema: Option<String>,
    /// Any JSON, kept byte for byte.
    pub data: Option<Value>,
    /// Bytes that are neither JSON nor text.
    pub data_base64: Option<String>,
}

/// One line of `POST /v1/events`: a CloudEvent that says to which stream it goes.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct NewEventLine {
    pub stream: String,
    #[serde(flatten)]
    pub event: NewEvent,
}

/// An event as it was recorded: its place, then the CloudEvent with what the server filled in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct RecordedEvent {
    pub stream: String,
    /// Its number in its stream, from 0.
    pub revision: u64,
    /// Its place in the order of the whole store: 20 hex digits.
    pub cursor: String,
    /// When it was recorded.
    pub recordedtime: String,
    pub specversion: String,
    pub id: String,
    pub source: String,
    #[serde(rename = "type")]
    pub event_type: String,
    pub subject: Option<String>,
    pub time: String,
    pub datacontenttype: Option<String>,
    pub dataschema: Option<String>,
    pub data: Option<Value>,
    pub data_base64: Option<String>,
}

/// What became of an append.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Appended {
    pub stream: String,
    /// Of the last event.
    pub revision: u64,
    /// Of the last event.
    pub cursor: String,
    /// Every event was there already.
    pub replayed: bool,
    /// In the order of the request.
    pub events: Vec<AppendedEvent>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppendedEvent {
    pub revision: u64,
    pub cursor: String,
    /// The id that the server made; absent when the client sent one.
    pub id: Option<String>,
    pub replayed: bool,
}

/// A page of one stream.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamPage {
    pub stream: String,
    /// The stream's last revision, as of the moment asked for; null when it did not exist.
    #[schema(required)]
    pub revision: Option<u64>,
    /// The first revision that is kept.
    #[schema(required)]
    pub first: Option<u64>,
    pub events: Vec<RecordedEvent>,
    /// Path and query of the next page; null at the end.
    #[schema(required)]
    pub next: Option<String>,
}

/// A page of the whole store.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorePage {
    /// Where the page ended: everything up to here was looked at. Use it as `after` to go on later.
    pub cursor: String,
    /// Events up to here may have been removed; null when none were.
    #[schema(required)]
    pub removed_through: Option<String>,
    pub events: Vec<RecordedEvent>,
    /// Path and query of the next page; null when the end of the store was reached.
    #[schema(required)]
    pub next: Option<String>,
}

/// What became of one line; the last line is a [`SummaryLine`].
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineResult {
    /// Counted from 1, empty lines too.
    pub line: Option<u64>,
    pub stream: Option<String>,
    pub revision: Option<u64>,
    pub cursor: Option<String>,
    pub replayed: Option<bool>,
    /// The line was refused; without `line`, the stream of lines ended here.
    pub problem: Option<Problem>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryLine {
    pub summary: Summary,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Lines that were answered.
    pub lines: u64,
    pub appended: u64,
    pub replayed: u64,
    pub refused: u64,
}

/// Checks and writes, all or none.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    #[serde(default)]
    pub checks: Vec<Check>,
    pub writes: Vec<Write>,
}

/// A condition on the state before the transaction.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    pub stream: String,
    pub expected: Expected,
}

/// The last revision of a stream, or whether it exists.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Expected {
    Revision(u64),
    Word(ExpectedWord),
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExpectedWord {
    None,
    Exists,
    Any,
}

/// An object with one member, the kind of write.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    pub append: Append,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Append {
    pub stream: String,
    pub expected: Option<Expected>,
    pub events: Vec<NewEvent>,
}

/// What became of a transaction.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transacted {
    pub replayed: bool,
    /// In the order of the request.
    pub writes: Vec<Written>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub append: Appended,
}

/// A page of the list of streams.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamList {
    pub streams: Vec<ListedStream>,
    /// Path and query of the next page; null at the end. A page may be short or empty and still have one.
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedStream {
    pub stream: String,
    /// The first revision that is kept.
    #[schema(required)]
    pub first: Option<u64>,
    /// The last revision.
    #[schema(required)]
    pub revision: Option<u64>,
}

/// What a stream keeps. Absent or null members keep everything.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Events recorded longer ago than this are removed: a whole number and ms, s, m, h, d or w.
    #[schema(example = "30d")]
    pub max_age: Option<String>,
    /// Only the newest so many are kept.
    pub max_count: Option<u64>,
    /// Events below this revision are removed.
    pub truncate_before: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsInForce {
    pub stream: String,
    #[schema(required)]
    pub max_age: Option<String>,
    #[schema(required)]
    pub max_count: Option<u64>,
    #[schema(required)]
    pub truncate_before: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Deleted {
    pub stream: String,
    /// The last revision that it had; the next append gets the one behind it.
    #[schema(required)]
    pub revision: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Live {
    pub status: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    pub status: String,
    /// Entries that this start had to apply again.
    pub replayed_entries: u64,
    /// Why writes are refused for now; null when they are not.
    #[schema(required)]
    pub read_only: Option<String>,
}

/// A refusal (RFC 9457). `/v1/errors` has a section for each code.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    #[serde(rename = "type")]
    #[schema(example = "/v1/errors#wrong_revision")]
    pub problem_type: String,
    pub title: String,
    pub status: u16,
    /// Stable: programs decide by it.
    #[schema(example = "wrong_revision")]
    pub code: String,
    /// What happened this time.
    pub detail: String,
    /// What to do.
    pub action: String,
    /// The same request may succeed later.
    pub retryable: bool,
    /// The place in the JSON that was sent.
    pub member: Option<String>,
    pub parameter: Option<String>,
    pub header: Option<String>,
    /// Of the lines that were sent, from 1.
    pub line: Option<u64>,
    /// Of the events that were sent, from 0.
    pub event: Option<u64>,
    /// Of a transaction's checks and then writes, from 0.
    pub part: Option<u64>,
    /// The bound that was passed.
    pub limit: Option<u64>,
    /// `wrong_revision`: the stream's last revision; null when it does not exist.
    pub current_revision: Option<u64>,
    /// `history_truncated`: the first revision that is kept.
    pub first_revision: Option<u64>,
    /// `truncate_beyond_end`: the revision that the next event gets.
    pub next_revision: Option<u64>,
    /// `event_conflict`: the event that has the id.
    pub revision: Option<u64>,
}
