//! `recovery`: a service restarts after a crash with a cold cache, and its traffic returns at once.

use crate::experiment::{Experiment, Running};
use crate::half::Half;
use crate::harness::SetupError;
use crate::harness::load::Load;
use crate::harness::outgoing::{Outgoing, Side};
use crate::harness::record::hits_per_second;
use crate::harness::service::{ColdStart, Service, Size};
use mainstay_resilience::breaker;
use mainstay_resilience::guard::{CallOptions, Policy};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const LASTS: Duration = Duration::from_secs(9);
const CRASHES_AT: Duration = Duration::from_secs(1);
/// Recovery is measured from here on.
const END_FROM: Duration = Duration::from_secs(7);
const PER_SECOND: u32 = 200;
/// Under the full load the service has 15 requests at once.
const LATENCY: Duration = Duration::from_millis(75);
const COLD_START: ColdStart = ColdStart {
    concurrent: 8,
    served_for_one_more: 4,
    served_to_be_warm: 120,
    down_for: Duration::from_millis(700),
};

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "recovery",
    title: "Returning traffic crashes a recovering service",
    topology: "
users ---200/s---> [ service ]   75 ms per request, so 15 requests at once
                                 crashes at 1 s, and restarts 0.7 s later
                                 with a cold cache

After a restart it can handle 8 requests at once, and one more for every 4
that it has served. Above that it crashes again. It is warm after 120.",
    expect: "Without a breaker, all users return the moment the service is back. 15 requests at once are too many for \
             a cold service: it crashes again, restarts, and crashes again. With a breaker it first gets single \
             probes and then a growing share of the requests, warms up, and stays up.",
    without: "all requests go through at all times",
    with: "a circuit breaker: 3 test calls (probes), then a share that grows from 5 % to 100 % in 2 s (a ramp)",
    lesson: "A service that has just started is weaker than usual, and meets its whole load at once. Let a breaker \
             test it with a few calls and raise the load step by step. Some users are rejected during the \
             ramp. Without it, nobody is served at all.",
    page: "docs/patterns/circuit-breaker.md",
    lasts: LASTS,
    marks: &[(CRASHES_AT, "the service crashes")],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare,
};

fn compare(without: &Half, with: &Half) -> String {
    format!(
        "Without a breaker, {} requests reached the service while it was down or cold, and it crashed {} more times. \
         With a breaker {} did, and it crashed {} more times. In the last 2 s, {} requests were served without it, \
         and {} with it.",
        without.measured("hits_while_cold"),
        without.measured("crashes_again"),
        with.measured("hits_while_cold"),
        with.measured("crashes_again"),
        without.served("end"),
        with.served("end"),
    )
}

fn policy() -> Policy {
    let breaker = breaker::Config::new()
        .window(breaker::Window::Time { length: Duration::from_secs(2), buckets: 10 })
        .consecutive_failures(5)
        .open_for(Duration::from_millis(400))
        .open_for_max(Duration::from_millis(800))
        .probes(3)
        .ramp_for(Duration::from_secs(2))
        .ramp_from_percent(5);
    Policy::new().breaker(breaker).timeout(Duration::from_millis(500))
}

async fn half(side: Side, seed: u64) -> Result<Half, SetupError> {
    let size = Size { workers: 60, queue_max: 60 };
    let service = Service::with_cold_start(size, COLD_START, |_| LATENCY).await?;
    let outgoing = Outgoing::new(side, service.address(), "recovery", policy())?;
    let load = Load {
        per_second: PER_SECOND,
        lasts: LASTS,
        gives_up_after: Duration::from_secs(1),
        classes: 1,
        seed,
    };
    let began = Instant::now();
    let offered = load.offer(began, |_| outgoing.succeeds("/", CallOptions::safe()));
    let failure = async {
        sleep_until(began + CRASHES_AT).await;
        service.crash();
    };
    let (record, ()) = tokio::join!(offered, failure);
    let top = f64::from(PER_SECOND) * 1.2;
    Ok(Half::new(&record)
        .group("end", "last 2 s", record.of(|sample| sample.at >= END_FROM))
        .value("hits_while_cold", "requests that reached it while down or cold", service.hits_while_cold())
        .value("crashes_again", "crashes after the first one", service.crashes().saturating_sub(1))
        .chart(
            "requests per second that reach the service",
            top,
            hits_per_second(LASTS, began, &service.hits()),
        )
        .chart("requests served per second", top, record.goodput(LASTS, |_| true)))
}
