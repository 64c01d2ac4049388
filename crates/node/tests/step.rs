//! The node's step machine over the engine built in: what comes out, and in which order.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use consensus::{LogView, LogViewError, Ticket};
use model::{
    Append, Command, Cursor, Expected, Filled, Fingerprint, GroupId, IdHash, Identity, Index, NewEvent,
    Outcome, PutSettings, Settings, StreamName, Term, Wall,
};
use node::raft_engine::{open_group, recovered};
use node::{
    Answer, Ask, Input, Mono, Node, NodeOptions, Now, Output, RaftCompletion, RaftEngine, RaftEngineOptions,
    RaftIo, Request, RequestId, Unavailable,
};
use shard::{Shard, ShardOptions};
use std::borrow::Cow;
use storage::memory_state::{MemoryFlush, MemoryState, MemoryStateDisk};
use storage::state::{FlushJob, Progress};

/// Nothing is replayed in these tests.
#[derive(Debug)]
struct EmptyLog;

impl LogView for EmptyLog {
    fn entries(&self, _: Index, _: usize) -> Result<Vec<(Index, Term, Vec<u8>)>, LogViewError> {
        Ok(Vec::new())
    }
}

type Out = Output<RaftIo<MemoryFlush>>;

struct Bench {
    node: Node<RaftEngine<MemoryState, EmptyLog>>,
    now: Now,
}

impl Bench {
    fn new(options: NodeOptions) -> Self {
        let engine_options = RaftEngineOptions { group: GroupId(1), ..RaftEngineOptions::default() };
        let place = recovered(Progress::default(), None, &EmptyLog).unwrap();
        let state = MemoryState::open(&MemoryStateDisk::new());
        let shard = Shard::new(ShardOptions::default());
        let engine = RaftEngine::new(
            engine_options,
            open_group(&place).unwrap(),
            EmptyLog,
            shard,
            state,
            place.logged.0,
        );
        Self { node: Node::new(options, engine), now: Now { wall: Wall(1_000_000), mono: Mono(0) } }
    }

    /// A node that leads.
    fn ready(options: NodeOptions) -> Self {
        let mut bench = Self::new(options);
        let ticket = ticket(&bench.step(Input::Start));
        let out = bench.synced(ticket);
        assert!(matches!(out[0], Output::Ready { replayed_entries: 0 }), "{out:?}");
        bench
    }

    fn step(&mut self, input: Input<RaftCompletion>) -> Vec<Out> {
        let mut out = Vec::new();
        self.node.step(self.now, input, &mut out);
        out
    }

    fn synced(&mut self, ticket: Ticket) -> Vec<Out> {
        self.step(Input::Completion(RaftCompletion::LogSynced(ticket)))
    }

    fn ask(&mut self, id: u64, ask: Ask) -> Vec<Out> {
        self.step(Input::Requests(vec![Request { id: RequestId(id), ask }]))
    }
}

/// The one log write among the outputs.
fn ticket(out: &[Out]) -> Ticket {
    let tickets: Vec<_> = out
        .iter()
        .filter_map(|output| match output {
            Output::Io(RaftIo::WriteLog { ticket, .. }) => Some(*ticket),
            _ => None,
        })
        .collect();
    assert_eq!(tickets.len(), 1, "{out:?}");
    tickets[0]
}

fn append(text: &str) -> Ask {
    let event = NewEvent {
        identity: Identity::Client(IdHash(text.len() as u128)),
        fingerprint: Fingerprint(1),
        filled: Filled::default(),
        event_type: Cow::Borrowed("t"),
        envelope: Cow::Owned(format!("{{\"a\":\"{text}\"}}").into_bytes()),
    };
    let stream = StreamName::new(format!("s-{text}")).unwrap();
    Ask::Command(Command::Append(Append {
        keyed: None,
        stream,
        expected: Expected::Any,
        events: vec![event],
    }))
}

/// Outputs by kind, for scripts.
fn kinds(out: &[Out]) -> Vec<String> {
    out.iter()
        .map(|output| match output {
            Output::Io(RaftIo::WriteLog { .. }) => "write log".into(),
            Output::Io(RaftIo::AppendBodies { .. }) => "append bodies".into(),
            Output::Io(RaftIo::Flush { .. }) => "flush".into(),
            Output::Io(RaftIo::PurgeLog { .. }) => "purge log".into(),
            Output::Io(RaftIo::RemoveBodies { .. }) => "remove bodies".into(),
            Output::Answer(id, Ok(Answer::Outcome(Outcome::Appended(_)))) => format!("{} appended", id.0),
            Output::Answer(id, Ok(Answer::Outcome(outcome))) => format!("{} {outcome:?}", id.0),
            Output::Answer(id, Ok(Answer::TimeClosed)) => format!("{} time closed", id.0),
            Output::Answer(id, Err(unavailable)) => format!("{} {unavailable:?}", id.0),
            Output::Visible(_) => "visible".into(),
            Output::Ready { .. } => "ready".into(),
            Output::Wait(_) => "wait".into(),
            Output::Continue => "continue".into(),
            Output::Stopped => "stopped".into(),
            Output::Halt(_) => "halt".into(),
        })
        .collect()
}

#[test]
fn an_append_is_answered_after_its_sync_and_its_body_and_before_it_is_shown() {
    let mut bench = Bench::ready(NodeOptions::default());
    let out = bench.ask(1, append("a"));
    assert_eq!(kinds(&out), ["write log"]);
    let out = bench.synced(ticket(&out));
    assert_eq!(kinds(&out), ["append bodies", "1 appended", "visible"]);
    assert!(matches!(out[2], Output::Visible(cursor) if cursor > Cursor::START));
}

#[test]
fn what_comes_while_an_entry_syncs_becomes_one_entry_and_is_written_before_the_first_is_applied() {
    let mut bench = Bench::ready(NodeOptions::default());
    let first = bench.ask(1, append("a"));
    assert_eq!(kinds(&bench.ask(2, append("bb"))), [""; 0]);
    assert_eq!(kinds(&bench.ask(3, append("ccc"))), [""; 0]);
    let out = bench.synced(ticket(&first));
    assert_eq!(kinds(&out), ["write log", "append bodies", "1 appended", "visible"]);
    let out = bench.synced(ticket(&out));
    assert_eq!(kinds(&out), ["append bodies", "2 appended", "3 appended", "visible"]);
}

#[test]
fn before_it_leads_a_node_takes_nothing() {
    let mut bench = Bench::new(NodeOptions::default());
    assert_eq!(kinds(&bench.step(Input::Start)), ["write log"]);
    assert_eq!(kinds(&bench.ask(1, append("a"))), ["1 NotReady"]);
    assert_eq!(kinds(&bench.ask(2, Ask::CloseTime(Wall(1)))), ["2 NotReady"]);
}

#[test]
fn beyond_the_bound_of_waiting_bytes_requests_are_refused_until_answers_free_it() {
    let mut bench = Bench::ready(NodeOptions { waiting_bytes_max: 500, ..NodeOptions::default() });
    let first = bench.ask(1, append("a"));
    assert_eq!(kinds(&bench.ask(2, append("bb"))), [""; 0]);
    assert_eq!(kinds(&bench.ask(3, append("ccc"))), ["3 Busy"]);
    let out = bench.synced(ticket(&first));
    bench.synced(ticket(&out));
    assert_eq!(kinds(&bench.ask(4, append("dddd"))), ["write log"]);
}

#[test]
fn without_room_on_the_disk_writes_are_refused_and_with_room_taken_again() {
    let mut bench = Bench::ready(NodeOptions::default());
    bench.step(Input::DiskSpace(Err("full".into())));
    let out = bench.ask(1, append("a"));
    assert!(matches!(&out[0], Output::Answer(_, Err(Unavailable::ReadOnly(why))) if why == "full"));
    assert!(matches!(
        bench.ask(2, Ask::CloseTime(bench.now.wall))[0],
        Output::Answer(_, Err(Unavailable::ReadOnly(_)))
    ));
    bench.step(Input::DiskSpace(Ok(())));
    assert_eq!(kinds(&bench.ask(3, append("a"))), ["write log"]);
}

#[test]
fn a_time_is_closed_by_an_entry_above_it_and_then_stays_closed() {
    let mut bench = Bench::ready(NodeOptions::default());
    let wall = bench.now.wall;
    let out = bench.ask(1, Ask::CloseTime(wall));
    assert_eq!(kinds(&out), ["write log"]);
    assert_eq!(kinds(&bench.synced(ticket(&out))), ["1 time closed", "visible"]);
    assert_eq!(kinds(&bench.ask(2, Ask::CloseTime(wall))), ["2 time closed"]);

    // The machine's clock steps back; positions do not.
    bench.now.wall = Wall(wall.0 - 500);
    let out = bench.ask(3, append("a"));
    let out = bench.synced(ticket(&out));
    assert!(matches!(out[2], Output::Visible(cursor) if cursor.position.wall() > wall), "{out:?}");
    assert_eq!(bench.node.figures(bench.now).wall_ahead_ms, 501);
}

#[test]
fn a_stop_answers_what_waits_then_flushes_then_says_so() {
    let mut bench = Bench::ready(NodeOptions::default());
    let first = bench.ask(1, append("a"));
    bench.ask(2, append("bb"));
    assert_eq!(kinds(&bench.step(Input::Stop)), [""; 0]);
    assert_eq!(kinds(&bench.ask(3, append("ccc"))), ["3 Stopping"]);
    let out = bench.synced(ticket(&first));
    assert_eq!(kinds(&out), ["write log", "append bodies", "1 appended", "visible"]);
    let mut out = bench.synced(ticket(&out));
    assert_eq!(kinds(&out), ["append bodies", "2 appended", "visible", "flush"]);
    let Some(Output::Io(RaftIo::Flush { flush, .. })) = out.pop() else { panic!("{out:?}") };
    let progress = flush.run().unwrap();
    let out = bench.step(Input::Completion(RaftCompletion::Flushed(progress)));
    assert_eq!(kinds(&out), ["purge log", "stopped"]);
}

#[test]
fn a_timer_of_retention_wakes_the_node_and_its_own_command_removes_what_is_due() {
    let mut bench = Bench::ready(NodeOptions::default());
    let stream = StreamName::new("s-a").unwrap();
    let settings = Settings { max_age_ms: Some(5_000), ..Settings::default() };
    let out = bench.ask(1, Ask::Command(Command::PutSettings(PutSettings { stream, settings })));
    let out = bench.synced(ticket(&out));
    assert_eq!(kinds(&out), ["1 SettingsPut", "visible"]);
    let out = bench.ask(2, append("a"));
    let out = bench.synced(ticket(&out));
    let Some(Output::Wait(Some(at))) = out.last() else { panic!("{out:?}") };
    assert!((5_000..6_010).contains(&at.0), "late by a second at most, never early: {at:?}");

    bench.now = Now { wall: Wall(bench.now.wall.0 + at.0), mono: *at };
    let mut out = bench.step(Input::Deadline);
    let mut removed = false;
    while kinds(&out).contains(&"write log".to_owned()) {
        out = bench.synced(ticket(&out));
        removed |= kinds(&out).contains(&"remove bodies".to_owned());
    }
    assert!(removed, "the event's rows went, and its body may");
}

#[test]
fn without_room_for_a_flush_a_node_goes_on_flushes_when_there_is_room_and_stops_all_the_same() {
    let mut bench = Bench::ready(NodeOptions::default());
    let flush = |out: &mut Vec<Out>| matches!(out.pop(), Some(Output::Io(RaftIo::Flush { .. })));
    assert!(flush(&mut bench.step(Input::Stop)));
    let mut out = bench.step(Input::Completion(RaftCompletion::NoRoom));
    assert_eq!(kinds(&out), ["stopped"], "the log has it all");
    out.clear();

    let mut bench = Bench::ready(NodeOptions::default());
    bench.step(Input::Completion(RaftCompletion::NoRoom));
    bench.step(Input::Completion(RaftCompletion::RoomAgain));
    assert!(flush(&mut bench.step(Input::Stop)));
}
