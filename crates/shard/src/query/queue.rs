//! Reads of queues and tasks.

use super::names::{Part, checked, list};
use crate::damage::bad_row;
use crate::limit::key::{self, LimitKey};
use crate::queue::cohort::{self, WAITING};
use crate::queue::history::{attempts, failures};
use crate::queue::id_of;
use crate::queue::tally::{queue_row, type_rows};
use crate::queue::task::{Task, part};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{
    AttemptRow, CohortId, NamedRows, QueueKeys, QueueRange, TaskPart, Turn, TypeRow, decode_cohort_hash,
};
use model::{
    Elapsed, Key, Namespace, Order, Position, QueueName, QueueSettings, Slot, TaskDue, TaskRef, TaskState,
    View, ViewError, Wall, gate_breaker, limits,
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
    /// Why it cannot be claimed.
    pub blocked_on: Option<BlockedOn>,
    /// Who runs it.
    pub claim: Option<ClaimView>,
    /// What the worker said about its progress.
    pub progress: Option<Vec<u8>>,
    /// What the worker said when it completed the task.
    pub result: Option<Vec<u8>>,
    /// The last failures, oldest first, at most [`limits::TASK_FAILURES_KEPT`].
    pub failures: Vec<FailureView>,
    /// All attempts that are remembered, in the order in which they ended. Of those that failed, and of those that
    /// were given back, only the last are remembered.
    pub history: Vec<AttemptView>,
    /// JSON members: type, payload and everything else that does not change.
    pub envelope: Vec<u8>,
}

/// Why a task that is not finished cannot be claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockedOn {
    /// Its time has not come.
    Time,
    /// An earlier task has its key.
    Key,
    /// Its queue is paused.
    Pause,
    /// As many tasks of its queue run as may.
    Concurrency,
    /// A limit, for the key that the task has there.
    Limit { limit: String, key: String, closed: Closed },
    /// Its breaker admits no task, for this long if that is known.
    Breaker { breaker: String, opens_ms: Option<u64> },
}

/// Why a key of a limit is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// As many tasks run as may.
    Concurrency,
    /// The rate is used up for this long.
    Rate { opens_ms: u64 },
    /// A worker has closed the key for this long.
    Throttle { opens_ms: u64 },
}

/// Who runs a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimView {
    pub worker: String,
    pub token: Position,
    /// How much longer the claim lasts.
    pub left_ms: u64,
}

/// One attempt that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptView {
    pub attempt: u32,
    pub worker: String,
    pub started: Wall,
    pub ended: Wall,
    pub end: AttemptEnd,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AttemptEnd {
    /// With this class of failure. Also a task that missed its deadline has one, of no worker.
    Failed(String),
    Deferred,
    Returned,
    Cancelled,
    Completed,
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
pub fn queue(view: &impl View, queue: &QueueName<'_>) -> Result<Option<QueueView>, ViewError> {
    let Some(keys) = id_of(view, queue)? else { return Ok(None) };
    let settings = queue_row(view, keys)?.settings;
    let rows = type_rows(view, keys)?;
    let types = rows.into_iter().map(|(name, row)| type_view(view, keys, name, &row));
    Ok(Some(QueueView { settings, types: types.collect::<Result<_, _>>()? }))
}

fn type_view(
    view: &impl View,
    keys: QueueKeys,
    task_type: String,
    row: &TypeRow,
) -> Result<TypeView, ViewError> {
    let mut oldest: Option<Position> = None;
    for lane in &row.lanes {
        let mut first = None;
        let range = QueueRange::ready(keys, row.number, lane.lane, lane.from);
        view.scan(range.as_range(), Order::Ascending, &mut |key, _| {
            first = Some(QueueKeys::parse_ready(key));
            ControlFlow::Break(())
        })?;
        let first = first.transpose().map_err(|error| bad_row("ready task", error))?;
        oldest = oldest.into_iter().chain(first).min();
    }
    let limited = oldest_of_cohorts(view, keys, row)?;
    oldest = oldest.into_iter().chain(limited).min();
    Ok(TypeView {
        task_type,
        delayed: row.delayed,
        blocked: row.blocked + row.cohorts.waiting,
        ready: row.ready(),
        running: row.running,
        done: row.done,
        dead: row.dead,
        cancelled: row.cancelled,
        oldest_ready: oldest.map(Position::wall),
    })
}

/// When the oldest of those tasks became ready that are next in their cohorts, which are next in their ranks.
fn oldest_of_cohorts(
    view: &impl View,
    keys: QueueKeys,
    row: &TypeRow,
) -> Result<Option<Position>, ViewError> {
    let mut oldest: Option<Position> = None;
    for rank in row.cohorts.ranks.iter().filter(|rank| rank.rank != WAITING) {
        let from = Turn { rank: rank.rank, turn: rank.from };
        let mut first = None;
        let range = QueueRange::cohort_turns(keys, row.number, from);
        view.scan(range.as_range(), Order::Ascending, &mut |_, value| {
            first = Some(decode_cohort_hash(value));
            ControlFlow::Break(())
        })?;
        let Some(hash) = first.transpose().map_err(|error| bad_row("turn of a cohort", error))? else {
            continue;
        };
        let id = CohortId { type_number: row.number, hash };
        let Some(cohort) = cohort::row(view, keys, id)? else { continue };
        let ready = cohort::first(view, keys, id, &cohort, rank.rank as u8)?;
        oldest = oldest.into_iter().chain(ready.map(|(ready, _)| ready)).min();
    }
    Ok(oldest)
}

/// Reads one task. `now` is the shard's elapsed time.
///
/// # Errors
/// [`ViewError`].
pub fn task(
    view: &impl View,
    queue: &QueueName<'_>,
    task: &TaskRef<'_>,
    now: Elapsed,
) -> Result<Option<TaskView>, ViewError> {
    let Some(keys) = id_of(view, queue)? else { return Ok(None) };
    let task = Task::find(view, keys, task)?;
    task.map(|task| task_view(view, keys, task, now)).transpose()
}

fn task_view(view: &impl View, keys: QueueKeys, task: Task, now: Elapsed) -> Result<TaskView, ViewError> {
    let optional = |is_there: bool, which| is_there.then(|| part(view, keys, task.at, which)).transpose();
    let left = |until: Elapsed| until.0.saturating_sub(now.0);
    let (run_after, delay_ms) = match task.row.due {
        Some(TaskDue::Wall(_)) if task.row.state == TaskState::Delayed => (task.row.run_after, None),
        Some(TaskDue::Elapsed(until)) if task.row.state == TaskState::Delayed => (None, Some(left(until))),
        _ => (None, None),
    };
    let failures = failures(view, keys, &task)?.into_iter().map(|failure| FailureView {
        attempt: failure.attempt,
        worker: failure.worker,
        started: failure.started,
        ended: failure.ended,
        class: failure.class,
        detail: failure.detail,
    });
    let failures: Vec<FailureView> = failures.collect();
    let claim = task.row.claim.as_ref().map(|claim| ClaimView {
        worker: claim.worker.clone(),
        token: claim.token,
        left_ms: left(claim.expires),
    });
    Ok(TaskView {
        slot: keys.slot,
        position: task.at,
        state: cohort::shown_state(view, keys, &task)?,
        blocked_on: blocked_on(view, keys, &task, now)?,
        attempts: task.row.attempts,
        run_after,
        delay_ms,
        claim,
        progress: optional(task.row.has_progress, TaskPart::Progress)?,
        result: optional(task.row.has_result, TaskPart::Result)?,
        history: history(&task, &failures, attempts(view, keys, &task)?),
        failures,
        envelope: part(view, keys, task.at, TaskPart::Envelope)?,
        id: task.row.id,
    })
}

/// Why a task cannot be claimed. Gates are looked at as they are now, whether a claim has met them or not.
fn blocked_on(
    view: &impl View,
    keys: QueueKeys,
    task: &Task,
    now: Elapsed,
) -> Result<Option<BlockedOn>, ViewError> {
    match task.row.state {
        TaskState::Delayed => return Ok(Some(BlockedOn::Time)),
        TaskState::Blocked => return Ok(Some(BlockedOn::Key)),
        TaskState::Ready => {}
        _ => return Ok(None),
    }
    let settings = queue_row(view, keys)?.settings;
    if settings.paused {
        return Ok(Some(BlockedOn::Pause));
    }
    if let Some(concurrency) = settings.options.concurrency {
        let running: u64 = type_rows(view, keys)?.iter().map(|(_, row)| row.running).sum();
        if running >= u64::from(concurrency) {
            return Ok(Some(BlockedOn::Concurrency));
        }
    }
    for gate in task.gates() {
        if let Some(closed) = LimitKey::of(gate, view)?.closed(gate.cost, now) {
            let opens_ms = |until: Elapsed| until.0.saturating_sub(now.0);
            let closed = match closed {
                key::Closed::Breaker(until) => {
                    let breaker = gate_breaker(&gate.limit).unwrap_or_default().to_owned();
                    return Ok(Some(BlockedOn::Breaker { breaker, opens_ms: until.map(opens_ms) }));
                }
                key::Closed::Concurrency => Closed::Concurrency,
                key::Closed::Rate(until) => Closed::Rate { opens_ms: opens_ms(until) },
                key::Closed::Throttle(until) => Closed::Throttle { opens_ms: opens_ms(until) },
            };
            return Ok(Some(BlockedOn::Limit { limit: gate.limit.clone(), key: gate.key.clone(), closed }));
        }
    }
    Ok(None)
}

fn history(task: &Task, failures: &[FailureView], others: Vec<AttemptRow>) -> Vec<AttemptView> {
    let failed = failures.iter().map(|failure| AttemptView {
        attempt: failure.attempt,
        worker: failure.worker.clone(),
        started: failure.started,
        ended: failure.ended,
        end: AttemptEnd::Failed(failure.class.clone()),
    });
    let others = others.into_iter().map(|other| AttemptView {
        attempt: other.attempt,
        worker: other.worker,
        started: other.started,
        ended: other.ended,
        end: match other.end {
            format::row::AttemptEnd::Deferred => AttemptEnd::Deferred,
            format::row::AttemptEnd::Returned => AttemptEnd::Returned,
            format::row::AttemptEnd::Cancelled => AttemptEnd::Cancelled,
        },
    });
    let completed = task.row.completed.as_ref().map(|completed| AttemptView {
        attempt: task.row.attempts,
        worker: completed.worker.clone(),
        started: task.row.settled.map_or(completed.ended, |settled| settled.token.wall()),
        ended: completed.ended,
        end: AttemptEnd::Completed,
    });
    let mut history: Vec<AttemptView> = failed.chain(others).chain(completed).collect();
    // What ended in the same millisecond keeps this order, in which the last one is right.
    history.sort_by_key(|attempt| (attempt.ended, attempt.started));
    history
}

/// The key of a task's row: a waiter for it is woken when the task has ended.
///
/// # Errors
/// [`ViewError`].
pub fn task_key(
    view: &impl View,
    queue: &QueueName<'_>,
    task: &TaskRef<'_>,
) -> Result<Option<Key>, ViewError> {
    let Some(keys) = id_of(view, queue)? else { return Ok(None) };
    Ok(Task::find(view, keys, task)?.map(|task| keys.task(task.at).to_vec()))
}

/// Lists tasks of one queue.
///
/// # Errors
/// [`ViewError`].
pub fn tasks(
    view: &impl View,
    queue: &QueueName<'_>,
    request: TasksRequest,
    now: Elapsed,
) -> Result<TasksPage, ViewError> {
    let mut page = TasksPage::default();
    let Some(keys) = id_of(view, queue)? else { return Ok(page) };
    let after = request.after.unwrap_or(Position::ZERO);
    let is_dead_only = request.state == Some(TaskState::Dead);
    let found = positions(view, keys, after, is_dead_only, request.examined_max)?;
    let is_cut = found.len() >= request.examined_max;
    let mut examined = found.into_iter();
    for at in examined.by_ref() {
        page.next = Some(at);
        let Some(task) = Task::load(view, keys, at)? else { continue };
        let state = cohort::shown_state(view, keys, &task)?;
        if request.state.is_none_or(|wanted| wanted == state) {
            page.tasks.push(task_view(view, keys, task, now)?);
            if page.tasks.len() >= request.limit {
                break;
            }
        }
    }
    if examined.next().is_none() && !is_cut {
        page.next = None;
    }
    Ok(page)
}

/// Positions of tasks, or of dead letters, after one of them.
fn positions(
    view: &impl View,
    keys: QueueKeys,
    after: Position,
    is_dead_only: bool,
    positions_max: usize,
) -> Result<Vec<Position>, ViewError> {
    let range =
        if is_dead_only { QueueRange::dead_after(keys, after) } else { QueueRange::tasks_after(keys, after) };
    let parse = if is_dead_only { QueueKeys::parse_dead } else { QueueKeys::parse_task };
    let mut found = Vec::new();
    let mut bad = None;
    view.scan(range.as_range(), Order::Ascending, &mut |key, _| {
        match parse(key) {
            Ok(at) => found.push(at),
            Err(error) => bad = Some(error),
        }
        if bad.is_none() && found.len() < positions_max {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    bad.map_or(Ok(found), |error| Err(bad_row("task's key", error)))
}

/// Names of queues after `after` in the order of slots and names, at most `limit`.
///
/// # Errors
/// [`ViewError`].
pub fn queues(
    view: &impl View,
    after: Option<&QueueName<'_>>,
    limit: usize,
) -> Result<Vec<QueueName<'static>>, ViewError> {
    let after = after.map(|name| (name.slot(Namespace::ROOT), name.as_str()));
    let part = Part { after, limit, rows_max: usize::MAX };
    let found = list(view, NamedRows::QUEUES, part, |name, _| Ok(Some(name.to_owned())))?;
    found.items.into_iter().map(|name| checked(QueueName::new(name))).collect()
}
