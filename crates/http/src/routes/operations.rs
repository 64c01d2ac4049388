//! For whoever runs the node: `/livez`, `/readyz`, `/metrics`, the description of the API.

use super::check_plain;
use crate::context::Context;
use crate::response::{self, Result};
use crate::unavailable;
use api::json::{write_number, write_text};
use http::header::HeaderValue;
use http::request;
use runtime::{Phase, Unavailable};
use std::sync::Arc;

/// The process answers: nothing more is said.
pub(super) fn live(parts: &request::Parts) -> Result {
    check_plain(parts)?;
    Ok(response::json(r#"{"status":"ok"}"#))
}

/// The node takes requests. One that is read-only does, for reads, and says why.
pub(super) fn ready(context: &Context, parts: &request::Parts) -> Result {
    check_plain(parts)?;
    let status = context.handle.status();
    match status.phase {
        Phase::Ready if !context.is_stopping() => {}
        Phase::Starting => return Err(unavailable::problem(&Unavailable::NotReady)),
        _ => return Err(unavailable::problem(&Unavailable::Stopping)),
    }
    let mut out = br#"{"status":"ready","replayed_entries":"#.to_vec();
    write_number(&mut out, status.replayed_entries);
    out.extend_from_slice(b",\"read_only\":");
    match &status.read_only {
        None => out.extend_from_slice(b"null"),
        Some(why) => write_text(&mut out, why),
    }
    out.push(b'}');
    Ok(response::json(out))
}

pub(super) fn metrics(context: &Arc<Context>, parts: &request::Parts) -> Result {
    check_plain(parts)?;
    Ok(response::whole(HeaderValue::from_static(telemetry::CONTENT_TYPE), context.metrics.encode()))
}

pub(super) fn openapi(context: &Context, parts: &request::Parts) -> Result {
    check_plain(parts)?;
    Ok(response::json(context.openapi.clone()))
}
