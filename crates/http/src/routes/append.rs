//! `POST /v1/streams/{stream}/events`: appends one event, a batch or NDJSON lines, all or nothing.

use super::command::{count, refused, submit};
use super::parts;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, REPLAYED, Result};
use api::request::append::AppendHead;
use api::response::outcome::{AppendContext, write_appended};
use api::response::refusal::Target;
use axum::body::Body;
use http::header::{ETAG, HeaderValue};
use http::request;
use model::{Command, Outcome};

/// The size of a response without its events, and of each event in it.
const RESPONSE_BYTES: usize = 192;
const EVENT_BYTES: usize = 112;

pub(super) async fn respond(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let stream = parts::stream(parts)?;
    let head = AppendHead::of(&parts.headers)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let append = head.read(stream, &body)?;
    drop(body);
    let appending = AppendContext::of(&append);
    let outcome = submit(context, parts, Command::Append(append)).await?;
    let Outcome::Appended(appended) = outcome else {
        return Err(refused(context, &outcome, Target::Stream(&appending.stream)));
    };
    count(context, &appended);
    let mut out = Vec::with_capacity(RESPONSE_BYTES + EVENT_BYTES * appended.events.len());
    write_appended(&mut out, &appending, &appended);
    let mut response = response::json(out);
    if let Some(last) = appended.events.last() {
        response.headers_mut().insert(ETAG, response::etag(last.revision));
    }
    if appended.all_replayed() {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}
