//! The table of operations.

use super::parameters::{
    AFTER, AFTER_OR_END, AS_OF, AS_OF_EVENT_TIME, AS_OF_USED, CURSOR, DIRECTION, ETAG, FROM, IDEMPOTENCY_KEY,
    IF_MATCH, IF_NONE_MATCH, KEEP_ALIVE, LAST_EVENT_ID, LEASE, LEASES_LIMIT, LIMIT, LIST_CURSOR, LIST_LIMIT,
    PREFIX, QUEUE, QUEUES_LIMIT, READER, REMOVED_THROUGH, REPLAYED, SENT_STORE, STORE, STREAM, TASK,
    TASK_STATE, TASK_WAIT, TASKS_LIMIT, TYPE,
};
use super::{
    Access, Content, Description, Method, Response, Schema, Scope, Tag, backups, breakers, checks,
    idempotency, limits, reactions, schedules, subjects, tasks, tenants, tokens, values,
};
use crate::catalogue::Code;

macro_rules! operations {
    ($($name:ident: $description:expr;)*) => {
        /// An operation of the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Operation {
            $($name,)*
        }

        impl Operation {
            /// All operations.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What the contract says about this operation.
            #[must_use]
            pub const fn description(self) -> &'static Description {
                match self {
                    $(Self::$name => {
                        static DESCRIPTION: Description = $description;
                        &DESCRIPTION
                    })*
                }
            }
        }
    };
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// What every operation may respond with, whatever it does.
pub(super) const ANY: &[Code] = &[
    Code::BadRequest,
    Code::UnknownParameter,
    Code::DuplicateParameter,
    Code::InvalidParameter,
    Code::DuplicateHeader,
    Code::ForeignHost,
    Code::ForeignOrigin,
    Code::UriTooLong,
    Code::HeadTooLarge,
    Code::Internal,
    Code::TooManyConnections,
];
/// Operations on the store's data.
pub(super) const DATA: &[Code] = &[Code::InvalidHeader, Code::OtherStore, Code::UnsupportedMediaType];
/// Paths with a name.
pub(super) const STREAM_NAME: &[Code] = &[Code::InvalidPath, Code::InvalidName];
pub(super) const BODY: &[Code] =
    &[Code::IncompleteBody, Code::BodyTimeout, Code::BodyTooLarge, Code::InvalidUtf8, Code::InvalidJson];
pub(super) const OBJECT: &[Code] = &[
    Code::UnknownMember,
    Code::DuplicateMember,
    Code::MissingMember,
    Code::InvalidMember,
    Code::JsonTooDeep,
];
const EVENTS: &[Code] = &[
    Code::ReservedMember,
    Code::EmptyBatch,
    Code::TooManyItems,
    Code::EventTooLarge,
    Code::EventConflict,
    Code::StreamFull,
    Code::TooManySubjects,
];
pub(super) const COMMAND: &[Code] = &[
    Code::Busy,
    Code::ReadOnly,
    Code::DiskStalled,
    Code::NotReady,
    Code::Stopping,
    Code::OutcomeUnknown,
    Code::UnsupportedCommand,
];
pub(super) const KEYED: &[Code] = &[Code::KeyConflict, Code::KeysFull];
pub(super) const QUERY: &[Code] = &[Code::Busy, Code::NotReady, Code::Stopping];
/// Reads of events, which may close a time first.
const READ: &[Code] = &[
    Code::TimeInFuture,
    Code::NotAcceptable,
    Code::ReadOnly,
    Code::DiskStalled,
    Code::OutcomeUnknown,
    Code::TooManySubscribers,
    Code::BeyondRestore,
];

pub(super) const fn json(name: &'static str) -> Content {
    Content { media_type: JSON, schema: Schema::Object(name) }
}

const fn events(page: &'static str) -> [Content; 3] {
    [
        json(page),
        Content { media_type: NDJSON, schema: Schema::Object("RecordedEvent") },
        Content { media_type: "text/event-stream", schema: Schema::Text },
    ]
}

/// Requests of workers about one task that they have claimed.
const SETTLE: &[&[Code]] = &[
    ANY,
    DATA,
    STREAM_NAME,
    BODY,
    OBJECT,
    COMMAND,
    &[Code::TaskTooLarge, Code::TaskNotFound, Code::ClaimLost],
];
const SETTLED: Response =
    Response { description: "Where the task stands now.", content: &[json("Settled")], headers: &[] };

operations! {
    Append: Description {
        id: "append",
        method: Method::Post,
        path: "/v1/streams/{stream}/events",
        access: Access::write(Scope::Name),
        tag: Tag::Events,
        summary: "Append events to a stream",
        description: "Appends one event, a batch or NDJSON lines, all or nothing. In binary mode, `ce-*` headers carry the attributes, and the body, of any content type, is the data. An event that the stream already contains (same `source`, `id` and content) is not appended again: the response has its original revision.",
        parameters: &[&STREAM, &IF_MATCH, &IF_NONE_MATCH, &IDEMPOTENCY_KEY, &STORE],
        request: &[
            Content { media_type: "application/cloudevents+json", schema: Schema::Object("NewEvent") },
            json("NewEvent"),
            Content { media_type: "application/cloudevents-batch+json", schema: Schema::Array("NewEvent") },
            Content { media_type: NDJSON, schema: Schema::Object("NewEvent") },
            Content { media_type: "*/*", schema: Schema::Bytes },
        ],
        response: Response {
            description: "The events are in the stream.",
            content: &[json("Appended")],
            headers: &[&ETAG, &REPLAYED],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, EVENTS, COMMAND, KEYED, &[Code::WrongRevision]],
    };
    ReadStream: Description {
        id: "readStream",
        method: Method::Get,
        path: "/v1/streams/{stream}/events",
        access: Access::read(Scope::Name),
        tag: Tag::Events,
        summary: "Read or follow a stream",
        description: "Returns one page as JSON, the whole stream as NDJSON, or a subscription as server-sent events, depending on `Accept`. A stream that does not exist has no events.",
        parameters: &[&STREAM, &FROM, &AFTER, &DIRECTION, &TYPE, &LIMIT, &AS_OF, &AS_OF_EVENT_TIME, &KEEP_ALIVE, &READER, &LAST_EVENT_ID, &STORE],
        request: &[],
        response: Response {
            description: "The events. As server-sent events, the `id` of each message is a cursor.",
            content: &events("StreamPage"),
            headers: &[&ETAG, &AS_OF_USED, &CURSOR, &SENT_STORE],
        },
        problems: &[ANY, DATA, STREAM_NAME, QUERY, READ, &[Code::HistoryTruncated]],
    };
    DeleteStream: Description {
        id: "deleteStream",
        method: Method::Delete,
        path: "/v1/streams/{stream}",
        access: Access::admin(Scope::Name),
        tag: Tag::Streams,
        summary: "Delete a stream",
        description: "Removes all events of the stream. Their revisions are never used again. Repeating the request is safe.",
        parameters: &[&STREAM, &IF_MATCH, &IF_NONE_MATCH, &STORE],
        request: &[],
        response: Response {
            description: "The stream does not exist any more.",
            content: &[json("Deleted")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, COMMAND, &[Code::WrongRevision]],
    };
    GetSettings: Description {
        id: "getSettings",
        method: Method::Get,
        path: "/v1/streams/{stream}/settings",
        access: Access::read(Scope::Name),
        tag: Tag::Streams,
        summary: "Get the settings of a stream",
        description: "Returns what the stream keeps.",
        parameters: &[&STREAM, &STORE],
        request: &[],
        response: Response {
            description: "The current settings.",
            content: &[json("SettingsInForce")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, QUERY],
    };
    PutSettings: Description {
        id: "putSettings",
        method: Method::Put,
        path: "/v1/streams/{stream}/settings",
        access: Access::admin(Scope::Name),
        tag: Tag::Streams,
        summary: "Replace the settings of a stream",
        description: "Replaces all settings; an absent member sets no limit. Readers stop seeing removed events at once, and the disk space is freed in the background.",
        parameters: &[&STREAM, &STORE],
        request: &[json("Settings")],
        response: Response {
            description: "The new settings.",
            content: &[json("SettingsInForce")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::TruncateBeyondEnd]],
    };
    ListStreams: Description {
        id: "listStreams",
        method: Method::Get,
        path: "/v1/streams",
        access: Access::read(Scope::Filtered),
        tag: Tag::Streams,
        summary: "List streams",
        description: "Returns one page of streams, in no particular order.",
        parameters: &[&PREFIX, &LIST_CURSOR, &LIST_LIMIT, &STORE],
        request: &[],
        response: Response {
            description: "The streams. A page may be short or empty and still have a `next`.",
            content: &[json("StreamList")],
            headers: &[&SENT_STORE],
        },
        problems: &[ANY, DATA, QUERY],
    };
    AppendLines: Description {
        id: "appendLines",
        method: Method::Post,
        path: "/v1/events",
        access: Access::write(Scope::Body),
        tag: Tag::Events,
        summary: "Append lines to many streams",
        description: "Accepts any number of NDJSON lines. Each line is an append of its own. The response has one result per line, in order, and ends with a summary; read it while you send.",
        parameters: &[&STORE],
        request: &[Content { media_type: NDJSON, schema: Schema::Object("NewEventLine") }],
        response: Response {
            description: "One result per line, then the summary.",
            content: &[Content { media_type: NDJSON, schema: Schema::OneOf(&["LineResult", "SummaryLine"]) }],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, EVENTS, COMMAND, &[Code::LineTooLong]],
    };
    ReadStore: Description {
        id: "readStore",
        method: Method::Get,
        path: "/v1/events",
        access: Access::read(Scope::Filtered),
        tag: Tag::Events,
        summary: "Read or follow the whole store",
        description: "Returns events of all streams in the order in which they were recorded: one page as JSON, everything as NDJSON, or a subscription as server-sent events, depending on `Accept`. Removed events are skipped.",
        parameters: &[&AFTER_OR_END, &PREFIX, &TYPE, &LIMIT, &AS_OF, &AS_OF_EVENT_TIME, &KEEP_ALIVE, &READER, &LAST_EVENT_ID, &STORE],
        request: &[],
        response: Response {
            description: "The events. As server-sent events, the `id` of each message is a cursor.",
            content: &events("StorePage"),
            headers: &[&AS_OF_USED, &CURSOR, &REMOVED_THROUGH, &SENT_STORE],
        },
        problems: &[ANY, DATA, QUERY, READ],
    };
    Transact: Description {
        id: "transact",
        method: Method::Post,
        path: "/v1/transactions",
        access: Access::write(Scope::Body),
        tag: Tag::Transactions,
        summary: "Apply a transaction",
        description: "Verifies all checks and applies all writes, or changes nothing.",
        parameters: &[&IDEMPOTENCY_KEY, &STORE],
        request: &[json("Transaction")],
        response: Response {
            description: "The transaction has been applied.",
            content: &[json("Transacted")],
            headers: &[&REPLAYED],
        },
        problems: &[ANY, DATA, BODY, OBJECT, EVENTS, COMMAND, KEYED, &[Code::WrongRevision, Code::LeaseLost, Code::ExecutionLost, Code::StoredResponseTooLarge, Code::InvalidName, Code::TaskTooLarge, Code::TaskConflict, Code::GroupConflict, Code::TooManyTypes, Code::QueueFull, Code::ClaimLost, Code::TaskNotFound]],
    };
    AcquireLease: Description {
        id: "acquireLease",
        method: Method::Post,
        path: "/v1/leases/{lease}/acquire",
        access: Access::write(Scope::Name),
        tag: Tag::Leases,
        summary: "Acquire a lease",
        description: "Grants the lease to the holder for `ttl_ms`, if it is free. With `wait_ms`, the request waits for its turn: who asks first gets the lease first. A holder that asks again gets what it has, with the same token.",
        parameters: &[&LEASE, &STORE],
        request: &[json("LeaseAcquire")],
        response: Response {
            description: "The holder has the lease.",
            content: &[json("LeaseGranted")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::LeaseHeld, Code::LeasePermitsDiffer, Code::LeaseQueueFull]],
    };
    RenewLease: Description {
        id: "renewLease",
        method: Method::Post,
        path: "/v1/leases/{lease}/renew",
        access: Access::write(Scope::Name),
        tag: Tag::Leases,
        summary: "Renew a lease",
        description: "Restarts the time of the lease. It never shortens it.",
        parameters: &[&LEASE, &STORE],
        request: &[json("LeaseRenew")],
        response: Response {
            description: "The holder has the lease for this long.",
            content: &[json("LeaseRenewed")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::LeaseLost]],
    };
    ReleaseLease: Description {
        id: "releaseLease",
        method: Method::Post,
        path: "/v1/leases/{lease}/release",
        access: Access::write(Scope::Name),
        tag: Tag::Leases,
        summary: "Release a lease",
        description: "Gives the lease back. The holder that has waited longest gets it at once.",
        parameters: &[&LEASE, &STORE],
        request: &[json("LeaseRelease")],
        response: Response {
            description: "The lease is released.",
            content: &[json("LeaseReleased")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::LeaseLost]],
    };
    GetLease: Description {
        id: "getLease",
        method: Method::Get,
        path: "/v1/leases/{lease}",
        access: Access::read(Scope::Name),
        tag: Tag::Leases,
        summary: "Get a lease",
        description: "Returns who holds the lease and who waits for it. The remaining time may be a second too long. A lease that no one uses has no holders. With `Accept: text/event-stream`, the response is a watch: the lease as it is, and again after each change of its holders or its queue. Changes in quick succession may be one message.",
        parameters: &[&LEASE, &KEEP_ALIVE, &STORE],
        request: &[],
        response: Response {
            description: "The lease. As server-sent events, each message has the event name `lease`.",
            content: &[json("Lease"), Content { media_type: "text/event-stream", schema: Schema::Text }],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::TooManySubscribers]],
    };
    ListLeases: Description {
        id: "listLeases",
        method: Method::Get,
        path: "/v1/leases",
        access: Access::read(Scope::Filtered),
        tag: Tag::Leases,
        summary: "List leases",
        description: "Returns one page of the leases that someone holds or waits for, in no particular order. A page may be short or empty and still have a `next`.",
        parameters: &[&LIST_CURSOR, &LEASES_LIMIT, &STORE],
        request: &[],
        response: Response { description: "The leases.", content: &[json("LeaseList")], headers: &[] },
        problems: &[ANY, DATA, QUERY],
    };
    PutValue: values::PUT;
    GetValue: values::GET;
    ListValues: values::LIST;
    DeleteValue: values::DELETE;
    BeginExecution: idempotency::BEGIN;
    CompleteExecution: idempotency::COMPLETE;
    AbandonExecution: idempotency::ABANDON;
    GetExecution: idempotency::GET;
    ForgetExecution: idempotency::FORGET;
    Enqueue: Description {
        id: "enqueue",
        method: Method::Post,
        path: "/v1/queues/{queue}/tasks",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Enqueue tasks",
        description: "Enqueues one task, sent as a JSON object, or a batch, sent as NDJSON. A task with an `id` that the queue already has is not enqueued again: if it has the same content, the response says `replayed`. The response to a batch has one line per task, in order; a task whose `id` belongs to a task with different content has a `problem` there, and the others are enqueued. A request that cannot be read, or that the queue has no space for, has no effect at all.",
        parameters: &[&QUEUE, &IDEMPOTENCY_KEY, &STORE],
        request: &[json("NewTask"), Content { media_type: NDJSON, schema: Schema::Object("NewTask") }],
        response: Response {
            description: "The task is in the queue; for a batch, one line per task.",
            content: &[json("EnqueuedTask"), Content { media_type: NDJSON, schema: Schema::Object("EnqueuedLine") }],
            headers: &[&REPLAYED],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, KEYED, &[Code::EmptyBatch, Code::TooManyItems, Code::TaskTooLarge, Code::TaskConflict, Code::TooManyTypes, Code::QueueFull]],
    };
    ListTasks: Description {
        id: "listTasks",
        method: Method::Get,
        path: "/v1/queues/{queue}/tasks",
        access: Access::read(Scope::Name),
        tag: Tag::Queues,
        summary: "List the tasks of a queue",
        description: "Returns one page of tasks in the order in which they were enqueued. With `state=dead`, these are the dead letters.",
        parameters: &[&QUEUE, &TASK_STATE, &LIST_CURSOR, &TASKS_LIMIT, &STORE],
        request: &[],
        response: Response {
            description: "The tasks. A page may be short or empty and still have a `next`.",
            content: &[json("TaskList")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, QUERY],
    };
    Claim: Description {
        id: "claim",
        method: Method::Post,
        path: "/v1/queues/{queue}/claims",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Claim tasks",
        description: "Gives the worker up to `max` tasks that can run now, for a bounded time. With `wait`, the request waits until there is at least one, or until the time has passed; then `tasks` is empty. Each task has a `token`: only with it can the task be settled. A request with a `request_id` can be sent again: it gets the same tasks, as long as they are claimed under it. With `settle`, the worker first says what becomes of tasks that it claimed earlier, so that a busy worker needs one request for each task; the results are in `settled`, and do not depend on the claim.",
        parameters: &[&QUEUE, &STORE],
        request: &[json("Claim")],
        response: Response {
            description: "The claimed tasks.",
            content: &[json("Claimed")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::TooManyItems]],
    };
    Heartbeat: Description {
        id: "heartbeat",
        method: Method::Post,
        path: "/v1/queues/{queue}/tasks/{id}/heartbeat",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Keep a claim",
        description: "The claim lasts for its whole time again. `progress` replaces what an earlier heartbeat said; the next attempt receives it. `cancelled` in the response tells the worker to stop.",
        parameters: &[&QUEUE, &TASK, &STORE],
        request: &[json("Heartbeat")],
        response: SETTLED,
        problems: SETTLE,
    };
    Complete: Description {
        id: "complete",
        method: Method::Post,
        path: "/v1/queues/{queue}/tasks/{id}/complete",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Complete a task",
        description: "The task is done. Repeating the request is safe.",
        parameters: &[&QUEUE, &TASK, &STORE],
        request: &[json("Complete")],
        response: SETTLED,
        problems: SETTLE,
    };
    Fail: Description {
        id: "fail",
        method: Method::Post,
        path: "/v1/queues/{queue}/tasks/{id}/fail",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Fail an attempt",
        description: "The attempt failed. The task runs again after a delay, or becomes a dead letter when it has no attempts left or `retryable` is false. Repeating the request is safe.",
        parameters: &[&QUEUE, &TASK, &STORE],
        request: &[json("Fail")],
        response: SETTLED,
        problems: SETTLE,
    };
    Defer: Description {
        id: "defer",
        method: Method::Post,
        path: "/v1/queues/{queue}/tasks/{id}/defer",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Put a task off",
        description: "The task runs again after `delay`, and the attempt does not count. A task that is put off more than 1,000 times becomes a dead letter.",
        parameters: &[&QUEUE, &TASK, &STORE],
        request: &[json("Defer")],
        response: SETTLED,
        problems: SETTLE,
    };
    Return: Description {
        id: "return",
        method: Method::Post,
        path: "/v1/queues/{queue}/tasks/{id}/return",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Return a task",
        description: "The worker stops: the task can be claimed again at once, before all others, and the attempt does not count.",
        parameters: &[&QUEUE, &TASK, &STORE],
        request: &[json("Return")],
        response: SETTLED,
        problems: SETTLE,
    };
    SettleLines: Description {
        id: "settleLines",
        method: Method::Post,
        path: "/v1/queues/{queue}/settlements",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Settle many tasks",
        description: "Each line is a settlement of its own. The response has one result per line, in order. A line that cannot be read, or whose claim is over, has a `problem` and does not affect the others.",
        parameters: &[&QUEUE, &STORE],
        request: &[Content { media_type: NDJSON, schema: Schema::Object("Settlement") }],
        response: Response {
            description: "One result per line.",
            content: &[Content { media_type: NDJSON, schema: Schema::Object("SettledLine") }],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::EmptyBatch, Code::TooManyItems, Code::TaskTooLarge, Code::TaskNotFound, Code::ClaimLost]],
    };
    CancelTask: Description {
        id: "cancelTask",
        method: Method::Post,
        path: "/v1/queues/{queue}/tasks/{id}/cancel",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Cancel a task",
        description: "A task that waits is cancelled at once. One that runs stays `running`: its worker learns of the cancellation from its next heartbeat. Repeating the request is safe.",
        parameters: &[&QUEUE, &TASK, &STORE],
        request: &[],
        response: Response {
            description: "Where the task stands now: `cancelled` or `running`.",
            content: &[json("TaskChanged")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, COMMAND, &[Code::TaskNotFound, Code::WrongTaskState]],
    };
    ReplayTask: Description {
        id: "replayTask",
        method: Method::Post,
        path: "/v1/queues/{queue}/tasks/{id}/replay",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Replay a dead letter",
        description: "Puts a dead letter back into its queue, with all its attempts ahead of it. Its failures are kept. A body may give it another payload, and another queue to go to. There it is a new task, with its id.",
        parameters: &[&QUEUE, &TASK, &STORE],
        request: &[json("Replay")],
        response: Response {
            description: "The task waits for a worker again.",
            content: &[json("TaskChanged")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND, &[Code::TaskNotFound, Code::WrongTaskState, Code::QueueFull, Code::TaskConflict, Code::TooManyTypes, Code::TaskTooLarge]],
    };
    DeadLetters: tasks::DEAD_LETTERS;
    ReplayDead: tasks::REPLAY_DEAD;
    DropDead: tasks::DROP_DEAD;
    CancelTasks: tasks::CANCEL_TASKS;
    ListWorkers: Description {
        id: "listWorkers",
        method: Method::Get,
        path: "/v1/queues/{queue}/workers",
        access: Access::read(Scope::Name),
        tag: Tag::Queues,
        summary: "List the workers of a queue",
        description: "Returns the workers that have asked this node for tasks of the queue since it started, by name. There are at most 1,000; `more` says that others were left out. A worker that has been silent for a minute may be missing.",
        parameters: &[&QUEUE, &STORE],
        request: &[],
        response: Response {
            description: "The workers.",
            content: &[json("WorkerList")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, QUERY],
    };
    GetTask: Description {
        id: "getTask",
        method: Method::Get,
        path: "/v1/queues/{queue}/tasks/{id}",
        access: Access::read(Scope::Name),
        tag: Tag::Queues,
        summary: "Get a task",
        description: "Returns where the task stands, its failures, its result, and what was enqueued. With `wait`, the response comes as soon as the task has ended, or when the time is up.",
        parameters: &[&QUEUE, &TASK, &TASK_WAIT, &STORE],
        request: &[],
        response: Response {
            description: "The task.",
            content: &[json("Task")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, QUERY, &[Code::TaskNotFound]],
    };
    DropTask: Description {
        id: "dropTask",
        method: Method::Delete,
        path: "/v1/queues/{queue}/tasks/{id}",
        access: Access::write(Scope::Name),
        tag: Tag::Queues,
        summary: "Drop a dead letter",
        description: "Removes a dead letter for good.",
        parameters: &[&QUEUE, &TASK, &STORE],
        request: &[],
        response: Response {
            description: "The dead letter does not exist any more.",
            content: &[json("TaskChanged")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, COMMAND, &[Code::TaskNotFound, Code::WrongTaskState]],
    };
    CreateGroup: tasks::CREATE_GROUP;
    GetGroup: tasks::GET_GROUP;
    GetQueue: Description {
        id: "getQueue",
        method: Method::Get,
        path: "/v1/queues/{queue}",
        access: Access::read(Scope::Name),
        tag: Tag::Queues,
        summary: "Get a queue",
        description: "Returns the settings of the queue and the number of its tasks, by state and type. A queue that was never used has the default settings and no tasks.",
        parameters: &[&QUEUE, &STORE],
        request: &[],
        response: Response {
            description: "The queue.",
            content: &[json("Queue")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, QUERY],
    };
    PutQueue: Description {
        id: "putQueue",
        method: Method::Put,
        path: "/v1/queues/{queue}",
        access: Access::admin(Scope::Name),
        tag: Tag::Queues,
        summary: "Replace the settings of a queue",
        description: "Replaces all settings; an absent member has its default. The queue need not exist yet.",
        parameters: &[&QUEUE, &STORE],
        request: &[json("QueueSettings")],
        response: Response {
            description: "The new settings.",
            content: &[json("QueueSettingsInForce")],
            headers: &[],
        },
        problems: &[ANY, DATA, STREAM_NAME, BODY, OBJECT, COMMAND],
    };
    ListQueues: Description {
        id: "listQueues",
        method: Method::Get,
        path: "/v1/queues",
        access: Access::read(Scope::Filtered),
        tag: Tag::Queues,
        summary: "List queues",
        description: "Returns one page of the names of queues, in no particular order.",
        parameters: &[&LIST_CURSOR, &QUEUES_LIMIT, &STORE],
        request: &[],
        response: Response {
            description: "The queues.",
            content: &[json("QueueList")],
            headers: &[],
        },
        problems: &[ANY, DATA, QUERY],
    };
    PutTenant: tenants::PUT;
    GetTenant: tenants::GET;
    DeleteTenant: tenants::DELETE;
    ListTenants: tenants::LIST;
    PutLimit: limits::PUT;
    GetLimit: limits::GET;
    DeleteLimit: limits::DELETE;
    ListLimits: limits::LIST;
    PutBreaker: breakers::PUT;
    GetBreaker: breakers::GET;
    DeleteBreaker: breakers::DELETE;
    ListBreakers: breakers::LIST;
    BreakerPermit: breakers::PERMIT;
    BreakerRecord: breakers::RECORD;
    OpenBreaker: breakers::OPEN;
    CloseBreaker: breakers::CLOSE;
    ReleaseBreaker: breakers::AUTO;
    PutSchedule: schedules::PUT;
    GetSchedule: schedules::GET;
    DeleteSchedule: schedules::DELETE;
    ListSchedules: schedules::LIST;
    PreviewSchedule: schedules::PREVIEW;
    PauseSchedule: schedules::PAUSE;
    ResumeSchedule: schedules::RESUME;
    FireSchedule: schedules::FIRE;
    BackfillSchedule: schedules::BACKFILL;
    PutScheduleSet: schedules::PUT_SET;
    GetScheduleSet: schedules::GET_SET;
    PutReaction: reactions::PUT;
    GetReaction: reactions::GET;
    DeleteReaction: reactions::DELETE;
    ListReactions: reactions::LIST;
    CreateToken: tokens::CREATE;
    ListTokens: tokens::LIST;
    RevokeToken: tokens::REVOKE;
    EraseSubject: subjects::ERASE;
    CopySubjectKeys: subjects::COPY;
    BeginBackup: backups::BEGIN;
    ReadBackupRows: backups::ROWS;
    ReadBackupSegment: backups::SEGMENT_BYTES;
    EndBackup: backups::END;
    ArchiveLog: backups::LOG;
    Store: Description {
        id: "store",
        method: Method::Get,
        path: "/v1",
        access: Access::read(Scope::Nothing),
        tag: Tag::Operations,
        summary: "Identify the store",
        description: "Returns the identity of the store and the version of the node. The identity is created with the data directory and never changes; cursors belong to it.",
        parameters: &[],
        request: &[],
        response: Response {
            description: "The store.",
            content: &[json("StoreInfo")],
            headers: &[&SENT_STORE],
        },
        problems: &[ANY],
    };
    Checks: checks::SHOW;
    Live: Description {
        id: "live",
        method: Method::Get,
        path: "/livez",
        access: Access::Public,
        tag: Tag::Operations,
        summary: "Check that the process responds",
        description: "",
        parameters: &[],
        request: &[],
        response: Response {
            description: "The process responds.",
            content: &[json("Live")],
            headers: &[],
        },
        problems: &[ANY],
    };
    Ready: Description {
        id: "ready",
        method: Method::Get,
        path: "/readyz",
        access: Access::Public,
        tag: Tag::Operations,
        summary: "Check that the node accepts requests",
        description: "A read-only node is ready: it accepts reads, and `read_only` says why it refuses writes. A node whose disk does not respond is not ready.",
        parameters: &[],
        request: &[],
        response: Response {
            description: "The node accepts requests.",
            content: &[json("Ready")],
            headers: &[],
        },
        problems: &[ANY, &[Code::DiskStalled, Code::NotReady, Code::Stopping]],
    };
    Metrics: Description {
        id: "metrics",
        method: Method::Get,
        path: "/metrics",
        access: Access::read(Scope::Store),
        tag: Tag::Operations,
        summary: "Get the metrics",
        description: "",
        parameters: &[],
        request: &[],
        response: Response {
            description: "Metrics in OpenMetrics text format.",
            content: &[Content { media_type: "application/openmetrics-text", schema: Schema::Text }],
            headers: &[],
        },
        problems: &[ANY],
    };
    OpenApi: Description {
        id: "openapi",
        method: Method::Get,
        path: "/v1/openapi.json",
        access: Access::Public,
        tag: Tag::Operations,
        summary: "Get this document",
        description: "",
        parameters: &[],
        request: &[],
        response: Response {
            description: "The OpenAPI 3.1 document.",
            content: &[Content { media_type: JSON, schema: Schema::AnyObject }],
            headers: &[],
        },
        problems: &[ANY],
    };
    Errors: Description {
        id: "errors",
        method: Method::Get,
        path: "/v1/errors",
        access: Access::Public,
        tag: Tag::Operations,
        summary: "Get the page of error codes",
        description: "The `type` of every problem points into this page.",
        parameters: &[],
        request: &[],
        response: Response {
            description: "The page in Markdown.",
            content: &[Content { media_type: "text/markdown", schema: Schema::Text }],
            headers: &[],
        },
        problems: &[ANY],
    };
}
