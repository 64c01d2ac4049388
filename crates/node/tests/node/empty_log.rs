//! A log that holds nothing from an earlier start.

use consensus::{LogEntry, LogView, LogViewError};
use model::Index;

/// Nothing is replayed in these tests.
#[derive(Debug)]
pub(crate) struct EmptyLog;

impl LogView for EmptyLog {
    fn entries(&self, _: Index, _: usize) -> Result<Vec<LogEntry>, LogViewError> {
        Ok(Vec::new())
    }
}
