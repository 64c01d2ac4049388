//! Interruptions: nodes that go away, and futures that are dropped.

use crate::node::Node;
use crate::{End, KILL, STOP, client, patient};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use mainstay_client::{Client, Follow, ImportOutcome, ImportedLine, NewEvent};
use std::future::poll_fn;
use std::task::Poll;

async fn append(client: &Client, number: u32) {
    client.append("s", [NewEvent::new("t").data(&number).unwrap()]).await.unwrap();
}

async fn take(follow: &mut Follow, count: usize) -> Vec<u32> {
    follow.take(count).map(|event| event.unwrap().data::<u32>().unwrap()).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_misses_nothing_when_the_node_restarts() {
    let data = tempfile::tempdir().unwrap();
    let mut node = Node::start(data.path());
    let listen = node.address();
    let client = patient(&node);
    let (mut of_stream, mut of_store) = (client.read("s").follow(), client.read_all().follow());
    for (round, end) in [KILL, STOP, KILL].into_iter().enumerate() {
        let numbers: Vec<u32> = (0..4).map(|number| round as u32 * 4 + number).collect();
        append(&client, numbers[0]).await;
        append(&client, numbers[1]).await;
        assert_eq!(take(&mut of_stream, 2).await, numbers[..2]);
        // This one is not taken before the node ends.
        append(&client, numbers[2]).await;
        end(node);
        node = Node::start_with(data.path(), &["--listen", &listen]);
        append(&client, numbers[3]).await;
        assert_eq!(take(&mut of_stream, 2).await, numbers[2..]);
        assert_eq!(take(&mut of_store, 4).await, numbers);
    }
}

/// Imports 20,000 lines, ends the node after 500 outcomes, and starts it again.
async fn import_over_a_restart(end: End) {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let listen = node.address();
    let lines: String = (0..20_000)
        .map(|n| format!("{{\"stream\":\"s-{}\",\"type\":\"t\",\"data\":{n}}}\n", n % 10))
        .collect();
    let mut import = patient(&node).import_reader(std::io::Cursor::new(lines));
    let first: Vec<ImportedLine> = import.by_ref().take(500).try_collect().await.unwrap();
    assert!(first.iter().map(|line| line.line).eq(1..=500));
    end(node);
    let node = Node::start_with(data.path(), &["--listen", &listen]);
    let rest: Vec<ImportedLine> = import.try_collect().await.unwrap();
    assert!(rest.iter().map(|line| line.line).eq(501..=20_000));
    assert!(!rest.iter().any(|line| matches!(line.outcome, ImportOutcome::Refused(_))));
    assert_eq!(client(&node).read_all().events().count().await, 20_000, "each line once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_continues_after_a_kill() {
    import_over_a_restart(KILL).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_continues_after_a_graceful_stop() {
    import_over_a_restart(STOP).await;
}

/// Polls a fresh `next` once and drops it if it is not ready, over and over: every await of it is dropped.
macro_rules! next_dropped_at_every_await {
    ($stream:expr) => {
        poll_fn(|context| {
            let mut next = Box::pin($stream.next());
            match next.poll_unpin(context) {
                Poll::Ready(item) => Poll::Ready(item),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_future_dropped_at_any_await_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let lines: String =
        (0..2_000).map(|n| format!("{{\"stream\":\"s\",\"type\":\"t\",\"data\":{n}}}\n")).collect();
    let mut import = client.import_reader(std::io::Cursor::new(lines));
    let mut outcomes = 0;
    while let Some(line) = next_dropped_at_every_await!(import) {
        outcomes += 1;
        assert_eq!(line.unwrap().line, outcomes);
    }
    let (mut events, mut follow) = (client.read("s").events(), client.read_all().follow());
    for want in 0..2_000 {
        let event = next_dropped_at_every_await!(events).unwrap().unwrap();
        let followed = next_dropped_at_every_await!(follow).unwrap().unwrap();
        assert_eq!((event.data::<u32>().unwrap(), followed.data::<u32>().unwrap()), (want, want));
    }
    assert!(next_dropped_at_every_await!(events).is_none());
    assert_eq!(outcomes, 2_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_append_leaves_the_client_usable_and_may_be_repeated() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    // More polls let the append get further, until it is done.
    for polls in 0..20 {
        let append = || client.append("s", [NewEvent::new("t").id(format!("event-{polls}"))]);
        let mut sending = Box::pin(append().send());
        for _ in 0..polls {
            if futures_util::poll!(&mut sending).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(sending);
        append().await.unwrap();
    }
    assert_eq!(client.read("s").events().count().await, 20, "each once");
}
