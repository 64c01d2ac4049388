//! `GET /v1/events`: the whole store by cursor; a page, all of it as lines, or a subscription.

use super::check_readable;
use crate::context::Context;
use crate::read::Budget;
use crate::read::as_of;
use crate::read::follow::{self, Followed};
use crate::read::framing::{Framing, problem_line};
use crate::read::store::{StoreChunk, StoreRead, read_chunk};
use crate::response::{self, Aborted, CURSOR, JSON, LINES, REMOVED_THROUGH, Result};
use crate::unavailable;
use api::media::{ReadForm, read_form};
use api::request::head::Head;
use api::request::query::{ReadStore, StoreStart};
use api::response::page::{Link, StorePage};
use bytes::Bytes;
use futures_util::stream as futures_stream;
use http::header::{ACCEPT, HeaderValue};
use http::request;
use model::{Cursor, limits};
use std::sync::Arc;

pub(super) async fn answer(context: &Arc<Context>, parts: &request::Parts) -> Result {
    check_readable(context)?;
    let accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = read_form(accepted)?;
    let query = ReadStore::parse(parts.uri.query(), form)?;
    let last_event_id = Head::read(&parts.headers)?.last_event_id()?;
    let until = as_of::resolve(context, query.as_of).await?;
    let read = StoreRead {
        prefix: query.prefix.clone(),
        types: query.types.clone(),
        happened_by: query.as_of_event_time.map(api::time::Moment::through_millisecond),
        framing: match form {
            ReadForm::Json => Framing::Items,
            ReadForm::Lines => Framing::Lines,
            ReadForm::Follow => Framing::Messages,
        },
    };
    let after = match query.start {
        StoreStart::Whole => Cursor::START,
        StoreStart::After(cursor) => cursor,
        StoreStart::End => *context.handle.visible().borrow(),
    };
    match form {
        ReadForm::Json => page(context, read, after, until, &query).await,
        ReadForm::Lines => lines(context, read, after, until, query.limit.unwrap_or(u64::MAX)).await,
        ReadForm::Follow => {
            let after = last_event_id.unwrap_or(after);
            follow::answer(context, Followed::Store { read, after }, after).await
        }
    }
}

async fn page(
    context: &Context,
    read: StoreRead,
    after: Cursor,
    until: Option<Cursor>,
    query: &ReadStore,
) -> Result {
    let budget = Budget {
        events: query.limit.unwrap_or(limits::PAGE_EVENTS_DEFAULT as u64),
        examined_bytes: limits::PAGE_BYTES_EXAMINED_MAX,
        rendered_bytes: limits::PAGE_BYTES_EXAMINED_MAX,
    };
    let chunk = next_chunk(context, read, after, until, budget).await?;
    let next = (!chunk.at_end && chunk.through < chunk.until).then(|| {
        let link = Link::path("/v1/events")
            .with("after", &chunk.through.to_string())
            .with_some("prefix", query.prefix.as_deref())
            .with_some("limit", query.limit.map(|limit| limit.to_string()).as_deref())
            .with_some("as_of", until.map(|cursor| cursor.to_string()).as_deref())
            .with_some("as_of_event_time", query.as_of_event_time.map(super::written).as_deref());
        query.types.iter().fold(link, |link, wanted| link.with("type", wanted)).into_text()
    });
    let page = StorePage { cursor: chunk.through, removed_through: chunk.removed_through, next };
    let mut out = Vec::new();
    page.write(&mut out, &chunk.rendered);
    drop(chunk.rendered);
    let reservation = context.buffers.reserve_now(out.len())?;
    Ok(response::whole(JSON, reservation.hold(out)))
}

/// All of it, one chunk in memory at a time, up to what was there when the answer began.
async fn lines(
    context: &Arc<Context>,
    read: StoreRead,
    after: Cursor,
    until: Option<Cursor>,
    limit: u64,
) -> Result {
    let first = next_chunk(context, read.clone(), after, until, Budget::of_part(limit)).await?;
    let (end, removed_through) = (first.until, first.removed_through);
    let mut answer = if first.at_end || first.events >= limit {
        let reservation = context.buffers.reserve_now(first.rendered.len())?;
        response::whole(LINES, reservation.hold(first.rendered))
    } else {
        let lines = Lines { context: Arc::clone(context), read, after: Some(after), until: end, left: limit };
        let parts = futures_stream::unfold((Some(first), lines), |(chunk, mut lines)| async move {
            let chunk = match chunk {
                Some(first) => first,
                None => match lines.more().await? {
                    Ok(chunk) => chunk,
                    Err(part) => return Some((Ok(part), (None, lines))),
                },
            };
            lines.after = (!chunk.at_end).then_some(chunk.through);
            lines.left -= chunk.events;
            let reservation = lines.context.buffers.reserve(chunk.rendered.len()).await?;
            Some((Ok::<_, Aborted>(reservation.hold(chunk.rendered)), (None, lines)))
        });
        response::parts(LINES, parts)
    };
    let header =
        |cursor: Cursor| HeaderValue::from_str(&cursor.to_string()).unwrap_or(HeaderValue::from_static(""));
    answer.headers_mut().insert(CURSOR, header(end));
    if let Some(cursor) = removed_through {
        answer.headers_mut().insert(REMOVED_THROUGH, header(cursor));
    }
    Ok(answer)
}

struct Lines {
    context: Arc<Context>,
    read: StoreRead,
    after: Option<Cursor>,
    until: Cursor,
    left: u64,
}

impl Lines {
    /// The next chunk with an event in it, or the last line when there can be none; `None` at the end.
    async fn more(&mut self) -> Option<std::result::Result<StoreChunk, Bytes>> {
        loop {
            if self.left == 0 {
                return None;
            }
            let after = self.after.take()?;
            let chunk = next_chunk(
                &self.context,
                self.read.clone(),
                after,
                Some(self.until),
                Budget::of_part(self.left),
            )
            .await;
            match chunk {
                // An empty part would end nothing and say nothing.
                Ok(chunk) if chunk.rendered.is_empty() => {
                    self.after = (!chunk.at_end).then_some(chunk.through)
                }
                chunk => return Some(chunk.map_err(|problem| Bytes::from(problem_line(&problem)))),
            }
        }
    }
}

async fn next_chunk(
    context: &Context,
    read: StoreRead,
    after: Cursor,
    until: Option<Cursor>,
    budget: Budget,
) -> Result<StoreChunk> {
    context
        .handle
        .read(move |snapshot| read_chunk(snapshot, &read, after, until, budget))
        .await
        .map_err(|error| unavailable::read_problem(&error))?
}
