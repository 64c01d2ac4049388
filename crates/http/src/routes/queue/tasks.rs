//! Reads of tasks, and what operators do with them: cancel, replay, drop.

use crate::activity::Activity;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::routes::command::{refused, submit};
use crate::routes::parts;
use crate::routes::queue::change;
use crate::unavailable;
use api::request::head::Head;
use api::request::query::{GetTask, ListTasks};
use api::request::queue::change::ReplayRequest;
use api::request::queue::slot_of;
use api::response::page::Link;
use api::response::queue::outcome::{no_task, write_state};
use api::response::queue::view::{Attempt, BlockedOn, Failure, Task, write_tasks};
use api::response::refusal::Target;
use api::response::task_state;
use axum::body::Body;
use http::request;
use model::{
    CancelTask, Command, Cursor, DeadLetterEnd, Key, Outcome, QueueName, SettleDeadLetter, TaskRef, limits,
};
use runtime::{Unavailable, Woken};
use shard::query::{self, AttemptEnd, AttemptView, Closed, TaskView, TasksRequest};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

/// `GET /v1/queues/{queue}/tasks/{id}`
pub(in crate::routes) async fn get(context: &Context, parts: &request::Parts) -> Result {
    let wait = GetTask::parse(parts.uri.query())?.wait;
    unavailable::check_readable(context)?;
    let queue = parts::queue(parts)?.into_owned();
    let task = parts::owned_task(parts::task(parts, slot_of(&queue))?);
    let (mut found, key) = read(context, &queue, &task).await?;
    if !wait.is_zero() && !found.state.is_final() {
        // A task that ends between the two reads is seen by the second one.
        let ended = context.handle.wait(key).map_err(|error| unavailable::problem(&error))?;
        (found, _) = read(context, &queue, &task).await?;
        if !found.state.is_final() {
            wait_until(context, parts, ended, wait).await?;
            (found, _) = read(context, &queue, &task).await?;
        }
    }
    let mut out = Vec::with_capacity(found.envelope.len() + 256);
    shown(&found).write(&mut out);
    Ok(response::json(out))
}

/// Reads a task, and the key of its row.
async fn read(
    context: &Context,
    queue: &QueueName<'static>,
    task: &TaskRef<'static>,
) -> Result<(TaskView, Key)> {
    let (queue, task) = (queue.clone(), task.clone());
    let found = context
        .handle
        .read(move |snapshot| {
            let now = query::clock(&snapshot.state, snapshot.slots.first)?.elapsed;
            let view = query::task(&snapshot.state, &queue, &task, now)?;
            Ok(view.zip(query::task_key(&snapshot.state, &queue, &task)?))
        })
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    found.ok_or_else(no_task)
}

/// Waits until the row has changed, the time has passed, the client has left, or the server stops.
pub(in crate::routes) async fn wait_until(
    context: &Context,
    parts: &request::Parts,
    woken: Woken,
    wait: Duration,
) -> Result<()> {
    let mut stopping = context.stopping.clone();
    // Over HTTP/2, the request of a client that has left is dropped.
    let activity = parts.extensions.get::<Arc<Activity>>();
    let client_left = poll_fn(|_| match activity {
        Some(activity) if activity.client_left() => Poll::Ready(()),
        _ => Poll::Pending,
    });
    tokio::select! {
        biased;
        () = client_left => Ok(()),
        woken = woken => woken.map_err(|error| unavailable::problem(&error)),
        () = tokio::time::sleep(wait) => Ok(()),
        _ = stopping.wait_for(|stopping| *stopping) => Err(unavailable::problem(&Unavailable::Stopping)),
    }
}

/// `GET /v1/queues/{queue}/tasks`
pub(in crate::routes) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListTasks::parse(parts.uri.query())?;
    let queue = parts::queue(parts)?.into_owned();
    let slot = slot_of(&queue);
    let limit =
        list.limit.map_or(limits::PAGE_EVENTS_DEFAULT, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let request = TasksRequest {
        state: list.state,
        after: list.cursor.map(|cursor| cursor.position),
        limit,
        ..TasksRequest::default()
    };
    let asked = queue.clone();
    let page = context
        .handle
        .read(move |snapshot| {
            let now = query::clock(&snapshot.state, snapshot.slots.first)?.elapsed;
            Ok(query::tasks(&snapshot.state, &asked, request, now)?)
        })
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let next = page.next.map(|position| {
        Link::tasks(queue.as_str())
            .with_some("state", list.state.map(task_state))
            .with_some("limit", list.limit.map(|limit| limit.to_string()).as_deref())
            .with("cursor", &Cursor::new(position, slot).to_string())
            .into_text()
    });
    let mut out = Vec::with_capacity(512 * page.tasks.len() + 64);
    write_tasks(&mut out, page.tasks.iter().map(shown), next.as_deref());
    Ok(response::json(out))
}

fn shown(task: &TaskView) -> Task<'_> {
    Task {
        slot: task.slot,
        position: task.position,
        id: task.id.as_deref(),
        state: task.state,
        attempts: task.attempts,
        delay_ms: task.delay_ms,
        blocked_on: task.blocked_on.as_ref().map(blocked_on),
        claim: task.claim.as_ref().map(|claim| (claim.worker.as_str(), claim.left_ms)),
        progress: task.progress.as_deref(),
        result: task.result.as_deref(),
        failures: task
            .failures
            .iter()
            .map(|failure| Failure {
                attempt: failure.attempt,
                worker: &failure.worker,
                started: failure.started,
                ended: failure.ended,
                class: &failure.class,
                detail: &failure.detail,
            })
            .collect(),
        history: task.history.iter().map(attempt).collect(),
        envelope: &task.envelope,
    }
}

fn blocked_on(why: &query::BlockedOn) -> BlockedOn<'_> {
    let plain = |reason| BlockedOn { reason, limit: None, breaker: None, opens_ms: None };
    match why {
        query::BlockedOn::Time => plain("time"),
        query::BlockedOn::Key => plain("key"),
        query::BlockedOn::Pause => plain("pause"),
        query::BlockedOn::Concurrency => plain("concurrency"),
        query::BlockedOn::Breaker { breaker, opens_ms } => {
            BlockedOn { reason: "breaker", limit: None, breaker: Some(breaker), opens_ms: *opens_ms }
        }
        query::BlockedOn::Limit { limit, key, closed } => {
            let (reason, opens_ms) = match closed {
                Closed::Concurrency => ("concurrency", None),
                Closed::Rate { opens_ms } => ("rate", Some(*opens_ms)),
                Closed::Throttle { opens_ms } => ("throttle", Some(*opens_ms)),
            };
            BlockedOn { reason, limit: Some((limit, key)), breaker: None, opens_ms }
        }
    }
}

fn attempt(attempt: &AttemptView) -> Attempt<'_> {
    let (outcome, class) = match &attempt.end {
        AttemptEnd::Failed(class) => ("failed", Some(class.as_str())),
        AttemptEnd::Deferred => ("deferred", None),
        AttemptEnd::Returned => ("returned", None),
        AttemptEnd::Cancelled => ("cancelled", None),
        AttemptEnd::Completed => ("completed", None),
    };
    Attempt {
        attempt: attempt.attempt,
        worker: &attempt.worker,
        started: attempt.started,
        ended: attempt.ended,
        outcome,
        class,
    }
}

/// `POST /v1/queues/{queue}/tasks/{id}/cancel`
pub(in crate::routes) async fn cancel(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    Head::read(&parts.headers)?.refuse_key("a cancelled task stays cancelled, so repeating is safe")?;
    let queue = parts::queue(parts)?;
    let task = parts::owned_task(parts::task(parts, slot_of(&queue))?);
    let id = written(&task, &queue);
    let command = Command::CancelTask(CancelTask { queue: queue.into_owned(), task });
    match submit(context, parts, command).await? {
        Outcome::TaskCancelled(state) => Ok(changed(&id, task_state(state))),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

/// `POST /v1/queues/{queue}/tasks/{id}/replay`
pub(in crate::routes) async fn replay(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let queue = parts::queue(parts)?;
    let task = parts::owned_task(parts::task(parts, slot_of(&queue))?);
    let id = written(&task, &queue);
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let request = ReplayRequest::read(&parts.headers, &body)?;
    if request.edits() || request.to.is_some() {
        change::replay(context, parts, queue.into_owned(), task, &request).await?;
    } else {
        settle_dead(context, parts, queue.into_owned(), task, DeadLetterEnd::Replay).await?;
    }
    Ok(changed(&id, "replayed"))
}

/// `DELETE /v1/queues/{queue}/tasks/{id}`
pub(in crate::routes) async fn drop_dead(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    Head::read(&parts.headers)?.refuse_key("a task is a dead letter only once, so repeating is safe")?;
    let queue = parts::queue(parts)?;
    let task = parts::owned_task(parts::task(parts, slot_of(&queue))?);
    let id = written(&task, &queue);
    settle_dead(context, parts, queue.into_owned(), task, DeadLetterEnd::Drop).await?;
    Ok(changed(&id, "dropped"))
}

async fn settle_dead(
    context: &Context,
    parts: &request::Parts,
    queue: QueueName<'static>,
    task: TaskRef<'static>,
    end: DeadLetterEnd,
) -> Result<()> {
    match submit(context, parts, Command::SettleDeadLetter(SettleDeadLetter { queue, task, end })).await? {
        Outcome::DeadLetterSettled => Ok(()),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

fn written(task: &TaskRef<'_>, queue: &model::QueueName<'_>) -> String {
    match task {
        TaskRef::Client(id) => id.to_string(),
        TaskRef::Server(position) => format!("~{}", Cursor::new(*position, slot_of(queue))),
    }
}

fn changed(id: &str, state: &str) -> response::Response {
    let mut out = Vec::with_capacity(id.len() + 32);
    write_state(&mut out, id, state);
    response::json(out)
}
