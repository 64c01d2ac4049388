//! Responses: the head has arrived, and the body arrives in parts.

use super::failure::broken;
use crate::error::{Error, Problem, Result};
use bytes::{Bytes, BytesMut};
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use hyper::body::{Body as _, Incoming};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;

/// The longest body that is read whole. The server bounds a page of events to about 8 MiB.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A response whose head has arrived.
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    /// The longest silence between two parts.
    silence_max: Duration,
    /// The timer that runs while a part is awaited.
    silence: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Response {
    pub(super) fn new(response: http::Response<Incoming>, silence_max: Duration) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, headers: head.headers, body, silence_max, silence: None }
    }

    /// The next part of the body, or `None` at its end. A body that is cut off is [`Error::Broken`].
    pub(crate) fn poll_part(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        let part = self.poll_part_unbounded(context);
        if part.is_ready() {
            self.silence = None;
            return part;
        }
        let limit = self.silence_max;
        let silence = self.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(silence.as_mut().poll(context));
        Poll::Ready(Err(Error::TimedOut(limit)))
    }

    /// Like [`Self::poll_part`], without a limit for the silence.
    pub(crate) fn poll_part_unbounded(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>>> {
        loop {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
                return Poll::Ready(Ok(None));
            };
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                return Poll::Ready(Ok(Some(data)));
            }
        }
    }

    /// The whole body.
    pub(crate) async fn whole(&mut self) -> Result<Bytes> {
        let mut whole = BytesMut::new();
        while let Some(part) = poll_fn(|context| self.poll_part(context)).await? {
            if whole.len() + part.len() > BODY_BYTES_MAX {
                return Err(Error::Response(format!("it is longer than {BODY_BYTES_MAX} bytes")));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    /// The response itself if its status is a success, and otherwise the server's problem.
    pub(crate) async fn success(mut self) -> Result<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        let body = self.whole().await?;
        let mut problem = Problem::from_response(self.status.as_u16(), &body);
        problem.retry_after = self
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        Err(Error::Problem(Box::new(problem)))
    }
}
