//! Following: the events that are there, then those that come, over connections that come and go.
//!
//! Every event carries its cursor as the message's id; after a break the client asks to go on behind the
//! last one (`Last-Event-ID`), so each event is seen once. A node says every few seconds that it is there;
//! one that says nothing for the client's time-out counts as gone. A follower stays: it tries again without
//! end, at most `wait_max` apart, unless the server refuses for good.

use crate::client::{Client, decode};
use crate::error::{Error, Problem, Result};
use crate::event::{Cursor, RecordedEvent};
use crate::read::Read;
use crate::retry;
use crate::sse::Parser;
use crate::transport::{Answer, Call};
use bytes::Bytes;
use http::HeaderName;
use http::header::ACCEPT;
use std::fmt;
use std::time::Duration;

/// What is told about each break: why, and how long until the next try.
type Notice = Box<dyn FnMut(&Error, Duration) + Send>;

/// A subscription. Iterating blocks until the next event; it ends only with an error.
///
/// ```no_run
/// # fn main() -> Result<(), mainstay_client::Error> {
/// # let client = mainstay_client::Client::new("http://127.0.0.1:7070")?;
/// for event in client.read_all().prefix("cart-").follow() {
///     let event = event?;
///     println!("{} {}", event.cursor, event.event_type);
/// }
/// # Ok(()) }
/// ```
pub struct Follow {
    read: Read,
    answer: Option<Answer>,
    messages: Parser,
    /// Failures since the last message.
    failures: u32,
    notice: Option<Notice>,
    ended: bool,
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("read", &self.read)
            .field("failures", &self.failures)
            .finish_non_exhaustive()
    }
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl Follow {
    pub(crate) fn new(read: Read) -> Self {
        Self { read, answer: None, messages: Parser::default(), failures: 0, notice: None, ended: false }
    }

    /// Calls `notice` at each break, with its reason and the wait until the next try.
    #[must_use]
    pub fn on_break(mut self, notice: impl FnMut(&Error, Duration) + Send + 'static) -> Self {
        self.notice = Some(Box::new(notice));
        self
    }

    /// The cursor to go on behind: keep it as a checkpoint, and give it to [`Read::after`] next time.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Cursor> {
        self.messages.last_id().map(|id| Cursor(id.to_owned())).or_else(|| self.read.after.clone())
    }

    /// The next event as the JSON text that the server sent, as soon as there is one.
    ///
    /// # Errors
    /// Only what trying again cannot help.
    pub fn next_line(&mut self) -> Result<Bytes> {
        let client = self.read.client.clone();
        client.transport.run(self.line())
    }

    /// The next event, or `None` when there was none within `wait`.
    ///
    /// # Errors
    /// Only what trying again cannot help.
    pub fn next_within(&mut self, wait: Duration) -> Result<Option<RecordedEvent>> {
        let client: Client = self.read.client.clone();
        // Dropping the unfinished future loses nothing: what has come is in `self`.
        let line = client.transport.run(async {
            tokio::time::timeout(wait, self.line()).await.map_or(Ok(None), |line| line.map(Some))
        })?;
        line.map(|line| decode(&line)).transpose()
    }

    async fn line(&mut self) -> Result<Bytes> {
        loop {
            if let Some(message) = self.messages.message() {
                self.failures = 0;
                match message.event.as_str() {
                    "message" | "event" => return Ok(message.data),
                    "problem" => {
                        self.lost(Error::Problem(Box::new(Problem::from_answer(0, &message.data)))).await?
                    }
                    // Kinds that later servers add.
                    _ => {}
                }
                continue;
            }
            let limit = self.read.client.transport.timeouts().answer;
            let Some(answer) = &mut self.answer else {
                match self.connect().await {
                    Ok(answer) => self.answer = Some(answer),
                    Err(error) => self.lost(error).await?,
                }
                continue;
            };
            match answer.part(limit).await {
                Ok(Some(part)) => self.messages.push(&part),
                Ok(None) => self.lost(Error::Broken("the node ended the subscription".into())).await?,
                Err(error) => self.lost(error).await?,
            }
        }
    }

    async fn connect(&self) -> Result<Answer> {
        let mut call = Call::get(self.read.path()).header(ACCEPT, "text/event-stream");
        if let Some(id) = self.messages.last_id() {
            call = call.header(LAST_EVENT_ID, id);
        }
        self.read.client.transport.send(&call).await?.success().await
    }

    /// Waits before the next try, or says that there is none.
    async fn lost(&mut self, error: Error) -> Result<()> {
        self.answer = None;
        self.messages.cut();
        if !error.is_retryable() {
            self.ended = true;
            return Err(error);
        }
        self.failures = self.failures.saturating_add(1);
        let asked = error.problem().and_then(|problem| problem.retry_after);
        let wait = self.read.client.retry.wait_unbounded(self.failures, asked, retry::draw());
        if let Some(notice) = &mut self.notice {
            notice(&error, wait);
        }
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

impl Iterator for Follow {
    type Item = Result<RecordedEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.ended).then(|| self.next_line().and_then(|line| decode(&line)))
    }
}
