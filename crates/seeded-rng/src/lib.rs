//! A seeded generator of pseudo-random numbers, for tests and simulation. A seed gives the same numbers in
//! every run and on every machine, whatever the versions of other libraries.
//!
//! It is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). It is fast,
//! and its numbers are even enough for test cases. Do not use it for secrets.
#![no_std]

/// A generator, whose numbers follow from its seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// Distinct seeds give distinct sequences, even if the seeds are close together.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number below `bound`, or 0 when `bound` is 0. Slightly uneven for bounds near 2^64.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next_u64() % bound.max(1)
    }

    /// An index into a collection of `len` elements, or 0 when it is empty.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low.saturating_add(self.below(high.saturating_sub(low).saturating_add(1)))
    }

    /// True once in `n` times, on average.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// One of the elements.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }
}

/// Spreads numbers evenly over 64 bits. Distinct numbers give distinct results. Use it for keys that a test
/// must be able to compute again.
#[must_use]
pub fn scatter(number: u64) -> u64 {
    Rng::new(number).next_u64()
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference implementation for this seed.
    #[test]
    fn the_numbers_of_a_seed_never_change() {
        let mut rng = Rng::new(1_234_567);
        let numbers = [0; 5].map(|_| rng.next_u64());
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn bounds_are_kept_at_their_edges() {
        let mut rng = Rng::new(7);
        assert_eq!((rng.below(0), rng.below(1), rng.index(0), rng.between(5, 5)), (0, 0, 0, 5));
        assert!((0..1_000).all(|_| (3..=4).contains(&rng.between(3, 4))));
        assert!(rng.between(0, u64::MAX) != rng.between(0, u64::MAX));
        assert!((0..1_000).any(|_| rng.pick(&[1, 2]) == 2));
    }
}
