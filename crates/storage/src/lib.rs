//! What a node keeps on disk: the log, the bodies, and the ordered key-value state.
//!
//! This crate knows no Raft, no rule of the domain and no thread. Its callers decide when to sync and flush.

pub mod bodies;
pub mod directory;
pub mod disk;
pub mod log;
pub mod lsm;
pub mod memory_disk;
pub mod memory_state;
pub mod real_disk;
pub mod restoring;
pub mod snapshot;
pub mod state;
pub mod write_behind;

#[cfg(test)]
mod conformance;
