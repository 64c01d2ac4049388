//! What each output of the node makes the loop do.

use super::{NodeTask, Output};
use crate::disk_threads::{DiskFailure, FlushWork};
use crate::handle::{Phase, wall_now};
use crate::log_thread::LogJob;
use crate::store::{StateFlush, StateReader};
use model::Cursor;
use node::{RaftIo, Unavailable};
use storage::state::State as _;
use telemetry::catalogue::Queue;

impl NodeTask {
    pub(super) fn obey(&mut self, output: Output) {
        match output {
            Output::Io(io) => self.do_io(io),
            Output::Outcome { reply, result } => {
                if result == Err(Unavailable::Busy) {
                    self.parts.metrics.queue(Queue::WaitingBytes).refused.inc();
                }
                // The client may have disconnected. Its command is still applied.
                let _ = reply.send(result);
            }
            Output::TimeClosed { reply, result } | Output::Woken { reply, result } => {
                let _ = reply.send(result);
            }
            Output::Ready { replayed_entries } => self.became_ready(replayed_entries),
            Output::Wait(at) => self.wait = at,
            Output::Stopped => self.ended = Some(Ok(())),
            Output::Halt(error) => self.ended = Some(Err(error.into())),
            Output::Visible(_) | Output::Continue => {}
        }
    }

    fn do_io(&mut self, io: RaftIo<StateFlush>) {
        match io {
            RaftIo::WriteLog { ticket, records } => {
                let bytes = records.len() as u64;
                self.entry = Some(telemetry::spans::entry(ticket.0));
                self.parts.metrics.queue(Queue::LogWrites).depth.add(1);
                self.parts.metrics.entry_bytes.observe(bytes);
                self.parts.metrics.log_written.add(bytes);
                self.chores.log_grew(bytes);
                self.parts.log.send(LogJob::Write { ticket, records });
            }
            RaftIo::AppendBodies { records, last, end } => self.append_bodies(&records, last, end),
            RaftIo::RemoveBodies { positions } => {
                self.parts.bodies.note_removed(&positions, wall_now());
            }
            RaftIo::Flush { flush } => {
                // Every body up to here was appended before this output.
                let bodies = self.parts.bodies.sync_handle();
                self.parts.flusher.send(FlushWork::Flush { bodies, flush });
            }
            RaftIo::PurgeLog { group, through } => {
                self.parts.log.send(LogJob::Purge { group, through });
            }
        }
    }

    fn append_bodies(&mut self, records: &[u8], last: Cursor, end: u64) {
        let failure = match self.parts.bodies.append(records, last) {
            Ok(at) if at == end => return,
            Ok(at) => DiskFailure::bodies(format!(
                "they end at byte {at}, but the state refers to bodies up to byte {end}"
            )),
            Err(error) => DiskFailure::bodies(error),
        };
        self.ended = Some(Err(failure.into()));
    }

    pub(super) fn show(&mut self, cursor: Cursor) {
        self.parts.metrics.last_visible.set_ms(cursor.position.wall().0);
        self.parts.visible.send_if_modified(|visible| {
            let moved = cursor > *visible;
            *visible = cursor.max(*visible);
            moved
        });
    }

    fn became_ready(&mut self, replayed_entries: u64) {
        self.parts.latest.set(self.reader());
        self.parts.status.send_modify(|status| {
            status.replayed_entries = replayed_entries;
            if status.phase == Phase::Starting {
                status.phase = Phase::Ready;
            }
        });
        self.parts.metrics.replayed_entries.set(replayed_entries);
        self.parts.metrics.became_ready();
        tracing::info!(replayed_entries, "the node is ready");
    }

    /// The state as of the last applied entry.
    pub(super) fn reader(&self) -> StateReader {
        self.parts.node.engine().state().reader()
    }
}
