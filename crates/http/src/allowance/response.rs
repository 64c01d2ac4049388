//! A response, counted as it is sent. A stream whose reader is in debt waits before it reads its next part.

use super::meter::{Meters, Seats};
use crate::context::Context;
use crate::read::framing::KEEP_ALIVE;
use crate::response::{Aborted, EVENTS, Parts, Response, ResponseBody};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use std::sync::Arc;
use std::time::Duration;
use telemetry::Metrics;
use tokio::time::sleep;

struct Counted {
    parts: Parts,
    meters: Meters,
    metrics: Arc<Metrics>,
    /// How long a subscription may be silent. `None` for other responses.
    keep_alive: Option<Duration>,
    _seats: Seats,
}

pub(super) fn counted(response: Response, meters: Meters, seats: Seats, context: &Context) -> Response {
    let is_events = response.headers().get(CONTENT_TYPE) == Some(&EVENTS);
    let keep_alive = is_events.then_some(context.options.keep_alive);
    response.map(|body| match body {
        ResponseBody::Parts(parts) => {
            let metrics = Arc::clone(&context.metrics);
            let counted = Counted { parts, meters, metrics, keep_alive, _seats: seats };
            ResponseBody::Parts(Box::pin(stream::unfold(counted, |mut counted| async move {
                counted.next().await.map(|part| (part, counted))
            })))
        }
        whole => {
            if let ResponseBody::Whole(bytes) | ResponseBody::Reserved(bytes) = &whole {
                meters.spend_bytes(bytes.len() as u64);
            }
            whole
        }
    })
}

impl Counted {
    async fn next(&mut self) -> Option<Result<Bytes, Aborted>> {
        while let Some(wait) = self.meters.wait(&self.metrics.limited) {
            match self.keep_alive {
                Some(silence) if wait > silence => {
                    sleep(silence).await;
                    return Some(Ok(Bytes::from_static(KEEP_ALIVE)));
                }
                _ => sleep(wait).await,
            }
        }
        let part = self.parts.next().await?;
        if let Ok(part) = &part {
            self.meters.spend_bytes(part.len() as u64);
        }
        Some(part)
    }
}
