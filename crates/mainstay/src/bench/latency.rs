//! Latencies in bounded memory: buckets whose width is at most 1/64 of their value.

use std::time::Duration;

/// Buckets per doubling.
const STEPS: u64 = 64;
const STEPS_BITS: u32 = STEPS.trailing_zeros();

/// Counts by latency in microseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Latencies {
    counts: Vec<u64>,
    count: u64,
    max_us: u64,
}

impl Latencies {
    pub(super) fn record(&mut self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket_of(us);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.count += 1;
        self.max_us = self.max_us.max(us);
    }

    /// The latency in µs that this fraction of all values does not exceed.
    pub(super) fn quantile_us(&self, part: f64) -> u64 {
        let rank = ((self.count as f64 * part).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_end(bucket).min(self.max_us);
            }
        }
        self.max_us
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn max_us(&self) -> u64 {
        self.max_us
    }
}

/// Values below 64 have a bucket each; larger values have 64 buckets per doubling.
fn bucket_of(us: u64) -> usize {
    let doubling = us.checked_ilog2().unwrap_or(0).saturating_sub(STEPS_BITS);
    (u64::from(doubling) * STEPS + (us >> doubling)) as usize
}

/// The greatest value of a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let doubling = (bucket / STEPS).saturating_sub(1);
    ((bucket - doubling * STEPS) << doubling) + ((1 << doubling) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_within_a_64th_of_its_bucket() {
        let mut last = 0;
        for us in (0..5_000).chain((12..40).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 1])) {
            let bucket = bucket_of(us);
            let end = upper_end(bucket);
            assert!(bucket >= last || us < 5_000, "{us}");
            assert!(end >= us && end - us <= us / 64, "{us} in {bucket} up to {end}");
            assert!(bucket == 0 || upper_end(bucket - 1) < us, "{us}");
            last = bucket;
        }
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let mut latencies = Latencies::default();
        (1..=1_000).for_each(|us| latencies.record(Duration::from_micros(us)));
        for (part, want) in [(0.5, 500), (0.99, 990), (0.999, 999), (1.0, 1_000)] {
            let got = latencies.quantile_us(part);
            assert!(got >= want && got <= want + want / 64 + 1, "{part}: {got}");
        }
        assert_eq!(latencies.max_us(), 1_000);
        assert_eq!(Latencies::default().quantile_us(0.5), 0);
    }
}
