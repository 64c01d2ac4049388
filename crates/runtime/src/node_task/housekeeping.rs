//! Periodic checks of what changes slowly: the disk's space, removed bodies, spare log segments.

use super::{Input, NodeTask};
use crate::disk_threads::{CompactWork, DiskFailure, FlushWork};
use crate::handle::wall_now;
use crate::log_thread::LogJob;
use crate::store::Compaction;
use node::DiskSpace;
use std::time::Duration;
use storage::bodies::BodyError;
use storage::state::{Pressure, State as _};

/// The time between two checks.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(1);
/// A check also follows this many bytes of log, long before they could use up a reserve of the default size.
const CHECK_EVERY_BYTES: u64 = 16 << 20;

/// Chores that are under way or due.
#[derive(Debug, Default)]
pub(super) struct Chores {
    log_bytes_since_check: u64,
    /// The log may hold removed events, so its spare segments must be replaced after the next flush.
    scrub_log: bool,
    compacting_bodies: bool,
    preparing_log: bool,
}

impl Chores {
    pub(super) fn log_grew(&mut self, bytes: u64) {
        self.log_bytes_since_check += bytes;
    }

    pub(super) fn log_prepared(&mut self) {
        self.preparing_log = false;
    }

    /// Whether spare segments must be replaced now. Resets the flag.
    pub(super) fn take_scrub(&mut self) -> bool {
        std::mem::take(&mut self.scrub_log)
    }
}

impl NodeTask {
    pub(super) fn check(&mut self) {
        self.chores.log_bytes_since_check = 0;
        self.set_disk_space(self.parts.space.check());
        self.compact_bodies();
        if self.parts.bodies.stats().is_flush_wanted {
            self.step(Input::FlushSoon);
        }
        // Retries a compaction that found the disk full. Until it succeeds, no entry is proposed, so no flush
        // would ask for it.
        if self.parts.node.engine().state().pressure() != Pressure::None {
            self.parts.compactor.send(CompactWork::State);
        }
        self.prepare_log();
        self.set_figures();
    }

    pub(super) fn log_written(&mut self) {
        self.prepare_log();
        if self.chores.log_bytes_since_check >= CHECK_EVERY_BYTES {
            self.check();
        }
    }

    /// If it has changed whether the disk has space, tells the node and its handles.
    pub(super) fn set_disk_space(&mut self, space: DiskSpace) {
        let read_only = match &space {
            DiskSpace::Enough => None,
            DiskSpace::Low { why } => Some(why.clone()),
        };
        let before = self.parts.status.borrow().read_only.clone();
        if before == read_only {
            return;
        }
        match (&before, &read_only) {
            (None, Some(why)) => tracing::error!(why, "the node is read-only until its disk has space"),
            (Some(_), None) => tracing::info!("the disk has space again: the node accepts writes"),
            // Only the number of free bytes has changed, which is not worth a log line.
            _ => {}
        }
        self.parts.status.send_modify(|status| status.read_only = read_only);
        self.step(Input::DiskSpace(space));
    }

    fn compact_bodies(&mut self) {
        if self.chores.compacting_bodies {
            return;
        }
        match self.parts.bodies.compaction_due(wall_now()) {
            Ok(Some(segment)) => {
                self.chores.compacting_bodies = true;
                let compaction =
                    Compaction::new(self.parts.bodies.compaction(segment), self.parts.latest.get());
                self.parts.compactor.send(CompactWork::Bodies(compaction));
            }
            // On a full disk, the segment stays due until a later check.
            Ok(None) | Err(BodyError::NoSpace(_)) => {}
            Err(error) => self.ended = Some(Err(DiskFailure::bodies(error).into())),
        }
    }

    /// The log may hold the removed events too. After a flush, their log segments can be purged and replaced.
    pub(super) fn bodies_compacted(&mut self) {
        self.chores.compacting_bodies = false;
        self.chores.scrub_log = true;
        self.parts.log.send(LogJob::Rotate);
        self.step(Input::FlushSoon);
    }

    /// Has a segment of the log zeroed before it is needed.
    fn prepare_log(&mut self) {
        if !self.chores.preparing_log && self.parts.preparer.is_wanted() {
            self.chores.preparing_log = true;
            self.parts.flusher.send(FlushWork::PrepareLog);
        }
    }
}
