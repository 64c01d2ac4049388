//! What was read is not what was written: the replica must stop, so it is a view's failure and never an
//! outcome.

use alloc::format;
use alloc::string::ToString;
use format::FormatError;
use model::{Revision, StreamId, ViewError};

/// A row that does not decode.
pub(crate) fn bad_row(what: &str, error: FormatError) -> ViewError {
    ViewError::Failed(format!("{what}: {error}"))
}

/// A row that must be there.
pub(crate) fn missing_revision(stream: StreamId, revision: Revision) -> ViewError {
    ViewError::Failed(format!("revision {revision} of stream {stream} has no row"))
}

/// Something the state holds twice, in two ways.
pub(crate) fn contradiction(what: &str) -> ViewError {
    ViewError::Failed(what.to_string())
}
