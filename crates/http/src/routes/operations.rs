//! `/livez`, `/readyz`, `/metrics`, the identity of the store, the check of its data, and the OpenAPI document.

use super::{limits, parts, queue, reactions};
use crate::context::Context;
use crate::response::{self, Result};
use crate::unavailable;
use api::json::{write_number, write_text};
use http::header::HeaderValue;
use http::request;
use model::SlotRange;
use runtime::{Phase, Unavailable};
use std::sync::Arc;
use std::time::Duration;
use telemetry::FromState;
use telemetry::readings::Reading;

/// How long the metrics wait for a look at the state.
const LOOK_MAX: Duration = Duration::from_millis(200);

/// The process responds. This says nothing about the node.
pub(super) fn live(parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    Ok(response::json(r#"{"status":"ok"}"#))
}

/// The node accepts requests. A read-only node accepts reads, and says why it refuses writes. A node whose disk does
/// not respond is not ready.
pub(super) fn ready(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let status = context.handle.status();
    match status.phase {
        Phase::Ready if !context.is_stopping() => {}
        Phase::Starting => {
            let (applied, last) = status.replay;
            let detail = format!("the node has applied entry {applied} of the {last} that its log holds");
            return Err(api::Problem::new(api::Code::NotReady, detail));
        }
        _ => return Err(unavailable::problem(&Unavailable::Stopping)),
    }
    if let Some(why) = status.disk_stalled {
        return Err(unavailable::problem(&Unavailable::DiskStalled(why)));
    }
    let mut out = br#"{"status":"ready","replayed_entries":"#.to_vec();
    write_number(&mut out, status.replayed_entries);
    out.extend_from_slice(b",\"read_only\":");
    match &status.read_only {
        None => out.extend_from_slice(b"null"),
        Some(why) => write_text(&mut out, why),
    }
    out.push(b'}');
    Ok(response::json(out))
}

/// The identity of the store. Known before the node is ready.
pub(super) fn store(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let mut out = br#"{"store":"#.to_vec();
    write_text(&mut out, context.store.to_str().unwrap_or_default());
    out.extend_from_slice(br#","version":"#);
    write_text(&mut out, env!("CARGO_PKG_VERSION"));
    out.push(b'}');
    Ok(response::json(out))
}

/// The last check of the data.
pub(super) fn checks(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let mut out = Vec::with_capacity(256);
    context.options.checks.borrow().write(&mut out);
    Ok(response::json(out))
}

pub(super) async fn metrics(context: &Arc<Context>, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let text = telemetry::text(readings(context).await);
    Ok(response::whole(HeaderValue::from_static(telemetry::CONTENT_TYPE), text))
}

/// What all metrics read now. Some are first read from the state.
pub(crate) async fn readings(context: &Arc<Context>) -> Vec<Reading> {
    look_at_schedules(context).await;
    look_at_breakers(context).await;
    let from_state = FromState {
        task_queues: queue::workers::figures(context).await,
        limits: limits::figures(context).await,
        reactions: reactions::figures(context).await,
    };
    context.metrics.read(&from_state)
}

/// Sets the metrics of schedules. If the state cannot be read soon, they stay as they were, because the other metrics
/// say why.
async fn look_at_schedules(context: &Context) {
    if unavailable::check_readable(context).is_err() {
        return;
    }
    let first = SlotRange::ALL.first;
    let read = context.handle.read(move |snapshot| Ok(shard::query::schedule_tally(&snapshot.state, first)?));
    if let Ok(Ok(tally)) = tokio::time::timeout(LOOK_MAX, read).await {
        let schedules = &context.metrics.schedules;
        schedules.all.set(tally.schedules);
        schedules.paused.set(tally.paused);
        schedules.broken.set(tally.broken);
        schedules.held.set(tally.held);
    }
}

/// Sets the metrics of breakers, in the same way.
async fn look_at_breakers(context: &Context) {
    if unavailable::check_readable(context).is_err() {
        return;
    }
    let first = SlotRange::ALL.first;
    let read = context.handle.read(move |snapshot| Ok(shard::query::breaker_tally(&snapshot.state, first)?));
    if let Ok(Ok(tally)) = tokio::time::timeout(LOOK_MAX, read).await {
        let breakers = &context.metrics.breakers;
        breakers.all.set(tally.closed + tally.open + tally.half_open);
        breakers.open.set(tally.open);
        breakers.half_open.set(tally.half_open);
        breakers.opened.set(tally.opened);
    }
}

pub(super) fn openapi(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    Ok(response::json(context.openapi.clone()))
}
