//! The JSON objects of requests and responses, as types. The server reads and writes JSON without them, for speed.
//! Tests read its real responses into these types, which refuse unknown members, so that neither can drift.

mod backup;
mod breaker;
mod check;
mod execution;
mod limit;
mod queue;
mod reaction;
mod schedule;
mod subject;
mod tenant;
mod token;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

pub use backup::*;
pub use breaker::*;
pub use check::*;
pub use execution::*;
pub use limit::*;
pub use queue::*;
pub use reaction::*;
pub use schedule::*;
pub use subject::*;
pub use tenant::*;
pub use token::*;

/// All of them, as components of the OpenAPI document.
#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(
    NewEvent,
    NewEventLine,
    RecordedEvent,
    Appended,
    AppendedEvent,
    StreamPage,
    StorePage,
    LineResult,
    SummaryLine,
    Summary,
    Transaction,
    Check,
    StreamCheck,
    LeaseCheck,
    ValueCheck,
    Expected,
    ExpectedWord,
    Write,
    Append,
    Transacted,
    Written,
    EnqueueWrite,
    CompleteWrite,
    FailWrite,
    EnqueuedTasks,
    StreamList,
    ListedStream,
    Settings,
    SettingsInForce,
    Deleted,
    LeaseAcquire,
    LeaseGranted,
    LeaseRenew,
    LeaseRenewed,
    LeaseRelease,
    LeaseReleased,
    Lease,
    LeaseHolder,
    ValueWritten,
    ValueDeleted,
    ValueSeen,
    ExecutionBegin,
    ExecutionBegun,
    StoredResponse,
    ExecutionComplete,
    ExecutionCompleted,
    ExecutionAbandon,
    ExecutionAbandoned,
    ExecutionForgotten,
    Execution,
    ExecutionCheck,
    ExecutionWrite,
    ExecutionWritten,
    ScheduleDefinition,
    ScheduledTask,
    CatchUp,
    Overlap,
    SchedulePut,
    Schedule,
    ScheduleState,
    ScheduleRun,
    ScheduleCounts,
    ScheduleDeleted,
    ScheduleControlled,
    ScheduleBackfill,
    BackfillOverlap,
    ScheduleList,
    ListedSchedule,
    ScheduleSetPut,
    NamedSchedule,
    ScheduleSet,
    NewTask,
    RetryPolicy,
    Unique,
    UniqueMode,
    EnqueuedTask,
    EnqueuedLine,
    Claim,
    Claimed,
    ClaimedTask,
    Heartbeat,
    Complete,
    Fail,
    Defer,
    Return,
    Settlement,
    SettlementAction,
    Settled,
    SettledItem,
    SettledLine,
    Task,
    TaskClaim,
    TaskFailure,
    Attempt,
    TaskState,
    TaskList,
    TaskChanged,
    Replay,
    ReplayMany,
    DropMany,
    CancelMany,
    TasksChanged,
    NewGroup,
    GroupCreated,
    Group,
    GroupMember,
    InnerGroup,
    GroupFollower,
    DeadLetterClasses,
    WorkerList,
    ListedWorker,
    DeadLetterClass,
    QueueSettings,
    QueueSettingsInForce,
    Queue,
    Depth,
    QueueType,
    QueueList,
    ReactionSettings,
    KeyFrom,
    ReactionPayload,
    ReactionPut,
    Reaction,
    ReactionState,
    BlockedOn,
    ReactionList,
    ReactionDeleted,
    ListedQueue,
    Backup,
    BackupSegment,
    BackupEnded,
    Checks,
    LastCheck,
    CheckFinding,
    BreakerSettings,
    BreakerWindow,
    BreakerInForce,
    Breaker,
    BreakerCircuit,
    BreakerForced,
    BreakerFailure,
    BreakerWorker,
    BreakerDecision,
    BreakerReason,
    BreakerRecords,
    BreakerRecord,
    CallOutcome,
    BreakerRecorded,
    BreakerControlled,
    QueueBreaker,
    BreakerList,
    ListedBreaker,
    TokenSettings,
    Role,
    TokenCreated,
    Token,
    TokenList,
    TokenRevoked,
    Erasure,
    SubjectErased,
    TenantSettings,
    TenantInForce,
    Tenant,
    UnnamedTenant,
    TenantList,
    LimitSettings,
    Rate,
    LimitInForce,
    Limit,
    LimitKey,
    LeaseList,
    ValueList,
    ListedValue,
    LimitList,
    ListedLimit,
    QueueLimit,
    TaskBlockedOn,
    BlockedReason,
    Throttle,
    StoreInfo,
    Live,
    Ready,
    Problem
)))]
pub(super) struct Schemas;

/// An event to append: a CloudEvent 1.0. Further members are extensions: their names have only lower-case letters
/// and digits, and their values are strings, 32-bit integers or booleans.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct NewEvent {
    #[schema(example = "1.0")]
    pub specversion: Option<String>,
    /// Identifies the event within its source. Sending the event again with the same content has no effect. When
    /// absent, the server generates one.
    pub id: Option<String>,
    /// What produced the event: a URI reference. The default is `/streams/{stream}`.
    pub source: Option<String>,
    #[serde(rename = "type")]
    #[schema(example = "cart.item-added")]
    pub event_type: String,
    pub subject: Option<String>,
    /// When the event happened, in RFC 3339. The default is when it is recorded.
    pub time: Option<String>,
    pub datacontenttype: Option<String>,
    pub dataschema: Option<String>,
    /// Any JSON value. It is stored byte for byte.
    pub data: Option<Value>,
    /// Binary data, in base64.
    pub data_base64: Option<String>,
}

/// One line of `POST /v1/events`: a CloudEvent with the stream to append it to.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct NewEventLine {
    pub stream: String,
    #[serde(flatten)]
    pub event: NewEvent,
}

/// A recorded event: its location, and the CloudEvent with the attributes that the server filled in.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct RecordedEvent {
    pub stream: String,
    /// The event's number in its stream, from 0.
    pub revision: u64,
    /// The event's location in the order of the whole store: 20 hex digits.
    pub cursor: String,
    /// When the event was recorded.
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

/// The outcome of an append.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Appended {
    pub stream: String,
    /// The revision of the last event.
    pub revision: u64,
    /// The cursor of the last event.
    pub cursor: String,
    /// Whether all events were in the stream already.
    pub replayed: bool,
    /// One for each event, in the order of the request.
    pub events: Vec<AppendedEvent>,
}

/// Where one event of an append is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AppendedEvent {
    pub revision: u64,
    pub cursor: String,
    /// The id that the server generated. Absent when the client sent one.
    pub id: Option<String>,
    pub replayed: bool,
}

/// A page of one stream.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamPage {
    pub stream: String,
    /// The stream's last revision at the moment shown; null when the stream did not exist.
    #[schema(required)]
    pub revision: Option<u64>,
    /// The first revision that is still available.
    #[schema(required)]
    pub first: Option<u64>,
    /// With `as_of`: the moment shown. Sent back as `as_of`, it means the same moment.
    pub as_of: Option<String>,
    pub events: Vec<RecordedEvent>,
    /// Path and query of the next page; null on the last page.
    #[schema(required)]
    pub next: Option<String>,
}

/// A page of the whole store.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorePage {
    /// Where the page ends: everything up to here was examined. Use it as `after` to continue later.
    pub cursor: String,
    /// Events up to this cursor may have been removed; null when none were.
    #[schema(required)]
    pub removed_through: Option<String>,
    /// With `as_of`: the moment shown. Sent back as `as_of`, it means the same moment.
    pub as_of: Option<String>,
    pub events: Vec<RecordedEvent>,
    /// Path and query of the next page; null at the end of the store.
    #[schema(required)]
    pub next: Option<String>,
}

/// The result of one line of `POST /v1/events`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineResult {
    /// The number of the line, from 1. Empty lines count.
    pub line: Option<u64>,
    pub stream: Option<String>,
    pub revision: Option<u64>,
    pub cursor: Option<String>,
    pub replayed: Option<bool>,
    /// Why the line was refused. Without `line`, processing ended here.
    pub problem: Option<Problem>,
}

/// The last line of the response to `POST /v1/events`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryLine {
    pub summary: Summary,
}

/// How many lines had which result.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Lines with a result.
    pub lines: u64,
    pub appended: u64,
    pub replayed: u64,
    pub refused: u64,
}

/// Checks and writes that are applied all or nothing.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    #[serde(default)]
    pub checks: Vec<Check>,
    pub writes: Vec<Write>,
}

/// A condition on the state before the transaction.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Check {
    Stream(StreamCheck),
    Lease(LeaseCheck),
    Value(ValueCheck),
    Execution(ExecutionCheck),
}

/// The stream is at the expected revision.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamCheck {
    pub stream: String,
    pub expected: Expected,
}

/// The lease is held with this token.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseCheck {
    pub lease: String,
    pub token: String,
}

/// A page of the list of leases.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseList {
    pub leases: Vec<Lease>,
    /// Path and query of the next page; null on the last page.
    #[schema(required)]
    pub next: Option<String>,
}

/// A page of the list of values.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueList {
    pub values: Vec<ListedValue>,
    /// Path and query of the next page; null on the last page.
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedValue {
    pub value: String,
    pub revision: u64,
    pub content_type: String,
    /// The size of the content.
    pub bytes: u64,
}

/// The value is at the expected revision.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueCheck {
    pub value: String,
    pub expected: Expected,
}

/// The last revision that a stream or value must have, or whether it must exist.
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

/// One write: an object with one member that names its kind.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Write {
    Append(Append),
    Enqueue(EnqueueWrite),
    Group(NewGroup),
    Complete(CompleteWrite),
    Fail(FailWrite),
    Idempotency(ExecutionWrite),
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Append {
    pub stream: String,
    pub expected: Option<Expected>,
    pub events: Vec<NewEvent>,
}

/// The outcome of a transaction.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Transacted {
    pub replayed: bool,
    /// One for each write, in the order of the request.
    pub writes: Vec<Written>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Written {
    Append(Appended),
    Enqueue(EnqueuedTasks),
    Group(GroupCreated),
    Complete(Settled),
    Fail(Settled),
    Idempotency(ExecutionWritten),
}

/// A page of the list of streams.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StreamList {
    pub streams: Vec<ListedStream>,
    /// Path and query of the next page; null on the last page. A page may be short or empty and still have one.
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedStream {
    pub stream: String,
    /// The first revision that is still available.
    #[schema(required)]
    pub first: Option<u64>,
    /// The last revision.
    #[schema(required)]
    pub revision: Option<u64>,
}

/// What a stream keeps. An absent or null member sets no limit.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Removes events that were recorded longer ago than this: a whole number and `ms`, `s`, `m`, `h`, `d` or `w`.
    #[schema(example = "30d")]
    pub max_age: Option<String>,
    /// Keeps only the newest N events.
    #[schema(minimum = 1)]
    pub max_count: Option<u64>,
    /// Removes events below this revision.
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
    /// The last revision that the stream had. The next append continues after it.
    #[schema(required)]
    pub revision: Option<u64>,
}

/// A request for a lease.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseAcquire {
    /// Who asks: a name of its own for each process, 1 to 256 bytes.
    pub holder: String,
    /// How long the holder has the lease if it does not renew it: from 1,000 to 3,600,000.
    pub ttl_ms: u64,
    /// How long to wait for a turn: 0 by default, 600,000 at most.
    pub wait_ms: Option<u64>,
    /// How many may hold the lease at the same time: 1 by default, 100 at most.
    pub permits: Option<u64>,
    /// How long the lease is given to no one after it has expired: 0 by default, 3,600,000 at most.
    pub hold_off_ms: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseGranted {
    pub lease: String,
    pub holder: String,
    /// The fencing token: 20 hex digits. A later grant of the lease has a greater one, compared as text.
    pub token: String,
    pub remaining_ms: u64,
    /// How long the request waited for its turn. The holder has the lease for `waited_ms` and `remaining_ms` together,
    /// counted from before it sent the request.
    pub waited_ms: u64,
    /// Whether the holder had the lease already.
    pub replayed: bool,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseRenew {
    pub token: String,
    /// A new time; without it, the time is as before.
    pub ttl_ms: Option<u64>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseRenewed {
    pub lease: String,
    pub token: String,
    /// How long the holder has the lease, counted from before it sent the request.
    pub remaining_ms: u64,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseRelease {
    pub token: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseReleased {
    pub lease: String,
    pub token: String,
}

/// Who holds a lease, and who waits for it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    pub lease: String,
    /// How many may hold it at the same time; null when no one has used it of late.
    #[schema(required)]
    pub permits: Option<u64>,
    pub holders: Vec<LeaseHolder>,
    /// How many wait.
    pub waiting: u64,
    /// The first 100 waiting holders, in order.
    pub queue: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LeaseHolder {
    pub holder: String,
    pub token: String,
    pub remaining_ms: u64,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueWritten {
    pub value: String,
    pub revision: u64,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueDeleted {
    pub value: String,
    /// The last revision that the value had; null when it did not exist.
    #[schema(required)]
    pub revision: Option<u64>,
}

/// A value as a watch shows it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValueSeen {
    pub value: String,
    /// Null if the value does not exist.
    #[schema(required)]
    pub revision: Option<u64>,
    pub content_type: Option<String>,
    /// The content, if it is UTF-8.
    pub content: Option<String>,
    /// Any other content, in base64.
    pub content_base64: Option<String>,
}

/// The store of a node.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreInfo {
    /// The identity of the store: 32 hex digits, created with the data directory.
    pub store: String,
    /// The version of the node.
    pub version: String,
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
    /// Log entries that the node applied again when it started.
    pub replayed_entries: u64,
    /// Why the node refuses writes; null when it accepts them.
    #[schema(required)]
    pub read_only: Option<String>,
}

/// An error (RFC 9457). `/v1/errors` has a section for each code.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    #[serde(rename = "type")]
    #[schema(example = "/v1/errors#wrong_revision")]
    pub problem_type: String,
    pub title: String,
    pub status: u16,
    /// Stable, so that programs can match on it.
    #[schema(example = "wrong_revision")]
    pub code: String,
    /// What happened in this case.
    pub detail: String,
    /// What to do.
    pub action: String,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The path of the member in the JSON that was sent.
    pub member: Option<String>,
    pub parameter: Option<String>,
    pub header: Option<String>,
    /// The number of the line in the request, from 1.
    pub line: Option<u64>,
    /// The index of the event in the request, from 0.
    pub event: Option<u64>,
    /// The index of the check or write in the transaction, from 0: first all checks, then all writes.
    pub part: Option<u64>,
    /// The limit that was exceeded.
    pub limit: Option<u64>,
    /// `wrong_revision`: the last revision of the stream or value; null when it does not exist.
    pub current_revision: Option<u64>,
    /// `history_truncated`: the first revision that is still available.
    pub first_revision: Option<u64>,
    /// `truncate_beyond_end`: the revision of the next event.
    pub next_revision: Option<u64>,
    /// `event_conflict`: the revision of the event with the same identity.
    pub revision: Option<u64>,
    /// `key_conflict`: `content` or `precondition`, whichever differs from the first request with the key.
    pub differs: Option<String>,
    /// `lease_held`: who is due to lose the lease first, if it is known.
    pub holder: Option<String>,
    /// `lease_held`: that holder's token.
    pub token: Option<String>,
    /// `lease_held`: when the lease is free, if that holder does not renew it.
    pub remaining_ms: Option<u64>,
    /// `lease_permits_differ`: the number of permits that the lease has.
    pub permits: Option<u64>,
    /// `other_store` and `beyond_restore`: the identity of the store that responds.
    pub store: Option<String>,
    /// `beyond_restore`: the last cursor of the named store up to which this store has its history.
    pub restored_through: Option<String>,
    /// `task_conflict`: the cursor of the task with the same id.
    pub cursor: Option<String>,
    /// `wrong_task_state`: where the task stands.
    pub state: Option<String>,
    /// `too_many_task_types`: the index of the task in the request, from 0.
    pub task: Option<u64>,
    /// `queue_full`: how many unfinished tasks the queue may hold.
    pub backlog_max: Option<u64>,
    /// `time_in_future`: how far the time is ahead of the node's clock.
    pub ahead_ms: Option<u64>,
    /// `time_in_future`: how far it may be.
    pub ahead_ms_max: Option<u64>,
    /// `not_permitted`: the role that the operation needs.
    pub needs: Option<String>,
    /// `not_permitted`: the name that the token does not cover, as it was sent.
    pub name: Option<String>,
    /// `schedule_owned`: the schedule that belongs to another owner.
    pub schedule: Option<String>,
}
