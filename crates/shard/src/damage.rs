//! Errors for damaged state: what was read is not what was written. The replica must stop, so these are
//! failures of the view and never outcomes.

use alloc::format;
use alloc::string::ToString;
use format::FormatError;
use model::{Revision, StreamId, ViewError};

/// A row that does not decode.
pub(crate) fn bad_row(what: &str, error: FormatError) -> ViewError {
    ViewError::Failed(format!("{what}: {error}"))
}

/// A row that is missing.
pub(crate) fn missing_revision(stream: StreamId, revision: Revision) -> ViewError {
    ViewError::Failed(format!("revision {revision} of stream {stream} has no row"))
}

/// Two rows that contradict each other.
pub(crate) fn contradiction(what: &str) -> ViewError {
    ViewError::Failed(what.to_string())
}
