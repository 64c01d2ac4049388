//! `overload`: twice what a service can do is asked of it, half of that by those who matter most.

use crate::experiment::{Experiment, Half, Running, Side};
use crate::harness::Trouble;
use crate::harness::load::Load;
use crate::harness::outgoing::Outgoing;
use crate::harness::service::{Service, Size};
use mainstay_resilience::bulkhead::{self, Aimd, Limit};
use mainstay_resilience::guard::{Call, Policy};
use mainstay_resilience::shed::{self, Priority};
use std::time::Duration;
use tokio::time::Instant;

const LASTS: Duration = Duration::from_secs(8);
/// The start, until the queue or the limit has found its length, is not measured.
const SEEN_FROM: Duration = Duration::from_secs(2);
/// 20 workers of 100 ms: 200 requests a second.
const SIZE: Size = Size { workers: 20, queue_max: 1_000 };
const TAKES: Duration = Duration::from_millis(100);
const PER_SECOND: u32 = 400;
/// What is answered later is of no use.
const IN_TIME: Duration = Duration::from_millis(500);
/// Classes of requests.
const IMPORTANT: usize = 0;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "overload",
    title: "Twice the capacity is asked for",
    see: "Without limits every request waits in one long line, and every answer is too late, for the important half \
          as for the other. With an adaptive limit and shedding by priority the queue stays short, the other half \
          gives way at once, and the important half is served in time.",
    cure: "a bulkhead whose limit finds itself (AIMD, 200 ms), and whose last permits are kept for the important",
    lasts: LASTS,
    marks: &[],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare: |without, with| {
        format!(
            "After the first 2 s, {} of {} important requests are served within 500 ms without limits, and {} of {} \
             with them, at a p99 of {} ms.",
            without.number("/important/ok"),
            without.number("/important/requests"),
            with.number("/important/ok"),
            with.number("/important/requests"),
            with.number("/important/p99_ms"),
        )
    },
};

fn policy() -> Policy {
    let bulkhead = bulkhead::Config::new()
        .limit(Limit::Aimd(Aimd::new().initial(20).latency_target(Duration::from_millis(200))))
        .queue_max(20)
        .wait_max(Duration::from_millis(100))
        .shed(shed::Config::new().low_percent(50));
    Policy::new().bulkhead(bulkhead)
}

async fn half(side: Side, seed: u64) -> Result<Half, Trouble> {
    let service = Service::that_takes(SIZE, |_| TAKES).await?;
    let outgoing = match side {
        Side::Without => Outgoing::plain(service.address()),
        Side::With => Outgoing::guarded(service.address(), "overload", policy())?,
    };
    let load = Load { per_second: PER_SECOND, lasts: LASTS, patience: IN_TIME, classes: 2, seed };
    let record = load
        .offer(Instant::now(), |due| {
            let outgoing = outgoing.clone();
            let priority = if due.class == IMPORTANT { Priority::Critical } else { Priority::Low };
            let call = Call { priority, ..Call::safe() };
            async move { outgoing.ask("/", call).await.is_some_and(|status| status.is_success()) }
        })
        .await;
    let top = f64::from(PER_SECOND / 2) * 1.2;
    let half = Half::new(&record)
        .figure("hits", service.hits().len())
        .figures_of("important", record.of(|sample| sample.class == IMPORTANT && sample.at >= SEEN_FROM))
        .figures_of("other", record.of(|sample| sample.class != IMPORTANT && sample.at >= SEEN_FROM))
        .picture(
            "important requests served in time, a second",
            top,
            record.goodput(LASTS, |sample| sample.class == IMPORTANT),
        )
        .picture(
            "other requests served in time, a second",
            top,
            record.goodput(LASTS, |sample| sample.class != IMPORTANT),
        );
    let limit = outgoing.guard().and_then(|guard| Some(guard.bulkhead()?.snapshot(guard.now()).limit));
    Ok(match limit {
        Some(limit) => half.figure("limit_found", limit),
        None => half,
    })
}
