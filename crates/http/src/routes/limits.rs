//! `/v1/limits/{limit}`: write, read and delete a limit; the list of limits; and what `/metrics` shows of them.

use super::command::{refused, submit};
use super::lists;
use super::now::now;
use super::parts;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::unavailable;
use api::media;
use api::request::head::Head;
use api::request::limit;
use api::request::query::ListLimits;
use api::response::limit::{Key, MoreKeys, write_deleted, write_limit, write_limits, write_settings};
use api::response::page::end_names;
use api::response::refusal::Target;
use api::{Code, Problem};
use axum::body::Body;
use http::request;
use model::{Command, DeleteLimit, LimitName, Outcome, limits};
use runtime::ReadFailure;
use shard::query::{self, LimitUse};
use telemetry::{NamedLimitFigures, NamedLimits};

/// How many limits `/metrics` shows.
const SHOWN_MAX: usize = 1_000;
/// How many limits are read at a time.
const READ_AT_ONCE: usize = 100;
/// How many rows of keys and of waiting tasks a scrape reads of one limit, and of all.
const ROWS_MAX: usize = 1_000;
const ROWS_OF_ALL_MAX: usize = 10_000;

pub(super) async fn put(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let name = parts::limit(parts)?;
    media::check_json(Head::read(&parts.headers)?.content_type)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let put = limit::put(&parts.headers, name, &body)?;
    drop(body);
    let mut out = Vec::with_capacity(128);
    write_settings(&mut out, put.limit.as_str(), &put.settings);
    match submit(context, parts, Command::PutLimit(put)).await? {
        Outcome::LimitPut => Ok(response::json(out)),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(super) async fn get(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let name = parts::limit(parts)?.into_owned();
    let asked = name.clone();
    let found = context
        .handle
        .read(move |snapshot| {
            let now = query::clock(&snapshot.state, snapshot.slots.first)?.elapsed;
            Ok(query::limit(&snapshot.state, &asked, limits::LIMIT_KEYS_SHOWN_MAX, now)?)
        })
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let Some(found) = found else {
        return Err(Problem::new(Code::LimitNotFound, format!("no limit is named `{name}`")));
    };
    let keys = found.keys.iter().map(|key| Key {
        key: &key.key,
        running: key.running,
        has_waiting: key.has_waiting,
        closed_ms: key.closed_ms,
    });
    let more = if found.has_more_keys { MoreKeys::Yes } else { MoreKeys::No };
    let mut out = Vec::with_capacity(128 + 64 * found.keys.len());
    write_limit(&mut out, name.as_str(), &found.settings, keys, more);
    Ok(response::json(out))
}

pub(super) async fn delete(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let name = parts::limit(parts)?;
    limit::check_delete(&parts.headers)?;
    let mut out = Vec::with_capacity(64);
    write_deleted(&mut out, name.as_str());
    let delete = DeleteLimit { limit: name.into_owned() };
    match submit(context, parts, Command::DeleteLimit(delete)).await? {
        Outcome::LimitDeleted => Ok(response::json(out)),
        outcome => Err(refused(context, &outcome, Target::Queue)),
    }
}

pub(super) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListLimits::parse(parts.uri.query())?;
    let found =
        lists::read(context, parts, &list, (LimitName::as_str, LimitName::new), |snapshot, after, max| {
            Ok(lists::whole(query::limits(&snapshot.state, after, max)?))
        });
    let mut found = found.await?.items;
    let next = end_names(&list, "/v1/limits", &mut found, None, LimitName::as_str);
    let mut out = Vec::with_capacity(64 * found.len() + 64);
    write_limits(&mut out, found.iter().map(LimitName::as_str), next.as_deref());
    Ok(response::json(out))
}

/// Reads the figures of the first limits. There are none while the node does not read.
pub(super) async fn figures(context: &Context) -> NamedLimits {
    let elapsed = context.handle.elapsed();
    let read = context.handle.read(move |snapshot| {
        let now = now(snapshot, elapsed)?;
        let (mut found, mut after, mut rows): (NamedLimits, _, _) = (NamedLimits::default(), None, 0);
        loop {
            let names = query::limits(&snapshot.state, after.as_ref(), READ_AT_ONCE)?;
            let is_last = names.len() < READ_AT_ONCE;
            after = names.last().cloned();
            for name in names {
                let rows_max = ROWS_MAX.min(ROWS_OF_ALL_MAX - rows);
                let Some(used) = query::limit_use(&snapshot.state, &name, rows_max, now)? else { continue };
                rows += used.rows;
                found.cut += u64::from(used.is_cut);
                found.limits.push(figures_of(&name, used));
            }
            if is_last || found.limits.len() >= SHOWN_MAX {
                return Ok::<_, ReadFailure>(found);
            }
        }
    });
    read.await.unwrap_or_default()
}

fn figures_of(name: &LimitName<'_>, used: LimitUse) -> NamedLimitFigures {
    NamedLimitFigures {
        limit: name.as_str().to_owned(),
        concurrency: used.settings.concurrency.map(u64::from),
        rate_burst: used.settings.rate.map(|rate| rate.burst),
        keys: used.keys,
        running: used.running,
        running_max: used.running_max,
        waiting: used.waiting,
        throttled: used.throttled,
        rate_left_min: used.rate_left_min,
    }
}
