//! Tasks while the node is killed and workers vanish: every acknowledged task is done in the end, and what a worker
//! writes together with its completion is written once, however often the task ran.
//!
//! A result has no id that follows from its task. So if two workers could both complete a task, there would be two.

use crate::node::Node;
use crate::workload;
use mainstay_client::{
    Claim, ClaimedTask, Client, Expected, NewEvent, NewTask, Queue, QueueSettings, Retry, RetryPolicy,
};
use seeded_rng::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const KILLS: u32 = 50;
const WORKERS: u64 = 6;
/// How long a claim lasts without a heartbeat.
const CLAIM: Duration = Duration::from_secs(1);
/// After the last kill, all tasks are done within this.
const DONE_WITHIN: Duration = Duration::from_secs(90);

/// What a worker does with a task.
enum Fate {
    Completes,
    /// It is gone: nobody settles the task.
    Vanishes,
    /// It goes on after its claim has expired.
    IsLate,
    Fails,
    Returns,
}

impl Fate {
    fn draw(rng: &mut Rng) -> Self {
        match rng.below(20) {
            0 => Self::Vanishes,
            1 => Self::IsLate,
            2 | 3 => Self::Fails,
            4 => Self::Returns,
            _ => Self::Completes,
        }
    }
}

/// Counts of what happened, so that a run that proves nothing fails.
#[derive(Debug, Default)]
struct Seen {
    enqueued: AtomicU64,
    completed: AtomicU64,
    claims_lost: AtomicU64,
    vanished: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

struct World {
    client: Client,
    seen: Seen,
    /// No more tasks are enqueued.
    enough: AtomicBool,
    /// All tasks are done.
    over: AtomicBool,
}

impl World {
    fn queue(&self) -> Queue {
        self.client.queue("work")
    }

    /// Enqueues tasks under ids of its own until there are enough. Half of them share eight keys.
    async fn produce(&self) {
        let retry = RetryPolicy::new(10_000, Duration::ZERO, Duration::from_millis(50));
        while !self.enough.load(Ordering::Relaxed) {
            let first = self.seen.enqueued.load(Ordering::Relaxed);
            let tasks: Vec<_> = (first..first + 10)
                .map(|number| {
                    let task = NewTask::new("t").id(format!("t-{number}")).retry(retry.clone());
                    if number % 2 == 0 { task.key(format!("k-{}", number % 16)) } else { task }
                })
                .collect();
            // Whatever happened to it: the same request again adds nothing twice.
            if let Ok(results) = self.queue().enqueue_all(&tasks).await
                && results.iter().all(Result::is_ok)
            {
                self.seen.enqueued.fetch_add(10, Ordering::Relaxed);
            }
            while self.seen.enqueued.load(Ordering::Relaxed)
                > self.seen.completed.load(Ordering::Relaxed) + 500
                && !self.enough.load(Ordering::Relaxed)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn work(&self, number: u64) {
        let mut rng = Rng::new(number);
        let claim =
            Claim::new(format!("w-{number}")).max(5).claim_timeout(CLAIM).wait(Duration::from_millis(500));
        while !self.over.load(Ordering::Relaxed) {
            for task in self.queue().claim(&claim).await.unwrap_or_default() {
                self.run(&task, Fate::draw(&mut rng)).await;
            }
        }
    }

    async fn run(&self, task: &ClaimedTask, fate: Fate) {
        match fate {
            Fate::Completes => self.complete(task).await,
            Fate::Vanishes => count(&self.seen.vanished),
            Fate::IsLate => {
                tokio::time::sleep(CLAIM * 2).await;
                self.complete(task).await;
            }
            Fate::Fails => drop(self.queue().fail(task, &mainstay_client::TaskError::new("E", "no")).await),
            Fate::Returns => drop(self.queue().give_back(task).await),
        }
    }

    async fn complete(&self, task: &ClaimedTask) {
        let result = NewEvent::new("done").subject(task.id.as_str());
        let transaction =
            self.client.transaction().complete("work", task).append("results", Expected::Any, [result]);
        loop {
            match transaction.clone().await {
                Ok(_) => return count(&self.seen.completed),
                Err(error) if error.code() == Some("claim_lost") => return count(&self.seen.claims_lost),
                // The outcome is not known, or the node is away: the same transaction again.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// Kills the node again and again, and starts it at the same address.
pub(crate) async fn kill_again_and_again(mut node: Node, data: &std::path::Path, rng: &mut Rng) -> Node {
    for _ in 0..workload::rounds(KILLS) {
        tokio::time::sleep(Duration::from_millis(100 + rng.below(600))).await;
        let address = node.address();
        node.kill();
        node = Node::start_with(data, &["--listen", &address]);
    }
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn every_task_is_done_and_has_one_result_however_often_node_and_workers_die() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = Client::builder(&node.url).retry(Retry::never()).build().unwrap();
    let settings = QueueSettings { lost_max: Some(10_000), ..QueueSettings::default() };
    client.queue("work").put_settings(&settings).await.unwrap();
    let world = Arc::new(World {
        client,
        seen: Seen::default(),
        enough: AtomicBool::new(false),
        over: AtomicBool::new(false),
    });
    let spawn = |world: Arc<World>, number| tokio::spawn(async move { world.work(number).await });
    let workers: Vec<_> = (0..WORKERS).map(|number| spawn(Arc::clone(&world), number)).collect();
    let producer = tokio::spawn({
        let world = Arc::clone(&world);
        async move { world.produce().await }
    });

    let node = kill_again_and_again(node, data.path(), &mut workload::rng()).await;
    world.enough.store(true, Ordering::Relaxed);
    producer.await.unwrap();
    let enqueued = world.seen.enqueued.load(Ordering::Relaxed);
    let began = Instant::now();
    while world.queue().info().await.unwrap().depth.done < enqueued {
        let depth = world.queue().info().await.unwrap().depth;
        assert!(began.elapsed() < DONE_WITHIN, "of {enqueued} tasks, not all are done: {depth:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.over.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }

    println!("{:?}", world.seen);
    assert!(enqueued > 500, "void: too few tasks");
    assert!(world.seen.claims_lost.load(Ordering::Relaxed) > 0, "void: no worker was late");
    assert!(world.seen.vanished.load(Ordering::Relaxed) > 0, "void: no worker vanished");
    let mut results = BTreeMap::<String, u32>::new();
    let mut page = world.client.read("results").limit(1_000).page().await.unwrap();
    loop {
        for event in &page.events {
            *results.entry(event.subject.clone().unwrap_or_default()).or_default() += 1;
        }
        let Some(next) = page.next else { break };
        page = world.client.page_at(&next).await.unwrap();
    }
    for number in 0..enqueued {
        let id = format!("t-{number}");
        assert_eq!(results.get(&id), Some(&1), "results of {id}");
    }
    assert!(node.stop().success());
}
