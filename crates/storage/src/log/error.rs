//! What can go wrong with the log.

use crate::disk;
use format::header::HeaderError;
use std::io;

/// Why the log did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Nothing was written and nothing is lost: the same call may be made again when there is room.
    #[error("no space for the log: {0}")]
    NoSpace(#[source] io::Error),
    /// What was to be written is not group records. We are wrong: the node must stop.
    #[error("what was to be logged is not group records")]
    BadRecords,
    /// What was synced is not there any more. The node must not run on it.
    #[error("the log is damaged: {file} at byte {offset}: {what}")]
    Damaged { file: String, offset: u64, what: &'static str },
    /// A file that this program must not touch.
    #[error("{file} cannot be used as a segment of the log: {why}")]
    Refused { file: String, why: HeaderError },
    /// A segment of another store lies in the directory.
    #[error("{file} belongs to another store's log")]
    OtherStore { file: String },
    /// The disk failed. The node must stop.
    #[error("the log failed at {file}: {source}")]
    Failed { file: String, source: io::Error },
    /// The log failed before, and says nothing more. The node must stop.
    #[error("the log failed before")]
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
