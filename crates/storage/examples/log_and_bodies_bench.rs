//! The cost of the log and the body file: `cargo run --release -p storage --example log_and_bodies_bench --
//! [DIR]`.
//!
//! The times depend on this machine and this moment. Compare the CPU time for each event.

use format::body::{self, BodyRecord};
use format::frame::{EntryKind, LogEntry, encode_group};
use format::header::StoreId;
use model::{Cursor, Filled, GroupId, Index, KeyId, Namespace, Position, Revision, Slot, Term};
use std::error::Error;
use std::path::Path;
use std::time::Instant;
use storage::bodies::{Bodies, BodyOptions, BodyReader};
use storage::log::{Log, LogOptions};
use storage::real_disk::RealDisk;

type Outcome = Result<(), Box<dyn Error>>;

const STORE: StoreId = StoreId(1);
const EVENT_BYTES: usize = 1_024;
const EVENTS: u64 = 1_000_000;

fn main() -> Outcome {
    let scratch = tempfile::tempdir()?;
    let directory = std::env::args().nth(1).map_or_else(|| scratch.path().to_owned(), Into::into);
    for (batch, count) in [(1, 5_000), (16, 3_000), (64, 3_000), (512, 600)] {
        log(&directory, batch, count)?;
    }
    bodies(&directory)
}

/// Microseconds of CPU time of this thread.
fn cpu_us() -> Result<f64, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split(' ').next().ok_or("no figures")?.parse::<f64>()? / 1e3)
}

/// Entries with this many events, one for each sync, on prepared segments.
fn log(directory: &Path, batch: usize, count: u64) -> Outcome {
    let path = directory.join(format!("log-{batch}"));
    let begun = Instant::now();
    let mut log = Log::open(RealDisk::open(&path)?, LogOptions::new(STORE))?;
    let opened = begun.elapsed();
    for _ in 0..4 {
        log.preparer.prepare()?;
        log.writer.rotate()?;
    }
    let event = vec![b'e'; EVENT_BYTES * batch];
    let mut records = Vec::new();
    let mut syncs = Vec::new();
    let (begun, cpu) = (Instant::now(), cpu_us()?);
    for index in 1..=count {
        let sync = Instant::now();
        records.clear();
        let entry = LogEntry { index: Index(index), term: Term(1), kind: EntryKind::Normal, bytes: &event };
        encode_group(GroupId(1), None, std::iter::once(entry), &mut records);
        log.writer.write(&records)?;
        log.writer.sync()?;
        log.writer.purge(GroupId(1), Index(index.saturating_sub(128)))?;
        syncs.push(sync.elapsed());
    }
    let (took, cpu) = (begun.elapsed(), cpu_us()? - cpu);
    syncs.sort();
    let [p50, p999] = [count / 2, count * 999 / 1_000].map(|at| syncs[at as usize]);
    let events = count as f64 * batch as f64;
    println!(
        "log, {batch} events a sync: {:.0} events/s, write and sync p50 {p50:?} p99.9 {p999:?}, \
         {:.2} µs of CPU an event, {:.1} a sync; opened in {opened:?}",
        events / took.as_secs_f64(),
        cpu / events,
        cpu / count as f64,
    );
    drop(log);
    let begun = Instant::now();
    let log = Log::open(RealDisk::open(&path)?, LogOptions::new(STORE))?;
    let opened = begun.elapsed();
    let first = log.groups[&GroupId(1)].first;
    let (begun, mut next) = (Instant::now(), first);
    while next.0 <= count {
        next = Index(next.0 + log.reader.entries(GroupId(1), next, 1 << 20)?.entries.len() as u64);
    }
    let took = begun.elapsed();
    println!("  opened again in {opened:?}, {} entries read in {took:?}", count + 1 - first.0);
    Ok(())
}

fn bodies(directory: &Path) -> Outcome {
    let disk = RealDisk::open(&directory.join("bodies"))?;
    let (mut bodies, reader) = Bodies::open(disk.clone(), 0, BodyOptions::new(STORE))?;
    let mut batch = Vec::new();
    let envelope = vec![b'e'; EVENT_BYTES];
    let (mut cpu, begun) = (0.0, Instant::now());
    for first in (1..=EVENTS).step_by(64) {
        batch.clear();
        (first..first + 64).for_each(|position| encode(position, &envelope, &mut batch));
        let before = cpu_us()?;
        bodies.append(&batch, cursor(first + 63))?;
        cpu += cpu_us()? - before;
    }
    println!("bodies: appended at {:.3} µs of CPU an event, {:?}", cpu / EVENTS as f64, begun.elapsed());
    let begun = Instant::now();
    let end = bodies.sync_handle().run()?;
    println!("  synced in {:?}, {:?}", begun.elapsed(), bodies.stats());
    read_all(&reader)?;
    read_some(&reader)?;
    let begun = Instant::now();
    let (_, reader) = Bodies::open(disk, end, BodyOptions::new(STORE))?;
    println!("  opened again in {:?}", begun.elapsed());
    read_all(&reader)
}

fn cursor(position: u64) -> Cursor {
    Cursor::new(Position(position), Slot(3))
}

fn encode(position: u64, envelope: &[u8], out: &mut Vec<u8>) {
    let record = BodyRecord {
        position: Position(position),
        slot: Slot(3),
        namespace: Namespace::ROOT,
        key_id: KeyId(0),
        revision: Revision(position),
        filled: Filled::default(),
        stream: "cart-12345",
        event_type: "item-added",
        envelope,
    };
    body::encode(&record, out);
}

fn read_all(reader: &BodyReader<RealDisk>) -> Outcome {
    let (begun, cpu) = (Instant::now(), cpu_us()?);
    let (mut after, mut events) = (Cursor::START, 0_u64);
    loop {
        let page = reader.page_after(after, cursor(u64::MAX), 256 << 10)?;
        let mut rest = &page.bytes[..];
        while !rest.is_empty() {
            let (_, len) = body::decode(rest).map_err(|_| "a body is broken")?;
            rest = &rest[len..];
            events += 1;
        }
        after = page.through;
        if page.at_end {
            break;
        }
    }
    let cpu = (cpu_us()? - cpu) / events as f64;
    println!("  {events} events read in order, checked: {cpu:.3} µs of CPU an event, {:?}", begun.elapsed());
    Ok(())
}

/// A stream of a thousand events among all others, forward and backward.
fn read_some(reader: &BodyReader<RealDisk>) -> Outcome {
    let mut positions: Vec<Position> = (0..1_000).map(|at| Position(at * 997 + 1)).collect();
    for order in ["forward", "backward"] {
        let (begun, cpu) = (Instant::now(), cpu_us()?);
        let found = reader.get_many(&positions)?.into_iter().flatten().count();
        let cpu = (cpu_us()? - cpu) / found as f64;
        println!("  {found} scattered events read {order}: {cpu:.2} µs of CPU each, {:?}", begun.elapsed());
        positions.reverse();
    }
    Ok(())
}
