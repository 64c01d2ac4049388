//! Measures what readers of history do to appends: the same load of appends alone, and beside readers that read the whole
//! store again and again. Both are measured in each round, one after the other, so that other load on the machine affects
//! them alike; what counts is their ratio.

use super::load::{self, Load, Measured, Until};
use super::payload::Payload;
use super::report::{ReadersRun, Report};
use super::server::{Server, Servers};
use super::{disk, read};
use crate::cli::Global;
use crate::cli::failure::{Failure, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How the history is written before anything is measured.
const FILL_CONNECTIONS: usize = 16;
const FILL_BATCH: u64 = 500;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    servers: Servers,
    /// Readers of the whole store, each with a connection
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100))]
    readers: u16,
    /// Events to append first, as the history to read
    #[arg(long, value_name = "EVENTS", default_value_t = 1_000_000)]
    history: u64,
    /// Bytes of the data of each event
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    size: u64,
    /// Connections that append one event at a time
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Streams to append to
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    streams: u64,
    /// Seconds to measure, once without and once with readers
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
    /// Number of rounds
    #[arg(long, value_name = "COUNT", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rounds: u32,
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    if args.servers.redis.is_some() {
        return Err(Failure::usage("`bench readers` measures a node only"));
    }
    let measured = Duration::try_from_secs_f64(args.seconds).map_err(Failure::usage)?;
    let load = Load {
        connections: args.connections.into(),
        batch: 1,
        streams: args.streams,
        bytes: usize::try_from(args.size).map_err(Failure::usage)?,
        until: Until::Time { warm_up: Duration::from_secs(1), measured },
    };
    let servers = Server::all(global, &args.servers)?;
    let server = &servers[0];
    let mut payload = Payload::new();
    if args.history > 0 {
        let fill = Load {
            connections: FILL_CONNECTIONS,
            batch: FILL_BATCH,
            until: Until::Count(args.history),
            ..load
        };
        append(server, fill, &mut payload)?;
    }
    let mut report = Report::new(global.output);
    for _ in 0..args.rounds {
        report.sync(disk::probe(&args.servers.disk)?)?;
        report.readers(measure(server, args.readers, load, &mut payload)?)?;
    }
    report.ratio()?;
    report.end()
}

fn measure(server: &Server, readers: u16, load: Load, payload: &mut Payload) -> Result<ReadersRun> {
    let alone = append(server, load, payload)?;
    let (over, bytes) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    let (beside, seconds) = std::thread::scope(|scope| {
        let reading: Vec<_> =
            (0..readers).map(|_| scope.spawn(|| read::read_until(server.address, &over, &bytes))).collect();
        let beside = append(server, load, payload);
        let seconds = began.elapsed().as_secs_f64();
        over.store(true, Relaxed);
        for reader in reading {
            reader.join().map_err(|_| Failure::local("a reader panicked"))??;
        }
        Ok::<_, Failure>((beside?, seconds))
    })?;
    let p99 = |measured: &Measured| measured.latencies.quantile_us(0.99);
    Ok(ReadersRun {
        readers,
        connections: load.connections,
        alone_p50_us: alone.latencies.quantile_us(0.5),
        alone_p99_us: p99(&alone),
        beside_p50_us: beside.latencies.quantile_us(0.5),
        beside_p99_us: p99(&beside),
        ratio: p99(&beside) as f64 / p99(&alone).max(1) as f64,
        alone_per_second: alone.events as f64 / alone.took.as_secs_f64().max(1e-9),
        beside_per_second: beside.events as f64 / beside.took.as_secs_f64().max(1e-9),
        read_mb_per_second: bytes.load(Relaxed) as f64 / 1e6 / seconds.max(1e-9),
    })
}

/// Appends, and fails if the node refuses any of it.
fn append(server: &Server, load: Load, payload: &mut Payload) -> Result<Measured> {
    let measured = load::run(server.address, server.wire, load, payload, &mut || {})?;
    match &measured.first_refusal {
        Some(refusal) => Err(Failure::local(format!("an append was refused:\n{refusal}"))),
        None => Ok(measured),
    }
}
