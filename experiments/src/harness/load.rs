//! Load with an open loop: requests begin when they are due, whatever became of those before, and their latency
//! counts from that moment. Users do not wait for each other.

use super::record::{Record, Sample};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

/// What is offered. The seed decides when each request begins and which class it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) per_second: u32,
    pub(crate) lasts: Duration,
    /// After so long a client gives up.
    pub(crate) patience: Duration,
    /// How many classes of requests there are: equally many of each, in random order.
    pub(crate) classes: usize,
    pub(crate) seed: u64,
}

/// A request as it begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// Since the load began.
    at: Duration,
    pub(crate) class: usize,
}

/// So many may be under way at once; one more fails at once. None of the experiments comes near.
const UNDER_WAY_MAX: usize = 2_000;

impl Load {
    /// The whole of it, drawn beforehand: both halves of an experiment get the same.
    fn schedule(&self) -> Vec<Due> {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let mean = 1.0 / f64::from(self.per_second.max(1));
        let classes = self.classes.max(1);
        let (mut at, mut order, mut schedule) = (0.0, Vec::new(), Vec::new());
        loop {
            at += mean * (0.5 + random.f64());
            if at >= self.lasts.as_secs_f64() {
                return schedule;
            }
            if order.is_empty() {
                order.extend(0..classes);
                random.shuffle(&mut order);
            }
            schedule.push(Due { at: Duration::from_secs_f64(at), class: order.pop().unwrap_or(0) });
        }
    }

    /// Offers it from that moment on; `ask` makes one request and says whether its answer was good.
    pub(crate) async fn offer<F, A>(&self, began: Instant, ask: F) -> Record
    where
        F: Fn(Due) -> A,
        A: Future<Output = bool> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        // Owned here: none of them outlives the load.
        let mut under_way = JoinSet::new();
        let mut record = Record::default();
        for due in self.schedule() {
            sleep_until(began + due.at).await;
            while let Some(ended) = under_way.try_join_next() {
                record.samples.extend(ended);
            }
            let Ok(place) = places.clone().try_acquire_owned() else {
                let Due { at, class } = due;
                record.samples.push(Sample { at, took: Duration::ZERO, class, is_ok: false });
                continue;
            };
            let (asked, patience) = (ask(due), self.patience);
            under_way.spawn(async move {
                let is_ok = timeout(patience, asked).await.unwrap_or(false);
                drop(place);
                let took = Instant::now().saturating_duration_since(began + due.at);
                Sample { at: due.at, took, class: due.class, is_ok }
            });
        }
        while let Some(ended) = under_way.join_next().await {
            record.samples.extend(ended);
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_decides_all_and_the_rate_and_the_shares_are_kept() {
        let lasts = Duration::from_secs(10);
        let load = |seed| Load { per_second: 100, lasts, patience: lasts, classes: 4, seed };
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
