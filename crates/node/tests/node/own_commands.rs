//! The commands that a node proposes on its own: how many entries they cost, and that they keep up.

use crate::empty_log::EmptyLog;
use crate::samples::{append_to, event};
use consensus::{Message, Ticket};
use model::{Command, Expected, IdHash, Identity, Outcome, PutSettings, Settings, StreamName, Wall};
use node::{
    DiskSpace, Input, Mono, Node, NodeOptions, Now, Output, RaftCompletion, RaftEngine, RaftEngineOptions,
    RaftIo, Replies, Request,
};
use shard::{Shard, ShardOptions};
use std::collections::VecDeque;
use storage::memory_state::{MemoryState, MemoryStateDisk};

#[derive(Debug)]
struct Counted;

impl Replies for Counted {
    type Outcome = ();
    type TimeClosed = ();
    type Woken = ();

    fn is_gone(_: &()) -> bool {
        false
    }

    fn is_abandoned(_: &()) -> bool {
        false
    }
}

/// A node that leads, on a log whose writes complete when the test says so.
struct Rig {
    node: Node<RaftEngine<MemoryState, EmptyLog>, Counted>,
    now: Now,
    writing: VecDeque<Ticket>,
    wait: Option<Mono>,
    /// Log writes so far.
    entries: usize,
    /// Outcomes of clients' commands so far.
    outcomes: usize,
    /// Events whose rows were deleted so far.
    removed: usize,
}

impl Rig {
    fn new() -> Self {
        let state = MemoryState::open(&MemoryStateDisk::new());
        let shard = Shard::new(ShardOptions::default());
        let options = RaftEngineOptions {
            flush_state_bytes: u64::MAX,
            flush_log_bytes: u64::MAX,
            ..RaftEngineOptions::default()
        };
        let engine = RaftEngine::open(options, EmptyLog, None, shard, state).unwrap();
        let mut rig = Self {
            node: Node::new(NodeOptions::default(), engine),
            now: Now { wall: Wall(1_000_000), mono: Mono(0) },
            writing: VecDeque::new(),
            wait: None,
            entries: 0,
            outcomes: 0,
            removed: 0,
        };
        rig.step(Input::Start);
        rig.sync();
        rig.entries = 0;
        rig
    }

    fn step(&mut self, input: Input<RaftCompletion, Message, Counted>) {
        let mut next = Some(input);
        while let Some(input) = next.take() {
            let mut out = Vec::new();
            self.node.step(self.now, input, &mut out);
            for output in out {
                match output {
                    Output::Io(RaftIo::WriteLog { ticket, .. }) => {
                        self.entries += 1;
                        self.writing.push_back(ticket);
                    }
                    Output::Io(RaftIo::RemoveBodies { positions }) => self.removed += positions.len(),
                    Output::Outcome { result, .. } => {
                        assert!(!matches!(result.unwrap(), Outcome::Refused(_)));
                        self.outcomes += 1;
                    }
                    Output::Wait(at) => self.wait = at,
                    Output::Continue => next = Some(Input::Continue),
                    Output::Halt(error) => panic!("{error}"),
                    _ => {}
                }
            }
        }
    }

    /// Completes the oldest log write under way.
    fn sync(&mut self) -> bool {
        let Some(ticket) = self.writing.pop_front() else { return false };
        self.step(Input::Completion(RaftCompletion::LogSynced(ticket)));
        true
    }

    fn submit(&mut self, commands: impl IntoIterator<Item = Command<'static>>) {
        let requests = commands.into_iter().map(|command| Request::Command { command, reply: () }).collect();
        self.step(Input::Requests(requests));
    }

    /// Submits commands and waits for their outcomes.
    fn run(&mut self, commands: impl IntoIterator<Item = Command<'static>>) {
        self.submit(commands);
        while self.node.figures(self.now).waiting_commands > 0 {
            assert!(self.sync(), "commands wait, but nothing is being written");
        }
    }

    /// Lets time pass. Then a timer that has come due fires.
    fn pass(&mut self, ms: u64) {
        self.now.wall.0 += ms;
        self.now.mono.0 += ms;
        if self.wait.is_some_and(|at| at <= self.now.mono) {
            self.wait = None;
            self.step(Input::TimerDue);
        }
    }
}

fn stream(number: u64) -> StreamName<'static> {
    StreamName::new(format!("s-{number}")).unwrap()
}

fn append(to: u64, number: u64) -> Command<'static> {
    let event = event(Identity::Client(IdHash(u128::from(number))));
    append_to(stream(to), Expected::Any, event)
}

fn keep(to: u64, settings: Settings) -> Command<'static> {
    Command::PutSettings(PutSettings { stream: stream(to), settings })
}

fn max_age_ms(ms: u64) -> Settings {
    Settings { max_age_ms: Some(ms), ..Settings::default() }
}

#[test]
fn clean_up_goes_into_clients_entries_and_gets_its_own_only_while_the_node_is_idle() {
    let mut rig = Rig::new();
    rig.run((0..2_000).map(|number| append(0, number)));
    rig.run([keep(0, Settings { max_count: Some(0), ..Settings::default() })]);
    let (before, mut writes) = (rig.entries, 0);
    for number in 0..4 {
        rig.run([append(1, number)]);
        rig.pass(1);
        writes += 1;
    }
    assert_eq!(rig.entries - before, writes, "no entry of its own while a client writes");
    let by_then = rig.removed;
    assert!((500..1_500).contains(&by_then), "{by_then} events are cleaned up, a share in each entry");
    rig.pass(20);
    while rig.sync() {}
    assert_eq!(rig.removed, 2_000);
    assert!(rig.entries - before - writes <= 6, "{} entries", rig.entries - before - writes);
}

#[test]
fn a_read_only_node_expires_nothing_until_it_has_space_again() {
    let mut rig = Rig::new();
    rig.run([keep(0, max_age_ms(1_000)), append(0, 1)]);
    rig.step(Input::DiskSpace(DiskSpace::Low { why: "full".into() }));
    let before = rig.entries;
    rig.pass(60_000);
    rig.step(Input::TimerDue);
    assert_eq!((rig.entries - before, rig.removed), (0, 0));
    rig.step(Input::DiskSpace(DiskSpace::Enough));
    while rig.sync() {}
    assert_eq!((rig.entries - before, rig.removed), (1, 1));
}

#[test]
fn appends_to_a_stream_with_max_count_cost_one_entry_for_each_batch_of_clients() {
    let mut rig = Rig::new();
    rig.run([keep(0, Settings { max_count: Some(10), ..Settings::default() })]);
    let before = rig.entries;
    for number in 0..500 {
        rig.run([append(0, number)]);
        rig.pass(1);
    }
    assert_eq!(rig.entries - before, 500);
    assert!(rig.removed > 450, "only {} of 490 events are cleaned up", rig.removed);
}

#[test]
fn max_age_keeps_up_with_ten_thousand_streams_that_are_written_all_the_time() {
    const STREAMS: u64 = 10_000;
    const MAX_AGE_MS: u64 = 2_000;
    // Each stream gets an event a second, in entries that take 5 ms to sync.
    const SYNC_MS: u64 = 5;
    let mut rig = Rig::new();
    for from in (0..STREAMS).step_by(1_000) {
        rig.run((from..from + 1_000).map(|at| keep(at, max_age_ms(MAX_AGE_MS))));
    }
    let mut number = 0;
    for _ in 0..6_000 / SYNC_MS {
        rig.submit((0..STREAMS * SYNC_MS / 1_000).map(|_| {
            number += 1;
            append(number % STREAMS, number)
        }));
        rig.pass(SYNC_MS);
        rig.sync();
    }
    // A timer fires at most a second late, and an expiry waits for an entry.
    let kept_max = STREAMS * (MAX_AGE_MS + 1_000 + 500) / 1_000;
    let kept = number as usize - rig.removed;
    assert!(kept as u64 <= kept_max, "{kept} events are kept, of which {kept_max} are young enough");
}
