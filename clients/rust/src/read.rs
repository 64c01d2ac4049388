//! Reading one stream or the whole store: by page, as lines in bounded memory, or following.
//!
//! A read of many events is one long answer. When its connection breaks, the client asks again from behind
//! the last event that it handed out, so whoever iterates sees each event once.

use crate::client::{Client, Query, decode, problem_within, stream_path};
use crate::error::{Error, Result};
use crate::event::{Cursor, RecordedEvent, Revision};
use crate::follow::Follow;
use crate::lines::LineBuffer;
use crate::retry;
use crate::transport::{Answer, Call};
use bytes::Bytes;
use http::header::ACCEPT;
use serde::Deserialize;

/// Which way to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    #[default]
    Forward,
    Backward,
}

#[derive(Clone, Debug)]
pub(crate) enum Scope {
    Stream(String),
    Store,
}

/// A read in the making: what, from where, as of when. See [`Client::read`] and [`Client::read_all`].
#[derive(Clone, Debug)]
pub struct Read {
    pub(crate) client: Client,
    pub(crate) scope: Scope,
    pub(crate) from: Option<Revision>,
    pub(crate) after: Option<Cursor>,
    direction: Direction,
    limit: Option<u64>,
    as_of: Option<String>,
    as_of_event_time: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) types: Vec<String>,
}

/// One page of a read.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Page {
    pub events: Vec<RecordedEvent>,
    /// The stream's last revision, where one stream was read; `None` when it does not exist.
    #[serde(default)]
    pub revision: Option<Revision>,
    /// The first revision that is kept, where one stream was read.
    #[serde(default)]
    pub first: Option<Revision>,
    /// The path of the next page, for [`Client::page_at`]; `None` on the last one.
    #[serde(default)]
    pub next: Option<String>,
    /// The greatest cursor below which retention removed events, where the whole store was read.
    #[serde(default)]
    pub removed_through: Option<Cursor>,
}

impl Client {
    /// Reads the events of one stream. A stream that does not exist has none.
    #[must_use]
    pub fn read(&self, stream: &str) -> Read {
        Read::new(self.clone(), Scope::Stream(stream.to_owned()))
    }

    /// Reads the events of the whole store, in its order.
    #[must_use]
    pub fn read_all(&self) -> Read {
        Read::new(self.clone(), Scope::Store)
    }
}

impl Client {
    /// The page that another page named as its `next`.
    ///
    /// # Errors
    /// [`Error`].
    pub fn page_at(&self, next: &str) -> Result<Page> {
        self.call_json(&Call::get(next).header(ACCEPT, "application/json"))
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
        }
    }

    /// Begins at this revision of the stream, inclusive.
    #[must_use]
    pub fn from(mut self, revision: Revision) -> Self {
        self.from = Some(revision);
        self
    }

    /// Begins behind this cursor.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// At most so many events: of a page 100 by default and 1,000 at most, of lines all.
    #[must_use]
    pub fn limit(mut self, events_max: u64) -> Self {
        self.limit = Some(events_max);
        self
    }

    /// Only what the store had recorded by then: a time in RFC 3339 (its whole millisecond) or a cursor.
    #[must_use]
    pub fn as_of(mut self, moment: impl ToString) -> Self {
        self.as_of = Some(moment.to_string());
        self
    }

    /// Only what had happened by then, by the events' own `time`, in RFC 3339.
    #[must_use]
    pub fn as_of_event_time(mut self, time: impl ToString) -> Self {
        self.as_of_event_time = Some(time.to_string());
        self
    }

    /// Of the whole store, only streams whose names begin so.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Only events of this type; several calls name several types.
    #[must_use]
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.types.push(event_type.into());
        self
    }

    /// One page.
    ///
    /// # Errors
    /// [`Error`]; a read below what retention has kept is a problem with the first revision that is left.
    pub fn page(&self) -> Result<Page> {
        self.client.call_json(&Call::get(self.path()).header(ACCEPT, "application/json"))
    }

    /// All events, one after the other, in bounded memory. The connection is open when this returns.
    ///
    /// # Errors
    /// [`Error`], as for [`Self::page`].
    pub fn events(self) -> Result<Events> {
        let client = self.client.clone();
        let answer = client.transport.run(async { client.open(&self.lines_call()).await })?;
        Ok(Events { read: self, answer: Some(answer), buffer: LineBuffer::default(), last: None, attempt: 1 })
    }

    /// The events that are there and then those that come, without end.
    #[must_use]
    pub fn follow(self) -> Follow {
        Follow::new(self)
    }

    fn lines_call(&self) -> Call {
        Call::get(self.path()).header(ACCEPT, "application/x-ndjson")
    }

    pub(crate) fn path(&self) -> String {
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
        for event_type in &self.types {
            query.push("type", event_type);
        }
        match &self.scope {
            Scope::Stream(stream) => query.on(&stream_path(stream, "/events")),
            Scope::Store => query.on("/v1/events"),
        }
    }

    /// What is left to read after `line`; `None` when that was all.
    fn behind(mut self, line: &[u8]) -> Result<Option<Self>> {
        #[derive(Deserialize)]
        struct Place {
            revision: Revision,
            cursor: Cursor,
        }
        let place: Place = decode(line)?;
        match (&self.scope, self.direction) {
            (Scope::Store, _) => self.after = Some(place.cursor),
            (Scope::Stream(_), Direction::Forward) => self.from = Some(Revision(place.revision.0 + 1)),
            (Scope::Stream(_), Direction::Backward) => match place.revision.0.checked_sub(1) {
                Some(before) => self.from = Some(Revision(before)),
                None => return Ok(None),
            },
        }
        Ok(Some(self))
    }
}

/// The events of one read, one after the other. See [`Read::events`].
#[derive(Debug)]
pub struct Events {
    read: Read,
    answer: Option<Answer>,
    buffer: LineBuffer,
    /// The last line handed out since the last connection.
    last: Option<Bytes>,
    attempt: u32,
}

impl Events {
    /// The next event as the JSON line that the server sent; `None` at the end.
    ///
    /// # Errors
    /// [`Error`], after the client's attempts to go on where a broken connection ended.
    pub fn next_line(&mut self) -> Result<Option<Bytes>> {
        let client = self.read.client.clone();
        client.transport.run(self.line())
    }

    async fn line(&mut self) -> Result<Option<Bytes>> {
        loop {
            while let Some(line) = self.buffer.line() {
                if line.is_empty() {
                    continue;
                }
                if line.starts_with(PROBLEM_LINE) {
                    self.answer = None;
                    return Err(problem_within(&line));
                }
                self.last = Some(line.clone());
                self.attempt = 1;
                self.read.limit = self.read.limit.map(|left| left.saturating_sub(1));
                return Ok(Some(line));
            }
            let Some(answer) = &mut self.answer else { return Ok(None) };
            match answer.part(self.read.client.transport.timeouts().answer).await {
                Ok(Some(part)) => self.buffer.push(&part),
                Ok(None) => {
                    self.answer = None;
                    if self.buffer.rest().is_some() {
                        return Err(Error::Answer("its last line is not whole".into()));
                    }
                }
                Err(error) => self.resume(error).await?,
            }
        }
    }

    /// Asks again, from behind the last line handed out.
    async fn resume(&mut self, error: Error) -> Result<()> {
        self.answer = None;
        self.buffer.clear();
        let retry = self.read.client.retry;
        let wait = retry.wait(self.attempt, None, retry::draw());
        let Some(wait) = wait.filter(|_| error.is_retryable()) else { return Err(error) };
        self.attempt += 1;
        tokio::time::sleep(wait).await;
        if let Some(line) = self.last.take() {
            match self.read.clone().behind(&line)? {
                Some(rest) if rest.limit != Some(0) => self.read = rest,
                _ => return Ok(()),
            }
        }
        self.answer = Some(self.read.client.open(&self.read.lines_call()).await?);
        Ok(())
    }
}

/// How a line begins that is a problem and not an event.
const PROBLEM_LINE: &[u8] = b"{\"problem\":";

impl Iterator for Events {
    type Item = Result<RecordedEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().and_then(|line| line.map(|line| decode(&line)).transpose()).transpose()
    }
}
