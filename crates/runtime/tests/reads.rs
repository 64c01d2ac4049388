//! Reads while the disk does not respond.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end by a panic")]

use node::Unavailable;
use runtime::{Handle, NodeTask, Options, Phase, start};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// What takes longer has waited for the disk.
const AT_ONCE: Duration = Duration::from_secs(1);

#[test]
fn reads_that_find_all_threads_waiting_for_the_disk_are_rejected_and_work_again_when_it_responds() {
    let data = tempfile::tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let metrics = telemetry::Metrics::new(telemetry::metrics::Build::of("test"));
        let (handle, task): (Handle, NodeTask) = start(&Options::new(data.path()), &metrics).unwrap();
        let node = tokio::task::spawn_local(task.run(std::future::pending()));
        while handle.status().phase != Phase::Ready {
            assert!(!node.is_finished(), "the node does not start");
            tokio::task::yield_now().await;
        }
        // The only thread reads what the disk does not give it.
        let ((respond, responds), (begin, begun)) = (channel::<()>(), channel());
        let reader = handle.clone();
        let hung = tokio::task::spawn_local(async move {
            let job = move |_: &_| {
                begin.send(()).unwrap();
                responds.recv().unwrap();
                Ok(())
            };
            reader.read(job).await
        });
        while begun.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        let stalled = |read: Result<(), Unavailable>| matches!(read, Err(Unavailable::DiskStalled(_)));
        assert!(stalled(handle.read(|_| Ok(())).await), "it has waited long enough");
        // It is known now that the thread is taken, so the next reads do not wait.
        let asked = Instant::now();
        for _ in 0..9 {
            assert!(stalled(handle.read(|_| Ok(())).await));
        }
        assert!(asked.elapsed() < AT_ONCE, "they waited: {:?}", asked.elapsed());
        respond.send(()).unwrap();
        assert_eq!(hung.await.unwrap(), Ok(()), "a read that had begun ends when the disk responds");
        let asked = Instant::now();
        assert_eq!(handle.read(|_| Ok(())).await, Ok(()));
        assert!(asked.elapsed() < AT_ONCE);
        node.abort();
    });
}
