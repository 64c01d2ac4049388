//! Readiness, clones, and inner services that are never ready.

use super::{permits, retrying, tripping};
use mainstay_resilience::fallback::When;
use mainstay_resilience::guard::{CallRejected, Policy};
use mainstay_resilience::tower::{BoxError, ClassifyWith, FallbackLayer, GuardLayer, Hosts, TimedOut};
use mainstay_resilience::{Outcome, Reason, outlier};
use std::future::{Future, Ready, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

type Classify = fn(Result<&u32, &BoxError>) -> Outcome;

fn classify(result: Result<&u32, &BoxError>) -> Outcome {
    if result.is_ok() { Outcome::Success } else { Outcome::Failure }
}

fn layer(policy: Policy) -> GuardLayer<ClassifyWith<Classify>> {
    GuardLayer::from_policy("inner", policy, ClassifyWith::new(classify as Classify)).unwrap()
}

fn rejected(error: &BoxError) -> Option<Reason> {
    error.downcast_ref::<CallRejected>().map(|rejected| rejected.reason)
}

/// A service that must be made ready before each call, as services may demand.
#[derive(Debug)]
struct Strict {
    is_ready: bool,
    calls: Arc<AtomicU32>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self { is_ready: false, calls: self.calls.clone() }
    }
}

impl Service<u32> for Strict {
    type Response = u32;
    type Error = BoxError;
    type Future = Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "called without being ready");
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        ready(if call < 2 { Err("down".into()) } else { Ok(request) })
    }
}

#[tokio::test]
async fn each_attempt_calls_a_service_that_was_made_ready_for_it() {
    let calls = Arc::new(AtomicU32::new(0));
    let mut service =
        layer(Policy::new().retry(retrying())).layer(Strict { is_ready: false, calls: calls.clone() });
    assert_eq!(service.ready().await.unwrap().call(7).await.unwrap(), 7);
    assert_eq!(calls.load(Ordering::Relaxed), 3);
    assert_eq!(service.ready().await.unwrap().call(8).await.unwrap(), 8);
}

#[tokio::test]
async fn readiness_holds_no_permit_and_no_probe() {
    let policy = Policy::new().bulkhead(permits(1)).breaker(tripping());
    let layer = layer(policy);
    let service = layer.layer(service_fn(|request: u32| ready(Ok::<_, BoxError>(request))));
    let mut idle: Vec<_> = (0..10).map(|_| service.clone()).collect();
    for service in &mut idle {
        service.ready().await.unwrap();
    }
    assert_eq!(
        service.clone().oneshot(1).await.unwrap(),
        1,
        "ten services that are ready and not called hold nothing"
    );
    assert_eq!(layer.guard().snapshot().bulkhead.unwrap().in_use, 0);
}

#[tokio::test]
async fn a_future_that_was_made_and_never_polled_holds_nothing() {
    let layer = layer(Policy::new().bulkhead(permits(1)));
    let mut service = layer.layer(service_fn(|request: u32| ready(Ok::<_, BoxError>(request))));
    let unpolled = service.ready().await.unwrap().call(1);
    assert_eq!(service.clone().oneshot(2).await.unwrap(), 2);
    drop(unpolled);
}

#[tokio::test]
async fn clones_share_their_guard() {
    let layer = layer(Policy::new().breaker(tripping()));
    let service = layer.layer(service_fn(|_: u32| ready(Err::<u32, BoxError>("down".into()))));
    for _ in 0..2 {
        assert_eq!(service.clone().oneshot(1).await.unwrap_err().to_string(), "down");
    }
    assert_eq!(rejected(&service.clone().oneshot(1).await.unwrap_err()), Some(Reason::BreakerOpen));
    // Other services of the same layer share it too.
    let other = layer.layer(service_fn(|request: u32| ready(Ok::<_, BoxError>(request))));
    assert_eq!(rejected(&other.oneshot(1).await.unwrap_err()), Some(Reason::BreakerOpen));
}

#[tokio::test]
async fn a_call_that_panics_counts_as_failed_and_gives_its_permit_back() {
    let layer = layer(Policy::new().bulkhead(permits(1)).breaker(tripping()));
    let service = layer.layer(service_fn(|request: u32| async move {
        assert!(request > 0, "a bug in the service");
        Ok::<_, BoxError>(request)
    }));
    for _ in 0..2 {
        let call = tokio::spawn(service.clone().oneshot(0));
        assert!(call.await.unwrap_err().is_panic(), "the panic reaches the caller");
        assert_eq!(layer.guard().snapshot().bulkhead.unwrap().in_use, 0);
    }
    assert_eq!(rejected(&service.oneshot(1).await.unwrap_err()), Some(Reason::BreakerOpen));
}

#[derive(Clone, Debug)]
struct NeverReady;

impl Service<u32> for NeverReady {
    type Response = u32;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<u32, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Pending
    }

    fn call(&mut self, _: u32) -> Self::Future {
        panic!("it was never ready")
    }
}

#[tokio::test]
async fn an_inner_service_that_is_never_ready_holds_no_permit() {
    let layer = layer(Policy::new().bulkhead(permits(1)));
    let mut stuck = layer.layer(NeverReady);
    let is_pending = poll_fn(|cx| Poll::Ready(stuck.poll_ready(cx).is_pending())).await;
    assert!(is_pending);
    let service = layer.layer(service_fn(|request: u32| ready(Ok::<_, BoxError>(request))));
    assert_eq!(service.oneshot(1).await.unwrap(), 1);
}

/// Ready once, never again.
#[derive(Clone, Debug)]
struct ReadyOnce(Arc<AtomicU32>);

impl Service<u32> for ReadyOnce {
    type Response = u32;
    type Error = BoxError;
    type Future = Ready<Result<u32, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, _: u32) -> Self::Future {
        ready(Err("down".into()))
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_service_is_never_ready_ends_with_the_timeout_and_gives_its_permit_back() {
    let policy = Policy::new().retry(retrying()).bulkhead(permits(1)).timeout(Duration::from_secs(1));
    let layer = layer(policy);
    let mut service = layer.layer(ReadyOnce(Arc::default()));
    let error = service.ready().await.unwrap().call(1).await.unwrap_err();
    assert!(error.is::<TimedOut>(), "{error}");
    assert_eq!(layer.guard().snapshot().bulkhead.unwrap().in_use, 0);
}

#[tokio::test]
async fn a_call_dropped_while_it_runs_gives_its_permit_back() {
    let layer = layer(Policy::new().bulkhead(permits(1)));
    let hangs = layer.layer(service_fn(|_: u32| pending::<Result<u32, BoxError>>()));
    {
        let mut call = pin!(hangs.oneshot(1));
        assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
        assert_eq!(layer.guard().snapshot().bulkhead.unwrap().in_use, 1);
    }
    let service = layer.layer(service_fn(|request: u32| ready(Ok::<_, BoxError>(request))));
    assert_eq!(service.oneshot(1).await.unwrap(), 1);
}

#[tokio::test]
async fn layers_stack_with_each_other_and_with_towers_own_and_an_inner_rejection_is_not_a_failure() {
    let breaker = layer(Policy::new().breaker(tripping()));
    let guard = breaker.guard().clone();
    let service = ServiceBuilder::new()
        .layer(breaker)
        .layer(layer(Policy::new().bulkhead(permits(0x1))))
        .concurrency_limit(10)
        .timeout(Duration::from_secs(5))
        .service(service_fn(|wait: u32| async move {
            if wait == 1 {
                std::future::pending::<()>().await;
            }
            Ok::<_, BoxError>(wait)
        }));
    let mut holder = Box::pin(service.clone().oneshot(1));
    assert!(poll_fn(|cx| Poll::Ready(holder.as_mut().poll(cx).is_pending())).await);
    for _ in 0..20 {
        let error = service.clone().oneshot(0).await.unwrap_err();
        assert_eq!(rejected(&error), Some(Reason::BulkheadFull));
    }
    assert!(guard.snapshot().breaker.unwrap().circuit.is_closed());
    drop(holder);
    assert_eq!(service.oneshot(0).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_fails_is_left_out_and_comes_back() {
    let config = outlier::Config::new().consecutive_failures(3).eject_for(Duration::from_secs(10));
    let bad = Arc::new(AtomicU32::new(0));
    let host = |number: u32| {
        let bad = bad.clone();
        service_fn(move |_: u32| {
            let fails = number == 0 && bad.fetch_add(1, Ordering::Relaxed) < 3;
            ready(if fails { Err::<u32, BoxError>("down".into()) } else { Ok(number) })
        })
    };
    let hosts =
        Hosts::new("search", config, (0..4).map(host).collect(), ClassifyWith::new(classify as Classify))
            .unwrap();
    let mut failed = 0;
    for _ in 0..200 {
        failed += u32::from(hosts.clone().oneshot(0).await.is_err());
    }
    assert_eq!(failed, 3, "after three failures the host received no calls");
    tokio::time::advance(Duration::from_secs(10)).await;
    let mut seen = [0; 4];
    for _ in 0..400 {
        seen[hosts.clone().oneshot(0).await.unwrap() as usize] += 1;
    }
    assert!(seen.iter().all(|n| *n > 40), "{seen:?}");
    let none: Hosts<NeverReady, ClassifyWith<Classify>> =
        Hosts::new("none", outlier::Config::default(), vec![], ClassifyWith::new(classify as Classify))
            .unwrap();
    assert_eq!(rejected(&none.oneshot(0).await.unwrap_err()), Some(Reason::Outlier));
}

#[tokio::test(start_paused = true)]
async fn a_fallback_responds_to_exactly_its_triggers_through_a_guard() {
    let policy = Policy::new().breaker(tripping()).timeout(Duration::from_secs(1));
    let dependency = service_fn(|wait: u32| async move {
        tokio::time::sleep(Duration::from_millis(wait.into())).await;
        if wait == 0 { Err::<u32, BoxError>("down".into()) } else { Ok(wait) }
    });
    // The outcomes of a call that succeeds, one that hangs, one that fails, and one that is rejected.
    for (when, expected) in [
        (When::Rejected, [Some(5), None, None, Some(99)]),
        (When::NoResponse, [Some(5), Some(99), None, Some(99)]),
        (When::AnyFailure, [Some(5), Some(99), Some(99), Some(99)]),
    ] {
        let service = ServiceBuilder::new()
            .layer(FallbackLayer::new(when, |_: &BoxError| 99))
            .layer(layer(policy.clone()))
            .service(dependency);
        let mut seen = [None; 4];
        for (seen, wait) in seen.iter_mut().zip([5, 5_000, 0, 5]) {
            *seen = service.clone().oneshot(wait).await.ok();
        }
        assert_eq!(seen, expected, "{when:?}");
    }
}

#[test]
fn the_future_of_a_layered_call_takes_less_than_a_kibibyte() {
    // Allocators serve small blocks from a cache of the thread; for glibc they end at 1,032 bytes.
    let service = service_fn(|(): ()| async { Ok::<(), BoxError>(()) });
    let rules = ClassifyWith::new(|_: Result<&(), &BoxError>| Outcome::Success);
    let layer = GuardLayer::from_policy("small", Policy::default(), rules).unwrap();
    let future = layer.layer(service).call(());
    assert!(size_of_val(&*future) < 1_024, "{} bytes", size_of_val(&*future));
}
