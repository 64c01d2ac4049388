//! Endpoints of your own that are safe to retry: the work under an idempotency key is done once, and its response is
//! stored for everyone who comes with the key again.

use crate::client::{Client, decode, encode};
use crate::error::{Error, Result};
use crate::id::new_id;
use crate::queue::duration;
use crate::transport::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::fmt;
use std::time::{Duration, Instant};

/// What completes an execution. A later execution under the same key has a greater one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ExecutionToken(pub String);

impl fmt::Display for ExecutionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The response of an endpoint, as it is stored and sent again.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct StoredResponse {
    /// From 200 to 599.
    pub status: u16,
    /// A value is a string, or an array of strings.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub headers: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl StoredResponse {
    /// A response without a body.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, headers: Map::new(), body: None, body_base64: None }
    }

    /// A response with this body, as JSON.
    ///
    /// # Errors
    /// [`Error::Encode`] when it cannot be written as JSON.
    pub fn json(status: u16, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::value::to_raw_value(body).map_err(Error::Encode)?;
        Ok(Self { body: Some(body), ..Self::new(status) })
    }

    /// A response with a body of any other kind.
    #[must_use]
    pub fn bytes(status: u16, body: &[u8]) -> Self {
        Self { body_base64: Some(STANDARD.encode(body)), ..Self::new(status) }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name.into(), Value::String(value.into()));
        self
    }

    /// The bytes of the body: those of its JSON, or those that were stored.
    ///
    /// # Errors
    /// [`Error::Response`] when another program has stored something that is not base64.
    pub fn body(&self) -> Result<Vec<u8>> {
        match (&self.body, &self.body_base64) {
            (Some(json), _) => Ok(json.get().as_bytes().to_vec()),
            (None, Some(text)) => STANDARD.decode(text).map_err(|error| Error::Response(error.to_string())),
            (None, None) => Ok(Vec::new()),
        }
    }

    /// Reads a JSON body.
    ///
    /// # Errors
    /// [`Error::Response`] when it is something else.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        decode(&self.body()?)
    }
}

/// A request to do the work under a key. Made by [`Client::once`].
#[derive(Clone, Debug)]
#[must_use = "nothing happens until the work is begun or run"]
pub struct Once {
    client: Client,
    key: String,
    keep: Option<Duration>,
    body: Body,
    wait: Duration,
    ttl: Duration,
}

#[derive(Clone, Debug, Serialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    owner: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<String>,
}

/// What there is under a key.
#[derive(Debug)]
pub enum Begun {
    /// The work is ours to do.
    New(Execution),
    /// It is done.
    Completed(StoredResponse),
}

/// Work that was begun. If it is neither completed nor abandoned, the key is free again when its time is over.
#[derive(Debug)]
pub struct Execution {
    client: Client,
    key: String,
    token: ExecutionToken,
    keep: Option<Duration>,
    until: Option<Instant>,
}

/// The state of a key that is not free.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ExecutionState {
    pub key: String,
    /// `in_progress` or `completed`.
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<StoredResponse>,
    /// How long the key is in use if nothing is done: a number and a unit.
    pub expires_in: String,
}

/// Why [`Once::run`] has no response.
#[derive(Debug)]
#[non_exhaustive]
pub enum OnceError<E> {
    /// The work failed, with the error that it returned. The key is free.
    Work(E),
    /// The work took longer than the time of the execution, and was stopped. The key is free, or someone else's.
    TimedOut(Duration),
    /// The node could not be asked, or refused. With [`Error::is_execution_in_progress`], someone else does the work.
    Store(Error),
}

impl<E: fmt::Display> fmt::Display for OnceError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(error) => error.fmt(f),
            Self::TimedOut(after) => write!(f, "the work was not done within {after:?}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for OnceError<E> {}

impl Client {
    /// Does work once under the idempotency key that a client of yours has sent. Put the names of the endpoint and of
    /// the caller into the key.
    ///
    /// ```no_run
    /// use mainstay_client::{Client, Error, StoredResponse};
    ///
    /// # async fn charge(_: &str) -> u64 { 7 }
    /// # async fn pay(client: Client, key: &str, body: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let response = client
    ///     .once(format!("payments/{key}"))
    ///     .fingerprint(body)
    ///     .run(async |_| {
    ///         let payment = charge(body).await;
    ///         Ok::<_, Error>(StoredResponse::json(201, &payment)?)
    ///     })
    ///     .await?;
    /// println!("{}", response.status);
    /// # Ok(()) }
    /// ```
    pub fn once(&self, key: impl Into<String>) -> Once {
        Once {
            client: self.clone(),
            key: key.into(),
            keep: None,
            body: Body { fingerprint: None, owner: new_id(), ttl: None, wait: None },
            wait: Duration::ZERO,
            ttl: Duration::from_secs(60),
        }
    }

    /// An execution that another process, or this one earlier, has begun.
    #[must_use]
    pub fn execution(&self, key: impl Into<String>, token: ExecutionToken) -> Execution {
        Execution { client: self.clone(), key: key.into(), token, keep: None, until: None }
    }

    /// Whether the work under a key is in progress or done; `None` when the key is free.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn execution_state(&self, key: &str) -> Result<Option<ExecutionState>> {
        match self.call_json(&Call::get(path(key, ""))).await {
            Err(error) if error.code() == Some("execution_not_found") => Ok(None),
            state => state.map(Some),
        }
    }

    /// Frees a key whatever its state is, for operators: a stored response is forgotten. Returns whether there was
    /// anything.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn forget_execution(&self, key: &str) -> Result<bool> {
        #[derive(Deserialize)]
        struct Forgotten {
            existed: bool,
        }
        let call = Call::new(Method::DELETE, path(key, ""));
        self.call_json::<Forgotten>(&call).await.map(|forgotten| forgotten.existed)
    }
}

impl Once {
    /// Sets what identifies the content of the request: a text of up to 256 bytes is sent as it is, and of anything
    /// else a hash. A key that comes back with other content is refused.
    pub fn fingerprint(mut self, content: impl AsRef<[u8]>) -> Self {
        self.body.fingerprint = Some(fingerprint(content.as_ref()));
        self
    }

    /// Sets how long the work may take: 60 s by default, from 1 s to 24 h. After that, it is stopped, and the key is
    /// free again.
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self.body.ttl = Some(duration::written(ttl));
        self
    }

    /// Sets how long the response is kept: 24 h by default.
    pub fn keep(mut self, keep: Duration) -> Self {
        self.keep = Some(keep);
        self
    }

    /// Waits for the response while someone else does the work, for up to this long (60 s at most). By default, that
    /// is an error at once.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self.body.wait = Some(duration::written(wait));
        self
    }

    /// Begins the work, or returns the response that is stored.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_execution_in_progress`] when someone else does the work, and with
    /// [`Error::is_fingerprint_different`] when the key was used for something else.
    pub async fn begin(self) -> Result<Begun> {
        #[derive(Deserialize)]
        struct Wire {
            token: Option<ExecutionToken>,
            response: Option<StoredResponse>,
        }
        let body = serde_json::to_vec(&self.body).map_err(Error::Encode)?;
        let call =
            Call::new(Method::POST, path(&self.key, "/begin")).body("application/json", body).wait(self.wait);
        let sent = Instant::now();
        let begun = self.client.call_unless(&call, Error::is_execution_in_progress).await?;
        let begun: Wire = decode(&begun)?;
        match (begun.response, begun.token) {
            (Some(response), _) => Ok(Begun::Completed(response)),
            (None, Some(token)) => Ok(Begun::New(Execution {
                client: self.client,
                key: self.key,
                token,
                keep: self.keep,
                // With `wait`, the time begins when the key becomes free, which may be later.
                until: sent.checked_add(self.ttl),
            })),
            (None, None) => Err(Error::Response("there is neither a token nor a response".into())),
        }
    }

    /// Does the work with `work` and stores its response, or returns the response that is stored. `work` gets the
    /// execution, whose token it can check in transactions.
    ///
    /// If `work` returns an error, the key is abandoned, so that the next request does the work again: return an error
    /// only if nothing was done, or if doing it again is safe. Everything else is a response. If the future of this
    /// call is dropped, the key stays in use until its time is over.
    ///
    /// # Errors
    /// [`OnceError`]
    pub async fn run<E>(
        self,
        work: impl AsyncFnOnce(&Execution) -> Result<StoredResponse, E>,
    ) -> Result<StoredResponse, OnceError<E>> {
        let ttl = self.ttl;
        let execution = match self.begin().await.map_err(OnceError::Store)? {
            Begun::Completed(response) => return Ok(response),
            Begun::New(execution) => execution,
        };
        let until = execution.until.unwrap_or_else(Instant::now);
        match tokio::time::timeout_at(until.into(), work(&execution)).await {
            Ok(Ok(response)) => {
                execution.complete(&response).await.map_err(OnceError::Store)?;
                Ok(response)
            }
            Ok(Err(error)) => {
                // If this fails, the key is free when its time is over.
                let _ = execution.abandon().await;
                Err(OnceError::Work(error))
            }
            Err(_) => Err(OnceError::TimedOut(ttl)),
        }
    }
}

impl Execution {
    /// The token of this execution.
    #[must_use]
    pub fn token(&self) -> &ExecutionToken {
        &self.token
    }

    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The moment at which the key may be free again, by this machine's monotonic clock. `None` if another process has
    /// begun the execution.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Sets how long the response is kept: 24 h by default.
    #[must_use]
    pub fn keep_for(self, keep: Duration) -> Self {
        Self { keep: Some(keep), ..self }
    }

    /// How long the response is kept, as the API reads it.
    pub(crate) fn keep(&self) -> Option<String> {
        self.keep.map(duration::written)
    }

    /// Stores the response. Completing again is safe.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_execution_lost`] when the execution is over.
    pub async fn complete(&self, response: &StoredResponse) -> Result<()> {
        #[derive(Serialize)]
        struct Body<'a> {
            token: &'a ExecutionToken,
            response: &'a StoredResponse,
            #[serde(skip_serializing_if = "Option::is_none")]
            keep: Option<String>,
        }
        let body = Body { token: &self.token, response, keep: self.keep() };
        let body = serde_json::to_vec(&body).map_err(Error::Encode)?;
        let call = Call::new(Method::POST, path(&self.key, "/complete")).body("application/json", body);
        self.client.call(&call).await.map(drop)
    }

    /// Frees the key: the next request does the work.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_execution_lost`] when the execution is over, which may also be because an
    /// earlier attempt of this call has ended it.
    pub async fn abandon(&self) -> Result<()> {
        #[derive(Serialize)]
        struct Body<'a> {
            token: &'a ExecutionToken,
        }
        let body = serde_json::to_vec(&Body { token: &self.token }).map_err(Error::Encode)?;
        let call = Call::new(Method::POST, path(&self.key, "/abandon")).body("application/json", body);
        self.client.call(&call).await.map(drop)
    }
}

fn path(key: &str, below: &str) -> String {
    format!("/v1/idempotency/{}{below}", encode(key))
}

/// A short text as it is, and of everything else a hash.
fn fingerprint(content: &[u8]) -> String {
    match std::str::from_utf8(content) {
        Ok(text) if (1..=256).contains(&text.len()) && !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("fnv-1a:{}:{:032x}", content.len(), fnv(content)),
    }
}

/// FNV-1a with 128 bits. A caller that makes two requests with the same hash on purpose deceives only itself.
fn fnv(content: &[u8]) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    content.iter().fold(OFFSET, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_short_and_differs_for_different_content() {
        assert_eq!(fingerprint(b"sha256:abc"), "sha256:abc");
        let long = "x".repeat(10_000);
        let hashes = [long.as_bytes(), &long.as_bytes()[1..], b"", b"a\nb", b"\xff"].map(fingerprint);
        for (at, hash) in hashes.iter().enumerate() {
            assert!(hash.len() <= 256 && hash.starts_with("fnv-1a:"), "{hash}");
            assert!(!hashes[..at].contains(hash), "{hash}");
        }
        // The test vectors of its authors.
        assert_eq!(fnv(b""), 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
        assert_eq!(fnv(b"a"), 0xd228_cb69_6f1a_8caf_7891_2b70_4e4a_8964);
    }

    #[test]
    fn a_response_reads_back_as_it_was() {
        let response = StoredResponse::json(201, &serde_json::json!({"id": 7})).unwrap();
        let wire = serde_json::to_string(&response.header("location", "/7")).unwrap();
        assert_eq!(wire, r#"{"status":201,"headers":{"location":"/7"},"body":{"id":7}}"#);
        let read: StoredResponse = serde_json::from_str(&wire).unwrap();
        assert_eq!(read.decode::<Value>().unwrap(), serde_json::json!({"id": 7}));
        let wire = serde_json::to_string(&StoredResponse::bytes(200, b"\x00a")).unwrap();
        assert_eq!(serde_json::from_str::<StoredResponse>(&wire).unwrap().body().unwrap(), b"\x00a");
        assert_eq!(StoredResponse::new(204).body().unwrap(), b"");
    }
}
