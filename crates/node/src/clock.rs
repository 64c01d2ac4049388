//! The two clocks of entries, from the two clocks of a machine.
//!
//! A machine's wall clock may step forwards and backwards. Its monotonic clock starts at an arbitrary value
//! and never jumps. An entry's `wall` follows the wall clock but is never earlier than the last entry's. Its
//! `elapsed` starts from the last entry's value and advances with the monotonic clock, while the node runs and
//! can hear its clients. It stands still:
//!
//! - while no node runs;
//! - for [`GRACE_MS`] after a start and after taking the lead, in which clients find the node again;
//! - while the node is stalled (stopped by a signal, starved of CPU, or waiting for a disk that hangs), except for
//!   the first [`STALL_MS`]. What its clients sent in the meantime is still in its sockets.
//!
//! So a duration measured in `elapsed` may end late, but never early, and a client that renews in time never loses
//! what it holds to a stall of the node.

use model::{Elapsed, EntryClock, Wall};

/// `elapsed` stands still for this long after a start, and after taking the lead.
pub const GRACE_MS: u64 = 2_000;
/// A stall counts up to this much. A node that is not stalled observes the time at least twice as often.
pub const STALL_MS: u64 = 2_000;

/// A monotonic time in milliseconds. Its origin is arbitrary, and constant while a process runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mono(pub u64);

impl Mono {
    #[must_use]
    pub fn after_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Both clocks of a machine, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    pub wall: Wall,
    pub mono: Mono,
}

/// When `elapsed` stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standstill {
    /// For this long after a start, and after taking the lead.
    pub grace_ms: u64,
    /// During a stall, after this much of it.
    pub stall_ms: u64,
}

impl Default for Standstill {
    fn default() -> Self {
        Self { grace_ms: GRACE_MS, stall_ms: STALL_MS }
    }
}

/// Stamps entries.
#[derive(Clone, Copy, Debug)]
pub struct EntryClocks {
    last: EntryClock,
    stall_ms: u64,
    /// The elapsed time as of `seen`.
    elapsed: Elapsed,
    /// When the time was last observed.
    seen: Mono,
    /// `elapsed` stands still until then.
    grace_ends: Mono,
}

impl EntryClocks {
    /// Continues after an entry, which may be from another process or node: `elapsed` advances from `now` on,
    /// after the grace.
    #[must_use]
    pub fn resume(last: EntryClock, now: Now, standstill: Standstill) -> Self {
        let Standstill { grace_ms, stall_ms } = standstill;
        let grace_ends = now.mono.after_ms(grace_ms);
        Self { last, stall_ms, elapsed: last.elapsed, seen: now.mono, grace_ends }
    }

    /// Lets the time pass. `since` is when the oldest work began that the node still waits for, if there is any:
    /// a disk that hangs stalls the node too.
    pub fn observe(&mut self, now: Now, since: Option<Mono>) {
        let from = self.seen.max(self.grace_ends);
        let passed = now.mono.0.saturating_sub(from.0).min(self.stall_ms);
        let hangs_from = since.map_or(Mono(u64::MAX), |since| since.after_ms(self.stall_ms));
        let counted = passed.min(hangs_from.0.saturating_sub(from.0));
        self.elapsed = Elapsed(self.elapsed.0.saturating_add(counted));
        self.seen = self.seen.max(now.mono);
    }

    /// The clock of an entry that is closed at `now`, with a wall of at least `wall_min`.
    pub fn stamp(&mut self, now: Now, wall_min: Wall) -> EntryClock {
        let clock = EntryClock { wall: self.wall(now).max(wall_min), elapsed: self.elapsed };
        self.last = clock;
        clock
    }

    /// The wall that an entry would get now.
    #[must_use]
    pub fn wall(&self, now: Now) -> Wall {
        now.wall.max(self.last.wall)
    }

    /// The elapsed time as of the last observation.
    #[must_use]
    pub fn elapsed(&self) -> Elapsed {
        self.elapsed
    }

    /// How long `elapsed` stands still yet.
    #[must_use]
    pub fn grace_left_ms(&self, now: Now) -> u64 {
        self.grace_ends.0.saturating_sub(now.mono.0)
    }

    /// How many milliseconds the last entry's wall is ahead of the machine's: after the machine's clock
    /// stepped back, or when the entry came from a machine whose clock was ahead.
    #[must_use]
    pub fn wall_ahead_ms(&self, now: Now) -> u64 {
        self.last.wall.0.saturating_sub(now.wall.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(wall: u64, mono: u64) -> Now {
        Now { wall: Wall(wall), mono: Mono(mono) }
    }

    fn resumed(grace_ms: u64) -> EntryClocks {
        let last = EntryClock { wall: Wall(1_000), elapsed: Elapsed(50) };
        EntryClocks::resume(last, at(900, 7), Standstill { grace_ms, ..Standstill::default() })
    }

    #[test]
    fn the_wall_never_runs_backwards_and_elapsed_ignores_its_steps() {
        let mut clocks = resumed(0);
        for (now, wall_min, wall, elapsed) in [
            (at(900, 7), 0, 1_000, 50),
            (at(2_000, 17), 0, 2_000, 60),
            (at(500, 18), 0, 2_000, 61),
            (at(500, 18), 2_001, 2_001, 61),
            (at(9_000, 18), 0, 9_000, 61),
            (at(9_001, 3), 0, 9_001, 61),
        ] {
            clocks.observe(now, None);
            let clock = clocks.stamp(now, Wall(wall_min));
            assert_eq!(clock, EntryClock { wall: Wall(wall), elapsed: Elapsed(elapsed) }, "{now:?}");
        }
        assert_eq!(clocks.wall_ahead_ms(at(9_000, 0)), 1);
    }

    #[test]
    fn elapsed_stands_still_in_the_grace_and_in_a_stall() {
        // The time of each observation, since when the node waits for its disk, and the elapsed time then.
        for (grace_ms, observed) in [
            (0, vec![(107, None, 150), (207, None, 250)]),
            (2_000, vec![(1_007, None, 50), (2_007, None, 50), (2_107, None, 150)]),
            // The observation that ends the grace counts what is after it.
            (2_000, vec![(1_907, None, 50), (2_207, None, 250)]),
            // Stopped by a signal for a minute.
            (0, vec![(107, None, 150), (60_107, None, 2_150), (60_207, None, 2_250)]),
            // A sync that hangs, while the loop goes on.
            (
                0,
                vec![
                    (507, Some(7), 550),
                    (1_907, Some(7), 1_950),
                    (2_307, Some(7), 2_050),
                    (2_807, Some(7), 2_050),
                ],
            ),
            // It has ended, and time goes on from there.
            (0, vec![(1_907, Some(7), 1_950), (2_707, Some(7), 2_050), (2_807, None, 2_150)]),
        ] {
            let mut clocks = resumed(grace_ms);
            assert_eq!(clocks.grace_left_ms(at(900, 7)), grace_ms);
            for (mono, since, elapsed) in &observed {
                clocks.observe(at(900, *mono), since.map(Mono));
                assert_eq!(clocks.elapsed(), Elapsed(*elapsed), "{grace_ms} {observed:?} at {mono}");
            }
        }
    }
}
