//! Streams as a whole: their list, what they keep, their deletion.

use crate::client::{Client, Query, stream_path};
use crate::error::{Error, Result};
use crate::event::{Expected, Revision};
use crate::transport::Call;
use http::Method;
use serde::{Deserialize, Serialize};

/// One stream of a list.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct StreamSummary {
    pub stream: String,
    /// The first revision that is still kept; `None` when the stream holds no events.
    pub first: Option<Revision>,
    /// The last event's revision.
    pub revision: Option<Revision>,
}

/// As many as a page may hold.
const PAGE_STREAMS: u32 = 1_000;

#[derive(Debug, Deserialize)]
struct StreamPage {
    streams: Vec<StreamSummary>,
    /// The path of the next page; `None` on the last one.
    next: Option<String>,
}

/// What a stream keeps. What is `None` keeps everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Settings {
    /// Events recorded longer ago than this are removed: a number and `ms`, `s`, `m`, `h`, `d` or `w`.
    #[serde(default)]
    pub max_age: Option<String>,
    /// Only the newest so many events are kept.
    #[serde(default)]
    pub max_count: Option<u64>,
    /// Events below this revision are removed.
    #[serde(default)]
    pub truncate_before: Option<Revision>,
}

/// The streams of a store, page by page behind an iterator. Their order is the store's own.
#[derive(Debug)]
pub struct Streams {
    client: Client,
    page: std::vec::IntoIter<StreamSummary>,
    next: Option<String>,
}

impl Client {
    /// The streams whose names begin with `prefix`; all for the empty one.
    #[must_use]
    pub fn streams(&self, prefix: &str) -> Streams {
        let mut query = Query::default();
        query.push_some("prefix", Some(prefix).filter(|prefix| !prefix.is_empty()));
        query.push("limit", PAGE_STREAMS);
        let next = Some(query.on("/v1/streams"));
        Streams { client: self.clone(), page: Vec::new().into_iter(), next }
    }

    /// What the stream keeps.
    ///
    /// # Errors
    /// [`Error`].
    pub fn settings(&self, stream: &str) -> Result<Settings> {
        self.call_json(&Call::get(stream_path(stream, "/settings")))
    }

    /// Replaces the stream's settings, whole. The stream need not exist yet.
    ///
    /// # Errors
    /// [`Error`].
    pub fn put_settings(&self, stream: &str, settings: &Settings) -> Result<()> {
        let body = serde_json::to_vec(settings).map_err(Error::Encode)?;
        let call = Call::new(Method::PUT, stream_path(stream, "/settings")).body("application/json", body);
        self.call(&call).map(drop)
    }

    /// Removes the stream's events for good; its revisions are never used again.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_wrong_revision`] when the stream is not as expected.
    pub fn delete(&self, stream: &str, expected: Expected) -> Result<()> {
        self.call(&Call::new(Method::DELETE, stream_path(stream, "")).expecting(expected)).map(drop)
    }
}

impl Iterator for Streams {
    type Item = Result<StreamSummary>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(stream) = self.page.next() {
                return Some(Ok(stream));
            }
            let path = self.next.take()?;
            match self.client.call_json::<StreamPage>(&Call::get(path)) {
                Ok(page) => {
                    self.page = page.streams.into_iter();
                    self.next = page.next;
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
