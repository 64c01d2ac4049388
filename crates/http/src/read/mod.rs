//! Reading events, of one stream or of the whole store, in three forms.
//!
//! ```text
//!             query                 reader                    page     one bounded page of JSON
//!   request ─────────► Query ─────────────────────► Chunk ──► lines    NDJSON, up to what was there
//!             as_of            on the read pool,              follow   server-sent events, without end
//!                              stream or store
//! ```
//!
//! | module | what it does |
//! |---|---|
//! | [`query`] | turns a request into a [`query::Query`] |
//! | [`origin`] | decides whether a reader of another store may go on in this one |
//! | [`as_of`] | decides which moment `as_of` means, and closes it |
//! | [`chunk`] | a bounded part of what a query selects, rendered |
//! | [`reader`] | runs a query chunk by chunk on the read pool |
//! | [`stream`], [`store`] | read one chunk over a snapshot |
//! | [`framing`] | writes events and messages as bytes |
//! | [`page`], [`lines`], [`follow`] | make a response of the chunks |
//!
//! Every response holds one chunk in memory at a time, however long the read is and however slow its reader.

mod as_of;
mod chunk;
mod follow;
pub(crate) mod framing;
mod lines;
mod origin;
mod page;
mod query;
mod reader;
mod store;
mod stream;

use crate::access::Caller;
use crate::context::Context;
use crate::response::Result;
use crate::unavailable;
use api::media::{ReadForm, read_form};
use api::request::head::Head;
use api::request::query::Read;
use http::header::ACCEPT;
use http::request;
use model::StreamName;
use query::{Query, Source};
use reader::Reader;
use std::sync::Arc;

/// `GET /v1/streams/{stream}/events`
pub(crate) async fn stream(
    context: &Arc<Context>,
    parts: &request::Parts,
    name: StreamName<'static>,
) -> Result {
    let form = form(context, parts)?;
    let read = Read::of_stream(parts.uri.query(), form)?;
    let source = Source::Stream { name, order: read.order };
    respond(context, parts, form, source, read).await
}

/// `GET /v1/events`
pub(crate) async fn store(context: &Arc<Context>, parts: &request::Parts) -> Result {
    let form = form(context, parts)?;
    let mut read = Read::of_store(parts.uri.query(), form)?;
    let source = Source::Store { prefix: read.prefix.take(), caller: Caller::of(context, parts) };
    respond(context, parts, form, source, read).await
}

fn form(context: &Context, parts: &request::Parts) -> Result<ReadForm> {
    unavailable::check_readable(context)?;
    let accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    read_form(accepted)
}

async fn respond(
    context: &Arc<Context>,
    parts: &request::Parts,
    form: ReadForm,
    source: Source,
    mut read: Read,
) -> Result {
    let last_event_id = Head::read(&parts.headers)?.last_event_id()?;
    origin::check(context, &parts.headers, &read, last_event_id).await?;
    let keep_alive = read.keep_alive.unwrap_or(context.options.keep_alive);
    let name = read.reader.take();
    let query = Query::new(context, source, form, read).await?;
    let reader = Reader::new(context, query);
    match form {
        ReadForm::Json => page::respond(reader).await,
        ReadForm::Lines => lines::respond(reader).await,
        ReadForm::Follow => follow::respond(reader.resumed(last_event_id), keep_alive, name.as_deref()).await,
    }
}
