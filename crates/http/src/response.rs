//! Responses: whole, or a stream of parts, of which one is in memory at a time.

use api::{Code, Problem};
use bytes::Bytes;
use futures_util::Stream;
use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http_body::{Body, Frame, SizeHint};
use model::Revision;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

pub(crate) type Response = http::Response<ResponseBody>;
pub(crate) type Result<T = Response, E = Box<Problem>> = std::result::Result<T, E>;
pub(crate) type Parts = Pin<Box<dyn Stream<Item = std::result::Result<Bytes, Aborted>> + Send>>;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const LINES: HeaderValue = HeaderValue::from_static("application/x-ndjson");
pub(crate) const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
pub(crate) const CURSOR: HeaderName = HeaderName::from_static("mainstay-cursor");
pub(crate) const AS_OF: HeaderName = HeaderName::from_static("mainstay-as-of");
pub(crate) const REMOVED_THROUGH: HeaderName = HeaderName::from_static("mainstay-removed-through");

/// The body of a response.
pub(crate) enum ResponseBody {
    Empty,
    Whole(Bytes),
    /// As a whole too, and counted: its bytes hold their reservation of memory.
    Reserved(Bytes),
    Parts(Parts),
    /// One of the others, from the router.
    Routed(axum::body::Body),
}

/// The response cannot be finished. The connection is closed, so that no client takes a part for the whole.
#[derive(Debug)]
pub(crate) struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the response could not be finished")
    }
}

impl std::error::Error for Aborted {}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Whole(bytes) => write!(f, "Whole({} bytes)", bytes.len()),
            Self::Reserved(bytes) => write!(f, "Reserved({} bytes)", bytes.len()),
            Self::Parts(_) => f.write_str("Parts"),
            Self::Routed(_) => f.write_str("Routed"),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Aborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Aborted>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) | Self::Reserved(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Parts(parts) => {
                parts.as_mut().poll_next(context).map(|part| part.map(|part| part.map(Frame::data)))
            }
            Self::Routed(body) => {
                Pin::new(body).poll_frame(context).map(|frame| frame.map(|frame| frame.map_err(|_| Aborted)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) | Self::Reserved(bytes) => bytes.is_empty(),
            Self::Parts(_) => false,
            Self::Routed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) | Self::Reserved(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Parts(_) => SizeHint::default(),
            Self::Routed(body) => body.size_hint(),
        }
    }
}

/// 200 with a whole body.
pub(crate) fn whole(content_type: HeaderValue, body: impl Into<Bytes>) -> Response {
    let mut response = http::Response::new(ResponseBody::Whole(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// 200 with a whole body that is counted already.
pub(crate) fn reserved(content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = http::Response::new(ResponseBody::Reserved(body));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

pub(crate) fn json(body: impl Into<Bytes>) -> Response {
    whole(JSON, body)
}

/// 200 with a streamed body.
pub(crate) fn parts(
    content_type: HeaderValue,
    parts: impl Stream<Item = std::result::Result<Bytes, Aborted>> + Send + 'static,
) -> Response {
    let mut response = http::Response::new(ResponseBody::Parts(Box::pin(parts)));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Adds a header whose value is a time or a cursor, if there is one.
pub(crate) fn insert(response: &mut Response, name: HeaderName, value: Option<impl ToString>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value.to_string()).ok()) {
        response.headers_mut().insert(name, value);
    }
}

/// A revision as the tag that `If-Match` takes.
pub(crate) fn etag(revision: Revision) -> HeaderValue {
    let mut tag = Vec::with_capacity(22);
    tag.push(b'"');
    api::json::write_number(&mut tag, revision.0);
    tag.push(b'"');
    HeaderValue::from_maybe_shared(Bytes::from(tag)).unwrap_or(HeaderValue::from_static("\"\""))
}

pub(crate) fn problem(problem: &Problem) -> Response {
    let mut response = whole(PROBLEM, problem.to_bytes());
    *response.status_mut() =
        StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if problem.status() == 401 {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge(problem.code));
    }
    if let Some(seconds) = problem.retry_after_s {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// How to prove who one is (RFC 6750, section 3).
const fn challenge(code: Code) -> HeaderValue {
    match code {
        Code::TokenInvalid | Code::TokenExpired => {
            HeaderValue::from_static("Bearer realm=\"mainstay\", error=\"invalid_token\"")
        }
        _ => HeaderValue::from_static("Bearer realm=\"mainstay\""),
    }
}

/// The last line of a response that has begun and cannot go on.
pub(crate) fn problem_line(problem: &Problem) -> Vec<u8> {
    let mut out = b"{\"problem\":".to_vec();
    problem.render(&mut out);
    out.extend_from_slice(b"}\n");
    out
}

/// Adds the methods that a path supports.
pub(crate) fn allow(mut response: Response, methods: &str) -> Response {
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

pub(crate) fn no_content() -> Response {
    let mut response = http::Response::new(ResponseBody::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
