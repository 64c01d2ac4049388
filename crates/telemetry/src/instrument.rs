//! Counters, gauges and histograms. They are relaxed atomics, so counting takes a few nanoseconds and no lock.
//! `/metrics` reads them one after another, so one scrape may show them at slightly different moments.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A number that only increases.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that increases and decreases.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    pub fn set(&self, n: u64) {
        self.0.store(i64::try_from(n).unwrap_or(i64::MAX), Relaxed);
    }

    pub fn add(&self, n: u64) {
        self.0.fetch_add(i64::try_from(n).unwrap_or(i64::MAX), Relaxed);
    }

    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(i64::try_from(n).unwrap_or(i64::MAX), Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Holds a [`Gauge`] one higher until it is dropped.
#[derive(Debug)]
pub struct Held<'a>(&'a Gauge);

impl Gauge {
    /// Adds one now, and subtracts it when the result is dropped.
    #[must_use]
    pub fn hold(&self) -> Held<'_> {
        self.add(1);
        Held(self)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.sub(1);
    }
}

/// A gauge of a duration, or of a time of day since 1970.
#[derive(Debug, Default)]
pub struct TimeGauge(AtomicI64);

impl TimeGauge {
    pub fn set(&self, duration: Duration) {
        self.0.store(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX), Relaxed);
    }

    pub fn set_ms(&self, ms: u64) {
        self.set(Duration::from_millis(ms));
    }

    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.0.load(Relaxed) as f64 / 1e9
    }
}

/// The upper bounds of a histogram's buckets, in the observed unit, and how many observed units make one unit
/// of the metric.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    bounds: &'static [u64],
    per_unit: f64,
}

/// Observed in nanoseconds and shown in seconds: from 50 µs (a fast fdatasync takes 70) to 10 s (a timeout).
pub const DURATIONS: Scale = Scale {
    bounds: &[
        50_000,
        100_000,
        200_000,
        500_000,
        1_000_000,
        2_000_000,
        5_000_000,
        10_000_000,
        20_000_000,
        50_000_000,
        100_000_000,
        250_000_000,
        1_000_000_000,
        10_000_000_000,
    ],
    per_unit: 1e9,
};
/// Observed in milliseconds and shown in seconds: from 1 ms to a day.
pub const WAITS: Scale = Scale {
    bounds: &[1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 60_000, 300_000, 3_600_000, 86_400_000],
    per_unit: 1e3,
};
/// 0 to 1,024: the commands of an entry.
pub const COUNTS: Scale = Scale { bounds: &[0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024], per_unit: 1.0 };
/// 256 bytes to 16 MiB.
pub const SIZES: Scale = Scale {
    bounds: &[1 << 8, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24],
    per_unit: 1.0,
};

/// How many values fell into each bucket. (The histogram of `prometheus_client` takes a lock for each value.)
#[derive(Debug)]
pub struct Histogram {
    scale: Scale,
    /// One for each bound, and a last one for greater values.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// What a histogram held when it was read.
#[derive(Clone, Debug)]
pub struct Distribution {
    pub sum: f64,
    pub count: u64,
    /// Upper bound, and how many values fell into this bucket alone. The last bound is infinite.
    pub buckets: Vec<(f64, u64)>,
}

impl Histogram {
    #[must_use]
    pub fn new(scale: Scale) -> Self {
        let buckets = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { scale, buckets, sum: AtomicU64::new(0) }
    }

    /// Counts a value, in the observed unit of the scale: nanoseconds, bytes, a count.
    pub fn observe(&self, value: u64) {
        let bucket = self.scale.bounds.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    pub fn observe_duration(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// How many values were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }

    pub(crate) fn read(&self) -> Distribution {
        let bounds = self.scale.bounds.iter().map(|bound| *bound as f64 / self.scale.per_unit);
        let buckets: Vec<(f64, u64)> =
            bounds.chain([f64::INFINITY]).zip(self.buckets.iter().map(|b| b.load(Relaxed))).collect();
        Distribution {
            sum: self.sum.load(Relaxed) as f64 / self.scale.per_unit,
            count: buckets.iter().map(|(_, n)| n).sum(),
            buckets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_in_the_first_bucket_that_holds_it() {
        for (value, bucket) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3), (1_024, 11), (1_025, 12)] {
            let histogram = Histogram::new(COUNTS);
            histogram.observe(value);
            let reading = histogram.read();
            assert_eq!(reading.buckets[bucket].1, 1, "{value}");
            assert_eq!(reading.count, 1);
        }
    }

    #[test]
    fn durations_are_shown_in_seconds() {
        let histogram = Histogram::new(DURATIONS);
        histogram.observe_duration(Duration::from_micros(80));
        histogram.observe_duration(Duration::from_secs(100));
        let reading = histogram.read();
        assert_eq!(reading.buckets[1], (0.0001, 1));
        assert_eq!(reading.buckets[14], (f64::INFINITY, 1));
        assert!((reading.sum - 100.000_08).abs() < 1e-9);
    }

    #[test]
    fn a_held_gauge_falls_back_when_its_holder_is_dropped() {
        let gauge = Gauge::default();
        let first = gauge.hold();
        let second = gauge.hold();
        assert_eq!(gauge.get(), 2);
        drop(first);
        drop(second);
        assert_eq!(gauge.get(), 0);
    }
}
