//! Subscriptions: existing events, then new ones as they are recorded, across broken connections.
//!
//! ```text
//!            connect              head
//!   closed ───────────► opening ───────► open ───► message: event      -> returned
//!     ▲                    │               │       message: progress   -> moves the checkpoint
//!     │                    │ fails         │ breaks, ends, is silent, message: problem
//!     │                    ▼               ▼
//!     └──── backoff ──── retryable? ─── no ──► ended: the error is returned, then None
//! ```
//!
//! The server sends each event's cursor as the message's id. After a break the client continues after the
//! last id (`Last-Event-ID`), so each event is returned once. A subscription retries without end, at most
//! `backoff_max` apart; only an error that a retry cannot fix ends it.

pub(crate) mod sse;

use crate::client::decode;
use crate::error::{Error, Problem, Result};
use crate::event::{Cursor, RecordedEvent};
use crate::feed::{Failure, Feed};
use crate::read::Read;
use bytes::Bytes;
use futures_core::Stream;
use http::HeaderName;
use serde::Deserialize;
use sse::{Message, Parser};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Called after each break, with its reason and the wait before the next attempt.
type OnBreak = Box<dyn FnMut(&Error, Duration) + Send>;

/// A subscription: a stream of events that ends only with an error. See [`Read::follow`].
///
/// Dropping a future that waits for the next event loses nothing, so `next` can be used in `select!` or under
/// a timeout.
///
/// ```no_run
/// # async fn example(client: mainstay_client::Client) -> Result<(), mainstay_client::Error> {
/// let mut events = client.read_all().prefix("cart-").follow();
/// while let Some(event) = events.next().await {
///     let event = event?;
///     println!("{} {}", event.cursor, event.event_type);
/// }
/// # Ok(()) }
/// ```
#[must_use = "a stream does nothing until it is polled"]
pub struct Follow {
    read: Read,
    feed: Feed,
    messages: Parser,
    checkpoint: Option<Cursor>,
    /// Failures since the last message.
    failures: u32,
    on_break: Option<OnBreak>,
    ended: bool,
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("read", &self.read)
            .field("feed", &self.feed)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl Follow {
    pub(crate) fn new(read: Read) -> Self {
        let checkpoint = read.after.clone();
        let mut follow = Self {
            read,
            feed: Feed::default(),
            messages: Parser::default(),
            checkpoint,
            failures: 0,
            on_break: None,
            ended: false,
        };
        follow.connect(Duration::ZERO);
        follow
    }

    /// Calls `on_break` after each break, with its reason and the wait before the next attempt.
    pub fn on_break(mut self, on_break: impl FnMut(&Error, Duration) + Send + 'static) -> Self {
        self.on_break = Some(Box::new(on_break));
        self
    }

    /// The cursor up to which everything has been returned. Save it, and pass it to [`Read::after`] to
    /// continue from there.
    ///
    /// With a filter it also advances past events that do not match, so it may be ahead of the last event.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&Cursor> {
        self.checkpoint.as_ref()
    }

    /// The next event. `None` only after an error.
    pub async fn next(&mut self) -> Option<Result<RecordedEvent>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// The next event as the JSON text that the server sent. `None` only after an error.
    pub async fn next_line(&mut self) -> Option<Result<Bytes>> {
        poll_fn(|context| self.poll_line(context)).await
    }

    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        while !self.ended {
            let error = match std::task::ready!(self.poll_message(context)) {
                Ok(message) => match self.take(message) {
                    Ok(Some(line)) => return Poll::Ready(Some(Ok(line))),
                    Ok(None) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if let Err(error) = self.retry(error) {
                self.ended = true;
                return Poll::Ready(Some(Err(error)));
            }
        }
        Poll::Ready(None)
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Message>> {
        loop {
            if let Some(message) = self.messages.message() {
                return Poll::Ready(Ok(message));
            }
            match std::task::ready!(self.feed.poll_part(context)) {
                Ok(Some(part)) => self.messages.push(&part),
                Err(Failure::NotOpened(error) | Failure::Broken(error)) => return Poll::Ready(Err(error)),
                Ok(None) => return Poll::Ready(Err(Error::Broken("the node ended the subscription".into()))),
            }
        }
    }

    /// The event in `message`, if it is one.
    fn take(&mut self, message: Message) -> Result<Option<Bytes>> {
        #[derive(Deserialize)]
        struct Progress {
            cursor: Cursor,
        }
        self.failures = 0;
        if message.event == "problem" {
            return Err(Error::Problem(Box::new(Problem::from_response(0, &message.data))));
        }
        let has_id = message.id.is_some();
        if let Some(id) = message.id {
            self.checkpoint = Some(Cursor(id));
        }
        match message.event.as_str() {
            "message" | "event" => return Ok(Some(message.data)),
            "progress" if !has_id => {
                let progress: Progress = decode(&message.data)?;
                self.checkpoint = Some(progress.cursor);
            }
            // Kinds that later servers add.
            _ => {}
        }
        Ok(None)
    }

    fn connect(&mut self, wait: Duration) {
        let mut call = self.read.call("text/event-stream");
        // The query has the first checkpoint; a later one overrides it.
        if let Some(cursor) =
            self.checkpoint.as_ref().filter(|cursor| self.read.after.as_ref() != Some(cursor))
        {
            call = call.header(LAST_EVENT_ID, cursor.to_string()).of_store(&self.read.client);
        }
        let client = self.read.client.clone();
        self.feed.open(async move {
            tokio::time::sleep(wait).await;
            client.send_once(&call).await
        });
    }

    /// Prepares the next attempt, or returns the error if a retry cannot fix it.
    fn retry(&mut self, error: Error) -> Result<()> {
        self.messages.cut();
        self.feed = Feed::Closed;
        if !error.is_retryable() {
            return Err(error);
        }
        self.failures = self.failures.saturating_add(1);
        let wait = self.read.client.shared.retries.backoff(self.failures, &error);
        if let Some(on_break) = &mut self.on_break {
            on_break(&error, wait);
        }
        self.connect(wait);
        Ok(())
    }
}

impl Stream for Follow {
    type Item = Result<RecordedEvent>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let line = self.get_mut().poll_line(context);
        line.map(|line| line.map(|line| line.and_then(|line| decode(&line))))
    }
}
