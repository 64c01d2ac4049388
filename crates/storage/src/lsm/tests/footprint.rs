//! Use of disk and memory: deleted and rewritten rows leave both, a full disk loses nothing, and work that
//! falls behind is reported.

use super::{LsmConfig, LsmState, STORE, all_rows, open, scatter};
use crate::conformance::state::{at, compact, flush, scan};
use crate::state::{Compactor, Pressure, State};
use model::{Order, View, WriteSet};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const ROWS: u64 = 2_000;

fn rows(value: Option<&[u8]>) -> WriteSet {
    let mut writes: Vec<_> =
        (0..ROWS).map(|row| (scatter(row).to_be_bytes().to_vec(), value.map(<[u8]>::to_vec))).collect();
    writes.sort();
    WriteSet(writes)
}

/// A few tables for [`ROWS`].
fn small() -> LsmConfig {
    LsmConfig { block_bytes: 1 << 10, table_bytes: 32 << 10, first_level_tables: 2, ..LsmConfig::default() }
}

fn bytes_on_disk(directory: &Path) -> u64 {
    let tables = fs::read_dir(directory.join("tree/tables")).unwrap();
    tables.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn rewritten_and_deleted_rows_leave_the_disk() {
    let directory = TempDir::new().unwrap();
    let mut state = LsmState::open(directory.path(), STORE, small()).unwrap();
    let commit = |state: &mut LsmState, writes: &WriteSet| {
        let next = at(state.progress().index.0 + 1);
        state.commit(writes, next).unwrap();
        flush(state);
        compact(state);
    };
    commit(&mut state, &rows(Some(&[1; 40])));
    let once = bytes_on_disk(directory.path());
    assert!(once > ROWS * 40);
    for round in 2..12 {
        commit(&mut state, &rows(Some(&[round; 40])));
    }
    let rewritten = bytes_on_disk(directory.path());
    assert!(rewritten < once * 3, "{rewritten} bytes of {once}: old versions must be gone");
    assert_eq!(state.figures().table_bytes, bytes_on_disk(directory.path()), "and so must their files");
    commit(&mut state, &rows(None));
    // Tombstones disappear in the last level. These commits push them there.
    for _ in 0..8 {
        commit(&mut state, &WriteSet(vec![(vec![0], Some(vec![0])), (vec![0xff], Some(vec![0]))]));
    }
    assert_eq!(all_rows(&state).unwrap().len(), 2);
    let left = bytes_on_disk(directory.path());
    assert!(left < once / 10, "{left} bytes left of {once}");
}

#[test]
fn a_reader_keeps_its_files_and_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();
    let mut state = LsmState::open(directory.path(), STORE, small()).unwrap();
    state.commit(&rows(Some(&[1; 40])), at(1)).unwrap();
    flush(&mut state);
    let reader = state.reader();
    assert_eq!(state.figures().readers, 1);
    for index in 2..8 {
        state.commit(&rows(Some(&[index as u8; 40])), at(index)).unwrap();
        flush(&mut state);
        compact(&state);
    }
    let seen = scan(&reader, &[], &[0xff; 9], Order::Ascending, usize::MAX);
    assert!(seen.len() as u64 == ROWS && seen.iter().all(|(_, value)| value == &[1; 40]));
    assert!(bytes_on_disk(directory.path()) > state.figures().table_bytes);
    let before = bytes_on_disk(directory.path());
    drop(reader);
    assert_eq!(state.figures().readers, 0);
    assert_eq!(bytes_on_disk(directory.path()), before, "the thread of the last reader deletes no file");
    state.compactor().free_unused();
    assert_eq!(bytes_on_disk(directory.path()), state.figures().table_bytes);
    assert_eq!(state.figures().replaced, 0);
}

#[test]
fn a_flushed_memtable_is_freed_only_by_the_thread_that_frees() {
    let directory = TempDir::new().unwrap();
    let mut state = LsmState::open(directory.path(), STORE, small()).unwrap();
    state.commit(&rows(Some(&[1; 40])), at(1)).unwrap();
    let reader = state.reader();
    flush(&mut state);
    for _ in 0..2 {
        state.compactor().free_unused();
        assert_eq!(
            state.figures().replaced,
            2,
            "the reader uses the memtable and the tables before the flush"
        );
    }
    drop(reader);
    assert_eq!(state.figures().replaced, 2);
    state.compactor().free_unused();
    assert_eq!(state.figures().replaced, 0);
}

#[test]
fn pressure_rises_with_what_waits_for_the_disk() {
    let directory = TempDir::new().unwrap();
    let config = LsmConfig { memtable_bytes: 100_000, first_level_tables: 2, ..LsmConfig::default() };
    let mut state = LsmState::open(directory.path(), STORE, config).unwrap();
    let mut index = 0;
    let mut fill_to = |state: &mut LsmState, bytes: u64| {
        while state.unflushed_bytes() < bytes {
            index += 1;
            let row = (scatter(index).to_be_bytes().to_vec(), Some(vec![7; 20]));
            state.commit(&WriteSet(vec![row]), at(index)).unwrap();
        }
        state.pressure()
    };
    assert_eq!(fill_to(&mut state, 100_000), Pressure::None);
    assert_eq!(fill_to(&mut state, 400_000), Pressure::Stop);
    for runs in 1..=13 {
        flush(&mut state);
        assert_eq!(state.figures().first_level_runs, runs);
        let want = [(12, Pressure::Stop), (0, Pressure::None)];
        assert_eq!(state.pressure(), want.iter().find(|(least, _)| runs >= *least).unwrap().1, "{runs} runs");
        fill_to(&mut state, 1_000);
    }
    compact(&state);
    assert_eq!(state.pressure(), Pressure::None);
}

#[test]
fn a_failed_flush_is_not_tried_again() {
    let directory = TempDir::new().unwrap();
    let mut state = open(directory.path()).unwrap();
    state.commit(&WriteSet(vec![(b"k".to_vec(), Some(b"v".to_vec()))]), at(1)).unwrap();
    let job = state.begin_flush().unwrap();
    fs::remove_dir_all(directory.path().join("tree/tables")).unwrap();
    assert!(crate::state::FlushJob::run(job).is_err());
    assert!(state.begin_flush().is_err());
    assert_eq!(state.get(b"k").unwrap(), Some(b"v".to_vec()), "memory can still be read");
}
