//! Shared breakers of the client against a node.

use super::client;
use crate::node::Node;
use mainstay_client::{
    BreakerForced, BreakerSettings, BreakerState, CallOutcome, Decision, GuardError, RejectedBy,
};
use std::time::Duration;

fn after(failures: u32) -> BreakerSettings {
    let mut settings = BreakerSettings::default();
    settings.consecutive_failures = Some(failures);
    settings.open_for = Some("1h".into());
    settings.open_for_max = Some("1h".into());
    settings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_made_while_the_breaker_admits_it_and_its_outcome_is_recorded() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let client = client(&node);
    let (one, other) = (client.breaker("a/b").worker("w-1"), client.breaker("a/b").worker("w-2"));
    one.set(&after(2)).await.unwrap();
    let judge = |error: &&str| CallOutcome::Failed((*error).to_owned());
    assert_eq!(one.call(async { Ok::<_, &str>(7) }, judge).await.unwrap(), 7);
    for breaker in [&one, &other] {
        let failed = breaker.call(async { Err::<(), _>("timeout") }, judge).await.unwrap_err();
        assert!(matches!(failed, GuardError::Call("timeout")));
    }
    let rejected =
        other.call(async { unreachable!("it is open") as Result<(), &str> }, judge).await.unwrap_err();
    let GuardError::Rejected(rejected) = rejected else { panic!("{rejected:?}") };
    assert_eq!(rejected.by, RejectedBy::Open);
    assert!(rejected.retry_in > Duration::from_secs(3_000), "{rejected}");
    let info = one.info().await.unwrap();
    assert_eq!((info.state, info.opened, info.workers.len()), (BreakerState::Open, 1, 2));
    assert_eq!(info.last_failure.map(|failure| failure.class), Some("timeout".to_owned()));
    assert_eq!(client.breakers().await.unwrap(), ["a/b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_that_cannot_be_reached_stops_no_call() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let breaker = client(&node).breaker("partner");
    node.kill();
    let called = breaker.call(async { Ok::<_, &str>(7) }, |_| CallOutcome::Ignored).await;
    assert_eq!(called.unwrap(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn permits_are_recorded_together_and_a_breaker_is_watched_and_held() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let breaker = client(&node).breaker("partner");
    let mut permits = Vec::new();
    for _ in 0..3 {
        let Decision::Admitted(permit) = breaker.permit().await.unwrap() else { panic!("it is closed") };
        permits.push(permit);
    }
    let recorded = breaker.record_all(permits.iter().map(|permit| (permit, CallOutcome::Ok))).await.unwrap();
    assert_eq!((recorded.recorded, recorded.replayed, recorded.stale), (3, 0, 0));
    let recorded = breaker.record(&permits[0], CallOutcome::Ok).await.unwrap();
    assert_eq!((recorded.recorded, recorded.replayed), (0, 1));

    let mut watch = breaker.watch();
    assert_eq!(watch.next().await.unwrap().unwrap().forced, None);
    breaker.force(Some(BreakerForced::Open)).await.unwrap();
    assert_eq!(watch.next().await.unwrap().unwrap().state, BreakerState::Open);
    let Decision::Rejected(rejected) = breaker.permit().await.unwrap() else { panic!("it is held open") };
    assert_eq!(rejected.by, RejectedBy::Forced);
    breaker.force(None).await.unwrap();
    breaker.delete().await.unwrap();
    assert_eq!(breaker.delete().await.unwrap_err().code(), Some("breaker_not_found"));
}
