//! A policy that is replaced while calls are under way.

use super::*;
use crate::breaker::{Circuit, Forced};

#[tokio::test(start_paused = true)]
async fn a_new_threshold_for_slow_calls_applies_to_the_next_call() {
    let slow_after = |millis| {
        let breaker = breaker::Config::new().slow_percent(100).calls_min(1).slow_after(MS(millis));
        Policy::new().breaker(breaker)
    };
    let guard = guard(slow_after(1_000));
    let work = || async {
        sleep(MS(50)).await;
        Ok::<u32, &str>(1)
    };
    assert_eq!(guard.call(work).await, Ok(1));
    let slow = |guard: &Guard| guard.snapshot().breaker.expect("it is configured").window.slow;
    assert_eq!(slow(&guard), 0);
    guard.configure(slow_after(50)).expect("valid");
    assert_eq!(*guard.policy(), slow_after(50));
    assert_eq!(guard.call(work).await, Ok(1));
    assert_eq!(slow(&guard), 1);
}

#[tokio::test(start_paused = true)]
async fn every_part_of_a_policy_can_be_added_changed_and_removed() {
    let guard = guard(Policy::new());
    guard.configure(everything()).expect("valid");
    let snapshot = guard.snapshot();
    assert!(snapshot.breaker.is_some() && snapshot.bulkhead.is_some() && snapshot.tokens_available.is_some());
    assert!(snapshot.retry.is_some() && snapshot.hedge.is_some());
    guard.configure(Policy::new().timeout(MS(20))).expect("valid");
    assert!(guard.snapshot().breaker.is_none());
    assert_eq!(never(&guard).await, Err(CallError::TimedOut(MS(20))), "the new timeout applies");
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_survives_a_new_policy() {
    let rate = |burst| RateLimit::TokenBucket(rate::token_bucket::Config::new().tokens(1).burst(burst));
    let with = |burst| {
        Policy::new().breaker(tripping()).bulkhead(permits(2, 4)).rate_limit(rate(burst)).retry(retrying(1))
    };
    let guard = guard(with(3));
    assert_eq!(bad(&guard).await, Err(CallError::Failed("down")));
    let mut held = Box::pin(never(&guard));
    let _ = poll_once(held.as_mut()).await;
    guard.configure(with(4)).expect("valid");
    let snapshot = guard.snapshot();
    assert_eq!(snapshot.breaker.expect("it is configured").consecutive_failures, 1);
    assert_eq!(snapshot.bulkhead.expect("it is configured").in_use, 1);
    assert_eq!(snapshot.tokens_available, Some(2), "two of four were spent");
    drop(held);
    assert_eq!(guard.snapshot().bulkhead.expect("it is configured").in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_is_out_of_range_changes_nothing() {
    let guard = guard(Policy::new().bulkhead(permits(2, 4)));
    let before = guard.policy();
    let error = guard.configure(Policy::new().bulkhead(permits(0, 4))).expect_err("no permit");
    assert_eq!(error.field, "bulkhead.limit.fixed");
    assert_eq!(guard.policy(), before);
}

#[tokio::test(start_paused = true)]
async fn a_caller_in_the_queue_gets_a_permit_that_a_new_policy_adds() {
    let guard = guard(Policy::new().bulkhead(permits(1, 4)));
    let mut held = Box::pin(never(&guard));
    let _ = poll_once(held.as_mut()).await;
    let mut waiting = Box::pin(good(&guard));
    assert!(poll_once(waiting.as_mut()).await.is_pending());
    guard.configure(Policy::new().bulkhead(permits(2, 4))).expect("valid");
    assert_eq!(waiting.await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_forced_breaker_is_in_the_state_that_it_is_held_in() {
    let guard = guard(Policy::new().breaker(tripping()));
    guard.force(Forced::Open);
    let breaker = guard.snapshot().breaker.expect("it is configured");
    assert_eq!((breaker.circuit, breaker.forced), (Circuit::Open, Forced::Open));
    assert_eq!(rejected_by(&good(&guard).await), Some(Reason::BreakerForced));
    guard.force(Forced::No);
    assert_eq!(good(&guard).await, Ok(1));
}
