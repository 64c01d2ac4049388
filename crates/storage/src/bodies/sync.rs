//! Makes bodies durable, on a thread of the caller's.

use super::BodyError;
use crate::disk::Disk;

/// See [`super::Bodies::sync_handle`].
#[derive(Debug)]
pub struct BodySync<D: Disk> {
    pub(super) disk: D,
}

impl<D: Disk> BodySync<D> {
    /// Returns the logical end up to which everything is now durable. Blocks.
    ///
    /// # Errors
    /// The body file is poisoned for good; the node must stop.
    pub fn run(self) -> Result<u64, BodyError> {
        let _ = self.disk;
        Err(BodyError::Poisoned)
    }
}
