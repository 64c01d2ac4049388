//! `tail`: two responses in a hundred are slow, for a reason that a second request does not share.

use crate::experiment::{Experiment, Running};
use crate::half::Half;
use crate::harness::SetupError;
use crate::harness::load::Load;
use crate::harness::outgoing::{Outgoing, Side};
use crate::harness::record::tenths;
use crate::harness::service::{Service, Size};
use mainstay_resilience::guard::{CallOptions, Policy};
use mainstay_resilience::hedge;
use std::time::Duration;
use tokio::time::Instant;

const LASTS: Duration = Duration::from_secs(8);
const USUAL: Duration = Duration::from_millis(20);
const SLOW: Duration = Duration::from_millis(400);
/// One response in this many is slow.
const SLOW_ONE_OF: u64 = 50;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "tail",
    title: "Two responses in a hundred are slow",
    topology: "
users ---150/s---> [ search ]   49 of 50 responses take 20 ms,
                                one of 50, at random, takes 400 ms",
    expect: "Without hedging, 2 requests in 100 wait 400 ms for a response that usually takes 20 ms. With hedging, a \
             request that has waited longer than 95 of 100 requests usually take is sent a second time, and the first \
             response wins. The slow requests get a fast response, and the service gets at most 5 % more requests.",
    without: "each request waits for its one response",
    with: "a second attempt (a hedge) after the time in which 95 of 100 respond, for at most 5 % of the calls",
    lesson: "A page that needs many calls is as slow as the slowest of them, so rare slow responses are common for \
             its users. If slowness is random, a second attempt helps, at little extra load. Hedge only calls that \
             are safe to repeat, only within a budget, and not when everything is slow.",
    page: "docs/patterns/hedging.md",
    lasts: LASTS,
    marks: &[],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare,
};

fn compare(without: &Half, with: &Half) -> String {
    format!(
        "Hedging takes the p99 from {} to {}. It costs {} % more requests.",
        without.p99("all"),
        with.p99("all"),
        with.measured("extra_load_percent"),
    )
}

fn policy() -> Policy {
    Policy::new().hedge(hedge::Config::new())
}

async fn half(side: Side, seed: u64) -> Result<Half, SetupError> {
    // Enough workers that no request ever queues.
    let size = Size { workers: 500, queue_max: 0 };
    let service = Service::with_latency(size, move |number| latency(seed, number)).await?;
    let outgoing = Outgoing::new(side, service.address(), "tail", policy())?;
    let load =
        Load { per_second: 150, lasts: LASTS, gives_up_after: Duration::from_secs(1), classes: 1, seed };
    let record = load.offer(Instant::now(), |_| outgoing.succeeds("/", CallOptions::safe())).await;
    let (sent, hits) = (record.samples.len(), service.hits().len());
    let extra = 100.0 * (hits as f64 / sent as f64 - 1.0);
    let half = Half::new(&record)
        .value("hits", "requests that reached the service", hits)
        .value("extra_load_percent", "of these, extra (%)", tenths(extra))
        .chart("longest wait, ms", 400.0, record.longest(LASTS, |_| true));
    Ok(match outgoing.snapshot().and_then(|snapshot| snapshot.hedge) {
        Some(hedges) => half.value("hedges_sent", "hedges sent", hedges.sent).value(
            "hedges_won",
            "hedges that were faster than the first attempt",
            hedges.won,
        ),
        None => half,
    })
}

/// Of each [`SLOW_ONE_OF`] requests in a row one is slow; which one is random.
fn latency(seed: u64, number: u64) -> Duration {
    let run = number / SLOW_ONE_OF;
    let mut rng = fastrand::Rng::with_seed(seed ^ run.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    if rng.u64(0..SLOW_ONE_OF) == number % SLOW_ONE_OF { SLOW } else { USUAL }
}
