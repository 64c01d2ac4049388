//! Measures how soon a waiting worker starts a task: tasks are enqueued at a fixed rate, far below what the server can
//! do, and each one carries the moment at which it was sent.

use super::connection::Connection;
use super::latency::Latencies;
use super::report::{LatencyRun, Report};
use super::server::{Server, Servers};
use super::wire::Wire;
use super::{disk, redis, tasks, workers};
use crate::cli::Global;
use crate::cli::failure::{Failure, Result};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Connections that enqueue in turn, so that a slow response delays no other task.
const PRODUCERS: u16 = 8;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    servers: Servers,
    /// Tasks to enqueue each second
    #[arg(long, value_name = "TASKS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Workers that wait for tasks, each with a connection
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    workers: u16,
    /// Seconds to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
    /// Number of rounds
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    rounds: u32,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let seconds = Duration::try_from_secs_f64(args.seconds).map_err(Failure::usage)?;
    let servers = Server::all(global, &args.servers)?;
    let mut report = Report::new(global.output);
    for _ in 0..args.rounds {
        report.sync(disk::probe(&args.servers.disk)?)?;
        for server in &servers {
            report.latency(measure(server, args, seconds)?)?;
        }
    }
    report.end()
}

fn measure(server: &Server, args: &Args, seconds: Duration) -> Result<LatencyRun> {
    let clock = Instant::now();
    let ran = workers::run(server, PRODUCERS + args.workers, seconds, |number, over| {
        match (server.wire, number < PRODUCERS) {
            (wire, true) => produce(server, wire, args, number, clock, over).map(|()| Vec::new()),
            (Wire::Mainstay, false) => work(server, number, clock, over),
            (Wire::Redis, false) => work_on_redis(server, clock, over),
        }
    })?;
    let mut latencies = Latencies::default();
    ran.results.iter().flatten().for_each(|latency| latencies.record(*latency));
    let what = format!("{} tasks/s, {} workers wait: from enqueue to start", args.rate, args.workers);
    Ok(LatencyRun::new(server, what, &ran, &latencies))
}

/// Enqueues this producer's share at fixed times. A task that could not be sent in time is sent at once.
fn produce(
    server: &Server,
    wire: Wire,
    args: &Args,
    number: u16,
    clock: Instant,
    over: &AtomicBool,
) -> Result<()> {
    let interval = Duration::from_secs_f64(f64::from(PRODUCERS) / f64::from(args.rate));
    let mut next = clock + interval.mul_f64(f64::from(number) / f64::from(PRODUCERS));
    let mut node = (wire == Wire::Mainstay).then(|| Connection::open(server.address)).transpose()?;
    let mut redis = (wire == Wire::Redis).then(|| redis::Connection::open(server.address)).transpose()?;
    while !over.load(Relaxed) {
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        next += interval;
        let sent = clock.elapsed().as_micros();
        if let Some(node) = &mut node {
            let task = format!(r#"{{"type":"bench","payload":"{sent:020}"}}"#);
            node.post("/v1/queues/starts/tasks", "application/json", &task)?;
        }
        if let Some(redis) = &mut redis {
            redis.enqueue(&[format!("{sent:020}-{number}").into_bytes()])?;
        }
    }
    Ok(())
}

/// How long ago a task was sent, by the digits that it carries.
fn since(sent: &[u8], clock: Instant) -> Option<Duration> {
    let digits = std::str::from_utf8(sent.get(..20)?).ok()?;
    clock.elapsed().checked_sub(Duration::from_micros(digits.parse().ok()?))
}

fn work(server: &Server, number: u16, clock: Instant, over: &AtomicBool) -> Result<Vec<Duration>> {
    const PAYLOAD: &[u8] = b"\"payload\":\"";
    let mut connection = Connection::open(server.address)?;
    let mut latencies = Vec::new();
    let claim = format!(r#"{{"worker":"bench-{number}","wait":"200ms"}}"#);
    while !over.load(Relaxed) {
        let claimed = connection.post("/v1/queues/starts/claims", "application/json", &claim)?;
        let Some(at) = memchr::memmem::find(claimed, PAYLOAD) else { continue };
        let latency = since(&claimed[at + PAYLOAD.len()..], clock);
        for (id, token) in tasks::tasks(claimed) {
            let path = format!("/v1/queues/starts/tasks/{id}/complete");
            connection.post(&path, "application/json", &format!(r#"{{"token":"{token}"}}"#))?;
        }
        latencies.extend(latency);
    }
    Ok(latencies)
}

fn work_on_redis(server: &Server, clock: Instant, over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut connection = redis::Connection::open(server.address)?;
    let mut latencies = Vec::new();
    while !over.load(Relaxed) {
        let claimed = connection.claim(1)?;
        latencies.extend(claimed.iter().filter_map(|task| since(task, clock)));
        connection.complete(&claimed)?;
    }
    Ok(latencies)
}
