//! `POST /v1/queues/{queue}/claims`: gives tasks to a worker, after it has said what became of earlier ones.

use crate::access::Caller;
use crate::activity::Activity;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Response, Result};
use crate::routes::command::{refused, submit};
use crate::routes::parts;
use crate::routes::queue::settle::Settling;
use crate::unavailable;
use api::request::queue::claim::{self, ClaimRequest};
use api::response::queue::outcome::write_claimed;
use api::response::refusal::Target;
use axum::body::Body;
use http::request;
use model::{Claimed, Command, Outcome, Settled};
use runtime::Unavailable;
use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::Poll;
use telemetry::Queue;

pub(in crate::routes) async fn respond(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let queue = parts::queue(parts)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let mut request = claim::read(&parts.headers, queue, &body)?;
    drop(body);
    let settle = mem::take(&mut request.settle);
    if settle.settlements.is_empty() {
        let claimed = claim(context, parts, request).await?;
        return Ok(claimed_response(&claimed, &[]));
    }
    // Both go into one entry, so that they share its fsync.
    let settling = Settling::begin(context, parts, &request.claim.queue, settle.settlements)?;
    let claimed = claim(context, parts, request).await;
    let settled = settling.end(context).await?;
    // The settlements have happened, and the response must say so. What prevents this claim is the response to the next one.
    let claimed = claimed.unwrap_or_default();
    let settled: Vec<_> = settle.ids.iter().map(String::as_str).zip(settled).collect();
    Ok(claimed_response(&claimed, &settled))
}

fn claimed_response(claimed: &Claimed, settled: &[(&str, Settled)]) -> Response {
    let mut out = Vec::with_capacity(64);
    write_claimed(&mut out, claimed, settled);
    response::json(out)
}

async fn claim(context: &Context, parts: &request::Parts, request: ClaimRequest) -> Result<Claimed> {
    let mut asking = context.workers.ask(&request);
    let outcome = if request.wait.is_zero() {
        submit(context, parts, Command::Claim(request.claim)).await?
    } else {
        wait_for_tasks(context, parts, request).await?
    };
    let Outcome::Claimed(claimed) = outcome else {
        return Err(refused(context, &outcome, Target::Queue));
    };
    asking.granted(claimed.tasks.len());
    context.metrics.tasks.claimed.add(claimed.tasks.len() as u64);
    for task in claimed.tasks.iter().filter(|task| task.attempt == 1) {
        context.metrics.tasks.wait.observe(task.token.wall().0.saturating_sub(task.position.wall().0));
    }
    Ok(claimed)
}

/// Waits until the claim has tasks, or its time has passed, or the client has left, or the server stops. Tasks that are granted while this ends
/// go back to their queue.
async fn wait_for_tasks(context: &Context, parts: &request::Parts, request: ClaimRequest) -> Result<Outcome> {
    let pending = context.handle.claim(&Caller::of(context, parts), request.claim)?;
    let _counted = context.metrics.queue(Queue::WaitingClaims).depth.hold();
    let mut stopping = context.stopping.clone();
    // Over HTTP/2, the request of a client that has left is dropped.
    let activity = parts.extensions.get::<Arc<Activity>>();
    let client_left = poll_fn(|_| match activity {
        Some(activity) if activity.client_left() => Poll::Ready(()),
        _ => Poll::Pending,
    });
    tokio::select! {
        biased;
        () = client_left => Ok(Outcome::Claimed(Claimed::default())),
        outcome = pending => outcome.map_err(|error| unavailable::problem(&error)),
        () = tokio::time::sleep(request.wait) => Ok(Outcome::Claimed(Claimed::default())),
        _ = stopping.wait_for(|stopping| *stopping) => Err(unavailable::problem(&Unavailable::Stopping)),
    }
}
