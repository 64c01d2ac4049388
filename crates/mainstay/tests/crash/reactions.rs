//! Reactions while the node is killed: every event that matches has exactly one task, in the order of the store, and no
//! other event has one.

use crate::node::Node;
use crate::tasks::kill_again_and_again;
use crate::workload;
use mainstay_client::{Client, NewEvent, QueueSettings, ReactionSettings, Retry};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PRODUCERS: u64 = 4;
/// After the last kill, all reactions have caught up within this.
const CURRENT_WITHIN: Duration = Duration::from_secs(60);

/// Appends to streams of its own under ids that follow from a number, each event until it is acknowledged.
async fn produce(client: Client, producer: u64, enough: Arc<AtomicBool>, appended: Arc<AtomicU64>) {
    for number in 0_u64.. {
        if enough.load(Ordering::Relaxed) {
            return;
        }
        let stream = format!("{}-{producer}-{}", if number % 3 == 0 { "cart" } else { "order" }, number % 5);
        let event = NewEvent::new(if number % 2 == 0 { "placed" } else { "paid" }).id(number.to_string());
        while client.append(&stream, [event.clone()]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        appended.fetch_add(1, Ordering::Relaxed);
    }
}

/// The cursors of the events in a queue's tasks, in the order in which the tasks were enqueued.
async fn cursors(client: &Client, queue: &str) -> Vec<String> {
    let queue = client.queue(queue);
    let mut page = queue.tasks(None, 1_000).await.unwrap();
    let mut cursors = Vec::new();
    loop {
        for task in &page.tasks {
            let (_, cursor) = task.id.split_once('@').unwrap();
            cursors.push(cursor.to_owned());
        }
        let Some(next) = page.next else { return cursors };
        page = queue.next_tasks(&next).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_that_matches_has_one_task_however_often_the_node_dies() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = Client::builder(&node.url).retry(Retry::never()).build().unwrap();
    let selects: BTreeMap<&str, fn(&str, &str) -> bool> = BTreeMap::from([
        ("all", (|_, _| true) as fn(&str, &str) -> bool),
        ("orders", |stream, _| stream.starts_with("order-")),
        ("paid-carts", |stream, event_type| stream.starts_with("cart-") && event_type == "paid"),
    ]);
    for name in selects.keys() {
        client.queue(name).put_settings(&QueueSettings::default()).await.unwrap();
        let settings = ReactionSettings::new(*name, "t").from_beginning();
        let settings = match *name {
            "orders" => settings.prefix("order-").key_from_stream(),
            "paid-carts" => settings.prefix("cart-").types(["paid"]),
            _ => settings,
        };
        client.put_reaction(name, &settings).await.unwrap();
    }
    let (enough, appended) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let producers: Vec<_> = (0..PRODUCERS)
        .map(|number| {
            tokio::spawn(produce(client.clone(), number, Arc::clone(&enough), Arc::clone(&appended)))
        })
        .collect();

    let _node = kill_again_and_again(node, data.path(), &mut workload::rng()).await;
    enough.store(true, Ordering::Relaxed);
    for producer in producers {
        producer.await.unwrap();
    }
    let began = Instant::now();
    while client.reactions().await.unwrap().iter().any(|reaction| reaction.state != "current") {
        assert!(began.elapsed() < CURRENT_WITHIN, "{:?}", client.reactions().await.unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let mut events = Vec::new();
    let mut page = client.read_all().limit(1_000).page().await.unwrap();
    loop {
        events.extend(page.events);
        let Some(next) = page.next else { break };
        page = client.page_at(&next).await.unwrap();
    }
    assert_eq!(events.len() as u64, appended.load(Ordering::Relaxed));
    assert!(events.len() > 500, "void: too few events");
    for (name, selects) in selects {
        let wanted: Vec<_> = events
            .iter()
            .filter(|event| selects(&event.stream, &event.event_type))
            .map(|event| event.cursor.to_string())
            .collect();
        assert_eq!(cursors(&client, name).await, wanted, "the tasks of {name}");
        println!("{name}: {} tasks of {} events", wanted.len(), events.len());
    }
}
