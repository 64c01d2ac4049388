//! Errors of the body file.

use crate::disk;
use format::header::HeaderError;
use model::Position;
use std::error::Error;
use std::io;

/// Why an operation of the body file failed.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing was appended and nothing is lost. Retry once the disk has space.
    #[error("the disk has no space for event bodies: {0}")]
    NoSpace(#[source] io::Error),
    /// Data that was synced is missing. The node must not run on it.
    #[error("the body file is damaged: {file} at byte {offset}: {what}")]
    Damaged { file: String, offset: u64, what: &'static str },
    /// The state refers to an event that the file does not hold. The node must not run on it.
    #[error("the body file is damaged: the event at position {} is missing", .0.0)]
    Missing(Position),
    /// The state refers to bodies that the file does not hold.
    #[error("the body file ends at byte {found}, but the state refers to bodies up to byte {wanted}")]
    TooShort { found: u64, wanted: u64 },
    /// An earlier flushed state referred to more bodies, so this state does not belong to this body file.
    #[error(
        "the state refers to bodies up to byte {given}, but an earlier state referred to bodies up to byte {known}"
    )]
    StateTooOld { given: u64, known: u64 },
    /// This version of the program must not touch the file.
    #[error("{file} cannot be used as a segment of the body file: {why}")]
    Refused { file: String, why: HeaderError },
    /// The directory holds a segment of another store.
    #[error("{file} belongs to another store's bodies")]
    OtherStore { file: String },
    /// The bytes to append are not whole records in position order. The node must stop.
    #[error("the batch is not whole body records in position order")]
    BadBatch,
    /// A compaction could not determine whether an event is live. The old segment stays. If the state cannot be
    /// read, the node must stop.
    #[error("cannot determine whether an event is live: {0}")]
    Liveness(#[source] Box<dyn Error + Send + Sync>),
    /// The disk failed. The node must stop.
    #[error("the body file failed at {file}: {source}")]
    Failed { file: String, source: io::Error },
    /// An earlier operation failed, so all further ones are refused. The node must stop.
    #[error("an earlier operation of the body file failed")]
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
