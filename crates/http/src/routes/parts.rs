//! What routes read from the head of a request.

use crate::response::Result;
use api::request::{lease_in_path, query, stream_in_path, value_in_path};
use http::request;
use model::{LeaseName, StreamName, ValueName};

/// The stream that the path names.
///
/// # Errors
/// When the name cannot be decoded or is not allowed.
pub(super) fn stream(parts: &request::Parts) -> Result<StreamName<'_>> {
    stream_in_path(name(parts))
}

/// The lease that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn lease(parts: &request::Parts) -> Result<LeaseName<'_>> {
    lease_in_path(name(parts))
}

/// The value that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn value(parts: &request::Parts) -> Result<ValueName<'_>> {
    value_in_path(name(parts))
}

/// The third segment of a path such as `/v1/streams/{stream}/events`.
fn name(parts: &request::Parts) -> &str {
    parts.uri.path().split('/').nth(3).unwrap_or_default()
}

/// For routes without query parameters.
///
/// # Errors
/// When there is one.
pub(super) fn no_query(parts: &request::Parts) -> Result<()> {
    query::none(parts.uri.query())
}
