//! What is true of every state of the queues, and of what the last command has done.

use super::limit::Closed;
use super::{Queue, State, Task};
use crate::Simple;
use model::limits::{CLAIM_TASKS_MAX, QUEUE_TYPES_MAX};
use model::{gate_slot, limit_key_hash};
use std::collections::BTreeSet;

/// Checks everything.
///
/// # Errors
/// What is not true, in words.
pub fn all(model: &Simple) -> Result<(), String> {
    for queue in &model.queues.all {
        let checks = [
            identities(queue),
            policies(queue),
            keys(queue),
            unique(queue),
            deadlines(queue),
            claims(model, queue),
            tenants(queue),
        ];
        for check in checks {
            check.map_err(|what| format!("{}: {what}", queue.name))?;
        }
    }
    limits(model)?;
    tokens(model)?;
    nothing_was_passed(model)
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// A task is known by one position and by one id, and the queue is within its limits.
fn identities(queue: &Queue) -> Result<(), String> {
    let in_order = queue.tasks.windows(2).all(|pair| pair[0].position < pair[1].position);
    ensure(in_order, || "the tasks are not in the order of their positions".to_owned())?;
    let mut ids: Vec<_> = queue.tasks.iter().filter_map(|task| task.sent.id.as_ref()).collect();
    ids.sort_unstable();
    ensure(ids.windows(2).all(|pair| pair[0] != pair[1]), || "two tasks have one id".to_owned())?;
    let unfinished = queue.unfinished();
    ensure(unfinished <= queue.ever.backlog_max, || format!("{unfinished} tasks are unfinished"))?;
    ensure(queue.types.len() <= QUEUE_TYPES_MAX, || format!("{} types", queue.types.len()))?;
    let typed = queue.tasks.iter().all(|task| queue.types.contains(&task.sent.task_type));
    ensure(typed, || "the queue has forgotten the type of one of its tasks".to_owned())?;
    ensure(queue.made.is_some() || queue.tasks.is_empty(), || "tasks without a queue".to_owned())
}

/// Attempts and lost claims never exceed what was allowed at some time.
fn policies(queue: &Queue) -> Result<(), String> {
    for task in &queue.tasks {
        let allowed = task.sent.retry.map_or(queue.ever.attempts_max, |retry| retry.attempts_max).max(1);
        ensure(task.attempts <= allowed, || format!("{} of {allowed} attempts: {task:?}", task.attempts))?;
        ensure(task.lost <= queue.ever.lost_max.max(1), || format!("lost too often: {task:?}"))?;
        ensure(task.running().is_none() || task.attempts >= 1, || format!("no attempt runs: {task:?}"))?;
    }
    Ok(())
}

/// Of the tasks with a unique key that know of each other, at most one waits, and at most two run.
fn unique(queue: &Queue) -> Result<(), String> {
    for task in queue.tasks.iter().filter(|task| !task.is_final() && !task.is_unknown) {
        let twins = queue.twins(task.sent.unique.as_ref());
        // A task that has run waits for another attempt, while one that was enqueued meanwhile waits for it.
        let waiting = twins.iter().filter(|twin| twin.running().is_none() && !twin.has_run()).count();
        ensure(waiting <= 1 && twins.len() <= 3, || format!("too many tasks are unique: {twins:?}"))?;
    }
    Ok(())
}

/// No attempt began after the deadline.
fn deadlines(queue: &Queue) -> Result<(), String> {
    for task in &queue.tasks {
        let (Some(deadline), Some(running)) = (task.sent.deadline, task.running()) else { continue };
        ensure(running.started < deadline, || format!("began after its deadline: {task:?}"))?;
    }
    Ok(())
}

/// As many tasks of each key may run as the settings have ever said, they are the first ones of it, and each was let out
/// when the one before it had begun. Only a dead letter that was put back may be behind a later one.
fn keys(queue: &Queue) -> Result<(), String> {
    let with = |key: &String, of: fn(&Task) -> bool| -> Vec<&Task> {
        queue.tasks.iter().filter(|task| task.sent.key.as_ref() == Some(key) && of(task)).collect()
    };
    let keys: BTreeSet<&String> = queue.tasks.iter().filter_map(|task| task.sent.key.as_ref()).collect();
    for key in keys {
        let (heads, blocked) = (with(key, Task::is_head), with(key, |task| task.state == State::Blocked));
        let tasks_max = queue.ever.key_concurrency as usize;
        ensure(heads.len() <= tasks_max, || format!("{} tasks of {key} may run", heads.len()))?;
        let alone = heads.iter().filter(|head| head.sent.is_alone()).count();
        ensure(alone <= 1, || format!("{alone} tasks of {key} that are alone may run"))?;
        let new = heads.iter().filter(|head| !head.has_run()).count();
        ensure(new <= 1, || format!("{new} tasks of {key} may begin next"))?;
        ensure(!heads.is_empty() || blocked.is_empty(), || {
            format!("nothing of {key} runs, and tasks wait for it")
        })?;
        for head in heads.iter().filter(|head| head.replayed.is_none()) {
            let overtaken =
                blocked.iter().find(|task| task.position < head.position && task.replayed.is_none());
            ensure(overtaken.is_none(), || format!("{head:?} has overtaken {overtaken:?}"))?;
        }
    }
    let keyless = queue.tasks.iter().any(|task| task.state == State::Blocked && task.sent.key.is_none());
    ensure(!keyless, || "a task without a key waits for one".to_owned())
}

/// Each running task has one owner, whose token is newer than the task.
fn claims(model: &Simple, queue: &Queue) -> Result<(), String> {
    for task in &queue.tasks {
        let Some(running) = task.running() else { continue };
        ensure(task.position < running.token && running.token <= model.last, || {
            format!("token {} of {task:?}", running.token)
        })?;
        ensure(running.looked_at <= running.expires, || format!("{task:?} ends before anyone looks"))?;
    }
    Ok(())
}

/// Nothing waits for a key that is open, unless it has been let go on, or the node is about to look at it. This is what
/// makes the next task of a key start whatever has happened to the one before it.
fn limits(model: &Simple) -> Result<(), String> {
    for queue in &model.queues.all {
        for cohort in &queue.cohorts {
            ensure(queue.tasks.iter().any(|task| cohort.holds(task)), || format!("no task in {cohort:?}"))?;
            let Some(wait) = cohort.waits else { continue };
            let gate = &cohort.gates[wait.gate];
            let is_closed = model.closed(&gate.limit, &gate.key, gate.cost).is_some();
            let has_others = queue.cohorts.iter().any(|other| {
                let has_gate = other.gates.iter().any(|other| other.is_at(&gate.limit, &gate.key));
                other.task_type == cohort.task_type && other.waits.is_none() && has_gate
            });
            let slot = gate_slot(&gate.limit).0;
            let is_looked_at = model.limits_due(slot).iter().any(|(_, limit, key)| {
                *limit == limit_key_hash(&gate.limit)
                    && key.is_none_or(|key| key == limit_key_hash(&gate.key))
            });
            // Decided: those that need less do not pass one that waits for a rate.
            let costs_more = gate.cost > 1 && model.waiting_for(&gate.limit, &gate.key).len() > 1;
            ensure(is_closed || has_others || is_looked_at || costs_more, || format!("{cohort:?} is stuck"))?;
            let opens = matches!(model.closed(&gate.limit, &gate.key, gate.cost), Some(Closed::Until(_)));
            ensure(!opens || is_looked_at, || format!("no one lets {cohort:?} go on"))?;
        }
    }
    Ok(())
}

/// No tenant is far from its turn: at most as many claims go before it as its share says.
fn tenants(queue: &Queue) -> Result<(), String> {
    for place in &queue.fair.places {
        let next = queue
            .fair
            .places
            .iter()
            .filter(|other| (&other.task_type, other.lane) == (&place.task_type, place.lane));
        let first = next.map(|other| other.pass).min().unwrap_or(0);
        ensure(place.pass <= first + (1 << 24), || format!("{place:?} is too far behind {first}"))?;
    }
    Ok(())
}

/// Each token is greater than all that were given out before, so no two claims share one.
fn tokens(model: &Simple) -> Result<(), String> {
    let tokens = &model.queues.tokens;
    let recent = &tokens[tokens.len().saturating_sub(CLAIM_TASKS_MAX + 1)..];
    ensure(recent.windows(2).all(|pair| pair[0].2 < pair[1].2), || format!("tokens do not grow: {recent:?}"))
}

/// The last claim has taken no task that had to wait for one that it left. In particular, nothing passes a task
/// that has waited for too long: at most as many tasks go before it as had waited for longer.
fn nothing_was_passed(model: &Simple) -> Result<(), String> {
    let Some(granted) = &model.queues.granted else { return Ok(()) };
    let rank = |since: u64, lane: u8| {
        if model.has_aged(since) { (0, since) } else { (1 + u64::from(lane), since) }
    };
    let Some(last) = granted.tasks.iter().map(|(since, lane)| rank(*since, *lane)).max() else {
        return Ok(());
    };
    for task in &model.queues.all[granted.queue].tasks {
        let is_wanted = granted.types.is_empty() || granted.types.contains(&task.sent.task_type);
        if let State::Ready { since, lane } = task.state
            && is_wanted
            && since <= granted.before
        {
            ensure(last < rank(since, lane), || format!("{task:?} was passed by {granted:?}"))?;
        }
    }
    Ok(())
}
