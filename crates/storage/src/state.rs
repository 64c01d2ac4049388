//! The ordered key-value store that holds a node's state. This is the trait; `lsm` and
//! [`crate::memory_state`] are its implementations, and `conformance::state` tests what each of them must do.
//!
//! When a commit returns, it is in memory. It becomes durable with the next completed flush. The progress
//! (the applied index and what belongs to it) is in the same atomic batch as the data. So after any crash the
//! state is exactly that of the last flushed progress, and the log is replayed from there.
//!
//! ```text
//!   commit ──▶ memory ──begin_flush──▶ FlushJob ──run──▶ durable      (one job at a time)
//!                                                          │
//!                                   Compactor::step ◀──────┘          (until nothing is due)
//! ```
//!
//! `commit` and `begin_flush` run on the node's thread and do no disk work. `FlushJob::run` and
//! `Compactor::step` do the disk work, on the caller's thread. A store starts no thread of its own.

use model::{GroupId, Index, Term, View, WriteSet};

/// How far a group's state has progressed. It is written in the same batch as the data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The group whose entries were applied; 0 in a state to which none was applied yet.
    pub group: GroupId,
    /// The last applied entry.
    pub index: Index,
    pub term: Term,
    /// The logical end of the body file after that entry. Recovery cuts the file back to it.
    pub bodies_end: u64,
}

/// Why the state could not be read or written. Except after `NoSpace`, the node must stop.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The disk failed, or the store was used incorrectly. The last completed flush is still durable.
    #[error("the state store failed: {0}")]
    Failed(String),
    /// What was read is not what was written.
    #[error("the state store is damaged: {0}")]
    Damaged(String),
    /// The disk has no space. Begin the flush again, or retry the compaction, once it has.
    #[error("the disk has no space for the state: {0}")]
    NoSpace(String),
    /// The directory is not a state store that this version can open.
    #[error("{0}")]
    Refused(String),
}

/// How far disk work lags behind commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    #[default]
    None,
    /// Commit nothing until a flush or compaction has ended. Otherwise memory or the cost of reads would grow
    /// without bound.
    Stop,
}

/// Whether more disk work is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Nothing,
    More,
}

/// What a state store holds in memory and on disk, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateFigures {
    /// Bytes of rows in memory that no completed flush has made durable, those of a flush under way included.
    pub unflushed_bytes: u64,
    /// Memtables that a flush is writing.
    pub sealed_memtables: u64,
    /// Bytes of cached blocks.
    pub cache_bytes: u64,
    /// Bytes of all tables on disk.
    pub table_bytes: u64,
    pub tables: u64,
    /// Sorted runs that a read may have to search one by one before the deeper levels.
    pub first_level_runs: u64,
    /// Memtables and lists of tables that were replaced and are not freed yet.
    pub replaced: u64,
    /// Readers that keep old versions alive.
    pub readers: u64,
}

/// A node's state. Reads through [`View`] see the last commit.
pub trait State: View + 'static {
    /// A view that does not change while commits continue, for other threads. A store keeps old versions only
    /// while readers hold them.
    type Reader: Reader;
    /// The disk work of one flush. It can run on any thread.
    type Flush: FlushJob;
    /// The disk work between flushes.
    type Compactor: Compactor;

    fn progress(&self) -> Progress;

    /// Applies `writes` and `progress` as one batch in memory.
    ///
    /// # Errors
    /// The node must stop.
    fn commit(&mut self, writes: &WriteSet, progress: Progress) -> Result<(), StateError>;

    fn reader(&self) -> Self::Reader;

    /// Bytes of changed rows in memory that no flush has taken yet.
    fn unflushed_bytes(&self) -> u64;

    fn pressure(&self) -> Pressure;

    fn figures(&self) -> StateFigures;

    /// Takes what is in memory as one flush, to be run elsewhere. Later commits belong to the next flush. The
    /// body file must be synced to `progress().bodies_end` before the job runs. Only one job may exist at a
    /// time. If there is nothing to flush, the job does nothing and returns the durable progress. After a job
    /// that ended with [`StateError::NoSpace`], or was dropped before it ran, this returns the same flush again.
    ///
    /// # Errors
    /// A flush is already running, or an earlier one failed. The node must stop.
    fn begin_flush(&mut self) -> Result<Self::Flush, StateError>;

    fn compactor(&self) -> Self::Compactor;
}

/// A view as of one commit.
pub trait Reader: View + Clone + Send + Sync + 'static {
    /// The progress of that commit.
    fn progress(&self) -> Progress;
}

/// A flush that has begun.
pub trait FlushJob: Send + 'static {
    /// Makes the rows durable and returns their progress.
    ///
    /// # Errors
    /// [`StateError::NoSpace`]. After any other error the node must stop: a sync that failed once may report
    /// success although pages were lost.
    fn run(self) -> Result<Progress, StateError>;
}

/// Merges what flushes have written, so that reads stay cheap and deleted rows leave the disk. Call
/// [`Compactor::step`] after each flush until it returns [`Due::Nothing`], and let a waiting flush run first.
pub trait Compactor: Clone + Send + 'static {
    /// Does one piece of work, which covers a part of the state. It may run while a flush runs on another
    /// thread.
    ///
    /// # Errors
    /// [`StateError::NoSpace`]. After any other error the node must stop.
    fn step(&self) -> Result<Due, StateError>;

    /// Frees memory, and deletes files, that were replaced and that no reader uses any more. Dropping a reader
    /// never does this, so call it from time to time.
    fn free_unused(&self);
}
