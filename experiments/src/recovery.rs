//! `recovery`: a service comes back from a crash and is weak for a while. The crowd comes back too.

use crate::experiment::{Experiment, Half, Running, Side};
use crate::harness::Trouble;
use crate::harness::load::Load;
use crate::harness::outgoing::Outgoing;
use crate::harness::record::hits_per_second;
use crate::harness::service::{Service, Size, Weakness};
use mainstay_resilience::breaker;
use mainstay_resilience::guard::{Call, Policy};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

const LASTS: Duration = Duration::from_secs(9);
const CRASHES_AT: Duration = Duration::from_secs(1);
/// The end is what is compared.
const END_FROM: Duration = Duration::from_secs(7);
const PER_SECOND: u32 = 200;
/// With all of the load there are 15 requests in it at once.
const TAKES: Duration = Duration::from_millis(75);
const WEAKNESS: Weakness = Weakness {
    bears: 8,
    served_for_one_more: 4,
    served_to_be_well: 120,
    down_for: Duration::from_millis(700),
};

pub(crate) const EXPERIMENT: Experiment = Experiment {
    name: "recovery",
    title: "The returning crowd kills a convalescent service again",
    see: "After a crash the service is cold: it bears 8 requests at once, and more with each few it has served, \
          but the crowd brings 15 and it crashes again, each time it is back. With a breaker it first gets single \
          probes, then a growing share of the requests, and it stays up.",
    cure: "a breaker: 3 probes one after the other, then a ramp from 5 % to all in 2 s",
    lasts: LASTS,
    marks: &[(CRASHES_AT, "it crashes, once")],
    half: |side, seed| -> Running { Box::pin(half(side, seed)) },
    compare: |without, with| {
        format!(
            "Without, {} requests hit it while it was weak, and it crashed {} times more; with a breaker {} did, \
             and it crashed {} times. In the last 2 s {} of {} were served without, {} of {} with it.",
            without.number("/hits_while_weak"),
            without.number("/crashes_again"),
            with.number("/hits_while_weak"),
            with.number("/crashes_again"),
            without.number("/end/ok"),
            without.number("/end/requests"),
            with.number("/end/ok"),
            with.number("/end/requests"),
        )
    },
};

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

async fn half(side: Side, seed: u64) -> Result<Half, Trouble> {
    let service = Service::that_is_frail(Size { workers: 60, queue_max: 60 }, WEAKNESS, |_| TAKES).await?;
    let outgoing = match side {
        Side::Without => Outgoing::plain(service.address()),
        Side::With => Outgoing::guarded(service.address(), "recovery", policy())?,
    };
    let load =
        Load { per_second: PER_SECOND, lasts: LASTS, patience: Duration::from_secs(1), classes: 1, seed };
    let began = Instant::now();
    let offered = load.offer(began, |_| {
        let outgoing = outgoing.clone();
        async move { outgoing.ask("/", Call::safe()).await.is_some_and(|status| status.is_success()) }
    });
    let story = async {
        sleep_until(began + CRASHES_AT).await;
        service.crash();
    };
    let (record, ()) = tokio::join!(offered, story);
    let top = f64::from(PER_SECOND) * 1.2;
    Ok(Half::new(&record)
        .figure("hits_while_weak", service.hits_while_weak())
        .figure("crashes_again", service.crashes().saturating_sub(1))
        .figures_of("end", record.of(|sample| sample.at >= END_FROM))
        .picture("requests that hit it, a second", top, hits_per_second(LASTS, began, &service.hits()))
        .picture("requests served, a second", top, record.goodput(LASTS, |_| true)))
}
