//! `cascade`: the shop calls the catalogue, the catalogue calls the store; half of the shop's pages need neither.
//! The store hangs.

use crate::experiment::{Experiment, Running};
use crate::half::Half;
use crate::harness::SetupError;
use crate::harness::load::Load;
use crate::harness::outgoing::{Outgoing, Side, passed_on};
use crate::harness::service::{Condition, Finished, Service, Size, Started};
use http::StatusCode;
use mainstay_resilience::breaker;
use mainstay_resilience::guard::{CallOptions, Policy};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const LASTS: Duration = Duration::from_secs(9);
const HANGS_AT: Duration = Duration::from_secs(2);
/// The outage is measured from here on: earlier requests have left the callers by then, or never will.
const MEASURED_FROM: Duration = Duration::from_millis(3_500);
const BACK_AT: Duration = Duration::from_secs(5);
/// Recovery is measured from here on.
const END_FROM: Duration = Duration::from_secs(7);
const PER_SECOND: u32 = 100;
const SIZE: Size = Size { workers: 20, queue_max: 20 };
/// The class of requests for pages that need only the shop.
const SHOP_ONLY: usize = 0;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "cascade",
    title: "A dead dependency takes its callers down with it",
    topology: "
users --100/s--> [ shop ] --50/s--> [ catalogue ] --50/s--> [ store ]
                     |                                          |
          half of the pages                          hangs from 2 s to 5 s:
          need only the shop                         it accepts requests and
                                                     never responds

Each service has 20 workers. A waiting worker does nothing else.",
    expect: "Without protection, all workers of the catalogue soon wait for the store, and then all workers of the \
             shop wait for the catalogue. No worker is left even for the pages that need neither, and the shop \
             stays down after the store is back. A circuit breaker stops the calls to a service that keeps \
             failing. With a timeout and a breaker on both calls, the shop keeps serving the pages that need only \
             the shop, and the others return when the store does.",
    without: "no timeout, so a call waits for as long as it takes",
    with: "a timeout and a circuit breaker on each of the two calls",
    lesson: "A call without a timeout can hold a worker forever, and one dead service then stops every service above \
             it. Set a timeout on every call. Add a circuit breaker, which stops calling a service that keeps \
             failing and tries again later. It cannot serve the pages that need the dead service: it makes them \
             fail in milliseconds, and you decide what to show instead.",
    page: "docs/patterns/circuit-breaker.md",
    lasts: LASTS,
    marks: &[(HANGS_AT, "the store hangs"), (BACK_AT, "it is back")],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare,
};

fn compare(without: &Half, with: &Half) -> String {
    format!(
        "While the store hangs, {} shop-only pages are served without protection, and {} with it. The pages that need \
         the store fail either way ({} served without, {} with). With the breakers these failures are quick \
         rejections, which hold no worker: half of them take at most {}, and the slowest are the probes that find out \
         whether the store is back ({}, the timeout is 200 ms). Without the breakers they are quick for a bad reason: \
         every worker is stuck and the queue is full, so the shop turns everyone away. In the last 2 s, with the \
         store back, {} pages of all kinds are served without protection, and {} with it.",
        without.served("shop_only_while_down"),
        with.served("shop_only_while_down"),
        without.served("store_while_down"),
        with.served("store_while_down"),
        with.failed_p50("store_while_down"),
        with.failed_p99("store_while_down"),
        without.served("end"),
        with.served("end"),
    )
}

fn policy(timeout: Duration) -> Policy {
    let breaker = breaker::Config::new()
        .window(breaker::Window::Time { length: Duration::from_secs(2), buckets: 10 })
        .consecutive_failures(5)
        .open_for(Duration::from_millis(250))
        .open_for_max(Duration::from_millis(500))
        .probes(2)
        .ramp_for(Duration::from_millis(500))
        .ramp_from_percent(20);
    Policy::new().breaker(breaker).timeout(timeout)
}

async fn half(side: Side, seed: u64) -> Result<Half, SetupError> {
    let outgoing = |to: SocketAddr, name, timeout_ms| {
        Outgoing::new(side, to, name, policy(Duration::from_millis(timeout_ms)))
    };
    let store = Service::with_latency(SIZE, |_| Duration::from_millis(20)).await?;
    let to_store = outgoing(store.address(), "store", 200)?;
    let catalogue = Service::with_handler(SIZE, move |_| {
        let to_store = to_store.clone();
        async move { Finished::now(passed_on(to_store.get("/", CallOptions::safe()).await)) }
    })
    .await?;
    let to_catalogue = outgoing(catalogue.address(), "catalogue", 400)?;
    let shop = Service::with_handler(SIZE, move |request: Started| {
        let to_catalogue = to_catalogue.clone();
        async move {
            if request.path == "/help" {
                return Finished::now(StatusCode::OK);
            }
            Finished::now(passed_on(to_catalogue.get("/", CallOptions::safe()).await))
        }
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
        let path = if due.class == SHOP_ONLY { "/help" } else { "/products" };
        users.succeeds(path, CallOptions::safe())
    });
    let failure = async {
        sleep_until(began + HANGS_AT).await;
        store.set(Condition::Hanging);
        sleep_until(began + BACK_AT).await;
        store.set(Condition::Healthy);
    };
    let (record, ()) = tokio::join!(offered, failure);
    let while_down = MEASURED_FROM..BACK_AT;
    let of_class_while_down = |is_shop_only: bool| {
        record.of(|sample| (sample.class == SHOP_ONLY) == is_shop_only && while_down.contains(&sample.at))
    };
    let top = f64::from(PER_SECOND / 2) * 1.2;
    Ok(Half::new(&record)
        .group("shop_only_while_down", "store hangs: shop-only pages", of_class_while_down(true))
        .group("store_while_down", "store hangs: pages that need it", of_class_while_down(false))
        .group("end", "last 2 s, store back: all pages", record.of(|sample| sample.at >= END_FROM))
        .chart(
            "shop-only pages served per second",
            top,
            record.goodput(LASTS, |sample| sample.class == SHOP_ONLY),
        )
        .chart(
            "pages that need the store, served per second",
            top,
            record.goodput(LASTS, |sample| sample.class != SHOP_ONLY),
        )
        .chart("longest wait of any request, served or failed, ms", 1_000.0, record.longest(LASTS, |_| true)))
}
