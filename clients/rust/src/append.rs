//! Appending to one stream.

use crate::client::{Client, stream_path};
use crate::error::{Error, Result};
use crate::event::{Cursor, Expected, NewEvent, Revision};
use crate::transport::{Call, Repeat};
use bytes::Bytes;
use http::{HeaderName, Method};
use serde::{Deserialize, Serialize};
use std::pin::Pin;

/// Where a batch was appended.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Appended {
    pub stream: String,
    /// One for each event, in the order of the request; never empty.
    pub events: Vec<AppendedEvent>,
}

/// Where one event is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct AppendedEvent {
    /// The event's id. Empty after [`Client::append_encoded`], which does not look at the events.
    #[serde(default)]
    pub id: String,
    pub revision: Revision,
    pub cursor: Cursor,
    /// Whether the event existed already, so that nothing was appended.
    #[serde(default)]
    pub replayed: bool,
}

impl Appended {
    /// The revision of the batch's last event.
    #[must_use]
    pub fn last_revision(&self) -> Revision {
        self.events.last().map_or(Revision(0), |event| event.revision)
    }

    /// Whether every event existed already, because the same append had been sent before.
    #[must_use]
    pub fn all_replayed(&self) -> bool {
        self.events.iter().all(|event| event.replayed)
    }

    /// Fills in the ids that the client knows and the server does not repeat.
    pub(crate) fn name(&mut self, events: &[NewEvent]) {
        for (appended, event) in self.events.iter_mut().zip(events) {
            if let Some(id) = event.known_id() {
                appended.id = id.to_owned();
            }
        }
    }
}

/// An append that is sent when it is awaited. Made by [`Client::append`].
///
/// ```no_run
/// use mainstay_client::{Client, Expected, NewEvent, Revision};
///
/// # async fn example(client: Client) -> Result<(), mainstay_client::Error> {
/// let appended = client
///     .append("cart-7", [NewEvent::new("cart.checked-out")])
///     .expected(Expected::Revision(Revision(3)))
///     .await?;
/// # let _ = appended; Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an append does nothing until it is awaited"]
pub struct Append {
    client: Client,
    stream: String,
    content: Content,
    expected: Expected,
    idempotency_key: Option<String>,
}

#[derive(Clone, Debug)]
enum Content {
    Events(Vec<NewEvent>),
    Encoded { content_type: String, body: Bytes },
}

impl Client {
    /// Appends `events` to `stream`, all or nothing.
    ///
    /// A retry is safe. The client gives an id to each event that has none, and the server recognises a retry
    /// by the events' `source` and `id`, before it checks the expected revision.
    pub fn append(&self, stream: impl Into<String>, events: impl IntoIterator<Item = NewEvent>) -> Append {
        self.append_content(stream.into(), Content::Events(events.into_iter().map(NewEvent::named).collect()))
    }

    /// Appends events that are already encoded as JSON. `content_type` is one of
    /// `application/cloudevents+json`, `application/cloudevents-batch+json` and `application/x-ndjson`.
    ///
    /// The client does not know whether these events have ids. Without an idempotency key, it therefore does
    /// not retry after an error that leaves the outcome unknown.
    pub fn append_encoded(
        &self,
        stream: impl Into<String>,
        content_type: impl Into<String>,
        body: impl Into<Bytes>,
    ) -> Append {
        let content = Content::Encoded { content_type: content_type.into(), body: body.into() };
        self.append_content(stream.into(), content)
    }

    fn append_content(&self, stream: String, content: Content) -> Append {
        Append { client: self.clone(), stream, content, expected: Expected::Any, idempotency_key: None }
    }
}

impl Append {
    /// Appends only if the stream is as expected.
    pub fn expected(mut self, expected: Expected) -> Self {
        self.expected = expected;
        self
    }

    /// Names the intended effect, for events that have no identity of their own. For 24 hours, the server
    /// returns the original outcome for the same request with the same key.
    ///
    /// Do not use a key if you decide again after a conflict: the new request has another expected revision,
    /// so the server refuses it. Give the events ids instead, or use
    /// [`Update::as_command`](crate::Update::as_command).
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sends the append. Awaiting it does the same.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_wrong_revision`] when the stream is not as expected.
    pub async fn send(self) -> Result<Appended> {
        let mut call = Call::new(Method::POST, stream_path(&self.stream, "/events")).expecting(self.expected);
        if let Some(key) = &self.idempotency_key {
            call = call.idempotency_key(key);
        }
        match self.content {
            Content::Events(events) => {
                let events = under_key(events, self.idempotency_key.as_deref());
                let (content_type, body) = match events.as_slice() {
                    [one] => ("application/cloudevents+json", serde_json::to_vec(one)),
                    many => ("application/cloudevents-batch+json", serde_json::to_vec(many)),
                };
                let call = call.body(content_type, body.map_err(Error::Encode)?);
                let mut appended: Appended = self.client.call_json(&call).await?;
                appended.name(&events);
                Ok(appended)
            }
            Content::Encoded { content_type, body } => {
                let repeat =
                    if self.idempotency_key.is_some() { Repeat::Always } else { Repeat::IfUnchanged };
                self.client.call_json(&call.body(&content_type, body).repeat(repeat)).await
            }
        }
    }
}

/// The events to send. With an idempotency key, ids that the client generated are left out: a repeated
/// request would have other ids, and the server refuses different content under a known key.
pub(crate) fn under_key(events: Vec<NewEvent>, idempotency_key: Option<&str>) -> Vec<NewEvent> {
    match idempotency_key {
        Some(_) => events.into_iter().map(NewEvent::unnamed).collect(),
        None => events,
    }
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

impl Call {
    /// The key as a String of RFC 9651, which takes any printable ASCII.
    pub(crate) fn idempotency_key(self, key: &str) -> Self {
        self.header(IDEMPOTENCY_KEY, format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\"")))
    }
}

impl IntoFuture for Append {
    type Output = Result<Appended>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
