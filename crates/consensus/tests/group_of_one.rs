//! A group of one over a log in memory: what is committed, when, and what a restart recovers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use bytes::Bytes;
use consensus::{Committed, Group, GroupError, GroupOptions, LogView, LogViewError, LogWrite};
use format::frame::HardState;
use model::{Index, Term};

/// A log that holds what was synced.
#[derive(Clone, Default)]
struct Log {
    entries: Vec<(Index, Term, Vec<u8>)>,
    hard_state: HardState,
}

impl LogView for Log {
    fn entries(&self, from: Index, bytes_max: usize) -> Result<Vec<(Index, Term, Vec<u8>)>, LogViewError> {
        let mut bytes = 0;
        let rest = self.entries.iter().skip_while(|(index, _, _)| *index < from);
        let fits = rest.enumerate().take_while(|(nth, (_, _, data))| {
            bytes += data.len();
            *nth == 0 || bytes <= bytes_max
        });
        Ok(fits.map(|(_, entry)| entry.clone()).collect())
    }
}

impl Log {
    fn sync(&mut self, write: &LogWrite) {
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
        for entry in &write.entries {
            self.entries.retain(|(index, _, _)| *index < entry.index);
            self.entries.push((entry.index, entry.term, entry.data.to_vec()));
        }
    }

    fn open(&self, applied: (Index, Term)) -> Result<Group, GroupError> {
        let logged = self.entries.last().map_or(applied, |(index, term, _)| (*index, *term)).max(applied);
        Group::open(GroupOptions {
            replica: 1,
            voters: vec![1],
            applied,
            logged,
            hard_state: self.hard_state,
        })
    }
}

fn started() -> (Group, Log) {
    let mut log = Log::default();
    let mut group = log.open((Index(1), Term(1))).unwrap_or_else(|_| {
        log.hard_state = HardState { term: Term(1), vote: 0, commit: Index(1) };
        log.open((Index(1), Term(1))).unwrap()
    });
    group.campaign().unwrap();
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
        let mut group = log.open((Index(applied), term)).unwrap();
        group.campaign().unwrap();
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
    for (applied, logged, hard_state) in
        [((9, 2), (8, 2), hard_state), ((3, 2), (4, 2), hard_state), ((3, 2), (5, 3), hard_state)]
    {
        let at = |(index, term)| (Index(index), Term(term));
        let options = GroupOptions {
            replica: 1,
            voters: vec![1],
            applied: at(applied),
            logged: at(logged),
            hard_state,
        };
        assert!(matches!(Group::open(options), Err(GroupError::Inconsistent(_))), "{applied:?} {logged:?}");
    }
}
