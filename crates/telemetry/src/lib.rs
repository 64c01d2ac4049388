//! What can be seen of a running process: the catalogue of metrics and spans, the cells that figures are
//! counted in, `/metrics` as text, trace ids, and logging.
//!
//! Counting is a relaxed atomic addition: no lock, no look-up, no allocation on a request's path. This crate
//! does not know what it measures: it has no word about events but in the catalogue's sentences.
//!
//! | module | what it holds |
//! |---|---|
//! | [`catalogue`] | every metric: name, kind, unit, labels, help; every bounded queue |
//! | [`metrics`] | the figures of one process, [`Metrics`] |
//! | [`cell`] | counts, levels, histograms as atomics |
//! | [`route`], [`queue`], [`subscribers`], [`process`] | figures with a shape of their own |
//! | [`encode`] | the OpenMetrics text |
//! | [`spans`] | the spans: request, entry, fsync, apply |
//! | [`trace`] | W3C `traceparent`, fresh trace ids |
//! | [`logging`] | [`init_logging`]: JSON or text lines on standard error |

pub mod catalogue;
pub mod cell;
pub mod encode;
mod lines;
pub mod logging;
pub mod metrics;
pub mod process;
pub mod queue;
pub mod route;
pub mod spans;
pub mod subscribers;
pub mod trace;

pub use catalogue::Queue;
pub use encode::CONTENT_TYPE;
pub use logging::{LogError, LogFormat, init_logging};
pub use metrics::{Build, Metrics};
pub use route::Route;
pub use subscribers::Subscriber;
pub use trace::{TraceId, TraceParent};
