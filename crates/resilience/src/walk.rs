//! Random walks for tests: seeded, so that a failure that prints its seed can be seen again.

use crate::contract::{Input, Time};

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 to `bound - 1`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// How many steps a walk takes: so many in 1,000 of what `RESILIENCE_STEPS` says, 2.5 million where it says nothing.
pub(crate) fn steps(share: u64) -> u64 {
    let all = std::env::var("RESILIENCE_STEPS").ok().and_then(|steps| steps.parse().ok());
    all.unwrap_or(2_500_000_u64) / 1_000 * share
}

/// A clock that mostly runs forward, sometimes back, and rarely leaps.
pub(crate) struct Clock {
    pub(crate) now: u64,
    /// The usual stride, in nanoseconds.
    pub(crate) stride: u64,
}

impl Clock {
    pub(crate) fn step(&mut self, chance: &mut Chance) -> Input {
        let year = 365 * 24 * 60 * 60 * 1_000_000_000;
        self.now = match chance.below(1_000) {
            0 if self.now < u64::MAX / 2 => self.now + chance.below(year),
            1..=20 => self.now.saturating_sub(chance.below(self.stride * 10)),
            21..=200 => self.now,
            _ => self.now.saturating_add(chance.below(self.stride * 2)),
        };
        Input { now: Time::from_nanos(self.now), random: chance.next() }
    }
}
