//! The seats of subscribers: a node admits a bounded number of them at once, whatever they subscribe to.

use crate::context::Context;
use crate::response::Result;
use api::{Code, Problem};
use std::sync::Arc;
use telemetry::{Metrics, Queue};
use tokio::sync::OwnedSemaphorePermit;

/// One of the subscribers that the node admits at once, counted until it is dropped.
pub(crate) struct Seat {
    pub(crate) metrics: Arc<Metrics>,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    pub(crate) fn take(context: &Context) -> Result<Self> {
        let queue = context.metrics.queue(Queue::Subscribers);
        let Ok(permit) = Arc::clone(&context.subscribers).try_acquire_owned() else {
            queue.rejected.inc();
            let detail = format!("the node has {} subscribers already", context.options.subscribers_max);
            return Err(Problem::new(Code::TooManySubscribers, detail));
        };
        queue.depth.add(1);
        Ok(Self { metrics: Arc::clone(&context.metrics), _permit: permit })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.metrics.queue(Queue::Subscribers).depth.sub(1);
    }
}
