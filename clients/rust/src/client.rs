//! The client: where the node is, how patient to be, and the loop that tries again.

use crate::error::{Error, Problem, Result};
use crate::event::Expected;
use crate::retry::{self, Retry};
use crate::transport::{Answer, Call, Timeouts, Transport};
use bytes::Bytes;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// A client of one node. Cheap to clone; clones share connections and may be used from several threads.
///
/// It blocks: inside async code, call it from a thread for blocking work.
///
/// ```no_run
/// use mainstay_client::{Client, Expected, NewEvent};
/// # fn main() -> Result<(), mainstay_client::Error> {
/// let client = Client::new("http://127.0.0.1:7070")?;
/// let added = NewEvent::new("cart.item-added").data(&serde_json::json!({"sku": "b-12"}))?;
/// let appended = client.append("cart-7", Expected::Any, [added])?;
/// println!("cart-7 is at revision {}", appended.last_revision());
/// for event in client.read("cart-7").events()? {
///     println!("{}", event?.event_type);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) transport: Arc<Transport>,
    pub(crate) retry: Retry,
}

/// How a client is made when the defaults do not fit.
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    url: String,
    retry: Retry,
    timeouts: Timeouts,
}

impl ClientBuilder {
    /// How often and how long apart requests are tried again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// How long to wait for a connection: 5 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// How long to wait for an answer to begin, and between two parts of it: 30 s by default. While
    /// following, a node says every few seconds that it is there, so this is also how soon a dead one is
    /// noticed.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.answer = timeout;
        self
    }

    /// # Errors
    /// [`Error::Url`] when the URL is not that of a node.
    pub fn build(self) -> Result<Client> {
        Ok(Client { transport: Arc::new(Transport::new(&self.url, self.timeouts)?), retry: self.retry })
    }
}

impl Client {
    /// A client of the node at `url`, such as `http://127.0.0.1:7070`. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Url`] when the URL is not that of a node.
    pub fn new(url: &str) -> Result<Self> {
        Self::builder(url).build()
    }

    #[must_use]
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder {
            url: url.to_owned(),
            retry: Retry::default(),
            timeouts: Timeouts { connect: Duration::from_secs(5), answer: Duration::from_secs(30) },
        }
    }

    /// Sends `call` until it succeeds, is refused for good, or has been tried often enough; reads the whole
    /// answer.
    pub(crate) fn call(&self, call: &Call) -> Result<Bytes> {
        self.transport
            .run(self.attempts(|| async { self.transport.send(call).await?.success().await?.whole().await }))
    }

    pub(crate) fn call_json<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        decode(&self.call(call)?)
    }

    /// Like [`Self::call`], for an answer that is read in parts.
    pub(crate) async fn open(&self, call: &Call) -> Result<Answer> {
        self.attempts(|| async { self.transport.send(call).await?.success().await }).await
    }

    async fn attempts<T, F: Future<Output = Result<T>>>(&self, send: impl Fn() -> F) -> Result<T> {
        let mut attempt = 1;
        loop {
            let error = match send().await {
                Err(error) if error.is_retryable() => error,
                other => return other,
            };
            let asked = error.problem().and_then(|problem| problem.retry_after);
            let Some(wait) = self.retry.wait(attempt, asked, retry::draw()) else { return Err(error) };
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }
}

pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| Error::Answer(error.to_string()))
}

/// The problem that a line `{"problem": {...}}` of an answer states.
pub(crate) fn problem_within(line: &[u8]) -> Error {
    #[derive(Deserialize)]
    struct Line {
        problem: Problem,
    }
    match decode(line) {
        Ok(Line { problem }) => Error::Problem(Box::new(problem)),
        Err(error) => error,
    }
}

impl Call {
    /// An expected revision as HTTP's preconditions (RFC 9110, section 13).
    pub(crate) fn expecting(self, expected: Expected) -> Self {
        match expected {
            Expected::Any => self,
            Expected::None => self.header(IF_NONE_MATCH, "*"),
            Expected::Exists => self.header(IF_MATCH, "*"),
            Expected::Revision(revision) => self.header(IF_MATCH, format!("\"{revision}\"")),
        }
    }
}

/// Everything but the characters that RFC 3986 leaves unreserved.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The path of one stream, or of something below it.
pub(crate) fn stream_path(stream: &str, below: &str) -> String {
    format!("/v1/streams/{}{below}", encode(stream))
}

/// A query string, put together parameter by parameter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(String);

impl Query {
    pub(crate) fn push(&mut self, name: &str, value: impl ToString) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&encode(&value.to_string()));
    }

    pub(crate) fn push_some(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    pub(crate) fn on(&self, path: &str) -> String {
        format!("{path}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_parameters_are_encoded() {
        assert_eq!(stream_path("a/b ż", "/events"), "/v1/streams/a%2Fb%20%C5%BC/events");
        let mut query = Query::default();
        query.push("as_of", "2010-10-02T07:20:39+02:00");
        query.push_some("limit", None::<u32>);
        query.push_some("limit", Some(7));
        assert_eq!(query.on("/v1/events"), "/v1/events?as_of=2010-10-02T07%3A20%3A39%2B02%3A00&limit=7");
    }
}
