//! `retry-storm`: a service at 90 % load pauses for a second. Whether it recovers depends on its clients' retries.
//!
//! The trap is a queue that takes longer than clients wait: each response comes too late, each late response
//! causes a retry, and the queue stays full. The trigger is gone, but the state sustains itself. (Bronson and others,
//! "Metastable Failures in Distributed Systems", HotOS 2021.)

use crate::experiment::{Experiment, Running};
use crate::half::Half;
use crate::harness::SetupError;
use crate::harness::load::Load;
use crate::harness::outgoing::{Outgoing, Side};
use crate::harness::record::{hits_per_second, tenths};
use crate::harness::service::{Condition, Service, Size};
use mainstay_resilience::guard::{CallOptions, Policy};
use mainstay_resilience::retry::{Backoff, Jitter};
use mainstay_resilience::{budget, retry};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

const LASTS: Duration = Duration::from_millis(8_500);
const PAUSES_AT: Duration = Duration::from_millis(1_500);
const RESUMES_AT: Duration = Duration::from_millis(2_500);
/// Recovery is measured from here on.
const END_FROM: Duration = Duration::from_millis(6_500);

/// 20 workers of 100 ms serve 200 requests a second. With a full queue a response takes 650 ms.
const SIZE: Size = Size { workers: 20, queue_max: 110 };
const LATENCY: Duration = Duration::from_millis(100);
const PER_SECOND: u32 = 180;
/// How long a client waits for one attempt.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(500);
const ATTEMPTS_MAX: u32 = 4;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "retry-storm",
    title: "Retries keep a service down after a short pause",
    topology: "
clients ---180/s---> [ service ]   20 workers of 100 ms serve 200 per second
                                   pauses for one second, from 1.5 s to 2.5 s

A client waits 500 ms for each attempt and makes up to 4 attempts.",
    expect: "During the pause a queue builds up. With immediate retries, every late response causes another attempt: \
             the service gets several times its load, its queue stays so long that every response is too late, and \
             it never recovers, although the pause is over. With a retry budget (retries may be 5 % of the calls) \
             and waits of random length before each retry, the queue drains.",
    without: "up to 3 retries, each immediately after a failure",
    with: "up to 3 retries, within a budget of 5 % and each after a random wait (jitter)",
    lesson: "Retries add load exactly when a service can take least. A maximum number of attempts is not enough, \
             because every call may use it. Bound the retries of all calls together with a budget, and wait a \
             random time before each retry (backoff with jitter), so that clients do not return together.",
    page: "docs/patterns/retry-and-idempotency.md",
    lasts: LASTS,
    marks: &[(PAUSES_AT, "the service pauses"), (RESUMES_AT, "it resumes")],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare,
};

fn compare(without: &Half, with: &Half) -> String {
    format!(
        "In the last 2 s, 4 s after the pause, clients make {PER_SECOND} calls per second and the service could serve \
         200. With immediate retries it receives {} attempts per second and serves {} in time. With a budget and \
         jitter it receives {} and serves {}.",
        without.measured("end_offered_per_second"),
        without.measured("end_goodput_per_second"),
        with.measured("end_offered_per_second"),
        with.measured("end_goodput_per_second"),
    )
}

fn policy() -> Policy {
    let retry = retry::Config::new()
        .attempts_max(ATTEMPTS_MAX)
        .backoff(
            Backoff::new().first(Duration::from_millis(100)).max(Duration::from_secs(1)).jitter(Jitter::Full),
        )
        .budget(budget::Config::new().percent(5).per_second_min(0));
    Policy::new().retry(retry).timeout(ATTEMPT_TIMEOUT)
}

/// Retries as they are often written: again at once, a few times.
async fn retrying_at_once(outgoing: &Outgoing) -> bool {
    for _ in 0..ATTEMPTS_MAX {
        if timeout(ATTEMPT_TIMEOUT, outgoing.succeeds("/", CallOptions::safe())).await == Ok(true) {
            return true;
        }
    }
    false
}

async fn half(side: Side, seed: u64) -> Result<Half, SetupError> {
    let service = Service::with_latency(SIZE, |_| LATENCY).await?;
    let outgoing = Outgoing::new(side, service.address(), "retry-storm", policy())?;
    let load = Load {
        per_second: PER_SECOND,
        lasts: LASTS,
        gives_up_after: Duration::from_secs(3),
        classes: 1,
        seed,
    };
    let began = Instant::now();
    let offered = load.offer(began, |_| {
        let outgoing = outgoing.clone();
        async move {
            match side {
                Side::Without => retrying_at_once(&outgoing).await,
                Side::With => outgoing.succeeds("/", CallOptions::safe()).await,
            }
        }
    });
    let failure = async {
        sleep_until(began + PAUSES_AT).await;
        service.set(Condition::Paused);
        sleep_until(began + RESUMES_AT).await;
        service.set(Condition::Healthy);
    };
    let (record, ()) = tokio::join!(offered, failure);
    let hits = service.hits();
    let in_the_end = |moment: Duration| (END_FROM..LASTS).contains(&moment);
    let seconds = (LASTS - END_FROM).as_secs_f64();
    let rate = |count: usize| tenths(count as f64 / seconds);
    let end_hits = hits.iter().filter(|hit| in_the_end(hit.saturating_duration_since(began))).count();
    let end_good = record.samples.iter().filter(|sample| sample.is_ok && in_the_end(sample.at + sample.took));
    let calm = record.of(|sample| sample.at < PAUSES_AT - ATTEMPT_TIMEOUT);
    Ok(Half::new(&record)
        .group("calm", "before the pause", calm)
        .value("attempts", "attempts that reached the service", hits.len())
        .value("end_offered_per_second", "attempts per second, last 2 s", rate(end_hits))
        .value("end_goodput_per_second", "served in time per second, last 2 s", rate(end_good.count()))
        .chart("attempts per second (it can serve 200)", 800.0, hits_per_second(LASTS, began, &hits))
        .chart("requests served in time per second", 200.0, record.goodput(LASTS, |_| true)))
}
