//! The ordered key-value store that holds a node's state: the trait; see `lsm` and
//! [`crate::memory_state`] for its implementations and `conformance::state` for what each must pass.
//!
//! A commit is in memory when it returns; it becomes durable with the next completed flush. The progress
//! (applied index and all that belongs to it) is part of the same atomic batch as the data, so after any
//! crash the state is exactly that of the last flushed progress, and the log is replayed from there.
//!
//! ```text
//!   commit ──▶ memory ──begin_flush──▶ FlushJob ──run──▶ durable      (one job out at a time)
//!                                                          │
//!                                   Compactor::step ◀──────┘          (until it says nothing is due)
//! ```
//!
//! `commit` and `begin_flush` belong to the node's thread and do no disk work; `FlushJob::run` and
//! `Compactor::step` do, on a thread of their caller's. No store here starts a thread.

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
    /// The disk, or the store's own use of it. What is durable is still that of the last completed flush.
    #[error("the state store failed: {0}")]
    Failed(String),
    /// What was read is not what was written.
    #[error("the state store is damaged: {0}")]
    Damaged(String),
    /// The disk has no space. A flush may be begun again, and a compaction tried again, when it has.
    #[error("the disk has no space for the state: {0}")]
    NoSpace(String),
    /// The directory is not a state store that this version can open.
    #[error("{0}")]
    Refused(String),
}

/// How far disk work has fallen behind commits. The node delays or refuses new entries by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressure {
    #[default]
    None,
    /// Commit more slowly: flushes and compactions lag.
    Slow,
    /// Commit nothing until a flush or compaction has ended: memory or read costs would grow without bound.
    Stop,
}

/// Whether more disk work is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Nothing,
    More,
}

/// What a state store has in memory and on disk, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateFigures {
    /// Bytes of rows in memory that no completed flush has made durable, those of a flush under way included.
    pub unflushed_bytes: u64,
    /// Memtables that a begun flush is still writing.
    pub sealed_memtables: u64,
    /// Bytes of blocks kept in the cache.
    pub cache_bytes: u64,
    /// Bytes of all tables on disk.
    pub table_bytes: u64,
    pub tables: u64,
    /// Sorted runs that a read may have to look into, one by one, before the deeper levels.
    pub first_level_runs: u64,
    /// Readers that keep old versions alive.
    pub readers: u64,
}

/// A node's state. Reads through [`View`] see the last commit.
pub trait State: View + 'static {
    /// A view that stays as it is while commits go on; for threads beside the node's loop. A store keeps
    /// old versions only while readers hold them.
    type Reader: Reader;
    /// The disk work of one flush, to be run on any thread.
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

    /// Bytes in memory that no flush has taken yet.
    fn unflushed_bytes(&self) -> u64;

    fn pressure(&self) -> Pressure;

    fn figures(&self) -> StateFigures;

    /// Takes what is in memory as one flush, to be run elsewhere; later commits belong to the next one. The
    /// body file must be synced to `progress().bodies_end` before the job runs. At most one is out at a time.
    /// With nothing to flush the job does nothing, and returns the progress that is durable already. After one
    /// that ended with [`StateError::NoSpace`], this gives the same flush again.
    ///
    /// # Errors
    /// A flush is out already, or has failed; or the node must stop.
    fn begin_flush(&mut self) -> Result<Self::Flush, StateError>;

    fn compactor(&self) -> Self::Compactor;
}

/// A view as of one commit.
pub trait Reader: View + Clone + Send + Sync + 'static {
    /// The progress of that commit.
    fn progress(&self) -> Progress;
}

/// One flush, begun.
pub trait FlushJob: Send + 'static {
    /// Makes it durable and returns the progress it holds.
    ///
    /// # Errors
    /// [`StateError::NoSpace`]; after any other the node must stop: a sync that failed once may claim success
    /// for lost pages.
    fn run(self) -> Result<Progress, StateError>;
}

/// Merges what flushes have written, so that reads stay cheap and deleted rows leave the disk. Call
/// [`Compactor::step`] after each flush until it says [`Due::Nothing`], letting a waiting flush go first.
pub trait Compactor: Clone + Send + 'static {
    /// Does one piece of work, a part of the state in size. It may run beside a flush, on another thread.
    ///
    /// # Errors
    /// [`StateError::NoSpace`]; after any other the node must stop.
    fn step(&self) -> Result<Due, StateError>;
}
