//! What leaves the process for a collector of telemetry: the spans of requests as they end, and from time to time what all
//! metrics read.
//!
//! An exporter takes both from one bounded queue, on a thread of its own. Filling the queue never waits: what does not fit is
//! dropped and counted.

use crate::metrics::Metrics;
use crate::readings::Reading;
use crate::trace::{TraceId, TraceParent};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

/// The most spans, and readings of metrics, that wait for an exporter.
pub const WAITING_MAX: usize = 4_096;

/// One thing to export.
#[derive(Debug)]
pub enum Exported {
    Request(RequestSpan),
    Metrics { at: SystemTime, readings: Vec<Reading> },
}

/// The span of one request, from its head to the head of its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSpan {
    pub trace_id: TraceId,
    pub span_id: u64,
    /// The caller's span, if the request has named one.
    pub parent_id: Option<u64>,
    pub method: &'static str,
    pub route: &'static str,
    pub status: u16,
    pub began: SystemTime,
    pub took: Duration,
}

/// What of the requests without a caller's decision is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRate {
    /// A trace counts if the last 56 bits of its id are below this.
    threshold: u64,
}

const RANDOM_BITS: u32 = 56;

impl SampleRate {
    /// A part of all traces: 0 is none, 1 is every one. `None` for any other number.
    #[must_use]
    pub fn new(part: f64) -> Option<Self> {
        let all = (1_u64 << RANDOM_BITS) as f64;
        (0.0..=1.0).contains(&part).then_some(Self { threshold: (part * all) as u64 })
    }

    fn selects(self, trace_id: TraceId) -> bool {
        let random = trace_id.get() as u64 & ((1 << RANDOM_BITS) - 1);
        random < self.threshold
    }
}

/// The filling end of the queue. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExportQueue {
    sender: SyncSender<Exported>,
    rate: SampleRate,
    metrics: Arc<Metrics>,
}

impl ExportQueue {
    /// An empty queue, and its other end.
    #[must_use]
    pub fn new(rate: SampleRate, metrics: Arc<Metrics>) -> (Self, Receiver<Exported>) {
        let (sender, receiver) = sync_channel(WAITING_MAX);
        (Self { sender, rate, metrics }, receiver)
    }

    /// Whether the trace of a request is recorded: as its caller says, or else as often as the rate says.
    #[must_use]
    pub fn selects(&self, parent: Option<TraceParent>, trace_id: TraceId) -> bool {
        parent.map_or_else(|| self.rate.selects(trace_id), |parent| parent.flags & 1 == 1)
    }

    pub fn request(&self, span: RequestSpan) {
        if self.sender.try_send(Exported::Request(span)).is_err() {
            self.metrics.export.spans_dropped.inc();
        }
    }

    pub fn metrics(&self, readings: Vec<Reading>) {
        // What is lost here is in the next readings too.
        let _ = self.sender.try_send(Exported::Metrics { at: SystemTime::now(), readings });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Build;

    fn queue(part: f64) -> (ExportQueue, Receiver<Exported>) {
        ExportQueue::new(SampleRate::new(part).unwrap(), Metrics::new(Build::of("0.1.0")))
    }

    #[test]
    fn a_caller_decides_about_its_trace_and_the_rate_about_others() {
        let caller = |flags| "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-".to_owned() + flags;
        for (part, parent, selected) in [
            (0.0, Some(caller("01")), true),
            (1.0, Some(caller("00")), false),
            (0.0, Some(caller("03")), true),
            (1.0, None, true),
            (0.0, None, false),
        ] {
            let parent: Option<TraceParent> = parent.map(|text| text.parse().unwrap());
            let trace_id = parent.map_or_else(TraceId::fresh, |parent| parent.trace_id);
            assert_eq!(queue(part).0.selects(parent, trace_id), selected, "{part} {parent:?}");
        }
    }

    #[test]
    fn the_rate_selects_that_part_of_fresh_traces() {
        let (queue, _receiver) = queue(0.1);
        let selected = (0..100_000).filter(|_| queue.selects(None, TraceId::fresh())).count();
        // Ten times the standard deviation of a fair choice.
        assert!((9_050..10_950).contains(&selected), "{selected}");
        assert_eq!([-0.1, 1.1, f64::NAN].map(SampleRate::new), [None; 3]);
    }

    #[test]
    fn a_full_queue_drops_spans_and_counts_them() {
        let (queue, receiver) = queue(1.0);
        let span = RequestSpan {
            trace_id: TraceId::fresh(),
            span_id: 1,
            parent_id: None,
            method: "GET",
            route: "/livez",
            status: 200,
            began: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
        };
        (0..WAITING_MAX + 3).for_each(|_| queue.request(span.clone()));
        assert_eq!(queue.metrics.export.spans_dropped.get(), 3);
        assert_eq!(receiver.try_iter().count(), WAITING_MAX);
    }
}
