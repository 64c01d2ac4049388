//! A replica among three. The test plays the other two: it reads what the replica sends and answers as it
//! likes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use bytes::Bytes;
use consensus::{
    Committed, Group, GroupError, LogEntry, LogWrite, Message, MessageBody, Round, Ticket, Vote,
};
use format::frame::EntryKind;
use format::membership::Membership;
use model::{Index, Term};
use testing::Log;

mod testing;

const US: u64 = 1;
const OTHERS: [u64; 2] = [2, 3];
const FIRST: (Index, Term) = (Index(1), Term(1));

/// The replica, its log, and what it wants done.
struct Replica {
    group: Group,
    log: Log,
    writes: Vec<LogWrite>,
    sent: Vec<Message>,
    committed: Vec<Committed>,
}

impl Replica {
    fn on(log: Log, applied: (Index, Term)) -> Self {
        let group = log.open(US, Membership::of_voters([1, 2, 3]), applied).unwrap();
        Self { group, log, writes: Vec::new(), sent: Vec::new(), committed: Vec::new() }
    }

    /// A replica that leads in term 2 and has committed its first entry.
    fn leading() -> Self {
        let mut replica = Self::on(Log::default(), FIRST);
        replica.group.campaign();
        replica.work();
        let at = (Index(1), Term(1));
        replica.receive(2, 2, vote(Round::Trial, at));
        replica.sync();
        replica.receive(2, 2, vote(Round::Election, at));
        replica.sync();
        assert!(replica.group.is_leader());
        replica.receive(2, 2, appended(2));
        replica.sent.clear();
        replica.committed.clear();
        replica
    }

    /// Takes all work and applies what is committed.
    fn work(&mut self) {
        while let Some(work) = self.group.take(&self.log).unwrap() {
            self.writes.extend(work.write);
            self.sent.extend(work.messages);
            for entry in work.committed {
                self.group.applied(entry.index);
                self.committed.push(entry);
            }
        }
    }

    fn sync(&mut self) {
        for write in std::mem::take(&mut self.writes) {
            self.log.sync(&write);
            self.group.synced(write.ticket);
        }
        self.work();
    }

    fn receive(&mut self, from: u64, term: u64, body: MessageBody) {
        self.group.receive(Message { from, to: US, term: Term(term), body }).unwrap();
        self.work();
    }

    fn propose(&mut self, text: &'static str) -> (Index, Term) {
        let at = self.group.propose(Bytes::from_static(text.as_bytes())).unwrap().expect("it leads");
        self.work();
        at
    }

    fn sent(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.sent)
    }

    fn committed(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.committed).into_iter().map(|entry| entry.data).collect()
    }

    fn logged(&self) -> Vec<(u64, u64)> {
        self.log.entries.iter().map(|entry| (entry.index.0, entry.term.0)).collect()
    }
}

fn vote(round: Round, commit: (Index, Term)) -> MessageBody {
    MessageBody::VoteReply { round, vote: Vote::For, commit }
}

fn appended(through: u64) -> MessageBody {
    MessageBody::Appended { through: Index(through), commit: Index(1) }
}

fn entry(index: u64, term: u64, text: &'static str) -> LogEntry {
    let data = Bytes::from_static(text.as_bytes());
    LogEntry { index: Index(index), term: Term(term), kind: EntryKind::Normal, data }
}

/// What another leader sends.
fn append(previous: (u64, u64), entries: Vec<LogEntry>, commit: u64) -> MessageBody {
    MessageBody::Append { previous: (Index(previous.0), Term(previous.1)), entries, commit: Index(commit) }
}

fn receivers(messages: &[Message]) -> Vec<u64> {
    messages.iter().map(|message| message.to).collect()
}

#[test]
fn a_candidate_asks_first_votes_for_itself_durably_and_then_asks_for_votes() {
    let mut replica = Replica::on(Log::default(), FIRST);
    replica.group.campaign();
    replica.work();
    let sent = replica.sent();
    assert_eq!(receivers(&sent), OTHERS);
    assert!(sent.iter().all(|m| m.term == Term(2)
        && matches!(m.body, MessageBody::VoteRequest { round: Round::Trial, last: FIRST, .. })));
    assert!(replica.writes.is_empty(), "a trial changes nothing");

    replica.receive(3, 2, vote(Round::Trial, FIRST));
    assert!(replica.sent().is_empty(), "its own vote is not durable yet");
    assert_eq!(replica.writes[0].hard_state.map(|state| (state.term, state.vote)), Some((Term(2), US)));
    replica.sync();
    let sent = replica.sent();
    assert_eq!(receivers(&sent), OTHERS);
    assert!(matches!(sent[0].body, MessageBody::VoteRequest { round: Round::Election, .. }));
    assert!(!replica.group.is_leader());
    replica.receive(3, 2, vote(Round::Election, FIRST));
    assert!(replica.group.is_leader());
}

/// How many ticks of silence it takes until the replica asks for votes.
fn ticks_until_trial(term: u64) -> usize {
    let mut log = Log::default();
    log.hard_state.term = Term(term);
    let mut replica = Replica::on(log, FIRST);
    (1..100)
        .find(|_| {
            replica.group.tick();
            replica.work();
            receivers(&replica.sent()) == OTHERS
        })
        .expect("it asks for votes")
}

#[test]
fn a_replica_that_hears_from_no_leader_asks_for_votes_after_a_repeatable_number_of_ticks() {
    let ticks: Vec<usize> = (1..40).map(ticks_until_trial).collect();
    assert_eq!(ticks, (1..40).map(ticks_until_trial).collect::<Vec<_>>());
    assert!(ticks.iter().all(|ticks| (10..20).contains(ticks)), "{ticks:?}");
    let mut distinct = ticks;
    distinct.sort_unstable();
    distinct.dedup();
    assert!(
        distinct.len() > 5,
        "replicas that chose alike choose differently in the next term: {distinct:?}"
    );
}

#[test]
fn an_entry_is_committed_once_two_of_three_have_it_durably() {
    let mut replica = Replica::leading();
    replica.receive(3, 2, appended(2));
    replica.sent();
    assert_eq!(replica.propose("a"), (Index(3), Term(2)));
    let sent = replica.sent();
    assert_eq!(receivers(&sent), OTHERS, "the others write while this replica does");
    let MessageBody::Append { previous, entries, .. } = &sent[0].body else { panic!("{sent:?}") };
    assert_eq!((*previous, &entries[..]), ((Index(2), Term(2)), &[entry(3, 2, "a")][..]));
    replica.sync();
    assert!(replica.committed().is_empty(), "only one has it");
    replica.receive(3, 2, appended(3));
    assert_eq!(replica.committed(), ["a"]);

    // The others alone are two as well. But this replica applies only what its own log holds durably.
    replica.propose("b");
    replica.receive(2, 2, appended(4));
    replica.receive(3, 2, appended(4));
    assert!(replica.committed().is_empty());
    replica.sync();
    assert_eq!(replica.committed(), ["b"]);
}

#[test]
fn a_follower_confirms_entries_only_after_they_are_durable() {
    let mut replica = Replica::on(Log::default(), FIRST);
    replica.receive(2, 3, append((1, 1), vec![entry(2, 3, ""), entry(3, 3, "x")], 1));
    assert!(replica.sent().is_empty());
    replica.sync();
    let sent = replica.sent();
    assert_eq!(sent[0].body, MessageBody::Appended { through: Index(3), commit: Index(1) });
    assert!(replica.committed().is_empty());
    replica.receive(2, 3, MessageBody::Heartbeat { commit: Index(3) });
    assert_eq!(replica.committed(), ["", "x"]);
}

#[test]
fn another_leaders_entries_replace_those_that_were_never_committed() {
    let mut replica = Replica::leading();
    replica.propose("lost 3");
    replica.propose("lost 4");
    replica.sync();
    assert_eq!(replica.logged(), [(2, 2), (3, 2), (4, 2)]);
    // Replica 2 has been elected by replica 3, and knows only entry 2.
    replica.receive(2, 3, append((2, 2), vec![entry(3, 3, "new 3")], 2));
    assert!(!replica.group.is_leader());
    replica.sync();
    assert_eq!(replica.logged(), [(2, 2), (3, 3)]);
    replica.receive(2, 3, append((3, 3), vec![entry(4, 3, "new 4")], 4));
    replica.sync();
    assert_eq!(replica.committed(), ["new 3", "new 4"]);
    assert_eq!(replica.logged(), [(2, 2), (3, 3), (4, 3)]);
}

#[test]
fn an_unapplied_suffix_found_in_the_log_after_a_restart_is_replaced_too() {
    let mut replica = Replica::leading();
    for text in ["3", "4", "5"] {
        replica.propose(text);
    }
    replica.sync();
    // It starts again, having applied nothing.
    let mut replica = Replica::on(replica.log, FIRST);
    replica.receive(3, 4, append((3, 2), vec![entry(4, 4, "new 4")], 4));
    assert_eq!(replica.committed(), ["", "3"], "entry 4 is committed, but not durable here");
    replica.sync();
    assert_eq!(replica.committed(), ["new 4"]);
    assert_eq!(replica.logged(), [(2, 2), (3, 2), (4, 4)]);
}

/// Its log still holds the replaced entries when it reads the entries before them back.
#[test]
fn a_replaced_entry_that_the_log_still_holds_is_never_applied() {
    let mut replica = Replica::leading();
    for text in ["3", "4", "5"] {
        replica.propose(text);
    }
    replica.sync();
    replica.log.hard_state.commit = Index(1);
    let mut replica = Replica::on(replica.log, FIRST);
    replica.receive(3, 4, append((3, 2), vec![entry(4, 4, "new 4")], 1));
    replica.receive(3, 4, MessageBody::Heartbeat { commit: Index(3) });
    assert_eq!(replica.committed(), ["", "3"]);
    assert_eq!(replica.logged().last(), Some(&(5, 2)), "the write is still under way");
    replica.receive(3, 4, MessageBody::Heartbeat { commit: Index(4) });
    replica.sync();
    assert_eq!(replica.committed(), ["new 4"]);
}

/// An entry of configuration among them may decide whose votes count.
#[test]
fn a_replica_asks_for_no_votes_before_it_has_applied_what_is_committed() {
    let mut replica = Replica::leading();
    replica.propose("3");
    replica.sync();
    replica.receive(2, 2, appended(3));
    replica.log.hard_state.commit = Index(3);
    let mut replica = Replica::on(replica.log, FIRST);
    for _ in 0..30 {
        replica.group.tick();
    }
    let work = replica.group.take(&replica.log).unwrap().expect("entries to apply");
    assert!(work.messages.is_empty());
    assert_eq!(work.committed.len(), 2);
    replica.group.applied(Index(3));
    for _ in 0..30 {
        replica.group.tick();
        replica.work();
    }
    assert!(receivers(&replica.sent()).starts_with(&OTHERS));
}

#[test]
fn a_leader_that_loses_its_quorum_stops_leading() {
    let mut replica = Replica::leading();
    for _ in 0..40 {
        replica.group.tick();
        replica.work();
    }
    assert!(!replica.group.is_leader());
    assert_eq!(replica.group.propose(Bytes::from_static(b"a")).unwrap(), None);
}

#[test]
fn a_follower_that_lags_is_sent_what_only_the_log_still_holds() {
    sends_from_the_log(b"from the log: ");
}

#[test]
fn entries_longer_than_a_message_should_be_are_sent_too() {
    sends_from_the_log(&[b'x'; 300 << 10]);
}

/// The log holds entries that are longer by `more` than those which were in memory.
fn sends_from_the_log(more: &[u8]) {
    let mut replica = Replica::leading();
    for text in ["3", "4", "5", "6"] {
        replica.propose(text);
        replica.sync();
        let last = replica.log.entries.last().unwrap().index.0;
        replica.receive(2, 2, appended(last));
    }
    assert_eq!(replica.committed(), ["3", "4", "5", "6"], "and so no longer in memory");
    for entry in &mut replica.log.entries {
        entry.data = Bytes::from([more, &*entry.data].concat());
    }
    assert_eq!(replica.group.lowest_match(), Some(Index(0)));
    replica.sent();
    // What was sent to it was lost, until it answers a heartbeat.
    replica.receive(3, 2, MessageBody::HeartbeatSeen { commit: Index(1) });
    let mut next = 2;
    while next <= 6 {
        let before = next;
        for message in replica.sent().into_iter().filter(|message| message.to == 3) {
            let MessageBody::Append { previous, entries, .. } = message.body else { continue };
            assert_eq!(previous.0, Index(next - 1));
            for entry in entries {
                assert_eq!(entry, replica.log.entries[(next - 2) as usize]);
                next += 1;
            }
        }
        assert!(next > before, "it goes on after each confirmation");
        replica.receive(3, 2, appended(next - 1));
    }
    assert_eq!(replica.group.lowest_match(), Some(Index(6)));
}

/// Otherwise two replicas could lead in the same term.
#[test]
fn a_replica_votes_for_one_other_in_a_term_also_after_a_restart() {
    let request = || MessageBody::VoteRequest { round: Round::Election, last: FIRST, commit: FIRST };
    let votes = |replica: &mut Replica, from| {
        replica.receive(from, 5, request());
        replica.sync();
        let votes = replica.sent().into_iter().filter_map(|message| match message.body {
            MessageBody::VoteReply { vote, .. } if message.to == from => Some(vote),
            _ => None,
        });
        votes.collect::<Vec<_>>()
    };
    let mut replica = Replica::on(Log::default(), FIRST);
    assert_eq!(votes(&mut replica, 2), [Vote::For]);
    assert_eq!(votes(&mut replica, 3), [Vote::Against]);
    let mut replica = Replica::on(replica.log, FIRST);
    assert_eq!(votes(&mut replica, 3), [Vote::Against]);
    assert_eq!(votes(&mut replica, 2), [Vote::For], "its answer may have been lost");
}

#[test]
fn a_follower_that_needs_what_was_purged_is_sent_nothing() {
    let mut replica = Replica::leading();
    replica.propose("3");
    replica.sync();
    replica.receive(2, 2, appended(3));
    replica.group.purged(Index(3));
    replica.log.entries.retain(|entry| entry.index > Index(3));
    replica.sent();
    replica.receive(3, 2, MessageBody::HeartbeatSeen { commit: Index(1) });
    let appends = |message: &Message| matches!(message.body, MessageBody::Append { .. });
    assert!(!replica.sent().iter().any(appends), "it would need a snapshot");
}

#[test]
fn a_follower_whose_entries_are_purged_before_they_are_read_is_sent_nothing() {
    // It needs all entries from 2 on.
    for purged in [2, 3] {
        let mut replica = Replica::leading();
        replica.propose("3");
        replica.sync();
        replica.receive(2, 2, appended(3));
        replica.sent();
        let body = MessageBody::HeartbeatSeen { commit: Index(1) };
        replica.group.receive(Message { from: 3, to: US, term: Term(2), body }).unwrap();
        replica.group.purged(Index(purged));
        replica.log.entries.retain(|entry| entry.index > Index(purged));
        replica.work();
        let appends = |message: &Message| matches!(message.body, MessageBody::Append { .. });
        assert!(!replica.sent().iter().any(appends), "it would need a snapshot");
    }
}

#[test]
fn messages_that_cannot_be_right_are_dropped() {
    let mut replica = Replica::leading();
    let (index, term) = (Index(99), Term(2));
    for body in [
        appended(99),
        MessageBody::Heartbeat { commit: index },
        append((2, 2), vec![entry(9, 3, "a gap")], 2),
        append((2, 2), vec![entry(3, 3, "twice"), entry(3, 3, "twice")], 2),
    ] {
        replica.receive(2, 3, body.clone());
        replica.group.receive(Message { from: 2, to: 7, term, body: body.clone() }).unwrap();
        replica.group.receive(Message { from: 9, to: US, term, body }).unwrap();
        replica.work();
    }
    assert_eq!(replica.logged(), [(2, 2)]);
    assert!(replica.group.is_leader(), "their terms do not count either");
}

#[test]
fn a_leader_believes_only_what_its_followers_can_have() {
    let mut replica = Replica::leading();
    replica.propose("a");
    replica.sync();
    let (term, there) = (Term(2), appended(3));
    for message in [
        // More than the leader has.
        Message { from: 3, to: US, term, body: appended(99) },
        // To another replica, from itself, and from nobody's term.
        Message { from: 3, to: 7, term, body: there.clone() },
        Message { from: US, to: US, term, body: there.clone() },
        Message { from: 3, to: US, term: Term(0), body: there.clone() },
        // From a term that is over.
        Message { from: 3, to: US, term: Term(1), body: there.clone() },
    ] {
        replica.group.receive(message.clone()).unwrap();
        replica.work();
        assert!(replica.committed().is_empty(), "{message:?}");
    }
    assert!(replica.group.is_leader());
    replica.receive(3, 2, there);
    assert_eq!(replica.committed(), ["a"]);
}

#[test]
fn a_leader_with_other_committed_entries_stops_the_replica() {
    let mut replica = Replica::leading();
    let body = append((1, 1), vec![entry(2, 3, "not what was committed")], 2);
    let result = replica.group.receive(Message { from: 2, to: US, term: Term(3), body });
    assert!(matches!(result, Err(GroupError::Inconsistent(_))), "{result:?}");
}

#[test]
fn tickets_of_several_writes_are_reported_at_once() {
    let mut replica = Replica::leading();
    replica.propose("a");
    replica.propose("b");
    assert_eq!(replica.writes.len(), 2);
    let last: Ticket = replica.writes[1].ticket;
    for write in std::mem::take(&mut replica.writes) {
        replica.log.sync(&write);
    }
    replica.group.synced(last);
    replica.work();
    replica.receive(2, 2, appended(4));
    assert_eq!(replica.committed(), ["a", "b"]);
}
