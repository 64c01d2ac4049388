//! The Rust client against a real node: what only the two together can show.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "../node/mod.rs"]
mod node;

use futures_util::{StreamExt, TryStreamExt};
use mainstay_client::{
    Claim, Client, Cursor, Error, Expected, NewEvent, NewTask, Retry, Revision, Settings, Written,
};
use node::Node;
use std::time::Duration;

mod accounts;
mod breakers;
mod idempotency;
mod interruptions;
mod leaders;
mod queues;

/// A client that sends everything once.
fn client(node: &Node) -> Client {
    Client::builder(&node.url).retry(Retry::never()).build().unwrap()
}

/// A client that waits for a node that is away.
fn patient(node: &Node) -> Client {
    let retry =
        Retry::default().attempts_max(100).backoff_max(Duration::from_millis(500)).budget(1_000, 1_000);
    Client::builder(&node.url).retry(retry).build().unwrap()
}

/// Ends a node in some way.
type End = fn(Node);
const KILL: End = Node::kill;
const STOP: End = |node| assert!(node.stop().success());

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_all_or_nothing_and_safe_to_repeat() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let transfer = client
        .transaction()
        .append("a", Expected::None, [NewEvent::new("out").id("1").source("/t")])
        .append("b", Expected::Any, [NewEvent::new("in"), NewEvent::new("in")]);
    let committed = transfer.clone().await.unwrap();
    let Written::Appended(b) = &committed.writes[1] else { panic!("{committed:?}") };
    assert_eq!((b.stream.as_str(), b.last_revision(), committed.replayed), ("b", Revision(1), false));
    assert!(transfer.clone().await.unwrap().replayed, "the client gave the events their ids once");
    let refused = client
        .transaction()
        .check("a", Expected::Revision(Revision(7)))
        .append("b", Expected::Any, [NewEvent::new("in")])
        .await
        .unwrap_err();
    assert!(refused.is_wrong_revision());
    assert_eq!(refused.problem().unwrap().current_revision(), Some(Revision(0)));
    assert_eq!(client.read("b").page().await.unwrap().events.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_lead_to_each_other_and_lines_hold_the_same() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    for number in 0..25 {
        client.append("s", [NewEvent::new("t").data(&number).unwrap()]).await.unwrap();
    }
    let mut page = client.read("s").limit(10).page().await.unwrap();
    assert_eq!(page.revision, Some(Revision(24)));
    let mut numbers: Vec<u32> = Vec::new();
    loop {
        numbers.extend(page.events.iter().map(|event| event.data::<u32>().unwrap()));
        let Some(next) = page.next else { break };
        page = client.page_at(&next).await.unwrap();
    }
    assert_eq!(numbers, (0..25).collect::<Vec<u32>>());
    let lines: Vec<u32> =
        client.read_all().events().map(|event| event.unwrap().data::<u32>().unwrap()).collect().await;
    assert_eq!(lines, numbers);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_and_texts_come_back_as_they_were() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    client.append("s", [NewEvent::new("t").bytes("image/png", [0, 255, 7])]).await.unwrap();
    client.append("ż/s \"1\"", [NewEvent::new("t").data(&"text").unwrap()]).await.unwrap();
    let event = client.read("s").page().await.unwrap().events.remove(0);
    assert_eq!(event.bytes(), Some(vec![0, 255, 7]));
    let event = client.read("ż/s \"1\"").page().await.unwrap().events.remove(0);
    assert_eq!((event.stream.as_str(), event.data::<String>().unwrap().as_str()), ("ż/s \"1\"", "text"));
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_put_and_streams_deleted() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let settings = Settings::default().max_age("30d").max_count(2);
    client.put_settings("s", &settings).await.unwrap();
    assert_eq!(client.settings("s").await.unwrap(), settings);
    for _ in 0..4 {
        client.append("s", [NewEvent::new("t")]).await.unwrap();
    }
    let error = client.read("s").from(Revision(0)).page().await.unwrap_err();
    assert_eq!(error.problem().unwrap().code, "history_truncated");
    let streams: Vec<_> = client.streams("").try_collect().await.unwrap();
    assert_eq!(
        (streams.len(), streams[0].first, streams[0].revision),
        (1, Some(Revision(2)), Some(Revision(3)))
    );
    client.delete("s", Expected::Revision(Revision(3))).await.unwrap();
    assert_eq!(client.streams("").count().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_subscription_continues_from_a_checkpoint() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    for stream in ["a-1", "b-1", "a-2"] {
        client.append(stream, [NewEvent::new("t")]).await.unwrap();
    }
    let mut follow = client.read_all().prefix("a-").follow();
    assert_eq!(follow.next().await.unwrap().unwrap().stream, "a-1");
    let checkpoint = follow.checkpoint().cloned().unwrap();
    let mut follow = client.read_all().prefix("a-").after(checkpoint).follow();
    assert_eq!(follow.next().await.unwrap().unwrap().stream, "a-2");
    let refused = client.read_all().after(Cursor("no cursor".into())).page().await.unwrap_err();
    assert!(matches!(refused, Error::Problem(problem) if problem.status == 400));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_makes_an_append_without_ids_take_effect_once() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let place = || client.append("order-1", [NewEvent::new("order.placed")]).idempotency_key("form \"1\"");
    let (first, again) = (place().await.unwrap(), place().await.unwrap());
    assert_eq!((first.all_replayed(), again.all_replayed()), (false, true));
    assert_eq!(first.events[0].id, again.events[0].id);
    let transfer = || {
        let transaction = client.transaction().append("a", Expected::Any, [NewEvent::new("out")]);
        transaction.append("b", Expected::Any, [NewEvent::new("in")]).idempotency_key("transfer-1")
    };
    assert_eq!([transfer().await.unwrap().replayed, transfer().await.unwrap().replayed], [false, true]);
    assert_eq!(client.read_all().events().count().await, 3);
}

#[test]
fn the_blocking_client_works_without_a_runtime_and_inside_one() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let append = |client: &mainstay_client::blocking::Client| {
        client.append("s", [NewEvent::new("t")]).send().unwrap().last_revision()
    };
    let client = node.client();
    assert_eq!(append(&client), Revision(0));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        assert_eq!(append(&client), Revision(1));
        // Made, used and dropped where a runtime runs.
        assert_eq!(append(&node.client()), Revision(2));
        // More than a task of that runtime may do before it has to yield.
        (3..300).for_each(|revision| assert_eq!(append(&client), Revision(revision)));
    });
    assert_eq!(client.read("s").events().count(), 300);
}

#[test]
fn the_blocking_client_runs_what_only_the_async_one_has() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = node.client();
    let run = || {
        let mail = NewTask::new("send").payload("anna").unwrap();
        let task = client.run(async |client| client.queue("mail").enqueue(&mail).await).unwrap();
        let claim = client.run(async |client| client.queue("mail").claim(&Claim::new("w")).await).unwrap();
        assert_eq!(claim[0].id, task.id);
        // A connection that was made by one call serves the next one.
        client.run(async |client| client.put_value("mode", "open").send().await).unwrap();
    };
    run();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async { run() });
    let mode = client.run(async |client| client.value("mode").await).unwrap().unwrap();
    assert_eq!(mode.content, "open");
}
