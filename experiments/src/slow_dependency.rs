//! `slow-dependency`: a shop asks two services, each for half of its pages. One of them stops answering.

use crate::experiment::{Experiment, Half, Running, Side};
use crate::harness::Trouble;
use crate::harness::load::Load;
use crate::harness::outgoing::{Outgoing, passed_on};
use crate::harness::service::{Begun, Condition, Done, Service, Size};
use mainstay_resilience::guard::{Call, Policy};
use mainstay_resilience::{bulkhead, bulkhead::Limit};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const LASTS: Duration = Duration::from_secs(8);
const HANGS_AT: Duration = Duration::from_secs(3);
/// From then on its effect is measured: what was in the shop when it began to hang has left.
const SEEN_AT: Duration = Duration::from_secs(4);
const PER_SECOND: u32 = 80;
/// Classes of requests.
const HEALTHY: usize = 0;
const HANGING: usize = 1;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "slow-dependency",
    title: "One of two dependencies hangs",
    see: "Without bulkheads, requests that wait for the hanging service take all of the shop's workers, and the \
          pages that only need the healthy one die too. With one bulkhead for each dependency, the hanging one \
          holds at most its own permits, and the healthy pages are as quick as before.",
    cure: "a bulkhead of 14 permits for each dependency, and a time-out of 600 ms",
    lasts: LASTS,
    marks: &[(HANGS_AT, "one of the two hangs")],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare: |without, with| {
        format!(
            "While one hangs, {} of {} healthy pages are served without bulkheads, and {} of {} with them, \
             at a p99 of {} ms ({} before).",
            without.number("/healthy_while_one_hangs/ok"),
            without.number("/healthy_while_one_hangs/requests"),
            with.number("/healthy_while_one_hangs/ok"),
            with.number("/healthy_while_one_hangs/requests"),
            with.number("/healthy_while_one_hangs/p99_ms"),
            with.number("/healthy_while_calm/p99_ms"),
        )
    },
};

fn policy() -> Policy {
    let bulkhead =
        bulkhead::Config::new().limit(Limit::Fixed(14)).queue_max(8).wait_max(Duration::from_millis(200));
    Policy::new().bulkhead(bulkhead).timeout(Duration::from_millis(600))
}

async fn half(side: Side, seed: u64) -> Result<Half, Trouble> {
    let dependency = Size { workers: 100, queue_max: 100 };
    let takes = |_| Duration::from_millis(250);
    let healthy = Service::that_takes(dependency, takes).await?;
    let hanging = Service::that_takes(dependency, takes).await?;
    let outgoing = |to: &Service, name| match side {
        Side::Without => Ok(Outgoing::plain(to.address())),
        Side::With => Outgoing::guarded(to.address(), name, policy()),
    };
    let to = [outgoing(&healthy, "healthy")?, outgoing(&hanging, "hanging")?];
    let shop = Service::that_does(Size { workers: 40, queue_max: 40 }, move |begun: Begun| {
        let to = if begun.path == "/hanging" { to[HANGING].clone() } else { to[HEALTHY].clone() };
        async move { Done::now(passed_on(to.ask("/", Call::safe()).await)) }
    })
    .await?;

    let load =
        Load { per_second: PER_SECOND, lasts: LASTS, patience: Duration::from_secs(1), classes: 2, seed };
    let (client, began) = (Outgoing::plain(shop.address()), Instant::now());
    let offered = load.offer(began, |due| {
        let client = client.clone();
        let path = if due.class == HANGING { "/hanging" } else { "/healthy" };
        async move { client.ask(path, Call::safe()).await.is_some_and(|status| status.is_success()) }
    });
    let story = async {
        sleep_until(began + HANGS_AT).await;
        hanging.set(Condition::Silent);
    };
    let (record, ()) = tokio::join!(offered, story);
    let top = f64::from(PER_SECOND / 2) * 1.2;
    Ok(Half::new(&record)
        .figures_of("healthy_while_calm", record.of(|sample| sample.class == HEALTHY && sample.at < HANGS_AT))
        .figures_of(
            "healthy_while_one_hangs",
            record.of(|sample| sample.class == HEALTHY && sample.at >= SEEN_AT),
        )
        .picture(
            "healthy pages served a second",
            top,
            record.goodput(LASTS, |sample| sample.class == HEALTHY),
        )
        .picture(
            "longest wait for a healthy page that is served, ms",
            500.0,
            record.longest(LASTS, |sample| sample.is_ok && sample.class == HEALTHY),
        ))
}
