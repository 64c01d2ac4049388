//! Changes of many tasks at once, the classes of dead letters, and the replay of one of them.
//!
//! A search on the read pool finds the tasks, and one command changes them if they still match. Both are bounded, and
//! the response says where the next request goes on.

use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::routes::command::{refused, submit};
use crate::routes::parts;
use crate::unavailable;
use api::request::queue::change::{self, ChangeRequest, Kind, ReplayRequest};
use api::request::queue::slot_of;
use api::response::queue::outcome::no_task;
use api::response::queue::view::{write_changed, write_classes};
use api::response::refusal::Target;
use axum::body::Body;
use http::request;
use model::{
    ChangeTasks, Command, Cursor, Outcome, Position, QueueName, ReplayTask, TaskChange, TaskRef, TaskState,
    limits,
};
use shard::query::{self, TasksSought};
use std::borrow::Cow;

/// `GET /v1/queues/{queue}/dead-letters`
pub(in crate::routes) async fn classes(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let queue = parts::queue(parts)?.into_owned();
    let asked = queue.clone();
    let found = context
        .handle
        .read(move |snapshot| Ok(query::dead_classes(&snapshot.state, &asked)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let mut out = Vec::with_capacity(64 + 64 * found.classes.len());
    let classes = found.classes.iter().map(|class| (class.class.as_str(), class.tasks));
    write_classes(&mut out, queue.as_str(), classes, found.has_more);
    Ok(response::json(out))
}

/// `POST /v1/queues/{queue}/cancel`, `.../dead-letters/replay` and `.../dead-letters/drop`
pub(in crate::routes) async fn many(
    context: &Context,
    parts: &request::Parts,
    kind: Kind,
    body: &mut Body,
) -> Result {
    parts::no_query(parts)?;
    let queue = parts::queue(parts)?.into_owned();
    let slot = slot_of(&queue);
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let request = change::read(&parts.headers, kind, slot, &body)?;
    drop(body);
    unavailable::check_readable(context)?;
    let asked = queue.clone();
    let sought = sought(&request, kind);
    let found = context
        .handle
        .read(move |snapshot| Ok(query::tasks_sought(&snapshot.state, &asked, &sought)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let mut next = found.next;
    let (mut changed, mut kept) = (0, 0);
    if !found.tasks.is_empty() {
        let command = command(queue, &request, kind, found.tasks.clone());
        let outcome = submit(context, parts, Command::ChangeTasks(command)).await?;
        let Outcome::TasksChanged(done) = outcome else {
            return Err(refused(context, &outcome, Target::Queue));
        };
        (changed, kept) = (done.changed, done.kept);
        if let Some(looked_at) = done.full_after {
            let before = usize::try_from(looked_at).unwrap_or(usize::MAX).checked_sub(1);
            next = before.and_then(|at| found.tasks.get(at).copied()).or(request.after);
        }
    }
    let mut out = Vec::with_capacity(96);
    write_changed(&mut out, changed, kept, next.map(|position| Cursor::new(position, slot)));
    Ok(response::json(out))
}

fn sought(request: &ChangeRequest, kind: Kind) -> TasksSought<'static> {
    TasksSought {
        state: if kind == Kind::Cancel { request.state } else { Some(TaskState::Dead) },
        task_type: request.task_type.clone().map(Cow::Owned),
        class: request.class.clone().map(Cow::Owned),
        after: request.after.unwrap_or(Position::ZERO),
        limit: request.limit,
        examined_max: limits::PAGE_NAMES_EXAMINED_MAX,
    }
}

fn command(
    queue: QueueName<'static>,
    request: &ChangeRequest,
    kind: Kind,
    tasks: Vec<Position>,
) -> ChangeTasks<'static> {
    ChangeTasks {
        queue,
        tasks,
        state: request.state,
        task_type: request.task_type.clone().map(Cow::Owned),
        class: request.class.clone().map(Cow::Owned),
        change: match kind {
            Kind::Cancel => TaskChange::Cancel,
            Kind::Replay => TaskChange::Replay { to: request.to.clone() },
            Kind::Drop => TaskChange::Drop,
        },
    }
}

/// `POST /v1/queues/{queue}/tasks/{id}/replay` with a body.
pub(in crate::routes) async fn replay(
    context: &Context,
    parts: &request::Parts,
    queue: QueueName<'static>,
    task: TaskRef<'static>,
    request: &ReplayRequest<'_>,
) -> Result<()> {
    let mut envelope = None;
    if request.edits() {
        let (asked, of) = (queue.clone(), task.clone());
        let found = context
            .handle
            .read(move |snapshot| {
                let now = query::clock(&snapshot.state, snapshot.slots.first)?.elapsed;
                Ok(query::task(&snapshot.state, &asked, &of, now)?)
            })
            .await
            .map_err(|error| unavailable::read_problem(&error))?;
        let found = found.ok_or_else(no_task)?;
        envelope = Some(Cow::Owned(request.edited(&found.envelope)?));
    }
    let command = ReplayTask { queue, task, to: request.to.clone(), envelope };
    match submit(context, parts, Command::ReplayTask(command)).await? {
        Outcome::DeadLetterSettled => Ok(()),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}
