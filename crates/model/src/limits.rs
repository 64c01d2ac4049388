//! Every limit of the product. Each name ends with its unit, then `_MAX` or `_DEFAULT`.
//!
//! A limit that `apply` checks is part of the behaviour it belongs to: to change its value, add a new
//! [`crate::Behaviour`]. All other limits are checked before anything is proposed.

/// Bytes of a name in UTF-8.
pub const NAME_BYTES_MAX: usize = 256;
/// Bytes of one event's `data` as sent.
pub const EVENT_DATA_BYTES_MAX: usize = 1 << 20;
/// Bytes of one event's attributes and extensions together.
pub const EVENT_ATTRIBUTES_BYTES_MAX: usize = 16 << 10;
/// Extension attributes of one event.
pub const EVENT_EXTENSIONS_MAX: usize = 64;
/// Bytes of one request's body. Only the body of `POST /v1/events` may be longer: its lines are bounded instead.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// Bytes of one line of `POST /v1/events`: one event in JSON, whose data may be escaped or base64.
pub const LINE_BYTES_MAX: usize = 2 << 20;
/// Events of one request, or writes of one transaction.
pub const BATCH_EVENTS_MAX: usize = 1_000;
/// Checks of one transaction.
pub const TRANSACTION_CHECKS_MAX: usize = 1_000;
/// Levels of nesting of any JSON.
pub const JSON_DEPTH_MAX: usize = 64;
/// Bytes of an idempotency key.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;
/// Milliseconds of elapsed time for which an idempotency record is kept. Checked by `apply`.
pub const IDEMPOTENCY_KEPT_MS: u64 = 24 * 60 * 60 * 1_000;
/// Idempotency records of one shard. Checked by `apply`.
pub const IDEMPOTENCY_RECORDS_MAX: u64 = 1_000_000;
/// Bytes of one shard's idempotency records. Checked by `apply`.
pub const IDEMPOTENCY_BYTES_MAX: u64 = 256 << 20;

/// Bytes of the name of a lease's holder.
pub const LEASE_HOLDER_BYTES_MAX: usize = 256;
/// The bounds of the time of a lease.
pub const LEASE_TTL_MS_MIN: u64 = 1_000;
pub const LEASE_TTL_MS_MAX: u64 = 60 * 60 * 1_000;
/// The time for which an expired lease may be held off.
pub const LEASE_HOLD_OFF_MS_MAX: u64 = 60 * 60 * 1_000;
/// The time that a request may wait for a lease.
pub const LEASE_WAIT_MS_MAX: u64 = 10 * 60 * 1_000;
/// Permits of one lease.
pub const LEASE_PERMITS_MAX: u32 = 100;
/// Holders that wait for one lease. Checked by `apply`.
pub const LEASE_WAITERS_MAX: u32 = 1_000;
/// Milliseconds of elapsed time for which the rows of waits that have ended may remain. Used by `apply`.
pub const LEASE_SWEEP_MS: u64 = 1_000;
/// Waiting holders that a read of a lease names.
pub const LEASE_QUEUE_SHOWN_MAX: usize = 100;

/// Bytes of a value's content.
pub const VALUE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a value's content type.
pub const VALUE_CONTENT_TYPE_BYTES_MAX: usize = 256;

/// The bounds of the time in which an execution must be completed.
pub const EXECUTION_TTL_MS_MIN: u64 = 1_000;
pub const EXECUTION_TTL_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
pub const EXECUTION_TTL_MS_DEFAULT: u64 = 60 * 1_000;
/// The bounds of the time for which the response of an execution is kept.
pub const EXECUTION_KEEP_MS_MIN: u64 = 1_000;
pub const EXECUTION_KEEP_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;
pub const EXECUTION_KEEP_MS_DEFAULT: u64 = 24 * 60 * 60 * 1_000;
/// How long a request may wait for someone else's execution.
pub const EXECUTION_WAIT_MS_MAX: u64 = 60 * 1_000;
/// Bytes of the response of an execution, as JSON.
pub const EXECUTION_RESPONSE_BYTES_MAX: usize = 256 << 10;
/// Headers of such a response.
pub const EXECUTION_HEADERS_MAX: usize = 64;

/// Commands of one entry.
pub const ENTRY_COMMANDS_MAX: usize = 1_024;
/// Bytes of one entry's commands. A command that is longer gets an entry of its own.
pub const ENTRY_BYTES_MAX: usize = 4 << 20;
/// Bytes of commands that wait in a node or are in flight. Further requests get 503 with Retry-After.
pub const WAITING_BYTES_MAX: usize = 64 << 20;
/// Requests that wait until something happens to a row.
pub const WAITERS_MAX: usize = 16_384;
/// Workers that a node remembers having seen.
pub const WORKERS_SEEN_MAX: usize = 10_000;
/// Requests that wait in a node's mailbox.
pub const MAILBOX_REQUESTS_MAX: usize = 4_096;

/// Events of one page when `limit` is not given.
pub const PAGE_EVENTS_DEFAULT: usize = 100;
/// Events or names of one page.
pub const PAGE_EVENTS_MAX: usize = 1_000;
/// Names examined for one page of a list.
pub const PAGE_NAMES_EXAMINED_MAX: usize = 10_000;
/// Bytes of events examined for one page.
pub const PAGE_BYTES_EXAMINED_MAX: usize = 8 << 20;
/// Bytes read from the body file at a time for a reader.
pub const READ_PAGE_BYTES: usize = 256 << 10;

/// Event types that one read selects.
pub const READ_TYPES_MAX: usize = 100;
/// How far `as_of` may be ahead of the node's clock, because the clocks of application hosts differ. Such a
/// read is as of now.
pub const AS_OF_AHEAD_MS_MAX: u64 = 60_000;
/// The bounds of the time that a subscription may stay silent.
pub const KEEP_ALIVE_MS_MIN: u64 = 1_000;
pub const KEEP_ALIVE_MS_MAX: u64 = 60_000;

/// Rows that one command of the node's own deletes. Checked by `apply`.
pub const CLEAN_UP_ROWS_MAX: usize = 1_024;
/// Removed events whose rows an expiry deletes at once. Checked by `apply`.
pub const EXPIRY_CLEANS_EVENTS_MAX: u64 = 4;
/// The share of an entry that the node's own commands may take: this many of its commands (an eighth), which
/// delete at most twice [`ENTRY_OWN_ROWS_MAX`] rows besides those of expired events.
pub const ENTRY_OWN_COMMANDS_MAX: usize = ENTRY_COMMANDS_MAX / 8;
/// Rows that the clean-up in one entry deletes, and as many for idempotency records.
pub const ENTRY_OWN_ROWS_MAX: usize = 512;
/// Leases that the node's own commands in one entry look at.
pub const ENTRY_OWN_LEASES_MAX: usize = 128;

/// Executions that the node's own commands in one entry remove.
pub const ENTRY_OWN_EXECUTIONS_MAX: usize = 256;

/// The highest priority of a task.
pub const PRIORITY_MAX: u8 = 9;
pub const PRIORITY_DEFAULT: u8 = 5;
/// Bytes of one task's payload as sent.
pub const TASK_PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Bytes of a task's id, type or key, of a worker's name, and of an execution's fingerprint or owner.
pub const TASK_TEXT_BYTES_MAX: usize = 256;
/// Tags of one task.
pub const TASK_TAGS_MAX: usize = 32;
/// Tasks or settlements of one request.
pub const TASK_BATCH_MAX: usize = 1_000;
/// Bytes of a task's result.
pub const TASK_RESULT_BYTES_MAX: usize = 1 << 20;
/// Bytes of what a heartbeat says about progress.
pub const TASK_PROGRESS_BYTES_MAX: usize = 64 << 10;
/// Bytes of what a failure says about itself.
pub const TASK_FAILURE_BYTES_MAX: usize = 64 << 10;
/// Failed attempts whose class and detail a task keeps: the last ones. Checked by `apply`.
pub const TASK_FAILURES_KEPT: usize = 10;
/// Attempts that neither failed nor completed the task, as a task keeps them: the last ones. Checked by `apply`.
pub const TASK_ATTEMPTS_KEPT: usize = 10;
/// How long a read may wait for the end of a task.
pub const TASK_WAIT_MS_MAX: u64 = 60_000;
/// Classes of failures that a retry policy excludes.
pub const TASK_NEVER_CLASSES_MAX: usize = 16;
/// Types of the tasks of one queue. Checked by `apply`.
pub const QUEUE_TYPES_MAX: usize = 256;
/// Tasks of one claim. Checked by `apply`.
pub const CLAIM_TASKS_MAX: usize = 100;
/// Bytes of the tasks of one claim after which no further task is added. Checked by `apply`.
pub const CLAIM_BYTES_MAX: usize = 4 << 20;
/// Types that one claim names.
pub const CLAIM_TYPES_MAX: usize = 100;
/// The bounds of a claim's duration.
pub const CLAIM_MS_MIN: u64 = 1_000;
pub const CLAIM_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// How long a claim may wait for tasks.
pub const CLAIM_WAIT_MS_MAX: u64 = 60_000;
/// The longest delay of a task, and the longest time for which a finished one is kept: 366 days.
pub const TASK_DELAY_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;
/// How often one task may be deferred before it is a dead letter. Checked by `apply`.
pub const TASK_DEFERS_MAX: u32 = 1_000;
/// How long a ready task waits before it goes ahead of tasks with a higher priority. Checked by `apply`.
pub const TASK_AGEING_MS: u64 = 5 * 60 * 1_000;
/// Tasks of one group, with those of the groups in it. Checked by `apply`.
pub const GROUP_TASKS_MAX: usize = 1_000;
/// How deep groups may lie in groups; 1 is a group without others in it. Checked by `apply`.
pub const GROUP_DEPTH_MAX: usize = 4;
/// Tasks that one command changes alike. Checked by `apply`.
pub const CHANGE_TASKS_MAX: usize = 256;
/// Classes of failures that a list of a queue's dead letters has.
pub const DEAD_CLASSES_SHOWN_MAX: usize = 1_000;
/// Tasks that one command of the node's own advances. Checked by `apply`.
pub const ADVANCE_TASKS_MAX: usize = 256;

/// The greatest weight of a tenant. Used by `apply`.
pub const TENANT_WEIGHT_MAX: u32 = 100;
/// Tenants that a claim passes over for each task that it grants. Used by `apply`.
pub const TENANTS_PASSED_MAX: usize = 8;
/// Tasks of one key that a queue may run at the same time.
pub const KEY_CONCURRENCY_MAX: u32 = 1_000;
/// Limits that a queue's settings name.
pub const QUEUE_LIMITS_MAX: usize = 8;
/// Types of tasks that one of these names.
pub const LIMIT_TYPES_MAX: usize = 32;
/// Bytes of an expression for a task's key of a limit.
pub const KEY_EXPRESSION_BYTES_MAX: usize = 256;
/// Bytes of a task's key of a limit; a longer text is cut. Used by `apply`.
pub const LIMIT_KEY_BYTES_MAX: usize = 256;
/// The longest time in which a rate counts, and for which a key is closed.
pub const LIMIT_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// The greatest cost in that time, and of one task.
pub const LIMIT_COST_MAX: u64 = 1_000_000;
/// Steps of one claim in a queue with limits: each grants a task, or puts one or a whole cohort of them where it waits.
/// Checked by `apply`.
pub const CLAIM_STEPS_MAX: usize = 256;
/// Keys that one command of the node's own looks at. Checked by `apply`.
pub const ADVANCE_LIMITS_MAX: usize = 64;
/// Lists of waiting cohorts that the opening of one key looks at, and cohorts of each that it lets go on. Checked by
/// `apply`.
pub const LIMIT_LISTS_MAX: usize = 64;
pub const LIMIT_COHORTS_MAX: usize = 64;
/// Keys that a read of a limit shows.
pub const LIMIT_KEYS_SHOWN_MAX: usize = 100;

/// Calls in a breaker's window, and the number of workers and probes that its settings can ask for.
pub const BREAKER_CALLS_MAX: u64 = 1_000;
pub const BREAKER_WORKERS_MIN_MAX: u64 = 32;
pub const BREAKER_PROBES_MAX: u64 = 100;
/// The bounds of the times in a breaker's settings. Some may be 0.
pub const BREAKER_MS_MIN: u64 = 1;
pub const BREAKER_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Classes of failures that a breaker ignores.
pub const BREAKER_CLASSES_MAX: usize = 32;
/// Outcomes in one request.
pub const BREAKER_RECORDS_MAX: usize = 1_000;
/// Workers that a breaker remembers: those that have recorded last. Used by `apply`.
pub const BREAKER_WORKERS_KEPT: usize = 16;
/// Of each worker's calls, about this many of the last ones count for what is shown. Used by `apply`.
pub const BREAKER_WORKER_CALLS: u32 = 100;
/// What a breaker remembers of the permits whose outcomes were recorded: this many groups of permits, by their number,
/// and the last ones of each group. Used by `apply`.
pub const BREAKER_RECENT_GROUPS: u64 = 256;
pub const BREAKER_RECENT_OF_GROUP: usize = 32;

/// Bytes of a schedule's name, so that the ids of its runs are not too long.
pub const SCHEDULE_NAME_BYTES_MAX: usize = 200;
/// Bytes of a cron expression, of the name of a time zone, and of an exclusion.
pub const SCHEDULE_TEXT_BYTES_MAX: usize = 256;
/// The bounds of the time between two ticks of a schedule, which also bound how late a tick may be and how much it
/// may be put off: 366 days.
pub const SCHEDULE_EVERY_MS_MIN: u64 = 1_000;
pub const SCHEDULE_EVERY_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;
/// How late a tick may be when the schedule does not say.
pub const SCHEDULE_LATE_MS_DEFAULT: u64 = 60_000;
/// The longest time by which ticks are put off.
pub const SCHEDULE_JITTER_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Days and ranges that one schedule excludes.
pub const SCHEDULE_EXCLUSIONS_MAX: usize = 100;
/// Missed ticks that one schedule catches up.
pub const SCHEDULE_CATCH_UP_MAX: u32 = 100;
/// Ticks that a node examines for one step of a schedule that has missed some.
pub const SCHEDULE_STEP_TICKS_MAX: usize = 1_000;
/// Ticks of one backfill.
pub const BACKFILL_TICKS_MAX: usize = 1_000;
/// Ticks of one schedule that wait for a run to finish. Checked by `apply`.
pub const SCHEDULE_WAITING_MAX: usize = 1_000;
/// Runs that a schedule remembers: the last ones. Used by `apply`.
pub const SCHEDULE_RUNS_KEPT: usize = 10;
/// How long a tick that cannot enqueue its task waits before it tries again. Used by `apply`.
pub const SCHEDULE_RETRY_MS: u64 = 1_000;
/// Schedules of one set.
pub const SCHEDULE_SET_MAX: usize = 1_000;
/// Schedules that one entry advances, and the bytes of their tasks after which there are no more.
pub const ENTRY_OWN_SCHEDULES_MAX: usize = 32;
pub const ENTRY_OWN_SCHEDULES_BYTES_MAX: usize = 4 << 20;
/// Ticks shown of a schedule.
pub const SCHEDULE_TICKS_SHOWN: usize = 10;
/// Reactions of one shard. Checked by `apply`.
pub const REACTIONS_MAX: u64 = 256;
/// Bytes of a reaction's name: its tasks' ids contain it.
pub const REACTION_NAME_BYTES_MAX: usize = 200;
/// Types of events that one reaction names.
pub const REACTION_TYPES_MAX: usize = 32;
/// Events that a reaction passes with one command that enqueues tasks for them.
pub const REACT_EVENTS_MAX: usize = 256;
/// Bytes of the tasks that reactions enqueue at a time. One task may be longer.
pub const REACT_BYTES_MAX: usize = 1 << 20;

/// Subjects of which a node keeps keys, erased ones included: 128 bytes on disk and about as many in memory for each.
pub const SUBJECTS_MAX: u32 = 1_000_000;

/// Records of subject keys in one response of a copy.
pub const SUBJECT_KEYS_COPIED_MAX: u32 = 8_192;

/// Tokens of one shard. Checked by `apply`.
pub const TOKENS_MAX: u64 = 10_000;
/// Prefixes of names that one token has.
pub const TOKEN_PREFIXES_MAX: usize = 16;
/// Bytes of the name of a token.
pub const TOKEN_NAME_BYTES_MAX: usize = 256;
/// The bounds of the time for which a token is valid.
pub const TOKEN_TTL_MS_MIN: u64 = 1_000;
pub const TOKEN_TTL_MS_MAX: u64 = 10 * 366 * 24 * 60 * 60 * 1_000;
/// Characters of an administrator's token that the configuration of a node gives: too many to guess.
pub const GIVEN_TOKEN_BYTES_MIN: usize = 32;
/// Bytes of a token as clients send it.
pub const TOKEN_BYTES_MAX: usize = 512;
/// Bytes of a token that another service has signed.
pub const JWT_BYTES_MAX: usize = 8 << 10;
/// Such tokens that a node remembers to have verified.
pub const JWTS_REMEMBERED_MAX: usize = 4_096;
/// The bounds of what a token may use in a second. The bytes have a lower one, so that one page of events is paid for in
/// minutes.
pub const REQUESTS_PER_SECOND_MAX: u64 = 1_000_000;
pub const BYTES_PER_SECOND_MIN: u64 = 16 << 10;
pub const BYTES_PER_SECOND_MAX: u64 = 8 << 30;
/// The smallest limit that a token can have for the body of a request.
pub const BODY_BYTES_MAX_MIN: u64 = 1 << 10;
/// How often at most a node records that a token is in use.
pub const TOKEN_USE_EVERY_MS: u64 = 60 * 60 * 1_000;
/// Bytes of each text of an audited command.
pub const AUDIT_TEXT_BYTES_MAX: usize = 256;
/// Events that the audit stream keeps: the last ones. Used by `apply`.
pub const AUDIT_EVENTS_MAX: u64 = 100_000;
/// Addresses whose failed attempts with tokens a node counts.
pub const ATTEMPTS_ADDRESSES_MAX: usize = 4_096;
/// Failed attempts of one address at once, and how many more each second.
pub const ATTEMPTS_BURST: u32 = 20;
pub const ATTEMPTS_PER_SECOND: u32 = 1;
/// Backups under way at the same time.
pub const BACKUPS_MAX: usize = 2;
/// A backup ends by itself when nothing was read from it for this long.
pub const BACKUP_IDLE_MS_MAX: u64 = 10 * 60 * 1_000;
/// Bytes that one request reads of a backup.
pub const BACKUP_READ_BYTES: usize = 1 << 20;
/// Bytes that all backups together read in a second.
pub const BACKUP_BYTES_PER_SECOND: u64 = 64 << 20;
/// Archives that read the log at the same time.
pub const ARCHIVES_MAX: usize = 2;
/// The log keeps nothing for an archive that has not asked for this long.
pub const ARCHIVE_IDLE_MS_MAX: u64 = 10 * 60 * 1_000;
/// Bytes of entries that one request of an archive reads. A single entry may be longer.
pub const ARCHIVE_READ_BYTES: usize = 4 << 20;
/// Stores that a restored store remembers as its origins. It forgets the oldest first.
pub const ORIGINS_MAX: usize = 16;

/// Bytes of a request's head.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// Headers of a request.
pub const HEADERS_MAX: usize = 100;
/// Open connections, if the process may have as many file descriptors.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Subscribers connected at the same time.
pub const SUBSCRIBERS_MAX: usize = 1_024;
/// The name that a subscriber may give, in bytes of UTF-8.
pub const READER_NAME_BYTES_MAX: usize = 64;
/// Lines of `POST /v1/events` in flight on one connection.
pub const LINES_IN_FLIGHT_MAX: usize = 256;
