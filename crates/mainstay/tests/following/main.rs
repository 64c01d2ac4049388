//! Following with clients that others wrote: every kind of message reaches two independent clients of server-sent
//! events as docs/following.md says, and the projection of that page is exactly once.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[cfg(test)]
mod clients;
#[path = "../node/mod.rs"]
mod node;
#[cfg(test)]
mod projection;
#[path = "../python/mod.rs"]
mod python;
