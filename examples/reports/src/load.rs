//! The users: some ask for reports, others look at their orders meanwhile.

use crate::Result;
use std::fmt;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

/// Others look at an order this often.
const ORDERS_EVERY: Duration = Duration::from_millis(10);

/// How long requests took.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn record(&mut self, latency: Duration) {
        self.0.push(latency);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    fn quantile(&self, part: f64) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len().saturating_sub(1) as f64 * part).round() as usize;
        sorted.get(at).copied().unwrap_or_default()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |part| self.quantile(part).as_secs_f64() * 1_000.0;
        write!(f, "p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms", ms(0.5), ms(0.99), ms(1.0))
    }
}

/// Does something while others look at their orders, and measures how long these wait. A request that is late because the
/// one before it was slow counts from the time at which it should have been sent.
pub(crate) async fn while_others_look_at_orders<T>(
    shop: &str,
    work: impl Future<Output = Result<T>>,
) -> Result<(T, Latencies)> {
    let http = reqwest::Client::new();
    let url = format!("{shop}/orders/7");
    let mut looking = JoinSet::new();
    let mut ticks = interval(ORDERS_EVERY);
    let mut work = std::pin::pin!(work);
    let done = loop {
        tokio::select! {
            done = &mut work => break done?,
            due = ticks.tick() => {
                let request = http.get(&url);
                looking.spawn(async move {
                    request.send().await?.error_for_status()?;
                    Ok::<_, reqwest::Error>(due.elapsed())
                });
            }
        }
    };
    let mut latencies = Latencies::default();
    while let Some(latency) = looking.join_next().await {
        latencies.record(latency??);
    }
    Ok((done, latencies))
}

/// Lets this many users ask for a report at the same time, each for a month of its own.
pub(crate) async fn ask<F: Future<Output = Result<T>> + Send + 'static, T: Send + 'static>(
    users: usize,
    one: impl Fn(String) -> F,
) -> Result<Vec<(T, Duration)>> {
    let mut asking = JoinSet::new();
    for user in 0..users {
        let (asked, report) = (Instant::now(), one(format!("{}-{:02}", 2024 + user / 12, 1 + user % 12)));
        asking.spawn(async move { report.await.map(|report| (report, asked.elapsed())) });
    }
    let mut answered = Vec::new();
    while let Some(report) = asking.join_next().await {
        answered.push(report??);
    }
    Ok(answered)
}
