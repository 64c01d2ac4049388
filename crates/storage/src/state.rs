//! The ordered key-value store that holds a node's state: the trait; see [`crate::lsm`] and
//! [`crate::memory`] for its implementations and [`crate::conformance`] for what each must pass.
//!
//! A commit is in memory when it returns; it becomes durable with the next completed flush. The progress
//! (applied index and all that belongs to it) is part of the same atomic batch as the data, so after any
//! crash the state is exactly that of the last flushed progress, and the log is replayed from there.

use model::{Index, Term, View, WriteSet};

/// How far a node's state has come: written in the same batch as the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last applied entry.
    pub index: Index,
    pub term: Term,
    /// The logical end of the body file after that entry: recovery cuts the file back to it.
    pub bodies_end: u64,
}

/// The state could not be read or written. The node must stop.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("the state store failed: {0}")]
    Failed(String),
    #[error("the state store is damaged: {0}")]
    Damaged(String),
    #[error("{0}")]
    Refused(String),
}

/// A node's state. Reads through [`View`] see the last commit.
pub trait State: View + 'static {
    /// A view that stays as it is while commits go on; for threads beside the node's loop. A store keeps
    /// old versions only while readers hold them.
    type Reader: View + Clone + Send + Sync + 'static;
    /// The disk work of one flush, to be run on any thread.
    type Flush: FlushJob;

    fn progress(&self) -> Progress;

    /// Applies `writes` and `progress` as one batch in memory.
    ///
    /// # Errors
    /// The node must stop.
    fn commit(&mut self, writes: &WriteSet, progress: Progress) -> Result<(), StateError>;

    fn reader(&self) -> Self::Reader;

    /// Bytes in memory that no flush has taken yet.
    fn unflushed_bytes(&self) -> u64;

    /// Takes what is in memory as one flush, to be run elsewhere; later commits belong to the next one. The
    /// body file must be synced to `progress().bodies_end` before the job runs. At most one is out at a time.
    ///
    /// # Errors
    /// The node must stop.
    fn begin_flush(&mut self) -> Result<Self::Flush, StateError>;
}

/// One flush, begun.
pub trait FlushJob: Send + 'static {
    /// Makes it durable and returns the progress it holds.
    ///
    /// # Errors
    /// The node must stop.
    fn run(self) -> Result<Progress, StateError>;
}
