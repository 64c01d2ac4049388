//! `/v1/values/{value}`: write, read and delete a value; and the list of values.

use super::command::{refused, submit};
use super::lists;
use super::parts;
use super::watch::{self, Shown};
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, REPLAYED, Result, etag};
use crate::unavailable;
use api::contract::Operation;
use api::request::query::ListValues;
use api::request::value;
use api::response::page::{end_names, write_list};
use api::response::refusal::Target;
use api::response::value::{Seen, write_listed, write_seen, write_value};
use api::{Code, Problem};
use axum::body::Body;
use format::row::value_key;
use http::header::{ETAG, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request;
use model::{Command, Namespace, Outcome, Revision, ValueName};
use runtime::Snapshot;
use shard::query::{ListedValue, StoredValue};
use std::sync::Arc;

pub(super) async fn put(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let name = parts::value(parts)?.into_owned();
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let put = value::put(&parts.headers, name.clone(), &body)?;
    drop(body);
    let outcome = submit(context, parts, Command::PutValue(put)).await?;
    let Outcome::ValuePut { revision, replayed } = outcome else {
        return Err(refused(context, &outcome, Target::Stream(name.as_str())));
    };
    let mut response = written(name.as_str(), Some(revision));
    response.headers_mut().insert(ETAG, etag(revision));
    if replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

pub(super) async fn get(context: &Arc<Context>, parts: &request::Parts) -> Result {
    let watched = watch::asked(context, Operation::GetValue, parts)?;
    let name = parts::value(parts)?.into_owned();
    if let Some(keep_alive) = watched {
        let key = value_key(name.slot(Namespace::ROOT), Namespace::ROOT, name.as_str());
        let read = move |snapshot: &Snapshot| {
            let found = shard::query::value(&snapshot.state, &name)?;
            Ok(shown(&name, found.as_ref()))
        };
        return watch::respond(context, keep_alive, key, read).await;
    }
    unavailable::check_readable(context)?;
    let asked = name.clone();
    let found = context
        .handle
        .read(move |snapshot| Ok(shard::query::value(&snapshot.state, &asked)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let Some(found) = found else {
        return Err(Problem::new(Code::ValueNotFound, format!("no value is named `{name}`")));
    };
    // It was a header's value when it was written.
    let content_type = HeaderValue::from_str(&found.content_type)
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut response = response::whole(content_type, found.content);
    response.headers_mut().insert(ETAG, etag(found.revision));
    // The content is a client's: no browser may take it for a page of this site.
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

pub(super) async fn delete(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let name = parts::value(parts)?.into_owned();
    match submit(context, parts, Command::DeleteValue(value::delete(&parts.headers, name.clone())?)).await? {
        Outcome::ValueDeleted { last } => Ok(written(name.as_str(), last)),
        outcome => Err(refused(context, &outcome, Target::Stream(name.as_str()))),
    }
}

pub(super) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListValues::parse(parts.uri.query())?;
    let found = lists::read(context, parts, &list, (name, ValueName::new), |snapshot, after, max| {
        Ok(shard::query::values(&snapshot.state, after, max)?)
    });
    let mut found = found.await?;
    let next = end_names(&list, "/v1/values", &mut found.items, found.goes_on_after, name);
    let mut out = Vec::with_capacity(128 * found.items.len() + 64);
    write_list(&mut out, "values", &found.items, next.as_deref(), |out, value| {
        write_listed(out, value.name.as_str(), value.revision, &value.content_type, value.bytes);
    });
    Ok(response::json(out))
}

fn name(value: &ListedValue) -> &str {
    value.name.as_str()
}

fn shown(name: &ValueName<'_>, found: Option<&StoredValue>) -> Shown {
    let seen = found.map(|found| Seen {
        revision: found.revision,
        content_type: &found.content_type,
        content: &found.content,
    });
    let mut data = Vec::with_capacity(256);
    write_seen(&mut data, name.as_str(), seen);
    let version = format!("{:?}", found.map(|found| found.revision)).into_bytes();
    Shown { event: "value", data, version, look_again: None }
}

fn written(name: &str, revision: Option<Revision>) -> response::Response {
    let mut out = Vec::with_capacity(128);
    write_value(&mut out, name, revision);
    response::json(out)
}
