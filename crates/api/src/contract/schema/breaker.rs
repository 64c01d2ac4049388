//! The JSON objects of breakers.

use serde::Deserialize;
use utoipa::ToSchema;

/// When a breaker trips, how long it stays open, and how it closes. Times are a number and a unit, at most `1d`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerSettings {
    /// The recent calls that it judges by. The default is the last 100.
    pub window: Option<BreakerWindow>,
    /// Calls that the window must hold before a share of them trips it. The default is 20.
    #[schema(minimum = 1, maximum = 1_000)]
    pub calls_min: Option<u32>,
    /// The share of failed calls that trips it; 0 for none. The default is 50.
    #[schema(minimum = 0, maximum = 100)]
    pub failure_percent: Option<u8>,
    /// Successes that take at least this long count as slow. The default is that none does.
    #[schema(example = "800ms")]
    pub slow_after: Option<String>,
    /// The share of slow calls that trips it. The default is 50; it needs `slow_after`.
    #[schema(minimum = 1, maximum = 100)]
    pub slow_percent: Option<u8>,
    /// Failures in a row that trip it, whatever `calls_min` is.
    #[schema(minimum = 1, maximum = 1_000)]
    pub consecutive_failures: Option<u32>,
    /// Different workers that must have failed before it trips. The default is 1.
    #[schema(minimum = 1, maximum = 32)]
    pub workers_min: Option<u32>,
    /// How long a failure counts for `workers_min`. The default is `1m`.
    pub workers_within: Option<String>,
    /// How long the first trip keeps it open. Each further trip doubles that. The default is `5s`.
    pub open_for: Option<String>,
    /// The longest time for which it is open. The default is `1m`.
    pub open_for_max: Option<String>,
    /// Closed for this long, it forgets earlier trips. The default is `2m`.
    pub forget_after: Option<String>,
    /// Probes that decide whether it closes. The default is 3.
    #[schema(minimum = 1, maximum = 100)]
    pub probes: Option<u32>,
    /// How many of them may run at once, in the whole cluster. The default is 1.
    #[schema(minimum = 1, maximum = 100)]
    pub probes_at_once: Option<u32>,
    /// The share of probes that must succeed. The default is 100.
    #[schema(minimum = 1, maximum = 100)]
    pub probe_success_percent: Option<u8>,
    /// A probe without an outcome for this long is given up. The default is `30s`.
    pub probe_for: Option<String>,
    /// The time after closing in which the share of admitted calls grows to all. The default is `10s`.
    pub ramp_for: Option<String>,
    /// The share that it starts with. The default is 10.
    #[schema(minimum = 1, maximum = 100)]
    pub ramp_from_percent: Option<u8>,
    /// Classes of failures that say nothing about what is called.
    pub ignore: Option<Vec<String>>,
}

/// Either the last calls, or those of a time.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerWindow {
    #[schema(minimum = 1, maximum = 1_000)]
    pub calls: Option<u32>,
    #[schema(example = "10s")]
    pub time: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerInForce {
    pub breaker: String,
    pub settings: BreakerSettings,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Breaker {
    pub breaker: String,
    pub state: BreakerCircuit,
    /// How an operator holds it; null if it decides for itself.
    pub forced: Option<BreakerForced>,
    /// The share of calls that it admits: less than 100 for a while after it has closed.
    #[schema(maximum = 100)]
    pub admitted_percent: u8,
    /// While it is open: how long until a probe may start.
    pub probe_in: Option<String>,
    /// When it last opened, became half-open or closed.
    pub changed: Option<String>,
    /// How often it has opened by itself.
    pub opened: u64,
    /// Calls in its window.
    pub calls: u64,
    /// How many of them failed.
    pub failures: u64,
    /// How many of them were slow; absent unless the settings say what slow is.
    pub slow: Option<u64>,
    pub failures_in_a_row: u64,
    /// Probes that run.
    pub probing: u64,
    pub last_failure: Option<BreakerFailure>,
    /// At most 16 workers that have recorded outcomes last.
    pub workers: Vec<BreakerWorker>,
    pub settings: BreakerSettings,
}

/// `closed`: calls are admitted. `open`: none is. `half_open`: probes are.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerCircuit {
    Closed,
    Open,
    HalfOpen,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerForced {
    Open,
    Closed,
}

/// The breaker of a queue's tasks: its name is `breaker`, followed by the task's key.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueBreaker {
    /// May be absent if there is a `key`.
    #[schema(example = "reports/")]
    pub breaker: Option<String>,
    /// Which key a task has, as for a limit. When absent, all tasks have one breaker.
    #[schema(example = "type")]
    pub key: Option<String>,
    /// Only tasks of these types. The default is all.
    pub types: Option<Vec<String>>,
}

/// The last failure that counted.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerFailure {
    pub class: String,
    pub worker: String,
    pub at: String,
}

/// The last calls of a worker, about 100.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerWorker {
    pub worker: String,
    pub calls: u32,
    pub failures: u32,
    /// It fails where others succeed, so the fault is more likely its own.
    pub suspect: bool,
}

/// Whether a call is admitted.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerDecision {
    pub admitted: bool,
    /// When admitted: what to record the outcome with.
    pub token: Option<String>,
    /// When admitted: whether the call tests if what is called has recovered.
    pub probe: Option<bool>,
    /// When rejected: why.
    pub reason: Option<BreakerReason>,
    /// When rejected: after how long to ask again.
    pub retry_in: Option<String>,
}

/// `open`: the breaker is open. `probing`: as many probes run as may. `ramp`: it has closed a while ago, and admits a
/// share of calls. `forced`: an operator holds it open.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BreakerReason {
    Open,
    Probing,
    Ramp,
    Forced,
}

/// The outcome of one call, or several in `records`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerRecords {
    /// The token that the call was admitted with.
    pub token: Option<String>,
    pub outcome: Option<CallOutcome>,
    /// The kind of failure.
    pub class: Option<String>,
    /// How long a call took that was `ok`.
    #[schema(example = "120ms")]
    pub took: Option<String>,
    /// Who made the call: a name for its process.
    pub worker: Option<String>,
    /// At most 1,000 outcomes, instead of the members above.
    pub records: Option<Vec<BreakerRecord>>,
}

/// The outcome of one call.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerRecord {
    pub token: String,
    pub outcome: CallOutcome,
    pub class: Option<String>,
    #[schema(example = "120ms")]
    pub took: Option<String>,
    pub worker: Option<String>,
}

/// `ignored`: the call says nothing about what was called, because it was cancelled, or its request was wrong.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    Ok,
    Failed,
    Ignored,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerRecorded {
    /// Outcomes that were counted now.
    pub recorded: u32,
    /// Outcomes that were recorded before.
    pub replayed: u32,
    /// Outcomes of calls that were admitted before the breaker last opened or closed, or of probes that were given up.
    pub stale: u32,
    pub state: BreakerCircuit,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerControlled {
    pub breaker: String,
    /// How it is held; null if it decides for itself.
    pub forced: Option<BreakerForced>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedBreaker {
    pub breaker: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerList {
    pub breakers: Vec<ListedBreaker>,
    /// The path of the next page; null at the end.
    pub next: Option<String>,
}
