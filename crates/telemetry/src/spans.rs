//! The spans: their names, and the functions that open them.
//!
//! | span | level | one for each | fields |
//! |---|---|---|---|
//! | `request` | info | HTTP request | `method`, `route`, `trace_id` |
//! | `entry` | debug | entry, from proposal to outcomes | `ticket`: of its log write |
//! | `fsync` | debug | sync of the log | `bytes` |
//! | `apply` | debug | entries applied after one sync | `ticket`: of the last log write |
//!
//! The spans of the write path have level `debug`. There is one of each for each batch, and while that level is
//! off a span costs a load and a branch.

use crate::trace::TraceId;
use tracing::{Span, debug_span, info_span};

/// The target of every span, so that one filter (`mainstay=debug`) selects them all.
pub const TARGET: &str = "mainstay";
pub const REQUEST: &str = "request";
pub const ENTRY: &str = "entry";
pub const FSYNC: &str = "fsync";
pub const APPLY: &str = "apply";
/// All spans. `cargo xtask tidy` reports spans that are not in this list.
pub const ALL: [&str; 4] = [REQUEST, ENTRY, FSYNC, APPLY];

/// One HTTP request. Every log line written within it carries its trace id.
#[must_use]
pub fn request(method: &'static str, route: &'static str, trace_id: TraceId) -> Span {
    info_span!(target: TARGET, "request", method, route, trace_id = trace_id.get())
}

#[must_use]
pub fn entry(ticket: u64) -> Span {
    debug_span!(target: TARGET, "entry", ticket)
}

#[must_use]
pub fn fsync(bytes: u64) -> Span {
    debug_span!(target: TARGET, "fsync", bytes)
}

#[must_use]
pub fn apply(ticket: u64) -> Span {
    debug_span!(target: TARGET, "apply", ticket)
}
