//! Errors of the log.

use crate::disk;
use format::header::HeaderError;
use std::io;

/// Why an operation of the log failed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Nothing was written and nothing is lost. Retry once the disk has space.
    #[error("the disk has no space for the log: {0}")]
    NoSpace(#[source] io::Error),
    /// The records to write are not group records. This is a bug: the node must stop.
    #[error("the bytes to log are not group records")]
    BadRecords,
    /// Data that was synced is missing. The node must not run on it.
    #[error("the log is damaged: {file} at byte {offset}: {what}")]
    Damaged { file: String, offset: u64, what: &'static str },
    /// This version of the program must not touch the file.
    #[error("{file} cannot be used as a segment of the log: {why}")]
    Refused { file: String, why: HeaderError },
    /// The directory holds a segment of another store.
    #[error("{file} belongs to another store's log")]
    OtherStore { file: String },
    /// The disk failed. The node must stop.
    #[error("the log failed at {file}: {source}")]
    Failed { file: String, source: io::Error },
    /// An earlier operation failed, so all further ones are refused. The node must stop.
    #[error("an earlier operation of the log failed")]
    Poisoned,
}

impl LogError {
    pub(crate) fn io(file: &str, source: io::Error) -> Self {
        if disk::is_no_space(&source) {
            Self::NoSpace(source)
        } else {
            Self::Failed { file: file.to_owned(), source }
        }
    }
}
