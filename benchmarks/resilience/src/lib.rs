//! How contestants are timed, the same way for each: alone on one thread, and by two threads that share one
//! instance. Knows criterion and threads; knows no contestant.
//!
//! A figure is wall time divided by the operations of one thread. So a contestant that scales shows the same
//! figure for one thread and for two, and one that makes its callers queue shows at least twice as much.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode};
use std::fmt;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

pub mod service;

/// How many threads take part in the contests of more than one.
pub const THREADS: usize = 2;

/// Whether an operation asks for the time, which costs more than many a decision.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// At least once in each operation.
    Read,
    /// Replaced by one that stands still, or asked only when a breaker trips.
    NotRead,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub contestant: &'static str,
    /// What it remembers and what it decides by, in a few words.
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
        // Rounds of one length: their least and greatest are what the table shows.
        group.sampling_mode(SamplingMode::Flat);
        Self { group }
    }

    /// One thread; the contestant need not be shareable.
    pub fn alone<T>(&mut self, row: Row, mut operation: impl FnMut() -> T) {
        self.timed(row, 1, |iterations| {
            let start = Instant::now();
            for _ in 0..iterations {
                black_box(operation());
            }
            start.elapsed()
        });
    }

    /// Two threads that share the contestant, from one start.
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

    /// A round that measures itself: given the operations of each thread, it tells how long they took.
    pub fn timed(&mut self, row: Row, threads: usize, mut round: impl FnMut(u64) -> Duration) {
        let threads = if threads == 1 { "1 thread" } else { "2 threads" };
        let id = criterion::BenchmarkId::new(row.to_string(), threads);
        self.group.bench_function(id, |bencher| bencher.iter_custom(&mut round));
    }

    pub fn finish(self) {
        self.group.finish();
    }
}

/// Runs `work` on that many threads; tells the longest time.
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
/// come after it and change it.
#[must_use]
pub fn settings() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .nresamples(1000)
}
