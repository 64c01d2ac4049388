//! What a guard lets others see.
#![cfg(feature = "metrics")]

use super::{permits, tripping};
use mainstay_resilience::breaker::Forced;
use mainstay_resilience::guard::{CallError, CallOptions, Guard, Policy};
use mainstay_resilience::{registry, sync::CircuitBreakers};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

#[test]
fn attempts_rejections_and_changes_are_counted_under_the_guards_name() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let policy = Policy::new().breaker(tripping()).bulkhead(permits(3));
        let guard = Guard::new("billing", policy).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            for works in [true, false, false, true] {
                let operation = |_| async move { if works { Ok(()) } else { Err("down") } };
                let _: Result<(), CallError<&str>> = guard.call_with(CallOptions::default(), operation).await;
            }
        });
    });
    let seen = seen(&snapshotter);
    for (name, expected) in [
        ("resilience_attempts_total guard=billing outcome=success", 1.0),
        ("resilience_attempts_total guard=billing outcome=failure", 2.0),
        ("resilience_rejections_total guard=billing by=breaker_open", 1.0),
        ("resilience_breaker_changes_total guard=billing to=open", 1.0),
        ("resilience_breaker_open guard=billing", 1.0),
    ] {
        assert_eq!(seen.get(name), Some(&expected), "{name} in {seen:#?}");
    }
}

#[test]
fn time_outs_callers_who_leave_and_what_is_done_by_hand_are_seen() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let timeout = Some(std::time::Duration::from_millis(5));
        let policy = Policy::new().breaker(tripping()).timeout(timeout);
        let guard = Guard::new("billing", policy).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let hangs = |_| std::future::pending::<Result<(), &str>>();
            let timed_out = guard.call_with(CallOptions::default(), hangs).await;
            assert!(matches!(timed_out, Err(CallError::TimedOut(_))));
            let mut left = Box::pin(guard.call_with(CallOptions::default(), hangs));
            std::future::poll_fn(|cx| std::task::Poll::Ready(left.as_mut().poll(cx).is_pending())).await;
        });
        guard.force(Forced::Open);
    });
    let seen = seen(&snapshotter);
    for (name, expected) in [
        ("resilience_attempts_total guard=billing outcome=failure", 1.0),
        ("resilience_attempts_total guard=billing outcome=cancelled", 1.0),
        ("resilience_timeouts_total guard=billing", 1.0),
        ("resilience_breaker_open guard=billing", 1.0),
    ] {
        assert_eq!(seen.get(name), Some(&expected), "{name} in {seen:#?}");
    }
}

#[test]
fn attempts_that_panic_or_whose_caller_leaves_are_counted_too() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let guard = Guard::new("billing", Policy::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let hangs = std::future::pending::<Result<(), &str>>;
            let left = tokio::time::timeout(
                Duration::from_millis(1),
                guard.call_with(CallOptions::default(), |_| hangs()),
            );
            assert!(left.await.is_err());
            let panics = tokio::spawn(async move {
                let operation = async |_| -> Result<(), &str> { panic!("a bug") };
                guard.call_with(CallOptions::default(), operation).await
            });
            assert!(panics.await.is_err());
        });
    });
    let seen = seen(&snapshotter);
    for outcome in ["cancelled", "failure"] {
        let name = format!("resilience_attempts_total guard=billing outcome={outcome}");
        assert_eq!(seen.get(&name), Some(&1.0), "{name} in {seen:#?}");
    }
}

#[test]
fn look_ups_that_share_a_breaker_since_all_others_are_open_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let config = registry::Config::new().keys_max(1);
        let breakers: CircuitBreakers<u32> = CircuitBreakers::new(config).unwrap();
        breakers.get(&1).trip();
        breakers.get(&2);
        breakers.get(&3);
    });
    assert_eq!(seen(&snapshotter).get("resilience_registry_shared_total "), Some(&2.0));
}

/// Counters and gauges, by name and labels.
fn seen(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let mut seen = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => continue,
        };
        seen.insert(format!("{} {}", key.name(), labels.join(" ")), value);
    }
    seen
}
