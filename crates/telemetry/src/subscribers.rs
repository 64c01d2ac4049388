//! How many subscribers there are, and how far behind the slowest one is. Each subscriber stores its own
//! progress. The lag is computed at each scrape, so delivering an event costs only one store.

use crate::instrument::Counter;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// All subscribers of the process.
#[derive(Debug, Default)]
pub struct Subscribers {
    /// The progress of each subscriber, in milliseconds since 1970.
    progress: Mutex<Vec<Weak<AtomicU64>>>,
    /// Subscriptions that ended because retention removed what they had not read yet.
    pub overtaken: Counter,
}

/// One subscriber. It is counted until this is dropped.
#[derive(Debug)]
pub struct Subscriber(Arc<AtomicU64>);

impl Subscriber {
    /// Everything up to this time of day, in milliseconds since 1970, was delivered or filtered out.
    pub fn delivered_to(&self, wall_ms: u64) {
        self.0.store(wall_ms, Relaxed);
    }
}

impl Subscribers {
    /// Counts a subscriber that starts at `wall_ms`, the time of its first cursor in milliseconds since 1970.
    pub fn join(&self, wall_ms: u64) -> Subscriber {
        let own = Arc::new(AtomicU64::new(wall_ms));
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.retain(|subscriber| subscriber.strong_count() > 0);
        progress.push(Arc::downgrade(&own));
        Subscriber(own)
    }

    /// The number of subscribers, and the progress of the slowest one.
    pub(crate) fn read(&self) -> (usize, Option<u64>) {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = progress.iter().filter_map(Weak::upgrade).map(|subscriber| subscriber.load(Relaxed));
        alive.fold((0, None), |(n, least), ms| (n + 1, Some(least.map_or(ms, |least: u64| least.min(ms)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_subscriber_counts() {
        let all = Subscribers::default();
        assert_eq!(all.read(), (0, None));
        let slow = all.join(100);
        let fast = all.join(100);
        fast.delivered_to(900);
        assert_eq!(all.read(), (2, Some(100)));
        drop(slow);
        assert_eq!(all.read(), (1, Some(900)));
        drop(fast);
        assert_eq!(all.read(), (0, None));
    }

    #[test]
    fn subscribers_that_left_take_no_memory() {
        let all = Subscribers::default();
        for _ in 0..1_000 {
            drop(all.join(0));
        }
        assert!(all.progress.lock().unwrap().len() <= 1);
    }
}
