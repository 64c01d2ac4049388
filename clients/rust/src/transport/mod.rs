//! HTTP/1.1 and HTTP/2 to one node: connections, timeouts, request and response bodies. Knows nothing of
//! events.
//!
//! It uses hyper-util's pooling client. A response may arrive while its request is still being written, which
//! imports need. Nothing is retried here, except that an idle connection that turns out to be closed is
//! replaced.

mod body;
mod connector;
mod failure;
mod response;
mod target;
mod token;

use crate::error::{Error, Result};
use body::Body;
use bytes::Bytes;
pub(crate) use connector::Secrets;
use connector::{Connector, connector};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
pub(crate) use response::Response;
use std::fmt;
use std::time::Duration;
use target::Target;
pub(crate) use token::Token;
use tokio::sync::mpsc;

/// How many idle connections are kept, and for how long.
const IDLE_MAX: usize = 8;
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For a response to begin, and between two parts of it.
    pub(crate) response: Duration,
}

/// Whether a request may be sent again when nobody knows whether it took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Sending it twice has the effect of sending it once.
    Always,
    /// Only after an error that says that nothing was changed.
    IfUnchanged,
}

/// One request, ready to be sent any number of times.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query, percent-encoded.
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Bytes,
    pub(crate) repeat: Repeat,
    /// How much longer than usual the response may take to begin.
    pub(crate) wait: Duration,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            repeat: Repeat::Always,
            wait: Duration::ZERO,
        }
    }

    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path)
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self { body: body.into(), ..self }.header(CONTENT_TYPE, content_type)
    }

    pub(crate) fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    pub(crate) fn repeat(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }
}

pub(crate) struct Transport {
    http: legacy::Client<Connector, Body>,
    target: Target,
    timeouts: Timeouts,
    /// The value of `Authorization`.
    authorization: Option<HeaderValue>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Transport {
    pub(crate) fn new(
        url: &str,
        timeouts: Timeouts,
        secrets: &Secrets,
        token: Option<&Token>,
    ) -> Result<Self> {
        let target = Target::parse(url)?;
        let http = legacy::Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_MAX)
            .pool_idle_timeout(IDLE_TIME_MAX)
            .build(connector(&target, timeouts.connect, secrets)?);
        let authorization = token.map(Token::header).transpose()?;
        Ok(Self { http, target, timeouts, authorization })
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Sends `call` once and waits for the head of its response.
    pub(crate) async fn send(&self, call: &Call) -> Result<Response> {
        let limit = self.timeouts.response.saturating_add(call.wait);
        let sending = self.exchange(self.request(call, Body::whole(call.body.clone()))?);
        tokio::time::timeout(limit, sending).await.map_err(|_| Error::TimedOut(limit))?
    }

    /// Sends `call` with a body that is still being written. There is no timeout for the head of the
    /// response: the server may send it only after the body's first line.
    pub(crate) async fn send_parts(&self, call: &Call, parts: mpsc::Receiver<Bytes>) -> Result<Response> {
        self.exchange(self.request(call, Body::Parts(parts))?).await
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Response> {
        match self.http.request(request).await {
            Ok(response) => Ok(Response::new(response, self.timeouts.response)),
            Err(error) => Err(failure::unanswered(&self.target, error)),
        }
    }

    fn request(&self, call: &Call, body: Body) -> Result<Request<Body>> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(self.target.join(&call.path))
            .header(USER_AGENT, concat!("mainstay-client/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        for (name, value) in &call.headers {
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| Error::Request(format!("the header {name} cannot carry {value:?}")))?;
            request = request.header(name, value);
        }
        request.body(body).map_err(|error| Error::Request(error.to_string()))
    }
}
