//! Two groups in one node: each has half of the slots and a state of its own, and they share one log, one sync,
//! and every crash.

use crate::samples::{append_to, event};
use consensus::{Message, Ticket};
use format::header::StoreId;
use model::{Command, Expected, GroupId, Identity, Namespace, Outcome, Slot, SlotRange, StreamName, Wall};
use node::{
    GroupLog, Input, Mono, Node, NodeOptions, Now, Output, RaftCompletion, RaftEngine, RaftEngineOptions,
    RaftIo, Replies, Request,
};
use seeded_rng::Rng;
use shard::{Shard, ShardOptions, query};
use storage::log::{Log, LogOptions, LogWriter};
use storage::memory_disk::MemoryDisk;
use storage::memory_state::{BegunFlush, MemoryState, MemoryStateDisk};
use storage::state::FlushJob as _;

const STREAMS: usize = 24;
const GROUPS: [(GroupId, SlotRange); 2] = [
    (GroupId(1), SlotRange { first: Slot(0), last: Slot(0x7fff) }),
    (GroupId(2), SlotRange { first: Slot(0x8000), last: Slot(u16::MAX) }),
];

/// A reply is the number of the stream that was appended to.
#[derive(Debug)]
struct Numbers;

impl Replies for Numbers {
    type Outcome = usize;
    type TimeClosed = ();
    type Woken = ();

    fn is_gone(_: &()) -> bool {
        false
    }

    fn is_abandoned(_: &usize) -> bool {
        false
    }
}

type GroupNode = Node<RaftEngine<MemoryState, GroupLog<MemoryDisk>>, Numbers>;

/// The process: everything that a crash loses.
struct Process {
    nodes: [GroupNode; 2],
    writer: LogWriter<MemoryDisk>,
    to_write: Vec<(usize, Ticket, Vec<u8>)>,
    written: Vec<(usize, Ticket)>,
    ready: usize,
}

struct World {
    rng: Rng,
    now: Now,
    log_disk: MemoryDisk,
    state_disks: [MemoryStateDisk; 2],
    /// For each stream: events submitted, and events acknowledged.
    submitted: [u64; STREAMS],
    acknowledged: [u64; STREAMS],
    flushes: u64,
}

fn stream(number: usize) -> StreamName<'static> {
    StreamName::new(format!("s-{number}")).unwrap()
}

/// The group that owns a stream.
fn group_of(number: usize) -> usize {
    let slot = stream(number).slot(Namespace::ROOT);
    GROUPS.iter().position(|(_, slots)| slots.contains(slot)).unwrap()
}

fn append(number: usize) -> Command<'static> {
    append_to(stream(number), Expected::Any, event(Identity::Server))
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: Rng::new(seed),
            now: Now { wall: Wall(1_000_000), mono: Mono(0) },
            log_disk: MemoryDisk::new(),
            state_disks: [MemoryStateDisk::new(), MemoryStateDisk::new()],
            submitted: [0; STREAMS],
            acknowledged: [0; STREAMS],
            flushes: 0,
        }
    }

    /// Opens both groups on what the disks hold, and waits until both lead.
    fn start(&mut self) -> Process {
        let options = LogOptions { segment_bytes: 64 << 10, ..LogOptions::new(StoreId(7)) };
        let log = Log::open(self.log_disk.clone(), options).unwrap();
        let open = |at: usize| {
            let (group, slots) = GROUPS[at];
            let shard = Shard::new(ShardOptions { slots, ..ShardOptions::default() });
            let state = MemoryState::open(&self.state_disks[at]);
            let options = RaftEngineOptions { group, ..RaftEngineOptions::default() };
            let reader = GroupLog::new(group, log.reader.clone());
            let engine = RaftEngine::open(options, reader, log.groups.get(&group), shard, state).unwrap();
            Node::new(NodeOptions::default(), engine)
        };
        let nodes = [open(0), open(1)];
        let (to_write, written) = (Vec::new(), Vec::new());
        let mut process = Process { nodes, writer: log.writer, to_write, written, ready: 0 };
        for at in 0..2 {
            self.step(&mut process, at, Input::Start);
        }
        while process.ready < 2 {
            self.write(&mut process);
            self.sync(&mut process);
        }
        process
    }

    fn step(&mut self, process: &mut Process, at: usize, input: Input<RaftCompletion, Message, Numbers>) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            process.nodes[at].step(self.now, input, &mut out);
            for output in out {
                match output {
                    Output::Io(RaftIo::WriteLog { ticket, records }) => {
                        process.to_write.push((at, ticket, records));
                    }
                    Output::Io(RaftIo::Flush { flush }) => {
                        self.flushes += 1;
                        let progress = flush.run().unwrap();
                        assert_eq!(progress.group, GROUPS[at].0);
                        inputs.push(Input::Completion(RaftCompletion::Flushed(progress)));
                    }
                    Output::Io(RaftIo::PurgeLog { group, through }) => {
                        process.writer.purge(group, through).unwrap();
                    }
                    Output::Outcome { reply, result } => {
                        assert!(matches!(result.unwrap(), Outcome::Appended(_)));
                        self.acknowledged[reply] += 1;
                    }
                    Output::Ready { .. } => process.ready += 1,
                    Output::Continue => inputs.push(Input::Continue),
                    Output::Halt(error) => panic!("{error}"),
                    _ => {}
                }
            }
        }
    }

    fn write(&mut self, process: &mut Process) {
        for (at, ticket, records) in std::mem::take(&mut process.to_write) {
            process.writer.write(&records).unwrap();
            process.written.push((at, ticket));
        }
    }

    /// One sync makes the entries of both groups durable.
    fn sync(&mut self, process: &mut Process) {
        process.writer.sync().unwrap();
        for (at, ticket) in std::mem::take(&mut process.written) {
            self.step(process, at, Input::Completion(RaftCompletion::LogSynced(ticket)));
        }
    }

    fn act(&mut self, process: &mut Process) {
        self.now.wall.0 += 1;
        self.now.mono.0 += 1;
        match self.rng.below(10) {
            0..=4 => {
                let number = self.rng.below(STREAMS as u64) as usize;
                self.submitted[number] += 1;
                let request = Request::Command { command: append(number), reply: number };
                self.step(process, group_of(number), Input::Requests(vec![request]));
            }
            5..=6 => self.write(process),
            7..=8 => self.sync(process),
            _ => {
                let at = self.rng.below(2) as usize;
                self.step(process, at, Input::FlushSoon);
            }
        }
    }

    fn check(&self, process: &Process) {
        for number in 0..STREAMS {
            let ours = group_of(number);
            let next = |at: usize| {
                query::stream(process.nodes[at].engine().state(), &stream(number)).unwrap().next.0
            };
            let kept = self.acknowledged[number]..=self.submitted[number];
            assert!(kept.contains(&next(ours)), "{} of {kept:?} events of {number}", next(ours));
            assert_eq!(next(1 - ours), 0, "a row of {number} is in the other group's state");
        }
        for (at, (_, slots)) in GROUPS.iter().enumerate() {
            let state = process.nodes[at].engine().state();
            let applied = |slots: SlotRange| query::clock(state, slots.first).unwrap().applied;
            let acknowledged = (0..STREAMS).filter(|number| group_of(*number) == at);
            let acknowledged = acknowledged.map(|number| self.acknowledged[number]).sum::<u64>();
            assert!(applied(*slots) > 0 || acknowledged == 0);
            assert_eq!(applied(GROUPS[1 - at].1), 0, "the other group's clock is in this state");
        }
    }

    fn crash(&mut self) {
        self.log_disk = self.log_disk.crash(&mut || self.rng.next_u64());
        self.state_disks.iter().for_each(|disk| disk.crash(BegunFlush::Lost));
    }
}

#[test]
fn two_groups_share_a_log_and_each_recovers_its_own_entries_from_it() {
    let (mut acknowledged, mut flushes) = (0, 0);
    for seed in 0..40 {
        let mut world = World::new(seed);
        for _ in 0..6 {
            let mut process = world.start();
            world.check(&process);
            let actions = world.rng.below(300);
            for _ in 0..actions {
                world.act(&mut process);
            }
            world.check(&process);
            drop(process);
            world.crash();
        }
        acknowledged += world.acknowledged.iter().sum::<u64>();
        flushes += world.flushes;
    }
    assert!(acknowledged > 5_000 && flushes > 500, "{acknowledged} events, {flushes} flushes");
}
