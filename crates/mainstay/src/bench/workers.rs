//! A closed loop of workers, each with a thread of its own, and what it costs the servers.

use super::process::{Cpu, Pid};
use super::server::Server;
use crate::cli::failure::{Failure, Result};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

/// What the workers returned, and what the run cost.
pub(super) struct Ran<T> {
    pub(super) results: Vec<T>,
    pub(super) took: Duration,
    pub(super) server_cpu_us: Option<f64>,
    pub(super) own_cpu_us: Option<f64>,
}

/// Runs `work(number, over)` on as many threads, and sets `over` after some time.
pub(super) fn run<T: Send>(
    server: &Server,
    workers: u16,
    time: Duration,
    work: impl Fn(u16, &AtomicBool) -> Result<T> + Sync,
) -> Result<Ran<T>> {
    let over = AtomicBool::new(false);
    let before = (server.pid.and_then(Pid::cpu), Pid::own().cpu());
    let began = Instant::now();
    let results = std::thread::scope(|scope| {
        let (work, over) = (&work, &over);
        let workers: Vec<_> = (0..workers).map(|number| scope.spawn(move || work(number, over))).collect();
        std::thread::sleep(time);
        over.store(true, Relaxed);
        let join = |worker: ScopedJoinHandle<'_, Result<T>>| {
            worker.join().unwrap_or_else(|_| Err(Failure::local("a worker panicked")))
        };
        workers.into_iter().map(join).collect::<Result<Vec<_>>>()
    })?;
    let took = began.elapsed();
    let used = |now: Option<Cpu>, before: Option<Cpu>| Some(now?.since(before?).total_us());
    Ok(Ran {
        results,
        took,
        server_cpu_us: used(server.pid.and_then(Pid::cpu), before.0),
        own_cpu_us: used(Pid::own().cpu(), before.1),
    })
}
