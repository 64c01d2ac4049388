//! Fills the queue of the exporter: a span for each request that is recorded, and what all metrics read from time to time.

use crate::context::Context;
use crate::routes;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use telemetry::trace::fresh_span_id;
use telemetry::{ExportQueue, RequestSpan, TraceId, TraceParent};
use tokio::time::sleep;

/// Where spans and readings go.
#[derive(Clone, Debug)]
pub struct Export {
    pub queue: ExportQueue,
    /// The time from one reading of the metrics to the next.
    pub metrics_every: Duration,
}

impl Export {
    /// The span of a request that ends now.
    pub(crate) fn request(
        &self,
        (parent, trace_id): (Option<TraceParent>, TraceId),
        (method, route): (&'static str, &'static str),
        status: u16,
        took: Duration,
    ) {
        if !self.queue.selects(parent, trace_id) {
            return;
        }
        self.queue.request(RequestSpan {
            trace_id,
            span_id: fresh_span_id(),
            parent_id: parent.map(|parent| parent.parent_id),
            method,
            route,
            status,
            began: SystemTime::now() - took,
            took,
        });
    }
}

/// Hands over what the metrics read, again and again.
pub(crate) async fn metrics_for_ever(context: Arc<Context>, export: Export) {
    loop {
        sleep(export.metrics_every).await;
        export.queue.metrics(routes::readings(&context).await);
    }
}
