//! The JSON objects of task queues.

use super::Problem;
use super::breaker::QueueBreaker;
use super::limit::{QueueLimit, TaskBlockedOn, Throttle};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A task to enqueue.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTask {
    /// Identifies the task within its queue. Enqueuing it again with the same content has no effect. When absent, the
    /// server generates one, which begins with `~`.
    pub id: Option<String>,
    /// What kind of work it is. Workers claim tasks by type.
    #[serde(rename = "type")]
    #[schema(example = "report.monthly")]
    pub task_type: String,
    /// Any JSON value of at most 1 MiB. It is stored byte for byte.
    pub payload: Option<Value>,
    /// Binary data, in base64, instead of `payload`.
    pub payload_base64: Option<String>,
    /// Not before this RFC 3339 time.
    pub run_after: Option<String>,
    /// Not before this much time has passed, at most `366d`; instead of `run_after`.
    #[schema(example = "5m")]
    pub delay: Option<String>,
    /// Tasks with a higher priority are claimed first. The default is 5.
    #[schema(maximum = 9)]
    pub priority: Option<u8>,
    /// Tasks with the same key run one at a time, in the order in which they were enqueued.
    pub key: Option<String>,
    /// How long a claim of this task lasts, from `1s` to `24h`. The default is the queue's.
    #[schema(example = "30s")]
    pub claim_timeout: Option<String>,
    /// When a failed task runs again. The default is the queue's.
    pub retry: Option<RetryPolicy>,
    /// Whether the task is needed next to others with its unique key.
    pub unique: Option<Unique>,
    /// No attempt begins at or after this RFC 3339 time. A task that still waits then is a dead letter of class
    /// `deadline`.
    pub deadline: Option<String>,
    /// At most 32 texts, for people and programs that read tasks.
    pub tags: Option<Vec<String>>,
    /// The trace that the task belongs to, as W3C Trace Context. The default is that of the request.
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
}

/// When a failed task runs again: the delay before attempt n + 1 is random, between 0 and `first * 2^(n - 1)`, and at
/// most `max`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all. The default is 10.
    #[schema(minimum = 1)]
    pub attempts: Option<u32>,
    /// The default is `1s`.
    #[schema(example = "1s")]
    pub first: Option<String>,
    /// The default is `10m`.
    #[schema(example = "10m")]
    pub max: Option<String>,
    /// A task that fails this long after it was enqueued, or replayed, is a dead letter. The default is not to look.
    #[schema(example = "1d")]
    pub max_age: Option<String>,
    /// Failures of these classes are never retried. At most 16.
    pub never: Option<Vec<String>>,
}

/// Whether a task is needed next to unfinished ones of its queue with the same unique key.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Unique {
    #[schema(example = "report-2026-11")]
    pub key: String,
    /// The default is `existing`.
    pub mode: Option<UniqueMode>,
}

/// `existing`: the task is not added while another one is unfinished. `one_waiting`: it is not added while another one
/// waits, and waits behind one that runs. `replace`: another one that waits is cancelled, and it waits behind one that
/// runs.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum UniqueMode {
    Existing,
    OneWaiting,
    Replace,
}

/// Where a task is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnqueuedTask {
    pub id: String,
    /// The task's place in the order of the whole store: 20 hex digits.
    pub cursor: String,
    /// Whether the queue had the task already.
    pub replayed: bool,
    /// True if the task was not added, because this one has its unique key.
    pub existing: Option<bool>,
}

/// The result of one line of a batch.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnqueuedLine {
    pub id: Option<String>,
    pub cursor: Option<String>,
    pub replayed: Option<bool>,
    pub existing: Option<bool>,
    /// Why the task was not enqueued.
    pub problem: Option<Problem>,
}

/// What a worker asks for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Identifies the worker's process.
    pub worker: String,
    /// The version of the worker's program, for people who look at the list of workers.
    pub version: Option<String>,
    /// Only tasks of these types. The default is all.
    pub types: Option<Vec<String>>,
    /// At most this many tasks. The default is 1.
    #[schema(minimum = 1, maximum = 100)]
    pub max: Option<u32>,
    /// How long the claims last, from `1s` to `24h`. The default is what the task or its queue says.
    #[schema(example = "30s")]
    pub claim_timeout: Option<String>,
    /// How long to wait for a task, at most `60s`. The default is not to wait.
    #[schema(example = "30s")]
    pub wait: Option<String>,
    /// Names the request among those of the worker. Sent again, it gets the same tasks.
    pub request_id: Option<String>,
    /// What becomes of tasks that the worker claimed earlier; at most 1,000. Not together with `wait`.
    #[schema(max_items = 1_000)]
    pub settle: Option<Vec<Settlement>>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claimed {
    /// The results of `settle`, in its order.
    pub settled: Option<Vec<SettledItem>>,
    /// Empty when there was nothing to claim.
    pub tasks: Vec<ClaimedTask>,
}

/// A claimed task: the claim, and the members that were enqueued.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimedTask {
    pub id: String,
    /// Settles the task. A later claim of the task has a greater one.
    pub token: String,
    /// From 1.
    pub attempt: u32,
    /// How long the claim lasts from now on.
    pub expires_in: String,
    /// What an earlier attempt said in a heartbeat.
    pub progress: Option<Value>,
    #[serde(rename = "type")]
    pub task_type: String,
    pub payload: Option<Value>,
    pub payload_base64: Option<String>,
    pub run_after: Option<String>,
    /// The tick for which a schedule has enqueued the task.
    pub scheduled: Option<String>,
    pub priority: Option<u8>,
    pub key: Option<String>,
    pub claim_timeout: Option<String>,
    pub retry: Option<RetryPolicy>,
    pub unique: Option<Unique>,
    pub deadline: Option<String>,
    pub tags: Option<Vec<String>>,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    pub token: String,
    /// Any JSON value of at most 64 KiB, for the next attempt. When absent, the last one stays.
    pub progress: Option<Value>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    pub token: String,
    /// Any JSON value of at most 1 MiB. It is kept with the task.
    pub result: Option<Value>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Fail {
    pub token: String,
    /// The kind of error, such as the name of an exception. The default is `error`.
    pub class: Option<String>,
    pub message: Option<String>,
    pub traceback: Option<String>,
    /// Whether another attempt can help. The default is true.
    pub retryable: Option<bool>,
    /// When to try again. The default is what the retry policy says.
    #[schema(example = "1m")]
    pub delay: Option<String>,
    /// Close the key of a limit for a while. The attempt does not count, and the task runs again when the key opens.
    pub throttle: Option<Throttle>,
}

/// Tasks that a transaction enqueues.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnqueueWrite {
    pub queue: String,
    pub tasks: Vec<NewTask>,
}

/// A task that a transaction completes.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteWrite {
    pub queue: String,
    pub id: String,
    pub token: String,
    /// As in a request of its own.
    pub result: Option<Value>,
}

/// An attempt that a transaction fails.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FailWrite {
    pub queue: String,
    pub id: String,
    pub token: String,
    /// This and what follows is as in a request of its own.
    pub class: Option<String>,
    pub message: Option<String>,
    pub traceback: Option<String>,
    pub retryable: Option<bool>,
    pub delay: Option<String>,
}

/// The tasks that a transaction has enqueued, in the order of the request.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnqueuedTasks {
    pub tasks: Vec<EnqueuedTask>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Defer {
    pub token: String,
    #[schema(example = "1m")]
    pub delay: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Return {
    pub token: String,
}

/// One line of `POST /v1/queues/{queue}/settlements`: the action, and the members that its own request has.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    pub id: String,
    pub token: String,
    pub action: SettlementAction,
    pub progress: Option<Value>,
    pub result: Option<Value>,
    pub class: Option<String>,
    pub message: Option<String>,
    pub traceback: Option<String>,
    pub retryable: Option<bool>,
    pub delay: Option<String>,
    /// `fail`: close the key of a limit for a while.
    pub throttle: Option<Throttle>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SettlementAction {
    Heartbeat,
    Complete,
    Fail,
    Defer,
    Return,
}

/// Where a task stands after a settlement.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settled {
    pub state: TaskState,
    /// After a heartbeat: how long the claim lasts from now on.
    pub expires_in: Option<String>,
    /// After a heartbeat: whether the task was cancelled, so that the worker should stop.
    pub cancelled: Option<bool>,
    /// When it will run again: in about this time.
    pub runs_in: Option<String>,
}

/// The result of one line of `POST /v1/queues/{queue}/settlements`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettledLine {
    /// The number of the line, from 1. Empty lines count.
    pub line: u64,
    pub id: Option<String>,
    pub state: Option<TaskState>,
    pub expires_in: Option<String>,
    pub cancelled: Option<bool>,
    pub runs_in: Option<String>,
    /// Why the settlement had no effect.
    pub problem: Option<Problem>,
}

/// The result of one settlement of a claim.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettledItem {
    pub id: String,
    pub state: Option<TaskState>,
    pub expires_in: Option<String>,
    pub cancelled: Option<bool>,
    pub runs_in: Option<String>,
    /// Why the settlement had no effect.
    pub problem: Option<Problem>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Waits for its time: `run_after`, or the delay before another attempt.
    Delayed,
    /// Waits for an earlier task with the same key.
    Blocked,
    /// Can be claimed.
    Ready,
    /// A worker has claimed it.
    Running,
    Done,
    /// A dead letter.
    Dead,
    Cancelled,
}

/// Everything about one task.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    pub id: String,
    pub state: TaskState,
    /// Attempts that count so far.
    pub attempts: u32,
    pub enqueued: String,
    /// How long the task waits before another attempt, if it waits for that.
    pub runs_in: Option<String>,
    /// Why the task cannot be claimed, if it is not finished and does not run.
    pub blocked_on: Option<TaskBlockedOn>,
    /// Who runs it.
    pub claim: Option<TaskClaim>,
    pub progress: Option<Value>,
    pub result: Option<Value>,
    /// The last 10 failed attempts, oldest first.
    pub failures: Vec<TaskFailure>,
    /// The attempts that have ended, in that order: the last 10 that failed, the last 10 that were given back, and the
    /// one that completed the task.
    pub history: Vec<Attempt>,
    #[serde(rename = "type")]
    pub task_type: String,
    pub payload: Option<Value>,
    pub payload_base64: Option<String>,
    pub run_after: Option<String>,
    /// The tick for which a schedule has enqueued the task.
    pub scheduled: Option<String>,
    pub priority: Option<u8>,
    pub key: Option<String>,
    pub claim_timeout: Option<String>,
    pub retry: Option<RetryPolicy>,
    pub unique: Option<Unique>,
    pub deadline: Option<String>,
    pub tags: Option<Vec<String>>,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskClaim {
    pub worker: String,
    /// How much longer the claim lasts.
    pub expires_in: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskFailure {
    pub attempt: u32,
    pub worker: String,
    pub started: String,
    pub ended: String,
    /// The kind of error. `worker_lost` is a claim that expired, `too_many_defers` a task that was put off too often,
    /// `deadline` a task that was not begun in time.
    pub class: String,
    pub message: Option<String>,
    pub traceback: Option<String>,
}

/// An attempt that has ended.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Attempt {
    pub attempt: u32,
    pub worker: String,
    pub started: String,
    pub ended: String,
    /// `failed`, `deferred`, `returned`, `cancelled` or `completed`.
    pub outcome: String,
    /// The class of a failure.
    pub class: Option<String>,
}

/// A page of the tasks of one queue.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskList {
    pub tasks: Vec<Task>,
    /// Path and query of the next page; null on the last page. A page may be short or empty and still have one.
    #[schema(required)]
    pub next: Option<String>,
}

/// What became of a task.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskChanged {
    pub id: String,
    /// `cancelled`, `running`, `replayed` or `dropped`.
    pub state: String,
}

/// How to replay a dead letter.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Instead of the payload that it had.
    pub payload: Option<Value>,
    pub payload_base64: Option<String>,
    /// The queue that it goes to. The default is its own.
    pub to: Option<String>,
}

/// Which dead letters to replay.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayMany {
    /// Only those whose last failure has this class.
    pub class: Option<String>,
    /// Only tasks of this type.
    #[serde(rename = "type")]
    pub task_type: Option<String>,
    /// The queue that they go to. The default is their own.
    pub to: Option<String>,
    /// The `next` of the response before.
    pub after: Option<String>,
    /// The default is 256.
    #[schema(minimum = 1, maximum = 256)]
    pub limit: Option<u32>,
}

/// Which dead letters to drop.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DropMany {
    pub class: Option<String>,
    #[serde(rename = "type")]
    pub task_type: Option<String>,
    pub after: Option<String>,
    #[schema(minimum = 1, maximum = 256)]
    pub limit: Option<u32>,
}

/// Which tasks to cancel.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelMany {
    /// Only tasks in this state: `delayed`, `blocked`, `ready` or `running`.
    pub state: Option<String>,
    #[serde(rename = "type")]
    pub task_type: Option<String>,
    pub after: Option<String>,
    #[schema(minimum = 1, maximum = 256)]
    pub limit: Option<u32>,
}

/// Tasks that belong together, and what follows.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGroup {
    /// Identifies the group. Creating it again with the same content has no effect.
    pub id: String,
    /// Tasks, each with its `queue`, and `{"group": {...}}` for groups in the group.
    pub members: Vec<Value>,
    /// A task with its `queue`, which is enqueued when all members are done.
    pub then: Option<Value>,
    /// A task with its `queue`, which is enqueued when a member is dead or cancelled.
    pub on_dead: Option<Value>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupCreated {
    pub id: String,
    pub cursor: String,
    pub replayed: bool,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub id: String,
    pub cursor: String,
    /// `open`, `done` or `failed`.
    pub state: String,
    /// How many members it has.
    pub total: u32,
    pub done: u32,
    /// Members that are dead or cancelled.
    pub failed: u32,
    /// Those that are still kept.
    pub members: Vec<GroupMember>,
    #[schema(required)]
    pub then: Option<GroupFollower>,
    #[schema(required)]
    pub on_dead: Option<GroupFollower>,
}

/// A task of a group, or a group in it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupMember {
    pub queue: Option<String>,
    pub id: Option<String>,
    pub state: Option<String>,
    pub group: Option<InnerGroup>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InnerGroup {
    pub state: String,
    pub total: u32,
    pub done: u32,
    pub failed: u32,
}

/// A task that follows.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupFollower {
    pub queue: String,
    /// The server's id of the task, once it was enqueued.
    #[schema(required)]
    pub id: Option<String>,
}

/// What became of the tasks.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TasksChanged {
    pub changed: u32,
    /// Dead letters that stay, because the other queue has a task with their id or as many types as it may.
    pub kept: u32,
    /// Where the next request goes on; null at the end.
    #[schema(required)]
    pub next: Option<String>,
}

/// The dead letters of a queue, counted.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterClasses {
    pub queue: String,
    pub classes: Vec<DeadLetterClass>,
    pub more: bool,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetterClass {
    pub class: String,
    pub tasks: u64,
}

/// The workers that have asked a queue for tasks.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkerList {
    pub queue: String,
    pub workers: Vec<ListedWorker>,
    /// Whether others were left out.
    pub more: bool,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedWorker {
    pub worker: String,
    #[schema(required)]
    pub version: Option<String>,
    /// The types that it last asked for. All, if there are none.
    pub types: Vec<String>,
    /// Whether it waits for tasks now.
    pub waiting: bool,
    /// How many tasks it has been given.
    pub tasks: u64,
    /// How long ago it last asked for tasks, or stopped waiting for them.
    #[schema(example = "3s")]
    pub last_asked: String,
}

/// What holds for the tasks of a queue that do not say otherwise. An absent member has its default.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueSettings {
    pub retry: Option<RetryPolicy>,
    /// How long a claim lasts, from `1s` to `24h`. The default is `30s`.
    #[schema(example = "30s")]
    pub claim_timeout: Option<String>,
    /// A task whose claims have expired this often is a dead letter, whatever its retry policy says. The default is 3.
    #[schema(minimum = 1)]
    pub lost_max: Option<u32>,
    /// How long completed and cancelled tasks are kept. The default is `1d`.
    #[schema(example = "1d")]
    pub keep_done: Option<String>,
    /// How long dead letters are kept. The default is `30d`.
    #[schema(example = "30d")]
    pub keep_dead: Option<String>,
    /// Unfinished tasks that the queue takes. Beyond that, enqueuing is refused. The default is 10,000,000.
    #[schema(minimum = 1)]
    pub backlog_max: Option<u64>,
    /// A paused queue gives out no tasks. The default is false.
    pub paused: Option<bool>,
    /// Tasks of the queue that run at the same time. The default is any number.
    #[schema(minimum = 1)]
    pub concurrency: Option<u32>,
    /// At most 8 limits that hold for the queue's tasks.
    pub limits: Option<Vec<QueueLimit>>,
    /// The breaker that the queue's tasks wait for while it is open.
    pub breaker: Option<QueueBreaker>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueSettingsInForce {
    pub queue: String,
    pub settings: QueueSettings,
}

/// A queue's settings, and its tasks by state and type.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    pub queue: String,
    pub settings: QueueSettings,
    pub depth: Depth,
    /// One for each type of task that the queue has had.
    pub types: Vec<QueueType>,
}

/// How many tasks are in which state.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Depth {
    pub delayed: u64,
    pub blocked: u64,
    pub ready: u64,
    pub running: u64,
    /// Finished tasks that are still kept.
    pub done: u64,
    pub dead: u64,
    pub cancelled: u64,
    /// When the task that has been ready for the longest time became so.
    #[schema(required)]
    pub oldest_ready: Option<String>,
    /// How long that is ago.
    #[schema(required)]
    pub oldest_ready_age: Option<String>,
}

/// The tasks of one type.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueType {
    #[serde(rename = "type")]
    pub task_type: String,
    pub delayed: u64,
    pub blocked: u64,
    pub ready: u64,
    pub running: u64,
    pub done: u64,
    pub dead: u64,
    pub cancelled: u64,
    #[schema(required)]
    pub oldest_ready: Option<String>,
    #[schema(required)]
    pub oldest_ready_age: Option<String>,
}

/// A page of the list of queues.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueList {
    pub queues: Vec<ListedQueue>,
    /// Path and query of the next page; null on the last page.
    #[schema(required)]
    pub next: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListedQueue {
    pub queue: String,
}
