//! Measures tasks from enqueuing to completion: workers that each enqueue, claim and complete in turn.
//!
//! Each worker has a thread and a connection, one request at a time. The claims wait, so a worker gets tasks that
//! another one has enqueued, and every enqueued task is completed by someone.

use super::connection::Connection;
use super::latency::Latencies;
use super::redis;
use super::report::{Report, TasksRun};
use super::server::{Server, Servers};
use super::wire::Wire;
use super::workers;
use crate::cli::Global;
use crate::cli::failure::{Failure, Result};
use serde::Serialize;
use std::mem;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    servers: Servers,
    /// Workers, each with a connection
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    workers: u16,
    /// Tasks per request: 1 uses the requests for single tasks, more uses lines
    #[arg(long, value_name = "TASKS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    batch: u16,
    /// How tasks are completed
    #[arg(long, value_enum, default_value_t = Completing::Apart)]
    complete: Completing,
    /// Bytes of each task's payload
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = clap::value_parser!(u32).range(0..=1 << 16))]
    size: u32,
    /// Seconds to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Completing {
    /// In a request of its own
    Apart,
    /// In the request that claims the next tasks (on Redis, both commands are sent together)
    WithClaim,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let seconds = Duration::try_from_secs_f64(args.seconds).map_err(Failure::usage)?;
    let servers = Server::all(global, &args.servers)?;
    let mut report = Report::new(global.output);
    for server in &servers {
        report.tasks(measure(server, args, seconds)?)?;
    }
    report.end()
}

fn measure(server: &Server, args: &Args, seconds: Duration) -> Result<TasksRun> {
    let ran = workers::run(server, args.workers, seconds, |number, over| match server.wire {
        Wire::Mainstay => work(server.address, args, number, over),
        Wire::Redis => work_on_redis(server.address, args, number, over),
    })?;
    let mut latencies = Latencies::default();
    let mut tasks = 0;
    for worked in &ran.results {
        tasks += worked.tasks;
        worked.latencies.iter().for_each(|latency| latencies.record(*latency));
    }
    let per_task = tasks.max(1) as f64;
    Ok(TasksRun {
        server: server.name(),
        workers: args.workers.into(),
        batch: args.batch.into(),
        complete: args.complete,
        size_bytes: args.size,
        tasks,
        seconds: ran.took.as_secs_f64(),
        tasks_per_second: per_task / ran.took.as_secs_f64().max(1e-9),
        p50_us: latencies.quantile_us(0.5),
        p99_us: latencies.quantile_us(0.99),
        server_cpu_us_per_task: ran.server_cpu_us.map(|us| us / per_task),
        generator_cpu_us_per_task: ran.own_cpu_us.map(|us| us / per_task),
    })
}

/// What one worker did.
struct Worked {
    tasks: u64,
    /// Of one turn: enqueue, claim and complete.
    latencies: Vec<Duration>,
}

fn work(address: SocketAddr, args: &Args, number: u16, over: &AtomicBool) -> Result<Worked> {
    let mut connection = Connection::open(address)?;
    let mut worked = Worked { tasks: 0, latencies: Vec::new() };
    let payload = "x".repeat(args.size as usize);
    let task = format!(r#"{{"type":"bench","payload":"{payload}"}}"#);
    let batch = format!("{task}\n").repeat(args.batch.into());
    let mut running = Vec::new();
    while !over.load(Relaxed) {
        let began = Instant::now();
        if args.batch == 1 {
            connection.post("/v1/queues/bench/tasks", "application/json", &task)?;
        } else {
            connection.post("/v1/queues/bench/tasks", "application/x-ndjson", &batch)?;
        }
        let claim = match args.complete {
            Completing::WithClaim if !running.is_empty() => {
                let settle = settlements(&running, ",");
                format!(r#"{{"worker":"bench-{number}","max":{},"settle":[{settle}]}}"#, args.batch)
            }
            _ => format!(r#"{{"worker":"bench-{number}","max":{},"wait":"1s"}}"#, args.batch),
        };
        let claimed = tasks(connection.post("/v1/queues/bench/claims", "application/json", &claim)?);
        worked.tasks += claimed.len() as u64;
        match args.complete {
            Completing::Apart => complete(&mut connection, args, &claimed)?,
            Completing::WithClaim => running = claimed,
        }
        worked.latencies.push(began.elapsed());
    }
    complete(&mut connection, args, &running)?;
    Ok(worked)
}

fn complete(connection: &mut Connection, args: &Args, claimed: &[(String, String)]) -> Result {
    if args.batch == 1 {
        for (id, token) in claimed {
            let path = format!("/v1/queues/bench/tasks/{id}/complete");
            connection.post(&path, "application/json", &format!(r#"{{"token":"{token}"}}"#))?;
        }
    } else if !claimed.is_empty() {
        let lines = settlements(claimed, "\n");
        connection.post("/v1/queues/bench/settlements", "application/x-ndjson", &lines)?;
    }
    Ok(())
}

fn settlements(claimed: &[(String, String)], separator: &str) -> String {
    let settlement =
        |(id, token): &(String, String)| format!(r#"{{"id":"{id}","token":"{token}","action":"complete"}}"#);
    claimed.iter().map(settlement).collect::<Vec<_>>().join(separator)
}

/// The same on Redis. Each task is different, because Redis finds a task by its content.
fn work_on_redis(address: SocketAddr, args: &Args, number: u16, over: &AtomicBool) -> Result<Worked> {
    let mut connection = redis::Connection::open(address)?;
    let mut worked = Worked { tasks: 0, latencies: Vec::new() };
    let payload = "x".repeat((args.size as usize).saturating_sub(12));
    let (mut sequence, mut running) = (0_u32, Vec::new());
    while !over.load(Relaxed) {
        let began = Instant::now();
        let batch: Vec<_> = (0..args.batch)
            .map(|_| {
                sequence += 1;
                format!("{number:04}{sequence:08}{payload}").into_bytes()
            })
            .collect();
        connection.enqueue(&batch)?;
        let claimed = connection.complete_and_claim(&running, args.batch.into())?;
        worked.tasks += claimed.len() as u64;
        running = claimed;
        if args.complete == Completing::Apart {
            connection.complete(&mem::take(&mut running))?;
        }
        worked.latencies.push(began.elapsed());
    }
    connection.complete(&running)?;
    Ok(worked)
}

/// Ids and tokens of claimed tasks. A whole JSON parser would take CPU from the server.
pub(super) fn tasks(claimed: &[u8]) -> Vec<(String, String)> {
    const ID: &[u8] = b"{\"id\":\"";
    const TOKEN: &[u8] = b"\",\"token\":\"";
    let mut tasks = Vec::new();
    for at in memchr::memmem::find_iter(claimed, ID) {
        let rest = &claimed[at + ID.len()..];
        let Some(id_end) = memchr::memchr(b'"', rest) else { break };
        let Some(token) = rest[id_end..].strip_prefix(TOKEN) else { continue };
        let Some(token_end) = memchr::memchr(b'"', token) else { break };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        tasks.push((text(&rest[..id_end]), text(&token[..token_end])));
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_tokens_are_found_in_a_response() {
        let response = br#"HTTP/1.1 200 OK

{"tasks":[{"id":"~1","token":"a","attempt":1,"payload":{"id":"x"}},{"id":"~2","token":"b"}]}"#;
        let found = tasks(response);
        assert_eq!(found, [("~1".into(), "a".into()), ("~2".into(), "b".into())]);
    }
}
