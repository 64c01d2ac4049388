//! HTTP/1.1 to one node: connections, time-outs, bodies in and out. Knows nothing of events.
//!
//! Everything here is async over hyper, on a current-thread runtime that the client owns: an answer can be
//! read while its request is still being written (imports need that), and a wait can end for any of several
//! reasons. The blocking face of the crate is `Transport::run` and nothing else.

use crate::error::{Error, Problem, Result};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Connections kept open while unused.
const IDLE_MAX: usize = 8;
/// Bytes of an answer that is read whole: a page of events is at most about 8 MiB by the server's bounds.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// How long to wait for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    /// Until an answer begins, and between two parts of it.
    pub(crate) answer: Duration,
}

/// One request, ready to be sent, and to be sent again.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Path and query, percent-encoded.
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    pub(crate) fn new(method: Method, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Bytes::new() }
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
}

/// What hyper writes: bytes at hand, or bytes that are still to come.
pub(crate) enum Body {
    Whole(Option<Bytes>),
    Parts(mpsc::Receiver<Bytes>),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Parts(parts) => parts.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Parts(_) => SizeHint::default(),
        }
    }
}

pub(crate) struct Transport {
    /// Taken only on drop.
    runtime: Option<Runtime>,
    target: Target,
    timeouts: Timeouts,
    idle: Mutex<Vec<SendRequest<Body>>>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("target", &self.target).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug)]
struct Target {
    host: String,
    port: u16,
    /// Put before every path, without a slash at its end.
    base: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self> {
        let refuse = |why| Error::Url { url: url.to_owned(), why };
        let uri: Uri = url.parse().map_err(|_| refuse("it is not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(refuse("this version speaks http only")),
            _ => return Err(refuse("it does not begin with http://")),
        }
        if uri.query().is_some() {
            return Err(refuse("it has a query"));
        }
        let host = uri.host().ok_or_else(|| refuse("it names no host"))?;
        Ok(Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(80),
            base: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl Transport {
    pub(crate) fn new(url: &str, timeouts: Timeouts) -> Result<Self> {
        let target = Target::parse(url)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Error::Connect { address: target.authority(), source })?;
        Ok(Self { runtime: Some(runtime), target, timeouts, idle: Mutex::new(Vec::new()) })
    }

    /// Runs `work` to its end on this thread.
    pub(crate) fn run<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(work),
            None => Err(Error::Answer("the client has ended".into())),
        }
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Sends `call` and waits for the head of its answer. Nothing is tried again here, except that an unused
    /// connection which turns out to be closed is replaced.
    pub(crate) async fn send(self: &Arc<Self>, call: &Call) -> Result<Answer> {
        let body = || Body::Whole((!call.body.is_empty()).then(|| call.body.clone()));
        if let Some(sender) = self.take_idle().await {
            match self.exchange(sender, self.request(call, body())?).await {
                Err(Error::Broken(_)) => {}
                other => return other,
            }
        }
        self.exchange(self.connect().await?, self.request(call, body())?).await
    }

    /// Like [`Self::send`], with a body whose parts are still to come.
    pub(crate) async fn send_parts(
        self: Arc<Self>,
        call: Call,
        parts: mpsc::Receiver<Bytes>,
    ) -> Result<Answer> {
        let sender = self.connect().await?;
        let request = self.request(&call, Body::Parts(parts))?;
        let mut sender = sender;
        // No time-out: the head may wait for the first line, and that for whoever writes it.
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(Answer::new(&self, response, sender))
    }

    async fn exchange(
        self: &Arc<Self>,
        mut sender: SendRequest<Body>,
        request: Request<Body>,
    ) -> Result<Answer> {
        let limit = self.timeouts.answer;
        let response = tokio::time::timeout(limit, sender.send_request(request))
            .await
            .map_err(|_| Error::TimedOut(limit))?
            .map_err(broken)?;
        Ok(Answer::new(self, response, sender))
    }

    fn request(&self, call: &Call, body: Body) -> Result<Request<Body>> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("{}{}", self.target.base, call.path))
            .header(HOST, self.target.authority())
            .header(USER_AGENT, concat!("mainstay-client/", env!("CARGO_PKG_VERSION")));
        for (name, value) in &call.headers {
            let value = HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| Error::Answer(format!("the header {name} cannot carry {value:?}")))?;
            request = request.header(name, value);
        }
        request.body(body).map_err(|error| Error::Answer(error.to_string()))
    }

    async fn connect(&self) -> Result<SendRequest<Body>> {
        let limit = self.timeouts.connect;
        let failed = |source| Error::Connect { address: self.target.authority(), source };
        let opening = TcpStream::connect((self.target.host.as_str(), self.target.port));
        let socket = tokio::time::timeout(limit, opening)
            .await
            .map_err(|_| failed(std::io::ErrorKind::TimedOut.into()))?
            .map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let (sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(broken)?;
        // Ends when its sender is dropped, or with the runtime; an error shows on the sender's side.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn take_idle(&self) -> Option<SendRequest<Body>> {
        loop {
            let sender = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            // Nobody ran the connections since the last call: once round for the sockets' news, once round
            // for the connections to take it in.
            tokio::task::yield_now().await;
            tokio::task::yield_now().await;
            if sender.is_ready() {
                return Some(sender);
            }
        }
    }

    fn keep(&self, sender: SendRequest<Body>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !sender.is_closed() {
            idle.push(sender);
        }
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        // A plain drop of a runtime panics inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn broken(error: hyper::Error) -> Error {
    Error::Broken(Box::new(error))
}

/// An answer whose head is here; its body comes in parts.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    sender: Option<SendRequest<Body>>,
    transport: Arc<Transport>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    fn new(
        transport: &Arc<Transport>,
        response: http::Response<Incoming>,
        sender: SendRequest<Body>,
    ) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body,
            sender: Some(sender),
            transport: Arc::clone(transport),
        }
    }

    /// The next part of the body; `None` at its end. A body that ends before its end is [`Error::Broken`].
    pub(crate) async fn part(&mut self, idle_max: Duration) -> Result<Option<Bytes>> {
        tokio::time::timeout(idle_max, self.part_unbounded()).await.map_err(|_| Error::TimedOut(idle_max))?
    }

    /// The same, however long it takes. Dropping the future loses nothing.
    pub(crate) async fn part_unbounded(&mut self) -> Result<Option<Bytes>> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                return Ok(Some(data));
            }
        }
        if let Some(sender) = self.sender.take() {
            self.transport.keep(sender);
        }
        Ok(None)
    }

    /// The whole body.
    pub(crate) async fn whole(&mut self) -> Result<Bytes> {
        let limit = self.transport.timeouts.answer;
        let mut whole = BytesMut::new();
        while let Some(part) = self.part(limit).await? {
            if whole.len() + part.len() > ANSWER_BYTES_MAX {
                return Err(Error::Answer(format!("it has more than {ANSWER_BYTES_MAX} bytes")));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    /// Itself when the status says success, and the server's problem otherwise.
    pub(crate) async fn success(mut self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        let body = self.whole().await?;
        let mut problem = Problem::from_answer(self.status.as_u16(), &body);
        problem.retry_after = self
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        Err(Error::Problem(Box::new(problem)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_checked_before_anything_is_sent() {
        for (url, want) in [
            ("http://127.0.0.1:7070", Some(("127.0.0.1:7070", ""))),
            ("http://localhost/", Some(("localhost:80", ""))),
            ("http://[::1]:7070/mainstay/", Some(("[::1]:7070", "/mainstay"))),
            ("https://localhost:7070", None),
            ("localhost:7070", None),
            ("http://localhost/?a=b", None),
            ("", None),
        ] {
            let got = Target::parse(url).ok();
            let got = got.as_ref().map(|target| (target.authority(), target.base.clone()));
            assert_eq!(got, want.map(|(authority, base)| (authority.to_owned(), base.to_owned())), "{url}");
        }
    }
}
