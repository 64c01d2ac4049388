//! Open-loop load: each request begins when it is due, whether or not earlier ones have ended, and its latency
//! counts from that moment. Real users do not wait for each other either.

use super::record::{Record, Sample};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// The requests of one half. The seed decides when each of them begins and which class it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) per_second: u32,
    pub(crate) lasts: Duration,
    /// A user gives up after this time.
    pub(crate) gives_up_after: Duration,
    /// The number of classes. Each class gets the same number of requests, in random order.
    pub(crate) classes: usize,
    pub(crate) seed: u64,
}

/// A request that is due.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// Time since the load began.
    at: Duration,
    pub(crate) class: usize,
}

/// The cap on concurrent requests; a request above it fails at once. No experiment comes near it.
const CONCURRENT_MAX: usize = 2_000;

impl Load {
    /// All requests, drawn in advance, so that both halves of an experiment get the same ones.
    fn schedule(&self) -> Vec<Due> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mean = 1.0 / f64::from(self.per_second.max(1));
        let classes = self.classes.max(1);
        let (mut at, mut order, mut schedule) = (0.0, Vec::new(), Vec::new());
        loop {
            at += mean * (0.5 + rng.f64());
            if at >= self.lasts.as_secs_f64() {
                return schedule;
            }
            if order.is_empty() {
                order.extend(0..classes);
                rng.shuffle(&mut order);
            }
            schedule.push(Due { at: Duration::from_secs_f64(at), class: order.pop().unwrap_or(0) });
        }
    }

    /// Sends all requests, counted from `began`. `send` sends one of them and says whether it succeeded.
    pub(crate) async fn offer<F, A>(&self, began: Instant, send: F) -> Record
    where
        F: Fn(Due) -> A,
        A: Future<Output = bool> + Send + 'static,
    {
        let concurrent = Arc::new(Semaphore::new(CONCURRENT_MAX));
        // The requests are owned by this set, so none of them outlives the load.
        let mut running = JoinSet::new();
        let mut record = Record::default();
        for due in self.schedule() {
            sleep_until(began + due.at).await;
            while let Some(ended) = running.try_join_next() {
                record.samples.extend(ended);
            }
            let Ok(permit) = concurrent.clone().try_acquire_owned() else {
                let Due { at, class } = due;
                record.samples.push(Sample { at, took: Duration::ZERO, class, is_ok: false });
                continue;
            };
            let (request, gives_up_after) = (send(due), self.gives_up_after);
            running.spawn(async move {
                let is_ok = timeout(gives_up_after, request).await.unwrap_or(false);
                drop(permit);
                let took = Instant::now().saturating_duration_since(began + due.at);
                Sample { at: due.at, took, class: due.class, is_ok }
            });
        }
        while let Some(ended) = running.join_next().await {
            record.samples.extend(ended);
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides_the_schedule_and_the_rate_and_shares_are_exact() {
        let lasts = Duration::from_secs(10);
        let load = |seed| Load { per_second: 100, lasts, gives_up_after: lasts, classes: 4, seed };
        let view = |seed| load(seed).schedule().iter().map(|due| (due.at, due.class)).collect::<Vec<_>>();
        assert_eq!(view(7), view(7));
        assert_ne!(view(7), view(8));
        let schedule = view(7);
        assert!((950..=1_050).contains(&schedule.len()), "{}", schedule.len());
        for class in 0..4 {
            let of_class = schedule.iter().filter(|due| due.1 == class).count();
            assert!(of_class.abs_diff(schedule.len() / 4) <= 1);
        }
    }
}
