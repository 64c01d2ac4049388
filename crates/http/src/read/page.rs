//! One bounded page of JSON, with a link to the next one.

use super::chunk::{Budget, Chunk};
use super::query::Source;
use super::reader::Reader;
use crate::response::{self, AS_OF, JSON, Result};
use api::response::page::{StorePage, StreamPage};
use http::header::ETAG;
use model::limits;
use std::sync::Arc;

pub(super) async fn respond(mut reader: Reader) -> Result {
    let context = Arc::clone(&reader.context);
    let rendering = context.buffers.rendering().await?;
    let limit = reader.query.limit.unwrap_or(limits::PAGE_EVENTS_DEFAULT as u64);
    let chunk = reader.next(Budget::of_page(limit)).await?;
    let query = &*reader.query;
    let moment = query.as_of.as_ref().map(|as_of| as_of.moment.as_str());
    let next = (!chunk.at_end).then(|| query.link(chunk.resume));
    let Chunk { rendered, through, last, first, removed_through, .. } = chunk;
    let out = match &query.source {
        Source::Stream { name, .. } => {
            StreamPage { stream: name.as_str(), revision: last, first, as_of: moment, next }.around(rendered)
        }
        Source::Store { .. } => {
            StorePage { cursor: through, removed_through, as_of: moment, next }.around(rendered)
        }
    };
    let mut response = response::reserved(JSON, rendering.hold(out)?);
    response::insert(&mut response, AS_OF, moment);
    // The tag of the stream as it is now, for `If-Match`. An older state's tag would not match.
    if let (None, Some(revision)) = (moment, last) {
        response.headers_mut().insert(ETAG, response::etag(revision));
    }
    Ok(response)
}
