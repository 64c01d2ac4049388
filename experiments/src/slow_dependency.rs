//! `slow-dependency`: a shop calls two services, each for half of its pages. One of them stops responding.

use crate::experiment::{Experiment, Running};
use crate::half::Half;
use crate::harness::SetupError;
use crate::harness::load::Load;
use crate::harness::outgoing::{Outgoing, Side, passed_on};
use crate::harness::service::{Condition, Finished, Service, Size, Started};
use mainstay_resilience::guard::{CallOptions, Policy};
use mainstay_resilience::{bulkhead, bulkhead::Limit};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const LASTS: Duration = Duration::from_secs(8);
const HANGS_AT: Duration = Duration::from_secs(3);
/// The effect is measured from here on: requests from before the hang have left the shop by then.
const MEASURED_FROM: Duration = Duration::from_secs(4);
const PER_SECOND: u32 = 80;
/// The class of requests for pages that need the healthy service, `prices`.
const HEALTHY: usize = 0;
/// The class of requests for pages that need the service that hangs, `reviews`.
const HANGING: usize = 1;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "slow-dependency",
    title: "One of two dependencies hangs",
    topology: "
                               +---40/s---> [ prices ]   responds in 250 ms
users ---80/s---> [ shop ] ----+
                  40 workers   +---40/s---> [ reviews ]  responds in 250 ms,
                                                         and hangs from 3 s on

40 pages per second that take 250 ms need 10 workers on average.",
    expect: "Without bulkheads, requests that wait for the hanging reviews take all 40 workers of the shop, and the \
             pages that need only prices fail too. A bulkhead caps the concurrent calls to one \
             service. With one for each service, calls to reviews can hold at most 22 workers (14 with a permit and \
             8 in the queue), and the price pages stay as fast as before.",
    without: "both services share all workers",
    with: "a bulkhead of 14 permits for each service, and a timeout of 600 ms",
    lesson: "When several dependencies share one supply of workers or connections, the slowest one takes all of it. \
             Give each dependency its own limit. A bulkhead does not repair the broken service: it confines the \
             damage to the pages that need it.",
    page: "docs/patterns/bulkhead.md",
    lasts: LASTS,
    marks: &[(HANGS_AT, "reviews hangs")],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare,
};

fn compare(without: &Half, with: &Half) -> String {
    format!(
        "While reviews hangs, {} price pages are served without bulkheads, and {} with them, at a p99 of {} ({} \
         before the hang). The review pages fail either way: {} served without bulkheads, {} with them. What changes \
         is that a failing page holds a worker for at most 800 ms (200 ms in the queue and a timeout of 600 ms).",
        without.served("healthy_while_one_hangs"),
        with.served("healthy_while_one_hangs"),
        with.p99("healthy_while_one_hangs"),
        with.p99("healthy_while_calm"),
        without.served("hanging_while_one_hangs"),
        with.served("hanging_while_one_hangs"),
    )
}

fn policy() -> Policy {
    let bulkhead =
        bulkhead::Config::new().limit(Limit::Fixed(14)).queue_max(8).wait_max(Duration::from_millis(200));
    Policy::new().bulkhead(bulkhead).timeout(Duration::from_millis(600))
}

async fn half(side: Side, seed: u64) -> Result<Half, SetupError> {
    let dependency = Size { workers: 100, queue_max: 100 };
    let latency = |_| Duration::from_millis(250);
    let prices = Service::with_latency(dependency, latency).await?;
    let reviews = Service::with_latency(dependency, latency).await?;
    let to_prices = Outgoing::new(side, prices.address(), "prices", policy())?;
    let to_reviews = Outgoing::new(side, reviews.address(), "reviews", policy())?;
    let shop = Service::with_handler(Size { workers: 40, queue_max: 40 }, move |request: Started| {
        let to = if request.path == "/reviews" { to_reviews.clone() } else { to_prices.clone() };
        async move { Finished::now(passed_on(to.get("/", CallOptions::safe()).await)) }
    })
    .await?;

    let load = Load {
        per_second: PER_SECOND,
        lasts: LASTS,
        gives_up_after: Duration::from_secs(1),
        classes: 2,
        seed,
    };
    let (users, began) = (Outgoing::direct(shop.address()), Instant::now());
    let offered = load.offer(began, |due| {
        users.succeeds(if due.class == HANGING { "/reviews" } else { "/prices" }, CallOptions::safe())
    });
    let failure = async {
        sleep_until(began + HANGS_AT).await;
        reviews.set(Condition::Hanging);
    };
    let (record, ()) = tokio::join!(offered, failure);
    let while_one_hangs = |class| record.of(|sample| sample.class == class && sample.at >= MEASURED_FROM);
    let calm = record.of(|sample| sample.class == HEALTHY && sample.at < HANGS_AT);
    let top = f64::from(PER_SECOND / 2) * 1.2;
    Ok(Half::new(&record)
        .group("healthy_while_calm", "before the hang: price pages", calm)
        .group("healthy_while_one_hangs", "reviews hangs: price pages", while_one_hangs(HEALTHY))
        .group("hanging_while_one_hangs", "reviews hangs: review pages", while_one_hangs(HANGING))
        .chart("price pages served per second", top, record.goodput(LASTS, |sample| sample.class == HEALTHY))
        .chart(
            "longest wait for a price page that is served, ms",
            500.0,
            record.longest(LASTS, |sample| sample.is_ok && sample.class == HEALTHY),
        ))
}
