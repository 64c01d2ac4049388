//! Calls in a thread, without a runtime.

use super::*;
use std::sync::Barrier;
use std::thread;

type Blocking = Result<u32, CallError<&'static str>>;

#[test]
fn a_blocking_call_is_retried_after_its_pause_if_it_is_safe() {
    let retry = retry::Config { backoff: retry::Backoff::new().first(MS(1)).max(MS(2)), ..retrying(3) };
    let guard = guard(Policy::new().retry(retry));
    let made = AtomicU32::new(0);
    let flaky = |_| if made.fetch_add(1, Ordering::Relaxed) < 2 { Err("reset") } else { Ok(1) };
    let result: Blocking = guard.call_blocking_with(CallOptions::safe(), flaky);
    assert_eq!((result, made.swap(0, Ordering::Relaxed)), (Ok(1), 3));
    let result: Blocking = guard.call_blocking_with(CallOptions::default(), flaky);
    assert_eq!((result, made.into_inner()), (Err(CallError::Failed("reset")), 1), "not safe to repeat");
}

#[test]
fn a_blocking_call_is_rejected_by_an_open_breaker() {
    let guard = guard(Policy::new().breaker(tripping()));
    for _ in 0..2 {
        let failed: Blocking = guard.call_blocking(|| Err("down"));
        assert_eq!(failed, Err(CallError::Failed("down")));
    }
    let rejected: Blocking = guard.call_blocking(|| panic!("it must not run"));
    assert_eq!(rejected_by(&rejected), Some(Reason::BreakerOpen));
}

#[test]
fn threads_wait_in_the_queue_and_all_are_served() {
    let bulkhead = bulkhead::Config::new().limit(Limit::Fixed(2)).queue_max(16).wait_max(MS(60_000));
    let guard = guard(Policy::new().bulkhead(bulkhead));
    let (inside, most, start) = (AtomicU32::new(0), AtomicU32::new(0), Barrier::new(8));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                for _ in 0..50 {
                    let result: Blocking = guard.call_blocking(|| {
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        Ok(1)
                    });
                    assert_eq!(result, Ok(1));
                }
            });
        }
    });
    assert!(most.into_inner() <= 2);
    let bulkhead = guard.snapshot().bulkhead.expect("it is configured");
    assert_eq!((bulkhead.in_use, bulkhead.waiting), (0, 0));
}

#[test]
fn a_thread_that_has_waited_for_wait_max_is_rejected_and_leaves_the_queue() {
    let bulkhead = bulkhead::Config::new().limit(Limit::Fixed(1)).wait_max(MS(5));
    let guard = guard(Policy::new().bulkhead(bulkhead));
    let outer: Blocking = guard.call_blocking(|| {
        let inner: Blocking = guard.call_blocking(|| panic!("it must not run"));
        assert_eq!(rejected_by(&inner), Some(Reason::BulkheadWait));
        Ok(1)
    });
    assert_eq!(outer, Ok(1));
    assert_eq!(guard.snapshot().bulkhead.expect("it is configured").waiting, 0);
}

#[test]
fn a_thread_waits_for_its_token() {
    let bucket = rate::token_bucket::Config::new().tokens(1_000).burst(1).wait_max(MS(60_000));
    let guard = guard(Policy::new().rate_limit(RateLimit::TokenBucket(bucket)));
    let begun = std::time::Instant::now();
    for _ in 0..6 {
        assert_eq!(guard.call_blocking(|| Ok::<u32, &str>(1)), Ok(1));
    }
    assert!(begun.elapsed() >= MS(4), "five of six tokens return at one per millisecond");
}

#[test]
fn a_blocking_success_that_outlasts_its_timeout_is_slow() {
    let breaker = breaker::Config::new().slow_percent(100).calls_min(1);
    let guard = guard(Policy::new().breaker(breaker).timeout(MS(1)));
    let result: Blocking = guard.call_blocking(|| {
        thread::sleep(MS(2));
        Ok(1)
    });
    assert_eq!(result, Ok(1), "the result is returned even though it is late");
    assert!(!guard.snapshot().breaker.expect("it is configured").circuit.is_closed());
}

#[test]
fn no_blocking_attempt_begins_after_the_total_timeout() {
    let retry = retry::Config { backoff: retry::Backoff::new().first(MS(1)).max(MS(2)), ..retrying(100) };
    let guard = guard(Policy::new().retry(retry).total_timeout(MS(20)));
    let made = AtomicU32::new(0);
    let result: Blocking = guard.call_blocking_with(CallOptions::safe(), |_| {
        made.fetch_add(1, Ordering::Relaxed);
        thread::sleep(MS(25));
        Err("down")
    });
    assert_eq!((result, made.into_inner()), (Err(CallError::Failed("down")), 1));
}

#[test]
fn a_panic_in_a_blocking_call_gives_the_permit_back_and_counts_as_a_failure() {
    let guard = guard(Policy::new().breaker(tripping()).bulkhead(permits(1, 0)));
    let call = || guard.call_blocking(|| -> Result<u32, &str> { panic!("a bug") });
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
    let snapshot = guard.snapshot();
    assert_eq!(snapshot.bulkhead.expect("it is configured").in_use, 0);
    assert_eq!(snapshot.breaker.expect("it is configured").consecutive_failures, 1);
}
