//! Every metric: its name, kind, unit, labels and description. `/metrics` is encoded from this list, and
//! docs/metrics.md is checked against it.
//!
//! Names follow OpenMetrics: a counter's samples end in `_total`, and the unit is part of the name. A released
//! name does not change, because dashboards and alerts depend on it.

use std::fmt::Write as _;

/// One metric family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// The name without its unit and without `_total`.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    /// One sentence, without a full stop.
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only increases while the process runs.
    Counter,
    Gauge,
    Histogram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain count.
    None,
    Bytes,
    Seconds,
}

impl Unit {
    #[must_use]
    pub const fn suffix(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Bytes => Some("bytes"),
            Self::Seconds => Some("seconds"),
        }
    }
}

impl Family {
    /// The name to use in a query.
    #[must_use]
    pub fn sample_name(&self) -> String {
        let mut name = String::from(self.name);
        if let Some(unit) = self.unit.suffix() {
            name.push('_');
            name.push_str(unit);
        }
        if self.kind == Kind::Counter {
            name.push_str("_total");
        }
        name
    }
}

macro_rules! families {
    ($($konst:ident = $kind:ident $name:literal $unit:ident [$($label:literal),*] $help:literal;)*) => {
        $(pub(crate) const $konst: Family = Family {
            name: $name, kind: Kind::$kind, unit: Unit::$unit, labels: &[$($label),*], help: $help,
        };)*
        /// The whole catalogue, in the order of `/metrics`.
        pub const ALL: &[Family] = &[$($konst),*];
    };
}

families! {
    HTTP_REQUESTS = Counter "mainstay_http_requests" None ["method", "route", "status"]
        "HTTP requests";
    HTTP_DURATION = Histogram "mainstay_http_request_duration" Seconds ["method", "route"]
        "Time from the head of a request to the head of its response";
    TLS_EXPIRES = Gauge "mainstay_tls_certificate_expires" Seconds []
        "Time until the node's certificate expires, negative after that; only with TLS; alert below 604800 (7 days)";
    TLS_RELOADS_FAILED = Counter "mainstay_tls_reloads_failed" None []
        "Attempts to read a new certificate that failed: the node still uses the old one; alert on any";
    TLS_HANDSHAKES_FAILED = Counter "mainstay_tls_handshakes_failed" None []
        "Connections that ended before TLS was set up, for example because the client does not trust the certificate";
    IDENTITIES_RELOADS_FAILED = Counter "mainstay_identities_reloads_failed" None []
        "Attempts to read changed rules for callers without a token of the store that failed: the node still uses the old ones; alert on any";
    LIMITED = Counter "mainstay_limited" None ["limit", "of"]
        "Requests refused, and streams made to wait, because a token (`of` is `token`) or all clients together (`node`) had reached a limit";
    EXPORT_FAILURES = Counter "mainstay_otlp_failures" None []
        "Requests to the collector of traces and metrics that failed, each attempt counted";
    EXPORT_SPANS_DROPPED = Counter "mainstay_otlp_spans_dropped" None []
        "Spans that the collector did not get: they came faster than it took them, or it refused them";

    EVENTS_APPENDED = Counter "mainstay_events_appended" None []
        "Events appended";
    EVENTS_REPLAYED = Counter "mainstay_events_replayed" None []
        "Events that the stream already contained: the retry received the original outcome";
    COMMANDS_REFUSED = Counter "mainstay_commands_refused" None []
        "Commands that were refused, for example because the expected revision was wrong";

    TASKS_ENQUEUED = Counter "mainstay_tasks_enqueued" None []
        "Tasks enqueued";
    TASKS_REPLAYED = Counter "mainstay_tasks_replayed" None []
        "Tasks that the queue already had: the retry received the original outcome";
    TASKS_CLAIMED = Counter "mainstay_tasks_claimed" None []
        "Tasks given to workers; a claim whose request is repeated counts again";
    TASKS_COMPLETED = Counter "mainstay_tasks_completed" None []
        "Tasks that workers completed";
    TASKS_FAILED = Counter "mainstay_tasks_failed" None []
        "Attempts that workers reported as failed";
    TASKS_DEAD = Counter "mainstay_tasks_dead" None []
        "Tasks that became dead letters, for whatever reason";
    TASKS_CLAIM_LOST = Counter "mainstay_tasks_claim_lost" None []
        "Requests of workers that were refused because their claim was over; alert on a steady rate";

    TASK_WAIT = Histogram "mainstay_task_wait" Seconds []
        "Time from when a task was enqueued, its delay included, until its first attempt began";
    TASK_RUN = Histogram "mainstay_task_run" Seconds []
        "Time from when an attempt began until its worker completed or failed it";
    TASKS = Gauge "mainstay_tasks" None ["queue", "type", "state"]
        "Tasks of the first 1,000 types in the order of their queues' slots, names and types";
    TASKS_OLDEST_READY = Gauge "mainstay_tasks_oldest_ready" Seconds ["queue", "type"]
        "How long the task that has waited the longest could have run; scale workers by it";
    TASKS_UNCLAIMED = Gauge "mainstay_tasks_unclaimed" Seconds ["queue", "type"]
        "For how long no worker has asked for tasks of this type although one could run; alert above 300";
    TASKS_MISSED = Gauge "mainstay_tasks_missed" Seconds ["queue", "type"]
        "For how long a task could have run although a worker waits for its type; alert above 10";
    WORKERS = Gauge "mainstay_workers" None ["queue"]
        "Workers that have asked this node for tasks within the last minute";

    LIMIT_CONCURRENCY = Gauge "mainstay_limit_concurrency" None ["limit"]
        "Tasks of one key that may run at the same time, for those of the first 1,000 named limits that say so";
    LIMIT_RUNNING = Gauge "mainstay_limit_running" None ["limit"]
        "Tasks that run, over all keys of the limit";
    LIMIT_RUNNING_MAX = Gauge "mainstay_limit_running_max" None ["limit"]
        "Tasks that run, of the key that has most of them; at the concurrency, this key is full";
    LIMIT_WAITING = Gauge "mainstay_limit_waiting" None ["limit"]
        "Tasks that wait for a key of the limit to open, as far as claims have come across them";
    LIMIT_KEYS = Gauge "mainstay_limit_keys" None ["limit"]
        "Keys in use: tasks run or wait, the rate is not whole again, or a worker has closed them";
    LIMIT_THROTTLED = Gauge "mainstay_limit_throttled" None ["limit"]
        "Keys that workers have closed for a time, because a service said that it is called too often";
    LIMIT_RATE_BURST = Gauge "mainstay_limit_rate_burst" None ["limit"]
        "What tasks of one key may cost at once after a pause, for limits with a rate";
    LIMIT_RATE_LEFT = Gauge "mainstay_limit_rate_left" None ["limit"]
        "What tasks may cost now, in the key that has least left; 0 while the rate is used up";
    LIMITS_CUT = Gauge "mainstay_limits_cut" None []
        "Limits whose figures cover only a part of their keys or of the waiting tasks, because there are too many to read";

    ENTRY_COMMANDS = Histogram "mainstay_entry_commands" None []
        "Client commands in one entry, which are committed together; the node's own commands are not counted";
    ENTRY_BYTES = Histogram "mainstay_entry_size" Bytes []
        "Size of one entry in the log";
    LOG_SYNC = Histogram "mainstay_log_sync" Seconds []
        "Duration of one fdatasync of the log, which makes all earlier writes durable";
    APPLY = Histogram "mainstay_apply" Seconds []
        "Time to apply one committed entry to the state in memory";
    FLUSH = Histogram "mainstay_flush" Seconds []
        "Time to flush bodies and state, after which the log can be purged";

    LOG_BYTES = Gauge "mainstay_log" Bytes []
        "Size of the log on disk, spare segments included";
    LOG_SEGMENTS = Gauge "mainstay_log_segments" None []
        "Log segments that hold entries not yet purged";
    ARCHIVES = Gauge "mainstay_archives" None []
        "Archives that have asked for entries of the log within the last minute";
    LOG_WRITTEN = Counter "mainstay_log_written" Bytes []
        "Bytes written to the log";
    STATE_BYTES = Gauge "mainstay_state" Bytes []
        "Size of the state's tables on disk";
    STATE_MEMORY = Gauge "mainstay_state_memory" Bytes []
        "Size of the state's rows that are only in memory, because no completed flush has written them";
    STATE_CACHE = Gauge "mainstay_state_cache" Bytes []
        "Size of the blocks of the state's tables that are cached in memory";
    BODIES_BYTES = Gauge "mainstay_bodies" Bytes []
        "Size of the event bodies on disk, including removed events whose segment has not been rewritten yet";
    BODIES_DEAD = Gauge "mainstay_bodies_dead" Bytes []
        "Estimated size of removed events that are still on disk: each counts as the mean event of its segment";
    DISK_FREE = Gauge "mainstay_disk_free" Bytes []
        "Free space of the disk that holds the data directory, as far as this process may use it";
    DISK_SIZE = Gauge "mainstay_disk_size" Bytes []
        "Size of the disk that holds the data directory";
    DISK_RESERVE = Gauge "mainstay_disk_reserve" Bytes []
        "Free space below which the node is read-only (space-reserve)";
    COMPACTIONS_OUT_OF_SPACE = Counter "mainstay_compactions_out_of_space" None []
        "Compactions of state or bodies that found no space on the disk; they are tried again, at most a minute later";

    CHECK_EVERY = Gauge "mainstay_check_every" Seconds []
        "Time between two checks of the data (check-every); 0 if the node makes none";
    CHECK_LAST = Gauge "mainstay_check_last_timestamp" Seconds []
        "When the last check of the data ended, since 1970, also by an earlier start; absent before the first";
    CHECK_DURATION = Gauge "mainstay_check_duration" Seconds []
        "How long the last check of the data took; absent before the first";
    CHECK_DAMAGED = Gauge "mainstay_check_damaged" None []
        "1 if the last check of the data has found damage, until one passes; alert on any";
    CHECK_READ = Counter "mainstay_check_read" Bytes []
        "Bytes that checks of the data have read; it grows while one runs";

    READY = Gauge "mainstay_ready" None []
        "1 once the node has replayed its log and serves requests";
    READ_ONLY = Gauge "mainstay_read_only" None []
        "1 while the node is read-only because its disk is out of space";
    DISK_STALLED = Gauge "mainstay_disk_stalled" None []
        "1 while the disk does not respond and the node therefore rejects writes; /readyz fails meanwhile";
    REPLAYED_ENTRIES = Gauge "mainstay_replayed_entries" None []
        "Log entries that the node applied again when it started; 0 after a graceful stop";
    START = Gauge "mainstay_start_duration" Seconds []
        "Time from the start of the process until the node was ready";
    WALL_AHEAD = Gauge "mainstay_wall_ahead" Seconds []
        "How far the newest entry's time of day is ahead of this machine's clock; alert above 1";
    LAST_VISIBLE = Gauge "mainstay_last_visible_timestamp" Seconds []
        "Recorded time of the newest visible event, since 1970";

    REACTION_LAG = Gauge "mainstay_reaction_lag" Seconds []
        "How far the slowest reaction that is not paused is behind the newest visible event, in recorded time; a full queue makes it grow";
    REACTION_BEHIND = Gauge "mainstay_reaction_behind_events" None ["reaction"]
        "Events of the store that a reaction has not passed yet, whatever they are about; an estimate if it is far behind; absent while it is paused";
    BREAKERS = Gauge "mainstay_breakers" None []
        "Shared circuit breakers";
    BREAKERS_OPEN = Gauge "mainstay_breakers_open" None []
        "Breakers that are open, by themselves or held by an operator";
    BREAKERS_HALF_OPEN = Gauge "mainstay_breakers_half_open" None []
        "Breakers that are half-open";
    BREAKERS_OPENED = Gauge "mainstay_breakers_opened" None []
        "How often breakers have opened by themselves, since the store was created";
    SCHEDULES = Gauge "mainstay_schedules" None []
        "Schedules";
    SCHEDULES_PAUSED = Gauge "mainstay_schedules_paused" None []
        "Schedules that are paused, by request or because a run failed for good";
    SCHEDULES_BROKEN = Gauge "mainstay_schedules_broken" None []
        "Schedules that have stopped because their next tick cannot be computed; alert above 0";
    SCHEDULES_HELD = Gauge "mainstay_schedules_held" None []
        "Schedules with a tick that is due and cannot enqueue its task, for example because the queue is full; alert above 0";

    SUBSCRIBERS = Gauge "mainstay_subscribers" None []
        "Subscribers that are connected";
    SUBSCRIBER_LAG = Gauge "mainstay_subscriber_lag" Seconds []
        "How far the slowest subscriber is behind the newest visible event, in recorded time";
    READER_LAG = Gauge "mainstay_reader_lag" Seconds ["reader"]
        "How far a reader that subscribed with a name is behind the newest visible event, in recorded time; known for a day after it left";
    READER_CONNECTIONS = Gauge "mainstay_reader_connections" None ["reader"]
        "Subscriptions that a named reader has open; 0 after it left";
    SUBSCRIBERS_OVERTAKEN = Counter "mainstay_subscribers_overtaken" None []
        "Subscriptions that ended because retention removed events that they had not read yet";

    QUEUE_DEPTH = Gauge "mainstay_queue_depth" None ["queue"]
        "How full a bounded queue is, in the queue's own unit";
    QUEUE_BOUND = Gauge "mainstay_queue_bound" None ["queue"]
        "Bound of the queue, in its own unit";
    QUEUE_REJECTED = Counter "mainstay_queue_rejected" None ["queue"]
        "Requests that found the queue full and were rejected or had to wait";

    PROCESS_CPU = Counter "process_cpu" Seconds []
        "User and system CPU time of the process";
    PROCESS_RESIDENT = Gauge "process_resident_memory" Bytes []
        "Resident memory";
    PROCESS_PROPORTIONAL = Gauge "process_proportional_memory" Bytes []
        "Proportional set size: private pages, and a share of the shared ones";
    PROCESS_FDS = Gauge "process_open_fds" None []
        "Open file descriptors";
    PROCESS_THREADS = Gauge "process_threads" None []
        "Threads";
    PROCESS_START = Gauge "process_start_time" Seconds []
        "Time of day at which the process started, since 1970";
    BUILD = Gauge "mainstay_build_info" None ["version", "profile", "target"]
        "Always 1; the labels say what is running";
}

/// The bounded queues. Each has a depth, a bound, and a count of how often a request found it full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Requests in the node's mailbox, and commands that wait in the node or are in flight.
    Mailbox,
    /// Bytes of commands that wait in the node or are in flight.
    WaitingBytes,
    /// Writes handed to the log thread.
    LogWrites,
    /// Read jobs that are running or waiting.
    BodyReads,
    Connections,
    Subscribers,
    /// Claims that wait for tasks.
    WaitingClaims,
    /// Lines of `POST /v1/events` in flight, over all connections.
    LinesInFlight,
    /// Bytes of request bodies being read and of responses being written.
    BufferedBytes,
    /// Idempotency records in the state.
    IdempotencyRecords,
    IdempotencyBytes,
}

impl Queue {
    pub const ALL: [Self; 11] = [
        Self::Mailbox,
        Self::WaitingBytes,
        Self::LogWrites,
        Self::BodyReads,
        Self::Connections,
        Self::Subscribers,
        Self::WaitingClaims,
        Self::LinesInFlight,
        Self::BufferedBytes,
        Self::IdempotencyRecords,
        Self::IdempotencyBytes,
    ];

    /// The label's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mailbox => "mailbox",
            Self::WaitingBytes => "waiting_bytes",
            Self::LogWrites => "log_writes",
            Self::BodyReads => "body_reads",
            Self::Connections => "connections",
            Self::Subscribers => "subscribers",
            Self::WaitingClaims => "waiting_claims",
            Self::LinesInFlight => "lines_in_flight",
            Self::BufferedBytes => "buffered_bytes",
            Self::IdempotencyRecords => "idempotency_records",
            Self::IdempotencyBytes => "idempotency_bytes",
        }
    }

    /// What the depth counts.
    #[must_use]
    pub const fn counts(self) -> &'static str {
        match self {
            Self::Mailbox => {
                "requests in the node's mailbox, and commands that wait in the node or are in flight"
            }
            Self::WaitingBytes => "bytes of commands that wait in the node or are in flight",
            Self::LogWrites => "writes handed to the log thread and not yet durable",
            Self::BodyReads => "read jobs that are running or waiting",
            Self::Connections => "open connections",
            Self::Subscribers => "connected subscribers",
            Self::WaitingClaims => "claims that wait for tasks",
            Self::LinesInFlight => "lines of `POST /v1/events` without an outcome yet, over all connections",
            Self::BufferedBytes => {
                "bytes of request bodies being read and responses being written, over all connections"
            }
            Self::IdempotencyRecords => "idempotency records in the state",
            Self::IdempotencyBytes => "bytes of idempotency records in the state",
        }
    }
}

/// The tables of docs/metrics.md.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| metric | kind | labels | what it shows |\n|---|---|---|---|\n");
    for family in ALL {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let labels = family.labels.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "| `{}` | {kind} | {labels} | {} |", family.sample_name(), family.help);
    }
    out.push_str("\n| `queue` | what its depth counts |\n|---|---|\n");
    for queue in Queue::ALL {
        let _ = writeln!(out, "| `{}` | {} |", queue.name(), queue.counts());
    }
    out
}
