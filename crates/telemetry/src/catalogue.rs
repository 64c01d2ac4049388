//! Every metric of the product: its name, kind, unit, labels and what it tells. `/metrics` is encoded from
//! this list, and docs/metrics.md is checked against it.
//!
//! Names follow OpenMetrics: a counter's samples end in `_total`, a unit is part of the name. A name, once
//! released, does not change: dashboards and alerts hang on it.

use std::fmt::Write as _;

/// One metric family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Without the unit and without `_total`.
    pub name: &'static str,
    pub kind: Kind,
    pub unit: Unit,
    pub labels: &'static [&'static str],
    /// A sentence without its full stop.
    pub help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the process lives.
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
    /// The name as a query has it.
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
        "Requests answered";
    HTTP_DURATION = Histogram "mainstay_http_request_duration" Seconds ["method", "route"]
        "From a request's head to the head of its answer";

    EVENTS_APPENDED = Counter "mainstay_events_appended" None []
        "Events appended and acknowledged since the start";
    EVENTS_REPLAYED = Counter "mainstay_events_replayed" None []
        "Events that were there already: a retry was answered from the store";
    COMMANDS_REFUSED = Counter "mainstay_commands_refused" None []
        "Commands that the domain refused, such as an append at a wrong expected revision";

    ENTRY_COMMANDS = Histogram "mainstay_entry_commands" None []
        "Commands in one entry: the size of a commit batch";
    ENTRY_BYTES = Histogram "mainstay_entry_size" Bytes []
        "Bytes of one entry as it is logged";
    LOG_SYNC = Histogram "mainstay_log_sync" Seconds []
        "One write of the log made durable: the write and its fdatasync";
    APPLY = Histogram "mainstay_apply" Seconds []
        "One committed entry applied to the state, in memory";
    FLUSH = Histogram "mainstay_flush" Seconds []
        "Bodies and state made durable behind the log";

    LOG_BYTES = Gauge "mainstay_log" Bytes []
        "The log's segments on disk, spare ones included";
    LOG_SEGMENTS = Gauge "mainstay_log_segments" None []
        "Segments of the log that hold entries not yet purged";
    LOG_WRITTEN = Counter "mainstay_log_written" Bytes []
        "Bytes written to the log";
    STATE_BYTES = Gauge "mainstay_state" Bytes []
        "The state's tables on disk";
    STATE_MEMORY = Gauge "mainstay_state_memory" Bytes []
        "Rows of the state that are only in memory: no completed flush has written them";
    STATE_CACHE = Gauge "mainstay_state_cache" Bytes []
        "Blocks of the state's tables that are cached in memory for reads";
    BODIES_BYTES = Gauge "mainstay_bodies" Bytes []
        "The events' bodies on disk, removed ones included until their segment is rewritten";
    BODIES_DEAD = Gauge "mainstay_bodies_dead" Bytes []
        "Estimated size of removed events that are still on disk: each counts as the mean event of its segment";

    READY = Gauge "mainstay_ready" None []
        "1 while the node answers requests: /readyz";
    READ_ONLY = Gauge "mainstay_read_only" None []
        "1 while the node refuses writes because its disk has no space";
    REPLAYED_ENTRIES = Gauge "mainstay_replayed_entries" None []
        "Entries that this start had to apply again; 0 after a graceful stop";
    START = Gauge "mainstay_start_duration" Seconds []
        "From the process's start to the node being ready";
    WALL_AHEAD = Gauge "mainstay_wall_ahead" Seconds []
        "How far the newest entry's time of day is ahead of this machine's clock; alarm above 1";
    LAST_VISIBLE = Gauge "mainstay_last_visible_timestamp" Seconds []
        "The time of day, since 1970, up to which events are visible";

    SUBSCRIBERS = Gauge "mainstay_subscribers" None []
        "Readers that follow";
    SUBSCRIBER_LAG = Gauge "mainstay_subscriber_lag" Seconds []
        "How far the slowest subscriber's place is behind the newest visible event, in recorded time";
    SUBSCRIBERS_OVERTAKEN = Counter "mainstay_subscribers_overtaken" None []
        "Subscriptions that ended because retention removed what they had not read yet";

    QUEUE_DEPTH = Gauge "mainstay_queue_depth" None ["queue"]
        "What is in a bounded queue, in the queue's own unit";
    QUEUE_BOUND = Gauge "mainstay_queue_bound" None ["queue"]
        "The queue's bound, in its own unit";
    QUEUE_REFUSED = Counter "mainstay_queue_refused" None ["queue"]
        "Requests that a full queue turned away, or made wait where it does not turn away";

    PROCESS_CPU = Counter "process_cpu" Seconds []
        "User and system CPU time of the process";
    PROCESS_RESIDENT = Gauge "process_resident_memory" Bytes []
        "Resident memory";
    PROCESS_PROPORTIONAL = Gauge "process_proportional_memory" Bytes []
        "Proportional set size: shared pages counted by their share";
    PROCESS_FDS = Gauge "process_open_fds" None []
        "Open file descriptors";
    PROCESS_THREADS = Gauge "process_threads" None []
        "Threads";
    PROCESS_START = Gauge "process_start_time" Seconds []
        "When the process started, since 1970";
    BUILD = Gauge "mainstay_build_info" None ["version", "profile", "target"]
        "Always 1: what is running";
}

/// The bounded queues. Each has a depth, a bound and a count of what it turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Requests on their way to the node.
    Mailbox,
    /// Bytes of proposals that wait in the node.
    WaitingBytes,
    /// Frames handed to the log's writer.
    LogWrites,
    /// Pages that readers have asked of the body store.
    BodyReads,
    Connections,
    Subscribers,
    /// Lines of `POST /v1/events` in flight, over all connections.
    LinesInFlight,
    /// Bytes of bodies on their way in and answers on their way out.
    BufferedBytes,
    /// Idempotency records in the state.
    IdempotencyRecords,
    IdempotencyBytes,
}

impl Queue {
    pub const ALL: [Self; 10] = [
        Self::Mailbox,
        Self::WaitingBytes,
        Self::LogWrites,
        Self::BodyReads,
        Self::Connections,
        Self::Subscribers,
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
            Self::LinesInFlight => "lines_in_flight",
            Self::BufferedBytes => "buffered_bytes",
            Self::IdempotencyRecords => "idempotency_records",
            Self::IdempotencyBytes => "idempotency_bytes",
        }
    }

    /// What one unit of depth is.
    #[must_use]
    pub const fn counts(self) -> &'static str {
        match self {
            Self::Mailbox => "requests on their way to the node",
            Self::WaitingBytes => "bytes of proposals waiting in the node",
            Self::LogWrites => "frames handed to the log's writer",
            Self::BodyReads => "pages asked of the body store by readers",
            Self::Connections => "open connections",
            Self::Subscribers => "readers that follow",
            Self::LinesInFlight => "lines of `POST /v1/events` not yet answered, all connections",
            Self::BufferedBytes => "bytes of bodies coming in and answers going out, all connections",
            Self::IdempotencyRecords => "idempotency records in the state",
            Self::IdempotencyBytes => "bytes of idempotency records in the state",
        }
    }
}

/// The tables of docs/metrics.md.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from("| metric | kind | labels | what it tells |\n|---|---|---|---|\n");
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
