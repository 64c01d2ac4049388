//! Queues and workers of the client against a node.

use super::{client, patient};
use crate::node::Node;
use mainstay_client::{
    Claim, GroupState, NewGroup, NewTask, Queue, QueueSettings, Replay, Request, RetryPolicy, Settlement,
    TaskError, TaskState, Which, Worker, Written,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// Waits until a task is in this state.
async fn until(queue: &Queue, id: &str, state: TaskState) {
    while queue.task(id).await.unwrap().state != state {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_go_from_a_client_to_a_worker_and_back() {
    #[derive(Serialize, Deserialize)]
    struct Numbers(u32, u32);
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let queue = client(&node).queue("sums/a");
    let tasks: Vec<_> =
        (0..20).map(|n| NewTask::new("add").id(n.to_string()).payload(&Numbers(n, 1)).unwrap()).collect();
    let enqueued = queue.enqueue_all(&tasks).await.unwrap();
    assert!(enqueued.into_iter().all(|task| !task.unwrap().replayed));
    assert!(queue.enqueue(&tasks[0]).await.unwrap().replayed);
    let conflict = queue.enqueue(&NewTask::new("add").id("0")).await.unwrap_err();
    assert_eq!(conflict.code(), Some("task_conflict"));

    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(queue.clone())
        .concurrency(4)
        .on("add", async |numbers: Numbers| Ok::<_, TaskError>(numbers.0 + numbers.1));
    let running = tokio::spawn(worker.run(async { drop(stopped.await) }));
    for n in 0..20 {
        until(&queue, &n.to_string(), TaskState::Done).await;
    }
    drop(stop);
    let summary = running.await.unwrap().unwrap();
    assert_eq!((summary.completed, summary.failed, summary.lost), (20, 0, 0));
    assert_eq!(queue.task("7").await.unwrap().result, Some(8.into()));
    assert_eq!(queue.info().await.unwrap().depth.done, 20);
    assert_eq!(client(&node).queues().await.unwrap(), ["sums/a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_share_a_queue_and_a_stream_hears_of_finished_tasks() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let queue = client.queue("q");
    let settings = QueueSettings {
        key_concurrency: Some(2),
        events: Some("finished".to_owned()),
        ..QueueSettings::default()
    };
    queue.put_settings(&settings).await.unwrap();
    assert_eq!(queue.info().await.unwrap().settings.events.as_deref(), Some("finished"));
    queue.put_tenant("acme/inc", 3).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|n| NewTask::new("t").id(n.to_string()).fair(if n < 4 { "acme/inc" } else { "bolt" }))
        .collect();
    queue.enqueue_all(&tasks).await.unwrap();
    let tenant = queue.tenant("acme/inc").await.unwrap();
    assert_eq!((tenant.weight, tenant.waiting, tenant.running), (3, 4, 0));
    let mut served = Vec::new();
    for _ in 0..4 {
        let task = queue.claim(&Claim::new("w")).await.unwrap().remove(0);
        served.push(task.id.parse::<u32>().unwrap());
        queue.complete(&task, &()).await.unwrap();
    }
    assert_eq!(served.iter().filter(|n| **n < 4).count(), 3, "{served:?}");
    assert_eq!(client.read("finished").page().await.unwrap().events.len(), 4);
    queue.delete_tenant("acme/inc").await.unwrap();
    let mut tenants = queue.tenants().await.unwrap();
    tenants.sort_by(|a, b| a.tenant.cmp(&b.tenant));
    let shown: Vec<_> = tenants.iter().map(|tenant| (&tenant.tenant[..], tenant.weight)).collect();
    assert_eq!(shown, [("acme/inc", 1), ("bolt", 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_and_panics_are_failed_attempts() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let queue = client(&node).queue("q");
    let retry = RetryPolicy::new(2, Duration::ZERO, Duration::ZERO);
    for task_type in ["panics", "fails", "refuses", "misread", "deferred"] {
        let task = NewTask::new(task_type).id(task_type).retry(retry.clone()).payload("text").unwrap();
        queue.enqueue(&task).await.unwrap();
    }
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(queue.clone())
        .on("panics", async |_: String| -> Result<(), TaskError> { panic!("no paper") })
        .on("fails", async |text: String| text.parse::<u32>())
        .on("refuses", async |_: String| -> Result<(), _> {
            Err(TaskError::new("Refused", "no").permanent())
        })
        .on("misread", async |_: u32| Ok::<_, TaskError>(()))
        .on("deferred", async |_: String| -> Result<(), _> {
            Err(TaskError::defer(Duration::from_secs(3_600)))
        });
    let running = tokio::spawn(worker.run(async { drop(stopped.await) }));
    for (id, failures, class) in [
        ("panics", 2, "panic"),
        ("fails", 2, "core::num::error::ParseIntError"),
        ("refuses", 1, "Refused"),
        ("misread", 1, "serde_json::error::Error"),
    ] {
        until(&queue, id, TaskState::Dead).await;
        let task = queue.task(id).await.unwrap();
        assert_eq!(task.failures.len(), failures, "{id}");
        assert_eq!(task.failures[0].class, class);
    }
    until(&queue, "deferred", TaskState::Delayed).await;
    assert_eq!(queue.task("deferred").await.unwrap().attempts, 0);
    drop(stop);
    running.await.unwrap().unwrap();
    assert_eq!(queue.task("panics").await.unwrap().failures[0].message.as_deref(), Some("no paper"));
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_keep_a_claim_and_tell_of_a_cancel() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let queue = client(&node).queue("q");
    let task = NewTask::new("long").id("1").claim_timeout(Duration::from_secs(1));
    queue.enqueue(&task).await.unwrap();
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(queue.clone()).on_task("long", move |task| {
        begun.send(task.attempt).unwrap();
        std::future::pending()
    });
    let running = tokio::spawn(worker.run(async { drop(stopped.await) }));
    assert_eq!(begins.recv().await, Some(1));
    // Longer than the claim would last.
    assert!(tokio::time::timeout(Duration::from_millis(1_500), begins.recv()).await.is_err());
    assert_eq!(queue.task("1").await.unwrap().state, TaskState::Running);
    queue.cancel("1").await.unwrap();
    until(&queue, "1", TaskState::Cancelled).await;
    drop(stop);
    assert_eq!(running.await.unwrap().unwrap().returned, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_worker_cannot_settle_a_task() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let queue = client(&node).queue("q");
    queue.enqueue(&NewTask::new("t").id("1")).await.unwrap();
    let first = queue.claim(&Claim::new("w")).await.unwrap().remove(0);
    queue.give_back(&first).await.unwrap();
    let second = queue.claim(&Claim::new("x")).await.unwrap().remove(0);
    assert!(queue.complete(&first, &()).await.unwrap_err().is_claim_lost());
    assert!(second.token > first.token);
    assert_eq!(queue.complete(&second, &()).await.unwrap(), TaskState::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_settles_earlier_tasks_in_the_same_request() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let queue = client(&node).queue("q");
    for id in ["1", "2", "3"] {
        queue.enqueue(&NewTask::new("t").id(id)).await.unwrap();
    }
    let claim = Claim::new("w").max(2);
    let first = queue.claim(&claim).await.unwrap();
    let failed = TaskError::throttle("partner", "acme", Duration::from_secs(9));
    let settlements = vec![
        Settlement::complete(&first[0], &1).unwrap(),
        Settlement::give_back(&first[1]),
        Settlement::fail(&first[0], &failed),
    ];
    let next = queue.settle_and_claim(settlements, &claim).await.unwrap();
    assert_eq!(next.settled[0].as_ref().ok(), Some(&TaskState::Done));
    assert_eq!(next.settled[1].as_ref().ok(), Some(&TaskState::Ready));
    assert!(next.settled[2].as_ref().unwrap_err().is_claim_lost());
    let claimed: Vec<_> = next.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(claimed, ["2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_worker_sends_one_request_for_each_task() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let queue = client(&node).queue("q");
    let tasks: Vec<_> = (0..50).map(|n| NewTask::new("t").id(n.to_string())).collect();
    queue.enqueue_all(&tasks).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = Worker::new(queue.clone()).on("t", async |(): ()| Ok::<_, TaskError>(()));
    let running = tokio::spawn(worker.run(async { drop(stopped.await) }));
    until(&queue, "49", TaskState::Done).await;
    drop(stop);
    assert_eq!(running.await.unwrap().unwrap().completed, 50);
    let metrics = client(&node).send(&Request::new("GET", "/metrics").unwrap()).await.unwrap();
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    let requests = |route: &str| -> u64 {
        let counts = metrics.lines().filter(|line| {
            line.starts_with("mainstay_http_requests_total") && line.contains(&format!("/{route}\""))
        });
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    assert_eq!(requests("complete"), 0, "{metrics}");
    // The first, one for each task, and perhaps one that waited when the worker was stopped.
    assert!((51..=52).contains(&requests("claims")), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_outlives_a_node_that_is_killed() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let address = node.address();
    let queue = patient(&node).queue("q");
    let ran = Arc::new(AtomicU32::new(0));
    let (stop, stopped) = oneshot::channel::<()>();
    let counted = Arc::clone(&ran);
    let worker = Worker::new(queue.clone()).on("t", move |(): ()| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, TaskError>(()) }
    });
    let running = tokio::spawn(worker.run(async { drop(stopped.await) }));
    queue.enqueue(&NewTask::new("t").id("before")).await.unwrap();
    until(&queue, "before", TaskState::Done).await;
    node.kill();
    let _node = Node::start_with(data.path(), &["--listen", &address]);
    queue.enqueue(&NewTask::new("t").id("after")).await.unwrap();
    until(&queue, "after", TaskState::Done).await;
    drop(stop);
    running.await.unwrap().unwrap();
    assert_eq!(ran.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_s_tasks_are_done_before_what_follows() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let inner = NewGroup::new("inner").task("q", NewTask::new("t").id("b"));
    let group = NewGroup::new("g/1")
        .task("q", NewTask::new("t").id("a"))
        .group(inner)
        .then("q", NewTask::new("sum").id("c"))
        .on_dead("q", NewTask::new("alarm"));
    assert!(!client.create_group(&group).await.unwrap().replayed);
    assert!(client.create_group(&group).await.unwrap().replayed);
    let queue = client.queue("q");
    for task in queue.claim(&Claim::new("w").max(9)).await.unwrap() {
        queue.complete(&task, &()).await.unwrap();
    }
    let info = client.group("g/1", Duration::from_secs(20)).await.unwrap();
    assert_eq!((info.state, info.done, info.total), (GroupState::Done, 2, 2));
    let task = queue.claim(&Claim::new("w")).await.unwrap().remove(0);
    assert_eq!(task.id, "c");
    queue.fail(&task, &TaskError::new("Broken", "no hope").permanent()).await.unwrap();
    let which = Which { class: Some("Broken".into()), ..Which::default() };
    let classes = queue.dead_letter_classes().await.unwrap();
    assert_eq!((classes.len(), &*classes[0].class, classes[0].tasks), (1, "Broken", 1));
    let replay = Replay::default().payload(&7).unwrap().to("r");
    queue.replay_as("c", &replay).await.unwrap();
    let moved = client.queue("r").task("c").await.unwrap();
    assert_eq!((moved.state, &moved.members["payload"]), (TaskState::Ready, &7.into()));
    assert_eq!(queue.replay_many(&which, None).await.unwrap().changed, 0);
    assert_eq!(client.queue("r").cancel_many(&Which::default()).await.unwrap().changed, 1);
    let ended = client.queue("r").task_once_ended("c", Duration::from_secs(20)).await.unwrap();
    assert_eq!(ended.state, TaskState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_completes_its_task_together_with_creating_the_group_of_what_follows() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let queue = client.queue("q");
    queue.enqueue(&NewTask::new("import").id("a")).await.unwrap();
    let task = queue.claim(&Claim::new("w")).await.unwrap().remove(0);
    let group = |part: &str| NewGroup::new("a").task("parts", NewTask::new("part").id(part));
    client.create_group(&group("other")).await.unwrap();
    // What the group does not allow does not complete the task either.
    let refused = client.transaction().complete("q", &task).create_group(group("a-1")).await.unwrap_err();
    assert_eq!(refused.code(), Some("group_conflict"), "{refused}");
    assert_eq!(queue.task("a").await.unwrap().state, TaskState::Running);
    let next = NewGroup::new("b").task("parts", NewTask::new("part").id("a-1"));
    let whole = client.transaction().complete("q", &task).create_group(next);
    let written = whole.clone().await.unwrap().writes;
    assert!(matches!(&written[1], Written::GroupCreated(group) if group.id == "b" && !group.replayed));
    assert!(whole.await.unwrap().replayed);
    assert_eq!(queue.task("a").await.unwrap().state, TaskState::Done);
    assert_eq!(client.queue("parts").task("a-1").await.unwrap().state, TaskState::Ready);
}
