//! Who follows, and how far the slowest is behind. Each subscriber holds a cell that it moves as it reads;
//! the lag is computed when somebody asks, so following costs one store an event.

use crate::cell::Count;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// All subscribers of the process.
#[derive(Debug, Default)]
pub struct Subscribers {
    places: Mutex<Vec<Weak<AtomicU64>>>,
    pub overtaken: Count,
}

/// One subscriber's place. It is counted until this is dropped.
#[derive(Debug)]
pub struct Subscriber(Arc<AtomicU64>);

impl Subscriber {
    /// Everything up to this time of day (milliseconds since 1970) is delivered, or known not to be asked
    /// for.
    pub fn delivered_to(&self, wall_ms: u64) {
        self.0.store(wall_ms, Relaxed);
    }
}

impl Subscribers {
    /// A subscriber starts at `wall_ms`: the time of the cursor it starts from.
    pub fn join(&self, wall_ms: u64) -> Subscriber {
        let place = Arc::new(AtomicU64::new(wall_ms));
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|place| place.strong_count() > 0);
        places.push(Arc::downgrade(&place));
        Subscriber(place)
    }

    /// How many there are, and the slowest one's place.
    pub(crate) fn read(&self) -> (usize, Option<u64>) {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let alive = places.iter().filter_map(Weak::upgrade).map(|place| place.load(Relaxed));
        alive.fold((0, None), |(n, least), place| (n + 1, Some(least.map_or(place, |l: u64| l.min(place)))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_subscriber_sets_the_place() {
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
    fn those_who_left_take_no_memory() {
        let all = Subscribers::default();
        for _ in 0..1_000 {
            drop(all.join(0));
        }
        assert!(all.places.lock().unwrap().len() <= 1);
    }
}
