//! Everything that a query selects, as NDJSON, up to what was there when the response began.

use super::chunk::{Budget, Chunk};
use super::reader::Reader;
use crate::response::{self, AS_OF, Aborted, CURSOR, LINES, REMOVED_THROUGH, Response, Result, problem_line};
use bytes::Bytes;
use futures_util::stream as futures_stream;

pub(super) async fn respond(mut reader: Reader) -> Result {
    let limit = reader.query.limit.unwrap_or(u64::MAX);
    let first = reader.next(Budget::of_part(limit)).await?;
    let (until, removed_through) = (first.until, first.removed_through);
    let moment = reader.query.as_of.as_ref().map(|as_of| as_of.moment.clone());
    let mut response = if first.at_end || first.events >= limit {
        let reserved = reader.context.buffers.reserve_now(first.rendered.len())?;
        response::reserved(LINES, reserved.hold(first.rendered))
    } else {
        reader.end_at(first.until);
        streamed(Lines { reader, left: limit, ended: false }, first)
    };
    response::insert(&mut response, CURSOR, Some(until));
    response::insert(&mut response, REMOVED_THROUGH, removed_through);
    response::insert(&mut response, AS_OF, moment);
    Ok(response)
}

/// `first` and all that follows it, one chunk in memory at a time.
fn streamed(lines: Lines, first: Chunk) -> Response {
    let parts = futures_stream::unfold((Some(first), lines), |(first, mut lines)| async move {
        let chunk = match first {
            Some(first) => lines.count(first),
            None => match lines.next().await? {
                Ok(chunk) => chunk,
                Err(last_line) => return Some((Ok(last_line), (None, lines))),
            },
        };
        let reserved = lines.reader.context.buffers.reserve(chunk.rendered.len()).await?;
        Some((Ok::<_, Aborted>(reserved.hold(chunk.rendered)), (None, lines)))
    });
    response::parts(LINES, parts)
}

struct Lines {
    reader: Reader,
    /// How many events may still be sent.
    left: u64,
    ended: bool,
}

impl Lines {
    /// The next chunk that has an event, or the last line if reading fails; `None` at the end.
    async fn next(&mut self) -> Option<std::result::Result<Chunk, Bytes>> {
        while !self.ended {
            match self.reader.next(Budget::of_part(self.left)).await {
                Ok(chunk) => {
                    let chunk = self.count(chunk);
                    if !chunk.rendered.is_empty() {
                        return Some(Ok(chunk));
                    }
                }
                Err(problem) => {
                    self.ended = true;
                    return Some(Err(Bytes::from(problem_line(&problem))));
                }
            }
        }
        None
    }

    fn count(&mut self, chunk: Chunk) -> Chunk {
        self.left = self.left.saturating_sub(chunk.events);
        self.ended = chunk.at_end || self.left == 0;
        chunk
    }
}
