//! The gauges of memory and disk are in bytes, and measure what their names say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use model::{
    Append, Command, Expected, Filled, Fingerprint, IdHash, Identity, KeyId, NewEvent, PutSettings, Settings,
    StreamName,
};
use runtime::{Handle, Options, Phase, READS_MAX, Unavailable, start};
use std::borrow::Cow;
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use telemetry::Metrics;

/// A test fails after waiting this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a node in `data` while `body` runs, then stops it gracefully.
fn with_node<F: Future<Output = ()>>(data: &Path, body: impl FnOnce(Handle, Arc<Metrics>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let metrics = Metrics::new(telemetry::Build::of("test"));
        let (handle, task) = start(&Options::new(data), &metrics).unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let node = tokio::task::spawn_local(task.run(async {
            let _ = stopped.await;
        }));
        until(|| handle.status().phase == Phase::Ready).await;
        body(handle, metrics).await;
        drop(stop);
        node.await.unwrap().unwrap();
    });
}

async fn until(holds: impl Fn() -> bool) {
    let held = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, held).await.expect("the condition becomes true");
}

fn stream() -> StreamName<'static> {
    StreamName::new("orders").unwrap()
}

/// An event of at least 1,000 bytes.
fn append(number: u128) -> Command<'static> {
    let event = NewEvent {
        identity: Identity::Client(IdHash(number)),
        fingerprint: Fingerprint(number),
        filled: Filled::default(),
        event_type: Cow::Borrowed("t"),
        key_id: KeyId::NONE,
        envelope: Cow::Owned(format!("{{\"data\":\"{}\"}}", "x".repeat(1_000)).into_bytes()),
    };
    Command::Append(Append { keyed: None, stream: stream(), expected: Expected::Any, events: vec![event] })
}

#[test]
fn removed_events_count_as_bytes_and_not_as_records() {
    let data = tempfile::tempdir().unwrap();
    with_node(data.path(), |handle, metrics| async move {
        let settings = Settings { max_count: Some(1), ..Settings::default() };
        handle
            .submit(Command::PutSettings(PutSettings { stream: stream(), settings }))
            .unwrap()
            .await
            .unwrap();
        for number in 0..4 {
            handle.submit(append(number)).unwrap().await.unwrap();
        }
        until(|| metrics.bodies_dead.get() > 0).await;
        assert!(metrics.bodies_dead.get() >= 1_000, "{}", metrics.bodies_dead.get());
    });
}

#[test]
fn state_memory_is_what_no_flush_has_written_and_the_cache_is_counted_separately() {
    let data = tempfile::tempdir().unwrap();
    with_node(data.path(), |handle, metrics| async move {
        handle.submit(append(1)).unwrap().await.unwrap();
        until(|| metrics.state_memory.get() > 0).await;
    });
    // The stop flushed everything, and the start read some of it back through the cache.
    with_node(data.path(), |_, metrics| async move {
        until(|| metrics.state_bytes.get() > 0).await;
        assert_eq!(metrics.state_memory.get(), 0);
        assert!(metrics.state_cache.get() > 0);
    });
}

#[test]
fn a_read_counts_until_it_has_run_even_if_its_caller_has_gone() {
    let data = tempfile::tempdir().unwrap();
    with_node(data.path(), |handle, _| async move {
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        for _ in 0..READS_MAX {
            let gate = Arc::clone(&gate);
            let read = handle.read(move |_| {
                // Ends when the test drops the sender.
                let _ = gate.lock().unwrap().recv();
                Ok(())
            });
            tokio::select! {
                biased;
                read = read => panic!("it cannot have run: {read:?}"),
                () = std::future::ready(()) => {}
            }
        }
        assert_eq!(handle.read(|_| Ok(())).await, Err(Unavailable::Busy));
        drop(release);
        let free = async {
            while handle.read(|_| Ok(())).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, free).await.expect("the pool is free again");
    });
}
