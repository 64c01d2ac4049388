//! `GET /v1/streams/{stream}/events`: a page, the whole stream as lines, or a subscription.

use super::append::etag;
use super::{check_readable, stream_of};
use crate::context::Context;
use crate::read::Budget;
use crate::read::as_of;
use crate::read::follow::{self, Followed};
use crate::read::framing::{Framing, problem_line};
use crate::read::stream::{StreamChunk, StreamRead, read_chunk};
use crate::response::{self, Aborted, JSON, LINES, Result};
use crate::unavailable;
use api::media::{ReadForm, read_form};
use api::request::head::Head;
use api::request::query::{Direction, ReadStream, StreamStart};
use api::response::page::{Link, StreamPage};
use bytes::Bytes;
use futures_util::stream as futures_stream;
use http::header::{ACCEPT, ETAG};
use http::request;
use model::{Cursor, Revision, limits};
use std::sync::Arc;

pub(super) async fn answer(context: &Arc<Context>, parts: &request::Parts) -> Result {
    check_readable(context)?;
    let accepted = parts.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = read_form(accepted)?;
    let mut query = ReadStream::parse(parts.uri.query(), form)?;
    let last_event_id = Head::read(&parts.headers)?.last_event_id()?;
    if form == ReadForm::Follow
        && let Some(cursor) = last_event_id
    {
        query.start = StreamStart::After(cursor);
    }
    let until = as_of::resolve(context, query.as_of).await?;
    let read = StreamRead {
        stream: stream_of(parts)?.into_owned(),
        start: query.start,
        direction: query.direction,
        until,
        happened_by: query.as_of_event_time.map(api::time::Moment::through_millisecond),
        framing: match form {
            ReadForm::Json => Framing::Items,
            ReadForm::Lines => Framing::Lines,
            ReadForm::Follow => Framing::Messages,
        },
    };
    match form {
        ReadForm::Json => page(context, read, &query).await,
        ReadForm::Lines => lines(context, read, query.limit.unwrap_or(u64::MAX)).await,
        ReadForm::Follow => {
            let from = match read.start {
                StreamStart::After(cursor) => cursor,
                StreamStart::End => *context.handle.visible().borrow(),
                StreamStart::Whole | StreamStart::From(_) => Cursor::START,
            };
            follow::answer(context, Followed::Stream { read, next: None }, from).await
        }
    }
}

async fn page(context: &Context, read: StreamRead, query: &ReadStream) -> Result {
    let limit = query.limit.unwrap_or(limits::PAGE_EVENTS_DEFAULT as u64);
    let budget = Budget {
        events: limit,
        examined_bytes: limits::PAGE_BYTES_EXAMINED_MAX,
        rendered_bytes: limits::PAGE_BYTES_EXAMINED_MAX,
    };
    let stream = read.stream.clone();
    let until = read.until;
    let chunk = next_chunk(context, read, None, budget).await?;
    let next = chunk.next.map(|revision| {
        let link = Link::stream_events(stream.as_str()).with("from", &revision.to_string());
        let link = match query.direction {
            Direction::Forward => link,
            Direction::Backward => link.with("direction", "backward"),
        };
        link.with_some("limit", query.limit.map(|limit| limit.to_string()).as_deref())
            .with_some("as_of", until.map(|cursor| cursor.to_string()).as_deref())
            .with_some("as_of_event_time", query.as_of_event_time.map(super::written).as_deref())
            .into_text()
    });
    let page = StreamPage { stream: stream.as_str(), revision: chunk.last, first: chunk.first, next };
    let mut out = Vec::new();
    page.write(&mut out, &chunk.rendered);
    drop(chunk.rendered);
    let reservation = context.buffers.reserve_now(out.len())?;
    let mut answer = response::whole(JSON, reservation.hold(out));
    // The tag of what the stream is now, for `If-Match`; as of another moment it would be refused anyway.
    if let (Some(revision), None) = (chunk.last, until) {
        answer.headers_mut().insert(ETAG, etag(revision));
    }
    Ok(answer)
}

/// The whole stream, one chunk in memory at a time, up to where it was when the answer began.
async fn lines(context: &Arc<Context>, mut read: StreamRead, limit: u64) -> Result {
    let first = next_chunk(context, read.clone(), None, Budget::of_part(limit)).await?;
    if first.next.is_none() || first.events >= limit {
        let reservation = context.buffers.reserve_now(first.rendered.len())?;
        return Ok(response::whole(LINES, reservation.hold(first.rendered)));
    }
    read.until = Some(read.until.unwrap_or(first.snapshot));
    let lines = Lines { context: Arc::clone(context), read, left: limit, next: None };
    let parts = futures_stream::unfold((Some(first), lines), |(chunk, mut lines)| async move {
        let chunk = match chunk {
            Some(first) => first,
            None => match lines.more().await? {
                Ok(chunk) => chunk,
                Err(part) => return Some((Ok(part), (None, lines))),
            },
        };
        lines.next = chunk.next;
        lines.left -= chunk.events;
        let reservation = lines.context.buffers.reserve(chunk.rendered.len()).await?;
        Some((Ok::<_, Aborted>(reservation.hold(chunk.rendered)), (None, lines)))
    });
    Ok(response::parts(LINES, parts))
}

struct Lines {
    context: Arc<Context>,
    read: StreamRead,
    left: u64,
    next: Option<Revision>,
}

impl Lines {
    /// The next chunk, or the last line when there can be none; `None` at the end.
    async fn more(&mut self) -> Option<std::result::Result<StreamChunk, Bytes>> {
        if self.left == 0 {
            return None;
        }
        let next = self.next.take()?;
        let chunk =
            next_chunk(&self.context, self.read.clone(), Some(next), Budget::of_part(self.left)).await;
        Some(chunk.map_err(|problem| Bytes::from(problem_line(&problem))))
    }
}

async fn next_chunk(
    context: &Context,
    read: StreamRead,
    resume: Option<Revision>,
    budget: Budget,
) -> Result<StreamChunk> {
    context
        .handle
        .read(move |snapshot| read_chunk(snapshot, &read, resume, budget))
        .await
        .map_err(|error| unavailable::read_problem(&error))?
}
