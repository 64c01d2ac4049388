//! What can go wrong with the body file.

use crate::disk;
use format::header::HeaderError;
use std::error::Error;
use std::io;

/// Why the body file did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing was appended and nothing is lost: the same call may be made again when there is room.
    #[error("no space for bodies: {0}")]
    NoSpace(#[source] io::Error),
    /// What was synced is not there any more. The node must not run on it.
    #[error("the body file is damaged: {file} at byte {offset}: {what}")]
    Damaged { file: String, offset: u64, what: &'static str },
    /// The state knows bodies that the file does not hold.
    #[error("the body file ends at {found} and the state knows bodies up to {wanted}")]
    TooShort { found: u64, wanted: u64 },
    /// An earlier flushed state knew more: the state that is given is not the one of these bodies.
    #[error("the state knows bodies up to {given} only, and an earlier one knew them up to {known}")]
    StateTooOld { given: u64, known: u64 },
    /// A file that this program must not touch.
    #[error("{file} cannot be used as a segment of the body file: {why}")]
    Refused { file: String, why: HeaderError },
    /// A segment of another store lies in the directory.
    #[error("{file} belongs to another store's bodies")]
    OtherStore { file: String },
    /// What was to be appended is not whole records in position order. The node must stop.
    #[error("the batch is not whole body records in position order")]
    BadBatch,
    /// A compaction's question whether an event is live was not answered. The old segment stays.
    #[error("whether an event is live: {0}")]
    Liveness(#[source] Box<dyn Error + Send + Sync>),
    /// The disk failed. The node must stop.
    #[error("the body file failed at {file}: {source}")]
    Failed { file: String, source: io::Error },
    /// The body file failed before, and says nothing more. The node must stop.
    #[error("the body file failed before")]
    Poisoned,
}

impl BodyError {
    pub(crate) fn io(file: &str, source: io::Error) -> Self {
        if disk::is_no_space(&source) {
            Self::NoSpace(source)
        } else {
            Self::Failed { file: file.to_owned(), source }
        }
    }
}
