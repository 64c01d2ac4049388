//! Checks the free space of the data directory's disk before it runs out. This is done on a thread of its own,
//! because a disk that does not respond may not even say how much space it has.
//!
//! The node is read-only while less than a reserve is free, so that the disk still holds what the node has
//! already accepted: waiting commands, a flush, a compaction. If the disk fills faster than it is checked, a
//! write fails and the node stops. Nothing acknowledged is lost either way.

use crate::worker::Worker;
use node::DiskSpace;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use telemetry::Metrics;

/// Asks for a check of the disk's space.
#[derive(Debug)]
pub(crate) struct CheckSpace;

pub(crate) fn start_checking(
    space: Space,
    report: impl Fn(DiskSpace) + Send + 'static,
) -> std::io::Result<Worker<CheckSpace>> {
    Worker::start("space", move |inbox: Receiver<CheckSpace>| {
        for CheckSpace in inbox {
            report(space.check());
        }
    })
}

/// Checks one disk; see [`crate::Options::space_reserve_bytes`].
#[derive(Debug)]
pub(crate) struct Space {
    path: PathBuf,
    reserve_bytes: u64,
    metrics: Arc<Metrics>,
}

impl Space {
    pub(crate) fn new(path: PathBuf, reserve_bytes: u64, metrics: Arc<Metrics>) -> Self {
        metrics.disk_reserve.set(reserve_bytes);
        Self { path, reserve_bytes, metrics }
    }

    fn check(&self) -> DiskSpace {
        match rustix::fs::statvfs(&self.path) {
            Ok(stat) => {
                let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
                self.metrics.disk_free.set(free_bytes);
                self.metrics.disk_size.set(stat.f_blocks.saturating_mul(stat.f_frsize));
                self.of_free(free_bytes)
            }
            Err(error) => DiskSpace::Low {
                why: format!("the free space of the data directory's disk cannot be read: {error}"),
            },
        }
    }

    fn of_free(&self, free_bytes: u64) -> DiskSpace {
        if free_bytes >= self.reserve_bytes {
            return DiskSpace::Enough;
        }
        DiskSpace::Low {
            why: format!(
                "the data directory's disk has {} MiB free, less than the reserve of {} MiB",
                free_bytes >> 20,
                self.reserve_bytes >> 20
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_low_below_the_reserve_and_enough_from_it_on() {
        let metrics = Metrics::new(telemetry::metrics::Build::of("test"));
        let space = Space::new(PathBuf::from("/"), 128 << 20, metrics);
        let low = space.of_free((128 << 20) - 1);
        assert!(matches!(&low, DiskSpace::Low { why } if why.contains("127 MiB free")), "{low:?}");
        assert_eq!(space.of_free(128 << 20), DiskSpace::Enough);
    }
}
