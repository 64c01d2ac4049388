//! The commands of the real binary against a real node.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "../node/mod.rs"]
mod node;
#[path = "../python/mod.rs"]
mod python;

mod breakers;
mod idempotency;
mod identities;
mod leases;
mod lines;
mod otlp;
mod permits;
mod queues;
mod reactions;
mod runbooks;
mod schedules;
mod systemd;
mod tls;
mod tokens;
mod values;
mod verbs;
mod without_a_node;
