//! The result of each request, and the statistics and series over time that are computed from them.

use std::time::Duration;
use tokio::time::Instant;

/// One request, as its sender saw it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// When it was due, counted from the beginning of the load.
    pub(crate) at: Duration,
    /// The time from then to the response, or to the moment when the sender gave up.
    pub(crate) took: Duration,
    /// Its kind.
    pub(crate) class: usize,
    pub(crate) is_ok: bool,
}

/// Statistics of some requests. Served and failed requests have separate latencies: a service that rejects
/// everything at once must not look faster than one that works.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) requests: usize,
    pub(crate) ok: usize,
    pub(crate) failed: usize,
    /// Median latency of the served requests; `None` if none was served.
    pub(crate) p50_ms: Option<f64>,
    /// 99 of 100 served requests took at most this time.
    pub(crate) p99_ms: Option<f64>,
    /// Half of the failed requests had failed by then; `None` if none failed.
    pub(crate) failed_p50_ms: Option<f64>,
    /// 99 of 100 failed requests had failed by then; `None` if none failed.
    pub(crate) failed_p99_ms: Option<f64>,
}

/// All requests of a half.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) samples: Vec<Sample>,
}

/// The width of a chart.
pub(crate) const COLUMNS: usize = 64;

impl Record {
    pub(crate) fn all(&self) -> Figures {
        self.of(|_| true)
    }

    /// The figures of the requests that `which` selects.
    pub(crate) fn of(&self, which: impl Fn(&Sample) -> bool) -> Figures {
        let mut selected: Vec<&Sample> = self.samples.iter().filter(|sample| which(sample)).collect();
        selected.sort_unstable_by_key(|sample| sample.took);
        let (served, failed): (Vec<&Sample>, Vec<&Sample>) = selected.iter().partition(|sample| sample.is_ok);
        Figures {
            requests: selected.len(),
            ok: served.len(),
            failed: failed.len(),
            p50_ms: percentile(&served, 50),
            p99_ms: percentile(&served, 99),
            failed_p50_ms: percentile(&failed, 50),
            failed_p99_ms: percentile(&failed, 99),
        }
    }

    /// Successful responses per second, over time.
    pub(crate) fn goodput(&self, lasts: Duration, which: impl Fn(&Sample) -> bool) -> Vec<f64> {
        let good = self.samples.iter().filter(|sample| sample.is_ok && which(sample));
        per_second(lasts, good.map(|sample| sample.at + sample.took))
    }

    /// For each column, the longest latency in ms of the selected requests that were due in its time.
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

/// Moments as a rate over time. Each column is the mean of itself and its two neighbours.
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

/// The requests that reached a service, as a rate over time.
pub(crate) fn hits_per_second(lasts: Duration, began: Instant, hits: &[Instant]) -> Vec<f64> {
    per_second(lasts, hits.iter().map(|hit| hit.saturating_duration_since(began)))
}

fn column(lasts: Duration, moment: Duration) -> usize {
    (moment.as_secs_f64() / lasts.as_secs_f64() * COLUMNS as f64) as usize
}

/// The smallest latency in ms that at least `percent` of the samples, sorted by latency, do not exceed.
fn percentile(sorted: &[&Sample], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map(|sample| millis(sample.took))
}

fn millis(duration: Duration) -> f64 {
    tenths(duration.as_secs_f64() * 1_000.0)
}

pub(crate) fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(took_ms: u64, is_ok: bool) -> Sample {
        Sample { at: Duration::ZERO, took: Duration::from_millis(took_ms), class: 0, is_ok }
    }

    #[test]
    fn latencies_of_served_and_failed_requests_are_apart() {
        let served = (1..=100).map(|ms| sample(ms, true));
        let record = Record { samples: served.chain([sample(0, false), sample(900, false)]).collect() };
        let figures = record.all();
        assert_eq!((figures.requests, figures.ok, figures.failed), (102, 100, 2));
        assert_eq!((figures.p50_ms, figures.p99_ms), (Some(50.0), Some(99.0)));
        assert_eq!((figures.failed_p50_ms, figures.failed_p99_ms), (Some(0.0), Some(900.0)));
    }

    #[test]
    fn without_a_served_request_there_is_no_latency() {
        let record = Record { samples: vec![sample(1, false), sample(2, false)] };
        let figures = record.all();
        assert_eq!((figures.p50_ms, figures.p99_ms, figures.failed_p99_ms), (None, None, Some(2.0)));
        let record = Record { samples: vec![sample(1, true)] };
        assert_eq!(record.all().failed_p99_ms, None);
        let nothing = Record::default().all();
        assert_eq!((nothing.requests, nothing.p50_ms, nothing.failed_p99_ms), (0, None, None));
    }
}
