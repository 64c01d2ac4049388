//! `/v1/values/{value}`: write, read and delete a value.

use super::command::{refused, submit};
use super::parts;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, REPLAYED, Result, etag};
use crate::unavailable;
use api::request::value;
use api::response::refusal::Target;
use api::response::value::write_value;
use api::{Code, Problem};
use bytes::Bytes;
use http::header::{ETAG, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::request;
use http_body::Body;
use model::{Command, Outcome, Revision};

pub(super) async fn put<B>(context: &Context, parts: &request::Parts, body: &mut B) -> Result
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    parts::no_query(parts)?;
    let name = parts::value(parts)?.into_owned();
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let put = value::put(&parts.headers, name.clone(), &body)?;
    drop(body);
    let outcome = submit(context, Command::PutValue(put)).await?;
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

pub(super) async fn get(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let name = parts::value(parts)?.into_owned();
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
    match submit(context, Command::DeleteValue(value::delete(&parts.headers, name.clone())?)).await? {
        Outcome::ValueDeleted { last } => Ok(written(name.as_str(), last)),
        outcome => Err(refused(context, &outcome, Target::Stream(name.as_str()))),
    }
}

fn written(name: &str, revision: Option<Revision>) -> response::Response {
    let mut out = Vec::with_capacity(128);
    write_value(&mut out, name, revision);
    response::json(out)
}
