//! A state whose disk work lags behind stops new entries, and a replay, until that work has ended.

use crate::empty_log::EmptyLog;
use crate::numbers::Numbers;
use consensus::{LogEntry, LogView, LogViewError, Message, Ticket};
use format::frame::{EntryKind, HardState};
use format::terms::Terms;
use model::view::Visit;
use model::{
    Command, DeleteStream, Elapsed, EntryClock, Expected, Index, KeyRange, Order, Outcome, StreamName, Term,
    Value, View, ViewError, Wall, WriteSet,
};
use node::{
    Input, Mono, Node, NodeOptions, Now, Output, RaftCompletion, RaftEngine, RaftEngineOptions, RaftIo,
    Request,
};
use shard::{Shard, ShardOptions};
use std::cell::Cell;
use std::rc::Rc;
use storage::log::RecoveredGroup;
use storage::memory_state::{MemoryCompactor, MemoryFlush, MemoryReader, MemoryState, MemoryStateDisk};
use storage::state::{FlushJob as _, Pressure, Progress, State, StateError, StateFigures};

/// A state in memory under a pressure that the test sets.
#[derive(Debug)]
struct Pressed {
    state: MemoryState,
    pressure: Rc<Cell<Pressure>>,
}

impl View for Pressed {
    fn get(&self, key: &[u8]) -> Result<Option<Value>, ViewError> {
        self.state.get(key)
    }

    fn scan(&self, range: KeyRange<'_>, order: Order, visit: &mut Visit<'_>) -> Result<(), ViewError> {
        self.state.scan(range, order, visit)
    }
}

impl State for Pressed {
    type Reader = MemoryReader;
    type Flush = MemoryFlush;
    type Compactor = MemoryCompactor;

    fn progress(&self) -> Progress {
        self.state.progress()
    }

    fn commit(&mut self, writes: &WriteSet, progress: Progress) -> Result<(), StateError> {
        self.state.commit(writes, progress)
    }

    fn reader(&self) -> MemoryReader {
        self.state.reader()
    }

    fn unflushed_bytes(&self) -> u64 {
        self.state.unflushed_bytes()
    }

    fn pressure(&self) -> Pressure {
        self.pressure.get()
    }

    fn figures(&self) -> StateFigures {
        self.state.figures()
    }

    fn begin_flush(&mut self) -> Result<MemoryFlush, StateError> {
        self.state.begin_flush()
    }

    fn compactor(&self) -> MemoryCompactor {
        self.state.compactor()
    }
}

type TestNode = Node<RaftEngine<Pressed, EmptyLog>, Numbers>;

/// Steps the node, and returns the log writes and the replies.
fn step(node: &mut TestNode, input: Input<RaftCompletion, Message, Numbers>) -> (Vec<Ticket>, Vec<u64>) {
    let (mut out, mut tickets, mut replies) = (Vec::new(), Vec::new(), Vec::new());
    node.step(Now { wall: Wall(1_000), mono: Mono(0) }, input, &mut out);
    for output in out {
        match output {
            Output::Io(RaftIo::WriteLog { ticket, .. }) => tickets.push(ticket),
            Output::Outcome { reply, result } => {
                assert_eq!(result, Ok(Outcome::StreamDeleted { last: None }));
                replies.push(reply);
            }
            _ => {}
        }
    }
    (tickets, replies)
}

#[test]
fn no_entry_is_proposed_while_the_states_disk_work_lags_and_the_requests_wait() {
    let pressure = Rc::new(Cell::new(Pressure::None));
    let state = Pressed { state: MemoryState::open(&MemoryStateDisk::new()), pressure: Rc::clone(&pressure) };
    let shard = Shard::new(ShardOptions::default());
    let engine = RaftEngine::open(RaftEngineOptions::default(), EmptyLog, None, shard, state).unwrap();
    let mut node: TestNode = Node::new(NodeOptions::default(), engine);
    let (tickets, _) = step(&mut node, Input::Start);
    step(&mut node, Input::Completion(RaftCompletion::LogSynced(tickets[0])));

    pressure.set(Pressure::Stop);
    let stream = StreamName::new("a").unwrap();
    let command = Command::DeleteStream(DeleteStream { stream, expected: Expected::Any });
    let request = Request::Command { command, reply: 7 };
    assert_eq!(step(&mut node, Input::Requests(vec![request])), (vec![], vec![]));
    assert_eq!(step(&mut node, Input::Continue), (vec![], vec![]), "it still lags");
    pressure.set(Pressure::None);
    let (tickets, _) = step(&mut node, Input::Continue);
    assert_eq!(step(&mut node, Input::Completion(RaftCompletion::LogSynced(tickets[0]))).1, [7]);
}

/// A log that holds entries from an earlier start.
#[derive(Debug)]
struct Logged(Vec<LogEntry>);

impl LogView for Logged {
    fn entries(&self, from: Index, _: usize) -> Result<Vec<LogEntry>, LogViewError> {
        Ok(self.0.iter().filter(|entry| entry.index >= from).cloned().collect())
    }
}

/// A node that has five entries to replay, the first of which is entry 2, and begins a flush after each.
fn replaying(pressure: &Rc<Cell<Pressure>>) -> Node<RaftEngine<Pressed, Logged>, Numbers> {
    let clock = EntryClock { wall: Wall(1), elapsed: Elapsed(1) };
    let stream = StreamName::new("a").unwrap();
    let mut data = Vec::new();
    let delete = Command::DeleteStream(DeleteStream { stream, expected: Expected::Any });
    format::entry::encode(shard::BEHAVIOUR, clock, &[delete], &mut data);
    let entry = |index| LogEntry {
        index: Index(index),
        term: Term(1),
        kind: EntryKind::Normal,
        data: data.clone().into(),
    };
    let (first, last) = (Index(2), Index(6));
    let mut terms = Terms::default();
    terms.set(first, Term(1));
    let hard_state = HardState { term: Term(1), vote: 1, commit: last };
    let recovered = RecoveredGroup { hard_state, first, last, terms };
    let log = Logged((first.0..=last.0).map(entry).collect());
    let state = Pressed { state: MemoryState::open(&MemoryStateDisk::new()), pressure: Rc::clone(pressure) };
    let options = RaftEngineOptions { flush_log_bytes: 1, ..RaftEngineOptions::default() };
    let shard = Shard::new(ShardOptions::default());
    Node::new(NodeOptions::default(), RaftEngine::open(options, log, Some(&recovered), shard, state).unwrap())
}

#[test]
fn a_replay_waits_for_a_flush_only_while_one_is_under_way_and_the_states_disk_work_lags() {
    for (level, applied) in [(Pressure::None, vec![6, 6]), (Pressure::Stop, vec![2, 3])] {
        let pressure = Rc::new(Cell::new(level));
        let mut node = replaying(&pressure);
        let mut input = Input::Start;
        for applied in applied {
            let mut out = Vec::new();
            node.step(Now { wall: Wall(1_000), mono: Mono(0) }, input, &mut out);
            assert_eq!(node.engine().replay(), (Index(applied), Index(6)), "{level:?}");
            let flush = out.into_iter().find_map(|output| match output {
                Output::Io(RaftIo::Flush { flush }) => Some(flush),
                _ => None,
            });
            let progress = flush.expect("a flush").run().unwrap();
            input = Input::Completion(RaftCompletion::Flushed(progress));
        }
    }
}
