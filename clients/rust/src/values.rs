//! Values: small named pieces of content with a revision, such as feature flags.

use crate::client::{Client, decode, encode};
use crate::error::{Error, Result};
use crate::event::{Expected, Revision};
use crate::transport::Call;
use crate::watch::Watch;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_TYPE, ETAG};
use serde::{Deserialize, Serialize};
use std::pin::Pin;

/// A value that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredValue {
    pub revision: Revision,
    pub content_type: String,
    pub content: Bytes,
}

/// A value in the list of all.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ListedValue {
    pub value: String,
    pub revision: Revision,
    pub content_type: String,
    /// The size of the content.
    pub bytes: u64,
}

/// A value as a watch shows it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ValueSeen {
    pub value: String,
    /// `None` if the value does not exist.
    pub revision: Option<Revision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The content, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Any other content, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_base64: Option<String>,
}

impl ValueSeen {
    /// The content; `None` if the value does not exist.
    ///
    /// # Errors
    /// [`Error::Response`] when the node has sent something else.
    pub fn stored(&self) -> Result<Option<StoredValue>> {
        let Some(revision) = self.revision else { return Ok(None) };
        let content = match (&self.content, &self.content_base64) {
            (Some(text), _) => Bytes::copy_from_slice(text.as_bytes()),
            (None, Some(text)) => {
                STANDARD.decode(text).map_err(|error| Error::Response(error.to_string()))?.into()
            }
            (None, None) => Bytes::new(),
        };
        let content_type = self.content_type.clone().unwrap_or_default();
        Ok(Some(StoredValue { revision, content_type, content }))
    }
}

/// A write of a value, which is sent when it is awaited. Made by [`Client::put_value`].
#[derive(Clone, Debug)]
#[must_use = "a write does nothing until it is awaited"]
pub struct PutValue {
    client: Client,
    value: String,
    content_type: String,
    content: Bytes,
    expected: Expected,
    idempotency_key: Option<String>,
}

impl Client {
    /// Replaces the content of a value, or creates it, and returns its revision.
    ///
    /// ```no_run
    /// use mainstay_client::{Client, Expected};
    ///
    /// # async fn example(client: Client) -> Result<(), mainstay_client::Error> {
    /// client.put_value("max-batch", "500").await?;
    /// if let Some(value) = client.value("max-batch").await? {
    ///     client.put_value("max-batch", "600").expected(Expected::Revision(value.revision)).await?;
    /// }
    /// let mut changes = client.watch_value("max-batch");
    /// while let Some(seen) = changes.next().await {
    ///     println!("{:?}", seen?.content);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn put_value(&self, value: impl Into<String>, content: impl Into<Bytes>) -> PutValue {
        PutValue {
            client: self.clone(),
            value: value.into(),
            content_type: "text/plain; charset=utf-8".into(),
            content: content.into(),
            expected: Expected::Any,
            idempotency_key: None,
        }
    }

    /// Reads a value; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn value(&self, value: &str) -> Result<Option<StoredValue>> {
        let opened = self.open(&Call::get(path(value)), self.shared.retries.begin()).await;
        let mut response = match opened {
            Err(error) if error.code() == Some("value_not_found") => return Ok(None),
            response => response?,
        };
        let header = |name| response.headers.get(name).and_then(|value| value.to_str().ok());
        let revision = header(ETAG).and_then(|tag| tag.trim_matches('"').parse().ok()).map(Revision);
        let revision = revision.ok_or_else(|| Error::Response("a value has no revision".into()))?;
        let content_type = header(CONTENT_TYPE).unwrap_or_default().to_owned();
        Ok(Some(StoredValue { revision, content_type, content: response.whole().await? }))
    }

    /// Removes a value, if it is as expected. Returns the last revision that it had.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_wrong_revision`] when the value is not as expected.
    pub async fn delete_value(&self, value: &str, expected: Expected) -> Result<Option<Revision>> {
        let call = Call::new(Method::DELETE, path(value)).expecting(expected);
        self.call_json::<Written>(&call).await.map(|written| written.revision)
    }

    /// All values without their content, in no particular order.
    ///
    /// # Errors
    /// [`Error`]
    pub async fn values(&self) -> Result<Vec<ListedValue>> {
        self.list("/v1/values", "values").await
    }

    /// Watches a value: it is returned as it is, and again after each change. Changes in quick succession may be
    /// returned as one.
    pub fn watch_value(&self, value: &str) -> Watch<ValueSeen> {
        Watch::new(self.clone(), path(value), "value")
    }
}

#[derive(Deserialize)]
struct Written {
    revision: Option<Revision>,
}

impl PutValue {
    /// Sets the content type: `text/plain; charset=utf-8` by default.
    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// Writes only if the value is as expected.
    pub fn expected(mut self, expected: Expected) -> Self {
        self.expected = expected;
        self
    }

    /// Names the intended effect: see [`crate::Append::idempotency_key`].
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sends the write. Awaiting it does the same.
    ///
    /// # Errors
    /// [`Error`]; one with [`Error::is_wrong_revision`] when the value is not as expected. Without an idempotency key,
    /// that may also be because an earlier attempt of this call has written it.
    pub async fn send(self) -> Result<Revision> {
        let mut call = Call::new(Method::PUT, path(&self.value))
            .body(&self.content_type, self.content)
            .expecting(self.expected);
        if let Some(key) = &self.idempotency_key {
            call = call.idempotency_key(key);
        }
        let written: Written = decode(&self.client.call(&call).await?)?;
        written.revision.ok_or_else(|| Error::Response("a written value has no revision".into()))
    }
}

impl IntoFuture for PutValue {
    type Output = Result<Revision>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn path(value: &str) -> String {
    format!("/v1/values/{}", encode(value))
}
