//! `overload`: a service receives twice the requests that it can serve, half of them important.

use crate::experiment::{Experiment, Running};
use crate::half::Half;
use crate::harness::SetupError;
use crate::harness::load::Load;
use crate::harness::outgoing::{Outgoing, Side};
use crate::harness::record::tenths;
use crate::harness::service::{Service, Size};
use mainstay_resilience::bulkhead::{self, Aimd, Limit};
use mainstay_resilience::guard::{CallOptions, Policy};
use mainstay_resilience::shed::{self, Priority};
use std::time::Duration;
use tokio::time::Instant;

const LASTS: Duration = Duration::from_secs(8);
/// Measured from here on: by then the queue, or the limit, has reached its usual size.
const MEASURED_FROM: Duration = Duration::from_secs(2);
/// 20 workers of 100 ms serve 200 requests a second.
const SIZE: Size = Size { workers: 20, queue_max: 1_000 };
const LATENCY: Duration = Duration::from_millis(100);
const PER_SECOND: u32 = 400;
/// A later response is useless.
const IN_TIME: Duration = Duration::from_millis(500);
/// The class of important requests.
const IMPORTANT: usize = 0;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "overload",
    title: "A service gets twice the requests that it can serve",
    topology: "
important users ---200/s---+
                           +--> [ service ]   20 workers of 100 ms serve
other users --------200/s--+                  200 requests per second

A user gives up after 500 ms. A later response is useless.",
    expect: "Without a limit all requests wait in one long queue, and every response is too late, for important and \
             other users alike. With an adaptive limit and shedding by priority, the queue stays short: most of the \
             other users are rejected at once, and the important ones are served in time.",
    without: "every request waits in the service's queue",
    with: "a limit on concurrent requests that adapts to the measured latency, and rejects less important ones first",
    lesson: "A service that accepts more than it can serve works at full speed and helps nobody. Reject the excess \
             early, and the least important requests first. This does not create capacity: the other users pay for \
             the important ones, but with a quick error instead of a long wait, and the service does useful work \
             all the time.",
    page: "docs/patterns/rate-limits-and-shedding.md",
    lasts: LASTS,
    marks: &[],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare,
};

fn compare(without: &Half, with: &Half) -> String {
    format!(
        "After the first 2 s, {} important requests are served in time without a limit, and {} with it, at a p99 of \
         {}. The price is paid by the other half: with the limit {} of these are served, and 99 of 100 failures \
         arrive within {} (without it: {} served, after {}). The goodput, all requests served in time per second, is \
         {} without the limit and {} with it; the service can serve 200.",
        without.served("important"),
        with.served("important"),
        with.p99("important"),
        with.served("other"),
        with.failed_p99("other"),
        without.served("other"),
        without.failed_p99("other"),
        without.measured("goodput_per_second"),
        with.measured("goodput_per_second"),
    )
}

fn policy() -> Policy {
    let bulkhead = bulkhead::Config::new()
        .limit(Limit::Aimd(Aimd::new().initial(20).latency_target(Duration::from_millis(200))))
        .queue_max(20)
        .wait_max(Duration::from_millis(100))
        .shed(shed::Config::new().low_percent(50));
    Policy::new().bulkhead(bulkhead)
}

async fn half(side: Side, seed: u64) -> Result<Half, SetupError> {
    let service = Service::with_latency(SIZE, |_| LATENCY).await?;
    let outgoing = Outgoing::new(side, service.address(), "overload", policy())?;
    let load = Load { per_second: PER_SECOND, lasts: LASTS, gives_up_after: IN_TIME, classes: 2, seed };
    let offered = load.offer(Instant::now(), |due| {
        let priority = if due.class == IMPORTANT { Priority::Critical } else { Priority::Low };
        outgoing.succeeds("/", CallOptions { priority, ..CallOptions::safe() })
    });
    let record = offered.await;
    let measured = record.of(|sample| sample.at >= MEASURED_FROM);
    let important = record.of(|sample| sample.class == IMPORTANT && sample.at >= MEASURED_FROM);
    let other = record.of(|sample| sample.class != IMPORTANT && sample.at >= MEASURED_FROM);
    let goodput = tenths(measured.ok as f64 / (LASTS - MEASURED_FROM).as_secs_f64());
    let top = f64::from(PER_SECOND / 2) * 1.2;
    let half = Half::new(&record)
        .group("important", "after 2 s: important requests", important)
        .group("other", "after 2 s: other requests", other)
        .value("goodput_per_second", "served in time per second, both kinds, after 2 s", goodput)
        .value("hits", "requests that reached the service", service.hits().len())
        .chart(
            "important requests served in time per second",
            top,
            record.goodput(LASTS, |sample| sample.class == IMPORTANT),
        )
        .chart(
            "other requests served in time per second",
            top,
            record.goodput(LASTS, |sample| sample.class != IMPORTANT),
        );
    let limit = outgoing.snapshot().and_then(|snapshot| Some(snapshot.bulkhead?.limit));
    Ok(match limit {
        Some(limit) => {
            half.value("limit_found", "concurrent requests allowed by the limit at the end", limit)
        }
        None => half,
    })
}
