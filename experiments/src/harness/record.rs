//! What came of each request, and figures and series out of that.

use std::time::Duration;
use tokio::time::Instant;

/// One request, as the one who made it saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// When it was to begin, since the load began.
    pub(crate) at: Duration,
    /// From then to the answer, or to when it was given up.
    pub(crate) took: Duration,
    /// Which kind of request it was.
    pub(crate) class: usize,
    pub(crate) is_ok: bool,
}

/// The figures of some requests. Latencies are of all of them: how long somebody waited, whatever came of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) requests: usize,
    pub(crate) ok: usize,
    pub(crate) failed: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// All requests of a half.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) samples: Vec<Sample>,
}

/// So many columns has a picture.
pub(crate) const COLUMNS: usize = 64;

impl Record {
    pub(crate) fn all(&self) -> Figures {
        self.of(|_| true)
    }

    /// The figures of the requests that `which` picks.
    pub(crate) fn of(&self, which: impl Fn(&Sample) -> bool) -> Figures {
        let picked: Vec<&Sample> = self.samples.iter().filter(|sample| which(sample)).collect();
        let ok = picked.iter().filter(|sample| sample.is_ok).count();
        let mut took: Vec<Duration> = picked.iter().map(|sample| sample.took).collect();
        took.sort_unstable();
        Figures {
            requests: picked.len(),
            ok,
            failed: picked.len() - ok,
            p50_ms: percentile(&took, 50),
            p99_ms: percentile(&took, 99),
        }
    }

    /// Good answers a second, over time.
    pub(crate) fn goodput(&self, lasts: Duration, which: impl Fn(&Sample) -> bool) -> Vec<f64> {
        let good = self.samples.iter().filter(|sample| sample.is_ok && which(sample));
        per_second(lasts, good.map(|sample| sample.at + sample.took))
    }

    /// The longest wait of the requests that `which` picks and that were to begin in each column's time, in ms.
    pub(crate) fn longest(&self, lasts: Duration, which: impl Fn(&Sample) -> bool) -> Vec<f64> {
        let mut columns = vec![0.0; COLUMNS];
        for sample in self.samples.iter().filter(|sample| which(sample)) {
            if let Some(longest) = columns.get_mut(column(lasts, sample.at)) {
                *longest = f64::max(*longest, millis(sample.took));
            }
        }
        columns
    }
}

/// Moments as a rate over time, each column the mean of itself and those beside it.
pub(crate) fn per_second(lasts: Duration, moments: impl Iterator<Item = Duration>) -> Vec<f64> {
    let mut columns = vec![0.0; COLUMNS];
    let width = lasts.as_secs_f64() / COLUMNS as f64;
    for moment in moments {
        if let Some(rate) = columns.get_mut(column(lasts, moment)) {
            *rate += 1.0 / width;
        }
    }
    let mean = |column: usize| {
        let beside = &columns[column.saturating_sub(1)..(column + 2).min(COLUMNS)];
        beside.iter().sum::<f64>() / beside.len() as f64
    };
    (0..COLUMNS).map(mean).collect()
}

/// What hit a service, as a rate over time.
pub(crate) fn hits_per_second(lasts: Duration, began: Instant, hits: &[Instant]) -> Vec<f64> {
    per_second(lasts, hits.iter().map(|hit| hit.saturating_duration_since(began)))
}

fn column(lasts: Duration, moment: Duration) -> usize {
    (moment.as_secs_f64() / lasts.as_secs_f64() * COLUMNS as f64) as usize
}

/// The smallest value that is not exceeded by so many in a hundred.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().map_or(0.0, millis)
}

fn millis(duration: Duration) -> f64 {
    tenths(duration.as_secs_f64() * 1_000.0)
}

pub(crate) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}
