//! Appends frames and makes them durable.

use super::LogError;
use crate::disk::Disk;
use model::{GroupId, Index};

/// How large the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    pub segments: usize,
    pub spares: usize,
    /// Bytes of frames in live segments.
    pub bytes: u64,
    /// Bytes that the next frames can take without asking the disk for space.
    pub reserved_bytes: u64,
}

/// The one owner of the log's end. Lives on the log thread.
#[derive(Debug)]
pub struct LogWriter<D: Disk> {
    _disk: D,
}

impl<D: Disk> LogWriter<D> {
    /// Appends `records` (one or more group records, `format::frame::encode_group`) as one frame. It is
    /// durable after the next [`Self::sync`]. An entry replaces all of its group from its index on.
    ///
    /// # Errors
    /// `NoSpace`: nothing was appended. Anything else: the node must stop.
    pub fn write(&mut self, records: &[u8]) -> Result<(), LogError> {
        let _ = records;
        Err(LogError::Poisoned)
    }

    /// Returns when all that was written is durable.
    ///
    /// # Errors
    /// The log is poisoned for good; the node must stop.
    pub fn sync(&mut self) -> Result<(), LogError> {
        Err(LogError::Poisoned)
    }

    /// Whether [`Self::mark`] has something to say: frames were synced and nothing says so yet.
    #[must_use]
    pub fn is_mark_wanted(&self) -> bool {
        false
    }

    /// Writes down how far the log is durable, so that damage below is never taken for a torn tail. Call it
    /// when the log has become idle; it needs no sync.
    ///
    /// # Errors
    /// `NoSpace`: nothing was appended. Anything else: the node must stop.
    pub fn mark(&mut self) -> Result<(), LogError> {
        Err(LogError::Poisoned)
    }

    /// The group's entries through this index are no longer needed. Segments that hold only such entries
    /// become spares. Does no disk work.
    pub fn purge(&mut self, group: GroupId, through: Index) {
        let _ = (group, through);
    }

    /// Sets space aside for frames around `bytes` bytes of records, before anything is proposed, and returns
    /// how many bytes are set aside. Cheap when they already are.
    ///
    /// # Errors
    /// `NoSpace`: propose nothing, and ask again later. Anything else: the node must stop.
    pub fn reserve(&mut self, bytes: u64) -> Result<u64, LogError> {
        let _ = bytes;
        Err(LogError::Poisoned)
    }

    /// Begins a new segment now, so that the one before can be purged although the log is idle: for removed
    /// data that must leave the disk.
    ///
    /// # Errors
    /// `NoSpace`: nothing changed. Anything else: the node must stop.
    pub fn rotate(&mut self) -> Result<(), LogError> {
        Err(LogError::Poisoned)
    }

    #[must_use]
    pub fn stats(&self) -> LogStats {
        LogStats::default()
    }
}
