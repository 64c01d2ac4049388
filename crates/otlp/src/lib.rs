//! Sends spans and metrics to a collector, by the protocol of OpenTelemetry (OTLP), over gRPC or over HTTP.
//!
//! ```text
//!   requests, readings ─► ExportQueue (bounded) ─► thread "otlp" ─► messages ─► transport ─► collector
//! ```
//!
//! Everything happens on one thread, so a slow collector, or none at all, costs the node nothing but what does not fit into
//! the queue: those spans are dropped and counted. This crate knows neither requests nor the node.
//!
//! | module | contents |
//! |---|---|
//! | [`exporter`] | the thread: when to send, how often to try, what to give up |
//! | `messages` | spans and readings as the messages of the protocol |
//! | [`resource`] | who the sender is |
//! | [`transport`] | one attempt to deliver a message |

pub mod exporter;
mod messages;
pub mod resource;
pub mod transport;

pub use exporter::{Exporter, Options};
pub use resource::Resource;
pub use transport::{Endpoint, Headers, Protocol};
