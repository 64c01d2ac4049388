//! The limits of one run's node, drawn from its seed. Many of them are so small that what is rare in a real node
//! is common here: a segment that holds one frame, an entry that holds one command, a cache that holds nothing.

use node::batch::EntryMax;
use node::clock::Standstill;
use seeded_rng::Rng;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub log_segment_bytes: u64,
    pub spares_max: usize,
    pub body_segment_bytes: u64,
    pub stride_bytes: u64,
    pub unsynced_bytes: u64,
    pub indexes_max: usize,
    pub removed_kept_ms: u64,
    pub flush_log_bytes: u64,
    pub flush_state_bytes: u64,
    pub kept_log_bytes: u64,
    pub poll_bytes: usize,
    pub heads_max: usize,
    pub waiting_bytes_max: usize,
    pub entry_max: EntryMax,
    pub standstill: Standstill,
}

impl Default for Limits {
    /// Small, so that a short run rotates, purges, flushes and replays many times.
    fn default() -> Self {
        Self {
            log_segment_bytes: 64 << 10,
            spares_max: 4,
            body_segment_bytes: 32 << 10,
            stride_bytes: 512,
            unsynced_bytes: 8 << 10,
            indexes_max: 32,
            removed_kept_ms: 24 * 60 * 60 * 1_000,
            flush_log_bytes: 24 << 10,
            flush_state_bytes: 16 << 10,
            kept_log_bytes: 1 << 30,
            poll_bytes: 4 << 10,
            heads_max: 65_536,
            waiting_bytes_max: 64 << 20,
            entry_max: EntryMax::default(),
            standstill: Standstill { grace_ms: 20, ..Standstill::default() },
        }
    }
}

impl Limits {
    /// Each limit is drawn independently of the others.
    #[must_use]
    pub fn draw(rng: &mut Rng) -> Self {
        let usual = Self::default();
        Self {
            log_segment_bytes: rng.pick(&[usual.log_segment_bytes, 16 << 10, 8 << 10]),
            spares_max: rng.pick(&[usual.spares_max, 0, 1]),
            body_segment_bytes: rng.pick(&[usual.body_segment_bytes, 8 << 10, 2 << 10]),
            stride_bytes: rng.pick(&[usual.stride_bytes, 64, 8 << 10]),
            unsynced_bytes: rng.pick(&[usual.unsynced_bytes, 1, 4 << 20]),
            indexes_max: rng.pick(&[usual.indexes_max, 1, 2]),
            removed_kept_ms: rng.pick(&[usual.removed_kept_ms, 0, 100]),
            flush_log_bytes: rng.pick(&[usual.flush_log_bytes, 2 << 10, 200 << 10]),
            flush_state_bytes: rng.pick(&[usual.flush_state_bytes, 1 << 10, 1 << 20]),
            kept_log_bytes: rng.pick(&[usual.kept_log_bytes, usual.kept_log_bytes, 32 << 10]),
            poll_bytes: rng.pick(&[usual.poll_bytes, 1, 1 << 20]),
            heads_max: rng.pick(&[usual.heads_max, 0, 1, 5]),
            // A single command always fits.
            waiting_bytes_max: rng.pick(&[usual.waiting_bytes_max, usual.waiting_bytes_max, 6 << 10]),
            entry_max: EntryMax {
                commands: rng.pick(&[usual.entry_max.commands, 1, 2, 5]),
                bytes: rng.pick(&[usual.entry_max.bytes, 1, 1 << 10]),
            },
            standstill: Standstill {
                grace_ms: rng.pick(&[20, 20, 0, 2_000]),
                // Without a bound, idempotency records expire in a single pause.
                stall_ms: rng.pick(&[2_000, 2_000, 2_000, u64::MAX]),
            },
        }
    }

    /// Whether the log is kept for an archive, however far that is behind.
    #[must_use]
    pub fn keeps_log(&self) -> bool {
        self.kept_log_bytes == Self::default().kept_log_bytes
    }

    /// Whether a pause can be long enough for idempotency records to expire.
    #[must_use]
    pub fn records_expire(&self) -> bool {
        self.standstill.stall_ms > 2_000
    }
}
