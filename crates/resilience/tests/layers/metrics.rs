//! What a guard reports.
#![cfg(feature = "metrics")]

use super::{permits, tripping};
use mainstay_resilience::breaker::Forced;
use mainstay_resilience::guard::{CallError, CallOptions, Guard, Policy};
use mainstay_resilience::{budget, registry, retry, sync::CircuitBreakers};
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
        ("resilience_rejections_total guard=billing reason=breaker_open", 1.0),
        ("resilience_breaker_changes_total guard=billing to=open", 1.0),
        ("resilience_breaker_open guard=billing", 1.0),
    ] {
        assert_eq!(seen.get(name), Some(&expected), "{name} in {seen:#?}");
    }
}

#[test]
fn timeouts_callers_that_leave_and_a_forced_breaker_are_counted() {
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
fn lookups_that_share_a_breaker_because_all_others_are_open_are_counted() {
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

#[test]
fn exhausted_retries_are_not_rejections_but_a_spent_budget_is_one() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let backoff = retry::Backoff::new().first(Duration::from_millis(1)).max(Duration::from_millis(1));
        // With a budget of 200 percent, a single call allows two retries.
        let budget = budget::Config::new().percent(200).per_second_min(0);
        let retry = |attempts_max| {
            Policy::new().retry(
                retry::Config::new().attempts_max(attempts_max).backoff(backoff).budget(budget.clone()),
            )
        };
        let fail = |_| -> Result<(), &str> { Err("down") };
        let exhausted = Guard::new("exhausted", retry(2)).unwrap();
        assert!(exhausted.call_blocking_with(CallOptions::safe(), fail).is_err());
        let spent = Guard::new("spent", retry(9)).unwrap();
        assert!(spent.call_blocking_with(CallOptions::safe(), fail).is_err());
        let unsafe_call = Guard::new("unsafe", retry(2)).unwrap();
        assert!(unsafe_call.call_blocking(|| Err::<(), &str>("down")).is_err());
    });
    let seen = seen(&snapshotter);
    for (name, expected) in [
        ("resilience_retries_exhausted_total guard=exhausted", 1.0),
        ("resilience_retries_total guard=exhausted", 1.0),
        ("resilience_retry_budget_left guard=exhausted", 1.0),
        ("resilience_rejections_total guard=spent reason=retry_budget", 1.0),
        ("resilience_retries_total guard=spent", 2.0),
        ("resilience_retry_budget_left guard=spent", 0.0),
    ] {
        assert_eq!(seen.get(name), Some(&expected), "{name} in {seen:#?}");
    }
    let rejections = |guard: &str| {
        let counts = |name: &&String| name.starts_with("resilience_rejections_total") && name.contains(guard);
        seen.keys().filter(counts).count()
    };
    assert_eq!((rejections("exhausted"), rejections("unsafe")), (0, 0));
}

/// Makes a call that holds the only permit and a call that waits in the queue, drops both, and then makes a
/// third. `look` runs while the first two are in progress.
fn hold_and_wait(look: impl FnOnce()) {
    let guard = Guard::new("reports", Policy::new().bulkhead(permits(1).queue_max(4))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let holds = || std::future::pending::<Result<(), &str>>();
        let mut held = Box::pin(guard.call(holds));
        let mut queued = Box::pin(guard.call(holds));
        for call in [&mut held, &mut queued] {
            std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
        }
        look();
        drop((queued, held));
        guard.call(|| async { Ok::<(), &str>(()) }).await.unwrap();
    });
}

#[test]
fn permits_in_use_and_waiting_callers_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        hold_and_wait(|| {
            let seen = seen(&snapshotter);
            assert_eq!(seen.get("resilience_permits_in_use guard=reports"), Some(&1.0), "{seen:#?}");
            assert_eq!(seen.get("resilience_callers_waiting guard=reports"), Some(&1.0), "{seen:#?}");
        });
    });
}

#[test]
fn durations_are_recorded_and_returned_permits_and_queue_places_are_no_longer_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || hold_and_wait(|| ()));
    let seen = seen(&snapshotter);
    for (name, expected) in [
        ("resilience_permits_in_use guard=reports", 0.0),
        ("resilience_callers_waiting guard=reports", 0.0),
        ("resilience_call_duration_seconds guard=reports outcome=success", 1.0),
        ("resilience_call_duration_seconds guard=reports outcome=cancelled", 2.0),
    ] {
        assert_eq!(seen.get(name), Some(&expected), "{name} in {seen:#?}");
    }
}

#[test]
fn a_breaker_that_is_tripped_or_forced_by_an_operator_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let guard = Guard::new("billing", Policy::new().breaker(tripping())).unwrap();
        guard.trip();
        guard.force(Forced::Closed);
        guard.force(Forced::Open);
    });
    let seen = seen(&snapshotter);
    assert_eq!(seen.get("resilience_breaker_changes_total guard=billing to=open"), Some(&2.0), "{seen:#?}");
    assert_eq!(seen.get("resilience_breaker_changes_total guard=billing to=closed"), Some(&1.0));
    assert_eq!(seen.get("resilience_breaker_open guard=billing"), Some(&1.0));
}

#[test]
fn every_metric_of_a_guard_has_a_description() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let guard = Guard::new("billing", Policy::new().breaker(tripping())).unwrap();
        guard.trip();
        assert!(guard.call_blocking(|| Ok::<(), &str>(())).is_err());
    });
    let metrics = snapshotter.snapshot().into_vec();
    assert!(metrics.len() > 15);
    for (key, _, description, _) in metrics {
        assert!(description.is_some_and(|text| text.ends_with('.')), "{}", key.key().name());
    }
}

/// Counters and gauges by name and labels; for a histogram, the number of durations recorded.
fn seen(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let mut seen = BTreeMap::new();
    for (key, _, _, value) in snapshotter.snapshot().into_vec() {
        let key = key.key();
        let labels: Vec<String> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let value = match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(durations) => durations.len() as f64,
        };
        seen.insert(format!("{} {}", key.name(), labels.join(" ")), value);
    }
    seen
}
