//! A node whose group has three replicas. The test plays the other two, and the log and disk of the node.

use crate::numbers::Numbers;
use crate::samples::append;
use consensus::{LogEntry, LogView, LogViewError, Message, MessageBody, Round, Ticket, Vote};
use format::frame::{EntryKind, HardState, decode_groups};
use format::membership::{Change, Membership, encode_changes};
use format::terms::Terms;
use model::{Index, Slot, Term, Wall};
use node::{
    Engine as _, Input, Mono, Node, NodeOptions, Now, Output, RaftCompletion, RaftEngine, RaftEngineOptions,
    RaftIo, Request, Unavailable,
};
use shard::{Shard, ShardOptions};
use std::cell::RefCell;
use std::rc::Rc;
use storage::log::RecoveredGroup;
use storage::memory_state::{MemoryFlush, MemoryState, MemoryStateDisk};
use storage::state::FlushJob;

/// What the node's log holds.
#[derive(Clone, Debug, Default)]
struct Log(Rc<RefCell<Held>>);

#[derive(Debug, Default)]
struct Held {
    entries: Vec<LogEntry>,
    hard_state: HardState,
}

impl LogView for Log {
    fn entries(&self, from: Index, _: usize) -> Result<Vec<LogEntry>, LogViewError> {
        Ok(self.0.borrow().entries.iter().filter(|entry| entry.index >= from).cloned().collect())
    }
}

impl Log {
    fn write(&self, records: &[u8]) {
        let mut held = self.0.borrow_mut();
        for record in decode_groups(records) {
            let record = record.unwrap();
            held.hard_state = record.hard_state.unwrap_or(held.hard_state);
            for entry in record.entries {
                let entry = entry.unwrap();
                held.entries.retain(|before| before.index < entry.index);
                let data = entry.bytes.to_vec().into();
                held.entries.push(LogEntry { index: entry.index, term: entry.term, kind: entry.kind, data });
            }
        }
    }

    fn recovered(&self) -> Option<RecoveredGroup> {
        let held = self.0.borrow();
        let (first, last) = (held.entries.first()?.index, held.entries.last()?.index);
        let mut terms = Terms::default();
        held.entries.iter().for_each(|entry| terms.set(entry.index, entry.term));
        Some(RecoveredGroup { hard_state: held.hard_state, first, last, terms })
    }

    fn last(&self) -> u64 {
        self.0.borrow().entries.last().map_or(1, |entry| entry.index.0)
    }
}

type Out = Output<RaftIo<MemoryFlush>, Numbers>;

struct Replica {
    node: Node<RaftEngine<MemoryState, Log>, Numbers>,
    log: Log,
    disk: MemoryStateDisk,
    now: Now,
    writes: Vec<(Ticket, Vec<u8>)>,
    flush: Option<MemoryFlush>,
    sent: Vec<Message>,
    /// Everything else that came out, as text.
    seen: Vec<String>,
}

impl Replica {
    fn on(log: Log, disk: MemoryStateDisk, kept_log_bytes: u64) -> Self {
        let options = RaftEngineOptions {
            founders: Membership::of_voters([1, 2, 3]),
            kept_log_bytes,
            ..RaftEngineOptions::default()
        };
        let (state, shard) = (MemoryState::open(&disk), Shard::new(ShardOptions::default()));
        let engine = RaftEngine::open(options, log.clone(), log.recovered().as_ref(), shard, state).unwrap();
        let mut replica = Self {
            node: Node::new(NodeOptions::default(), engine),
            log,
            disk,
            now: Now { wall: Wall(1_000_000), mono: Mono(0) },
            writes: Vec::new(),
            flush: None,
            sent: Vec::new(),
            seen: Vec::new(),
        };
        replica.step(Input::Start);
        replica
    }

    /// A replica that leads in term 2. Replica 2 confirms what it is sent; replica 3 is away.
    fn leading() -> Self {
        Self::on(Log::default(), MemoryStateDisk::new(), 1 << 30).led(2)
    }

    /// It campaigns, replica 2 votes for it and has its first entry.
    fn led(mut self, term: u64) -> Self {
        for _ in 0..25 {
            if !self.sent.is_empty() {
                break;
            }
            self.step(Input::Tick);
        }
        self.receive(2, term, vote(Round::Trial));
        self.sync();
        self.receive(2, term, vote(Round::Election));
        self.sync();
        self.confirm(term);
        assert!(self.seen.contains(&"ready".to_owned()), "{:?}", self.seen);
        self.seen.clear();
        self.sent.clear();
        self
    }

    fn step(&mut self, input: Input<RaftCompletion, Message, Numbers>) {
        let mut out = Vec::new();
        self.node.step(self.now, input, &mut out);
        for output in out {
            self.obey(output);
        }
    }

    fn obey(&mut self, output: Out) {
        match output {
            Output::Io(RaftIo::WriteLog { ticket, records }) => self.writes.push((ticket, records)),
            Output::Io(RaftIo::Send { messages }) => self.sent.extend(messages),
            Output::Io(RaftIo::Flush { flush }) => self.flush = Some(flush),
            Output::Io(RaftIo::PurgeLog { through, .. }) => {
                self.log.0.borrow_mut().entries.retain(|entry| entry.index > through);
                self.seen.push(format!("purged through {through}"));
            }
            Output::Outcome { reply, result } => self.seen.push(match result {
                Ok(_) => format!("{reply} done"),
                Err(why) => format!("{reply} {why:?}"),
            }),
            Output::TimeClosed { reply, result } => self.seen.push(format!("{reply} time {result:?}")),
            Output::Woken { reply, result } => self.seen.push(format!("{reply} woken {result:?}")),
            Output::Ready { .. } => self.seen.push("ready".to_owned()),
            Output::Halt(error) => self.seen.push(format!("halt: {error}")),
            Output::Stopped => self.seen.push("stopped".to_owned()),
            Output::Io(_)
            | Output::Visible(_)
            | Output::Wait(_)
            | Output::Continue
            | Output::Reacted
            | Output::TasksDied(_)
            | Output::ReactionsChanged => {}
        }
    }

    /// Everything written so far becomes durable.
    fn sync(&mut self) {
        for (ticket, records) in std::mem::take(&mut self.writes) {
            self.log.write(&records);
            self.step(Input::Completion(RaftCompletion::LogSynced(ticket)));
        }
    }

    fn receive(&mut self, from: u64, term: u64, body: MessageBody) {
        self.step(Input::Message(Message { from, to: 1, term: Term(term), body }));
    }

    /// Replica 2 has everything that this one has.
    fn confirm(&mut self, term: u64) {
        let through = Index(self.log.last());
        self.receive(2, term, MessageBody::Appended { through, commit: Index(1) });
    }

    fn append(&mut self, reply: u64, text: &'static str) {
        self.step(Input::Requests(vec![Request::Command { command: append(text), reply }]));
    }

    fn flush(&mut self) {
        self.step(Input::FlushSoon);
        let progress = self.flush.take().expect("a flush").run().unwrap();
        self.step(Input::Completion(RaftCompletion::Flushed(progress)));
    }

    fn seen(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    /// The events that the state knows.
    fn events(&self) -> u64 {
        shard::query::clock(self.node.engine().view(), Slot(0)).unwrap().last_position.0
    }
}

fn vote(round: Round) -> MessageBody {
    MessageBody::VoteReply { round, vote: Vote::For, commit: (Index(1), Term(1)) }
}

/// Another leader's entry with one command.
fn other_entry(index: u64, term: u64, text: &'static str) -> LogEntry {
    let clock = model::EntryClock { wall: Wall(2_000_000), elapsed: model::Elapsed(1) };
    let mut data = Vec::new();
    format::entry::encode(shard::BEHAVIOUR, clock, &[append(text)], &mut data);
    LogEntry { index: Index(index), term: Term(term), kind: EntryKind::Normal, data: data.into() }
}

fn empty_entry(index: u64, term: u64) -> LogEntry {
    LogEntry { index: Index(index), term: Term(term), kind: EntryKind::Normal, data: Vec::new().into() }
}

fn other_append(previous: (u64, u64), entries: Vec<LogEntry>, commit: u64) -> MessageBody {
    MessageBody::Append { previous: (Index(previous.0), Term(previous.1)), entries, commit: Index(commit) }
}

#[test]
fn only_a_replica_among_several_needs_ticks() {
    for (founders, tick_ms) in [(vec![1], None), (vec![1, 2, 3], Some(100))] {
        let founders = Membership::of_voters(founders);
        let options = RaftEngineOptions { founders, ..RaftEngineOptions::default() };
        let state = MemoryState::open(&MemoryStateDisk::new());
        let shard = Shard::new(ShardOptions::default());
        let engine = RaftEngine::open(options, Log::default(), None, shard, state).unwrap();
        assert_eq!(engine.tick_ms(), tick_ms);
    }
}

#[test]
fn an_outcome_is_sent_once_a_second_replica_has_the_entry() {
    let mut replica = Replica::leading();
    replica.append(1, "a");
    assert!(replica.sent.iter().any(|m| m.to == 2), "sent while this replica still writes");
    replica.sync();
    assert_eq!(replica.seen(), [""; 0]);
    replica.confirm(2);
    assert_eq!(replica.seen(), ["1 done"]);
}

#[test]
fn a_follower_takes_no_requests_and_applies_what_the_leader_has_committed() {
    let mut replica = Replica::on(Log::default(), MemoryStateDisk::new(), 1 << 30);
    replica.append(1, "a");
    assert_eq!(replica.seen(), ["1 NotReady"]);
    replica.receive(2, 2, other_append((1, 1), vec![empty_entry(2, 2), other_entry(3, 2, "x")], 3));
    assert_eq!(replica.events(), 0, "not durable here yet");
    replica.sync();
    assert!(replica.events() > 0);
    assert!(replica.sent.iter().any(|m| matches!(m.body, MessageBody::Appended { through: Index(3), .. })));
}

/// The new leader has stored another entry at the same index. It must not answer the old one's request.
#[test]
fn losing_the_lead_fails_waiting_requests_as_unknown_and_new_ones_as_not_ready() {
    let mut replica = Replica::leading();
    replica.append(1, "lost");
    replica.sync();
    replica.append(2, "proposed and not durable");
    replica.append(3, "never proposed");
    replica.receive(3, 3, other_append((2, 2), vec![empty_entry(3, 3)], 2));
    assert_eq!(replica.seen(), ["1 Lost", "2 Lost", "3 NotReady"]);
    replica.append(4, "new");
    assert_eq!(replica.seen(), ["4 NotReady"]);
    replica.receive(3, 3, other_append((3, 3), vec![other_entry(4, 3, "theirs")], 4));
    replica.sync();
    assert_eq!(replica.seen(), [""; 0], "the waiters are gone");
    assert!(replica.events() > 0, "the other leader's entry is applied");
    let entries: Vec<_> =
        replica.log.0.borrow().entries.iter().map(|entry| (entry.index.0, entry.term.0)).collect();
    assert_eq!(entries, [(2, 2), (3, 3), (4, 3)]);
}

#[test]
fn entries_of_a_lost_term_may_still_be_committed_and_are_applied_once() {
    let mut replica = Replica::leading();
    replica.append(1, "survives");
    replica.sync();
    replica.receive(2, 3, other_append((3, 2), vec![empty_entry(4, 3)], 2));
    assert_eq!(replica.seen(), ["1 Lost"]);
    assert_eq!(replica.events(), 0);
    replica.sync();
    replica.receive(2, 3, MessageBody::Heartbeat { commit: Index(4) });
    let events = replica.events();
    assert!(events > 0, "the new leader had the entry");
    assert_eq!(replica.seen(), [""; 0], "its request was answered before");
    replica.receive(2, 3, MessageBody::Heartbeat { commit: Index(4) });
    assert_eq!(replica.events(), events);
}

#[test]
fn an_entry_that_was_committed_in_the_same_step_is_answered_before_the_lead_is_lost() {
    let mut replica = Replica::leading();
    replica.append(1, "a");
    replica.sync();
    // The new leader's message says that entry 3 of term 2 is committed.
    replica.receive(2, 3, other_append((3, 2), vec![], 3));
    assert_eq!(replica.seen(), ["1 done"]);
    replica.append(2, "b");
    assert_eq!(replica.seen(), ["2 NotReady"]);
}

#[test]
fn a_replica_that_leads_again_takes_requests_again() {
    let mut replica = Replica::leading();
    replica.receive(3, 3, other_append((2, 2), vec![empty_entry(3, 3)], 2));
    replica.sync();
    replica.sent.clear();
    let mut replica = replica.led(4);
    replica.append(1, "a");
    replica.sync();
    replica.confirm(4);
    assert_eq!(replica.seen(), ["1 done"]);
}

#[test]
fn a_node_that_stops_after_losing_the_lead_still_flushes() {
    let mut replica = Replica::leading();
    replica.append(1, "a");
    replica.sync();
    replica.step(Input::Stop);
    assert_eq!(replica.seen(), [""; 0], "it waits for the outcome");
    replica.receive(3, 3, other_append((2, 2), vec![empty_entry(3, 3)], 2));
    replica.sync();
    let progress = replica.flush.take().expect("a flush").run().unwrap();
    replica.step(Input::Completion(RaftCompletion::Flushed(progress)));
    assert_eq!(replica.seen(), ["1 Lost", "purged through 2", "stopped"]);
}

#[test]
fn the_log_is_kept_for_a_follower_that_lags_but_not_without_bound() {
    for (kept_log_bytes, purged) in [(1 << 30, "purged through 3"), (10, "purged through 5")] {
        let mut replica = Replica::on(Log::default(), MemoryStateDisk::new(), kept_log_bytes).led(2);
        for (reply, text) in [(1, "a"), (2, "bb"), (3, "ccc")] {
            replica.append(reply, text);
            replica.sync();
            replica.confirm(2);
            if reply == 1 {
                replica.receive(3, 2, MessageBody::Appended { through: Index(3), commit: Index(1) });
            }
        }
        replica.seen();
        replica.flush();
        assert_eq!(replica.seen(), [purged], "at most {kept_log_bytes} bytes");
    }
}

#[test]
fn the_membership_is_kept_in_the_state_after_its_entry_is_purged() {
    let mut replica = Replica::on(Log::default(), MemoryStateDisk::new(), 1 << 30);
    let data = encode_changes(&[Change::Learner(7)]).into();
    let change = LogEntry { index: Index(3), term: Term(2), kind: EntryKind::Configuration, data };
    replica.receive(2, 2, other_append((1, 1), vec![empty_entry(2, 2), change.clone()], 3));
    replica.sync();
    assert_eq!(replica.log.0.borrow().entries[1], change, "the log keeps kind and content");
    replica.flush();
    assert_eq!(replica.seen(), ["purged through 3"]);

    // It starts again, and asks the voters, but not the learner, for their votes. As a leader it sends to
    // all.
    let Replica { log, disk, .. } = replica;
    log.0.borrow_mut().entries.clear();
    let mut replica = Replica::on(log, disk, 1 << 30).led(3);
    replica.append(1, "a");
    let mut receivers: Vec<u64> = replica.sent.iter().map(|message| message.to).collect();
    receivers.sort_unstable();
    receivers.dedup();
    assert!(receivers.contains(&7) || receivers == [2], "{receivers:?}");
    let membership = replica.node.engine().membership();
    assert_eq!(*membership, Membership { learners: vec![7], ..Membership::of_voters([1, 2, 3]) });
}

#[test]
fn a_request_is_lost_only_by_name_and_never_answered_twice() {
    let mut replica = Replica::leading();
    for reply in 1..=5 {
        replica.append(reply, "abcde");
    }
    replica.sync();
    replica.receive(3, 9, other_append((2, 2), vec![empty_entry(3, 9)], 2));
    replica.sync();
    let mut seen = replica.seen();
    seen.sort_unstable();
    let unknown = |reply: &u64| format!("{reply} {:?}", Unavailable::Lost);
    let refused = |reply: &u64| format!("{reply} {:?}", Unavailable::NotReady);
    assert_eq!(seen.len(), 5);
    for (reply, seen) in (1..=5).zip(&seen) {
        assert!(*seen == unknown(&reply) || *seen == refused(&reply), "{seen}");
    }
    assert!(seen.contains(&unknown(&1)));
}
