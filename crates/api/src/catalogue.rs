//! The problem catalogue: every error the API reports, with its stable code, HTTP status, cause, remedy, and
//! whether the same request can succeed later. docs/errors.md has one section per code; a test keeps the two in
//! agreement.
//!
//! A released code keeps its meaning and its status. Its texts may improve.

use std::fmt;

/// What all problems with one code have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemKind {
    /// The stable name that programs match on.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    pub title: &'static str,
    /// Why the problem occurs.
    pub cause: &'static str,
    /// What the client should do.
    pub action: &'static str,
    /// Whether the same request, unchanged, may succeed later.
    pub retryable: bool,
}

macro_rules! catalogue {
    ($($variant:ident = $code:literal $status:literal $retry:ident $title:literal, $cause:literal, $action:literal;)*) => {
        /// The stable code of a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $cause] $variant,)*
        }

        impl Code {
            /// All codes, ordered by status.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The catalogue's description of this code.
            #[must_use]
            pub const fn kind(self) -> &'static ProblemKind {
                match self {
                    $(Self::$variant => &ProblemKind {
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
        "The request line, a header or the framing of the body violates HTTP, or a required header such as `Host` is missing.",
        "Fix the client or the proxy in front of the node. The detail says what is wrong where that is known.";
    HttpsRequired = "https_required" 400 final "The port takes HTTPS only",
        "The client sent HTTP without TLS, and the node has a certificate (`tls-cert`).",
        "Use `https://` in the URL. If the node's certificate comes from an authority of your own, the client needs that authority's certificate too (`--ca` of `mainstay`, `--cacert` of curl).";
    IncompleteBody = "incomplete_body" 400 final "The body ended early",
        "The client closed its sending side before it had sent the whole body.",
        "Send the whole body, then wait for the response. A request with an incomplete body has no effect, except that complete lines of `POST /v1/events` are processed.";
    InvalidPath = "invalid_path" 400 final "The path cannot be decoded",
        "The path contains a `%` that is not followed by two hex digits, or its percent-decoded bytes are not UTF-8.",
        "Percent-encode the UTF-8 bytes of the name: `a b` becomes `a%20b`, and `%` becomes `%25`.";
    InvalidName = "invalid_name" 400 final "The name is not allowed",
        "A name must have 1 to 256 bytes of UTF-8 without control characters, and must not be `.` or `..`.",
        "Choose another name. The detail says which rule the name breaks.";
    UnknownParameter = "unknown_parameter" 400 final "The query has an unknown parameter",
        "This route does not have the parameter. Unknown parameters are refused because ignoring a misspelt one would return a different result than intended.",
        "Remove or correct the parameter named in `parameter`.";
    DuplicateParameter = "duplicate_parameter" 400 final "A parameter appears twice",
        "Only `type` may be repeated.",
        "Send the parameter named in `parameter` once.";
    InvalidParameter = "invalid_parameter" 400 final "A parameter has an invalid value",
        "The value has the wrong form, is out of range, or cannot be combined with another parameter or with the requested response format.",
        "Correct the parameter named in `parameter`. The detail says what it accepts.";
    TimeInFuture = "time_in_future" 400 final "`as_of` is too far in the future",
        "`as_of` is more than 60 s ahead of the node's clock. What will have been recorded by then is not known yet. (A time up to 60 s ahead counts as now, because clocks differ.)",
        "Use `as_of=now` or an earlier time. `ahead_ms` says how far ahead the time is; if you meant the present, correct your clock.";
    InvalidHeader = "invalid_header" 400 final "A header has an invalid value",
        "The value of the header named in `header` does not have the form this request needs.",
        "Correct the header. The detail says what it accepts, for example `If-Match: \"41\"`.";
    DuplicateHeader = "duplicate_header" 400 final "A header appears twice",
        "The header named in `header` takes one value. With two values it is unclear which one applies.",
        "Send the header once.";
    InvalidUtf8 = "invalid_utf8" 400 final "The body is not UTF-8",
        "JSON must be UTF-8. The detail gives the first invalid byte.",
        "Encode text as UTF-8. Send other bytes in `data_base64`, or as the body of an event in binary mode.";
    InvalidJson = "invalid_json" 400 final "The body is not valid JSON",
        "The text violates the JSON grammar (RFC 8259) at the byte given in the detail.",
        "Send valid JSON.";
    JsonTooDeep = "json_too_deep" 400 final "The JSON is nested too deeply",
        "Objects and arrays may be nested at most 64 levels deep.",
        "Flatten the data, or send it as a JSON string.";
    UnknownMember = "unknown_member" 400 final "An object has an unknown member",
        "The object does not have this member. Unknown members are refused because ignoring a misspelt one would change the meaning of the request. In an event, every member that is not an attribute is an extension, whose name may contain only lower-case letters and digits.",
        "Remove or rename the member named in `member`. Put the content of the event into `data`.";
    DuplicateMember = "duplicate_member" 400 final "An object has the same member twice",
        "With two values it is unclear which one applies.",
        "Send the member named in `member` once. The inside of `data` is neither checked for this nor changed.";
    MissingMember = "missing_member" 400 final "A required member is missing",
        "The object needs the member named in `member`. The only required member of an event is `type`.",
        "Add the member.";
    InvalidMember = "invalid_member" 400 final "A member has an invalid value",
        "The value has the wrong type, is out of range, or violates a rule of CloudEvents.",
        "Correct the member named in `member`. The detail says what it accepts.";
    ReservedMember = "reserved_member" 400 final "A member is reserved for the server",
        "The server sets `revision`, `cursor` and `recordedtime` when it records an event, and the path names the `stream`.",
        "Remove the member named in `member`. Only `POST /v1/events` accepts `stream`.";
    EmptyBatch = "empty_batch" 400 final "The request has nothing to do",
        "A batch, or an append in a transaction, contains no events; a batch contains no tasks or no settlements; a group has no members; or a backfill has no ticks.",
        "Send at least one.";
    TooManyItems = "too_many_items" 400 final "The request has too many items",
        "A batch may contain at most 1,000 events, tasks or settlements. A transaction may contain at most 1,000 checks, and at most 1,000 events in all its writes together. A task may have at most 32 tags, and a claim may name at most 100 types. A group may have at most 1,000 tasks, and groups may lie 4 deep in each other. A set has at most 1,000 schedules, a schedule 100 exclusions, and a backfill 1,000 ticks.",
        "Split the request, or send independent events to `POST /v1/events`, which accepts any number.";
    TokenMissing = "token_missing" 401 final "The request has no token",
        "This node asks for a token with each request, and the request has none.",
        "Send the header `Authorization: Bearer` with a token. An administrator creates one with `mainstay token new`.";
    TokenInvalid = "token_invalid" 401 final "The token is not valid",
        "The node does not know the token: it was mistyped, belongs to another store, or was revoked.",
        "Check the token, or ask an administrator for another one.";
    TokenExpired = "token_expired" 401 final "The token has expired",
        "The token was valid for a limited time, which is over.",
        "Ask an administrator for another token.";
    NotPermitted = "not_permitted" 403 final "The token does not permit this",
        "The token's role is too small for the operation, or the token does not cover a name that the request uses. This says nothing about what exists.",
        "Use a token with the role in `needs`, or with a prefix that covers the name in `name`.";
    ForeignHost = "foreign_host" 403 final "The request is for another host",
        "`Host` (`:authority` in HTTP/2) is not a name of this node. A web page can let its own name point to this machine, and its requests would look like local ones.",
        "Use `localhost`, `127.0.0.1` or `[::1]` in the URL. If clients reach the node under another name, add that name to the node's setting `allowed-hosts`.";
    ForeignOrigin = "foreign_origin" 403 final "The request comes from another web site",
        "A browser sent the request for a web page of another origin: `Origin` says which one, or `Sec-Fetch-Site` says that it is another one. Web pages may use a node only if the node lists their origin.",
        "If the page is yours, add its origin, such as `https://app.example.com`, to the node's setting `allowed-origins`. A program that is not a browser sends none of these headers.";
    NotFound = "not_found" 404 final "The path does not exist",
        "No route of the API has this path. (Reading a stream that does not exist is not an error: the response contains no events.)",
        "Check the path, and send a `/` within a name as `%2F`. `GET /v1/openapi.json` lists all routes.";
    ValueNotFound = "value_not_found" 404 final "The value does not exist",
        "No value has this name: it was never written, or it was deleted.",
        "Write the value with `PUT`, or check the name.";
    ExecutionNotFound = "execution_not_found" 404 final "The key is free",
        "Nothing was begun under this key, or its time is over.",
        "Begin with `POST /v1/idempotency/{key}/begin`, or check the key.";
    LimitNotFound = "limit_not_found" 404 final "The limit does not exist",
        "No limit has this name: it was never written, or it was deleted.",
        "Write the limit with `PUT`, or check the name.";
    BreakerNotFound = "breaker_not_found" 404 final "The breaker does not exist",
        "No breaker has this name: it was never used, or it was deleted.",
        "Check the name. A breaker exists from the first outcome that is recorded, or when its settings are written.";
    TaskNotFound = "task_not_found" 404 final "The queue has no such task",
        "No task of this queue has the id, or the task was finished and has been kept long enough.",
        "Check the queue's name and the id. A queue's settings say how long finished tasks are kept.";
    ScheduleNotFound = "schedule_not_found" 404 final "The schedule does not exist",
        "No schedule has this name: it was never put, or it was deleted.",
        "Put the schedule with `PUT`, or check the name.";
    GroupNotFound = "group_not_found" 404 final "The group does not exist",
        "No group has this id, or none of its tasks is kept any more.",
        "Check the id. The settings of the tasks' queues say how long finished tasks are kept.";
    ReactionNotFound = "reaction_not_found" 404 final "The reaction does not exist",
        "No reaction has this name.",
        "Create it with `PUT`, or check the name. `GET /v1/reactions` lists all of them.";
    TokenNotFound = "token_not_found" 404 final "The token does not exist",
        "No token has this id: it never existed, or it was revoked before.",
        "Check the id. `mainstay token list` lists all tokens.";
    BackupNotFound = "backup_not_found" 404 final "The backup is not under way",
        "No backup with this id is under way, or it has no such segment or chunk. A backup ends when its client ends it, when nothing was read from it for ten minutes, and when the node stops.",
        "Begin another backup. `mainstay backup` copies only what it does not have yet.";
    MethodNotAllowed = "method_not_allowed" 405 final "The path does not support this method",
        "The path exists, but not with this method. `Allow` lists the methods it supports.",
        "Use one of those methods.";
    NotAcceptable = "not_acceptable" 406 final "The requested response format is not available",
        "`Accept` names none of the formats this route can respond with.",
        "Accept `application/json`. Routes that read events also offer `application/x-ndjson` and `text/event-stream`.";
    BodyTimeout = "body_timeout" 408 retry "The body arrived too slowly",
        "The body stalled, or took longer in total than the node waits.",
        "Send the request again. It had no effect, except that complete lines of `POST /v1/events` were processed.";
    EventConflict = "event_conflict" 409 final "Another event has the same identity",
        "The stream contains an event with this `source` and `id` but different content, or the request itself contains two such events.",
        "Give a new event a new `id`. A retry must send the same attributes and the same bytes of `data` as the original.";
    TaskConflict = "task_conflict" 409 final "Another task has the same id",
        "The queue has a task with this `id` and different content, or the request contains two such tasks. The other tasks of the request are not affected.",
        "Give a new task a new `id`. A retry must send the same members and the same bytes of `payload` as the original.";
    ExecutionInProgress = "execution_in_progress" 409 retry "The work under this key is in progress",
        "Another request with this key is being worked on. `remaining_ms` says for how long the key is in use if its owner does not complete it.",
        "Pass 409 and `Retry-After` on to the client, or begin with `wait`: then the response arrives when the work is done. If this is your own request, sent again, begin with an `owner`.";
    ExecutionLost = "execution_lost" 409 final "The execution is over",
        "It was completed or abandoned, or its time is over and the key is free or someone else's. The request had no effect.",
        "Do not respond with your own result: begin again to learn what holds. Begin with a longer `ttl` if the work takes longer.";
    GroupConflict = "group_conflict" 409 final "Another group has the same id",
        "There is a group with this `id` and other tasks.",
        "Give a new group a new `id`. A retry must send the same members as the original.";
    ClaimLost = "claim_lost" 409 final "The claim is over",
        "The claim expired, the task was settled with another request, or the token is not that of the task's last claim. Another worker may run the task now. The request had no effect.",
        "Stop working on the task, and discard what was done. Send heartbeats before `expires_in` has passed, or ask for a longer `claim_timeout`.";
    TruncateBeyondEnd = "truncate_beyond_end" 409 final "`truncate_before` is beyond the end of the stream",
        "Events that do not exist yet cannot be removed.",
        "Use at most the revision in `next_revision`, which removes all current events.";
    CursorBeyondEnd = "cursor_beyond_end" 409 final "The cursor lies after everything that was recorded",
        "A reaction cannot begin in the future: the cursor in `from` is not one of this store.",
        "Use a cursor that this store has returned, `now` or `beginning`.";
    TooManyReactions = "too_many_reactions" 409 final "There are too many reactions",
        "A store may have 256 reactions.",
        "Delete reactions that are not needed any more, or let one reaction select more events.";
    TooManyTokens = "too_many_tokens" 409 final "There are too many tokens",
        "A store has at most 10,000 tokens. Expired tokens count until they are revoked.",
        "Revoke tokens that are not needed any more.";
    TooManySubjects = "too_many_subjects" 409 final "There are too many subjects",
        "A node keeps keys of at most 1,000,000 subjects. Erased ones count, because their numbers are never used again.",
        "Send a `subject` only where it is a person, or another whose data may have to be erased.";
    NoSubjectKeys = "no_subject_keys" 409 final "The node has no keys of subjects",
        "The node was started without the key that wraps the keys of subjects. It seals nothing, so there is nothing to erase.",
        "Start the node with `--subject-key-file`. Events that were appended before stay as they are.";
    StreamFull = "stream_full" 409 final "The stream has no revisions left",
        "A stream can hold 2^63 revisions.",
        "Continue in another stream.";
    LeaseHeld = "lease_held" 409 final "Another holder has the lease",
        "The lease has as many holders as it has permits, or it expired a moment ago and is held off. With `wait_ms`: the time has passed without a turn.",
        "Ask with `wait_ms` to wait for your turn: who asks first gets the lease first. `holder` has the lease, for `remaining_ms` if it does not renew it.";
    LeaseLost = "lease_lost" 409 final "The lease is not held with this token",
        "The lease was released, has expired, or was granted to someone else since the token was returned.",
        "Stop the work that the lease protects. To work on, acquire the lease again, and use the new token.";
    LeasePermitsDiffer = "lease_permits_differ" 409 final "The lease has another number of permits",
        "While a lease is in use, everyone who asks for it must name the same number of permits.",
        "Ask for the number in `permits`, or wait until no one uses the lease.";
    ValueFull = "value_full" 409 final "The value has no revisions left",
        "A value can be written 2^63 times.",
        "Continue with another value.";
    OtherStore = "other_store" 409 final "This is a different store",
        "The request names a store identity in `Mainstay-Store`, and this node serves another store. Cursors and revisions belong to one store: after an import or a reinstallation they mean something else.",
        "Check that the client talks to the right node. If the store was replaced on purpose, discard saved cursors, read from the start, and use the identity in `store` from now on.";
    BeyondRestore = "beyond_restore" 409 final "The store was restored, and its history ends before this cursor",
        "This store was restored from a backup of the store that the request names, and the cursor was given out after that backup: what the reader has seen since then is not in this store.",
        "Undo the effects of events after the cursor in `restored_through`, and read on from there with the identity in `store`. Or restore a later backup.";
    WrongTaskState = "wrong_task_state" 409 final "The task is not in a state for this request",
        "Only unfinished tasks can be cancelled, and only dead letters can be replayed or dropped. `state` says where the task stands.",
        "Read the task, and decide again.";
    TooManyTypes = "too_many_task_types" 409 final "The queue has tasks of too many types",
        "A queue may have tasks of at most 256 types. No task of the request was enqueued.",
        "Give tasks that run the same code the same type, and put what differs into the payload. `task` says which task has the new type.";
    ScheduleOwned = "schedule_owned" 409 final "The schedule belongs to another owner",
        "A schedule of the set is already in the set of another owner. Nothing was changed.",
        "Choose another name for the schedule in `schedule`, or remove it from the other set first.";
    HistoryTruncated = "history_truncated" 410 final "This part of the history has been removed",
        "Retention (`max_age`, `max_count`, `truncate_before`) or a deletion removed events that the response would have to include.",
        "Read from the revision in `first_revision`, the first one still available. A subscriber must start again from there.";
    NotInLog = "not_in_log" 410 final "The log does not have the next entry",
        "The log was purged beyond the last entry that the archive has, because the archive had not asked for long, or was more than 1 GiB behind. Or the entry belongs to another history.",
        "Take a backup, and archive the entries after it. `mainstay archive` does this by itself.";
    WrongRevision = "wrong_revision" 412 final "The stream or value is not at the expected revision",
        "Another client wrote first, or the stream or value exists although it must not, or does not exist although it must.",
        "Read what was written, decide again, and write with the revision in `current_revision` (null means that the stream or value does not exist).";
    BodyTooLarge = "body_too_large" 413 final "The body is too large",
        "A request body may have at most 8 MiB, or less if the token or the node says so (`limit`, in bytes). `POST /v1/events` accepts any number of lines.",
        "Split the request.";
    EventTooLarge = "event_too_large" 413 final "An event is too large",
        "An event may have at most 1 MiB of data, 16 KiB of attributes and extensions, and 64 extensions.",
        "Store large content elsewhere and put a reference to it into the event.";
    TaskTooLarge = "task_too_large" 413 final "A part of a task is too large",
        "A task may have at most 1 MiB of payload, a result of 1 MiB, 64 KiB of progress, and 64 KiB of text about one failure.",
        "Store large content elsewhere and put a reference to it into the task. Shorten the traceback.";
    LineTooLong = "line_too_long" 413 final "A line is too long",
        "A line of `POST /v1/events` may have at most 2 MiB.",
        "Put each event on its own line. Processing stops at this line: later lines were not read.";
    ValueTooLarge = "value_too_large" 413 final "The value is too large",
        "A value may have at most 64 KiB.",
        "Store large content elsewhere and put a reference to it into the value.";
    StoredResponseTooLarge = "stored_response_too_large" 413 final "The response to be stored is too large",
        "The response of an execution may have at most 256 KiB as JSON.",
        "Store large content elsewhere and put a reference to it into the response.";
    UriTooLong = "uri_too_long" 414 final "The URI is too long",
        "A request URI may have at most 8 KiB.",
        "Shorten the URI. A name has at most 256 bytes.";
    UnsupportedMediaType = "unsupported_media_type" 415 final "The content type is not supported",
        "`Content-Type` is missing, is not one that this route accepts, or names a charset other than UTF-8; or the body is compressed.",
        "Send events as `application/cloudevents+json`, `application/json`, `application/cloudevents-batch+json` or `application/x-ndjson`, or with `ce-*` headers and any content type. Send everything else as `application/json`. Do not send `Content-Encoding`.";
    KeyConflict = "key_conflict" 422 final "The idempotency key was used for a different request",
        "An earlier request with this key took effect, and this request differs from it. `differs` says how: `content` if the events differ, or `precondition` if the expected revision does (`If-Match`, `If-None-Match`, `expected`, or the checks of a transaction).",
        "Retry with exactly the request that was sent first, and use a new key for each intended effect. To decide again and retry with a new expected revision, do not use a key: derive each event's `id` from the command, so that the retry is recognised by the events themselves.";
    FingerprintDiffers = "fingerprint_differs" 422 final "The key was used for a different request",
        "The key was first used with another `fingerprint`, so this request has other content.",
        "Pass 422 on to the client: it must use a new key for each intended effect.";
    TooManyAttempts = "too_many_attempts" 429 retry "Too many attempts with wrong tokens",
        "Requests from this address had too many tokens that are not valid. Requests with a valid token are not affected.",
        "Correct the token, and wait for as long as `Retry-After` says.";
    LimitReached = "limit_reached" 429 retry "A limit is reached",
        "The token has used up what it may (`of` is `token`), or all clients together what the node allows (`of` is `node`). `limit` says of what: `requests_per_second`, `bytes_per_second` (of bodies, requests and responses together) or `subscribers_max`. The request had no effect.",
        "Wait for the number of seconds in `Retry-After`, then send the request again. If you need more, ask an administrator for a token with higher limits, or raise the setting of the node.";
    LeaseQueueFull = "lease_queue_full" 429 retry "Too many wait for the lease",
        "At most 1,000 holders may wait for one lease.",
        "Wait for the number of seconds in `Retry-After`, then send the request again.";
    ScheduleBusy = "schedule_busy" 429 retry "Too many ticks of the schedule wait",
        "At most 1,000 ticks of one schedule may wait for an earlier run to finish. The request had no effect.",
        "Wait for the number of seconds in `Retry-After`, then send the request again. Or choose another `overlap`.";
    QueueFull = "queue_full" 429 retry "The queue is full",
        "The queue holds as many unfinished tasks as its settings allow (`backlog_max`). No task of the request was enqueued.",
        "Wait for the number of seconds in `Retry-After`, then send the request again. Add workers, or raise `backlog_max`.";
    TooManyBackups = "too_many_backups" 429 retry "Too many backups are under way",
        "At most 2 backups may be under way at a time. One that was abandoned ends after ten minutes.",
        "Wait for the number of seconds in `Retry-After`, then send the request again.";
    TooManyArchives = "too_many_archives" 429 retry "Too many archives read the log",
        "At most 2 archives may read a node's log. One that has not asked for ten minutes does not count.",
        "Stop one of the others, and wait for the number of seconds in `Retry-After`.";
    HeadTooLarge = "head_too_large" 431 final "The request headers are too large",
        "The request line and headers may have at most 16 KiB, and there may be at most 100 headers.",
        "Send fewer or smaller headers.";
    Internal = "internal" 500 retry "The node failed to process the request",
        "Something inside the node failed, such as reading its own files. The node's log has the cause.",
        "Check the node's log. A write can be retried safely if its events have ids or it has an idempotency key.";
    UnsupportedCommand = "unsupported_command" 501 final "The store's version does not support this command",
        "The store still applies an older behaviour that does not have this command.",
        "Complete the upgrade first.";
    Busy = "busy" 503 retry "The node is busy",
        "A bounded queue is full: the node does not accept more than it can process soon. The request had no effect.",
        "Wait for the number of seconds in `Retry-After`, then send the request again.";
    ReadOnly = "read_only" 503 retry "The node is read-only",
        "The free disk space is below the node's reserve (`space-reserve`). Reads continue to work. The request had no effect.",
        "Free disk space. The node accepts writes again without a restart.";
    DiskStalled = "disk_stalled" 503 retry "The disk does not respond",
        "The disk has not completed a write for 2 s. Reads of cached data continue to work. The request had no effect.",
        "Wait for the number of seconds in `Retry-After`, then send the request again. The node accepts writes as soon as the disk responds. If it does not, check the disk.";
    NotReady = "not_ready" 503 retry "The node is starting",
        "The node is still replaying its log.",
        "Wait until `/readyz` returns 200, then send the request again.";
    Stopping = "stopping" 503 retry "The node is stopping",
        "The node is shutting down and accepts no new requests. The request had no effect.",
        "Send the request again when the node is back.";
    OutcomeUnknown = "outcome_unknown" 503 retry "The outcome is unknown",
        "The node stopped before the outcome was known. The write may or may not have taken effect.",
        "Send the same request again. Event ids or an idempotency key ensure that it takes effect once.";
    TooManyConnections = "too_many_connections" 503 retry "The node has too many connections",
        "A node accepts at most 16,384 connections at a time, or fewer if its limit of file descriptors is low.",
        "Use fewer connections or HTTP/2, and retry after a short wait.";
    TooManySubscribers = "too_many_subscribers" 503 retry "The node has too many subscribers",
        "A node accepts at most as many subscriptions at a time as its setting `subscribers` says (1,024).",
        "Share one subscription within a process, and retry after a short wait.";
    KeysFull = "keys_full" 503 retry "The store of idempotency keys is full",
        "A live key is never discarded, so a full store accepts no new keys until old ones expire (after 24 h).",
        "Send the request without a key if its events have ids, or wait.";
}

impl Code {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.kind().code
    }

    #[must_use]
    pub const fn status(self) -> u16 {
        self.kind().status
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_unique_words_and_only_servers_faults_are_500() {
        let codes: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            let kind = code.kind();
            assert!(kind.code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit()));
            assert!(kind.cause.ends_with(['.', ')']) && kind.action.ends_with('.'), "{code}");
            assert!(!kind.title.ends_with('.'), "{code}");
            assert_eq!(Code::find(kind.code), Some(*code));
        }
        assert!(Code::ALL.is_sorted_by_key(|code| code.status()), "the page reads by status");
    }
}
