//! A group of one over a log in memory: what is committed, when, and what a restart recovers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use bytes::Bytes;
use consensus::{Committed, Group, GroupError, GroupOptions, Logged};
use format::frame::HardState;
use format::membership::{Change, Membership};
use format::terms::Terms;
use model::{Index, Term};
use testing::Log;

mod testing;

/// A group of one.
fn open(log: &Log, applied: (Index, Term)) -> Group {
    log.open(1, Membership::of_voters([1]), applied).unwrap()
}

fn started() -> (Group, Log) {
    let mut log = Log::default();
    let mut group = open(&log, (Index(1), Term(1)));
    group.campaign();
    let committed = run(&mut group, &mut log);
    assert_eq!(committed.len(), 1, "the leader's own empty entry");
    (group, log)
}

/// Does the group's work until there is none left. Each write is durable at once.
fn run(group: &mut Group, log: &mut Log) -> Vec<Committed> {
    let mut committed = Vec::new();
    while let Some(work) = group.take(log).unwrap() {
        if let Some(write) = work.write {
            log.sync(&write);
            group.synced(write.ticket);
        }
        for entry in work.committed {
            group.applied(entry.index);
            committed.push(entry);
        }
    }
    committed
}

#[test]
fn nothing_is_committed_before_its_own_write_is_durable() {
    let (mut group, mut log) = started();
    group.propose(Bytes::from_static(b"a")).unwrap();
    let work = group.take(&log).unwrap().unwrap();
    let write = work.write.unwrap();
    assert!(work.committed.is_empty());
    group.propose(Bytes::from_static(b"b")).unwrap();
    let second = group.take(&log).unwrap().unwrap();
    assert!(second.committed.is_empty());
    assert!(group.take(&log).unwrap().is_none_or(|work| work.committed.is_empty()));

    log.sync(&write);
    group.synced(write.ticket);
    let committed = group.take(&log).unwrap().unwrap().committed;
    assert_eq!(committed.iter().map(|entry| &entry.data[..]).collect::<Vec<_>>(), [b"a"]);
}

/// The commit of the first entry needs no write. It must not make the second entry's write count as durable.
#[test]
fn a_commit_does_not_make_later_writes_durable() {
    let (mut group, mut log) = started();
    group.propose(Bytes::from_static(b"a")).unwrap();
    let first = group.take(&log).unwrap().unwrap().write.unwrap();
    group.propose(Bytes::from_static(b"b")).unwrap();
    let second = group.take(&log).unwrap().unwrap().write.unwrap();
    let mut committed = Vec::new();
    for write in [first, second] {
        log.sync(&write);
        group.synced(write.ticket);
        let before = committed.len();
        while let Some(work) = group.take(&log).unwrap() {
            assert!(work.write.is_none());
            work.committed.iter().for_each(|entry| group.applied(entry.index));
            committed.extend(work.committed.into_iter().map(|entry| entry.data));
        }
        assert_eq!(committed.len(), before + 1, "{committed:?}");
    }
    assert_eq!(committed, ["a", "b"]);
}

#[test]
fn the_next_write_is_returned_together_with_the_last_committed_entry() {
    let (mut group, mut log) = started();
    group.propose(Bytes::from_static(b"a")).unwrap();
    let first = group.take(&log).unwrap().unwrap().write.unwrap();
    log.sync(&first);
    group.synced(first.ticket);
    group.propose(Bytes::from_static(b"b")).unwrap();
    let work = group.take(&log).unwrap().unwrap();
    assert_eq!(work.write.unwrap().entries[0].data, "b");
    assert_eq!(work.committed[0].data, "a");
}

#[test]
fn a_change_of_the_commit_index_alone_is_not_written() {
    let (mut group, mut log) = started();
    for _ in 0..3 {
        group.propose(Bytes::from_static(b"x")).unwrap();
        let mut writes = 0;
        while let Some(work) = group.take(&log).unwrap() {
            if let Some(write) = work.write {
                writes += 1;
                log.sync(&write);
                group.synced(write.ticket);
            }
            work.committed.iter().for_each(|entry| group.applied(entry.index));
        }
        assert_eq!(writes, 1);
    }
}

#[test]
fn a_restart_replays_the_missing_entries_in_order_and_in_pages() {
    let (mut group, mut log) = started();
    for number in 0..40u8 {
        group.propose(Bytes::from(vec![number; 300 << 10])).unwrap();
        run(&mut group, &mut log);
    }
    for applied in [1, 2, 20, 42] {
        let term = if applied == 1 { Term(1) } else { Term(2) };
        let mut group = open(&log, (Index(applied), term));
        group.campaign();
        let mut log = log.clone();
        let mut next = applied + 1;
        while let Some(work) = group.take(&log).unwrap() {
            let bytes: usize = work.committed.iter().map(|entry| entry.data.len()).sum();
            assert!(bytes <= (4 << 20) + (300 << 10), "a page, not the whole log");
            if let Some(write) = work.write {
                log.sync(&write);
                group.synced(write.ticket);
            }
            for entry in work.committed {
                assert_eq!(entry.index, Index(next));
                let want = (3..=42).contains(&next).then(|| (next - 3) as u8);
                assert_eq!(entry.data.first().copied(), want);
                group.applied(entry.index);
                next += 1;
            }
        }
        assert_eq!(next, 44, "everything logged, and the new leader's own entry");
        assert!(group.is_leader());
    }
}

#[test]
fn a_log_that_does_not_match_the_state_is_rejected() {
    let hard_state = HardState { term: Term(2), vote: 1, commit: Index(5) };
    let mut terms = Terms::default();
    terms.set(Index(1), Term(1));
    terms.set(Index(3), Term(2));
    let log = |last| Logged { before: Index(1), last: Index(last), terms: terms.clone() };
    let older = HardState { term: Term(1), ..hard_state };
    for (what, applied, log, hard_state) in [
        ("the log ends before the state", (9, 2), log(8), hard_state),
        ("the state is older than the log's first entry", (0, 0), log(8), hard_state),
        ("another entry was applied than is logged", (4, 1), log(8), hard_state),
        ("what is committed is missing", (3, 2), log(4), hard_state),
        ("the log is of a term that was not stored", (3, 2), log(5), older),
    ] {
        let applied = (Index(applied.0), Term(applied.1));
        let membership = Membership::of_voters([1]);
        let options = GroupOptions { replica: 1, membership, applied, log, hard_state };
        assert!(matches!(Group::open(options), Err(GroupError::Inconsistent(_))), "{what}");
    }
}

#[test]
fn a_proposal_to_a_replica_that_does_not_lead_is_dropped() {
    let mut group = open(&Log::default(), (Index(1), Term(1)));
    assert_eq!(group.propose(Bytes::from_static(b"a")).unwrap(), None);
    assert_eq!(group.propose_change(&[Change::Learner(2)]).unwrap(), None);
}

#[test]
fn a_change_of_membership_is_committed_with_what_follows_from_it() {
    let (mut group, mut log) = started();
    assert!(group.membership().is_single());
    let proposed = group.propose_change(&[Change::Learner(3)]).unwrap();
    assert_eq!(proposed, Some((Index(3), Term(2))));
    let committed = run(&mut group, &mut log);
    let want = Membership { learners: vec![3], ..Membership::of_voters([1]) };
    assert_eq!(committed[0].membership, Some(want.clone()));
    assert!(committed[0].data.is_empty());
    assert!(!group.membership().is_single());

    // An impossible change is committed and changes nothing.
    group.propose_change(&[Change::Removed(1)]).unwrap();
    let committed = run(&mut group, &mut log);
    assert_eq!((committed.len(), &committed[0].membership), (1, &None));

    // After a restart that has not applied the change, the log gives it again, and only then does it
    // campaign.
    assert!(log.hard_state.commit >= Index(3));
    let mut group = open(&log, (Index(2), Term(2)));
    group.campaign();
    let committed = run(&mut group, &mut log);
    assert_eq!(committed[0].membership, Some(want));
    assert!(group.is_leader());
}

/// Two changes at once need a membership in which both the old and the new voters decide. The leader ends it.
#[test]
fn several_changes_at_once_pass_through_a_joint_membership() {
    let (mut group, mut log) = started();
    group.propose_change(&[Change::Learner(3), Change::Learner(2)]).unwrap();
    let committed = run(&mut group, &mut log);
    let memberships: Vec<_> = committed.into_iter().map(|entry| entry.membership.unwrap()).collect();
    let after = Membership { learners: vec![2, 3], ..Membership::of_voters([1]) };
    let joint = Membership { outgoing: vec![1], leaves: true, ..after.clone() };
    assert_eq!(memberships, [joint.clone(), after.clone()]);
    assert_eq!(*group.membership(), after);

    // A restart in between begins with the joint membership.
    let mut group = log.open(1, joint, (Index(3), Term(2))).unwrap();
    group.campaign();
    let committed = run(&mut group, &mut log);
    assert_eq!(committed[0].membership, Some(after));
    assert!(group.is_leader());
}
