//! `/v1/idempotency/{key}`: begin, complete and abandon the work under a key.

use super::command::{refused, submit};
use super::now::now;
use super::parts;
use crate::body::read_json;
use crate::context::Context;
use crate::response::{self, REPLAYED, Response, Result};
use crate::unavailable;
use api::request::execution;
use api::response::execution::{
    write_abandoned, write_begun, write_completed, write_execution, write_forgotten,
};
use api::response::refusal::Target;
use api::{Code, Problem};
use axum::body::Body;
use format::row::execution_key;
use http::header::HeaderValue;
use http::request;
use model::{BeginExecution, Begun, Command, ExecutionKey, Namespace, Outcome, Refusal};
use runtime::{Unavailable, Woken};
use shard::query;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

pub(super) async fn begin(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let key = parts::execution(parts)?.into_owned();
    let body = read_json(&context.buffers, &parts.headers, body).await?;
    let execution::Begin { command, wait_ms } = execution::begin(&parts.headers, key, &body)?;
    drop(body);
    if wait_ms == 0 {
        let outcome = submit(context, parts, Command::BeginExecution(command.clone())).await?;
        return begun(context, &command.key, &outcome);
    }
    wait(context, parts, command, Instant::now() + Duration::from_millis(wait_ms)).await
}

/// Begins until the work is done or free, or the time has passed.
async fn wait(
    context: &Context,
    parts: &request::Parts,
    begin: BeginExecution<'static>,
    deadline: Instant,
) -> Result {
    let mut stopping = context.stopping.clone();
    loop {
        // Before the command, so that no end of the work is missed.
        let woken: Woken = context.handle.wait(row(&begin.key)).map_err(|why| unavailable::problem(&why))?;
        let outcome = submit(context, parts, Command::BeginExecution(begin.clone())).await?;
        let is_in_progress = matches!(outcome, Outcome::Refused(Refusal::ExecutionInProgress { .. }));
        if !is_in_progress || Instant::now() >= deadline {
            return begun(context, &begin.key, &outcome);
        }
        let woke = tokio::select! {
            woke = woken => woke,
            () = sleep_until(deadline) => Ok(()),
            _ = stopping.wait_for(|stopping| *stopping) => Err(Unavailable::Stopping),
        };
        woke.map_err(|why| unavailable::problem(&why))?;
    }
}

fn begun(context: &Context, key: &ExecutionKey<'_>, outcome: &Outcome) -> Result {
    let Outcome::ExecutionBegun(begun) = outcome else {
        return Err(refused(context, outcome, Target::Stream(key.as_str())));
    };
    let mut response = written(|out| write_begun(out, key.as_str(), begun));
    if matches!(begun, Begun::Completed { .. }) {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

pub(super) async fn complete(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let key = parts::execution(parts)?.into_owned();
    let body = read_json(&context.buffers, &parts.headers, body).await?;
    let complete = execution::complete(&parts.headers, key.clone(), &body)?;
    drop(body);
    let token = complete.token;
    match submit(context, parts, Command::CompleteExecution(complete)).await? {
        Outcome::ExecutionCompleted { replayed } => {
            Ok(written(|out| write_completed(out, key.as_str(), token, replayed)))
        }
        outcome => Err(refused(context, &outcome, Target::Stream(key.as_str()))),
    }
}

pub(super) async fn abandon(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let key = parts::execution(parts)?.into_owned();
    let body = read_json(&context.buffers, &parts.headers, body).await?;
    let abandon = execution::abandon(&parts.headers, key.clone(), &body)?;
    drop(body);
    let token = abandon.token;
    match (submit(context, parts, Command::AbandonExecution(abandon)).await?, token) {
        (Outcome::ExecutionAbandoned { .. }, Some(token)) => {
            Ok(written(|out| write_abandoned(out, key.as_str(), token)))
        }
        (outcome, _) => Err(refused(context, &outcome, Target::Stream(key.as_str()))),
    }
}

pub(super) async fn forget(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let key = parts::execution(parts)?.into_owned();
    let forget = execution::forget(&parts.headers, key.clone())?;
    match submit(context, parts, Command::AbandonExecution(forget)).await? {
        Outcome::ExecutionAbandoned { existed } => {
            Ok(written(|out| write_forgotten(out, key.as_str(), existed)))
        }
        outcome => Err(refused(context, &outcome, Target::Stream(key.as_str()))),
    }
}

pub(super) async fn get(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let key = parts::execution(parts)?.into_owned();
    let (asked, elapsed) = (key.clone(), context.handle.elapsed());
    let read = move |snapshot: &runtime::Snapshot| {
        let now = now(snapshot, elapsed)?;
        Ok(query::execution(&snapshot.state, &asked, now)?)
    };
    let found = context.handle.read(read).await.map_err(|error| unavailable::read_problem(&error))?;
    let Some(found) = found else {
        return Err(Problem::new(Code::ExecutionNotFound, format!("nothing was begun under `{key}`")));
    };
    Ok(written(|out| write_execution(out, key.as_str(), found.response.as_deref(), found.remaining_ms)))
}

fn row(key: &ExecutionKey<'_>) -> Vec<u8> {
    execution_key(key.slot(Namespace::ROOT), Namespace::ROOT, key.as_str())
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Response {
    let mut out = Vec::with_capacity(256);
    write(&mut out);
    response::json(out)
}
