//! Measures leases: pairs of acquire and release of leases that nobody else wants, or one lease that many wait for and
//! that goes from hand to hand.

use super::connection::Connection;
use super::latency::Latencies;
use super::report::{LatencyRun, Report};
use super::server::{Server, Servers};
use super::wire::Wire;
use super::{disk, redis, workers};
use crate::cli::Global;
use crate::cli::failure::{Failure, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    servers: Servers,
    /// Holders, each with a connection
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    holders: u16,
    /// All want the same lease, and wait for it: measures how soon the next one has it (not on Redis, where a client
    /// would have to poll)
    #[arg(long, conflicts_with = "redis")]
    contended: bool,
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
    let (clock, released) = (Instant::now(), AtomicU64::new(0));
    let ran = workers::run(server, args.holders, seconds, |number, over| match server.wire {
        Wire::Mainstay if args.contended => take_turns(server, number, clock, &released, over),
        Wire::Mainstay => hold(server, number, over),
        Wire::Redis => hold_on_redis(server, number, over),
    })?;
    let mut latencies = Latencies::default();
    ran.results.iter().flatten().for_each(|latency| latencies.record(*latency));
    let what = if args.contended {
        format!("{} want one lease: from release to the next holder", args.holders)
    } else {
        format!("{} holders of a lease each: acquire and release", args.holders)
    };
    Ok(LatencyRun::new(server, what, &ran, &latencies))
}

fn hold(server: &Server, number: u16, over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(server.address)?;
    let mut latencies = Vec::new();
    let acquire = format!(r#"{{"holder":"bench-{number}","ttl_ms":30000}}"#);
    let path = |verb: &str| format!("/v1/leases/bench-{number}/{verb}");
    let (acquire_path, release_path) = (path("acquire"), path("release"));
    while !over.load(Relaxed) {
        let began = Instant::now();
        let token = token(connection.post(&acquire_path, "application/json", &acquire)?)?;
        connection.post(&release_path, "application/json", &format!(r#"{{"token":"{token}"}}"#))?;
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

fn hold_on_redis(server: &Server, number: u16, over: &AtomicBool) -> Result<Vec<Duration>> {
    let mut connection = redis::Connection::open(server.address)?;
    let mut latencies = Vec::new();
    let (name, token) = (format!("bench-lease-{number}").into_bytes(), number.to_string().into_bytes());
    while !over.load(Relaxed) {
        let began = Instant::now();
        if !connection.lock(&name, &token)? {
            return Err(Failure::local("a lock of Redis was held from before this run"));
        }
        connection.unlock(&name)?;
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

/// Each measures from when the holder before it sent its release.
fn take_turns(
    server: &Server,
    number: u16,
    clock: Instant,
    released: &AtomicU64,
    over: &AtomicBool,
) -> Result<Vec<Duration>> {
    let mut connection = Connection::open(server.address)?;
    let mut latencies = Vec::new();
    let now = || u64::try_from(clock.elapsed().as_micros()).unwrap_or(u64::MAX);
    let acquire = format!(r#"{{"holder":"bench-{number}","ttl_ms":30000,"wait_ms":10000}}"#);
    while !over.load(Relaxed) {
        let token = token(connection.post("/v1/leases/bench/acquire", "application/json", &acquire)?)?;
        // Zero: nobody has released it yet.
        let before = released.swap(now(), Relaxed);
        if before > 0 {
            latencies.push(Duration::from_micros(now().saturating_sub(before)));
        }
        connection.post(
            "/v1/leases/bench/release",
            "application/json",
            &format!(r#"{{"token":"{token}"}}"#),
        )?;
    }
    Ok(latencies)
}

/// The token in a response.
fn token(response: &[u8]) -> Result<String> {
    const TOKEN: &[u8] = b"\"token\":\"";
    let found = memchr::memmem::find(response, TOKEN).and_then(|at| {
        let rest = &response[at + TOKEN.len()..];
        rest.get(..memchr::memchr(b'"', rest)?)
    });
    let found = found.ok_or_else(|| Failure::local("a response without a token"))?;
    Ok(String::from_utf8_lossy(found).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_in_a_response() {
        let response = br#"HTTP/1.1 200 OK

{"lease":"bench","holder":"bench-1","token":"019a","remaining_ms":30000}"#;
        assert_eq!(token(response).unwrap(), "019a");
        assert!(token(b"HTTP/1.1 200 OK").is_err());
    }
}
