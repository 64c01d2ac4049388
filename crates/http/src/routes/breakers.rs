//! `/v1/breakers/{breaker}`: ask before a call, record its outcome, and operate breakers.
//!
//! ```text
//!   permit ─► read ─► decided: 200
//!                └──► a probe may be free ─► AskBreaker ─► 200
//! ```
//!
//! The read needs no sync: while a breaker is closed, a permit writes nothing.

use super::command::{refused, submit};
use super::lists;
use super::now::now;
use super::parts;
use super::watch::{self, Shown};
use crate::body::read_json;
use crate::context::Context;
use crate::response::{self, Result};
use crate::unavailable;
use api::contract::Operation;
use api::request::breaker;
use api::request::query::ListBreakers;
use api::response::breaker as written;
use api::response::page::end_names;
use api::response::refusal::Target;
use axum::body::Body;
use http::header::{HeaderValue, RETRY_AFTER};
use http::request;
use model::{
    AskBreaker, BreakerDecision, BreakerForced, BreakerName, Command, ControlBreaker, DeleteBreaker, Elapsed,
    Outcome,
};
use runtime::{ReadFailure, Snapshot};
use shard::query::{self, BreakerView, PermitRead};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// A watch looks again this long after something ends by itself.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

pub(super) async fn put(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let name = parts::breaker(parts)?;
    let body = read_json(&context.buffers, &parts.headers, body).await?;
    let put = breaker::put(&parts.headers, name, &body)?;
    drop(body);
    let mut out = Vec::with_capacity(512);
    written::write_settings(&mut out, put.breaker.as_str(), &put.settings);
    match submit(context, parts, Command::PutBreaker(put)).await? {
        Outcome::BreakerPut => Ok(response::json(out)),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(super) async fn delete(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let name = parts::breaker(parts)?;
    breaker::check_change(&parts.headers)?;
    let mut out = Vec::with_capacity(64);
    written::write_deleted(&mut out, name.as_str());
    let delete = DeleteBreaker { breaker: name.into_owned() };
    match submit(context, parts, Command::DeleteBreaker(delete)).await? {
        Outcome::BreakerDeleted => Ok(response::json(out)),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(super) async fn control(context: &Context, parts: &request::Parts, forced: BreakerForced) -> Result {
    parts::no_query(parts)?;
    let name = parts::breaker(parts)?;
    breaker::check_change(&parts.headers)?;
    let mut out = Vec::with_capacity(64);
    written::write_controlled(&mut out, name.as_str(), forced);
    let control = ControlBreaker { breaker: name.into_owned(), forced };
    match submit(context, parts, Command::ControlBreaker(control)).await? {
        Outcome::BreakerControlled => Ok(response::json(out)),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(super) async fn permit(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let name = parts::breaker(parts)?.into_owned();
    breaker::check_permit(&parts.headers)?;
    unavailable::check_readable(context)?;
    let (nonce, drawn) = (random(), random());
    let (asked, elapsed) = (name.clone(), context.handle.elapsed());
    let read = move |snapshot: &Snapshot| {
        let now = now(snapshot, elapsed)?;
        Ok(query::breaker_permit(&snapshot.state, &asked, now, drawn)?)
    };
    let decision = match context.handle.read(read).await.map_err(|why| unavailable::read_problem(&why))? {
        PermitRead::Decided(decision) => decision,
        PermitRead::Ask => {
            let ask = AskBreaker { breaker: name.clone(), random: drawn };
            match submit(context, parts, Command::AskBreaker(ask)).await? {
                Outcome::BreakerAsked(decision) => decision,
                outcome => return Err(refused(context, &outcome, Target::Queue)),
            }
        }
    };
    let mut out = Vec::with_capacity(128);
    written::write_decision(&mut out, &name, decision, nonce);
    let mut response = response::json(out);
    if let BreakerDecision::Rejected { retry_ms, .. } = decision {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_ms.div_ceil(1_000)));
    }
    Ok(response)
}

pub(super) async fn record(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let name = parts::breaker(parts)?;
    let body = read_json(&context.buffers, &parts.headers, body).await?;
    let record = breaker::record(&parts.headers, name, &body)?;
    drop(body);
    match submit(context, parts, Command::RecordBreaker(record)).await? {
        Outcome::BreakerRecorded(recorded) => {
            let mut out = Vec::with_capacity(128);
            written::write_recorded(&mut out, recorded);
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(super) async fn get(context: &Arc<Context>, parts: &request::Parts) -> Result {
    let watched = watch::asked(context, Operation::GetBreaker, parts)?;
    let name = parts::breaker(parts)?.into_owned();
    if let Some(keep_alive) = watched {
        let key = query::breaker_row_key(&name);
        let handle = context.handle.clone();
        let read = move |snapshot: &Snapshot| Ok(shown(&name, &view(snapshot, &name, handle.elapsed())?));
        return watch::respond(context, keep_alive, key, read).await;
    }
    unavailable::check_readable(context)?;
    let (asked, elapsed) = (name.clone(), context.handle.elapsed());
    let found = context.handle.read(move |snapshot| view(snapshot, &asked, elapsed)).await;
    let found = found.map_err(|why| unavailable::read_problem(&why))?;
    let mut out = Vec::with_capacity(1_024);
    write(&mut out, &name, &found);
    Ok(response::json(out))
}

pub(super) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListBreakers::parse(parts.uri.query())?;
    let found = lists::read(
        context,
        parts,
        &list,
        (BreakerName::as_str, BreakerName::new),
        |snapshot, after, max| Ok(lists::whole(query::breakers(&snapshot.state, after, max)?)),
    );
    let mut found = found.await?.items;
    let next = end_names(&list, "/v1/breakers", &mut found, None, BreakerName::as_str);
    let mut out = Vec::with_capacity(64 * found.len() + 64);
    written::write_breakers(&mut out, found.iter().map(BreakerName::as_str), next.as_deref());
    Ok(response::json(out))
}

fn view(
    snapshot: &Snapshot,
    name: &BreakerName<'_>,
    elapsed: Elapsed,
) -> std::result::Result<BreakerView, ReadFailure> {
    Ok(query::breaker(&snapshot.state, name, now(snapshot, elapsed)?)?)
}

fn write(out: &mut Vec<u8>, name: &BreakerName<'_>, view: &BreakerView) {
    let breaker = written::Breaker {
        breaker: name.as_str(),
        settings: &view.settings,
        circuit: view.circuit,
        forced: view.forced,
        admitted_percent: view.admitted_percent,
        open_ms: view.open_ms,
        changed: view.changed,
        opened: view.opened,
        calls: view.calls,
        failures: view.failures,
        slow: view.slow,
        consecutive_failures: view.consecutive_failures,
        probes: view.probes,
        failure: view.failure.as_ref().map(|failure| written::Failure {
            class: &failure.class,
            worker: &failure.worker,
            at: failure.at,
        }),
    };
    let workers = view.workers.iter().map(|worker| written::Worker {
        worker: &worker.name,
        calls: worker.calls,
        failures: worker.failures,
        is_suspect: worker.is_suspect,
    });
    written::write_breaker(out, &breaker, workers);
}

/// Outcomes are not changes, or a busy breaker would be told of all the time. Probes are.
fn shown(name: &BreakerName<'_>, view: &BreakerView) -> Shown {
    let mut data = Vec::with_capacity(1_024);
    write(&mut data, name, view);
    let is_due = view.open_ms.is_none();
    let version =
        format!("{} {:?} {} {is_due} {:?}", view.generation, view.forced, view.probes, view.settings);
    let ends_ms = view.open_ms.into_iter().chain(view.probe_ms).min();
    let look_again = ends_ms.map(|ms| Duration::from_millis(ms) + LOOK_AGAIN);
    Shown { event: "breaker", data, version: version.into_bytes(), look_again }
}

/// A random number: the standard library seeds its hashers with those.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
