//! Reads of queues and tasks.

use alloc::string::String;
use alloc::vec::Vec;
use model::{
    Elapsed, Position, QueueName, QueueSettings, Slot, TaskRef, TaskState, View, ViewError, Wall, limits,
};

/// Everything about one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskView {
    pub slot: Slot,
    pub position: Position,
    /// The id that the client gave it.
    pub id: Option<String>,
    pub state: TaskState,
    /// Attempts that count so far.
    pub attempts: u32,
    /// The earliest time at which a delayed task is ready, if it waits for a time of day.
    pub run_after: Option<Wall>,
    /// How long a delayed task waits before another attempt, if it waits for that.
    pub delay_ms: Option<u64>,
    /// Who runs it.
    pub claim: Option<ClaimView>,
    /// What the worker said about its progress.
    pub progress: Option<Vec<u8>>,
    /// What the worker said when it completed the task.
    pub result: Option<Vec<u8>>,
    /// The last failures, oldest first, at most [`limits::TASK_FAILURES_KEPT`].
    pub failures: Vec<FailureView>,
    /// JSON members: type, payload and everything else that does not change.
    pub envelope: Vec<u8>,
}

/// Who runs a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimView {
    pub worker: String,
    pub token: Position,
    /// How much longer the claim lasts.
    pub left_ms: u64,
}

/// One attempt that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureView {
    pub attempt: u32,
    pub worker: String,
    pub started: Wall,
    pub ended: Wall,
    pub class: String,
    /// JSON members for people.
    pub detail: Vec<u8>,
}

/// Everything about one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    pub settings: QueueSettings,
    /// One for each type of task that the queue has had.
    pub types: Vec<TypeView>,
}

/// The tasks of one type in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeView {
    pub task_type: String,
    pub delayed: u64,
    pub blocked: u64,
    pub ready: u64,
    pub running: u64,
    /// Finished tasks that are still kept.
    pub done: u64,
    pub dead: u64,
    pub cancelled: u64,
    /// When the task that has been ready for the longest time became so.
    pub oldest_ready: Option<Wall>,
}

/// A part of the list of a queue's tasks.
#[derive(Clone, Copy, Debug)]
pub struct TasksRequest {
    /// Only tasks in this state.
    pub state: Option<TaskState>,
    /// Only tasks after this one.
    pub after: Option<Position>,
    /// At most this many tasks.
    pub limit: usize,
    /// Examine at most this many.
    pub examined_max: usize,
}

impl Default for TasksRequest {
    fn default() -> Self {
        Self {
            state: None,
            after: None,
            limit: limits::PAGE_EVENTS_DEFAULT,
            examined_max: limits::PAGE_NAMES_EXAMINED_MAX,
        }
    }
}

/// Tasks in the order in which they were enqueued.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TasksPage {
    pub tasks: Vec<TaskView>,
    /// The next page begins after this; `None` at the end.
    pub next: Option<Position>,
}

/// Reads one queue; `None` if it was never used.
///
/// # Errors
/// [`ViewError`].
pub fn queue(_view: &impl View, _queue: &QueueName<'_>) -> Result<Option<QueueView>, ViewError> {
    Ok(None)
}

/// Reads one task. `now` is the shard's elapsed time.
///
/// # Errors
/// [`ViewError`].
pub fn task(
    _view: &impl View,
    _queue: &QueueName<'_>,
    _task: &TaskRef<'_>,
    _now: Elapsed,
) -> Result<Option<TaskView>, ViewError> {
    Ok(None)
}

/// Lists tasks of one queue.
///
/// # Errors
/// [`ViewError`].
pub fn tasks(
    _view: &impl View,
    _queue: &QueueName<'_>,
    _request: TasksRequest,
    _now: Elapsed,
) -> Result<TasksPage, ViewError> {
    Ok(TasksPage::default())
}

/// Names of queues after `after` in the order of slots and names, at most `limit`.
///
/// # Errors
/// [`ViewError`].
pub fn queues(
    _view: &impl View,
    _after: Option<&QueueName<'_>>,
    _limit: usize,
) -> Result<Vec<QueueName<'static>>, ViewError> {
    Ok(Vec::new())
}
