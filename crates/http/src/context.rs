//! What every route needs: the node's handle, the metrics, and the bounds that all connections share.

use crate::access::{Authority, Node};
use crate::buffers::Buffers;
use crate::options::HttpOptions;
use crate::origin::Origins;
use crate::sealing::Sealing;
use crate::workers::Workers;
use api::Operation;
use bytes::Bytes;
use http::header::HeaderValue;
use runtime::Handle;
use std::sync::Arc;
use telemetry::{Metrics, Queue, Route};
use tokio::sync::{Semaphore, watch};

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) handle: Node,
    pub(crate) access: Authority,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) options: HttpOptions,
    pub(crate) origins: Origins,
    /// The identity of the store, as `Mainstay-Store` carries it.
    pub(crate) store: HeaderValue,
    /// One permit per subscriber.
    pub(crate) subscribers: Arc<Semaphore>,
    /// One permit per byte of the lines in flight.
    pub(crate) lines_bytes: Arc<Semaphore>,
    /// True once the server stops: subscribers and streams of lines then end cleanly.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) openapi: Bytes,
    pub(crate) buffers: Buffers,
    pub(crate) workers: Arc<Workers>,
    /// The metrics of the page for browsers.
    pub(crate) page: Arc<Route>,
    routes: Vec<Arc<Route>>,
    unmatched: Arc<Route>,
}

impl Context {
    pub(crate) fn new(
        handle: Handle,
        metrics: Arc<Metrics>,
        options: HttpOptions,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        metrics.queue(Queue::Connections).bound.set(options.connections_max as u64);
        metrics.queue(Queue::Subscribers).bound.set(options.subscribers_max as u64);
        metrics.queue(Queue::WaitingClaims).bound.set(model::limits::WAITERS_MAX as u64);
        let lines_max = model::limits::LINES_IN_FLIGHT_MAX * options.connections_max;
        metrics.queue(Queue::LinesInFlight).bound.set(lines_max as u64);
        let routes = Operation::ALL.iter().map(|op| metrics.route(op.method().as_str(), op.path())).collect();
        // 32 hex digits are always a valid header value.
        let store =
            HeaderValue::from_str(&handle.store().to_string()).unwrap_or(HeaderValue::from_static(""));
        Self {
            access: Authority::new(&options, &handle),
            handle: Node::new(handle, Sealing::new(options.subject_keys.clone(), &options.subject_sources)),
            store,
            subscribers: Arc::new(Semaphore::new(options.subscribers_max)),
            lines_bytes: Arc::new(Semaphore::new(options.lines_bytes_max)),
            buffers: Buffers::new(options.buffered_bytes_max, Arc::clone(&metrics)),
            workers: Workers::new(model::limits::WORKERS_SEEN_MAX),
            page: metrics.route("GET", crate::ui::PATH),
            unmatched: metrics.route("*", "*"),
            metrics,
            origins: Origins::new(&options.web),
            options,
            stopping,
            openapi: Bytes::from(api::contract::document::document()),
            routes,
        }
    }

    /// The metrics of an operation, or of all requests that match none.
    pub(crate) fn metrics_of(&self, operation: Option<Operation>) -> &Route {
        operation.and_then(|operation| self.routes.get(operation as usize)).unwrap_or(&self.unmatched)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}
