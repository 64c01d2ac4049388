//! A node starts on whatever an earlier one left on disk.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use model::{
    Append, Command, Expected, Filled, Fingerprint, IdHash, Identity, Index, KeyId, NewEvent, Outcome,
    PutSettings, Settings, StreamName, WriteSet,
};
use runtime::{Handle, NodeTask, Options, Phase, start};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use storage::directory::DataDirectory;
use storage::lsm::{LsmConfig, LsmState};
use storage::state::{FlushJob, Pressure, State};

/// A test fails after waiting this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Small segments; a flush after each `memtable_bytes` of state.
fn options(data: &Path, memtable_bytes: u64) -> Options {
    Options { segment_bytes: 64 << 10, memtable_bytes, ..Options::new(data) }
}

fn append(number: u128) -> Command<'static> {
    let event = NewEvent {
        identity: Identity::Client(IdHash(number)),
        fingerprint: Fingerprint(number),
        filled: Filled::default(),
        event_type: Cow::Borrowed("t"),
        key_id: KeyId::NONE,
        envelope: Cow::Owned(vec![b'e'; 1_000]),
    };
    let stream = StreamName::new("orders").unwrap();
    Command::Append(Append { keyed: None, stream, expected: Expected::Any, events: vec![event] })
}

/// Starts a node, waits until it is ready, runs `body` and ends like a killed process: without a flush.
fn killed_after<F: Future<Output = ()>>(options: &Options, body: impl FnOnce(Handle) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let metrics = telemetry::Metrics::new(telemetry::metrics::Build::of("test"));
        let (handle, task): (Handle, NodeTask) = start(options, &metrics).unwrap();
        let node = tokio::task::spawn_local(task.run(std::future::pending()));
        while handle.status().phase != Phase::Ready {
            assert!(!node.is_finished(), "the node does not start");
            tokio::task::yield_now().await;
        }
        body(handle).await;
        node.abort();
    });
}

/// Every file and its content. The lock holds the number of the process, which may change.
fn content(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(content(&path));
        } else if path.file_name().is_some_and(|name| name != "LOCK") {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}

/// A store that was killed: the log and the bodies hold more than the state, which was flushed at least once.
fn leave_unflushed(data: &Path) {
    for (memtable_bytes, numbers) in [(64 << 10, 0..400), (64 << 20, 400..600)] {
        killed_after(&options(data, memtable_bytes), |handle| async move {
            for number in numbers {
                handle.submit(append(number)).unwrap().await.unwrap();
            }
        });
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The files in one of the store's directories whose content satisfies `holds`, by name.
fn files(data: &Path, directory: &str, holds: impl Fn(&[u8]) -> bool) -> Vec<PathBuf> {
    let files = content(&data.join(directory));
    files.into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
}

/// Where the bytes of the first event in a file are.
fn event_in(bytes: &[u8]) -> Option<usize> {
    bytes.windows(500).position(|bytes| bytes == [b'e'; 500])
}

#[test]
fn a_start_that_is_refused_changes_no_file() {
    let whole = tempfile::tempdir().unwrap();
    leave_unflushed(whole.path());
    let last = |directory: &str| files(whole.path(), directory, |bytes| event_in(bytes).is_some()).pop();
    let flushed =
        LsmState::check(&whole.path().join("state"), DataDirectory::open(whole.path()).unwrap().store());
    let flushed = flushed.unwrap();
    assert!(flushed.index > Index(1), "void: the state was never flushed");
    let ends = content(&whole.path().join("bodies")).values().map(|bytes| bytes.len() as u64).sum::<u64>();
    assert!(ends > flushed.bodies_end + 150_000, "void: nothing would be cut off");

    // The newest events of the log are replayed; only the log still knows that they were acknowledged.
    let log = last("log").unwrap();
    let bodies = files(whole.path(), "bodies", |bytes| event_in(bytes).is_some()).remove(0);
    let table = files(&whole.path().join("state"), "tree/tables", |_| true).remove(0);
    let table_end = std::fs::metadata(&table).unwrap().len() as usize - 1;
    for (path, at) in [
        (log.clone(), event_in(&std::fs::read(&log).unwrap()).unwrap()),
        (log, 8),
        (bodies, 8),
        (table, table_end),
    ] {
        let whole_bytes = std::fs::read(&path).unwrap();
        flip(&path, at);
        // What a start would clean up is there too.
        std::fs::write(whole.path().join("bodies/next-0.new"), b"unfinished").unwrap();
        std::fs::write(whole.path().join("state/tree/tables/999"), b"unfinished").unwrap();
        let before = content(whole.path());
        let metrics = telemetry::Metrics::new(telemetry::metrics::Build::of("test"));
        let error =
            start(&options(whole.path(), 64 << 20), &metrics).err().expect("a damaged store is refused");
        let after = content(whole.path());
        let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&before), names(&after), "{error}");
        for (name, bytes) in &before {
            assert!(after[name] == *bytes, "{} was changed: {error}", name.display());
        }
        std::fs::write(&path, whole_bytes).unwrap();
    }
    // Repaired, it starts, and everything is there.
    killed_after(&options(whole.path(), 64 << 20), |handle| async move {
        let replayed = handle.submit(append(599)).unwrap().await.unwrap();
        let Outcome::Appended(appended) = replayed else { panic!("{replayed:?}") };
        assert!(appended.events[0].replayed);
    });
}

#[test]
fn a_state_without_its_log_is_refused() {
    let data = tempfile::tempdir().unwrap();
    leave_unflushed(data.path());
    let log = data.path().join("log");
    let refused = |words: &str| {
        let before = content(data.path());
        let metrics = telemetry::Metrics::new(telemetry::metrics::Build::of("test"));
        let error =
            start(&options(data.path(), 64 << 20), &metrics).err().expect("it is refused").to_string();
        assert!(error.contains("the state is at entry") && error.contains(words), "{error}");
        assert!(before == content(data.path()), "nothing is changed");
    };
    let away = data.path().parent().unwrap().join(format!("{}.log", data.path().display()));
    std::fs::rename(&log, &away).unwrap();
    refused("the log is missing");
    // An older log in its place.
    let older = tempfile::tempdir().unwrap();
    let store = data.path().join("STORE");
    std::fs::copy(store, older.path().join("STORE")).unwrap();
    killed_after(&options(older.path(), 64 << 20), |handle| async move {
        handle.submit(append(1)).unwrap().await.unwrap();
    });
    std::fs::remove_dir(&log).unwrap();
    std::fs::rename(older.path().join("log"), &log).unwrap();
    refused("but the log ends at entry");
    std::fs::remove_dir_all(&log).unwrap();
    std::fs::rename(&away, &log).unwrap();
    killed_after(&options(data.path(), 64 << 20), |_| async {});
}

/// Flushes repeatedly without merging, like a node that is killed before each compaction, until the store
/// allows no more commits.
fn leave_unmerged(data: &Path) {
    let directory = DataDirectory::open(data).unwrap();
    let path = directory.state_path();
    let mut state = LsmState::open(&path, directory.store(), LsmConfig::default()).unwrap();
    for number in 0_u64.. {
        if state.pressure() == Pressure::Stop {
            return;
        }
        assert!(number < 60, "flushing alone did not bring the store to its bound");
        let key = [&[0xff; 8][..], &number.to_be_bytes()].concat();
        state.commit(&WriteSet(vec![(key, Some(vec![1]))]), state.progress()).unwrap();
        state.begin_flush().unwrap().run().unwrap();
    }
}

#[test]
fn a_node_that_starts_at_the_bound_of_unmerged_tables_accepts_writes() {
    let data = tempfile::tempdir().unwrap();
    killed_after(&options(data.path(), 64 << 20), |_| async {});
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
