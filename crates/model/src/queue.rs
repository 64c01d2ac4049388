//! The commands of task queues, and their outcomes.
//!
//! A task's identity is the position at which it was enqueued. A client may give it an id of its own; otherwise
//! the id is `~` followed by the task's cursor.

use crate::Keyed;
use crate::breaker::QueueBreaker;
use crate::ids::{Cursor, Elapsed, Fingerprint, IdHash, Position, Slot, Wall};
use crate::limit::QueueLimit;
use crate::name::{LimitName, QueueName};
use alloc::borrow::Cow;
use alloc::vec::Vec;

/// Enqueue a batch of tasks. Each task has a result of its own; a full queue refuses the whole batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueue<'a> {
    pub keyed: Option<Keyed>,
    pub queue: QueueName<'a>,
    pub tasks: Vec<NewTask<'a>>,
}

/// One task as a client sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTask<'a> {
    /// The client's name for the task, unique in its queue. Enqueuing it again is a replay.
    pub id: Option<Cow<'a, str>>,
    /// A hash of everything that the client sent, apart from the trace context.
    pub fingerprint: Fingerprint,
    pub task_type: Cow<'a, str>,
    /// Not claimable before this time of day.
    pub run_after: Option<Wall>,
    /// 0 to [`crate::limits::PRIORITY_MAX`]; tasks with a higher one are claimed first.
    pub priority: u8,
    /// Tasks with the same key run one at a time, in the order in which they were enqueued.
    pub key: Option<Cow<'a, str>>,
    /// How long a claim of this task lasts; `None` for the queue's setting.
    pub claim_ms: Option<u64>,
    /// `None` for the queue's setting.
    pub retry: Option<RetryPolicy>,
    /// The task's JSON members as they will be sent, without those that change: `"type":...,"payload":...`.
    pub envelope: Cow<'a, [u8]>,
    /// What few tasks say.
    pub options: TaskOptions<'a>,
}

/// What few tasks say about themselves. A task keeps it for as long as it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskOptions<'a> {
    /// Other tasks that make this one unnecessary, or the other way round.
    pub unique: Option<Unique<'a>>,
    /// No attempt begins at or after this time of day. A task that is still waiting then is a dead letter.
    pub deadline: Option<Wall>,
    /// Belongs to [`NewTask::retry`], and counts only next to it.
    pub give_up: GiveUp<'a>,
    /// The schedule that has enqueued it.
    pub schedule: Option<Cow<'a, str>>,
}

impl TaskOptions<'_> {
    /// The same options with text of their own.
    #[must_use]
    pub fn into_owned(self) -> TaskOptions<'static> {
        TaskOptions {
            unique: self
                .unique
                .map(|unique| Unique { key: unique.key.into_owned().into(), mode: unique.mode }),
            deadline: self.deadline,
            give_up: self.give_up.into_owned(),
            schedule: self.schedule.map(|schedule| schedule.into_owned().into()),
        }
    }
}

/// At most one task of a queue with this key waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unique<'a> {
    pub key: Cow<'a, str>,
    pub mode: UniqueMode,
}

/// What happens to a task that meets an unfinished one with its unique key. Unfinished are tasks that wait, for their
/// time, for their key or for another attempt, and tasks that run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UniqueMode {
    /// It is not added if there is an unfinished one.
    Existing,
    /// It is not added if one waits. Behind one that runs, it waits.
    OneWaiting,
    /// It takes the place of one that waits, which is cancelled. Behind one that runs, it waits.
    Replace,
}

/// When a failed task is a dead letter although it has attempts left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GiveUp<'a> {
    /// It was enqueued, or replayed, at least this long ago.
    pub age_ms_max: Option<u64>,
    /// The attempt has failed with one of these classes.
    pub classes: Vec<Cow<'a, str>>,
}

impl GiveUp<'_> {
    /// Never give up early.
    pub const NEVER: GiveUp<'static> = GiveUp { age_ms_max: None, classes: Vec::new() };

    /// The same with text of its own.
    #[must_use]
    pub fn into_owned(self) -> GiveUp<'static> {
        let classes = self.classes.into_iter().map(|class| class.into_owned().into()).collect();
        GiveUp { age_ms_max: self.age_ms_max, classes }
    }
}

/// When a failed task runs again. The delay before attempt n + 1 is drawn between 0 and
/// `min(first_ms * 2^(n - 1), delay_ms_max)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub attempts_max: u32,
    pub first_ms: u64,
    pub delay_ms_max: u64,
}

/// Replace all settings of a queue. The queue need not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutQueue<'a> {
    pub queue: QueueName<'a>,
    pub settings: QueueSettings,
}

/// What holds for the tasks of a queue that do not say otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    pub retry: RetryPolicy,
    /// How long a claim lasts.
    pub claim_ms: u64,
    /// A task whose claims have expired this often is a dead letter, whatever its retry policy says.
    pub lost_max: u32,
    /// How long completed and cancelled tasks are kept.
    pub keep_done_ms: u64,
    /// How long dead letters are kept.
    pub keep_dead_ms: u64,
    /// Unfinished tasks that the queue takes. Beyond that, enqueuing is refused.
    pub backlog_max: u64,
    /// A paused queue gives out no claims.
    pub paused: bool,
    /// What few queues say.
    pub options: QueueOptions,
}

/// Settings that few queues have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueOptions {
    /// Belongs to [`QueueSettings::retry`].
    pub give_up: GiveUp<'static>,
    /// The limits that hold for the queue's tasks, at most [`crate::limits::QUEUE_LIMITS_MAX`].
    pub limits: Vec<QueueLimit>,
    /// Tasks of the queue that run at the same time.
    pub concurrency: Option<u32>,
    /// The breaker that its tasks wait for while it is open.
    pub breaker: Option<QueueBreaker>,
}

impl QueueOptions {
    /// No settings but the usual ones.
    pub const NONE: Self =
        Self { give_up: GiveUp::NEVER, limits: Vec::new(), concurrency: None, breaker: None };
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            retry: RetryPolicy { attempts_max: 10, first_ms: 1_000, delay_ms_max: 600_000 },
            claim_ms: 30_000,
            lost_max: 3,
            keep_done_ms: 24 * 60 * 60 * 1_000,
            keep_dead_ms: 30 * 24 * 60 * 60 * 1_000,
            backlog_max: 10_000_000,
            paused: false,
            options: QueueOptions::NONE,
        }
    }
}

/// Claim tasks of one queue, for a bounded time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'a> {
    pub queue: QueueName<'a>,
    /// Identifies the worker's process.
    pub worker: Cow<'a, str>,
    /// Only tasks of these types; all if it is empty.
    pub types: Vec<Cow<'a, str>>,
    /// At most [`crate::limits::CLAIM_TASKS_MAX`].
    pub tasks_max: u32,
    /// How long the claims last; `None` for what the task or the queue says.
    pub claim_ms: Option<u64>,
    /// The same request sent again gets the same tasks, as long as it holds them.
    pub request: Option<IdHash>,
}

/// Keep or end claims of one queue. Each has a result of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settle<'a> {
    pub queue: QueueName<'a>,
    pub settlements: Vec<Settlement<'a>>,
}

/// What a worker says about one task that it has claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settlement<'a> {
    pub task: TaskRef<'a>,
    /// The token of the claim.
    pub token: Position,
    pub action: Action<'a>,
}

/// How a request names a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskRef<'a> {
    /// The id that the client gave it.
    Client(Cow<'a, str>),
    /// The id that the server gave it, which is its position.
    Server(Position),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// The worker is alive: the claim lasts for its time again. `progress` replaces what an earlier heartbeat
    /// said; the next attempt receives it.
    Heartbeat { progress: Option<Cow<'a, [u8]>> },
    /// The task is done. `result` is a JSON value.
    Complete { result: Option<Cow<'a, [u8]>> },
    /// The attempt failed.
    Fail(Failure<'a>),
    /// Not now: the task can be claimed again after `delay_ms`, and the attempt does not count.
    Defer { delay_ms: u64 },
    /// The worker stops: the task can be claimed again at once, before all others, and the attempt does not count.
    Return,
    /// Nothing of a limit's key can be done for a while. The attempt does not count.
    Throttle(Throttle<'a>),
}

/// What a worker says that has met a limit elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Throttle<'a> {
    pub limit: LimitName<'a>,
    /// The key to close; `None` for the one that the task has.
    pub key: Option<Cow<'a, str>>,
    /// For how long.
    pub close_ms: u64,
}

/// Why an attempt failed, and what follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure<'a> {
    /// The kind of error, such as the name of an exception.
    pub class: Cow<'a, str>,
    /// JSON members for people: message and traceback.
    pub detail: Cow<'a, [u8]>,
    /// Whether another attempt can help.
    pub retryable: bool,
    /// When to try again; `None` for what the retry policy says.
    pub delay_ms: Option<u64>,
}

/// Cancel a task. If a worker runs it, the worker learns so from its next heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CancelTask<'a> {
    pub queue: QueueName<'a>,
    pub task: TaskRef<'a>,
}

/// Put a dead letter back into its queue, with all counts at zero, or drop it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettleDeadLetter<'a> {
    pub queue: QueueName<'a>,
    pub task: TaskRef<'a>,
    pub end: DeadLetterEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadLetterEnd {
    Replay,
    Drop,
}

/// Put a dead letter back with other content, or into another queue, with all counts at zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayTask<'a> {
    pub queue: QueueName<'a>,
    pub task: TaskRef<'a>,
    /// Where it goes; `None` for its own queue. In another one it is a new task, with its id and its history.
    pub to: Option<QueueName<'a>>,
    /// Replaces [`NewTask::envelope`].
    pub envelope: Option<Cow<'a, [u8]>>,
}

/// Do the same to several tasks of a queue. Those that are not there any more, or do not match any more, are passed
/// over: the proposer has searched for them before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeTasks<'a> {
    pub queue: QueueName<'a>,
    /// At most [`crate::limits::CHANGE_TASKS_MAX`]; the others are ignored.
    pub tasks: Vec<Position>,
    /// Only tasks in this state.
    pub state: Option<TaskState>,
    /// Only tasks of this type.
    pub task_type: Option<Cow<'a, str>>,
    /// Only dead letters whose last failure has this class.
    pub class: Option<Cow<'a, str>>,
    pub change: TaskChange<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskChange<'a> {
    /// Cancel those that are unfinished.
    Cancel,
    /// Put dead letters back, or into another queue.
    Replay { to: Option<QueueName<'a>> },
    /// Remove dead letters.
    Drop,
}

/// The result of [`ChangeTasks`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TasksChanged {
    /// How many were changed.
    pub changed: u32,
    /// How many dead letters stay, because the queue that they should go to has a task with their id, or as many types
    /// as it may.
    pub kept: u32,
    /// The number of tasks, from the first on, that were looked at: the queue that they should go to is full.
    pub full_after: Option<u32>,
}

/// Do what is due for the tasks of one slot: end claims, make delayed tasks ready, remove what was kept long
/// enough. The node proposes this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvanceTasks {
    pub slot: Slot,
    /// Where to begin: no task of this slot is due earlier by this clock.
    pub from: TaskDue,
    /// The maximum number of tasks to advance. Values above [`crate::limits::ADVANCE_TASKS_MAX`] count as that
    /// limit.
    pub tasks_max: u32,
}

/// When a task is due, by one of the two clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskDue {
    Wall(Wall),
    Elapsed(Elapsed),
}

/// The result of [`Enqueue`], one for each task in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    pub slot: Slot,
    pub tasks: Vec<EnqueuedTask>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnqueuedTask {
    Added(Position),
    /// The queue has this task already, with the same content.
    Replayed(Position),
    /// The queue has a task with this id and other content.
    Conflict(Position),
    /// Not added: an unfinished task has its unique key.
    Existing {
        task: Position,
        /// The id that the client gave that task.
        id: Option<alloc::string::String>,
    },
}

/// The result of [`Claim`]. Without tasks, nothing could be claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    pub slot: Slot,
    pub tasks: Vec<ClaimedTask>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedTask {
    pub position: Position,
    /// The id that the client gave it.
    pub id: Option<alloc::string::String>,
    /// From 1.
    pub attempt: u32,
    /// Only who has it can settle the task. It is greater than that of any earlier claim.
    pub token: Position,
    /// How long the claim lasts from now on.
    pub claim_ms: u64,
    pub envelope: Vec<u8>,
    /// What an earlier attempt has said about its progress.
    pub progress: Option<Vec<u8>>,
}

impl Claimed {
    /// The cursor of one of these tasks.
    #[must_use]
    pub fn cursor(&self, task: &ClaimedTask) -> Cursor {
        Cursor::new(task.position, self.slot)
    }
}

/// The result of one [`Settlement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The claim lasts this long from now on.
    Extended {
        claim_ms: u64,
        cancelled: bool,
    },
    Completed,
    /// The task will run again, in about this time.
    Waiting {
        delay_ms: u64,
    },
    /// The task is a dead letter.
    Dead,
    /// The task was cancelled while it ran.
    Cancelled,
    /// The claim is over: it has expired, or the task was settled otherwise.
    ClaimLost,
    /// The queue has no such task.
    NoTask,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl TaskState {
    /// Whether nothing more will happen to the task by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Dead | Self::Cancelled)
    }
}
