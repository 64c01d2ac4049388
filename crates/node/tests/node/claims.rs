//! Claims that wait: who is granted tasks, when, and in which entry.

use crate::empty_log::EmptyLog;
use crate::numbers::Numbers;
use consensus::{Message, Ticket};
use model::{
    Claim, Command, Enqueue, Fingerprint, NewTask, Outcome, PutQueue, QueueName, QueueSettings, TaskOptions,
    Wall,
};
use node::{
    DiskSpace, Input, Mono, Node, NodeOptions, Now, Output, RaftCompletion, RaftEngine, RaftEngineOptions,
    RaftIo, Request,
};
use shard::{Shard, ShardOptions};
use std::borrow::Cow;
use storage::memory_state::{MemoryFlush, MemoryState, MemoryStateDisk};

type Out = Output<RaftIo<MemoryFlush>, Numbers>;

struct Bench {
    node: Node<RaftEngine<MemoryState, EmptyLog>, Numbers>,
    now: Now,
    /// Log writes that are not synced.
    tickets: Vec<Ticket>,
    /// Outcomes in the order in which they were sent: who, and what.
    sent: Vec<String>,
}

impl Bench {
    fn new() -> Self {
        let state = MemoryState::open(&MemoryStateDisk::new());
        let shard = Shard::new(ShardOptions::default());
        let engine = RaftEngine::open(RaftEngineOptions::default(), EmptyLog, None, shard, state).unwrap();
        let node = Node::new(NodeOptions::default(), engine);
        let now = Now { wall: Wall(1_000_000), mono: Mono(0) };
        let mut bench = Self { node, now, tickets: Vec::new(), sent: Vec::new() };
        bench.step(Input::Start);
        bench.sync();
        bench
    }

    fn step(&mut self, input: Input<RaftCompletion, Message, Numbers>) {
        let mut out: Vec<Out> = Vec::new();
        self.node.step(self.now, input, &mut out);
        for output in out {
            match output {
                Output::Io(RaftIo::WriteLog { ticket, .. }) => self.tickets.push(ticket),
                Output::Outcome { reply, result } => self.sent.push(match result {
                    Ok(Outcome::Claimed(claimed)) => format!("{reply} claims {}", claimed.tasks.len()),
                    Ok(Outcome::Enqueued(_)) => format!("{reply} enqueued"),
                    Ok(other) => format!("{reply} {other:?}"),
                    Err(why) => format!("{reply} {why}"),
                }),
                _ => {}
            }
        }
    }

    /// The log thread has written and synced one entry. Returns whether there was one.
    fn sync_one(&mut self) -> bool {
        if self.tickets.is_empty() {
            return false;
        }
        let ticket = self.tickets.remove(0);
        self.step(Input::Completion(RaftCompletion::LogSynced(ticket)));
        true
    }

    /// Syncs until nothing is left, and returns how many entries that took.
    fn sync(&mut self) -> usize {
        let mut entries = 0;
        while self.sync_one() {
            entries += 1;
        }
        entries
    }

    fn request(&mut self, request: Request<Numbers>) {
        self.step(Input::Requests(vec![request]));
    }

    fn put_queue(&mut self, reply: u64, settings: QueueSettings) {
        let command = Command::PutQueue(PutQueue { queue: queue(), settings });
        self.request(Request::Command { command, reply });
    }

    /// Enqueues one task of each type.
    fn enqueue(&mut self, reply: u64, types: &[&'static str]) {
        self.enqueue_all(reply, types.iter().map(|task_type| task(task_type)).collect());
    }

    fn enqueue_all(&mut self, reply: u64, tasks: Vec<NewTask<'static>>) {
        let command = Command::Enqueue(Enqueue { keyed: None, queue: queue(), tasks });
        self.request(Request::Command { command, reply });
    }

    fn claim(&mut self, reply: u64, types: &[&'static str]) {
        let types = types.iter().map(|task_type| Cow::Borrowed(*task_type)).collect();
        let worker = Cow::Borrowed("w");
        let claim = Claim { queue: queue(), worker, types, tasks_max: 1, claim_ms: None, request: None };
        self.request(Request::Claim { claim, reply });
    }

    fn sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }
}

fn queue() -> QueueName<'static> {
    QueueName::new("q").unwrap()
}

fn task(task_type: &'static str) -> NewTask<'static> {
    NewTask {
        id: None,
        fingerprint: Fingerprint(0),
        task_type: Cow::Borrowed(task_type),
        run_after: None,
        priority: 0,
        key: None,
        claim_ms: None,
        retry: None,
        envelope: Cow::Borrowed(b"{}"),
        options: TaskOptions::default(),
    }
}

#[test]
fn a_waiting_claim_is_granted_in_the_entry_that_enqueues_the_task() {
    let mut bench = Bench::new();
    bench.claim(1, &[]);
    bench.sync();
    assert_eq!(bench.sent(), [""; 0], "there is nothing to claim");
    bench.enqueue(2, &["x"]);
    assert_eq!(bench.sync(), 1, "entries");
    assert_eq!(bench.sent(), ["2 enqueued", "1 claims 1"]);
}

#[test]
fn as_many_waiting_claims_as_there_are_tasks_are_granted_in_the_entry_that_enqueues_them() {
    let mut bench = Bench::new();
    for reply in 1..=4 {
        bench.claim(reply, &[]);
    }
    bench.sync();
    bench.enqueue(5, &["x", "x", "x"]);
    assert_eq!(bench.sync(), 1, "entries");
    assert_eq!(bench.sent(), ["5 enqueued", "1 claims 1", "2 claims 1", "3 claims 1"]);
}

#[test]
fn waiting_claims_are_granted_in_the_order_of_their_arrival() {
    let mut bench = Bench::new();
    for (reply, types) in [(1, &["y"][..]), (2, &[]), (3, &["x"]), (4, &[])] {
        bench.claim(reply, types);
    }
    bench.sync();
    bench.enqueue(5, &["x", "x"]);
    bench.sync();
    assert_eq!(bench.sent(), ["5 enqueued", "2 claims 1", "3 claims 1"]);
    bench.enqueue(6, &["y", "x"]);
    bench.sync();
    assert_eq!(bench.sent(), ["6 enqueued", "1 claims 1", "4 claims 1"]);
}

#[test]
fn a_claim_misses_no_task_that_is_enqueued_while_it_is_on_its_way() {
    let mut bench = Bench::new();
    bench.claim(1, &[]);
    // This entry is closed before the claim has come back without tasks.
    bench.enqueue(2, &["x"]);
    bench.sync();
    assert_eq!(bench.sent(), ["2 enqueued", "1 claims 1"]);
}

#[test]
fn a_claim_that_comes_too_late_waits_on_before_those_that_came_after_it() {
    let mut bench = Bench::new();
    bench.claim(1, &[]);
    bench.claim(2, &[]);
    bench.sync();
    bench.put_queue(3, QueueSettings { paused: true, ..QueueSettings::default() });
    // The first claim is proposed with the task, and granted nothing.
    bench.enqueue(4, &["x"]);
    bench.sync();
    assert_eq!(bench.sent(), ["3 QueuePut", "4 enqueued"]);
    bench.put_queue(5, QueueSettings::default());
    bench.sync();
    assert_eq!(bench.sent(), ["5 QueuePut", "1 claims 1"]);
}

#[test]
fn a_task_whose_time_has_come_wakes_a_claim() {
    let mut bench = Bench::new();
    bench.claim(1, &[]);
    bench.sync();
    bench.enqueue_all(2, vec![NewTask { run_after: Some(Wall(1_000_500)), ..task("x") }]);
    bench.sync();
    assert_eq!(bench.sent(), ["2 enqueued"]);
    bench.now = Now { wall: Wall(1_000_501), mono: Mono(501) };
    bench.step(Input::TimerDue);
    bench.sync();
    assert_eq!(bench.sent(), ["1 claims 1"]);
}

#[test]
fn ten_thousand_waiting_claims_cost_no_entry_and_no_command() {
    let mut bench = Bench::new();
    for reply in 0..10_000 {
        bench.claim(reply, &["y"]);
    }
    bench.sync();
    bench.enqueue(20_000, &["x"]);
    assert_eq!(bench.sync(), 1);
    assert_eq!(bench.sent(), ["20000 enqueued"], "nobody waits for its type");
    bench.enqueue(20_001, &["y"]);
    assert_eq!(bench.sync(), 1);
    assert_eq!(bench.sent(), ["20001 enqueued", "0 claims 1"]);
}

#[test]
fn waiting_claims_end_with_a_reason_when_the_node_stops_or_cannot_write() {
    let mut bench = Bench::new();
    bench.claim(1, &[]);
    bench.sync();
    bench.step(Input::DiskSpace(DiskSpace::Low { why: "full".into() }));
    bench.claim(2, &[]);
    assert_eq!(bench.sent(), ["2 the node is read-only: full"]);
    bench.step(Input::Stop);
    assert_eq!(bench.sent(), ["1 the node is stopping"]);
}
