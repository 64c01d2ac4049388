//! The state on disk, tested by the suite that every state store must pass, and by tests of what only disks,
//! processes and threads can break.

mod damage;
mod durable;
mod faults;
mod footprint;
mod full;
mod kill;
mod threads;

use super::{LsmConfig, LsmState};
use crate::conformance::{self, state::Row, state::at};
use crate::state::{State, StateError};
use format::header::StoreId;
use model::{KeyRange, Order, View, WriteSet};
use seeded_rng::scatter;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

const STORE: StoreId = StoreId(7);

/// So small that a few rows make several tables and levels.
fn tiny() -> LsmConfig {
    LsmConfig {
        block_bytes: 200,
        table_bytes: 1_000,
        first_level_tables: 2,
        cache_bytes: 64 << 10,
        ..LsmConfig::default()
    }
}

fn open(path: &Path) -> Result<LsmState, StateError> {
    LsmState::open(path, STORE, tiny())
}

/// Every row, if the state can be read.
fn all_rows(state: &LsmState) -> Result<Vec<Row>, model::ViewError> {
    let mut rows = Vec::new();
    state.scan(KeyRange { from: &[], to: &[0xff; 9] }, Order::Ascending, &mut |key, value| {
        rows.push((key.to_vec(), value.to_vec()));
        ControlFlow::Continue(())
    })?;
    Ok(rows)
}

/// The changes of entry `index`. There are few keys, so that rows are rewritten and deleted.
fn writes(index: u64) -> WriteSet {
    let rows = 1 + scatter(index) % 12;
    let write = |row| {
        let random = scatter(index << 8 | row);
        let value = vec![index as u8; 8 + (random >> 32) as usize % 50];
        (
            random.to_le_bytes()[..2].iter().map(|byte| byte & 15).collect(),
            (random >> 60 != 0).then_some(value),
        )
    };
    WriteSet((0..rows).map(write).collect::<BTreeMap<_, _>>().into_iter().collect())
}

fn apply(rows: &mut BTreeMap<Vec<u8>, Vec<u8>>, index: u64) {
    for (key, value) in writes(index).0 {
        match value {
            Some(value) => drop(rows.insert(key, value)),
            None => drop(rows.remove(&key)),
        }
    }
}

struct InDirectory(PathBuf);

impl conformance::state::Crashing for InDirectory {
    type State = LsmState;

    fn open(&self) -> LsmState {
        open(&self.0).unwrap()
    }
}

#[test]
fn the_state_on_disk_keeps_the_promises_of_every_state_store() {
    let directory = TempDir::new().unwrap();
    let made = AtomicU64::new(0);
    conformance::state::check(|| {
        InDirectory(directory.path().join(made.fetch_add(1, Ordering::Relaxed).to_string()))
    });
}

#[test]
fn a_store_that_is_never_compacted_keeps_working() {
    let directory = TempDir::new().unwrap();
    let mut state = open(directory.path()).unwrap();
    for index in 1..=100 {
        let row = (scatter(index).to_be_bytes().to_vec(), Some(index.to_be_bytes().to_vec()));
        let ends = [0_u8, 0xfe].map(|key| (vec![key], Some(vec![1])));
        let mut writes = [&[row][..], &ends[..]].concat();
        writes.sort();
        state.commit(&WriteSet(writes), at(index)).unwrap();
        conformance::state::flush(&mut state);
        assert!(state.figures().first_level_runs <= 64);
    }
    drop(state);
    let state = open(directory.path()).unwrap();
    assert_eq!(state.progress(), at(100));
    assert_eq!(all_rows(&state).unwrap().len(), 102);
}

#[test]
fn a_key_that_no_table_can_hold_is_refused_at_once() {
    let directory = TempDir::new().unwrap();
    let mut state = open(directory.path()).unwrap();
    let write = |bytes: usize| WriteSet(vec![(vec![7; bytes], Some(vec![1]))]);
    state.commit(&write(super::KEY_BYTES_MAX), at(1)).unwrap();
    assert!(state.commit(&write(super::KEY_BYTES_MAX + 1), at(2)).is_err());
    assert_eq!(conformance::state::flush(&mut state), at(1));
    assert_eq!(state.get(&vec![7; super::KEY_BYTES_MAX]).unwrap(), Some(vec![1]));
}
