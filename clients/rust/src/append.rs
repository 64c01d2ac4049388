//! Appending to one stream.

use crate::client::{Client, stream_path};
use crate::error::{Error, Result};
use crate::event::{Cursor, Expected, NewEvent, Revision};
use crate::transport::Call;
use http::Method;
use serde::{Deserialize, Serialize};

/// Where a batch went.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct Appended {
    pub stream: String,
    /// One an event, in their order; never empty.
    pub events: Vec<EventPlace>,
}

/// Where one event is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct EventPlace {
    /// As it was sent, or as the client or the server made it; empty where [`Client::append_encoded`] sent it.
    #[serde(default)]
    pub id: String,
    pub revision: Revision,
    pub cursor: Cursor,
    /// It was there already: nothing was appended for it.
    #[serde(default)]
    pub replayed: bool,
}

impl Appended {
    /// The revision of the batch's last event.
    #[must_use]
    pub fn last_revision(&self) -> Revision {
        self.events.last().map_or(Revision(0), |event| event.revision)
    }

    /// Puts in the ids that the client knows and the server does not repeat.
    pub(crate) fn name(&mut self, events: &[NewEvent]) {
        for (place, event) in self.events.iter_mut().zip(events) {
            if let Some(id) = event.known_id() {
                place.id = id.to_owned();
            }
        }
    }

    /// Every event was there already: this was a retry.
    #[must_use]
    pub fn all_replayed(&self) -> bool {
        self.events.iter().all(|event| event.replayed)
    }
}

impl Client {
    /// Appends `events` to `stream`, all or none, if the stream is as `expected`. Safe to repeat: events that
    /// are there already are reported as replayed, before the expectation is looked at.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_wrong_revision`] when the stream is not as expected.
    pub fn append(
        &self,
        stream: &str,
        expected: Expected,
        events: impl IntoIterator<Item = NewEvent>,
    ) -> Result<Appended> {
        let events: Vec<NewEvent> = events.into_iter().map(NewEvent::named).collect();
        let (content_type, body) = match events.as_slice() {
            [one] => ("application/cloudevents+json", serde_json::to_vec(one)),
            many => ("application/cloudevents-batch+json", serde_json::to_vec(many)),
        };
        let mut appended =
            self.append_encoded(stream, expected, content_type, body.map_err(Error::Encode)?)?;
        appended.name(&events);
        Ok(appended)
    }

    /// Appends events that are JSON already: `content_type` says how (`application/cloudevents+json`,
    /// `application/cloudevents-batch+json` or `application/x-ndjson`). Only events with an `id` of their own
    /// are safe to send again, so an event without one may be there twice after a broken connection.
    ///
    /// # Errors
    /// As for [`Self::append`].
    pub fn append_encoded(
        &self,
        stream: &str,
        expected: Expected,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Appended> {
        let call = Call::new(Method::POST, stream_path(stream, "/events")).body(content_type, body);
        self.call_json(&call.expecting(expected))
    }
}
