//! A disk without space: nothing is lost, nothing is left behind, and the flush can run again.
//!
//! A limit on the size of files stands in for the size of the disk. It makes writes fail in the same way, and
//! needs only a separate process, not a separate file system.

use super::super::{LsmConfig, LsmState};
use super::{STORE, scatter};
use crate::conformance::state::{at, flush};
use crate::state::{Compactor, FlushJob, State, StateError};
use model::{View, WriteSet};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Set in the child's environment: the directory in which it works.
const DIRECTORY: &str = "MAINSTAY_TEST_FULL_DIRECTORY";
const CHILD: &str = "lsm::tests::full::a_process_with_little_space";

fn rows(from: u64) -> WriteSet {
    let mut writes: Vec<_> =
        (from..from + 2_000).map(|row| (scatter(row).to_be_bytes().to_vec(), Some(vec![7; 40]))).collect();
    writes.sort();
    WriteSet(writes)
}

fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

fn table_files(directory: &Path) -> usize {
    std::fs::read_dir(directory.join("tree/tables")).unwrap().count()
}

/// The child. It does nothing when it runs as a test of its own.
#[test]
fn a_process_with_little_space() {
    let Some(directory) = std::env::var_os(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let config = LsmConfig { first_level_tables: 2, ..LsmConfig::default() };
    let mut state = LsmState::open(directory, STORE, config).unwrap();
    state.commit(&rows(0), at(1)).unwrap();
    flush(&mut state);
    state.commit(&rows(10_000), at(2)).unwrap();

    limit_files(Some(20_000));
    for _ in 0..3 {
        let refused = state.begin_flush().unwrap().run();
        assert!(matches!(refused, Err(StateError::NoSpace(_))), "{refused:?}");
        assert_eq!(table_files(directory), 1, "no half table is left");
    }
    state.commit(&rows(20_000), at(3)).unwrap();
    limit_files(None);
    assert_eq!(state.begin_flush().unwrap().run().unwrap(), at(2), "the same flush again");
    assert_eq!(flush(&mut state), at(3));

    limit_files(Some(20_000));
    let refused = state.compactor().step();
    assert!(matches!(refused, Err(StateError::NoSpace(_))), "{refused:?}");
    assert_eq!(table_files(directory), 3, "no half table is left");
    limit_files(None);
    crate::conformance::state::compact(&state);
    for from in [0, 10_000, 20_000] {
        assert!(state.get(&scatter(from).to_be_bytes()).unwrap().is_some());
    }
    drop(state);
    assert_eq!(LsmState::open(directory, STORE, config).unwrap().progress(), at(3));
}

#[test]
fn a_full_disk_loses_nothing_and_the_flush_can_run_again() {
    let directory = TempDir::new().unwrap();
    // Without this handler, the limit's signal would end the process instead of failing the write.
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .status()
        .unwrap();
    assert!(status.success());
}
