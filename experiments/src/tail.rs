//! `tail`: two answers in a hundred are slow, for a reason that a second request does not share.

use crate::experiment::{Experiment, Half, Running, Side};
use crate::harness::Trouble;
use crate::harness::load::Load;
use crate::harness::outgoing::Outgoing;
use crate::harness::record::tenths;
use crate::harness::service::{Service, Size};
use mainstay_resilience::guard::{Call, Policy};
use mainstay_resilience::hedge;
use std::time::Duration;
use tokio::time::Instant;

const LASTS: Duration = Duration::from_secs(8);
const USUAL: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(400);
/// One answer of so many is slow.
const SLOW_ONE_OF: u64 = 50;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "tail",
    title: "Two answers in a hundred are slow",
    see: "Without hedging, the slowest of a hundred requests waits 400 ms for an answer that takes 20. With it, \
          whoever has waited longer than 95 of 100 do sends a second request, takes the first answer, and the \
          service has at most 5 % more to do.",
    cure: "a hedge after the p95, within a budget of 5 %",
    lasts: LASTS,
    marks: &[],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare: |without, with| {
        format!(
            "The p99 goes from {} to {} ms, for {} % more requests.",
            without.figures.p99_ms,
            with.figures.p99_ms,
            with.number("/extra_load_percent")
        )
    },
};

fn policy() -> Policy {
    Policy::new().hedge(hedge::Config::new())
}

async fn half(side: Side, seed: u64) -> Result<Half, Trouble> {
    // As many workers as are needed: what is slow here is not a queue.
    let size = Size { workers: 500, queue_max: 0 };
    let service = Service::that_takes(size, move |number| takes(seed, number)).await?;
    let outgoing = match side {
        Side::Without => Outgoing::plain(service.address()),
        Side::With => Outgoing::guarded(service.address(), "tail", policy())?,
    };
    let load = Load { per_second: 150, lasts: LASTS, patience: Duration::from_secs(1), classes: 1, seed };
    let record = load
        .offer(Instant::now(), |_| {
            let outgoing = outgoing.clone();
            async move { outgoing.ask("/", Call::safe()).await.is_some_and(|status| status.is_success()) }
        })
        .await;
    let (asked, hits) = (record.samples.len(), service.hits().len());
    let extra = 100.0 * (hits as f64 / asked as f64 - 1.0);
    let half = Half::new(&record).figure("hits", hits).figure("extra_load_percent", tenths(extra)).picture(
        "longest wait, ms",
        400.0,
        record.longest(LASTS, |_| true),
    );
    let hedges = outgoing.guard().and_then(|guard| Some((guard.hedge()?, guard.now())));
    Ok(match hedges.map(|(hedge, now)| hedge.snapshot(now)) {
        Some(hedges) => half.figure("hedges_sent", hedges.sent).figure("hedges_won", hedges.won),
        None => half,
    })
}

/// In each run of so many requests one is slow; which one is drawn.
fn takes(seed: u64, number: u64) -> Duration {
    let mut random =
        fastrand::Rng::with_seed(seed ^ (number / SLOW_ONE_OF).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    if random.u64(0..SLOW_ONE_OF) == number % SLOW_ONE_OF { SLOW } else { USUAL }
}
