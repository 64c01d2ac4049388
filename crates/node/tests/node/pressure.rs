//! A state whose disk work lags behind stops new entries, until that work has ended.

use crate::empty_log::EmptyLog;
use crate::numbers::Numbers;
use consensus::{Message, Ticket};
use model::view::Visit;
use model::{
    Command, DeleteStream, Expected, KeyRange, Order, Outcome, StreamName, Value, View, ViewError, Wall,
    WriteSet,
};
use node::{
    Input, Mono, Node, NodeOptions, Now, Output, RaftCompletion, RaftEngine, RaftEngineOptions, RaftIo,
    Request,
};
use shard::{Shard, ShardOptions};
use std::cell::Cell;
use std::rc::Rc;
use storage::memory_state::{MemoryCompactor, MemoryFlush, MemoryReader, MemoryState, MemoryStateDisk};
use storage::state::{Pressure, Progress, State, StateError, StateFigures};

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
