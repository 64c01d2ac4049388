//! The metrics of one process. The code that does the work updates them, and `/metrics` shows them.

use crate::catalogue::Queue;
use crate::checks::CheckMetrics;
use crate::instrument::{COUNTS, Counter, DURATIONS, Gauge, Histogram, SIZES, TimeGauge, WAITS};
use crate::limited::LimitMetrics;
use crate::queue::{QueueFigures, Queues};
use crate::route::Route;
use crate::subscribers::{ReaderFigures, Subscribers};
use crate::tls::TlsMetrics;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// Describes the running program.
#[derive(Clone, Copy, Debug)]
pub struct Build {
    pub version: &'static str,
    pub profile: &'static str,
    pub target: &'static str,
}

impl Build {
    /// A program of the given version, with the profile and target of this crate.
    #[must_use]
    pub const fn of(version: &'static str) -> Self {
        let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
        Self { version, profile, target: std::env::consts::ARCH }
    }
}

/// Every metric. The catalogue says what each one means.
#[derive(Debug)]
pub struct Metrics {
    pub events_appended: Counter,
    pub events_replayed: Counter,
    pub commands_refused: Counter,
    pub tasks: TaskMetrics,
    pub schedules: ScheduleMetrics,
    pub breakers: BreakerMetrics,
    pub entry_commands: Histogram,
    pub entry_bytes: Histogram,
    pub log_sync: Histogram,
    pub apply: Histogram,
    pub flush: Histogram,
    pub log_bytes: Gauge,
    pub log_segments: Gauge,
    pub archives: Gauge,
    pub log_written: Counter,
    pub state_bytes: Gauge,
    pub state_memory: Gauge,
    pub state_cache: Gauge,
    pub bodies_bytes: Gauge,
    pub bodies_dead: Gauge,
    pub disk_free: Gauge,
    pub disk_size: Gauge,
    pub disk_reserve: Gauge,
    pub compactions_out_of_space: Counter,
    pub checks: CheckMetrics,
    pub ready: Gauge,
    pub read_only: Gauge,
    pub disk_stalled: Gauge,
    pub replayed_entries: Gauge,
    pub start: TimeGauge,
    pub reaction_lag: TimeGauge,
    pub wall_ahead: TimeGauge,
    /// Time of day since 1970. Set with each applied entry.
    pub last_visible: TimeGauge,
    pub subscribers: Subscribers,
    pub tls: TlsMetrics,
    pub limited: LimitMetrics,
    pub identities_reloads_failed: Counter,
    pub export: ExportMetrics,
    queues: Queues,
    routes: Mutex<Vec<Arc<Route>>>,
    pub(crate) build: Build,
    pub(crate) started: SystemTime,
    started_at: Instant,
}

/// What happens to the tasks of all queues.
#[derive(Debug)]
pub struct TaskMetrics {
    pub enqueued: Counter,
    pub replayed: Counter,
    pub claimed: Counter,
    pub completed: Counter,
    pub failed: Counter,
    pub dead: Counter,
    pub claim_lost: Counter,
    /// In milliseconds.
    pub wait: Histogram,
    /// In milliseconds.
    pub run: Histogram,
}

impl Default for TaskMetrics {
    fn default() -> Self {
        Self {
            enqueued: Counter::default(),
            replayed: Counter::default(),
            claimed: Counter::default(),
            completed: Counter::default(),
            failed: Counter::default(),
            dead: Counter::default(),
            claim_lost: Counter::default(),
            wait: Histogram::new(WAITS),
            run: Histogram::new(WAITS),
        }
    }
}

/// What an exporter has not delivered.
#[derive(Debug, Default)]
pub struct ExportMetrics {
    /// Spans that did not fit into the queue, or that the collector did not take.
    pub spans_dropped: Counter,
    /// Requests to the collector that failed, each attempt counted.
    pub failures: Counter,
}

/// How the breakers are, as of the last look at them.
#[derive(Debug, Default)]
pub struct BreakerMetrics {
    pub all: Gauge,
    pub open: Gauge,
    pub half_open: Gauge,
    pub opened: Gauge,
}

/// How the schedules are, as of the last look at them.
#[derive(Debug, Default)]
pub struct ScheduleMetrics {
    pub all: Gauge,
    pub paused: Gauge,
    pub broken: Gauge,
    pub held: Gauge,
}

impl Metrics {
    #[must_use]
    pub fn new(build: Build) -> Arc<Self> {
        Arc::new(Self {
            events_appended: Counter::default(),
            events_replayed: Counter::default(),
            commands_refused: Counter::default(),
            tasks: TaskMetrics::default(),
            schedules: ScheduleMetrics::default(),
            breakers: BreakerMetrics::default(),
            entry_commands: Histogram::new(COUNTS),
            entry_bytes: Histogram::new(SIZES),
            log_sync: Histogram::new(DURATIONS),
            apply: Histogram::new(DURATIONS),
            flush: Histogram::new(DURATIONS),
            log_bytes: Gauge::default(),
            log_segments: Gauge::default(),
            archives: Gauge::default(),
            log_written: Counter::default(),
            state_bytes: Gauge::default(),
            state_memory: Gauge::default(),
            state_cache: Gauge::default(),
            bodies_bytes: Gauge::default(),
            bodies_dead: Gauge::default(),
            disk_free: Gauge::default(),
            disk_size: Gauge::default(),
            disk_reserve: Gauge::default(),
            compactions_out_of_space: Counter::default(),
            checks: CheckMetrics::default(),
            ready: Gauge::default(),
            read_only: Gauge::default(),
            disk_stalled: Gauge::default(),
            replayed_entries: Gauge::default(),
            start: TimeGauge::default(),
            reaction_lag: TimeGauge::default(),
            wall_ahead: TimeGauge::default(),
            last_visible: TimeGauge::default(),
            subscribers: Subscribers::default(),
            tls: TlsMetrics::default(),
            limited: LimitMetrics::default(),
            identities_reloads_failed: Counter::default(),
            export: ExportMetrics::default(),
            queues: Queues::default(),
            routes: Mutex::default(),
            build,
            started: SystemTime::now(),
            started_at: Instant::now(),
        })
    }

    /// The node serves requests from now on.
    pub fn became_ready(&self) {
        self.start.set(self.started_at.elapsed());
        self.ready.set(1);
    }

    #[must_use]
    pub fn queue(&self, queue: Queue) -> &QueueFigures {
        self.queues.of(queue)
    }

    /// The metrics of one route, created by the first call. Keep the result, because this call takes a lock.
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

    /// How many subscribers there are, and how far the slowest one is behind the newest visible event.
    pub(crate) fn lag(&self) -> (usize, Duration) {
        let (n, slowest_ms) = self.subscribers.read();
        (n, slowest_ms.map_or(Duration::ZERO, |ms| self.behind_visible(ms)))
    }

    /// The readers that gave their names, and how far each is behind the newest visible event.
    pub(crate) fn readers(&self) -> Vec<(ReaderFigures, Duration)> {
        let readers = self.subscribers.readers(Instant::now()).into_iter();
        readers
            .map(|reader| {
                let lag = self.behind_visible(reader.wall_ms);
                (reader, lag)
            })
            .collect()
    }

    fn behind_visible(&self, wall_ms: u64) -> Duration {
        let visible_ms = self.last_visible.seconds() * 1e3;
        Duration::from_millis((visible_ms as u64).saturating_sub(wall_ms))
    }
}
