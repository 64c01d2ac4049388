//! Requests as they are: for routes that this crate has no word for, and for whoever wants to see the answer
//! itself.

use crate::client::Client;
use crate::error::{Error, Result};
use crate::transport::Call;
use bytes::Bytes;
use http::{HeaderName, Method};

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    call: Call,
}

/// One answer, whatever its status.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Response {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
}

impl Request {
    /// # Errors
    /// [`Error::Answer`] when the method is none.
    pub fn new(method: &str, path: impl Into<String>) -> Result<Self> {
        let method: Method =
            method.parse().map_err(|_| Error::Answer(format!("{method:?} is no method of HTTP")))?;
        Ok(Self { call: Call::new(method, path) })
    }

    /// # Errors
    /// [`Error::Answer`] when the name is none.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Result<Self> {
        let name: HeaderName =
            name.parse().map_err(|_| Error::Answer(format!("{name:?} is no name of a header")))?;
        self.call = self.call.header(name, value);
        Ok(self)
    }

    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.call = self.call.body(content_type, body.into());
        self
    }
}

impl Response {
    /// The first header of this name, in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Client {
    /// Sends a request once and gives its answer, also a refusal.
    ///
    /// # Errors
    /// [`Error`] when no whole answer came.
    pub fn send(&self, request: &Request) -> Result<Response> {
        self.transport.run(async {
            let mut answer = self.transport.send(&request.call).await?;
            let body = answer.whole().await?;
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers =
                answer.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            Ok(Response { status: answer.status.as_u16(), headers, body })
        })
    }
}
