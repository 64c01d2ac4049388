//! The results: text as they arrive, or one JSON value at the end for programs.

use super::disk::Sync;
use super::latency::Latencies;
use super::server::{Server, Start};
use super::tasks::Completing;
use super::workers::Ran;
use crate::cli::failure::{Failure, Result};
use crate::cli::output::{Output, Stdout, stdout};
use serde::Serialize;
use std::io::Write;

/// The results of one load on one server.
#[derive(Clone, Debug, Serialize)]
pub(super) struct AppendRun {
    pub(super) server: &'static str,
    pub(super) connections: usize,
    pub(super) batch: u64,
    pub(super) streams: u64,
    pub(super) size_bytes: usize,
    pub(super) events: u64,
    pub(super) seconds: f64,
    pub(super) events_per_second: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) p999_us: u64,
    pub(super) max_us: u64,
    pub(super) server_cpu_us_per_event: Option<f64>,
    pub(super) server_user_us_per_event: Option<f64>,
    pub(super) server_system_us_per_event: Option<f64>,
    pub(super) generator_cpu_us_per_event: Option<f64>,
    /// Includes the final `sync`.
    pub(super) device_bytes_per_event: Option<f64>,
    pub(super) pss_before_bytes: Option<u64>,
    pub(super) pss_after_bytes: Option<u64>,
    pub(super) slowest_second_events: Option<u64>,
    pub(super) refused: u64,
    pub(super) first_refusal: Option<String>,
}

/// The results of reading everything back once.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ReadRun {
    pub(super) server: &'static str,
    pub(super) events: u64,
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) events_per_second: f64,
    pub(super) server_cpu_us_per_event: Option<f64>,
    pub(super) pss_after_bytes: Option<u64>,
}

/// The results of one load of tasks.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TasksRun {
    pub(super) server: &'static str,
    pub(super) workers: u32,
    pub(super) batch: u32,
    pub(super) complete: Completing,
    pub(super) size_bytes: u32,
    pub(super) tasks: u64,
    pub(super) seconds: f64,
    pub(super) tasks_per_second: f64,
    /// Of one turn of a worker: enqueue, claim and complete.
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) server_cpu_us_per_task: Option<f64>,
    pub(super) generator_cpu_us_per_task: Option<f64>,
}

/// The results of a load of which the latency matters.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LatencyRun {
    pub(super) server: &'static str,
    pub(super) what: String,
    pub(super) count: u64,
    pub(super) seconds: f64,
    pub(super) per_second: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
    pub(super) server_cpu_us_each: Option<f64>,
    pub(super) generator_cpu_us_each: Option<f64>,
}

impl LatencyRun {
    pub(super) fn new<T>(server: &Server, what: String, ran: &Ran<T>, latencies: &Latencies) -> Self {
        let count = latencies.count();
        let (each, seconds) = (count.max(1) as f64, ran.took.as_secs_f64());
        Self {
            server: server.name(),
            what,
            count,
            seconds,
            per_second: count as f64 / seconds.max(1e-9),
            p50_us: latencies.quantile_us(0.5),
            p99_us: latencies.quantile_us(0.99),
            max_us: latencies.max_us(),
            server_cpu_us_each: ran.server_cpu_us.map(|us| us / each),
            generator_cpu_us_each: ran.own_cpu_us.map(|us| us / each),
        }
    }
}

/// Appends alone and beside readers, one after the other.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ReadersRun {
    pub(super) readers: u16,
    pub(super) connections: usize,
    pub(super) alone_p50_us: u64,
    pub(super) alone_p99_us: u64,
    pub(super) beside_p50_us: u64,
    pub(super) beside_p99_us: u64,
    /// Of both p99.
    pub(super) ratio: f64,
    pub(super) alone_per_second: f64,
    pub(super) beside_per_second: f64,
    pub(super) read_mb_per_second: f64,
}

#[derive(Debug, Default, Serialize)]
struct Figures {
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<Start>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fdatasync: Vec<Sync>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    append: Vec<AppendRun>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    read: Vec<ReadRun>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    readers: Vec<ReadersRun>,
    #[serde(skip_serializing_if = "Option::is_none")]
    median_ratio: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<TasksRun>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    latency: Vec<LatencyRun>,
}

/// Prints text at once and JSON at the end.
#[derive(Debug)]
pub(super) struct Report {
    out: Stdout,
    output: Output,
    figures: Figures,
}

impl Report {
    pub(super) fn new(output: Output) -> Self {
        Self { out: stdout(), output, figures: Figures::default() }
    }

    fn text(&mut self, text: &str) -> Result {
        if self.output == Output::Table {
            writeln!(self.out, "{text}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    pub(super) fn start(&mut self, start: Option<Start>) -> Result {
        let Some(start) = start else { return Ok(()) };
        self.figures.start = Some(start);
        let Start { listened_ms, first_write_ms } = start;
        self.text(&format!(
            "start on an empty directory: listening after {listened_ms} ms, first write acknowledged after \
             {first_write_ms} ms"
        ))
    }

    pub(super) fn sync(&mut self, sync: Sync) -> Result {
        self.figures.fdatasync.push(sync);
        let Sync { p50_us, p90_us, p99_us } = sync;
        self.text(&format!("fdatasync on this disk: p50 {p50_us} µs, p90 {p90_us} µs, p99 {p99_us} µs"))
    }

    pub(super) fn append(&mut self, run: AppendRun) -> Result {
        let AppendRun { connections, batch, size_bytes, events, p50_us, p99_us, p999_us, max_us, .. } = run;
        let mut text = format!(
            "{:8} {connections} connections, {batch} per request, {size_bytes} bytes: {:.0} events/s ({events} in {:.1} s)\n  \
             latency p50 {p50_us} µs, p99 {p99_us} µs, p99.9 {p999_us} µs, max {max_us} µs",
            run.server, run.events_per_second, run.seconds
        );
        if let Some(slowest) = run.slowest_second_events {
            text += &format!("; slowest second {slowest} events");
        }
        text += &format!(
            "\n  server CPU {} µs per event (user {}, system {}); generator {} µs\n  \
             device {} bytes per event; memory {} MiB before, {} MiB after",
            figure(run.server_cpu_us_per_event, 2),
            figure(run.server_user_us_per_event, 2),
            figure(run.server_system_us_per_event, 2),
            figure(run.generator_cpu_us_per_event, 2),
            figure(run.device_bytes_per_event, 0),
            mib(run.pss_before_bytes),
            mib(run.pss_after_bytes),
        );
        if let Some(refusal) = &run.first_refusal {
            text += &format!("\n  {} requests refused, the first with:\n{refusal}", run.refused);
        }
        self.figures.append.push(run);
        self.text(&text)
    }

    pub(super) fn read(&mut self, run: ReadRun) -> Result {
        let text = format!(
            "{:8} read back {} events, {:.0} MB, in {:.2} s: {:.0} events/s\n  \
             server CPU {} µs per event; memory {} MiB after",
            run.server,
            run.events,
            run.bytes as f64 / 1e6,
            run.seconds,
            run.events_per_second,
            figure(run.server_cpu_us_per_event, 2),
            mib(run.pss_after_bytes),
        );
        self.figures.read.push(run);
        self.text(&text)
    }

    pub(super) fn readers(&mut self, run: ReadersRun) -> Result {
        let text = format!(
            "{} connections append alone: p50 {} µs, p99 {} µs, {:.0} events/s\n  \
             beside {} readers ({:.0} MB/s): p50 {} µs, p99 {} µs, {:.0} events/s; p99 is {:.2} times as long",
            run.connections,
            run.alone_p50_us,
            run.alone_p99_us,
            run.alone_per_second,
            run.readers,
            run.read_mb_per_second,
            run.beside_p50_us,
            run.beside_p99_us,
            run.beside_per_second,
            run.ratio,
        );
        self.figures.readers.push(run);
        self.text(&text)
    }

    /// The median over the rounds of how much longer the p99 is beside readers.
    pub(super) fn ratio(&mut self) -> Result {
        let mut ratios: Vec<f64> = self.figures.readers.iter().map(|run| run.ratio).collect();
        ratios.sort_by(f64::total_cmp);
        let Some(median) = ratios.get(ratios.len() / 2).copied() else { return Ok(()) };
        self.figures.median_ratio = Some(median);
        self.text(&format!(
            "median of {} rounds: p99 is {median:.2} times as long beside readers",
            ratios.len()
        ))
    }

    pub(super) fn tasks(&mut self, run: TasksRun) -> Result {
        let text = format!(
            "{:8} {} workers, {} per request{}, {} bytes: {:.0} tasks/s ({} in {:.1} s)\n  \
             enqueue, claim and complete: p50 {} µs, p99 {} µs\n  \
             server CPU {} µs per task; generator {} µs",
            run.server,
            run.workers,
            run.batch,
            match run.complete {
                Completing::Apart => "",
                Completing::WithClaim => ", completed with the next claim",
            },
            run.size_bytes,
            run.tasks_per_second,
            run.tasks,
            run.seconds,
            run.p50_us,
            run.p99_us,
            figure(run.server_cpu_us_per_task, 2),
            figure(run.generator_cpu_us_per_task, 2),
        );
        self.figures.tasks.push(run);
        self.text(&text)
    }

    pub(super) fn latency(&mut self, run: LatencyRun) -> Result {
        let text = format!(
            "{:8} {}: p50 {} µs, p99 {} µs, max {} µs\n  \
             {:.0}/s ({} in {:.1} s); server CPU {} µs each; generator {} µs",
            run.server,
            run.what,
            run.p50_us,
            run.p99_us,
            run.max_us,
            run.per_second,
            run.count,
            run.seconds,
            figure(run.server_cpu_us_each, 1),
            figure(run.generator_cpu_us_each, 1),
        );
        self.figures.latency.push(run);
        self.text(&text)
    }

    pub(super) fn end(mut self) -> Result {
        match self.output {
            Output::Table => {}
            Output::Json => {
                serde_json::to_writer_pretty(&mut self.out, &self.figures).map_err(Failure::local)?;
                writeln!(self.out)?;
            }
            Output::Jsonl => {
                serde_json::to_writer(&mut self.out, &self.figures).map_err(Failure::local)?;
                writeln!(self.out)?;
            }
        }
        Ok(self.out.flush()?)
    }
}

/// `?` if the kernel gave no value.
fn figure(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "?".into(), |value| format!("{value:.decimals$}"))
}

fn mib(bytes: Option<u64>) -> String {
    figure(bytes.map(|bytes| bytes as f64 / f64::from(1 << 20)), 1)
}
