//! The workers that ask this node for tasks: who, for which types, and when last.
//!
//! This is what the node has seen since it started, for people and for alarms. Nothing is decided by it, so it is not
//! part of the store. Bounded: the workers that have been silent for the longest time make way for new ones.

use api::request::queue::claim::ClaimRequest;
use model::limits;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A worker that has been silent for this long may be forgotten, and is not counted any more.
pub(crate) const SILENT_AFTER: Duration = Duration::from_secs(60);

/// All workers, by queue and name.
#[derive(Debug)]
pub(crate) struct Workers {
    seen: Mutex<Seen>,
    started: Instant,
    workers_max: usize,
}

#[derive(Debug, Default)]
struct Seen {
    queues: BTreeMap<String, OfQueue>,
    workers: usize,
}

#[derive(Debug, Default)]
struct OfQueue {
    workers: BTreeMap<String, Worker>,
    any_type: Asked,
    by_type: BTreeMap<String, Asked>,
}

/// Who asks for a type.
#[derive(Clone, Copy, Debug, Default)]
struct Asked {
    waiting: u32,
    last: Option<Instant>,
}

/// What is known of one worker.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// Those of its last request; all if it is empty.
    pub(crate) types: Vec<String>,
    pub(crate) version: Option<String>,
    /// How many of its requests wait now.
    pub(crate) waiting: u32,
    /// Tasks that it has been given.
    pub(crate) tasks: u64,
    /// When it last asked, or stopped waiting.
    pub(crate) last: Instant,
}

impl Worker {
    pub(crate) fn is_silent(&self, now: Instant) -> bool {
        self.waiting == 0 && now.saturating_duration_since(self.last) > SILENT_AFTER
    }
}

/// Whether anybody asks for a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attention {
    /// A worker waits for it now.
    Waits,
    /// For this long nobody has asked for it.
    Since(Duration),
}

/// A request for tasks, while it is answered.
#[derive(Debug)]
pub(crate) struct Asking {
    workers: Arc<Workers>,
    queue: String,
    worker: String,
    types: Vec<String>,
    tasks: u64,
}

impl Workers {
    pub(crate) fn new(workers_max: usize) -> Arc<Self> {
        Arc::new(Self { seen: Mutex::default(), started: Instant::now(), workers_max })
    }

    /// Notes that a worker asks, until the result is dropped.
    pub(crate) fn ask(self: &Arc<Self>, request: &ClaimRequest) -> Asking {
        let claim = &request.claim;
        let types: Vec<String> = claim.types.iter().map(|name| name.clone().into_owned()).collect();
        let (queue, worker) = (claim.queue.as_str().to_owned(), claim.worker.clone().into_owned());
        let now = Instant::now();
        let mut seen = self.seen();
        seen.admit(&queue, &worker, self.workers_max, now);
        if let Some(of_queue) = seen.queues.get_mut(&queue) {
            if let Some(worker) = of_queue.workers.get_mut(&worker) {
                worker.waiting += 1;
                worker.types.clone_from(&types);
                worker.version.clone_from(&request.version);
                worker.last = now;
            }
            of_queue.each_asked(&types, |asked| {
                asked.waiting += 1;
                asked.last = Some(now);
            });
        }
        drop(seen);
        Asking { workers: Arc::clone(self), queue, worker, types, tasks: 0 }
    }

    /// The workers of a queue by name, at most this many, and whether there are more.
    pub(crate) fn of(&self, queue: &str, max: usize) -> (Vec<(String, Worker)>, bool) {
        let seen = self.seen();
        let Some(of_queue) = seen.queues.get(queue) else { return (Vec::new(), false) };
        let workers = of_queue.workers.iter().take(max);
        let workers = workers.map(|(name, worker)| (name.clone(), worker.clone())).collect();
        (workers, of_queue.workers.len() > max)
    }

    /// Queues, and how many workers have asked them for tasks lately.
    pub(crate) fn counts(&self) -> Vec<(String, u64)> {
        let now = Instant::now();
        let count =
            |of_queue: &OfQueue| of_queue.workers.values().filter(|worker| !worker.is_silent(now)).count();
        self.seen().queues.iter().map(|(name, of_queue)| (name.clone(), count(of_queue) as u64)).collect()
    }

    /// Whether anybody asks for tasks of this type.
    pub(crate) fn attention(&self, queue: &str, task_type: &str) -> Attention {
        let seen = self.seen();
        let of_queue = seen.queues.get(queue);
        let asked =
            of_queue.map(|of_queue| [Some(of_queue.any_type), of_queue.by_type.get(task_type).copied()]);
        let asked = || asked.into_iter().flatten().flatten();
        if asked().any(|asked| asked.waiting > 0) {
            return Attention::Waits;
        }
        let last = asked().filter_map(|asked| asked.last).max().unwrap_or(self.started);
        Attention::Since(last.elapsed())
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Makes an entry for a worker if there is space for it.
    fn admit(&mut self, queue: &str, worker: &str, workers_max: usize, now: Instant) {
        let known = self.queues.get(queue).is_some_and(|of_queue| of_queue.workers.contains_key(worker));
        if known {
            return;
        }
        if self.workers >= workers_max {
            self.forget_silent(now);
        }
        if self.workers >= workers_max {
            return;
        }
        self.workers += 1;
        let new = Worker { types: Vec::new(), version: None, waiting: 0, tasks: 0, last: now };
        self.queues.entry(queue.to_owned()).or_default().workers.insert(worker.to_owned(), new);
    }

    fn forget_silent(&mut self, now: Instant) {
        for of_queue in self.queues.values_mut() {
            of_queue.workers.retain(|_, worker| !worker.is_silent(now));
        }
        self.queues.retain(|_, of_queue| !of_queue.workers.is_empty());
        self.workers = self.queues.values().map(|of_queue| of_queue.workers.len()).sum();
    }
}

impl OfQueue {
    fn each_asked(&mut self, types: &[String], mut change: impl FnMut(&mut Asked)) {
        if types.is_empty() {
            return change(&mut self.any_type);
        }
        for task_type in types {
            if let Some(asked) = self.by_type.get_mut(task_type) {
                change(asked);
            } else if self.by_type.len() < limits::QUEUE_TYPES_MAX {
                change(self.by_type.entry(task_type.clone()).or_default());
            }
        }
    }
}

impl Asking {
    /// The worker was given this many tasks.
    pub(crate) fn granted(&mut self, tasks: usize) {
        self.tasks += tasks as u64;
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut seen = self.workers.seen();
        let Some(of_queue) = seen.queues.get_mut(&self.queue) else { return };
        if let Some(worker) = of_queue.workers.get_mut(&self.worker) {
            worker.waiting = worker.waiting.saturating_sub(1);
            worker.tasks += self.tasks;
            worker.last = now;
        }
        of_queue.each_asked(&self.types, |asked| {
            asked.waiting = asked.waiting.saturating_sub(1);
            asked.last = Some(now);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::request::queue::claim::Settle;
    use model::{Claim, QueueName};
    use std::borrow::Cow;

    fn request(worker: &'static str, types: &[&'static str]) -> ClaimRequest {
        let claim = Claim {
            queue: QueueName::new("q").unwrap(),
            worker: Cow::Borrowed(worker),
            types: types.iter().map(|name| Cow::Borrowed(*name)).collect(),
            tasks_max: 1,
            claim_ms: None,
            request: None,
        };
        ClaimRequest { claim, settle: Settle::default(), wait: Duration::ZERO, version: Some("7".to_owned()) }
    }

    #[test]
    fn a_worker_is_seen_while_it_waits_and_after_it_was_given_tasks() {
        let workers = Workers::new(10);
        let mut asking = workers.ask(&request("w", &["a", "b"]));
        assert_eq!(workers.attention("q", "a"), Attention::Waits);
        assert!(matches!(workers.attention("q", "c"), Attention::Since(_)), "nobody asks for it");
        assert!(matches!(workers.attention("r", "a"), Attention::Since(_)), "of another queue");
        asking.granted(3);
        drop(asking);
        assert!(matches!(workers.attention("q", "a"), Attention::Since(_)));
        let (seen, more) = workers.of("q", 10);
        let [(name, worker)] = &seen[..] else { panic!("{seen:?}") };
        assert_eq!((name.as_str(), worker.waiting, worker.tasks, more), ("w", 0, 3, false));
        assert_eq!(
            (worker.version.as_deref(), &worker.types[..]),
            (Some("7"), &["a".into(), "b".into()][..])
        );
        assert_eq!(workers.counts(), [("q".to_owned(), 1)]);
        let _any = workers.ask(&request("w", &[]));
        assert_eq!(workers.attention("q", "c"), Attention::Waits, "it takes any type");
    }

    #[test]
    fn silent_workers_make_way_for_new_ones_and_live_ones_do_not() {
        let workers = Workers::new(2);
        let waiting = workers.ask(&request("waits", &[]));
        drop(workers.ask(&request("silent", &[])));
        drop(workers.ask(&request("too many", &[])));
        assert_eq!(workers.of("q", 10).0.len(), 2);
        let later = Instant::now() + SILENT_AFTER + Duration::from_secs(1);
        workers.seen().forget_silent(later);
        let names = |max| workers.of("q", max).0.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(10), ["waits"]);
        drop(workers.ask(&request("new", &[])));
        assert_eq!((names(10), names(1)), (vec!["new".into(), "waits".into()], vec!["new".to_owned()]));
        assert!(workers.of("q", 1).1, "more were left out");
        drop(waiting);
    }
}
