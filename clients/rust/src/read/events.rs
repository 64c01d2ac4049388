//! A read as a stream of events: one long response, resumed after the last event when its connection breaks.

use super::{Direction, Read, Scope};
use crate::client::{decode, problem_within};
use crate::error::{Error, Result};
use crate::event::{Cursor, RecordedEvent, Revision};
use crate::feed::{Failure, Feed};
use crate::line_buffer::LineBuffer;
use crate::retry::Attempts;
use crate::transport::Repeat;
use bytes::Bytes;
use futures_core::Stream;
use serde::Deserialize;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The events of a read, each as the JSON text that the server sent. See [`Read::lines`].
///
/// It ends after the last event, and after an error. Dropping a future that waits for the next line loses
/// nothing.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct Lines {
    /// What is left to read.
    rest: Read,
    feed: Feed,
    buffer: LineBuffer,
    /// The last line returned since the response began.
    last: Option<Bytes>,
    /// Failures since the last line.
    attempts: Option<Attempts>,
    ended: bool,
}

impl Lines {
    pub(super) fn new(read: Read) -> Self {
        let (client, call) = (read.client.clone(), read.call(NDJSON));
        let mut feed = Feed::default();
        feed.open(async move { client.open(&call, client.shared.retries.begin()).await });
        Self { rest: read, feed, buffer: LineBuffer::default(), last: None, attempts: None, ended: false }
    }

    /// The next line, or `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        loop {
            let error = match std::task::ready!(self.poll_received(context)) {
                Ok(Some(line)) => {
                    self.last = Some(line.clone());
                    self.attempts = None;
                    self.rest.limit = self.rest.limit.map(|left| left.saturating_sub(1));
                    return Poll::Ready(Ok(Some(line)));
                }
                Ok(None) => return Poll::Ready(Ok(None)),
                Err(Failure::Broken(error)) if error.is_retryable() => error,
                // The client has already retried the opening.
                Err(Failure::Broken(error) | Failure::NotOpened(error)) => return Poll::Ready(Err(error)),
            };
            if !self.resume(error)? {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// The next line of the current response.
    fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Failure>> {
        let broken = |error| Poll::Ready(Err(Failure::Broken(error)));
        loop {
            match self.buffer.line() {
                Some(line) if line.is_empty() => {}
                Some(line) if line.starts_with(PROBLEM_LINE) => return broken(problem_within(&line)),
                Some(line) => return Poll::Ready(Ok(Some(line))),
                None => match std::task::ready!(self.feed.poll_part(context))? {
                    Some(part) => self.buffer.push(&part),
                    None if self.buffer.rest().is_some() => {
                        return broken(Error::Response("its last line is incomplete".into()));
                    }
                    None => return Poll::Ready(Ok(None)),
                },
            }
        }
    }

    /// Requests the events after the last line. False when no event can follow it.
    fn resume(&mut self, error: Error) -> Result<bool> {
        self.buffer.clear();
        if let Some(line) = self.last.take()
            && !self.rest.skip_to_after(&line)?
        {
            return Ok(false);
        }
        let (client, call) = (self.rest.client.clone(), self.rest.call(NDJSON));
        let attempts = self.attempts.unwrap_or_else(|| client.shared.retries.begin()).failed();
        self.attempts = Some(attempts);
        self.feed.open(async move {
            client.shared.retries.wait(attempts, Repeat::Always, error).await?;
            client.open(&call, attempts).await
        });
        Ok(true)
    }
}

/// The beginning of a line that is a problem and not an event.
const PROBLEM_LINE: &[u8] = b"{\"problem\":";

const NDJSON: &str = "application/x-ndjson";

impl Read {
    /// Moves the beginning to after the event in `line`. False when nothing can come after it.
    fn skip_to_after(&mut self, line: &[u8]) -> Result<bool> {
        #[derive(Deserialize)]
        struct Location {
            revision: Revision,
            cursor: Cursor,
        }
        let location: Location = decode(line)?;
        match (&self.scope, self.direction) {
            (Scope::Store, _) => self.after = Some(location.cursor),
            (Scope::Stream(_), Direction::Forward) => {
                self.from = Some(Revision(location.revision.0.saturating_add(1)));
                self.after = None;
            }
            (Scope::Stream(_), Direction::Backward) => match location.revision.0.checked_sub(1) {
                Some(before) => self.from = Some(Revision(before)),
                None => return Ok(false),
            },
        }
        Ok(self.limit != Some(0))
    }
}

impl Stream for Lines {
    type Item = Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let lines = self.get_mut();
        if lines.ended {
            return Poll::Ready(None);
        }
        let line = std::task::ready!(lines.poll_line(context));
        lines.ended = !matches!(line, Ok(Some(_)));
        Poll::Ready(line.transpose())
    }
}

/// The events of a read, one after the other. See [`Read::events`].
///
/// It ends after the last event, and after an error. Dropping a future that waits for the next event loses
/// nothing.
#[derive(Debug)]
#[must_use = "a stream does nothing until it is polled"]
pub struct Events {
    lines: Lines,
}

impl Events {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines }
    }

    /// The next event, or `None` at the end.
    pub async fn next(&mut self) -> Option<Result<RecordedEvent>> {
        self.lines.next().await.map(|line| line.and_then(|line| decode(&line)))
    }
}

impl Stream for Events {
    type Item = Result<RecordedEvent>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let line = Pin::new(&mut self.lines).poll_next(context);
        line.map(|line| line.map(|line| line.and_then(|line| decode(&line))))
    }
}
