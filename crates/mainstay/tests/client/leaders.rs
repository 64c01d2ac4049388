//! Work that runs only while a lease is held, and watches.

use crate::node::Node;
use crate::{client, patient};
use mainstay_client::{Client, Expected, Led, NewEvent, Retry};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn one_leads_at_a_time_and_each_gets_its_turn() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = patient(&node);
    let leading = AtomicU32::new(0);
    let leaders = (0..5).map(|_| {
        client.elected("lead").run(async |leader| {
            assert_eq!(leading.fetch_add(1, SeqCst), 0, "someone else leads");
            let event = [NewEvent::new("led")];
            let fenced = client.transaction().check_lease(leader.lease(), leader.token());
            fenced.append("s", Expected::Any, event).await.unwrap();
            leading.fetch_sub(1, SeqCst);
        })
    });
    for led in futures_util::future::join_all(leaders).await {
        assert_eq!(led.unwrap(), Led::Finished(()));
    }
    assert!(client.lease("lead").await.unwrap().holders.is_empty(), "the lease is released");
}

/// Ends when it is dropped, and says so.
struct Work(Arc<AtomicU32>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
    }
}

async fn forever(stopped: &Arc<AtomicU32>) {
    let _work = Work(Arc::clone(stopped));
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_while_the_work_runs() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let led = client.elected("lead").ttl(SECOND).run(async |leader| {
        tokio::time::sleep(3 * SECOND).await;
        let fenced = client.transaction().check_lease(leader.lease(), leader.token());
        fenced.append("s", Expected::None, [NewEvent::new("t")]).await.unwrap();
    });
    assert_eq!(led.await.unwrap(), Led::Finished(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_loses_its_lease_stops() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let stopped = Arc::new(AtomicU32::new(0));
    let led = client.elected("lead").ttl(SECOND).run(async |leader| {
        // As if an operator had taken it away.
        client.release_lease(leader.lease(), leader.token()).await.unwrap();
        forever(&stopped).await;
    });
    assert_eq!(led.await.unwrap(), Led::Lost);
    assert_eq!(stopped.load(SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_cannot_reach_the_node_stops_before_its_lease_can_expire() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = Client::builder(&node.url).retry(Retry::never()).build().unwrap();
    let stopped = Arc::new(AtomicU32::new(0));
    let (mut node, mut killed) = (Some(node), None);
    let led = client.elected("lead").ttl(4 * SECOND).run(async |_| {
        node.take().unwrap().kill();
        killed = Some(Instant::now());
        forever(&stopped).await;
    });
    assert_eq!(led.await.unwrap(), Led::Unknown);
    assert_eq!(stopped.load(SeqCst), 1);
    assert!(killed.unwrap().elapsed() < 4 * SECOND, "the lease may have expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_after_the_node_was_killed() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = patient(&node);
    client.put_value("flag", "a").await.unwrap();
    let mut changes = client.watch_value("flag");
    let mut leases = client.watch_lease("lead");
    assert_eq!(changes.next().await.unwrap().unwrap().content.unwrap(), "a");
    assert!(leases.next().await.unwrap().unwrap().holders.is_empty());
    let address = node.address();
    node.kill();
    let _node = Node::start_with(data.path(), &["--listen", &address]);
    client.put_value("flag", "b").await.unwrap();
    let grant = client.acquire_lease("lead", "a", 60 * SECOND).await.unwrap();
    loop {
        let seen = changes.next().await.unwrap().unwrap();
        if seen.content.as_deref() == Some("b") {
            assert_eq!(seen.stored().unwrap(), client.value("flag").await.unwrap());
            break;
        }
    }
    while leases.next().await.unwrap().unwrap().holders.first().map(|held| &held.token) != Some(&grant.token)
    {
    }
}
