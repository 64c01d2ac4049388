//! What the work on disks reports to the driver, and why a node ends.

use crate::log_work::Synced;
use model::{React, ViewError};
use storage::state::{Progress, StateError};

/// A piece of work has ended.
#[derive(Debug)]
pub enum Report {
    /// Log writes are durable.
    Log(Synced),
    /// The bodies that were left for later are written, though not synced.
    BodiesWritten,
    /// A flush is durable.
    Flushed(Progress),
    /// The disk had no space for the flush, which can be started again once it has. `why` is for the operator.
    FlushOutOfSpace { why: String },
    /// No further segment needs to be prepared, or the disk has no space for one.
    Prepared(Attempt),
    /// One step of the state's compaction has ended.
    Compacted(Attempt),
    /// Events were read for reactions.
    Reacted(Reacted),
    /// The rewrite of a body segment has ended.
    BodiesCompacted(Attempt),
}

/// What has come of a job for reactions.
#[derive(Debug)]
pub struct Reacted {
    /// What the node must propose.
    pub commands: Vec<React<'static>>,
    /// There are more events to read.
    pub more: bool,
    /// There are reactions at all.
    pub exist: bool,
    /// By how much time the reaction is behind that is so the most.
    pub lag_ms: u64,
}

/// How work ended that can wait until the disk has space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    Done,
    /// Nothing has changed. `why` is for the operator.
    OutOfSpace {
        why: String,
    },
}

/// A disk operation failed: the node stops.
#[derive(Debug, thiserror::Error)]
pub enum DiskFailure {
    #[error("the log cannot be made durable: {0}")]
    Log(#[from] storage::log::LogError),
    #[error("the bodies of events cannot be written: {0}")]
    Bodies(#[from] storage::bodies::BodyError),
    #[error("the bodies of events end at byte {at}, but the state refers to bodies up to byte {end}")]
    BodiesEnd { at: u64, end: u64 },
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    View(#[from] ViewError),
}

/// Why a node ended although it was not told to stop. A restart recovers everything that was acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum Halted {
    #[error(transparent)]
    Disk(#[from] DiskFailure),
    #[error(transparent)]
    Engine(#[from] node::EngineError),
}
