//! What each effect of the driver makes the loop do.

use super::NodeTask;
use crate::handle::Phase;
use crate::store::{Effect, StateReader};
use driver::{FlushJob, LogJob};
use model::Cursor;
use node::{DiskSpace, Unavailable};
use std::time::Instant;
use telemetry::catalogue::Queue;

impl NodeTask {
    pub(super) fn obey(&mut self, effect: Effect) {
        match effect {
            Effect::Log(job) => self.send_to_log(job),
            Effect::Flush(job) => {
                if matches!(job, FlushJob::Flush { .. }) {
                    self.disk.flush_begun(Instant::now());
                }
                self.parts.flusher.send(job);
            }
            Effect::Compact(job) => self.parts.compactor.send(job),
            Effect::React(job) => self.parts.reactor.send(job),
            Effect::WriteBodies(job) => {
                self.disk.bodies_begun(Instant::now());
                self.parts.body_writer.send(job);
            }
            Effect::Show { state, visible } => self.show(state, visible),
            Effect::Outcome { reply, result } => {
                if result == Err(Unavailable::Busy) {
                    self.parts.metrics.queue(Queue::WaitingBytes).rejected.inc();
                }
                // The client may have disconnected. Its command is still applied.
                self.given_back.extend(reply.send(result));
            }
            Effect::TimeClosed { reply, result } => {
                let _ = reply.send(result);
            }
            Effect::Woken { reply, result } => {
                let _ = reply.send(result);
            }
            Effect::TasksDied(tasks) => self.parts.metrics.tasks.dead.add(u64::from(tasks)),
            Effect::Ready { replayed_entries } => self.became_ready(replayed_entries),
            Effect::DiskSpace(space) => self.disk_space_changed(space),
            Effect::CompactionOutOfSpace { why, failures } => {
                self.parts.metrics.compactions_out_of_space.inc();
                if failures == 1 {
                    tracing::warn!(why, "a compaction found no space on the disk, and is tried again later");
                }
            }
            Effect::Wait(at) => self.wait = at,
            Effect::Continue => self.has_more(),
            Effect::Stopped => self.ended = Some(Ok(())),
        }
    }

    fn send_to_log(&mut self, job: LogJob) {
        if let LogJob::Write { ticket, records } = &job {
            let bytes = records.len() as u64;
            self.disk.log_begun(Instant::now());
            self.entry = Some(telemetry::spans::entry(ticket.0));
            self.parts.metrics.queue(Queue::LogWrites).depth.add(1);
            self.parts.metrics.entry_bytes.observe(bytes);
            self.parts.metrics.log_written.add(bytes);
        }
        self.parts.log.send(job);
    }

    fn show(&mut self, state: StateReader, cursor: Cursor) {
        // First, because who is told looks at it.
        self.parts.latest.set(state);
        self.parts.metrics.last_visible.set_ms(cursor.position.wall().0);
        self.parts.visible.send_if_modified(|visible| {
            let moved = cursor > *visible;
            *visible = cursor.max(*visible);
            moved
        });
    }

    fn became_ready(&mut self, replayed_entries: u64) {
        self.parts.status.send_modify(|status| {
            status.replayed_entries = replayed_entries;
            status.is_readable = true;
            if status.phase == Phase::Starting {
                status.phase = Phase::Ready;
            }
        });
        self.parts.metrics.replayed_entries.set(replayed_entries);
        self.parts.metrics.became_ready();
        tracing::info!(replayed_entries, "the node is ready");
    }

    /// The driver has more to do: usually a replay, of which the status says how far it is.
    fn has_more(&mut self) {
        self.has_more = true;
        let replay = self.parts.driver.replay();
        self.parts.status.send_if_modified(|status| {
            status.replay = replay;
            status.phase == Phase::Starting
        });
    }

    fn disk_space_changed(&mut self, space: DiskSpace) {
        let read_only = match space {
            DiskSpace::Enough => None,
            DiskSpace::Low { why } => Some(why),
        };
        match (&self.parts.status.borrow().read_only, &read_only) {
            (None, Some(why)) => tracing::error!(why, "the node is read-only until its disk has space"),
            (Some(_), None) => tracing::info!("the disk has space again: the node accepts writes"),
            // Only the number of free bytes has changed, which is not worth a log line.
            _ => {}
        }
        self.parts.status.send_modify(|status| status.read_only = read_only);
    }
}
