//! Chance for tests: the same numbers for the same seed, and how many steps a random walk takes.

/// SplitMix64 (Steele, Lea and Flood, 2014).
#[derive(Clone, Debug)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
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
}

/// The steps of a walk: `usual`, unless RESILIENCE_STEPS says a percentage of it.
pub(crate) fn steps(usual: u64) -> u64 {
    let percent = std::env::var("RESILIENCE_STEPS").ok().and_then(|text| text.parse::<u64>().ok());
    usual * percent.unwrap_or(100) / 100
}
