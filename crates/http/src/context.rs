//! What every route needs: the node's handle, the figures, the bounds shared by all connections.

use crate::buffers::Buffers;
use crate::options::HttpOptions;
use crate::router::Operation;
use bytes::Bytes;
use runtime::Handle;
use std::sync::Arc;
use telemetry::{Metrics, Queue, Route};
use tokio::sync::{Semaphore, watch};

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) handle: Handle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) options: HttpOptions,
    /// One place a subscriber.
    pub(crate) subscribers: Arc<Semaphore>,
    /// Bytes of lines in flight.
    pub(crate) lines_bytes: Arc<Semaphore>,
    /// True once the server stops: subscribers and streams of lines end cleanly.
    pub(crate) stopping: watch::Receiver<bool>,
    pub(crate) openapi: Bytes,
    pub(crate) buffers: Buffers,
    routes: Vec<Arc<Route>>,
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
        let lines_max = model::limits::LINES_IN_FLIGHT_MAX * options.connections_max;
        metrics.queue(Queue::LinesInFlight).bound.set(lines_max as u64);
        let routes = Operation::ALL.iter().map(|op| metrics.route(op.method(), op.path())).collect();
        Self {
            handle,
            subscribers: Arc::new(Semaphore::new(options.subscribers_max)),
            lines_bytes: Arc::new(Semaphore::new(options.lines_bytes_max)),
            buffers: Buffers::new(options.buffered_bytes_max, Arc::clone(&metrics)),
            metrics,
            options,
            stopping,
            openapi: Bytes::from(crate::openapi::document()),
            routes,
        }
    }

    /// The metrics of an operation, registered when the server starts.
    pub(crate) fn metrics_of(&self, operation: Operation) -> &Route {
        &self.routes[operation as usize]
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }
}
