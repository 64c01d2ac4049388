//! The figures of one process. Whoever does the work adds to them; `/metrics` tells them.

use crate::catalogue::Queue;
use crate::cell::{COUNTS, Count, DURATIONS, Histogram, Level, SIZES, Span};
use crate::queue::{QueueFigures, Queues};
use crate::route::Route;
use crate::subscribers::Subscribers;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What is running.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    pub version: &'static str,
    pub profile: &'static str,
    pub target: &'static str,
}

impl Build {
    /// Of the given version, built as this crate was.
    #[must_use]
    pub const fn of(version: &'static str) -> Self {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        Self { version, profile, target: std::env::consts::ARCH }
    }
}

/// Every figure, each in its own atomic cell: see the catalogue for what they mean.
#[derive(Debug)]
pub struct Metrics {
    pub events_appended: Count,
    pub events_replayed: Count,
    pub commands_refused: Count,
    pub entry_commands: Histogram,
    pub entry_bytes: Histogram,
    pub log_sync: Histogram,
    pub apply: Histogram,
    pub flush: Histogram,
    pub log_bytes: Level,
    pub log_segments: Level,
    pub log_written: Count,
    pub state_bytes: Level,
    pub state_memory: Level,
    pub state_cache: Level,
    pub bodies_bytes: Level,
    pub bodies_dead: Level,
    pub ready: Level,
    pub read_only: Level,
    pub replayed_entries: Level,
    pub start: Span,
    pub wall_ahead: Span,
    /// Set with each entry applied, in milliseconds since 1970.
    pub last_visible: Span,
    pub subscribers: Subscribers,
    queues: Queues,
    routes: Mutex<Vec<Arc<Route>>>,
    pub(crate) build: Build,
    pub(crate) started: SystemTime,
    started_at: Instant,
}

impl Metrics {
    #[must_use]
    pub fn new(build: Build) -> Arc<Self> {
        Arc::new(Self {
            events_appended: Count::default(),
            events_replayed: Count::default(),
            commands_refused: Count::default(),
            entry_commands: Histogram::new(COUNTS),
            entry_bytes: Histogram::new(SIZES),
            log_sync: Histogram::new(DURATIONS),
            apply: Histogram::new(DURATIONS),
            flush: Histogram::new(DURATIONS),
            log_bytes: Level::default(),
            log_segments: Level::default(),
            log_written: Count::default(),
            state_bytes: Level::default(),
            state_memory: Level::default(),
            state_cache: Level::default(),
            bodies_bytes: Level::default(),
            bodies_dead: Level::default(),
            ready: Level::default(),
            read_only: Level::default(),
            replayed_entries: Level::default(),
            start: Span::default(),
            wall_ahead: Span::default(),
            last_visible: Span::default(),
            subscribers: Subscribers::default(),
            queues: Queues::default(),
            routes: Mutex::default(),
            build,
            started: SystemTime::now(),
            started_at: Instant::now(),
        })
    }

    /// The node answers requests from now on.
    pub fn became_ready(&self) {
        self.start.set(self.started_at.elapsed());
        self.ready.set(1);
    }

    #[must_use]
    pub fn queue(&self, queue: Queue) -> &QueueFigures {
        self.queues.of(queue)
    }

    /// The cells of one route, made on the first call. Keep what this returns: it takes a lock.
    pub fn route(&self, method: &'static str, path: &'static str) -> Arc<Route> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.iter().find(|route| route.method == method && route.path == path) {
            return Arc::clone(route);
        }
        let route = Arc::new(Route::new(method, path));
        routes.push(Arc::clone(&route));
        route
    }

    pub(crate) fn routes(&self) -> Vec<Arc<Route>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many follow, and how far the slowest is behind the newest visible event.
    pub(crate) fn lag(&self) -> (usize, Duration) {
        let (n, slowest_ms) = self.subscribers.read();
        let visible_ms = self.last_visible.seconds() * 1e3;
        let lag_ms = slowest_ms.map_or(0, |ms| (visible_ms as u64).saturating_sub(ms));
        (n, Duration::from_millis(lag_ms))
    }
}
