//! `GET` and `PUT /v1/queues/{queue}`, and the list of queues.

use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::routes::command::{refused, submit};
use crate::routes::lists;
use crate::routes::parts;
use crate::unavailable;
use api::media;
use api::request::head::Head;
use api::request::query::ListQueues;
use api::request::queue::settings;
use api::response::page::end_names;
use api::response::queue::view::{Depth, write_queue, write_queues, write_settings};
use api::response::refusal::Target;
use axum::body::Body;
use http::request;
use model::{Command, Outcome, PutQueue, QueueName, QueueSettings};
use shard::query::{self, TypeView};

pub(in crate::routes) async fn get(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let queue = parts::queue(parts)?.into_owned();
    let asked = queue.clone();
    let found = context
        .handle
        .read(move |snapshot| Ok(query::queue(&snapshot.state, &asked)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let (settings, types) =
        found.map_or_else(|| (QueueSettings::default(), Vec::new()), |found| (found.settings, found.types));
    let mut out = Vec::with_capacity(512 + 256 * types.len());
    let types = types.iter().map(|view| (view.task_type.as_str(), depth(view)));
    write_queue(&mut out, queue.as_str(), &settings, types, context.handle.wall_now());
    Ok(response::json(out))
}

const fn depth(view: &TypeView) -> Depth {
    Depth {
        delayed: view.delayed,
        blocked: view.blocked,
        ready: view.ready,
        running: view.running,
        done: view.done,
        dead: view.dead,
        cancelled: view.cancelled,
        oldest_ready: view.oldest_ready,
    }
}

pub(in crate::routes) async fn put(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let queue = parts::queue(parts)?;
    media::check_json(Head::read(&parts.headers)?.content_type)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let settings = settings::read(&parts.headers, &body)?;
    drop(body);
    let command = PutQueue { queue: queue.clone().into_owned(), settings: settings.clone() };
    match submit(context, parts, Command::PutQueue(command)).await? {
        Outcome::QueuePut => {
            let mut out = Vec::with_capacity(320);
            write_settings(&mut out, queue.as_str(), &settings);
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(in crate::routes) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListQueues::parse(parts.uri.query())?;
    let found =
        lists::read(context, parts, &list, (QueueName::as_str, QueueName::new), |snapshot, after, max| {
            Ok(lists::whole(query::queues(&snapshot.state, after, max)?))
        });
    let mut queues = found.await?.items;
    let next = end_names(&list, "/v1/queues", &mut queues, None, QueueName::as_str);
    let mut out = Vec::with_capacity(64 * queues.len() + 64);
    write_queues(&mut out, queues.iter().map(QueueName::as_str), next.as_deref());
    Ok(response::json(out))
}
