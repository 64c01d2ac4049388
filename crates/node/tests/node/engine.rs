//! What a node makes of each report of its engine. The engine is a script.

use crate::numbers::Numbers;
use crate::samples::{append_to, event};
use bytes::Bytes;
use model::{
    Absent, Command, Elapsed, Entry, EntryClock, Expected, ExpireEvents, Identity, Index, Key, Outcome,
    Position, PutSettings, Settings, SlotRange, StreamName, Term, Value, Wall,
};
use node::{
    DiskSpace, Engine, EngineError, EntryId, EntryResult, Input, Mono, Node, NodeOptions, Now, Output,
    Polled, Request, Unavailable,
};
use shard::{Shard, ShardOptions};
use std::collections::{BTreeMap, VecDeque};

const NOW: Now = Now { wall: Wall(1_000), mono: Mono(0) };

/// An engine whose reports are given by the test as messages.
#[derive(Debug, Default)]
struct Script {
    state: BTreeMap<Key, Value>,
    reports: VecDeque<Polled>,
    proposed: u64,
    /// How many commands each proposed entry has.
    commands: Vec<usize>,
    /// Whether it drops what is proposed.
    drops: bool,
}

impl Engine for Script {
    type View = BTreeMap<Key, Value>;
    type Io = ();
    type Completion = ();
    type Message = Polled;

    fn slots(&self) -> SlotRange {
        SlotRange::ALL
    }

    fn load(&mut self, absent: Vec<Absent>) -> Result<(), EngineError> {
        Err(EngineError::new(format!("{absent:?} is at hand")))
    }

    fn view(&self) -> &Self::View {
        &self.state
    }

    fn start(&mut self) -> Result<(), EngineError> {
        self.reports.push_back(Polled::Leading {
            clock: EntryClock::default(),
            last: Position::ZERO,
            replayed_entries: 0,
        });
        Ok(())
    }

    fn can_propose(&self) -> bool {
        true
    }

    fn propose(&mut self, entry: Bytes) -> Result<Option<EntryId>, EngineError> {
        self.proposed += 1;
        self.commands.push(format::entry::decode(&entry).map_err(EngineError::new)?.commands.len());
        Ok((!self.drops).then_some(id(self.proposed, 1)))
    }

    fn complete(&mut self, (): ()) -> Result<(), EngineError> {
        Err(EngineError::new("the script ends"))
    }

    fn receive(&mut self, report: Polled) -> Result<(), EngineError> {
        self.reports.push_back(report);
        Ok(())
    }

    fn tick_ms(&self) -> Option<u64> {
        None
    }

    fn tick(&mut self) {
        self.drops = true;
    }

    fn set_disk_space(&mut self, _: &DiskSpace) {}

    fn flush_soon(&mut self) {}

    fn archived(&mut self, _: Option<Index>) {}

    fn poll(&mut self, _: &mut Vec<()>) -> Result<Polled, EngineError> {
        Ok(self.reports.pop_front().unwrap_or(Polled::Idle))
    }

    fn stop(&mut self) {}
}

/// A node that leads and has proposed one entry for each of the requests 1 to 3.
struct Bench(Node<Script, Numbers>);

impl Bench {
    fn leading() -> Self {
        let mut bench = Self(Node::new(NodeOptions::default(), Script::default()));
        bench.step(Input::Start);
        bench
    }

    fn waiting() -> Self {
        let mut bench = Self::leading();
        for reply in 1..=3 {
            assert_eq!(bench.request(reply), []);
        }
        bench
    }

    /// The results of requests that come out.
    fn step(&mut self, input: Input<(), Polled, Numbers>) -> Vec<(u64, Result<Outcome, Unavailable>)> {
        let mut out = Vec::new();
        self.0.step(NOW, input, &mut out);
        let results = out.into_iter().filter_map(|output| match output {
            Output::Outcome { reply, result } => Some((reply, result)),
            Output::Halt(error) => panic!("{error}"),
            _ => None,
        });
        results.collect()
    }

    fn request(&mut self, reply: u64) -> Vec<(u64, Result<Outcome, Unavailable>)> {
        let command = Command::ExpireEvents(ExpireEvents { stream: StreamName::new("s").unwrap() });
        self.step(Input::Requests(vec![Request::Command { command, reply }]))
    }

    fn settled(&mut self, entry: EntryId, result: EntryResult) -> Vec<(u64, Result<Outcome, Unavailable>)> {
        self.step(Input::Message(Polled::Settled { entry, result }))
    }
}

const fn id(index: u64, term: u64) -> EntryId {
    EntryId { index: Index(index), term: Term(term) }
}

fn durable() -> EntryResult {
    let outcomes = vec![Outcome::Progressed { more: false }];
    EntryResult::Durable { outcomes, effects: Vec::new(), last: None }
}

fn done(reply: u64) -> (u64, Result<Outcome, Unavailable>) {
    (reply, Ok(Outcome::Progressed { more: false }))
}

#[test]
fn each_entry_answers_its_own_requests() {
    let mut bench = Bench::waiting();
    for index in 1..=3 {
        assert_eq!(bench.settled(id(index, 1), durable()), [done(index)]);
    }
}

#[test]
fn another_leaders_entry_at_the_same_index_never_answers_a_request() {
    let mut bench = Bench::waiting();
    assert_eq!(bench.settled(id(1, 2), durable()), [(1, Err(Unavailable::NotReady))], "it was never stored");
    assert_eq!(bench.settled(id(2, 1), durable()), [done(2)]);
    assert_eq!(bench.settled(id(9, 2), durable()), [(3, Err(Unavailable::NotReady))]);
}

#[test]
fn what_happened_to_an_entry_decides_whether_a_retry_is_needed_and_can_help() {
    for (result, want) in [
        (EntryResult::Fenced, Unavailable::NotReady),
        (EntryResult::Unknown, Unavailable::Lost),
        (EntryResult::TooLarge, Unavailable::TooLarge),
    ] {
        assert_eq!(Bench::waiting().settled(id(1, 1), result), [(1, Err(want))]);
    }
}

#[test]
fn a_dropped_proposal_changes_nothing_and_does_not_stop_the_node() {
    let mut bench = Bench::leading();
    bench.step(Input::Tick);
    assert_eq!(bench.request(1), [(1, Err(Unavailable::NotReady))]);
    assert_eq!(bench.0.figures(NOW).waiting_bytes, 0);
    assert_eq!(bench.request(2), [(2, Err(Unavailable::NotReady))]);
}

#[test]
fn entries_that_settle_after_the_lead_was_lost_answer_nobody() {
    let mut bench = Bench::waiting();
    let lost = |reply| (reply, Err(Unavailable::Lost));
    assert_eq!(bench.step(Input::Message(Polled::Following)), [lost(1), lost(2), lost(3)]);
    assert_eq!(bench.settled(id(1, 1), durable()), []);
    assert_eq!(bench.request(4), [(4, Err(Unavailable::NotReady))]);
    let clock = EntryClock::default();
    bench.step(Input::Message(Polled::Leading { clock, last: Position::ZERO, replayed_entries: 0 }));
    assert_eq!(bench.request(5), []);
    assert_eq!(bench.settled(id(4, 1), durable()), [done(5)]);
}

/// A state in which an event is older than its stream keeps events.
fn with_old_event() -> BTreeMap<Key, Value> {
    let mut state = BTreeMap::new();
    let mut shard = Shard::new(ShardOptions::default());
    let stream = || StreamName::new("s").unwrap();
    let settings = Settings { max_age_ms: Some(1), ..Settings::default() };
    let commands = vec![
        Command::PutSettings(PutSettings { stream: stream(), settings }),
        append_to(stream(), Expected::Any, event(Identity::Server)),
    ];
    let entry = Entry { behaviour: shard::BEHAVIOUR, wall: Wall(1), elapsed: Elapsed(0), commands };
    shard.apply(&entry, &state).unwrap().writes.change(&mut state);
    state
}

#[test]
fn what_is_due_is_proposed_again_if_the_entry_that_held_it_is_lost() {
    for lost in [EntryResult::Fenced, EntryResult::TooLarge, EntryResult::Unknown] {
        let engine = Script { state: with_old_event(), ..Script::default() };
        let mut bench = Bench(Node::new(NodeOptions::default(), engine));
        bench.step(Input::Start);
        assert_eq!(bench.0.engine().commands, [1], "the event expires");
        bench.step(Input::Continue);
        assert_eq!(bench.0.engine().commands, [1], "it is on its way");
        let what = format!("after {lost:?}");
        bench.settled(id(1, 1), lost);
        bench.0.step(Now { mono: Mono(1), ..NOW }, Input::TimerDue, &mut Vec::new());
        assert_eq!(bench.0.engine().commands, [1, 1], "{what}");
    }
}

#[test]
fn when_the_engine_fails_whoever_waits_is_told_before_the_node_halts() {
    let mut bench = Bench::waiting();
    let request = Request::Wait { key: vec![1], reply: 4 };
    bench.step(Input::Requests(vec![request]));
    let mut out = Vec::new();
    bench.0.step(NOW, Input::Completion(()), &mut out);
    let told: Vec<_> = out
        .iter()
        .map(|output| match output {
            Output::Outcome { reply, result: Err(why) } => format!("{reply} {why:?}"),
            Output::Woken { reply, result: Err(why) } => format!("{reply} woken {why:?}"),
            Output::Halt(_) => "halt".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["1 Lost", "2 Lost", "3 Lost", "4 woken Stopping", "halt"]);
    assert_eq!(bench.request(5), [], "it has halted");
}
