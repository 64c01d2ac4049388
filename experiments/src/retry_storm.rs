//! `retry-storm`: a service at 90 % load stops for a second. What its clients do then decides whether it comes back.
//!
//! A line that is longer than its clients' patience is the trap: each answer comes too late, each late answer is
//! asked for again, and the queue stays as long as it is. The trigger has gone; the state stays. (Bronson and others,
//! "Metastable Failures in Distributed Systems", HotOS 2021.)

use crate::experiment::{Experiment, Half, Running, Side};
use crate::harness::Trouble;
use crate::harness::load::Load;
use crate::harness::outgoing::Outgoing;
use crate::harness::record::{hits_per_second, tenths};
use crate::harness::service::{Condition, Service, Size};
use mainstay_resilience::guard::{Call, Policy};
use mainstay_resilience::retry::{Backoff, Jitter};
use mainstay_resilience::{budget, retry};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

const LASTS: Duration = Duration::from_millis(8_500);
const HICCUP_AT: Duration = Duration::from_millis(1_500);
const HICCUP_ENDS: Duration = Duration::from_millis(2_500);
/// The end is what is compared.
const END_FROM: Duration = Duration::from_millis(6_500);

/// 20 workers of 100 ms: 200 requests a second. With a full line an answer takes 650 ms.
const SIZE: Size = Size { workers: 20, queue_max: 110 };
const TAKES: Duration = Duration::from_millis(100);
const PER_SECOND: u32 = 180;
/// How long a client waits for an attempt.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS_MAX: u32 = 4;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "retry-storm",
    title: "Naive retries keep a service down after a hiccup",
    see: "A service at 90 % of its capacity stops for one second; with three more attempts at once for each that \
          fails, four times the load keeps its line so full that every answer is too late, long after the hiccup. \
          With a budget of 5 % and jitter the queue drains, and all is as before.",
    cure: "retries within a budget of 5 % of the calls, after a backoff with full jitter",
    lasts: LASTS,
    marks: &[(HICCUP_AT, "stops"), (HICCUP_ENDS, "works again")],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare: |without, with| {
        format!(
            "In the last 2 s, with {PER_SECOND} requests a second to be served and room for 200, naive retries made \
             {} of them and {} were served in time; with budget and jitter it was {} and {}.",
            without.number("/end_offered_per_second"),
            without.number("/end_goodput_per_second"),
            with.number("/end_offered_per_second"),
            with.number("/end_goodput_per_second"),
        )
    },
};

fn policy() -> Policy {
    let retry = retry::Config::new()
        .attempts_max(ATTEMPTS_MAX)
        .backoff(
            Backoff::new().first(Duration::from_millis(100)).max(Duration::from_secs(1)).jitter(Jitter::Full),
        )
        .budget(budget::Config::new().percent(5).per_second_min(0));
    Policy::new().retry(retry).timeout(PATIENCE)
}

/// As it is often written: try again at once, a few times.
async fn naively(outgoing: &Outgoing) -> bool {
    for _ in 0..ATTEMPTS_MAX {
        let attempt = timeout(PATIENCE, outgoing.ask("/", Call::safe())).await;
        if attempt.is_ok_and(|status| status.is_some_and(|status| status.is_success())) {
            return true;
        }
    }
    false
}

async fn half(side: Side, seed: u64) -> Result<Half, Trouble> {
    let service = Service::that_takes(SIZE, |_| TAKES).await?;
    let outgoing = match side {
        Side::Without => Outgoing::plain(service.address()),
        Side::With => Outgoing::guarded(service.address(), "retry-storm", policy())?,
    };
    let load =
        Load { per_second: PER_SECOND, lasts: LASTS, patience: Duration::from_secs(3), classes: 1, seed };
    let began = Instant::now();
    let offered = load.offer(began, |_| {
        let outgoing = outgoing.clone();
        async move {
            match side {
                Side::Without => naively(&outgoing).await,
                Side::With => outgoing.ask("/", Call::safe()).await.is_some_and(|status| status.is_success()),
            }
        }
    });
    let story = async {
        sleep_until(began + HICCUP_AT).await;
        service.set(Condition::Paused);
        sleep_until(began + HICCUP_ENDS).await;
        service.set(Condition::Well);
    };
    let (record, ()) = tokio::join!(offered, story);
    let hits = service.hits();
    let in_the_end = |moment: Duration| (END_FROM..LASTS).contains(&moment);
    let seconds = (LASTS - END_FROM).as_secs_f64();
    let rate = |count: usize| tenths(count as f64 / seconds);
    let end_hits = hits.iter().filter(|hit| in_the_end(hit.saturating_duration_since(began))).count();
    let end_good = record.samples.iter().filter(|sample| sample.is_ok && in_the_end(sample.at + sample.took));
    Ok(Half::new(&record)
        .figure("attempts", hits.len())
        .figure("end_offered_per_second", rate(end_hits))
        .figure("end_goodput_per_second", rate(end_good.count()))
        .figures_of("calm", record.of(|sample| sample.at < HICCUP_AT - PATIENCE))
        .picture("requests that hit it, a second (room for 200)", 800.0, hits_per_second(LASTS, began, &hits))
        .picture("requests served in time, a second", 200.0, record.goodput(LASTS, |_| true)))
}
