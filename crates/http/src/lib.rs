//! HTTP for a node: connections, routes, streams of lines, server-sent events, OpenAPI.
//!
//! ```text
//!   accept ─► connection ─► router ─► routes::* ─► Handle (commands, reads)
//!    bound     time-outs     names      api: bytes to commands, outcomes to bytes
//! ```
//!
//! Guarantees: nothing that a client sends is answered with a 5xx, a panic or a hang; every answer is bounded
//! in memory, however slow its reader; on a graceful stop requests in flight finish and subscribers are told.
//!
//! | module | what it is |
//! |---|---|
//! | [`options`] | time-outs and bounds |
//! | `accept` | the loop that takes connections, up to a bound |
//! | `connection` | one connection: its protocol, its patience, its end |
//! | `router` | paths and methods; what does not exist |
//! | `routes` | one file a route |
//! | `read` | pages of events, read and rendered on read threads |
//! | `reply` | answers, whole or streamed |
//! | `openapi` | the description of all this, checked against the routes |
//!
//! It runs on the node's own current-thread runtime, and knows no file and no consensus.

mod accept;
mod activity;
mod body;
mod buffers;
mod connection;
mod context;
pub mod openapi;
pub mod options;
mod read;
mod response;
mod router;
mod routes;
mod unavailable;

pub use accept::serve;
pub use options::HttpOptions;
