//! What a driver has its threads do: one job of a kind at a time, after a pause where the disk was full, and nothing
//! that is not due. The log is written and synced at once, and the test does the other jobs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use driver::{
    Attempt, CompactJob, CompactWork, Driver, Effect, Engine, FlushJob, FlushWork, Input, LogJob, LogWork,
    Report,
};
use format::header::StoreId;
use model::{
    Append, Command, DeleteStream, Expected, Filled, Fingerprint, GroupId, Identity, KeyId, NewEvent,
    StreamName, Wall,
};
use node::{
    DiskSpace, GroupLog, Mono, NodeOptions, Now, RaftEngine, RaftEngineOptions, Replies, Request, Unavailable,
};
use shard::{Shard, ShardOptions};
use std::collections::VecDeque;
use storage::bodies::{Bodies, BodyOptions, BodyWrite};
use storage::log::{Log, LogOptions};
use storage::memory_disk::MemoryDisk;
use storage::memory_state::{MemoryCompactor, MemoryFlush, MemoryReader, MemoryState, MemoryStateDisk};
use storage::state::State as _;
use storage::write_behind::WriteBehind;

const STORE: StoreId = StoreId(7);

type NodeDisk = WriteBehind<MemoryDisk>;

/// Replies are numbers.
#[derive(Debug)]
struct Numbers;

impl Replies for Numbers {
    type Outcome = u64;
    type TimeClosed = u64;
    type Woken = u64;

    fn is_gone(_: &u64) -> bool {
        false
    }

    fn is_abandoned(_: &u64) -> bool {
        false
    }
}

type Effects = Vec<Effect<NodeDisk, MemoryState, Numbers>>;

struct Bench {
    driver: Driver<NodeDisk, MemoryState, Numbers>,
    log: LogWork<NodeDisk>,
    flush: FlushWork<NodeDisk, MemoryFlush>,
    compact: CompactWork<NodeDisk, MemoryCompactor, MemoryReader>,
    writes: VecDeque<BodyWrite<NodeDisk>>,
    bodies_disk: MemoryDisk,
    now: Now,
    space: DiskSpace,
    /// Why requests failed.
    failed: Vec<Unavailable>,
}

impl Bench {
    /// A node that leads and has its segments prepared. A body segment holds this many bytes.
    fn ready(segment_bytes: u64) -> Self {
        let mut bench = Self::open(segment_bytes);
        assert_eq!(bench.step(Input::Start), ["prepare"]);
        assert_eq!(bench.flush(), [""; 0]);
        bench
    }

    fn open(segment_bytes: u64) -> Self {
        let bodies_disk = MemoryDisk::new();
        let options = BodyOptions { segment_bytes, ..BodyOptions::new(STORE) };
        let (bodies, _) = Bodies::open(WriteBehind::new(bodies_disk.clone()), 0, options).unwrap();
        let log = Log::open(WriteBehind::new(MemoryDisk::new()), LogOptions::new(STORE)).unwrap();
        let state = MemoryState::open(&MemoryStateDisk::new());
        let compact = CompactWork::new(state.compactor());
        let reader = GroupLog::new(GroupId(1), log.reader);
        let shard = Shard::new(ShardOptions::default());
        let engine: Engine<_, _> =
            RaftEngine::open(RaftEngineOptions::default(), reader, None, shard, state).unwrap();
        Self {
            flush: FlushWork::new(log.preparer.clone(), bodies.preparer()),
            log: LogWork::new(log.writer, log.preparer.clone()),
            driver: Driver::new(NodeOptions::default(), engine, bodies, log.preparer),
            compact,
            writes: VecDeque::new(),
            bodies_disk,
            now: Now { wall: Wall(1_000_000), mono: Mono(0) },
            space: DiskSpace::Enough,
            failed: Vec::new(),
        }
    }

    /// Does what follows, and returns what the threads are to do.
    fn obey(&mut self, mut effects: Effects) -> Vec<&'static str> {
        let mut said = Vec::new();
        while !effects.is_empty() {
            let mut next = Vec::new();
            for effect in effects {
                said.extend(self.obey_one(effect, &mut next));
            }
            effects = next;
        }
        said
    }

    fn obey_one(
        &mut self,
        effect: Effect<NodeDisk, MemoryState, Numbers>,
        next: &mut Effects,
    ) -> Option<&'static str> {
        match effect {
            Effect::Log(job) => return self.log(job, next),
            Effect::Flush(job) => {
                let what = if matches!(job, FlushJob::Prepare) { "prepare" } else { "flush" };
                self.flush.take(job);
                return Some(what);
            }
            Effect::Compact(job) => {
                let what = if matches!(job, CompactJob::State) { "merge" } else { "rewrite bodies" };
                self.compact.take(job);
                return Some(what);
            }
            Effect::WriteBodies(write) => {
                self.writes.push_back(write);
                return Some("write bodies");
            }
            Effect::DiskSpace(_) => return Some("disk space"),
            Effect::CompactionOutOfSpace { .. } => return Some("no space"),
            Effect::Outcome { result: Err(why), .. } => self.failed.push(why),
            Effect::Continue => self.driver.step(self.now, Input::Continue, next).unwrap(),
            _ => {}
        }
        None
    }

    fn log(&mut self, job: LogJob, next: &mut Effects) -> Option<&'static str> {
        let what = match job {
            LogJob::Write { .. } => None,
            LogJob::Purge { .. } => Some("purge log"),
            LogJob::Rotate => Some("rotate log"),
            LogJob::Scrub => Some("scrub log"),
        };
        self.log.take(job).unwrap();
        if let Some(synced) = self.log.sync().unwrap() {
            self.driver.reported(self.now, Report::Log(synced), next).unwrap();
        }
        what
    }

    fn step(&mut self, input: Input<Numbers>) -> Vec<&'static str> {
        let mut effects = Vec::new();
        self.driver.step(self.now, input, &mut effects).unwrap();
        self.obey(effects)
    }

    fn report(&mut self, report: Report) -> Vec<&'static str> {
        let mut effects = Vec::new();
        self.driver.reported(self.now, report, &mut effects).unwrap();
        self.obey(effects)
    }

    /// The check that follows after this much time.
    fn check_after(&mut self, ms: u64) -> Vec<&'static str> {
        self.now = Now { wall: Wall(self.now.wall.0 + ms), mono: Mono(self.now.mono.0 + ms) };
        let mut effects = Vec::new();
        self.driver.check(self.now, self.space.clone(), &mut effects).unwrap();
        self.obey(effects)
    }

    fn command(&mut self, command: Command<'static>) -> Vec<&'static str> {
        self.step(Input::Requests(vec![Request::Command { command, reply: 0 }]))
    }

    /// Appends an event of this size.
    fn append(&mut self, bytes: usize) -> Vec<&'static str> {
        let event = NewEvent {
            identity: Identity::Server,
            fingerprint: Fingerprint(1),
            filled: Filled::default(),
            event_type: "t".into(),
            key_id: KeyId::NONE,
            envelope: vec![b'x'; bytes].into(),
        };
        let append = Append { keyed: None, stream: stream(), expected: Expected::Any, events: vec![event] };
        self.command(Command::Append(append))
    }

    /// Does the jobs of the flush thread.
    fn flush(&mut self) -> Vec<&'static str> {
        let mut said = Vec::new();
        while !self.flush.is_idle() {
            if let Some(report) = self.flush.step().unwrap() {
                said.extend(self.report(report));
            }
        }
        said
    }

    /// Does the jobs of the compaction thread.
    fn compact(&mut self) -> Vec<&'static str> {
        let mut said = Vec::new();
        while let Some(report) = self.compact.step().unwrap() {
            said.extend(self.report(report));
        }
        said
    }

    fn write_bodies(&mut self) -> Vec<&'static str> {
        self.writes.pop_front().expect("bodies to be written").run().unwrap();
        self.report(Report::BodiesWritten)
    }
}

fn stream() -> StreamName<'static> {
    StreamName::new("a").unwrap()
}

fn out_of_space() -> Attempt {
    Attempt::OutOfSpace { why: "full".into() }
}

#[test]
fn a_check_is_due_after_as_much_log_as_could_use_up_the_reserve() {
    let mut bench = Bench::ready(64 << 20);
    assert!(!bench.driver.is_check_due());
    for megabytes in [4, 8, 12, 16] {
        bench.append(4 << 20);
        assert_eq!(bench.driver.is_check_due(), megabytes == 16, "after {megabytes} MiB");
    }
    bench.check_after(0);
    assert!(!bench.driver.is_check_due());
}

#[test]
fn bodies_are_written_many_at_a_time_or_at_a_check_and_by_one_job() {
    let mut bench = Bench::ready(64 << 20);
    assert_eq!(bench.append(200 << 10), [""; 0]);
    assert_eq!(bench.append(200 << 10), ["write bodies"]);
    assert_eq!(bench.append(200 << 10), [""; 0], "one job at a time");
    assert_eq!(bench.check_after(1_000), [""; 0], "one job at a time");
    assert_eq!(bench.write_bodies(), [""; 0], "nothing is left");
    assert_eq!(bench.append(10), [""; 0]);
    assert_eq!(bench.check_after(1_000), ["write bodies"]);
    assert_eq!(bench.append(300 << 10), [""; 0]);
    assert_eq!(bench.append(10), [""; 0]);
    bench.write_bodies();
    assert_eq!(bench.check_after(1_000), [""; 0], "nothing is left");
}

#[test]
fn a_driver_writes_bodies_itself_before_too_many_wait_in_memory() {
    let mut bench = Bench::ready(256 << 20);
    bench.append(1 << 20);
    let before = bench.bodies_disk.used_bytes();
    for _ in 0..12 {
        bench.append(5 << 20);
    }
    assert_eq!(bench.bodies_disk.used_bytes(), before, "61 MiB wait for a job");
    bench.append(5 << 20);
    assert!(bench.bodies_disk.used_bytes() >= before + (64 << 20));
}

#[test]
fn segments_are_prepared_once_at_a_time_when_wanted_and_after_a_pause_on_a_full_disk() {
    let mut bench = Bench::open(64 << 20);
    assert_eq!(bench.step(Input::Start), ["prepare"]);
    assert_eq!(bench.check_after(1_000), [""; 0], "it is under way");
    assert_eq!(bench.report(Report::Prepared(out_of_space())), [""; 0]);
    assert_eq!(bench.check_after(999), [""; 0], "too early");
    assert_eq!(bench.check_after(1), ["prepare"]);
    assert_eq!(bench.flush(), [""; 0]);
    assert_eq!(bench.check_after(60_000), [""; 0], "all segments are prepared");
}

#[test]
fn the_node_and_the_outside_are_told_once_that_the_disk_has_no_space_and_that_it_has_again() {
    let mut bench = Bench::open(64 << 20);
    bench.step(Input::Start);
    bench.report(Report::Prepared(out_of_space()));
    bench.space = DiskSpace::Low { why: "full".into() };
    assert_eq!(bench.check_after(1), ["disk space"]);
    assert_eq!(bench.check_after(1), [""; 0]);
    bench.append(10);
    assert_eq!(bench.failed, [Unavailable::ReadOnly("full".into())]);
    bench.space = DiskSpace::Enough;
    assert_eq!(bench.check_after(1), ["disk space", "prepare"], "without a pause");
    bench.append(10);
    assert_eq!(bench.failed.len(), 1);
}

#[test]
fn a_merge_that_found_no_space_is_tried_again_after_a_pause_until_it_succeeds() {
    let mut bench = Bench::ready(64 << 20);
    assert_eq!(bench.check_after(60_000), [""; 0]);
    for pause_ms in [1_000, 2_000] {
        assert_eq!(bench.report(Report::Compacted(out_of_space())), ["no space"]);
        assert_eq!(bench.check_after(pause_ms - 1), [""; 0], "too early");
        assert_eq!(bench.check_after(1), ["merge"]);
    }
    assert_eq!(bench.report(Report::Compacted(Attempt::Done)), [""; 0]);
    assert_eq!(bench.check_after(60_000), [""; 0]);
}

#[test]
fn a_segment_of_bodies_is_rewritten_once_at_a_time_and_after_a_pause_on_a_full_disk() {
    let mut bench = Bench::ready(4 << 10);
    for _ in 0..10 {
        bench.append(1_000);
    }
    let delete = DeleteStream { stream: stream(), expected: Expected::Any };
    bench.command(Command::DeleteStream(delete));
    bench.check_after(1_000);
    bench.step(Input::FlushSoon);
    assert_eq!(bench.flush(), ["merge", "purge log"]);
    assert_eq!(bench.compact(), [""; 0]);

    assert_eq!(rewrites(&bench.check_after(1_000)), 1);
    assert_eq!(rewrites(&bench.check_after(1_000)), 0, "it is under way");
    bench.bodies_disk.set_capacity(Some(0));
    let report = bench.compact.step().unwrap().expect("a report");
    assert_eq!(rewrites(&bench.check_after(1_000)), 0, "its report is under way");
    assert_eq!(bench.report(report), ["no space"]);
    bench.bodies_disk.set_capacity(None);
    assert_eq!(rewrites(&bench.check_after(999)), 0, "too early");
    assert_eq!(rewrites(&bench.check_after(1)), 1);
    assert_eq!(bench.compact(), ["rotate log", "flush"], "the log may hold what was removed");
    assert_eq!(rewrites(&bench.check_after(0)), 1, "the next");
}

/// How many rewrites of bodies begin.
fn rewrites(said: &[&str]) -> usize {
    said.iter().filter(|what| **what == "rewrite bodies").count()
}
