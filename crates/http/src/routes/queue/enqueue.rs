//! `POST /v1/queues/{queue}/tasks`: enqueues one task, or a batch of lines.

use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, LINES, REPLAYED, Result};
use crate::routes::command::{refused, submit};
use crate::routes::parts;
use api::request::queue::tasks::{Form, TasksHead};
use api::response::queue::outcome::{EnqueueContext, write_enqueued, write_enqueued_lines};
use api::response::refusal::Target;
use api::{Code, Problem};
use axum::body::Body;
use http::header::HeaderValue;
use http::request;
use model::{Command, Enqueued, EnqueuedTask, Outcome};

/// The size of the response for one task.
const TASK_BYTES: usize = 96;

pub(in crate::routes) async fn respond(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let queue = parts::queue(parts)?;
    let head = TasksHead::of(&parts.headers)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let enqueue = head.read(queue, &body, context.handle.wall_now())?;
    drop(body);
    let enqueuing = EnqueueContext::of(&enqueue);
    let outcome = submit(context, parts, Command::Enqueue(enqueue)).await?;
    let Outcome::Enqueued(enqueued) = outcome else {
        return Err(refused(context, &outcome, Target::Queue));
    };
    count(context, &enqueued);
    let mut out = Vec::with_capacity(TASK_BYTES * enqueued.tasks.len());
    let mut response = match head.form {
        Form::One => {
            let task = enqueued.tasks.first().ok_or_else(nothing)?;
            let id = enqueuing.ids.first().and_then(Option::as_deref);
            write_enqueued(&mut out, id, task, enqueued.slot)?;
            response::json(out)
        }
        Form::Lines => {
            write_enqueued_lines(&mut out, &enqueuing, &enqueued);
            response::whole(LINES, out)
        }
    };
    if enqueued.tasks.iter().all(|task| matches!(task, EnqueuedTask::Replayed(_))) {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

fn nothing() -> Box<Problem> {
    Problem::new(Code::Internal, "the outcome contains no task")
}

/// Counts the tasks of an enqueue.
pub(in crate::routes) fn count(context: &Context, enqueued: &Enqueued) {
    let (mut added, mut replayed) = (0, 0);
    for task in &enqueued.tasks {
        match task {
            EnqueuedTask::Added(_) => added += 1,
            EnqueuedTask::Replayed(_) => replayed += 1,
            EnqueuedTask::Conflict(_) | EnqueuedTask::Existing { .. } => {}
        }
    }
    context.metrics.tasks.enqueued.add(added);
    if replayed > 0 {
        context.metrics.tasks.replayed.add(replayed);
    }
}
