//! Any request and its whole response: for routes that this crate has no method for, and for programs that
//! need the response itself.

use crate::client::Client;
use crate::error::{Error, Result};
use crate::transport::Call;
use bytes::Bytes;
use http::{HeaderName, Method};

/// A request for [`Client::send`].
#[derive(Clone, Debug)]
pub struct Request {
    call: Call,
}

/// A whole response, whatever its status.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Request {
    /// A request without headers or body. `path` includes the query and is percent-encoded.
    ///
    /// # Errors
    /// [`Error::Request`] when `method` is not an HTTP method.
    pub fn new(method: &str, path: impl Into<String>) -> Result<Self> {
        let method: Method =
            method.parse().map_err(|_| Error::Request(format!("{method:?} is not an HTTP method")))?;
        Ok(Self { call: Call::new(method, path) })
    }

    /// Adds a header.
    ///
    /// # Errors
    /// [`Error::Request`] when `name` is not a header name.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Result<Self> {
        let name: HeaderName =
            name.parse().map_err(|_| Error::Request(format!("{name:?} is not a header name")))?;
        self.call = self.call.header(name, value);
        Ok(self)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.call = self.call.body(content_type, body.into());
        self
    }
}

impl Response {
    /// The first header with this lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    /// Sends a request once and returns its response, whatever the status.
    ///
    /// # Errors
    /// [`Error`] when no complete response arrived.
    pub async fn send(&self, request: &Request) -> Result<Response> {
        let mut response = self.shared.transport.send(&request.call).await?;
        let body = response.whole().await?;
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Ok(Response { status: response.status.as_u16(), headers, body })
    }
}
