//! The gauges of `/metrics` that each check reads from the node and its stores.

use super::NodeTask;
use std::sync::atomic::Ordering;
use std::time::Instant;
use storage::state::State as _;
use telemetry::catalogue::Queue;

/// When the newest entry is this far ahead of the machine's clock, each check logs a warning.
const WALL_AHEAD_ALARM_MS: u64 = 1_000;

impl NodeTask {
    pub(super) fn set_figures(&self) {
        let metrics = &self.parts.metrics;
        let node = self.parts.driver.node_figures(self.now());
        self.parts.elapsed.store(node.elapsed.0, Ordering::Relaxed);
        metrics.wall_ahead.set_ms(node.wall_ahead_ms);
        if node.wall_ahead_ms >= WALL_AHEAD_ALARM_MS {
            let ahead_ms = node.wall_ahead_ms;
            tracing::warn!(ahead_ms, "the newest entry's time of day is ahead of this machine's clock");
        }
        metrics.queue(Queue::Mailbox).depth.set((self.parts.mailbox.len() + node.waiting_commands) as u64);
        metrics.queue(Queue::WaitingBytes).depth.set(node.waiting_bytes as u64);
        metrics.queue(Queue::BodyReads).depth.set(self.parts.reads.depth() as u64);
        metrics.read_only.set(u64::from(self.parts.status.borrow().read_only.is_some()));

        let state = self.parts.driver.state();
        if let Ok(clock) = shard::query::clock(state, self.parts.driver.slots().first) {
            metrics.queue(Queue::IdempotencyRecords).depth.set(clock.records);
            metrics.queue(Queue::IdempotencyBytes).depth.set(clock.records_bytes);
        }
        let state = state.figures();
        metrics.state_bytes.set(state.table_bytes);
        metrics.state_memory.set(state.unflushed_bytes);
        metrics.state_cache.set(state.cache_bytes);

        let bodies = self.parts.driver.body_stats();
        metrics.archives.set(self.parts.archives.reading_now(Instant::now()) as u64);
        metrics.bodies_bytes.set(bodies.bytes);
        metrics.bodies_dead.set(bodies.dead_bytes);
    }
}
