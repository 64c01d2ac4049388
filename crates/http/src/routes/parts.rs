//! What routes read from the head of a request.

use crate::response::Result;
use api::request::{query, stream_in_path};
use http::request;
use model::StreamName;

const STREAMS: &str = "/v1/streams/";

/// The stream that the path names.
///
/// # Errors
/// When the name cannot be decoded or is not allowed.
pub(super) fn stream(parts: &request::Parts) -> Result<StreamName<'_>> {
    let below = parts.uri.path().strip_prefix(STREAMS).unwrap_or_default();
    stream_in_path(below.split('/').next().unwrap_or_default())
}

/// For routes without query parameters.
///
/// # Errors
/// When there is one.
pub(super) fn no_query(parts: &request::Parts) -> Result<()> {
    query::none(parts.uri.query())
}
