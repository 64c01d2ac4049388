//! Periodic checks of what changes slowly: the disk's space, removed bodies, spare log segments.

use super::backoff::Backoff;
use super::stall::Change;
use super::{Input, NodeTask};
use crate::disk_threads::{Attempt, CompactWork, DiskFailure, FlushWork};
use crate::handle::wall_now;
use crate::log_thread::LogJob;
use crate::space::CheckSpace;
use crate::store::Compaction;
use node::DiskSpace;
use std::time::{Duration, Instant};
use storage::bodies::BodyError;
use telemetry::Metrics;

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
    checking_space: bool,
    compacting_bodies: bool,
    bodies_backoff: Backoff,
    state_backoff: Backoff,
    preparing: bool,
    prepare_backoff: Backoff,
}

impl Chores {
    pub(super) fn log_grew(&mut self, bytes: u64) {
        self.log_bytes_since_check += bytes;
    }

    /// What found no space may be tried again at once.
    fn disk_has_space(&mut self) {
        for backoff in [&mut self.bodies_backoff, &mut self.state_backoff, &mut self.prepare_backoff] {
            backoff.try_now();
        }
    }

    /// Whether spare segments must be replaced now. Resets the flag.
    pub(super) fn take_scrub(&mut self) -> bool {
        std::mem::take(&mut self.scrub_log)
    }
}

/// Counts and logs how a compaction ended, once for each time that the disk becomes full.
fn note(work: &str, attempt: &Attempt, backoff: &mut Backoff, metrics: &Metrics) {
    match attempt {
        Attempt::OutOfSpace(why) => {
            metrics.compactions_out_of_space.inc();
            if !backoff.is_failing() {
                tracing::warn!(why, "{work} found no space on the disk, and is tried again later");
            }
            backoff.failed(Instant::now());
        }
        Attempt::Done => {
            if backoff.is_failing() {
                tracing::info!("{work} has found space again");
            }
            backoff.succeeded();
        }
    }
}

impl NodeTask {
    pub(super) fn check(&mut self) {
        self.chores.log_bytes_since_check = 0;
        if !std::mem::replace(&mut self.chores.checking_space, true) {
            self.parts.space.send(CheckSpace);
        }
        self.compact_bodies();
        if self.parts.bodies.stats().is_flush_wanted {
            self.step(Input::FlushSoon);
        }
        // A flush asks for a compaction too. But while too much is unmerged, no entry is proposed, and so no
        // flush follows.
        if self.chores.state_backoff.is_failing() && self.chores.state_backoff.may_try(Instant::now()) {
            self.parts.compactor.send(CompactWork::State);
        }
        self.prepare();
        self.set_figures();
    }

    pub(super) fn log_written(&mut self) {
        self.prepare();
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
            (Some(_), None) => {
                self.chores.disk_has_space();
                tracing::info!("the disk has space again: the node accepts writes");
            }
            // Only the number of free bytes has changed, which is not worth a log line.
            _ => {}
        }
        self.parts.status.send_modify(|status| status.read_only = read_only);
        self.step(Input::DiskSpace(space));
    }

    pub(super) fn space_checked(&mut self, space: DiskSpace) {
        self.chores.checking_space = false;
        self.set_disk_space(space);
    }

    /// If the disk has begun to stall, or to respond again, tells the node and its handles.
    pub(super) fn watch_disk(&mut self) {
        let Some(change) = self.disk.change(Instant::now()) else { return };
        let stalled = match &change {
            Change::Stalled { why } => {
                tracing::error!(why, "the disk does not respond: writes are rejected until it does");
                Some(why.clone())
            }
            Change::Responds => {
                tracing::info!("the disk responds again: the node accepts writes");
                None
            }
        };
        self.parts.metrics.disk_stalled.set(u64::from(stalled.is_some()));
        self.parts.status.send_modify(|status| status.disk_stalled = stalled);
        self.step(match change {
            Change::Stalled { why } => Input::DiskStalled { why },
            Change::Responds => Input::DiskResponds,
        });
    }

    fn compact_bodies(&mut self) {
        if self.chores.compacting_bodies || !self.chores.bodies_backoff.may_try(Instant::now()) {
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

    /// A step of the state's compaction has ended.
    pub(super) fn state_compacted(&mut self, attempt: &Attempt) {
        let backoff = &mut self.chores.state_backoff;
        note("the state's compaction", attempt, backoff, &self.parts.metrics);
        // Entries that waited for it may continue.
        self.step(Input::Continue);
    }

    /// A rewrite of a body segment has ended. The log may hold the removed events too. After a flush, their log
    /// segments can be purged and replaced.
    pub(super) fn bodies_compacted(&mut self, attempt: &Attempt) {
        self.chores.compacting_bodies = false;
        let backoff = &mut self.chores.bodies_backoff;
        note("the rewrite of a body segment", attempt, backoff, &self.parts.metrics);
        if *attempt != Attempt::Done {
            return;
        }
        self.chores.scrub_log = true;
        self.parts.log.send(LogJob::Rotate);
        self.step(Input::FlushSoon);
    }

    /// Has segments of the log and of the body file prepared before they are needed.
    fn prepare(&mut self) {
        let wanted = self.parts.preparer.is_wanted() || self.parts.body_preparer.is_wanted();
        if wanted && !self.chores.preparing && self.chores.prepare_backoff.may_try(Instant::now()) {
            self.chores.preparing = true;
            self.parts.flusher.send(FlushWork::Prepare);
        }
    }

    pub(super) fn prepared(&mut self, attempt: &Attempt) {
        self.chores.preparing = false;
        match attempt {
            Attempt::Done => self.chores.prepare_backoff.succeeded(),
            // Appends continue without a prepared segment while there is space.
            Attempt::OutOfSpace(_) => self.chores.prepare_backoff.failed(Instant::now()),
        }
    }
}
