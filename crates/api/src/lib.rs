//! The HTTP contract of Mainstay: what requests mean and what responses look like. Pure functions: request bytes
//! become commands and queries; outcomes become response bytes.
//!
//! | module | contents |
//! |---|---|
//! | [`access`] | who may do what, and the form of a token |
//! | [`catalogue`] | every problem code with its status, cause and remedy |
//! | [`contract`] | every operation as data; the OpenAPI document, docs/openapi.json |
//! | [`errors_page`] | docs/errors.md, generated from the catalogue |
//! | [`problem`] | one problem, rendered as RFC 9457 |
//! | [`request`] | parsers of headers, parameters and bodies |
//! | [`response`] | writers of outcomes, stored events and pages as JSON |
//! | [`subject`] | whose event it is, for a node that seals |
//! | `event` | incoming CloudEvents: identity, fingerprint, envelope |
//! | [`json`], [`time`], [`uri`], [`media`], [`trace`] | the formats that the modules above build on |
//!
//! This crate knows no sockets, no async code, no node and no state. It uses the crate `http` only for its header
//! map.

pub mod access;
pub mod catalogue;
pub mod contract;
pub mod errors_page;
mod event;
pub mod json;
pub mod media;
pub mod problem;
pub mod request;
pub mod response;
pub mod subject;
pub mod time;
pub mod trace;
pub mod uri;

pub use catalogue::Code;
pub use contract::Operation;
pub use problem::{Problem, Result};
