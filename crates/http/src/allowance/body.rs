//! The body of a request, counted as it arrives.

use super::meter::Meters;
use crate::body::BodyError;
use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::error::Error;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use telemetry::Metrics;
use tokio::time::{Sleep, sleep};

/// What becomes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is read as a whole, and bounded.
    Whole,
    /// It is a stream, which waits when its sender is in debt.
    Lines,
}

/// A body that counts itself.
#[derive(Debug)]
pub(super) struct Counted {
    inner: Body,
    meters: Meters,
    kind: Kind,
    metrics: Arc<Metrics>,
    bytes: u64,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Counted {
    pub(super) fn new(inner: Body, meters: Meters, kind: Kind, metrics: &Arc<Metrics>) -> Self {
        Self { inner, meters, kind, metrics: Arc::clone(metrics), bytes: 0, pause: None }
    }

    fn received(&mut self, bytes: u64) -> Result<(), BodyError> {
        self.meters.spend_bytes(bytes);
        self.bytes = self.bytes.saturating_add(bytes);
        match self.kind {
            Kind::Whole => {
                self.meters.check_body(self.bytes, &self.metrics.limited).map_err(BodyError::Limited)
            }
            Kind::Lines => {
                self.pause = self.meters.wait(&self.metrics.limited).map(|wait| Box::pin(sleep(wait)));
                Ok(())
            }
        }
    }
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(context));
            this.pause = None;
        }
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(context));
        Poll::Ready(frame.map(|frame| {
            let frame = frame?;
            this.received(frame.data_ref().map_or(0, |data| data.len() as u64))?;
            Ok(frame)
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
