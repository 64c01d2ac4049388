//! `cascade`: shop asks catalogue, catalogue asks store; half of the shop's pages need neither. The store dies.

use crate::experiment::{Experiment, Half, Running, Side};
use crate::harness::Trouble;
use crate::harness::load::Load;
use crate::harness::outgoing::{Outgoing, passed_on};
use crate::harness::service::{Begun, Condition, Done, Service, Size};
use http::StatusCode;
use mainstay_resilience::breaker;
use mainstay_resilience::guard::{Call, Policy};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const LASTS: Duration = Duration::from_secs(9);
const DIES_AT: Duration = Duration::from_secs(2);
/// Its death is measured from then on: what was in the callers has left, or never will.
const DEAD_FROM: Duration = Duration::from_millis(3_500);
const BACK_AT: Duration = Duration::from_secs(5);
/// The end is what is compared.
const END_FROM: Duration = Duration::from_secs(7);
const PER_SECOND: u32 = 100;
const WORKERS: Size = Size { workers: 20, queue_max: 20 };
/// Classes of requests.
const PLAIN: usize = 0;

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "cascade",
    title: "A dependency dies, and its callers' callers with it",
    see: "When the store dies, the catalogue's workers wait for it for ever, then the shop's wait for the \
          catalogue, and even pages that need neither are dead, also after the store is back. With a time-out and a \
          breaker at each step the shop answers at once (503, or the page if it needs no store), and when the store \
          is back all is as before.",
    cure: "a time-out and a breaker at each of the two steps",
    lasts: LASTS,
    marks: &[(DIES_AT, "the store dies"), (BACK_AT, "it is back")],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare: |without, with| {
        format!(
            "While the store is dead, {} of {} pages that do not need it are served without breakers, and {} of {} \
             with them, where half of all answers take {} ms and 99 of 100 at most {}. In the last 2 s, with the store back, {} of {} \
             pages of all kinds are served without, {} of {} with them.",
            without.number("/plain_while_dead/ok"),
            without.number("/plain_while_dead/requests"),
            with.number("/plain_while_dead/ok"),
            with.number("/plain_while_dead/requests"),
            with.number("/all_while_dead/p50_ms"),
            with.number("/all_while_dead/p99_ms"),
            without.number("/end/ok"),
            without.number("/end/requests"),
            with.number("/end/ok"),
            with.number("/end/requests"),
        )
    },
};

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

async fn half(side: Side, seed: u64) -> Result<Half, Trouble> {
    let outgoing = |to: SocketAddr, name, timeout_ms| match side {
        Side::Without => Ok(Outgoing::plain(to)),
        Side::With => Outgoing::guarded(to, name, policy(Duration::from_millis(timeout_ms))),
    };
    let store = Service::that_takes(WORKERS, |_| Duration::from_millis(20)).await?;
    let to_store = outgoing(store.address(), "store", 200)?;
    let catalogue = Service::that_does(WORKERS, move |_| {
        let to_store = to_store.clone();
        async move { Done::now(passed_on(to_store.ask("/", Call::safe()).await)) }
    })
    .await?;
    let to_catalogue = outgoing(catalogue.address(), "catalogue", 400)?;
    let shop = Service::that_does(WORKERS, move |begun: Begun| {
        let to_catalogue = to_catalogue.clone();
        async move {
            if begun.path == "/plain" {
                return Done::now(StatusCode::OK);
            }
            Done::now(passed_on(to_catalogue.ask("/", Call::safe()).await))
        }
    })
    .await?;

    let load =
        Load { per_second: PER_SECOND, lasts: LASTS, patience: Duration::from_secs(1), classes: 2, seed };
    let (client, began) = (Outgoing::plain(shop.address()), Instant::now());
    let offered = load.offer(began, |due| {
        let client = client.clone();
        let path = if due.class == PLAIN { "/plain" } else { "/catalogue" };
        async move { client.ask(path, Call::safe()).await.is_some_and(|status| status.is_success()) }
    });
    let story = async {
        sleep_until(began + DIES_AT).await;
        store.set(Condition::Silent);
        sleep_until(began + BACK_AT).await;
        store.set(Condition::Well);
    };
    let (record, ()) = tokio::join!(offered, story);
    let while_dead = DEAD_FROM..BACK_AT;
    let top = f64::from(PER_SECOND / 2) * 1.2;
    Ok(Half::new(&record)
        .figures_of(
            "plain_while_dead",
            record.of(|sample| sample.class == PLAIN && while_dead.contains(&sample.at)),
        )
        .figures_of("all_while_dead", record.of(|sample| while_dead.contains(&sample.at)))
        .figures_of("end", record.of(|sample| sample.at >= END_FROM))
        .picture(
            "pages that need no store, served a second",
            top,
            record.goodput(LASTS, |sample| sample.class == PLAIN),
        )
        .picture(
            "pages that need the store, served a second",
            top,
            record.goodput(LASTS, |sample| sample.class != PLAIN),
        )
        .picture("longest wait for an answer of any kind, ms", 1_000.0, record.longest(LASTS, |_| true)))
}
