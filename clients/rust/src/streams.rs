//! Streams as a whole: listing them, their settings, deleting them.

use crate::client::{Client, Query, stream_path};
use crate::error::{Error, Result};
use crate::event::{Expected, Revision};
use crate::transport::{Call, Repeat};
use futures_core::Stream;
use http::Method;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A stream in a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct StreamSummary {
    pub stream: String,
    /// The first revision that the stream still holds; `None` when it holds no events.
    pub first: Option<Revision>,
    /// The last event's revision.
    pub revision: Option<Revision>,
}

/// The most streams that a page may hold.
const PAGE_STREAMS: u32 = 1_000;

#[derive(Debug, Deserialize)]
struct StreamPage {
    streams: Vec<StreamSummary>,
    /// The path of the next page; `None` on the last one.
    next: Option<String>,
}

/// What a stream keeps. `None` sets no limit.
///
/// ```
/// use mainstay_client::Settings;
///
/// let settings = Settings::default().max_age("30d").max_count(1_000);
/// assert_eq!(settings.max_count, Some(1_000));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Settings {
    /// Events recorded longer ago than this are removed: a number and `ms`, `s`, `m`, `h`, `d` or `w`.
    #[serde(default)]
    pub max_age: Option<String>,
    /// Only this many of the newest events are kept.
    #[serde(default)]
    pub max_count: Option<u64>,
    /// Events below this revision are removed.
    #[serde(default)]
    pub truncate_before: Option<Revision>,
}

impl Settings {
    /// Sets [`Self::max_age`].
    #[must_use]
    pub fn max_age(self, max_age: impl Into<String>) -> Self {
        Self { max_age: Some(max_age.into()), ..self }
    }

    /// Sets [`Self::max_count`].
    #[must_use]
    pub fn max_count(self, max_count: u64) -> Self {
        Self { max_count: Some(max_count), ..self }
    }

    /// Sets [`Self::truncate_before`].
    #[must_use]
    pub fn truncate_before(self, revision: Revision) -> Self {
        Self { truncate_before: Some(revision), ..self }
    }
}

/// The streams of a store, in no particular order. See [`Client::streams`].
#[must_use = "a stream does nothing until it is polled"]
pub struct Streams {
    client: Client,
    page: std::vec::IntoIter<StreamSummary>,
    next: Next,
}

/// Where the next page comes from.
enum Next {
    At(String),
    Loading(Pin<Box<dyn Future<Output = Result<StreamPage>> + Send>>),
    End,
}

impl fmt::Debug for Streams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streams").field("page", &self.page).finish_non_exhaustive()
    }
}

impl Client {
    /// Lists the streams whose names begin with `prefix`; the empty prefix lists all.
    pub fn streams(&self, prefix: &str) -> Streams {
        let mut query = Query::default();
        query.push_some("prefix", Some(prefix).filter(|prefix| !prefix.is_empty()));
        query.push("limit", PAGE_STREAMS);
        let next = Next::At(query.on("/v1/streams"));
        Streams { client: self.clone(), page: Vec::new().into_iter(), next }
    }

    /// Reads a stream's settings.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn settings(&self, stream: &str) -> Result<Settings> {
        self.call_json(&Call::get(stream_path(stream, "/settings"))).await
    }

    /// Replaces all of a stream's settings. The stream need not exist yet.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn put_settings(&self, stream: &str, settings: &Settings) -> Result<()> {
        let body = serde_json::to_vec(settings).map_err(Error::Encode)?;
        let call = Call::new(Method::PUT, stream_path(stream, "/settings")).body("application/json", body);
        self.call(&call).await.map(drop)
    }

    /// Removes a stream's events for good. Its revisions are never used again.
    ///
    /// With an expected revision, the client does not retry after an error that leaves the outcome unknown: a
    /// retry might find the stream already deleted and report a wrong revision.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_wrong_revision`] when the stream is not as expected.
    pub async fn delete(&self, stream: &str, expected: Expected) -> Result<()> {
        let repeat = if expected == Expected::Any { Repeat::Always } else { Repeat::IfUnchanged };
        let call = Call::new(Method::DELETE, stream_path(stream, "")).expecting(expected).repeat(repeat);
        self.call(&call).await.map(drop)
    }
}

impl Streams {
    /// The next stream, or `None` at the end.
    pub async fn next(&mut self) -> Option<Result<StreamSummary>> {
        poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }
}

impl Stream for Streams {
    type Item = Result<StreamSummary>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let streams = self.get_mut();
        loop {
            if let Some(stream) = streams.page.next() {
                return Poll::Ready(Some(Ok(stream)));
            }
            match &mut streams.next {
                Next::End => return Poll::Ready(None),
                Next::At(path) => {
                    let (client, call) = (streams.client.clone(), Call::get(std::mem::take(path)));
                    streams.next = Next::Loading(Box::pin(async move { client.call_json(&call).await }));
                }
                Next::Loading(loading) => {
                    let page = ready!(loading.as_mut().poll(context));
                    streams.next = Next::End;
                    match page {
                        Err(error) => return Poll::Ready(Some(Err(error))),
                        Ok(page) => {
                            streams.page = page.streams.into_iter();
                            streams.next = page.next.map_or(Next::End, Next::At);
                        }
                    }
                }
            }
        }
    }
}
