//! `/v1/limits/{limit}`: write, read and delete a limit; and the list of limits.

use super::command::{refused, submit};
use super::lists;
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
use bytes::Bytes;
use http::request;
use http_body::Body;
use model::{Command, DeleteLimit, LimitName, Outcome, limits};
use shard::query;

pub(super) async fn put<B>(context: &Context, parts: &request::Parts, body: &mut B) -> Result
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
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
