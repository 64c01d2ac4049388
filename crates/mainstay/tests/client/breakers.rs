//! Shared breakers of the client against a node.

use super::{client, patient};
use crate::node::Node;
use mainstay_client::tower::{BoxError, BreakerLayer};
use mainstay_client::{
    BreakerForced, BreakerSettings, BreakerState, CallOutcome, Decision, GuardError, Rejected, RejectedBy,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tower::{Layer, Service, ServiceExt, service_fn};

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

/// What is called: it succeeds with even numbers, and never ends with 99.
async fn partner(number: u32) -> Result<u32, BoxError> {
    match number {
        99 => std::future::pending().await,
        even if even % 2 == 0 => Ok(even),
        _ => Err("odd".into()),
    }
}

fn judge(result: Result<&u32, &BoxError>) -> CallOutcome {
    result.map_or_else(|error| CallOutcome::Failed(error.to_string()), |_| CallOutcome::Ok)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_asks_before_each_call_and_records_its_outcome() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let breaker = client(&node).breaker("partner").worker("w-1");
    breaker.set(&after(2)).await.unwrap();
    let layer = BreakerLayer::new(breaker.clone(), judge);
    let called = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&called);
    let service = layer.layer(service_fn(move |number| {
        counted.fetch_add(1, Ordering::Relaxed);
        partner(number)
    }));
    assert_eq!(service.clone().oneshot(2).await.unwrap(), 2);
    for number in [1, 3] {
        assert_eq!(service.clone().oneshot(number).await.unwrap_err().to_string(), "odd");
        layer.flush().await;
    }
    let rejected = service.clone().oneshot(4).await.unwrap_err();
    assert_eq!(rejected.downcast_ref::<Rejected>().unwrap().by, RejectedBy::Open);
    assert_eq!(called.load(Ordering::Relaxed), 3, "a rejected call is not made");
    let info = breaker.info().await.unwrap();
    assert_eq!((info.state, info.opened), (BreakerState::Open, 1));
    assert_eq!(
        info.last_failure.map(|failure| (failure.class, failure.worker)),
        Some(("odd".into(), "w-1".into()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_records_the_outcomes_of_concurrent_calls_together_and_loses_none() {
    const CALLS: u32 = 500;
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let breaker = patient(&node).breaker("partner");
    let mut settings = BreakerSettings::default();
    settings.window = Some(mainstay_client::BreakerWindow::Calls(1_000));
    settings.calls_min = Some(1_000);
    breaker.set(&settings).await.unwrap();
    let requests = || {
        node.metric(r#"mainstay_http_requests_total{method="POST",route="/v1/breakers/{breaker}/record",status="200"}"#)
    };
    let layer = BreakerLayer::new(breaker.clone(), judge).ask_within(Duration::from_secs(60));
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..CALLS {
        calls.spawn(layer.layer(service_fn(partner)).oneshot(number * 2 + u32::from(number % 10 == 0)));
    }
    let ended = calls.join_all().await;
    layer.flush().await;
    let failures = ended.iter().filter(|result| result.is_err()).count() as u64;
    let info = breaker.info().await.unwrap();
    assert_eq!((info.calls, info.failures, failures), (CALLS.into(), 50, 50));
    assert!(requests() < f64::from(CALLS) / 4.0, "{} requests", requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_whose_breaker_does_not_reply_makes_the_call() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let layer = BreakerLayer::new(client(&node).breaker("partner"), judge);
    let service = layer.layer(service_fn(partner));
    node.kill();
    assert_eq!(service.oneshot(2).await.unwrap(), 2);
    // Something that accepts connections, and never replies.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let breaker = mainstay_client::Client::new(&url).unwrap().breaker("partner");
    let layer = BreakerLayer::new(breaker, judge).ask_within(Duration::from_millis(50));
    assert_eq!(layer.layer(service_fn(partner)).oneshot(4).await.unwrap(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_of_a_layer_that_is_dropped_makes_way_for_another() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let breaker = client(&node).breaker("partner");
    let mut settings = after(1);
    settings.open_for = Some("1ms".into());
    settings.open_for_max = Some("1ms".into());
    settings.probe_for = Some("1h".into());
    settings.probes = Some(1);
    breaker.set(&settings).await.unwrap();
    let layer = BreakerLayer::new(breaker.clone(), judge);
    let mut service = layer.layer(service_fn(partner));
    assert!(service.ready().await.unwrap().call(1).await.is_err());
    layer.flush().await;
    let began = Instant::now();
    // Until the open time is over, calls are rejected.
    let probe = loop {
        let call = tokio::spawn(service.ready().await.unwrap().call(99));
        while !call.is_finished() && breaker.info().await.unwrap().probing == 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "no probe has begun");
        }
        if !call.is_finished() {
            break call;
        }
    };
    let rejected = service.ready().await.unwrap().call(2).await.unwrap_err();
    assert_eq!(rejected.downcast_ref::<Rejected>().unwrap().by, RejectedBy::Probing);
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    layer.flush().await;
    assert_eq!(service.ready().await.unwrap().call(2).await.unwrap(), 2, "it is the probe now");
    layer.flush().await;
    assert_eq!(breaker.info().await.unwrap().state, BreakerState::Closed);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_the_client_say_how_long_they_took() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let breaker = client(&node).breaker("partner");
    let mut settings = BreakerSettings::default();
    settings.slow_after = Some("20ms".into());
    breaker.set(&settings).await.unwrap();
    let sleeps = |ms| async move {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        Ok::<u32, BoxError>(0)
    };
    breaker.call(sleeps(25), |_| CallOutcome::Ignored).await.unwrap();
    let layer = BreakerLayer::new(breaker.clone(), judge);
    layer.layer(service_fn(sleeps)).oneshot(25).await.unwrap();
    layer.flush().await;
    let info = breaker.info().await.unwrap();
    assert_eq!((info.calls, info.failures, info.slow), (2, 0, 2));
    assert_eq!(info.settings.slow_after.as_deref(), Some("20ms"));
}
