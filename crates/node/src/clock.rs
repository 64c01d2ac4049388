//! The two clocks of entries, from the two clocks of a machine.
//!
//! A machine's wall clock may step forwards and backwards. Its monotonic clock starts at an arbitrary value
//! and never jumps. An entry's `wall` follows the wall clock but is never earlier than the last entry's. Its
//! `elapsed` starts from the last entry's value and advances with the monotonic clock. Time during which no
//! node runs does not count, so a duration measured in `elapsed` may end late, but never early.

use model::{Elapsed, EntryClock, Wall};

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

/// Stamps entries.
#[derive(Clone, Copy, Debug)]
pub struct EntryClocks {
    last: EntryClock,
    /// The monotonic time at which `last.elapsed` was current.
    since: Mono,
}

impl EntryClocks {
    /// Continues after an entry, which may be from another process or node: `elapsed` advances from `now` on.
    #[must_use]
    pub fn resume(last: EntryClock, now: Now) -> Self {
        Self { last, since: now.mono }
    }

    /// The clock of an entry that is closed at `now`, with a wall of at least `wall_min`.
    pub fn stamp(&mut self, now: Now, wall_min: Wall) -> EntryClock {
        let clock = EntryClock { wall: self.wall(now).max(wall_min), elapsed: self.elapsed(now) };
        self.last = clock;
        self.since = self.since.max(now.mono);
        clock
    }

    /// The wall that an entry would get now.
    #[must_use]
    pub fn wall(&self, now: Now) -> Wall {
        now.wall.max(self.last.wall)
    }

    /// The elapsed time that an entry would get now.
    #[must_use]
    pub fn elapsed(&self, now: Now) -> Elapsed {
        Elapsed(self.last.elapsed.0.saturating_add(now.mono.0.saturating_sub(self.since.0)))
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

    #[test]
    fn the_wall_never_runs_backwards_and_elapsed_ignores_its_steps() {
        let mut clocks =
            EntryClocks::resume(EntryClock { wall: Wall(1_000), elapsed: Elapsed(50) }, at(900, 7));
        for (now, wall_min, wall, elapsed) in [
            (at(900, 7), 0, 1_000, 50),
            (at(2_000, 17), 0, 2_000, 60),
            (at(500, 18), 0, 2_000, 61),
            (at(500, 18), 2_001, 2_001, 61),
            (at(9_000, 18), 0, 9_000, 61),
            (at(9_001, 3), 0, 9_001, 61),
        ] {
            let clock = clocks.stamp(now, Wall(wall_min));
            assert_eq!(clock, EntryClock { wall: Wall(wall), elapsed: Elapsed(elapsed) }, "{now:?}");
        }
        assert_eq!(clocks.wall_ahead_ms(at(9_000, 0)), 1);
    }
}
