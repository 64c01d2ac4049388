//! Reading one stream or the whole store: page by page, as a stream of events in bounded memory, or as a
//! subscription.

mod events;

use crate::client::{Client, Query, stream_path};
use crate::error::Result;
use crate::event::{Cursor, RecordedEvent, Revision};
use crate::follow::Follow;
use crate::transport::Call;
pub use events::{Events, Lines};
use http::header::ACCEPT;
use serde::Deserialize;

/// The order of the events of a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    #[default]
    Forward,
    /// Newest first; only for one stream.
    Backward,
}

#[derive(Clone, Debug)]
pub(crate) enum Scope {
    Stream(String),
    Store,
}

/// Describes a read: which events, from where, and as of when. Made by [`Client::read`] and
/// [`Client::read_all`].
///
/// Nothing is sent until [`Self::page`] is awaited, or one of [`Self::events`], [`Self::lines`] and
/// [`Self::follow`] is polled.
#[derive(Clone, Debug)]
#[must_use = "a read does nothing until it is awaited or polled"]
pub struct Read {
    pub(crate) client: Client,
    pub(crate) scope: Scope,
    pub(crate) from: Option<Revision>,
    pub(crate) after: Option<Cursor>,
    pub(crate) direction: Direction,
    pub(crate) limit: Option<u64>,
    as_of: Option<String>,
    as_of_event_time: Option<String>,
    prefix: Option<String>,
    types: Vec<String>,
    reader: Option<String>,
}

/// One page of a read.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Page {
    pub events: Vec<RecordedEvent>,
    /// The stream's last revision, when one stream was read; `None` when it does not exist.
    #[serde(default)]
    pub revision: Option<Revision>,
    /// The first revision that the stream still holds, when one stream was read.
    #[serde(default)]
    pub first: Option<Revision>,
    /// The path of the next page, for [`Client::page_at`]; `None` on the last page.
    #[serde(default)]
    pub next: Option<String>,
    /// When the whole store was read: events up to this cursor may have been removed.
    #[serde(default)]
    pub removed_through: Option<Cursor>,
}

impl Client {
    /// Reads the events of one stream. A stream that does not exist has none.
    pub fn read(&self, stream: impl Into<String>) -> Read {
        Read::new(self.clone(), Scope::Stream(stream.into()))
    }

    /// Reads the events of the whole store, in the order of their cursors.
    pub fn read_all(&self) -> Read {
        Read::new(self.clone(), Scope::Store)
    }

    /// Reads the page that [`Page::next`] names.
    ///
    /// # Errors
    /// [`crate::Error`]
    pub async fn page_at(&self, next: &str) -> Result<Page> {
        self.call_json(&Call::get(next).header(ACCEPT, "application/json").of_store(self)).await
    }
}

impl Read {
    fn new(client: Client, scope: Scope) -> Self {
        Self {
            client,
            scope,
            from: None,
            after: None,
            direction: Direction::Forward,
            limit: None,
            as_of: None,
            as_of_event_time: None,
            prefix: None,
            types: Vec::new(),
            reader: None,
        }
    }

    /// Begins at this revision of the stream, inclusive.
    pub fn from(mut self, revision: Revision) -> Self {
        self.from = Some(revision);
        self
    }

    /// Begins after this cursor.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Sets the order of the events.
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Returns at most this many events. A page has 100 by default and at most 1,000; a stream of events has
    /// no bound by default.
    pub fn limit(mut self, events_max: u64) -> Self {
        self.limit = Some(events_max);
        self
    }

    /// Ignores everything recorded later than `moment`: a time in RFC 3339 or a cursor.
    pub fn as_of(mut self, moment: impl ToString) -> Self {
        self.as_of = Some(moment.to_string());
        self
    }

    /// Ignores everything that happened later than `time`, by the events' own `time`, in RFC 3339.
    pub fn as_of_event_time(mut self, time: impl ToString) -> Self {
        self.as_of_event_time = Some(time.to_string());
        self
    }

    /// Returns only events of streams whose names begin with `prefix`, when the whole store is read.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Returns only events of this type. Call it repeatedly to allow several types.
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.types.push(event_type.into());
        self
    }

    /// Gives [`Self::follow`] a name of 1 to 64 bytes, under which the node's metrics show how far this reader is, also
    /// for a day after it has gone. Other reads do not take it.
    pub fn reader(mut self, name: impl Into<String>) -> Self {
        self.reader = Some(name.into());
        self
    }

    /// Reads one page.
    ///
    /// # Errors
    /// [`crate::Error`]; reading removed events is a problem that names the first revision still available.
    pub async fn page(&self) -> Result<Page> {
        self.client.call_json(&self.call("application/json")).await
    }

    /// Reads all events, one after the other, in bounded memory.
    ///
    /// When the connection breaks, the client continues after the last event that it returned, so each event
    /// is returned once.
    pub fn events(self) -> Events {
        Events::new(self.lines())
    }

    /// Like [`Self::events`], with each event as the JSON text that the server sent.
    pub fn lines(self) -> Lines {
        Lines::new(self)
    }

    /// Subscribes: returns existing events, and then new ones as they are recorded, without end.
    pub fn follow(self) -> Follow {
        Follow::new(self)
    }

    pub(crate) fn call(&self, accept: &str) -> Call {
        let call = Call::get(self.path()).header(ACCEPT, accept);
        let has_cursor = self.after.is_some() || self.as_of.is_some();
        if has_cursor { call.of_store(&self.client) } else { call }
    }

    fn path(&self) -> String {
        let mut query = Query::default();
        query.push_some("from", self.from);
        query.push_some("after", self.after.as_ref());
        if self.direction == Direction::Backward {
            query.push("direction", "backward");
        }
        query.push_some("limit", self.limit);
        query.push_some("as_of", self.as_of.as_ref());
        query.push_some("as_of_event_time", self.as_of_event_time.as_ref());
        query.push_some("prefix", self.prefix.as_ref());
        query.push_some("reader", self.reader.as_ref());
        for event_type in &self.types {
            query.push("type", event_type);
        }
        match &self.scope {
            Scope::Stream(stream) => query.on(&stream_path(stream, "/events")),
            Scope::Store => query.on("/v1/events"),
        }
    }
}
