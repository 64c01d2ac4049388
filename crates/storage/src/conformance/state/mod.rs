//! What every state store must do; see [`crate::state`].
//!
//! [`check`] tests each promise in turn, and then compares random histories with a plain map.

mod random;

use crate::state::{Compactor, Due, FlushJob, Progress, Reader, State};
use model::{GroupId, Index, KeyRange, Order, Term, View, WriteSet};
use std::ops::ControlFlow;

/// A store that can lose what is not durable.
pub(crate) trait Crashing {
    type State: State;

    /// Opens what is durable. The state that was open before, and its flush jobs, were dropped.
    fn open(&self) -> Self::State;
}

/// Tests the stores that `make` returns, which must be empty.
pub(crate) fn check<C: Crashing>(make: impl Fn() -> C) {
    commits_are_read_at_once(&make());
    scans_keep_order_and_bounds(&make());
    a_scan_may_read_within_itself(&make());
    a_readers_view_never_changes(&make());
    a_crash_leaves_the_last_completed_flush(&make());
    an_empty_commit_moves_the_durable_progress(&make());
    only_one_flush_exists_at_a_time(&make());
    a_flush_that_never_ran_can_begin_again(&make());
    rows_count_as_unflushed_until_their_flush_has_completed(&make());
    deleted_rows_stay_deleted_through_flushes_and_crashes(&make());
    random::histories_agree_with_a_map(make);
}

pub(crate) type Row = (Vec<u8>, Vec<u8>);

pub(crate) fn at(index: u64) -> Progress {
    Progress { group: GroupId(1), index: Index(index), term: Term(index / 7), bodies_end: index * 1_000 }
}

fn put(key: &[u8], value: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.to_vec(), Some(value.to_vec()))
}

/// The first `rows_max` rows, in `order`.
pub(crate) fn scan(view: &dyn View, from: &[u8], to: &[u8], order: Order, rows_max: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    view.scan(KeyRange { from, to }, order, &mut |key, value| {
        if rows.len() == rows_max {
            return ControlFlow::Break(());
        }
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })
    .unwrap();
    rows
}

fn scan_all(view: &dyn View, from: &[u8], to: &[u8], order: Order) -> Vec<Row> {
    scan(view, from, to, order, usize::MAX)
}

pub(crate) fn flush(state: &mut impl State) -> Progress {
    state.begin_flush().unwrap().run().unwrap()
}

pub(crate) fn compact(state: &impl State) {
    while state.compactor().step().unwrap() == Due::More {}
}

fn commits_are_read_at_once(store: &impl Crashing) {
    let mut state = store.open();
    assert_eq!(state.progress(), Progress::default());
    assert_eq!(state.get(b"a").unwrap(), None);
    state.commit(&WriteSet(vec![put(b"a", b"1"), put(b"b", b"")]), at(1)).unwrap();
    assert_eq!(state.progress(), at(1));
    assert_eq!(state.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(state.get(b"b").unwrap(), Some(Vec::new()), "an empty value is a value");
    state.commit(&WriteSet(vec![(b"a".to_vec(), None), put(b"b", b"2")]), at(2)).unwrap();
    assert_eq!(state.get(b"a").unwrap(), None);
    assert_eq!(state.get(b"b").unwrap(), Some(b"2".to_vec()));
    assert!(state.unflushed_bytes() > 0);
}

fn scans_keep_order_and_bounds(store: &impl Crashing) {
    let mut state = store.open();
    let long = vec![b'l'; 400];
    let keys: [&[u8]; 6] = [b"", b"a", b"ab", b"b", &long, &[0xff, 0xff]];
    // Half of the rows are in tables, half in memory.
    state.commit(&WriteSet(keys.iter().step_by(2).map(|key| put(key, key)).collect()), at(1)).unwrap();
    flush(&mut state);
    state
        .commit(&WriteSet(keys.iter().skip(1).step_by(2).map(|key| put(key, key)).collect()), at(2))
        .unwrap();
    for (from, to, want) in [
        (&b""[..], &[0xff, 0xff, 0xff][..], &keys[..]),
        (b"a", b"b", &keys[1..3]),
        (b"ab", &[0xff, 0xff], &keys[2..5]),
        (b"a0", b"a0", &[]),
        (b"b", b"a", &[]),
        (b"c", b"d", &[]),
    ] {
        let mut want: Vec<Row> = want.iter().map(|key| (key.to_vec(), key.to_vec())).collect();
        assert_eq!(scan_all(&state, from, to, Order::Ascending), want, "{from:?} to {to:?}");
        want.reverse();
        assert_eq!(scan_all(&state, from, to, Order::Descending), want, "{from:?} to {to:?}, descending");
    }
    let mut visited = 0;
    let mut once = |_: &[u8], _: &[u8]| {
        visited += 1;
        ControlFlow::Break(())
    };
    state.scan(KeyRange { from: b"", to: b"z" }, Order::Descending, &mut once).unwrap();
    assert_eq!(visited, 1, "a scan ends when its visitor breaks");
}

fn a_scan_may_read_within_itself(store: &impl Crashing) {
    let mut state = store.open();
    state.commit(&WriteSet(vec![put(b"a", b"b"), put(b"b", b"c")]), at(1)).unwrap();
    let mut found = Vec::new();
    state
        .scan(KeyRange { from: b"a", to: b"b" }, Order::Ascending, &mut |_, value| {
            found.push(state.get(value).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(found, [Some(b"c".to_vec())]);
}

fn a_readers_view_never_changes(store: &impl Crashing) {
    let mut state = store.open();
    state.commit(&WriteSet(vec![put(b"a", b"1"), put(b"b", b"1")]), at(1)).unwrap();
    flush(&mut state);
    state.commit(&WriteSet(vec![put(b"a", b"2")]), at(2)).unwrap();
    let reader = state.reader();
    let want = vec![(b"a".to_vec(), b"2".to_vec()), (b"b".to_vec(), b"1".to_vec())];
    for step in 3..9 {
        assert_eq!(reader.progress(), at(2));
        assert_eq!(scan_all(&reader, b"", b"z", Order::Ascending), want, "before {step}");
        assert_eq!(reader.get(b"c").unwrap(), None);
        let writes = vec![put(b"a", b"3"), (b"b".to_vec(), None), put(b"c", b"3")];
        state.commit(&WriteSet(writes), at(step)).unwrap();
        if step % 2 == 0 {
            flush(&mut state);
            compact(&state);
        }
    }
    let other = reader.clone();
    drop(reader);
    let read = std::thread::spawn(move || other.get(b"a").unwrap()).join().unwrap();
    assert_eq!(read, Some(b"2".to_vec()), "a reader works on any thread");
}

fn a_crash_leaves_the_last_completed_flush(store: &impl Crashing) {
    let mut state = store.open();
    for index in 1..=4 {
        state.commit(&WriteSet(vec![put(b"k", &[index as u8])]), at(index)).unwrap();
        match index {
            1 => assert_eq!(flush(&mut state), at(1)),
            // Commits after the flush has begun belong to the next one.
            2 => {
                let job = state.begin_flush().unwrap();
                state.commit(&WriteSet(vec![put(b"k", b"later")]), at(100)).unwrap();
                assert_eq!(job.run().unwrap(), at(2));
                assert_eq!(state.get(b"k").unwrap(), Some(b"later".to_vec()));
            }
            3 => assert_eq!(flush(&mut state), at(3)),
            // Begun but never run.
            _ => drop(state.begin_flush().unwrap()),
        }
    }
    drop(state);
    for _ in 0..2 {
        let state = store.open();
        assert_eq!(state.progress(), at(3));
        assert_eq!(state.get(b"k").unwrap(), Some(vec![3]));
        assert_eq!(state.unflushed_bytes(), 0);
    }
}

fn an_empty_commit_moves_the_durable_progress(store: &impl Crashing) {
    let mut state = store.open();
    assert_eq!(flush(&mut state), Progress::default(), "having nothing to flush is not an error");
    state.commit(&WriteSet(vec![put(b"k", b"v")]), at(1)).unwrap();
    flush(&mut state);
    state.commit(&WriteSet::default(), at(2)).unwrap();
    assert_eq!(flush(&mut state), at(2));
    assert_eq!(flush(&mut state), at(2));
    drop(state);
    let state = store.open();
    assert_eq!((state.progress(), state.get(b"k").unwrap()), (at(2), Some(b"v".to_vec())));
}

fn only_one_flush_exists_at_a_time(store: &impl Crashing) {
    let mut state = store.open();
    state.commit(&WriteSet(vec![put(b"k", b"v")]), at(1)).unwrap();
    let job = state.begin_flush().unwrap();
    state.commit(&WriteSet(vec![put(b"k", b"w")]), at(2)).unwrap();
    assert!(state.begin_flush().is_err());
    assert_eq!(job.run().unwrap(), at(1));
    assert_eq!(flush(&mut state), at(2));
}

fn rows_count_as_unflushed_until_their_flush_has_completed(store: &impl Crashing) {
    let mut state = store.open();
    assert_eq!(state.figures().unflushed_bytes, 0);
    state.commit(&WriteSet(vec![put(b"k", &[7; 1_000])]), at(1)).unwrap();
    assert!(state.figures().unflushed_bytes >= 1_000);
    let job = state.begin_flush().unwrap();
    assert_eq!(state.unflushed_bytes(), 0, "the flush has taken them");
    assert!(state.figures().unflushed_bytes >= 1_000, "they are still only in memory");
    job.run().unwrap();
    assert_eq!(state.figures().unflushed_bytes, 0);
}

fn deleted_rows_stay_deleted_through_flushes_and_crashes(store: &impl Crashing) {
    let mut state = store.open();
    let rows = |value: Option<&[u8]>| -> WriteSet {
        WriteSet((0..50_u8).map(|key| (vec![key], value.map(<[u8]>::to_vec))).collect())
    };
    for round in 0..6 {
        state.commit(&rows(Some(b"here")), at(round * 2 + 1)).unwrap();
        if round % 2 == 0 {
            flush(&mut state);
        }
        state.commit(&rows(None), at(round * 2 + 2)).unwrap();
        flush(&mut state);
        if round % 3 == 1 {
            compact(&state);
        }
        drop(state);
        state = store.open();
        assert_eq!(state.progress(), at(round * 2 + 2));
        assert_eq!(scan_all(&state, &[0], &[255], Order::Ascending), []);
        assert_eq!(state.get(&[7]).unwrap(), None);
    }
}

/// A job does not run when the bodies that its state refers to find no space.
fn a_flush_that_never_ran_can_begin_again(store: &impl Crashing) {
    let mut state = store.open();
    state.commit(&WriteSet(vec![put(b"a", b"1")]), at(1)).unwrap();
    drop(state.begin_flush().unwrap());
    state.commit(&WriteSet(vec![put(b"a", b"2")]), at(2)).unwrap();
    assert_eq!(flush(&mut state), at(1), "the same flush again");
    drop(state.begin_flush().unwrap());
    drop(state);
    let mut state = store.open();
    assert_eq!(state.progress(), at(1));
    assert_eq!(state.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(flush(&mut state), at(1));
}
