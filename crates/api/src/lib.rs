//! The HTTP contract of Mainstay: what requests mean and what answers look like. Pure: bytes in, commands and
//! queries out; outcomes in, bytes out.
//!
//! | module | what it holds |
//! |---|---|
//! | [`catalogue`] | every problem: code, status, cause, what to do (docs/errors.md is generated from it) |
//! | [`problem`] | one problem, rendered as RFC 9457 |
//! | [`request`] | headers, parameters and bodies, read into commands and queries |
//! | [`answer`] | outcomes, stored events and pages, written as JSON |
//! | `event` | CloudEvents on their way in: identity, fingerprint, envelope |
//! | [`json`], [`time`], [`uri`], [`media`], [`trace`] | the formats below all that |
//!
//! This crate knows no socket, no async, no node and no state. Its one use of `http` is the map of headers.

pub mod catalogue;
mod event;
pub mod json;
pub mod media;
pub mod problem;
pub mod request;
pub mod response;
pub mod time;
pub mod trace;
pub mod uri;

pub use catalogue::Code;
pub use problem::{Problem, Result};
