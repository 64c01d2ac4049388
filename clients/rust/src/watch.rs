//! Watches: the state of one thing as it is, and again after each change, across broken connections.
//!
//! The first message of a connection is the state as it is, so a break needs no checkpoint: what has changed meanwhile is
//! in that message.

use crate::client::{Client, decode};
use crate::error::{Error, Problem, Result};
use crate::feed::{Failure, Feed};
use crate::follow::sse::{Message, Parser};
use crate::transport::Call;
use futures_core::Stream;
use http::header::ACCEPT;
use serde::de::DeserializeOwned;
use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A watch: a stream that ends only with an error that a retry cannot fix. See [`Client::watch_value`] and
/// [`Client::watch_lease`].
///
/// Dropping a future that waits for the next change loses nothing, so `next` can be used in `select!` or under a timeout.
#[must_use = "a stream does nothing until it is polled"]
pub struct Watch<T> {
    client: Client,
    path: String,
    /// The name of the messages that show the state.
    event: &'static str,
    feed: Feed,
    messages: Parser,
    /// Failures since the last message.
    failures: u32,
    ended: bool,
    shows: PhantomData<fn() -> T>,
}

impl<T> fmt::Debug for Watch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("path", &self.path).field("feed", &self.feed).finish_non_exhaustive()
    }
}

impl<T: DeserializeOwned> Watch<T> {
    pub(crate) fn new(client: Client, path: String, event: &'static str) -> Self {
        let mut watch = Self {
            client,
            path,
            event,
            feed: Feed::default(),
            messages: Parser::default(),
            failures: 0,
            ended: false,
            shows: PhantomData,
        };
        watch.connect(Duration::ZERO);
        watch
    }

    /// The state as it is, and then after each change. After a break, it may be returned once more although it has not
    /// changed. `None` only after an error.
    pub async fn next(&mut self) -> Option<Result<T>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    fn connect(&mut self, wait: Duration) {
        let call = Call::get(self.path.clone()).header(ACCEPT, "text/event-stream");
        let client = self.client.clone();
        self.feed.open(async move {
            tokio::time::sleep(wait).await;
            client.send_once(&call).await
        });
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Result<Message>> {
        loop {
            if let Some(message) = self.messages.message() {
                return Poll::Ready(match message.event.as_str() {
                    "problem" => Err(Error::Problem(Box::new(Problem::from_response(0, &message.data)))),
                    _ => Ok(message),
                });
            }
            match ready!(self.feed.poll_part(context)) {
                Ok(Some(part)) => self.messages.push(&part),
                Err(Failure::NotOpened(error) | Failure::Broken(error)) => return Poll::Ready(Err(error)),
                Ok(None) => return Poll::Ready(Err(Error::Broken("the node ended the watch".into()))),
            }
        }
    }
}

impl<T: DeserializeOwned> Stream for Watch<T> {
    type Item = Result<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let watch = self.get_mut();
        while !watch.ended {
            match ready!(watch.poll_message(context)) {
                Ok(message) if message.event == watch.event => {
                    watch.failures = 0;
                    return Poll::Ready(Some(decode(&message.data)));
                }
                // The end, and kinds that later servers add.
                Ok(_) => {}
                Err(error) if error.is_retryable() => {
                    watch.messages.cut();
                    watch.failures = watch.failures.saturating_add(1);
                    let wait = watch.client.shared.retries.backoff(watch.failures, &error);
                    watch.connect(wait);
                }
                Err(error) => {
                    watch.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        Poll::Ready(None)
    }
}
