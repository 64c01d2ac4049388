//! How contestants are timed, the same way for each: on one thread alone, and on two threads that share one
//! instance. Knows criterion and threads, but no contestant.
//!
//! A figure is the wall time divided by the operations of one thread. A contestant that scales shows the same
//! figure for one thread and for two; one whose callers wait for each other shows at least twice as much.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use std::fmt;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

pub mod service;

/// The number of threads in contests of more than one.
pub const THREADS: usize = 2;

/// Whether an operation reads the clock, which costs more than many decisions do.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// At least once in each operation.
    Read,
    /// Replaced by a clock that stands still, or read only when a breaker trips.
    NotRead,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub contestant: &'static str,
    /// What the contestant remembers and decides by, in a few words.
    pub semantics: &'static str,
    pub clock: Clock,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = match self.clock {
            Clock::Read => "read",
            Clock::NotRead => "not read",
        };
        write!(f, "{} | {} | {clock}", self.contestant, self.semantics)
    }
}

/// One table: contestants that do the same work.
pub struct Contest<'a> {
    group: BenchmarkGroup<'a, WallTime>,
}

impl fmt::Debug for Contest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contest").finish_non_exhaustive()
    }
}

impl<'a> Contest<'a> {
    pub fn new(criterion: &'a mut Criterion, title: &str) -> Self {
        let mut group = criterion.benchmark_group(title);
        // Rounds of equal length: the table shows the fastest and the slowest.
        group.sampling_mode(SamplingMode::Flat);
        Self { group }
    }

    /// On one thread. The contestant need not be shareable.
    pub fn alone<T>(&mut self, row: Row, mut operation: impl FnMut() -> T) {
        self.timed(row, 1, |iterations| {
            let start = Instant::now();
            for _ in 0..iterations {
                black_box(operation());
            }
            start.elapsed()
        });
    }

    /// On two threads that share the contestant and start together.
    pub fn together<T>(&mut self, row: Row, operation: impl Fn() -> T + Sync) {
        self.timed(row, THREADS, |iterations| {
            race(THREADS, |start| {
                start.wait();
                let start = Instant::now();
                for _ in 0..iterations {
                    black_box(operation());
                }
                start.elapsed()
            })
        });
    }

    pub fn both<T>(&mut self, row: Row, operation: impl Fn() -> T + Sync) {
        self.alone(row, &operation);
        self.together(row, &operation);
    }

    /// A round that measures itself: given the number of operations per thread, it returns how long they
    /// took.
    pub fn timed(&mut self, row: Row, threads: usize, mut round: impl FnMut(u64) -> Duration) {
        let threads = if threads == 1 { "1 thread" } else { "2 threads" };
        let id = criterion::BenchmarkId::new(row.to_string(), threads);
        self.group.bench_function(id, |bencher| bencher.iter_custom(&mut round));
    }

    pub fn finish(self) {
        self.group.finish();
    }
}

/// Runs `work` on that many threads, and returns the longest time.
pub fn race(threads: usize, work: impl Fn(&Barrier) -> Duration + Sync) -> Duration {
    let start = Barrier::new(threads);
    let (work, start) = (&work, &start);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(move || work(start))).collect();
        let times = running.into_iter().filter_map(|thread| thread.join().ok());
        times.max().unwrap_or_default()
    })
}

/// Short rounds, and no time spent on statistics that the table does not show. Arguments of the command line
/// are applied afterwards and can change these settings.
#[must_use]
pub fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .nresamples(1000)
}
