//! A seeded random number generator for tests: a failure that prints its seed can be repeated.
#![cfg(test)]

use crate::contract::{Input, Time};

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `bound - 1`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

/// The number of steps of a walk: `usual`, or the percentage of it that RESILIENCE_STEPS sets.
pub(crate) fn steps(usual: u64) -> u64 {
    let percent = std::env::var("RESILIENCE_STEPS").ok().and_then(|text| text.parse::<u64>().ok());
    usual * percent.unwrap_or(100) / 100
}

/// A clock that mostly runs forward, sometimes back, and rarely leaps.
pub(crate) struct Clock {
    pub(crate) now: u64,
    /// The usual stride, in nanoseconds.
    pub(crate) stride: u64,
}

impl Clock {
    pub(crate) fn step(&mut self, rng: &mut Rng) -> Input {
        let year = 365 * 24 * 60 * 60 * 1_000_000_000;
        self.now = match rng.below(1_000) {
            0 if self.now < u64::MAX / 2 => self.now + rng.below(year),
            1..=20 => self.now.saturating_sub(rng.below(self.stride * 10)),
            21..=200 => self.now,
            _ => self.now.saturating_add(rng.below(self.stride * 2)),
        };
        Input { now: Time::from_nanos(self.now), random: rng.next() }
    }
}
