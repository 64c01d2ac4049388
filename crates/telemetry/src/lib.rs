//! What a running process reports about itself: metrics and their catalogue, spans, trace ids, and logs.
//!
//! Counting is a relaxed atomic addition. It takes no lock, no look-up and no allocation. This crate does not
//! depend on what it measures: it mentions events only in the catalogue's descriptions.
//!
//! | module | what it holds |
//! |---|---|
//! | [`catalogue`] | every metric with its name, kind, unit, labels and description; every bounded queue |
//! | [`metrics`] | [`Metrics`]: the counters, gauges and histograms of one process |
//! | [`instrument`] | counters, gauges and histograms as atomics |
//! | [`route`], [`queue`], [`subscribers`], [`checks`], [`process`] | metrics that are more than one number |
//! | [`from_state`], [`task_queues`], [`named_limits`] | metrics that a scrape reads from the state |
//! | [`readings`] | what every metric reads at one moment |
//! | [`encode`] | the text of `/metrics` |
//! | [`export`] | the bounded queue of what an exporter sends elsewhere |
//! | [`spans`] | the spans: request, entry, fsync, apply |
//! | [`trace`] | the W3C `traceparent` header, new trace ids |
//! | [`logging`] | [`init_logging`]: JSON or text lines on standard error |

pub mod catalogue;
pub mod checks;
pub mod encode;
pub mod export;
pub mod from_state;
pub mod instrument;
pub mod limited;
mod lines;
pub mod logging;
pub mod metrics;
pub mod named_limits;
pub mod process;
pub mod queue;
pub mod readings;
pub mod route;
pub mod spans;
pub mod subscribers;
pub mod task_queues;
pub mod tls;
pub mod trace;

pub use catalogue::Queue;
pub use checks::CheckMetrics;
pub use encode::{CONTENT_TYPE, text};
pub use export::{ExportQueue, Exported, RequestSpan, SampleRate};
pub use from_state::{FromState, ReactionFigures};
pub use limited::{LimitMetrics, LimitOf, Limited};
pub use logging::{LogError, LogFormat, init_logging};
pub use metrics::{Build, Metrics};
pub use named_limits::{NamedLimitFigures, NamedLimits};
pub use route::Route;
pub use subscribers::Subscriber;
pub use task_queues::{TaskQueues, TaskTypeFigures};
pub use tls::TlsMetrics;
pub use trace::{TraceId, TraceParent};
