//! A node starts on whatever an earlier one left on disk.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end by a panic")]

use model::{Command, GroupId, Index, Outcome, PutSettings, Settings, StreamName, Term, WriteSet};
use runtime::{Options, Phase, start};
use std::path::Path;
use std::time::Duration;
use storage::directory::DataDirectory;
use storage::lsm::{LsmConfig, LsmState};
use storage::state::{FlushJob, Pressure, Progress, State};

/// A test fails after waiting this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Flushes repeatedly without merging, like a node that is killed before each compaction, until the store
/// allows no more commits.
fn leave_unmerged(data: &Path) {
    let directory = DataDirectory::open(data).unwrap();
    let path = directory.state_path();
    let mut state = LsmState::open(&path, directory.store(), LsmConfig::default()).unwrap();
    for index in 2.. {
        if state.pressure() == Pressure::Stop {
            return;
        }
        assert!(index < 60, "flushing alone did not bring the store to its bound");
        let key = [&[0xff; 8][..], &u64::to_be_bytes(index)].concat();
        let progress = Progress { group: GroupId(1), index: Index(index), term: Term(1), bodies_end: 0 };
        state.commit(&WriteSet(vec![(key, Some(vec![1]))]), progress).unwrap();
        state.begin_flush().unwrap().run().unwrap();
    }
}

#[test]
fn a_node_that_starts_at_the_bound_of_unmerged_tables_accepts_writes() {
    let data = tempfile::tempdir().unwrap();
    leave_unmerged(data.path());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let metrics = telemetry::Metrics::new(telemetry::metrics::Build::of("test"));
        let (handle, task) = start(&Options::new(data.path()), &metrics).unwrap();
        let node = tokio::task::spawn_local(task.run(std::future::pending()));
        while handle.status().phase != Phase::Ready {
            assert!(!node.is_finished(), "the node does not start");
            tokio::task::yield_now().await;
        }
        let stream = StreamName::new("orders").unwrap();
        let write = Command::PutSettings(PutSettings { stream, settings: Settings::default() });
        let outcome = tokio::time::timeout(PATIENCE, handle.submit(write).unwrap()).await;
        assert_eq!(outcome.expect("an outcome"), Ok(Outcome::SettingsPut));
        node.abort();
    });
}
