//! The JSON objects of schedules.

use super::RetryPolicy;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// When a schedule has ticks, and what each of them enqueues.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDefinition {
    /// Minute, hour, day of the month, month and day of the week; a sixth field in front is for seconds. Or one of
    /// `@hourly`, `@daily`, `@weekly`, `@monthly` and `@yearly`.
    #[schema(example = "0 2 * * *")]
    pub cron: Option<String>,
    /// The time zone of `cron`. The default is `UTC`.
    #[schema(example = "Europe/Berlin")]
    pub zone: Option<String>,
    /// The time between two ticks, from `1s` to `366d`, instead of `cron`. The first tick is at `start`, or this long after
    /// the schedule was put.
    #[schema(example = "15m")]
    pub every: Option<String>,
    /// The queue of the tasks.
    pub queue: String,
    /// What each tick enqueues. The task's id is the schedule's name, `@` and the tick.
    pub task: ScheduledTask,
    /// There are no ticks before this RFC 3339 time.
    pub start: Option<String>,
    /// There are no ticks after this RFC 3339 time.
    pub end: Option<String>,
    /// Days in the schedule's time zone, such as `2026-12-25`, and ranges of time, such as
    /// `2026-12-24T12:00:00Z/2026-12-27T00:00:00Z`, without ticks. At most 100.
    pub exclude: Option<Vec<String>>,
    /// After this many ticks that enqueued a task, there are no more.
    #[schema(minimum = 1)]
    pub runs_max: Option<u64>,
    /// Each tick happens later by a part of this time, at most `24h`, that is always the same for the schedule's name.
    #[schema(example = "5m")]
    pub jitter: Option<String>,
    /// What becomes of missed ticks: none is made up for, the last one is, or the last ones are. The default is `one`.
    pub catch_up: Option<CatchUp>,
    /// With `all`: at most this many of the missed ticks. The default is 100.
    #[schema(minimum = 1, maximum = 100)]
    pub catch_up_max: Option<u32>,
    /// A tick that is later than this is missed. The default is `1m`.
    #[schema(example = "1m")]
    pub late: Option<String>,
    /// What a tick does while an earlier run is unfinished. The default is `skip`.
    pub overlap: Option<Overlap>,
    /// Whether a run that becomes a dead letter pauses the schedule. The default is false.
    pub pause_on_failure: Option<bool>,
}

/// What each tick enqueues.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduledTask {
    #[serde(rename = "type")]
    pub task_type: String,
    pub payload: Option<Value>,
    pub payload_base64: Option<String>,
    #[schema(maximum = 9)]
    pub priority: Option<u8>,
    pub key: Option<String>,
    pub claim_timeout: Option<String>,
    pub retry: Option<RetryPolicy>,
    pub tags: Option<Vec<String>>,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CatchUp {
    Skip,
    One,
    All,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// It enqueues its task nevertheless.
    Allow,
    /// It is skipped.
    Skip,
    /// It waits for the end of that run. A tick that comes while another one waits is skipped.
    BufferOne,
    /// It cancels that run, and enqueues its task.
    CancelOther,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SchedulePut {
    pub schedule: String,
    /// Whether the schedule begins again. Absent in a preview.
    pub changed: Option<bool>,
    /// When the next ticks happen.
    pub next: Vec<String>,
    /// The version of the time zone database that the node uses.
    pub tzdata: String,
}

/// A schedule, how it is, and what has become of its ticks.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    pub schedule: String,
    /// Whose set it belongs to.
    pub owner: Option<String>,
    pub state: ScheduleState,
    /// Who has paused it: `request`, or `failure` of a run.
    pub paused_by: Option<String>,
    /// Why a broken schedule has no next tick.
    pub problem: Option<String>,
    /// Why a tick that is due cannot enqueue its task: the code of the problem.
    pub held_by: Option<String>,
    pub held_since: Option<String>,
    /// When it was put, or changed for the last time.
    pub since: String,
    /// When the next ticks happen, at most ten.
    pub next: Vec<String>,
    pub tzdata: String,
    /// The last runs, oldest first, at most ten.
    pub runs: Vec<ScheduleRun>,
    /// Ticks that wait for a run to finish.
    pub waiting: u64,
    /// Ticks that enqueued a task, since the schedule was put or changed.
    pub ticks: u64,
    pub counts: ScheduleCounts,
    pub definition: ScheduleDefinition,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleState {
    Active,
    Paused,
    /// A tick is due and cannot enqueue its task. It tries again until it can.
    Held,
    /// The next tick cannot be computed.
    Broken,
    /// There are no more ticks.
    Finished,
}

/// A task that a schedule has enqueued.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleRun {
    /// The tick that it is for. Without a jitter, this is when it was due.
    pub tick: String,
    /// The id of the task.
    pub task: String,
    /// `tick`, `fired` or `backfill`.
    pub cause: String,
    /// The state of the task, or `gone` if it is no longer kept. Absent where the run was just begun.
    pub state: Option<String>,
}

/// What has become of the ticks, since the schedule was first put.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleCounts {
    /// Tasks that were enqueued, also for requests and backfills.
    pub runs: u64,
    /// Ticks that were too late, and not made up for.
    pub missed: u64,
    /// Ticks that were skipped because a run was unfinished.
    pub overlapped: u64,
    /// Ticks that waited when the schedule was changed.
    pub dropped: u64,
    /// Ticks whose task's id belonged to another task of the queue.
    pub conflicts: u64,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDeleted {
    pub schedule: String,
    /// Whether there was one.
    pub deleted: bool,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleControlled {
    pub schedule: String,
    /// The tasks that were enqueued.
    pub runs: Vec<ScheduleRun>,
    /// Ticks that wait for a run to finish.
    pub waiting: u32,
    /// Ticks that were skipped because a run is unfinished.
    pub skipped: u32,
    pub replayed: bool,
}

/// Ticks of the past to make up for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleBackfill {
    /// The range of the ticks: RFC 3339 times. A tick at either end counts.
    pub from: String,
    pub to: String,
    /// What happens while a run is unfinished: all tasks are enqueued at once, only one is, or each waits for the one before
    /// it. The default is `wait`.
    pub overlap: Option<BackfillOverlap>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackfillOverlap {
    Allow,
    Skip,
    Wait,
}

/// A page of the list of schedules.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleList {
    pub schedules: Vec<ListedSchedule>,
    /// Path and query of the next page; null on the last page.
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedSchedule {
    pub schedule: String,
    pub owner: Option<String>,
    pub state: ScheduleState,
    /// When the next tick happens.
    pub next: Option<String>,
    /// The tick of the last run.
    pub last: Option<String>,
}

/// All schedules of an owner.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSetPut {
    /// At most 1,000. Schedules that the owner had before and that are not named are deleted.
    pub schedules: Vec<NamedSchedule>,
}

/// A schedule of a set: its name, and the members of [`ScheduleDefinition`].
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct NamedSchedule {
    pub schedule: String,
    #[serde(flatten)]
    pub definition: ScheduleDefinition,
}

/// The names of an owner's schedules.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSet {
    pub owner: String,
    pub schedules: Vec<String>,
    /// After a put: schedules that begin again from now, and schedules that were deleted.
    pub changed: Option<u32>,
    pub deleted: Option<u32>,
}
