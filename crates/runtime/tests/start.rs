//! What a start finds on disk, and that the node continues from it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may end by a panic")]

use model::{Command, Index, Outcome, PutSettings, Settings, StreamName, Term, WriteSet};
use runtime::{Options, Phase, start};
use std::path::Path;
use std::time::Duration;
use storage::directory::DataDirectory;
use storage::lsm::{LsmConfig, LsmState};
use storage::state::{FlushJob, Pressure, Progress, State};

/// A test fails after waiting this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Flushes again and again without merging, like a node that is killed before each compaction, until the
/// store allows no more commits.
fn leave_unmerged(data: &Path) {
    let directory = DataDirectory::open(data).unwrap();
    let path = directory.state_path();
    let mut state = LsmState::open(&path, directory.store(), LsmConfig::default()).unwrap();
    for index in 2.. {
        if state.pressure() == Pressure::Stop {
            return;
        }
        assert!(index < 60, "void: flushing alone does not bring the store to its bound");
        let key = [&[0xff; 8][..], &u64::to_be_bytes(index)].concat();
        let progress = Progress { index: Index(index), term: Term(1), bodies_end: 0 };
        state.commit(&WriteSet(vec![(key, Some(vec![1]))]), progress).unwrap();
        state.begin_flush().unwrap().run().unwrap();
    }
}

#[test]
fn a_node_that_begins_at_its_bound_of_unmerged_tables_takes_writes() {
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
        let answer = tokio::time::timeout(PATIENCE, handle.submit(write).unwrap()).await;
        assert_eq!(answer.expect("an answer"), Ok(Outcome::SettingsPut));
        node.abort();
    });
}
