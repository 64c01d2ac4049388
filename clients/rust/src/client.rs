//! The client: the URL, the timeouts, and the loop that retries.

use crate::error::{Error, Problem, Result};
use crate::event::Expected;
use crate::retry::{Attempts, Retries, Retry};
use crate::transport::{Call, Response, Secrets, Timeouts, Token, Transport};
use bytes::Bytes;
use http::HeaderName;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// An async client of one node. Cloning is cheap; clones share connections and the retry budget.
///
/// A client has no runtime of its own: requests must be sent in a tokio runtime with I/O and time enabled. It
/// is `Send` and `Sync`, and its futures are `Send`: keep one in the state of an axum service and use it in
/// every handler. Dropping a future cancels the call; a write may then have taken effect or not.
///
/// ```no_run
/// use mainstay_client::{Client, NewEvent};
///
/// # async fn example() -> Result<(), mainstay_client::Error> {
/// let client = Client::new("http://127.0.0.1:7070")?;
/// let added = NewEvent::new("cart.item-added").data(&serde_json::json!({"sku": "b-12"}))?;
/// let appended = client.append("cart-7", [added]).await?;
/// println!("cart-7 is at revision {}", appended.last_revision());
///
/// let mut events = client.read("cart-7").events();
/// while let Some(event) = events.next().await {
///     println!("{}", event?.event_type);
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) transport: Transport,
    pub(crate) retries: Retries,
    /// The store that cursors belong to: set by the builder, or by the first response that named it.
    store: OnceLock<String>,
}

/// Builds a [`Client`].
///
/// ```
/// use mainstay_client::{Client, Retry};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), mainstay_client::Error> {
/// let client = Client::builder("http://127.0.0.1:7070")
///     .retry(Retry::default().attempts_max(3))
///     .timeout(Duration::from_secs(5))
///     .build()?;
/// # let _ = client; Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    url: String,
    retry: Retry,
    timeouts: Timeouts,
    secrets: Secrets,
    token: Option<Token>,
    store: Option<String>,
}

impl ClientBuilder {
    /// Sets how requests are retried.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long to wait for a connection: 5 s by default.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.connect = timeout;
        self
    }

    /// Sets how long to wait for a response to begin, and between two parts of it: 30 s by default.
    ///
    /// A node sends a keep-alive to a subscriber every few seconds, so this is also how soon a subscription
    /// notices that the node is gone.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.response = timeout;
        self
    }

    /// Trusts these PEM certificates, in addition to those that the operating system trusts.
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.secrets.roots.push(pem.into());
        self
    }

    /// Proves who the client is with this certificate and its key, for a node that asks for one (`tls-client-ca`). Both
    /// are PEM; the certificate may be followed by those between it and its authority.
    #[must_use]
    pub fn client_certificate(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.secrets.identity = Some((certificates.into(), key.into()));
        self
    }

    /// Sends this token with each request, for a node that asks for tokens: see `mainstay token new`.
    ///
    /// Over plain HTTP, everyone between the two machines can read it.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Token::new(token));
        self
    }

    /// Sends the token in the variable `MAINSTAY_TOKEN`, if it is set, as the command line does.
    #[must_use]
    pub fn token_from_environment(self) -> Self {
        match std::env::var("MAINSTAY_TOKEN") {
            Ok(token) => self.token(token),
            Err(_) => self,
        }
    }

    /// Sets the identity of the store that the program's saved cursors belong to: see [`Client::store`].
    #[must_use]
    pub fn store(mut self, identity: impl Into<String>) -> Self {
        self.store = Some(identity.into());
        self
    }

    /// Builds the client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Url`] when the URL is not valid, [`Error::Retry`] when the retry settings are out of range,
    /// [`Error::Tls`] when the URL is https and there are no certificates to trust or one that was given cannot be used, [`Error::Request`] when the token has
    /// characters that no token has.
    pub fn build(self) -> Result<Client> {
        let transport = Transport::new(&self.url, self.timeouts, &self.secrets, self.token.as_ref())?;
        let store = self.store.map(OnceLock::from).unwrap_or_default();
        Ok(Client { shared: Arc::new(Shared { transport, retries: Retries::new(&self.retry)?, store }) })
    }

    /// Builds a client for a program without an async runtime.
    ///
    /// # Errors
    /// As for [`Self::build`]; [`Error::Runtime`] when no thread can be started.
    #[cfg(feature = "blocking")]
    pub fn build_blocking(self) -> Result<crate::blocking::Client> {
        crate::blocking::Client::from_async(self.build()?)
    }
}

impl Client {
    /// A client of the node at `url`, such as `http://127.0.0.1:7070`, with the default settings.
    ///
    /// # Errors
    /// As for [`ClientBuilder::build`].
    pub fn new(url: &str) -> Result<Self> {
        Self::builder(url).build()
    }

    /// Begins to build a client of the node at `url`.
    #[must_use]
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder {
            url: url.to_owned(),
            retry: Retry::default(),
            timeouts: Timeouts { connect: Duration::from_secs(5), response: Duration::from_secs(30) },
            secrets: Secrets::default(),
            token: None,
            store: None,
        }
    }

    /// The identity of the store that this client reads, once a response has named it.
    ///
    /// A cursor has no meaning in another store, such as a copy made by export and import. Save the identity
    /// with your cursors and pass it to [`ClientBuilder::store`]: a read from one of these cursors then fails
    /// with [`Error::is_other_store`] if the URL leads to another store.
    #[must_use]
    pub fn store(&self) -> Option<&str> {
        self.shared.store.get().map(String::as_str)
    }

    /// Sends `call` until it succeeds or may not be retried, and reads the whole response.
    pub(crate) async fn call(&self, call: &Call) -> Result<Bytes> {
        self.call_unless(call, |_| false).await
    }

    /// As [`Self::call`], but an error that is final for the caller is not retried.
    pub(crate) async fn call_unless(&self, call: &Call, is_final: impl Fn(&Error) -> bool) -> Result<Bytes> {
        let mut attempts = self.shared.retries.begin();
        loop {
            let response = async { self.send_once(call).await?.whole().await };
            match response.await {
                Ok(body) => return Ok(body),
                Err(error) if is_final(&error) => return Err(error),
                Err(error) => {
                    attempts = attempts.failed();
                    self.shared.retries.wait(attempts, call.repeat, error).await?;
                }
            }
        }
    }

    /// Sends `call` until a successful response begins or it may not be retried.
    pub(crate) async fn open(&self, call: &Call, mut attempts: Attempts) -> Result<Response> {
        loop {
            match self.send_once(call).await {
                Ok(response) => return Ok(response),
                Err(error) => {
                    attempts = attempts.failed();
                    self.shared.retries.wait(attempts, call.repeat, error).await?;
                }
            }
        }
    }

    pub(crate) async fn call_json<T: DeserializeOwned>(&self, call: &Call) -> Result<T> {
        decode(&self.call(call).await?)
    }

    /// All items of a list, page by page. A page has them in `member`, and the path of the next one in `next`.
    pub(crate) async fn list<T: DeserializeOwned>(&self, path: &str, member: &str) -> Result<Vec<T>> {
        let mut items = Vec::new();
        let mut next = Some(format!("{path}?limit=1000"));
        while let Some(path) = next {
            let mut page: Map<String, Value> = self.call_json(&Call::get(path)).await?;
            let found = page.remove(member).unwrap_or_default();
            let found: Vec<T> =
                serde_json::from_value(found).map_err(|error| Error::Response(error.to_string()))?;
            items.extend(found);
            next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        }
        Ok(items)
    }

    /// Sends `call` once and waits for the head of a successful response.
    pub(crate) async fn send_once(&self, call: &Call) -> Result<Response> {
        let response = self.shared.transport.send(call).await?.success().await?;
        self.remember_store(&response);
        Ok(response)
    }

    fn remember_store(&self, response: &Response) {
        if let Some(store) = response.headers.get(STORE).and_then(|value| value.to_str().ok()) {
            // Keep the first store: the header exists to detect a different one later.
            self.shared.store.get_or_init(|| store.to_owned());
        }
    }
}

const STORE: HeaderName = HeaderName::from_static("mainstay-store");

pub(crate) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| Error::Response(error.to_string()))
}

/// The problem in a line `{"problem": {...}}`.
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

    /// Sends the identity of the store that this read's cursor belongs to, if it is known.
    pub(crate) fn of_store(self, client: &Client) -> Self {
        match client.store() {
            Some(store) if !self.headers.iter().any(|(name, _)| *name == STORE) => self.header(STORE, store),
            _ => self,
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

/// A query string, built parameter by parameter.
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
