//! Commits, flushes, compactions and readers at the same time.

use super::{open, scatter};
use crate::conformance::state::at;
use crate::state::{Compactor, Due, FlushJob, Reader, State};
use model::{KeyRange, Order, WriteSet};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use tempfile::TempDir;

const FLUSHES: u64 = 40;
/// Pairs of rows, far apart in the order of keys.
const PAIRS: u64 = 40;

/// The rows of a pair, with the number of the last entry that wrote both.
fn pair(index: u64) -> WriteSet {
    let row = |side: u8, value| (vec![side, (scatter(index) % PAIRS) as u8], Some(value));
    let value = [&index.to_be_bytes()[..], &vec![7; index as usize % 60]].concat();
    WriteSet(vec![row(1, value.clone()), row(2, value)])
}

/// The two rows of each pair must be equal. None may be newer than the view, and the newest must be as new as
/// the view.
fn check(view: &impl Reader) {
    let side = |side: u8, order| {
        let mut rows = Vec::new();
        view.scan(KeyRange { from: &[side], to: &[side + 1] }, order, &mut |key, value| {
            rows.push((key[1], u64::from_be_bytes(value[..8].try_into().unwrap())));
            ControlFlow::Continue(())
        })
        .unwrap();
        rows
    };
    let (left, mut right) = (side(1, Order::Ascending), side(2, Order::Descending));
    right.reverse();
    assert_eq!(left, right);
    assert_eq!(left.iter().map(|(_, index)| *index).max().unwrap_or_default(), view.progress().index.0);
    for (pair, index) in left {
        let value = view.get(&[1, pair]).unwrap().unwrap();
        assert_eq!(value[..8], index.to_be_bytes());
    }
}

#[test]
fn readers_see_whole_commits_while_flushes_and_compactions_run() {
    let directory = TempDir::new().unwrap();
    let mut state = open(directory.path()).unwrap();
    let compactor = state.compactor();
    let ((jobs, orders), (reports, flushed)) = (channel(), channel());
    let flushing = thread::spawn(move || {
        for job in orders {
            let job: super::super::LsmFlush = job;
            reports.send(job.run().unwrap()).unwrap();
        }
    });
    // On a thread of its own, so that it runs during flushes and not between them.
    let (due, wakes) = channel::<()>();
    let compacting = thread::spawn(move || {
        for () in wakes {
            while compactor.step().unwrap() == Due::More {}
        }
    });
    let (readers, taken): (_, Receiver<super::super::LsmReader>) = channel();
    let reading = thread::spawn(move || {
        let mut kept = Vec::new();
        for (count, reader) in taken.into_iter().enumerate() {
            check(&reader);
            if count % 10 == 0 {
                kept.push(reader);
            }
        }
        kept.iter().for_each(check);
        kept.len()
    });

    let (mut index, mut flushes, mut out) = (0, 0, false);
    while flushes < FLUSHES {
        index += 1;
        state.commit(&pair(index), at(index)).unwrap();
        if index % 200 == 0 {
            readers.send(state.reader()).unwrap();
        }
        if out && flushed.try_recv().is_ok() {
            due.send(()).unwrap();
            (out, flushes) = (false, flushes + 1);
        }
        if !out {
            jobs.send(state.begin_flush().unwrap()).unwrap();
            out = true;
        }
    }
    drop((jobs, due, readers));
    flushing.join().unwrap();
    compacting.join().unwrap();
    assert!(reading.join().unwrap() > 10);
    check(&state.reader());
}
