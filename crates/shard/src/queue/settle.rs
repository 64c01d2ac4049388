//! Keep or end claims.
//!
//! *Only who has the token of a task's claim can settle it. A worker that is late learns that its claim is lost, and
//! changes nothing.* A settlement that is sent again gets its first result again. A claim lasts until the node has
//! ended it, so a worker that is a little late may still settle its task. Each settlement has a result of its own.

use crate::breaker;
use crate::limit::key::LimitKey;
use crate::overlay::Overlay;
use crate::queue::id_of;
use crate::queue::tally::Queue;
use crate::queue::task::{TOO_MANY_DEFERS, Task, WasBlocked};
use alloc::borrow::{Cow, ToOwned};
use alloc::vec::Vec;
use format::row::{AttemptEnd, ClaimPart, CompletedPart, Gate, SettledBy, SettledPart, TaskPart};
use model::{
    Action, CallOutcome, Elapsed, Failure, Outcome, Refusal, Settle, Settled, Settlement, TaskDue, TaskState,
    Throttle, View, ViewError, limits,
};

/// Decides the command.
pub(crate) fn apply<V: View>(
    settle: &Settle<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let Some(mut queue) = Queue::load(&settle.queue, overlay)? else {
        return Ok(Outcome::Settled(settle.settlements.iter().map(|_| Settled::NoTask).collect()));
    };
    let mut settled = Vec::with_capacity(settle.settlements.len());
    for settlement in &settle.settlements {
        settled.push(one(settlement, &mut queue, overlay)?);
    }
    queue.save(overlay);
    Ok(Outcome::Settled(settled))
}

/// Settles as part of a transaction, in which every claim must be held.
pub(crate) fn write<V: View>(
    settle: &Settle<'_>,
    part: u32,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Result<Vec<Settled>, Refusal>, ViewError> {
    let lost = |settlement: usize| Ok(Err(Refusal::ClaimLost { part, settlement: settlement as u32 }));
    let Some(mut queue) = Queue::load(&settle.queue, overlay)? else { return lost(0) };
    let mut settled = Vec::with_capacity(settle.settlements.len());
    for (at, settlement) in settle.settlements.iter().enumerate() {
        let task = Task::find(overlay, queue.keys, &settlement.task)?;
        let claim = task.as_ref().and_then(|task| task.row.claim.as_ref());
        if claim.is_none_or(|claim| claim.token != settlement.token) {
            return lost(at);
        }
        settled.push(one(settlement, &mut queue, overlay)?);
    }
    queue.save(overlay);
    Ok(Ok(settled))
}

/// The results if every settlement has ended its claim already; `None` otherwise.
pub(crate) fn replay<V: View>(
    settle: &Settle<'_>,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<Vec<Settled>>, ViewError> {
    let Some(keys) = id_of(overlay, &settle.queue)? else { return Ok(None) };
    let mut settled = Vec::with_capacity(settle.settlements.len());
    for settlement in &settle.settlements {
        let Some(task) = Task::find(overlay, keys, &settlement.task)? else { return Ok(None) };
        match again(settlement, &task) {
            Settled::ClaimLost => return Ok(None),
            result => settled.push(result),
        }
    }
    Ok(Some(settled))
}

fn one<V: View>(
    settlement: &Settlement<'_>,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Settled, ViewError> {
    let Some(mut task) = Task::find(overlay, queue.keys, &settlement.task)? else {
        return Ok(Settled::NoTask);
    };
    let claim = match &task.row.claim {
        Some(claim) if claim.token == settlement.token => claim.clone(),
        _ => return Ok(again(settlement, &task)),
    };
    let Some(by) = ends_by(&settlement.action) else {
        let settled = heartbeat(&mut task, claim, &settlement.action, queue, overlay);
        task.save(queue, overlay);
        return Ok(settled);
    };
    let call = call_of(&settlement.action, &claim);
    breaker::tasks::end(&mut task, &claim.worker, call, overlay)?;
    task.leave(queue, overlay)?;
    let result = end(&settlement.action, &claim, &mut task, queue, overlay)?;
    task.row.settled = Some(SettledPart { token: claim.token, action: by, result });
    task.save(queue, overlay);
    Ok(result)
}

/// The result for a worker that has no claim: the first one, if it has settled its claim just like this.
fn again(settlement: &Settlement<'_>, task: &Task) -> Settled {
    let by = ends_by(&settlement.action);
    match task.row.settled {
        Some(settled) if settled.token == settlement.token && Some(settled.action) == by => settled.result,
        _ => Settled::ClaimLost,
    }
}

/// How an action ends a claim; `None` for one that keeps it.
const fn ends_by(action: &Action<'_>) -> Option<SettledBy> {
    match action {
        Action::Heartbeat { .. } => None,
        Action::Complete { .. } => Some(SettledBy::Complete),
        Action::Fail(_) => Some(SettledBy::Fail),
        Action::Defer { .. } => Some(SettledBy::Defer),
        Action::Return => Some(SettledBy::Return),
        Action::Throttle(_) => Some(SettledBy::Throttle),
    }
}

/// What the end of a claim says to the queue's breaker. An attempt that was to be cancelled may fail because of that.
fn call_of<'a>(action: &'a Action<'_>, claim: &ClaimPart) -> CallOutcome<'a> {
    match action {
        Action::Complete { .. } => CallOutcome::Ok,
        Action::Fail(failure) if !claim.cancelled => {
            CallOutcome::Failed { class: Cow::Borrowed(&*failure.class) }
        }
        _ => CallOutcome::Ignored,
    }
}

/// The timer stays where it is: when it is due, it is set again.
fn heartbeat<V: View>(
    task: &mut Task,
    claim: ClaimPart,
    action: &Action<'_>,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Settled {
    let expires = Elapsed(overlay.shard.elapsed.0.saturating_add(claim.claim_ms));
    let settled = Settled::Extended { claim_ms: claim.claim_ms, cancelled: claim.cancelled };
    task.row.claim = Some(ClaimPart { expires, ..claim });
    if let Action::Heartbeat { progress: Some(progress) } = action {
        task.put_part(TaskPart::Progress, progress, queue, overlay);
    }
    settled
}

/// Ends the claim of a task that is no longer running.
fn end<V: View>(
    action: &Action<'_>,
    claim: &ClaimPart,
    task: &mut Task,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Settled, ViewError> {
    if let Action::Complete { result } = action {
        if let Some(result) = result {
            task.put_part(TaskPart::Result, result, queue, overlay);
        }
        task.row.completed = Some(CompletedPart { worker: claim.worker.clone(), ended: overlay.shard.wall });
        task.finish(TaskState::Done, WasBlocked::No, queue, overlay)?;
        return Ok(Settled::Completed);
    }
    if let Action::Fail(failure) = action {
        task.record_failure(claim, &failure.class, &failure.detail, queue, overlay)?;
    }
    if claim.cancelled {
        if !matches!(action, Action::Fail(_)) {
            task.record_end(claim, AttemptEnd::Cancelled, queue, overlay)?;
        }
        task.finish(TaskState::Cancelled, WasBlocked::No, queue, overlay)?;
        return Ok(Settled::Cancelled);
    }
    match action {
        Action::Fail(failure) => fail(failure, claim, task, queue, overlay),
        Action::Defer { delay_ms } => defer(*delay_ms, claim, task, queue, overlay),
        Action::Return => {
            task.record_end(claim, AttemptEnd::Returned, queue, overlay)?;
            task.row.attempts = task.row.attempts.saturating_sub(1);
            task.returned(queue, overlay)?;
            Ok(Settled::Waiting { delay_ms: 0 })
        }
        Action::Throttle(found) => throttle(found, claim, task, queue, overlay),
        Action::Heartbeat { .. } | Action::Complete { .. } => Ok(Settled::ClaimLost),
    }
}

fn fail<V: View>(
    failure: &Failure<'_>,
    claim: &ClaimPart,
    task: &mut Task,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Settled, ViewError> {
    let policy = task.retry(queue);
    let is_last = task.row.attempts >= policy.attempts_max || task.gives_up(&failure.class, queue, overlay);
    if !failure.retryable || is_last {
        task.finish(TaskState::Dead, WasBlocked::No, queue, overlay)?;
        return Ok(Settled::Dead);
    }
    let delay_ms = failure.delay_ms.unwrap_or_else(|| task.backoff_ms(policy, claim.token));
    wait(delay_ms, task, queue, overlay)
}

fn defer<V: View>(
    delay_ms: u64,
    claim: &ClaimPart,
    task: &mut Task,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Settled, ViewError> {
    if let Some(dead) = not_now(claim, task, queue, overlay)? {
        return Ok(dead);
    }
    wait(delay_ms, task, queue, overlay)
}

/// A task that waits for the key goes before the others of the key when it opens. One that does not waits as long.
fn throttle<V: View>(
    throttle: &Throttle<'_>,
    claim: &ClaimPart,
    task: &mut Task,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Settled, ViewError> {
    if let Some(dead) = not_now(claim, task, queue, overlay)? {
        return Ok(dead);
    }
    let limit = throttle.limit.as_str();
    let own = task.gates().iter().find(|gate| gate.limit == limit).map(|gate| &*gate.key);
    let key = throttle.key.as_deref().or(own).unwrap_or_default();
    let gate = Gate { limit: limit.to_owned(), key: key.to_owned(), cost: 1 };
    let until = Elapsed(overlay.shard.elapsed.0.saturating_add(throttle.close_ms));
    let mut closed = LimitKey::of(&gate, overlay)?;
    closed.close(until);
    closed.save(overlay);
    if !task.gates().iter().any(|own| (&own.limit, &own.key) == (&gate.limit, &gate.key)) {
        return wait(throttle.close_ms, task, queue, overlay);
    }
    task.returned(queue, overlay)?;
    Ok(Settled::Waiting { delay_ms: throttle.close_ms })
}

/// The attempt does not count. Returns the result if that has happened too often.
fn not_now<V: View>(
    claim: &ClaimPart,
    task: &mut Task,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Option<Settled>, ViewError> {
    task.row.defers = task.row.defers.saturating_add(1);
    if task.row.defers > limits::TASK_DEFERS_MAX {
        task.record_failure(claim, TOO_MANY_DEFERS, b"", queue, overlay)?;
        task.row.attempts = task.row.attempts.saturating_sub(1);
        task.finish(TaskState::Dead, WasBlocked::No, queue, overlay)?;
        return Ok(Some(Settled::Dead));
    }
    task.record_end(claim, AttemptEnd::Deferred, queue, overlay)?;
    task.row.attempts = task.row.attempts.saturating_sub(1);
    Ok(None)
}

/// Waits before it can be claimed again.
pub(crate) fn wait<V: View>(
    delay_ms: u64,
    task: &mut Task,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Settled, ViewError> {
    if delay_ms == 0 {
        task.ready(queue, overlay)?;
    } else {
        let until = Elapsed(overlay.shard.elapsed.0.saturating_add(delay_ms));
        task.delayed(TaskDue::Elapsed(until), queue, overlay)?;
    }
    Ok(Settled::Waiting { delay_ms })
}
