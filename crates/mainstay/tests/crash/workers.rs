//! `mainstay work` in processes of its own, which are killed, and stopped for longer than their claims last, while the
//! node is killed too: every task is done in the end, and its command has run at least once.

use crate::node::{Node, mainstay};
use crate::workload;
use mainstay_client::{Client, NewTask, Queue, QueueSettings, Retry};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 20;
const WORKERS: usize = 3;
const TASKS: usize = 600;
const CLAIM: &str = "1s";
/// Longer than a claim lasts.
const STOPPED: Duration = Duration::from_millis(1_500);
/// After the last round, all tasks are done within this.
const DONE_WITHIN: Duration = Duration::from_secs(90);

/// Its command writes the id of each task into a file.
fn worker(url: &str, effects: &Path) -> Child {
    let mut command = mainstay();
    command.args(["--url", url, "work", "work", "--concurrency", "4", "--claim-timeout", CLAIM]);
    command.args(["--", "sh", "-c", r#"echo "$MAINSTAY_TASK_ID" >> "$0"; sleep 0.05"#]).arg(effects);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn signal(worker: &Child, signal: Signal) {
    kill_process(Pid::from_child(worker), signal).unwrap();
}

async fn enqueue(queue: &Queue) {
    let tasks: Vec<NewTask> = (0..TASKS).map(|number| NewTask::new("t").id(format!("t-{number}"))).collect();
    for batch in tasks.chunks(100) {
        let results = queue.enqueue_all(batch).await.unwrap();
        assert!(results.iter().all(Result::is_ok));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_runs_and_is_done_however_often_processes_are_killed_or_stopped() {
    let data = tempfile::tempdir().unwrap();
    let effects = data.path().join("effects");
    let mut rng = workload::rng();
    let store = data.path().join("store");
    let mut node = Node::start(&store);
    let (url, address) = (node.url.clone(), node.address());
    let queue = Client::builder(&url).retry(Retry::never()).build().unwrap().queue("work");
    let settings = QueueSettings { lost_max: Some(10_000), ..QueueSettings::default() };
    queue.put_settings(&settings).await.unwrap();
    enqueue(&queue).await;
    let mut workers: Vec<Child> = (0..WORKERS).map(|_| worker(&url, &effects)).collect();
    let mut killed = [0; 3];
    for _ in 0..workload::rounds(ROUNDS) {
        tokio::time::sleep(Duration::from_millis(100 + rng.below(300))).await;
        let at = rng.index(WORKERS);
        match rng.below(3) {
            0 => {
                workers[at].kill().unwrap();
                workers[at].wait().unwrap();
                workers[at] = worker(&url, &effects);
                killed[0] += 1;
            }
            1 => {
                signal(&workers[at], Signal::STOP);
                tokio::time::sleep(STOPPED).await;
                signal(&workers[at], Signal::CONT);
                killed[1] += 1;
            }
            _ => {
                node.kill();
                node = Node::start_with(&store, &["--listen", &address]);
                killed[2] += 1;
            }
        }
        // A worker that cannot reach its node for long enough gives up.
        for worker_process in &mut workers {
            if worker_process.try_wait().unwrap().is_some() {
                *worker_process = worker(&url, &effects);
            }
        }
    }
    let began = Instant::now();
    loop {
        let depth = queue.info().await.unwrap().depth;
        if depth.done == TASKS as u64 {
            break;
        }
        assert!(began.elapsed() < DONE_WITHIN, "not all are done: {depth:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("killed workers, stopped workers, killed nodes: {killed:?}");
    assert!(killed.iter().all(|count| *count > 0), "void: {killed:?}");
    for worker in &workers {
        signal(worker, Signal::TERM);
    }
    for mut worker in workers {
        worker.wait().unwrap();
    }
    let ran = std::fs::read_to_string(&effects).unwrap();
    let ran: BTreeSet<&str> = ran.lines().collect();
    for number in 0..TASKS {
        assert!(ran.contains(format!("t-{number}").as_str()), "t-{number} is done but never ran");
    }
    assert!(node.stop().success());
}
