//! The HTTP side of a node: connections, routes, NDJSON streams and server-sent events.
//!
//! ```text
//!   accept ─► connection ─► origin ─► router ─► access ─► routes, read ─► Node (commands, reads)
//!    bound     TLS, time     pages     contract   tokens     api: bytes to commands, outcomes to bytes
//! ```
//!
//! Guarantees: nothing a client sends leads to a 5xx, a panic or a hang; every response uses bounded memory, however
//! slow its reader; at a graceful stop, requests in progress finish and subscriptions end with a message.
//!
//! | module | contents |
//! |---|---|
//! | [`options`] | time limits and bounds |
//! | `accept` | accepts connections, up to a bound |
//! | `connection` | one connection: its protocol, its time limits, its end |
//! | `tls` | the node's certificate, and whom a client's certificate names |
//! | `activity` | what a connection is doing, and for how long it may |
//! | `origin` | what web pages may do |
//! | `router` | matches requests to operations of the contract |
//! | [`access`] | who may do what: the one point that each request and command passes |
//! | `allowance` | how much a token may use, and all clients together |
//! | `routes` | one function per operation |
//! | `read` | reads events as pages, NDJSON or subscriptions |
//! | `body`, `response` | request bodies, and responses, whole or in parts |
//! | `ui` | the page for browsers |
//! | `buffers` | the memory that bodies of all connections share |
//! | `sealing` | seals events of subjects, and opens them |
//! | [`export`] | hands spans and readings of metrics to the exporter |
//! | `seat` | the bound of subscribers |
//! | `context` | what every route needs |
//! | `unavailable` | the problem for a node that does not take a request |
//!
//! No module depends on one that depends on it. The crate runs on the node's current-thread runtime, and knows no
//! files and no consensus. What the operations are is in `api::contract`.

mod accept;
pub mod access;
mod activity;
mod allowance;
mod body;
mod buffers;
mod connection;
mod context;
pub mod export;
pub mod options;
mod origin;
mod read;
mod response;
mod router;
mod routes;
mod sealing;
mod seat;
mod tls;
mod ui;
mod unavailable;
mod workers;

pub use accept::serve;
pub use export::Export;
pub use options::HttpOptions;
pub use origin::{AllowedHost, AllowedOrigin, HostRule, WebRules};
pub use routes::write_reaction_task;
pub use tls::{Certificate, PeerIdentity, Pem, Tls, TlsError};
