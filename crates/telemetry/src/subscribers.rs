//! How many subscribers there are, how far behind the slowest one is, and how far each reader is that gave its name.
//! Each subscriber stores its own progress. The lag is computed at each scrape, so delivering an event costs only one
//! store.

use crate::instrument::Counter;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How many readers are known by their names. A new name takes the place of the reader that has been gone for the
/// longest time; while all are connected, it is not recorded.
pub const READERS_MAX: usize = 1_000;
/// How long a reader is known after its last subscription has ended.
pub const READER_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// All subscribers of the process.
#[derive(Debug, Default)]
pub struct Subscribers {
    known: Mutex<Known>,
    /// Subscriptions that ended because retention removed what they had not read yet.
    pub overtaken: Counter,
}

#[derive(Debug, Default)]
struct Known {
    /// Those that have left stay until the next one joins.
    connected: Vec<Arc<Progress>>,
    /// The subscriptions of each reader that gave its name. Those that ended are kept while none is connected.
    readers: BTreeMap<String, Vec<Arc<Progress>>>,
}

#[derive(Debug)]
struct Progress {
    /// In milliseconds since 1970.
    wall_ms: AtomicU64,
    left: OnceLock<Instant>,
}

/// One subscriber. It is counted until this is dropped.
#[derive(Debug)]
pub struct Subscriber(Arc<Progress>);

/// What a scrape shows of one named reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReaderFigures {
    pub(crate) name: String,
    pub(crate) connections: u64,
    /// How far its slowest subscription is, in milliseconds since 1970.
    pub(crate) wall_ms: u64,
}

impl Subscriber {
    /// Everything up to this time of day, in milliseconds since 1970, was delivered or filtered out.
    pub fn delivered_to(&self, wall_ms: u64) {
        self.0.wall_ms.store(wall_ms, Relaxed);
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.0.left.get_or_init(Instant::now);
    }
}

impl Subscribers {
    /// Counts a subscriber that starts at `wall_ms`, the time of its first cursor in milliseconds since 1970. With a
    /// name, its progress is shown on its own, and stays visible after it has gone.
    pub fn join(&self, reader: Option<&str>, wall_ms: u64) -> Subscriber {
        let own = Arc::new(Progress { wall_ms: AtomicU64::new(wall_ms), left: OnceLock::new() });
        let mut known = self.known();
        known.connected.retain(|subscriber| subscriber.is_connected());
        known.connected.push(Arc::clone(&own));
        if let Some(reader) = reader {
            known.name(reader, &own);
        }
        Subscriber(own)
    }

    /// The number of subscribers, and the progress of the slowest one.
    pub(crate) fn read(&self) -> (usize, Option<u64>) {
        let known = self.known();
        let connected = known.connected.iter().filter(|one| one.is_connected());
        connected
            .map(|one| one.wall_ms.load(Relaxed))
            .fold((0, None), |(n, least), ms| (n + 1, Some(least.map_or(ms, |least: u64| least.min(ms)))))
    }

    /// The named readers, in the order of their names. Those that left long ago are forgotten.
    pub(crate) fn readers(&self, now: Instant) -> Vec<ReaderFigures> {
        let mut known = self.known();
        known.readers.retain(|_, subscriptions| {
            left_at(subscriptions).is_none_or(|left| now.saturating_duration_since(left) < READER_KEPT)
        });
        known.readers.iter().map(|(name, subscriptions)| figures(name, subscriptions)).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn name(&mut self, reader: &str, own: &Arc<Progress>) {
        if let Some(subscriptions) = self.readers.get_mut(reader) {
            subscriptions.retain(|one| one.is_connected());
            subscriptions.push(Arc::clone(own));
            return;
        }
        if self.readers.len() >= READERS_MAX {
            let gone = self.readers.iter().filter_map(|(name, all)| Some((left_at(all)?, name)));
            let Some(gone) = gone.min().map(|(_, name)| name.clone()) else { return };
            self.readers.remove(&gone);
        }
        self.readers.insert(reader.to_owned(), vec![Arc::clone(own)]);
    }
}

impl Progress {
    fn is_connected(&self) -> bool {
        self.left.get().is_none()
    }
}

/// When the last of a reader's subscriptions ended; `None` while it has one.
fn left_at(subscriptions: &[Arc<Progress>]) -> Option<Instant> {
    subscriptions.iter().try_fold(None, |last, one| Some(last.max(Some(*one.left.get()?)))).flatten()
}

fn figures(name: &str, subscriptions: &[Arc<Progress>]) -> ReaderFigures {
    let connections = subscriptions.iter().filter(|one| one.is_connected()).count();
    let counts = |one: &&Arc<Progress>| connections == 0 || one.is_connected();
    let slowest = subscriptions.iter().filter(counts).map(|one| one.wall_ms.load(Relaxed)).min();
    ReaderFigures {
        name: name.to_owned(),
        connections: connections as u64,
        wall_ms: slowest.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readers(all: &Subscribers) -> Vec<(String, u64, u64)> {
        let figures = all.readers(Instant::now()).into_iter();
        figures.map(|reader| (reader.name, reader.connections, reader.wall_ms)).collect()
    }

    #[test]
    fn the_slowest_subscriber_counts() {
        let all = Subscribers::default();
        assert_eq!(all.read(), (0, None));
        let slow = all.join(None, 100);
        let fast = all.join(Some("fast"), 100);
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
            drop(all.join(None, 0));
            drop(all.join(Some("billing"), 0));
        }
        let known = all.known();
        assert!(known.connected.len() <= 2, "{known:?}");
        assert_eq!(known.readers["billing"].len(), 1);
    }

    #[test]
    fn a_reader_that_has_gone_is_shown_where_it_stopped_until_it_comes_back() {
        let all = Subscribers::default();
        let first = all.join(Some("billing"), 100);
        let second = all.join(Some("billing"), 100);
        first.delivered_to(500);
        second.delivered_to(300);
        assert_eq!(readers(&all), [("billing".into(), 2, 300)], "the slowest subscription counts");
        drop(second);
        assert_eq!(readers(&all), [("billing".into(), 1, 500)], "one that has gone does not hold it back");
        drop(first);
        assert_eq!(
            readers(&all),
            [("billing".into(), 0, 300)],
            "what is not known to be read counts as unread"
        );
        let again = all.join(Some("billing"), 450);
        assert_eq!(readers(&all), [("billing".into(), 1, 450)]);
        drop(again);
        let later = Instant::now() + READER_KEPT;
        assert_eq!(all.readers(later), [], "it is forgotten after a day");
    }

    #[test]
    fn names_are_bounded_and_the_reader_that_left_first_gives_its_place() {
        let all = Subscribers::default();
        let name = |n: usize| format!("reader-{n:04}");
        let mut connected: Vec<_> = (0..READERS_MAX).map(|n| all.join(Some(&name(n)), 7)).collect();
        let refused = all.join(Some("one more"), 7);
        assert_eq!(all.readers(Instant::now()).len(), READERS_MAX);
        assert!(!readers(&all).iter().any(|(name, ..)| name == "one more"));
        drop(refused);
        drop(connected.remove(17));
        drop(connected.remove(3));
        let _new = all.join(Some("one more"), 7);
        let names: Vec<String> = readers(&all).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names.len(), READERS_MAX);
        assert!(names.contains(&"one more".into()) && names.contains(&name(3)) && !names.contains(&name(17)));
    }
}
