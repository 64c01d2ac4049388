//! Measures appends. Every round drives each server once, so that other load on the machine affects them
//! alike.

use super::disk;
use super::load::{self, Load, Measured, Until};
use super::payload::{Data, Payload};
use super::process::{Cpu, Device, Pid};
use super::report::{AppendRun, Report};
use super::server::{Server, Servers};
use crate::cli::Global;
use crate::cli::failure::{Failure, Result};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    servers: Servers,
    /// Connections, each with one request in flight
    #[arg(long, value_name = "COUNT", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// Events per request: 1 is sent as one event, more as lines (for Redis: as pipelined commands)
    #[arg(long, value_name = "EVENTS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    batch: u64,
    /// Streams to append to
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    streams: u64,
    /// Bytes of each event's data
    #[arg(long, value_name = "BYTES", default_value_t = 1_024, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    size: u64,
    /// What each event's data is
    #[arg(long, value_enum, default_value_t = Data::Random)]
    data: Data,
    /// Subjects of the events; 0: they have none
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    subjects: u64,
    /// Seconds to measure
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, conflicts_with = "count")]
    seconds: f64,
    /// Seconds of warm-up before measuring
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, conflicts_with = "count")]
    warm_up: f64,
    /// Measure until this many events are appended, instead of for a time
    #[arg(long, value_name = "EVENTS")]
    count: Option<u64>,
    /// Number of rounds
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    rounds: u32,
    /// Also measure reading everything back at the end
    #[arg(long)]
    read_back: bool,
}

impl Args {
    fn load(&self) -> Result<Load> {
        let duration = |seconds: f64| {
            Duration::try_from_secs_f64(seconds)
                .map_err(|_| Failure::usage(format!("{seconds} s is not a duration")))
        };
        Ok(Load {
            connections: self.connections.into(),
            batch: self.batch,
            streams: self.streams,
            bytes: usize::try_from(self.size).map_err(Failure::usage)?,
            until: match self.count {
                Some(count) => Until::Count(count),
                None => Until::Time { warm_up: duration(self.warm_up)?, measured: duration(self.seconds)? },
            },
        })
    }
}

pub(crate) fn run(global: &Global, args: &Args) -> Result {
    let load = args.load()?;
    let servers = Server::all(global, &args.servers)?;
    let mut payload = Payload::with(args.data).about(args.subjects);
    let mut report = Report::new(global.output);
    report.start(servers[0].start())?;
    let mut refused = 0;
    for _ in 0..args.rounds {
        report.sync(disk::probe(&args.servers.disk)?)?;
        for server in &servers {
            let run = measure(server, load, args, &mut payload)?;
            refused += run.refused;
            report.append(run)?;
        }
    }
    if args.read_back {
        for server in &servers {
            report.read(super::read::measure(server, args.streams)?)?;
        }
    }
    report.end()?;
    if refused > 0 {
        return Err(Failure::local(format!("{refused} requests were refused: the figures above are void")));
    }
    Ok(())
}

/// The kernel's counters when measuring began.
#[derive(Default)]
struct Before {
    server: Option<Cpu>,
    own: Option<Cpu>,
    device_bytes: Option<u64>,
}

fn measure(server: &Server, load: Load, args: &Args, payload: &mut Payload) -> Result<AppendRun> {
    let device = Device::of(&args.servers.disk);
    let written = || device.as_ref().and_then(Device::written_bytes);
    let pss_before_bytes = server.pid.and_then(Pid::pss_bytes);
    // Data that others have not written back yet is not this run's.
    rustix::fs::sync();
    let mut before = Before::default();
    let mut begin = || {
        before =
            Before { server: server.pid.and_then(Pid::cpu), own: Pid::own().cpu(), device_bytes: written() };
    };
    let measured = load::run(server.address, server.wire, load, payload, &mut begin)?;
    let server_cpu = used(server.pid.and_then(Pid::cpu), before.server);
    let own_cpu = used(Pid::own().cpu(), before.own);
    let pss_after_bytes = server.pid.and_then(Pid::pss_bytes);
    rustix::fs::sync();
    let device_bytes = written().zip(before.device_bytes).map(|(now, then)| now.saturating_sub(then));
    Ok(figures(
        server,
        load,
        measured,
        Kernel { server_cpu, own_cpu, device_bytes, pss_before_bytes, pss_after_bytes },
    ))
}

struct Kernel {
    server_cpu: Option<Cpu>,
    own_cpu: Option<Cpu>,
    device_bytes: Option<u64>,
    pss_before_bytes: Option<u64>,
    pss_after_bytes: Option<u64>,
}

fn used(now: Option<Cpu>, before: Option<Cpu>) -> Option<Cpu> {
    Some(now?.since(before?))
}

fn figures(server: &Server, load: Load, measured: Measured, kernel: Kernel) -> AppendRun {
    let events = measured.events.max(1) as f64;
    AppendRun {
        server: server.name(),
        connections: load.connections,
        batch: load.batch,
        streams: load.streams,
        size_bytes: load.bytes,
        events: measured.events,
        seconds: measured.took.as_secs_f64(),
        events_per_second: events / measured.took.as_secs_f64().max(1e-9),
        p50_us: measured.latencies.quantile_us(0.5),
        p99_us: measured.latencies.quantile_us(0.99),
        p999_us: measured.latencies.quantile_us(0.999),
        max_us: measured.latencies.max_us(),
        server_cpu_us_per_event: kernel.server_cpu.map(|cpu| cpu.total_us() / events),
        server_user_us_per_event: kernel.server_cpu.map(|cpu| cpu.user_us / events),
        server_system_us_per_event: kernel.server_cpu.map(|cpu| cpu.system_us / events),
        generator_cpu_us_per_event: kernel.own_cpu.map(|cpu| cpu.total_us() / events),
        device_bytes_per_event: kernel.device_bytes.map(|bytes| bytes as f64 / events),
        pss_before_bytes: kernel.pss_before_bytes,
        pss_after_bytes: kernel.pss_after_bytes,
        slowest_second_events: measured.slowest_second,
        refused: measured.refused,
        first_refusal: measured.first_refusal,
    }
}
