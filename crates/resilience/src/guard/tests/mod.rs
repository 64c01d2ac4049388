//! The guard around real futures, on a clock that the test moves.

use super::*;
use crate::bulkhead::Limit;
use crate::contract::{Outcome, Reason};
use crate::policy::RateLimit;
use crate::{breaker, budget, bulkhead, hedge, rate, retry};
use core::future::{Future, pending, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::time::{Instant, sleep};

mod blocking;
mod configure;
mod keyed;

const MS: fn(u64) -> Duration = Duration::from_millis;

type CallResult = Result<u32, CallError<&'static str>>;

fn guard(policy: Policy) -> Guard {
    Guard::new("dependency", policy).expect("the policy is valid")
}

fn tripping() -> breaker::Config {
    breaker::Config {
        consecutive_failures: Some(2),
        open_for: MS(1_000),
        open_jitter_percent: 0,
        probes: 1,
        ramp_for: Duration::ZERO,
        ..breaker::Config::default()
    }
}

fn permits(permits: u32, queue_max: u32) -> bulkhead::Config {
    bulkhead::Config { limit: Limit::Fixed(permits), queue_max, wait_max: MS(500), ..Default::default() }
}

/// Retries without jitter, and with a budget that never runs out.
fn retrying(attempts_max: u32) -> retry::Config {
    retry::Config {
        attempts_max,
        backoff: retry::Backoff { first: MS(100), max: MS(1_000), jitter: retry::Jitter::None },
        budget: budget::Config { per_second_min: 1_000, ..budget::Config::default() },
        ..retry::Config::default()
    }
}

async fn good(guard: &Guard) -> CallResult {
    guard.call_with(CallOptions::safe(), |_| async { Ok(1) }).await
}

async fn bad(guard: &Guard) -> CallResult {
    guard.call_with(CallOptions::safe(), |_| async { Err("down") }).await
}

async fn never(guard: &Guard) -> CallResult {
    guard.call_with(CallOptions::safe(), |_| pending()).await
}

fn rejected_by(result: &CallResult) -> Option<Reason> {
    match result {
        Err(CallError::Rejected(rejected)) => Some(rejected.reason),
        _ => None,
    }
}

/// Polls a future `times` times, then drops it.
async fn poll_and_drop(future: impl Future, times: usize) {
    let mut future = pin!(future);
    for _ in 0..times {
        if poll_once(future.as_mut()).await.is_ready() {
            return;
        }
        // Time passes between the polls, so that the timers of the next stage fire.
        tokio::time::advance(MS(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_breaker_rejects_after_failures_says_when_to_come_back_and_recovers() {
    let guard = guard(Policy { breaker: Some(tripping()), ..Policy::default() });
    for _ in 0..2 {
        assert_eq!(bad(&guard).await, Err(CallError::Failed("down")));
    }
    let result = good(&guard).await;
    let Err(CallError::Rejected(rejected)) = &result else { panic!("{result:?}") };
    assert_eq!((&*rejected.guard, rejected.reason), ("dependency", Reason::BreakerOpen));
    assert_eq!(rejected.retry_after, Some(MS(1_000)));
    assert_eq!(rejected.to_string(), "dependency: the circuit breaker is open; retry after 1000 ms");
    sleep(MS(1_000)).await;
    assert_eq!(good(&guard).await, Ok(1));
    assert!(guard.snapshot().breaker.expect("it is configured").circuit.is_closed());
}

#[tokio::test(start_paused = true)]
async fn the_classifier_decides_what_counts_as_a_failure() {
    let classify = |result: Result<&u32, &&'static str>| match result {
        Ok(500) => Classification::from(Outcome::Failure),
        _ => Classification::from(Outcome::Success),
    };
    let policy = Policy::new().breaker(tripping());
    let guard = Guard::builder("dependency").policy(policy).classify_with(classify).build().expect("valid");
    for _ in 0..5 {
        let found: CallResult = guard.call_with(CallOptions::safe(), |_| async { Err("not found") }).await;
        assert_eq!(found, Err(CallError::Failed("not found")));
    }
    for _ in 0..2 {
        let result: CallResult = guard.call_with(CallOptions::safe(), |_| async { Ok(500) }).await;
        assert_eq!(result, Ok(500), "a response that counts as a failure is still a response");
    }
    assert_eq!(rejected_by(&guard.call(|| async { Ok(1) }).await), Some(Reason::BreakerOpen));
}

#[tokio::test(start_paused = true)]
async fn a_success_that_took_too_long_is_slow() {
    let slow = breaker::Config {
        slow_percent: Some(100),
        slow_after: Some(MS(50)),
        calls_min: 2,
        ..breaker::Config::default()
    };
    let guard = guard(Policy { breaker: Some(slow), ..Policy::default() });
    for _ in 0..2 {
        let work = |_| async {
            sleep(MS(50)).await;
            Ok(1)
        };
        let result: CallResult = guard.call_with(CallOptions::safe(), work).await;
        assert_eq!(result, Ok(1));
    }
    assert_eq!(rejected_by(&good(&guard).await), Some(Reason::BreakerOpen));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_counts_as_a_failure_and_a_caller_that_gives_up_does_not() {
    let guard = guard(Policy { breaker: Some(tripping()), timeout: Some(MS(100)), ..Policy::default() });
    for _ in 0..5 {
        poll_and_drop(never(&guard), 1).await;
    }
    assert_eq!(good(&guard).await, Ok(1));
    for _ in 0..2 {
        let begun = Instant::now();
        assert_eq!(never(&guard).await, Err(CallError::TimedOut(MS(100))));
        assert_eq!(begun.elapsed(), MS(100));
    }
    assert_eq!(rejected_by(&good(&guard).await), Some(Reason::BreakerOpen));
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_made_again_after_its_backoff_if_it_is_safe() {
    let guard = guard(Policy { retry: Some(retrying(3)), ..Policy::default() });
    for (call, expected, attempts, took) in [
        (CallOptions::safe(), Ok(3), 3, MS(100 + 200)),
        (CallOptions::default(), Err(CallError::Failed("down")), 1, Duration::ZERO),
    ] {
        let (made, begun) = (AtomicU32::new(0), Instant::now());
        let operation = |attempt: Attempt| {
            made.fetch_add(1, Ordering::Relaxed);
            async move { if attempt.number == 3 { Ok(3) } else { Err("down") } }
        };
        let result: CallResult = guard.call_with(call, operation).await;
        assert_eq!((result, made.into_inner(), begun.elapsed()), (expected, attempts, took));
    }
    let snapshot = guard.snapshot().retry.expect("it is configured");
    assert_eq!((snapshot.retries, snapshot.recovered, snapshot.budget.calls), (2, 1, 2));
}

#[tokio::test(start_paused = true)]
async fn the_last_real_result_is_returned_when_a_policy_rejects_another_attempt() {
    let breaker = breaker::Config { consecutive_failures: Some(1), ..tripping() };
    let guard = guard(Policy { retry: Some(retrying(3)), breaker: Some(breaker), ..Policy::default() });
    assert_eq!(bad(&guard).await, Err(CallError::Failed("down")));
    assert_eq!(
        rejected_by(&bad(&guard).await),
        Some(Reason::BreakerOpen),
        "no attempt was made, so there is no other result"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_begins_waits_or_is_retried_past_the_deadline() {
    let policy = Policy { retry: Some(retrying(9)), total_timeout: Some(MS(250)), ..Policy::default() };
    let guard = guard(policy);
    let begun = Instant::now();
    assert_eq!(bad(&guard).await, Err(CallError::Failed("down")));
    assert_eq!(begun.elapsed(), MS(100), "the second backoff would have ended at 300 ms");
    let deadline = Instant::now() + MS(80);
    let call = CallOptions { deadline: Some(deadline), ..CallOptions::safe() };
    let seen: CallResult = guard
        .call_with(call, |attempt| async move {
            assert_eq!(attempt.deadline, Some(deadline), "it is passed on");
            pending().await
        })
        .await;
    assert_eq!(seen, Err(CallError::TimedOut(MS(80))));
    let over = CallOptions { deadline: Some(Instant::now()), ..CallOptions::safe() };
    let result: CallResult = guard.call_with(over, |_| async { panic!("it must not run") }).await;
    assert_eq!(rejected_by(&result), Some(Reason::Deadline));
}

#[tokio::test(start_paused = true)]
async fn a_bulkhead_admits_queues_and_rejects() {
    let guard = guard(Policy { bulkhead: Some(permits(1, 1)), ..Policy::default() });
    let work = || async {
        let result: CallResult = guard
            .call_with(CallOptions::safe(), |_| async {
                sleep(MS(100)).await;
                Ok(1)
            })
            .await;
        result
    };
    let begun = Instant::now();
    let (first, second, third) = tokio::join!(work(), work(), work());
    assert_eq!((first, second), (Ok(1), Ok(1)));
    assert_eq!(rejected_by(&third), Some(Reason::BulkheadFull));
    assert_eq!(begun.elapsed(), MS(200));
    // A caller queued behind a call that hangs is rejected after `wait_max`.
    let (hung, waited) = tokio::join!(tokio::time::timeout(MS(900), never(&guard)), work());
    assert!(hung.is_err());
    assert_eq!(rejected_by(&waited), Some(Reason::BulkheadWait));
    assert_eq!(work().await, Ok(1), "the permit was returned");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_waits_as_long_as_it_may() {
    let bucket = rate::token_bucket::Config { tokens: 10, per: MS(1_000), burst: 1, wait_max: MS(150) };
    let guard = guard(Policy { rate_limit: Some(RateLimit::TokenBucket(bucket)), ..Policy::default() });
    let begun = Instant::now();
    assert_eq!(good(&guard).await, Ok(1));
    assert_eq!(good(&guard).await, Ok(1));
    assert!(begun.elapsed() >= MS(100) && begun.elapsed() < MS(105), "{:?}", begun.elapsed());
    let (_, _, third) = tokio::join!(good(&guard), good(&guard), good(&guard));
    assert_eq!(rejected_by(&third), Some(Reason::RateLimit));
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_is_hedged_and_the_first_good_result_wins() {
    let hedge = hedge::Config {
        calls_min: 20,
        budget: budget::Config { percent: 10, per_second_min: 0, ..budget::Config::default() },
        ..hedge::Config::default()
    };
    let guard = guard(Policy { hedge: Some(hedge), ..Policy::default() });
    let made = AtomicU32::new(0);
    // The first attempt of every fortieth call takes a second; all others take 10 ms.
    let call = || {
        guard.call_with(CallOptions::safe(), |_| {
            let number = made.fetch_add(1, Ordering::Relaxed);
            async move {
                sleep(if number % 40 == 39 { MS(1_000) } else { MS(10) }).await;
                Ok::<u32, &'static str>(number)
            }
        })
    };
    let mut longest = Duration::ZERO;
    for _ in 0..200 {
        let begun = Instant::now();
        assert!(call().await.is_ok());
        longest = longest.max(begun.elapsed());
    }
    assert!(longest < MS(30), "{longest:?}");
    let snapshot = guard.snapshot().hedge.expect("it is configured");
    assert_eq!((snapshot.sent, snapshot.won), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_lost_to_its_hedge_still_shows_how_slow_the_dependency_is() {
    let budget = budget::Config { percent: 100, ..budget::Config::default() };
    let hedge = hedge::Config { calls_min: 20, budget, ..hedge::Config::default() };
    let guard = guard(Policy { hedge: Some(hedge), ..Policy::default() });
    let made = AtomicU32::new(0);
    // One call in twelve is slow. If only the winning attempts were recorded, all durations would be 10 ms.
    for call in 0..600 {
        let operation = |_| {
            let hangs = call % 12 == 11 && made.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            async move {
                sleep(if hangs { MS(1_000) } else { MS(10) }).await;
                Ok::<u32, &'static str>(1)
            }
        };
        assert!(guard.call_with(CallOptions::safe(), operation).await.is_ok());
    }
    let delay = guard.snapshot().hedge.expect("it is configured").delay.expect("it is known");
    assert!(delay >= MS(15), "{delay:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hedge_of_a_failing_call_decides_only_if_it_is_good() {
    let hedge = hedge::Config {
        calls_min: 1,
        delay_min: MS(10),
        budget: budget::Config { percent: 100, ..budget::Config::default() },
        ..hedge::Config::default()
    };
    // When the first and the second attempt end, and with which result.
    let cases = [
        ((30, Err("first")), (5, Ok(2)), Ok(2)),
        ((12, Err("first")), (20, Ok(2)), Ok(2)),
        ((30, Ok(1)), (5, Err("second")), Ok(1)),
        ((12, Err("first")), (20, Err("second")), Err(CallError::Failed("first"))),
        ((30, Err("first")), (5, Err("second")), Err(CallError::Failed("first"))),
    ];
    for (first, second, expected) in cases {
        let guard = guard(Policy { hedge: Some(hedge.clone()), ..Policy::default() });
        assert_eq!(good(&guard).await, Ok(1));
        let made = AtomicU32::new(0);
        let operation = |_| {
            let is_first = made.fetch_add(1, Ordering::Relaxed) == 0;
            let (after, result) = if is_first { first } else { second };
            async move {
                sleep(MS(after)).await;
                result
            }
        };
        assert_eq!(guard.call_with(CallOptions::safe(), operation).await, expected);
        assert_eq!(made.into_inner(), 2);
    }
}

fn everything() -> Policy {
    Policy {
        total_timeout: Some(MS(10_000)),
        retry: Some(retrying(2)),
        hedge: Some(hedge::Config { calls_min: 1, delay_min: MS(50), ..hedge::Config::default() }),
        breaker: Some(tripping()),
        rate_limit: Some(RateLimit::TokenBucket(rate::token_bucket::Config {
            tokens: 20,
            per: MS(1_000),
            burst: 1,
            wait_max: MS(100),
        })),
        bulkhead: Some(permits(1, 4)),
        timeout: Some(MS(200)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_await_gives_back_its_permit_its_place_and_its_probe() {
    let mut ended = 0;
    for times in 0..24 {
        let guard = guard(everything());
        guard.trip();
        sleep(MS(1_000)).await;
        // Half-open: this call is the only probe and holds the only permit. A second one waits in the queue
        // or is rejected.
        let work = guard.call_with(CallOptions::safe(), |_| async {
            sleep(MS(70)).await;
            Err::<u32, _>("down")
        });
        poll_and_drop(work, times).await;
        let bulkhead = guard.snapshot().bulkhead.expect("it is configured");
        assert_eq!((bulkhead.in_use, bulkhead.waiting), (0, 0), "dropped after {times} polls");
        let breaker = guard.snapshot().breaker.expect("it is configured");
        assert_eq!(breaker.probes_under_way, 0, "dropped after {times} polls");
        ended += u32::from(breaker.trips > 1);
    }
    assert!(ended > 0, "some calls were polled to completion");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_gives_up_leaves_the_queue() {
    let guard = guard(Policy { bulkhead: Some(permits(1, 4)), ..Policy::default() });
    let mut holder = Box::pin(never(&guard));
    let _ = poll_once(holder.as_mut()).await;
    poll_and_drop(good(&guard), 1).await;
    let snapshot = |guard: &Guard| guard.snapshot().bulkhead.expect("it is configured");
    assert_eq!((snapshot(&guard).in_use, snapshot(&guard).waiting), (1, 0));
    // A permit granted to a caller that is never polled again goes to the next caller.
    let mut granted = Box::pin(good(&guard));
    let _ = poll_once(granted.as_mut()).await;
    let mut next = Box::pin(good(&guard));
    let _ = poll_once(next.as_mut()).await;
    drop(holder);
    drop(granted);
    assert_eq!(next.await, Ok(1));
    assert_eq!(snapshot(&guard).in_use, 0);
}

async fn poll_once<F: Future + ?Sized>(mut future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

#[tokio::test(start_paused = true)]
async fn a_panic_gives_back_the_permit_and_counts_as_a_failure() {
    let policy = Policy { breaker: Some(tripping()), bulkhead: Some(permits(1, 0)), ..Policy::default() };
    let guard = guard(policy);
    for _ in 0..2 {
        let inside = guard.clone();
        let work = async move {
            let result: CallResult =
                inside.call_with(CallOptions::safe(), |_| async { panic!("a bug") }).await;
            result
        };
        assert!(tokio::spawn(work).await.expect_err("it panicked").is_panic());
    }
    assert_eq!(guard.snapshot().bulkhead.expect("it is configured").in_use, 0);
    assert_eq!(rejected_by(&good(&guard).await), Some(Reason::BreakerOpen));
    // A probe panics: the breaker opens again and does not stay half-open forever.
    sleep(MS(1_000)).await;
    let inside = guard.clone();
    let probe = tokio::spawn(async move {
        let result: CallResult = inside.call_with(CallOptions::safe(), |_| async { panic!("a bug") }).await;
        result
    });
    assert!(probe.await.is_err());
    assert_eq!(rejected_by(&good(&guard).await), Some(Reason::BreakerOpen));
    sleep(MS(2_000)).await;
    assert_eq!(good(&guard).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_by_an_inner_policy_is_not_a_failure_of_the_dependency() {
    let policy = Policy { breaker: Some(tripping()), bulkhead: Some(permits(1, 0)), ..Policy::default() };
    let guard = guard(policy);
    let mut holder = Box::pin(never(&guard));
    let _ = poll_once(holder.as_mut()).await;
    for _ in 0..50 {
        assert_eq!(rejected_by(&good(&guard).await), Some(Reason::BulkheadFull));
    }
    drop(holder);
    assert_eq!(good(&guard).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_a_short_deadline_does_not_blame_the_dependency() {
    let guard = guard(Policy { breaker: Some(tripping()), timeout: Some(MS(1_000)), ..Policy::default() });
    let with_deadline = async |millis| {
        let call = CallOptions { deadline: Some(Instant::now() + MS(millis)), ..CallOptions::safe() };
        let result: CallResult = guard.call_with(call, |_| pending()).await;
        assert_eq!(result, Err(CallError::TimedOut(MS(millis))));
    };
    for _ in 0..5 {
        with_deadline(499).await;
    }
    assert_eq!(good(&guard).await, Ok(1));
    for _ in 0..2 {
        with_deadline(500).await;
    }
    assert_eq!(
        rejected_by(&good(&guard).await),
        Some(Reason::BreakerOpen),
        "half of the timeout is a fair chance"
    );
}

#[test]
fn an_invalid_policy_names_its_field() {
    let wrong = Policy { timeout: Some(Duration::ZERO), ..Policy::default() };
    assert_eq!(Guard::new("x", wrong).expect_err("no time").field, "timeout_ms");
    let wrong = Policy { bulkhead: Some(permits(0, 0)), ..Policy::default() };
    assert_eq!(Guard::new("x", wrong).expect_err("no permit").field, "bulkhead.limit.fixed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_never_exceed_the_permits_and_all_are_served() {
    let config = bulkhead::Config { wait_max: Duration::from_secs(60), ..permits(8, 64) };
    let guard = guard(Policy { bulkhead: Some(config), ..Policy::default() });
    let (inside, most) = (std::sync::Arc::new(AtomicU32::new(0)), std::sync::Arc::new(AtomicU32::new(0)));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (guard, inside, most) = (guard.clone(), inside.clone(), most.clone());
            tokio::spawn(async move {
                for _ in 0..200 {
                    let operation = |_| async {
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        Ok(1)
                    };
                    let result: CallResult = guard.call_with(CallOptions::safe(), operation).await;
                    assert_eq!(result, Ok(1));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it ends");
    }
    assert!(most.load(Ordering::SeqCst) <= 8);
    assert_eq!(guard.snapshot().bulkhead.expect("it is configured").in_use, 0);
}

#[tokio::test]
async fn an_operation_that_uses_up_its_tasks_budget_with_each_poll_is_still_cut_short() {
    let guard = guard(Policy { timeout: Some(MS(20)), ..Policy::default() });
    let begun = std::time::Instant::now();
    let busy = |_| async move {
        // It does return in the end, because a test that hangs says less than one that fails.
        while begun.elapsed() < Duration::from_secs(3) {
            tokio::task::consume_budget().await;
        }
        Ok(1)
    };
    let result: CallResult = guard.call_with(CallOptions::safe(), busy).await;
    assert!(matches!(result, Err(CallError::TimedOut(_))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_hedge_reached_the_dependency_is_not_reported_as_rejected() {
    let hedge = hedge::Config {
        calls_min: 1,
        delay_min: MS(50),
        budget: budget::Config { percent: 100, ..budget::Config::default() },
        ..hedge::Config::default()
    };
    let guard = guard(Policy { bulkhead: Some(permits(1, 4)), hedge: Some(hedge), ..Policy::default() });
    assert_eq!(good(&guard).await, Ok(1));
    let holder = async |_| {
        sleep(MS(520)).await;
        Ok(1)
    };
    // The first attempt is rejected at 500 ms, after `wait_max`. Its hedge, which entered the queue 50 ms
    // later, is admitted and fails.
    let (held, result): (CallResult, CallResult) =
        tokio::join!(guard.call_with(CallOptions::default(), holder), bad(&guard));
    assert_eq!((held, result), (Ok(1), Err(CallError::Failed("down"))));
}

#[tokio::test(start_paused = true)]
async fn a_permit_granted_at_the_deadline_comes_too_late() {
    let guard = guard(Policy { bulkhead: Some(permits(1, 1)), ..Policy::default() });
    let mut holder = Box::pin(never(&guard));
    let _ = poll_once(holder.as_mut()).await;
    let late = CallOptions { deadline: Some(Instant::now() + MS(100)), ..CallOptions::safe() };
    let mut waiting = Box::pin(guard.call_with(late, async |_| panic!("it must not run")));
    let _ = poll_once(waiting.as_mut()).await;
    // The permit is granted in time, but the task runs only later.
    drop(holder);
    tokio::time::advance(MS(100)).await;
    let result: CallResult = waiting.await;
    assert_eq!(rejected_by(&result), Some(Reason::Deadline));
    assert_eq!(good(&guard).await, Ok(1), "and the permit was returned");
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_half_of_the_total_timeout_is_a_fair_chance() {
    let guard =
        guard(Policy { breaker: Some(tripping()), total_timeout: Some(MS(1_000)), ..Policy::default() });
    let with_deadline = async |millis| {
        let call = CallOptions { deadline: Some(Instant::now() + MS(millis)), ..CallOptions::safe() };
        let result: CallResult = guard.call_with(call, |_| pending()).await;
        assert_eq!(result, Err(CallError::TimedOut(MS(millis))));
    };
    for _ in 0..5 {
        with_deadline(1).await;
    }
    assert_eq!(good(&guard).await, Ok(1), "callers with short deadlines do not open it for everyone");
    for _ in 0..2 {
        with_deadline(500).await;
    }
    assert_eq!(rejected_by(&good(&guard).await), Some(Reason::BreakerOpen));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_was_queued_while_the_breaker_opened_is_rejected() {
    let policy = Policy { breaker: Some(tripping()), bulkhead: Some(permits(1, 4)), ..Policy::default() };
    let guard = guard(policy);
    let called = AtomicU32::new(0);
    let call = || {
        let operation = async |_| {
            called.fetch_add(1, Ordering::Relaxed);
            sleep(MS(100)).await;
            Err("down")
        };
        guard.call_with(CallOptions::safe(), operation)
    };
    let (first, second, third, fourth): (CallResult, CallResult, CallResult, CallResult) =
        tokio::join!(call(), call(), call(), call());
    assert_eq!((first, second), (Err(CallError::Failed("down")), Err(CallError::Failed("down"))));
    assert_eq!([rejected_by(&third), rejected_by(&fourth)], [Some(Reason::BreakerOpen); 2]);
    assert_eq!(called.load(Ordering::Relaxed), 2, "the second failure opened it");
    let bulkhead = guard.snapshot().bulkhead.expect("it is configured");
    assert_eq!((bulkhead.in_use, bulkhead.waiting), (0, 0));
    assert_eq!(guard.snapshot().breaker.expect("it is configured").stale, 0);
}
