//! A histogram of call durations, and its quantiles.

use crate::contract::nanos;
use alloc::vec::Vec;
use core::time::Duration;

/// Buckets per power of two. A quantile is too high by at most a sixteenth.
pub(super) const PARTS: u64 = 16;

/// Covers durations up to 2^32 µs (71 minutes). Longer ones count as the longest.
pub(super) const BUCKETS: usize = 16 * 29;

/// Call durations in microseconds. The width of the buckets grows with the duration.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Histogram {
    pub(super) counts: Vec<u32>,
    pub(super) count: u64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: alloc::vec![0; BUCKETS], count: 0 }
    }

    pub(super) fn bucket(took: Duration) -> usize {
        let micros = (nanos(took) / 1_000).min(u64::from(u32::MAX));
        if micros < PARTS {
            return micros as usize;
        }
        let power = u64::from(micros.ilog2()) - 4;
        ((power + 1) * PARTS + (micros >> power) - PARTS) as usize
    }

    /// The shortest duration above the bucket.
    pub(super) fn end(bucket: usize) -> Duration {
        let bucket = bucket as u64;
        if bucket < PARTS {
            return Duration::from_micros(bucket + 1);
        }
        let power = bucket / PARTS - 1;
        Duration::from_micros((bucket % PARTS + PARTS + 1) << power)
    }

    pub(super) fn add(&mut self, took: Duration, n: u32) {
        if let Some(count) = self.counts.get_mut(Self::bucket(took)) {
            let before = *count;
            *count = count.saturating_add(n);
            self.count = self.count.saturating_add((*count - before).into());
        }
    }

    /// The duration within which `percent` of the calls ended. It is at most a sixteenth plus a microsecond
    /// too high.
    pub(super) fn quantile(halves: [&Self; 2], percent: u8) -> Option<Duration> {
        let all = u128::from(halves[0].count) + u128::from(halves[1].count);
        let rank = (all * u128::from(percent)).div_ceil(100);
        let mut seen = 0_u128;
        let buckets = halves[0].counts.iter().zip(&halves[1].counts).enumerate().take(BUCKETS);
        for (bucket, (newer, older)) in buckets {
            seen += u128::from(*newer) + u128::from(*older);
            if seen > 0 && seen >= rank {
                return Some(Self::end(bucket));
            }
        }
        None
    }
}
