//! The cost of the state store: the rows of a million events, as a node writes them, on one thread, with
//! flushes and compactions on another.
//!
//! An event looks up its dedup row (a miss), and writes it and a revision row. 64 events and the shard's own
//! row are one commit. Prints the CPU time of both threads, bytes written, stalls, memory, and the cost of
//! single reads on the full store.
//!
//! `cargo run --release -p storage --example state_bench -- [events] [streams] [directory]`

use format::header::StoreId;
use model::{Index, KeyRange, Order, Term, View, WriteSet};
use seeded_rng::scatter;
use std::error::Error;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};
use storage::lsm::{LsmCompactor, LsmConfig, LsmFlush, LsmState};
use storage::state::{Compactor, Due, FlushJob, Pressure, Progress, State, StateError};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BATCH: u64 = 64;
const DEDUP_KEY_BYTES: usize = 31;

fn main() -> Result<(), Box<dyn Error>> {
    // The first touch of a huge page, which the allocator asks for, stalls its thread for milliseconds.
    rustix::thread::disable_transparent_huge_pages(true)?;
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (events, streams) = (number(1_000_000)?, number(1_000)?);
    let directory = arguments.next().map_or_else(|| std::env::temp_dir().join("state_bench"), PathBuf::from);
    if directory.exists() {
        fs::remove_dir_all(&directory)?;
    }
    let config = LsmConfig::default();
    println!("{events} events, {streams} streams, {config:?}");
    let mut state = LsmState::open(&directory, StoreId(1), config)?;
    let written = fill(&mut state, &config, events, streams)?;
    written.print(events, &directory)?;
    fill_first_level(&mut state, &config, events, streams)?;
    reads(&state, events, streams)?;
    drop(state);
    let began = Instant::now();
    let state = LsmState::open(&directory, StoreId(1), config)?;
    println!("reopened in {:?} at {:?}", began.elapsed(), state.progress().index);
    reads(&state, events, streams)?;
    println!("PSS after reopening and reads: {:.1} MiB", pss_mib()?);
    fs::remove_dir_all(&directory)?;
    Ok(())
}

/// The cost of filling the store.
struct Written {
    wall: Duration,
    node: NodeCost,
    disk_cpu: Duration,
    flushes: u64,
    batches: Vec<Duration>,
    /// How often the node's thread gave up its core to wait.
    blocked: u64,
    slowed: u64,
    sectors: u64,
    io_bytes: u64,
    table_bytes: u64,
    tables: u64,
}

impl Written {
    fn print(mut self, events: u64, directory: &Path) -> Result<(), Box<dyn Error>> {
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / events as f64;
        self.batches.sort();
        let at = |share: f64| self.batches[((self.batches.len() - 1) as f64 * share) as usize];
        println!(
            "wall {:.2} s, {} flushes, {} batches slowed",
            self.wall.as_secs_f64(),
            self.flushes,
            self.slowed
        );
        println!(
            "CPU an event: misses {:.2} us, commits {:.2} us, flush and compaction {:.2} us, together {:.2} us",
            each(self.node.misses),
            each(self.node.commits),
            each(self.disk_cpu),
            each(self.node.misses + self.node.commits + self.disk_cpu)
        );
        println!(
            "misses and commit of a batch of {BATCH}, less waits for a core: p50 {:?}, p99 {:?}, p99.9 {:?}, max {:?}",
            at(0.5),
            at(0.99),
            at(0.999),
            at(1.0)
        );
        println!("the node's thread waited {} times for a lock or a disk", self.blocked);
        println!(
            "written an event: {:.0} bytes by sectors of the device, {:.0} by /proc/self/io; on disk {:.0} in {} tables",
            self.sectors as f64 * 512.0 / events as f64,
            self.io_bytes as f64 / events as f64,
            self.table_bytes as f64 / events as f64,
            self.tables,
        );
        println!("PSS {:.1} MiB; {} on disk", pss_mib()?, directory.display());
        Ok(())
    }
}

/// CPU time of the node's thread, without making the rows.
#[derive(Default)]
struct NodeCost {
    misses: Duration,
    commits: Duration,
}

enum Work {
    Flush(LsmFlush),
    End,
}

fn fill(
    state: &mut LsmState,
    config: &LsmConfig,
    events: u64,
    streams: u64,
) -> Result<Written, Box<dyn Error>> {
    let (work, orders) = channel();
    let (reports, flushed) = channel();
    let compactor = state.compactor();
    let disk = thread::spawn(move || disk_work(&compactor, &orders, &reports));
    let (sectors, io_bytes) = (sectors_written()?, process_bytes_written()?);
    let began = Instant::now();
    let mut node = NodeCost::default();
    let mut batches = Vec::new();
    let mut blocked = 0;
    let (mut flushes, mut out, mut slowed) = (0, false, 0);
    for batch in 0..events / BATCH {
        let writes = batch_rows(batch, streams);
        let (batch_began, waited, blocks) = (Instant::now(), thread_waits()?, thread_blocks()?);
        commit_batch(state, batch, &writes, &mut node)?;
        if out && flushed.try_recv().is_ok() {
            out = false;
        }
        if !out && state.unflushed_bytes() >= config.memtable_bytes {
            work.send(Work::Flush(state.begin_flush()?))?;
            (out, flushes) = (true, flushes + 1);
        }
        blocked += thread_blocks()? - blocks;
        batches.push(batch_began.elapsed().saturating_sub(thread_waits()?.saturating_sub(waited)));
        if state.pressure() != Pressure::None {
            slowed += 1;
            thread::sleep(Duration::from_millis(1));
        }
    }
    if out {
        flushed.recv()?;
    }
    work.send(Work::Flush(state.begin_flush()?))?;
    flushed.recv()?;
    work.send(Work::End)?;
    let disk_cpu = disk.join().map_err(|_| "the disk thread failed")??;
    rustix::fs::sync();
    let figures = state.figures();
    Ok(Written {
        wall: began.elapsed(),
        node,
        disk_cpu,
        flushes,
        batches,
        blocked,
        slowed,
        sectors: sectors_written()? - sectors,
        io_bytes: process_bytes_written()? - io_bytes,
        table_bytes: figures.table_bytes,
        tables: figures.tables,
    })
}

/// Flushes when asked, and compacts in between until nothing is due.
fn disk_work(
    compactor: &LsmCompactor,
    orders: &Receiver<Work>,
    reports: &Sender<Progress>,
) -> Result<Duration, StateError> {
    let failed = |error: Box<dyn Error>| StateError::Failed(error.to_string());
    let cpu = thread_cpu().map_err(failed)?;
    let mut waiting = None;
    while let Some(Work::Flush(job)) = waiting.take().or_else(|| orders.recv().ok()) {
        // The node may have ended, so a failed send is not an error.
        let _ = reports.send(job.run()?);
        while waiting.is_none() && compactor.step()? == Due::More {
            waiting = orders.try_recv().ok();
        }
    }
    Ok(thread_cpu().map_err(failed)?.saturating_sub(cpu))
}

/// Adds as many runs as a compaction may leave. Reads are most expensive then.
fn fill_first_level(
    state: &mut LsmState,
    config: &LsmConfig,
    events: u64,
    streams: u64,
) -> Result<(), Box<dyn Error>> {
    let mut batch = events / BATCH;
    while state.figures().first_level_runs + 1 < u64::from(config.first_level_tables) {
        for _ in 0..500 {
            batch += 1;
            let progress =
                Progress { index: Index(batch), term: Term(1), bodies_end: batch, ..Progress::default() };
            state.commit(&batch_rows(batch, streams), progress)?;
        }
        state.begin_flush()?.run()?;
    }
    Ok(())
}

/// The write set of a batch, sorted.
fn batch_rows(batch: u64, streams: u64) -> WriteSet {
    let mut writes = vec![(shard_row(), Some(batch.to_be_bytes().repeat(6)))];
    for event in batch * BATCH..(batch + 1) * BATCH {
        writes.push((dedup_row(event, streams), Some(event.to_be_bytes().repeat(3))));
        writes.push((revision_row(event, streams), Some([&event.to_be_bytes()[..], &[7; 17]].concat())));
    }
    writes.sort();
    WriteSet(writes)
}

fn commit_batch(
    state: &mut LsmState,
    batch: u64,
    writes: &WriteSet,
    node: &mut NodeCost,
) -> Result<(), Box<dyn Error>> {
    let began = thread_cpu()?;
    for (key, _) in writes.0.iter().filter(|(key, _)| key.len() == DEDUP_KEY_BYTES) {
        if state.get(key)?.is_some() {
            return Err("a dedup row was there already".into());
        }
    }
    let looked = thread_cpu()?;
    state.commit(
        writes,
        Progress { index: Index(batch + 1), term: Term(1), bodies_end: batch, ..Progress::default() },
    )?;
    node.misses += looked.saturating_sub(began);
    node.commits += thread_cpu()?.saturating_sub(looked);
    Ok(())
}

/// Slot, namespace, kind, stream id: as `format` writes the keys of a stream's rows.
fn stream_prefix(event: u64, streams: u64, kind: u8) -> Vec<u8> {
    let stream = scatter(event) % streams;
    let slot = (scatter(stream + (1 << 40)) >> 48) as u16;
    let mut key = slot.to_be_bytes().to_vec();
    key.extend([0, 0, 0, 0, kind]);
    key.extend((stream + (1 << 50)).to_be_bytes());
    key
}

fn revision_row(event: u64, streams: u64) -> Vec<u8> {
    [stream_prefix(event, streams, 2), event.to_be_bytes().to_vec()].concat()
}

fn dedup_row(event: u64, streams: u64) -> Vec<u8> {
    let hash = u128::from(scatter(event ^ (1 << 60))) << 64 | u128::from(scatter(event));
    [stream_prefix(event, streams, 3), hash.to_be_bytes().to_vec()].concat()
}

fn shard_row() -> Vec<u8> {
    vec![0, 0, 0xff, 0xff, 0xff, 0xff, 1]
}

fn reads(state: &LsmState, events: u64, streams: u64) -> Result<(), Box<dyn Error>> {
    let rounds = 100_000;
    println!("runs in the first level: {}", state.figures().first_level_runs);
    for warm in [false, true] {
        let miss = timed(rounds, |n| Ok(state.get(&dedup_row(events * 2 + n, streams))?.is_none()))?;
        let hit = timed(rounds, |n| Ok(state.get(&dedup_row(scatter(n) % events, streams))?.is_some()))?;
        let last = timed(rounds, |n| {
            let from = stream_prefix(scatter(n) % events, streams, 2);
            let to = [&from[..], &[0xff; 9]].concat();
            let mut found = false;
            state.scan(KeyRange { from: &from, to: &to }, Order::Descending, &mut |_, _| {
                found = true;
                ControlFlow::Break(())
            })?;
            Ok(found)
        })?;
        println!("warm {warm}: a miss {miss:.2} us, a hit {hit:.2} us, a stream's last row {last:.2} us");
    }
    Ok(())
}

fn timed(rounds: u64, read: impl Fn(u64) -> Result<bool, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let cpu = thread_cpu()?;
    for round in 0..rounds {
        if !read(round)? {
            return Err("a read found what it should not".into());
        }
    }
    Ok((thread_cpu()?.saturating_sub(cpu)).as_secs_f64() * 1e6 / rounds as f64)
}

/// The time for which this thread has run.
fn thread_cpu() -> Result<Duration, Box<dyn Error>> {
    schedstat(0)
}

/// The time for which this thread was ready but had no core.
fn thread_waits() -> Result<Duration, Box<dyn Error>> {
    schedstat(1)
}

fn thread_blocks() -> Result<u64, Box<dyn Error>> {
    field("/proc/thread-self/status", "voluntary_ctxt_switches:")
}

fn schedstat(field: usize) -> Result<Duration, Box<dyn Error>> {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = schedstat.split_whitespace().nth(field).ok_or("no such time")?.parse()?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// Sectors that any process wrote to any disk: run this on a quiet machine.
fn sectors_written() -> Result<u64, Box<dyn Error>> {
    let mut sectors = 0;
    for disk in fs::read_dir("/sys/block")? {
        let stat = fs::read_to_string(disk?.path().join("stat"))?;
        sectors += stat.split_whitespace().nth(6).ok_or("no sectors")?.parse::<u64>()?;
    }
    Ok(sectors)
}

fn process_bytes_written() -> Result<u64, Box<dyn Error>> {
    field("/proc/self/io", "write_bytes:")
}

fn pss_mib() -> Result<f64, Box<dyn Error>> {
    Ok(field("/proc/self/smaps_rollup", "Pss:")? as f64 / 1_024.0)
}

fn field(file: &str, name: &str) -> Result<u64, Box<dyn Error>> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or("no such field")?;
    Ok(line.split_whitespace().next().ok_or("no number")?.parse()?)
}
