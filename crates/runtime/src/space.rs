//! Room on the disk, looked at before it runs out.
//!
//! The node refuses writes while less than a reserve is free, so that what it has already taken (waiting
//! proposals, a flush, a compaction) still fits, and takes them again when there is room. Should the disk
//! fill faster than it is looked at, a write fails and the node stops; nothing acknowledged is lost either
//! way.

use std::path::PathBuf;

/// See [`crate::Options::space_reserve_bytes`].
#[derive(Debug)]
pub(crate) struct Space {
    path: PathBuf,
    reserve_bytes: u64,
}

impl Space {
    pub(crate) fn new(path: PathBuf, reserve_bytes: u64) -> Self {
        Self { path, reserve_bytes }
    }

    /// `Err` says in words why nothing should be written now.
    pub(crate) fn look(&self) -> Result<(), String> {
        match rustix::fs::statvfs(&self.path) {
            Ok(stat) => self.judge(stat.f_bavail.saturating_mul(stat.f_frsize)),
            Err(error) => Err(format!("the free space of the data directory is not known: {error}")),
        }
    }

    fn judge(&self, free_bytes: u64) -> Result<(), String> {
        if free_bytes >= self.reserve_bytes {
            return Ok(());
        }
        Err(format!(
            "the data directory's disk has {} MiB free, less than the reserve of {} MiB",
            free_bytes >> 20,
            self.reserve_bytes >> 20
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_refused_below_the_reserve_and_taken_again_above_it() {
        let space = Space::new(PathBuf::from("/"), 128 << 20);
        assert!(space.judge((128 << 20) - 1).unwrap_err().contains("127 MiB free"));
        assert_eq!(space.judge(128 << 20), Ok(()));
    }
}
