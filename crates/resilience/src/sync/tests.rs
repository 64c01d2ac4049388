//! A shared policy decides as its plain state would, and a dropped permit gives everything back.
#![allow(clippy::expect_used, clippy::panic, reason = "a test's panic is its failure")]

use super::*;
use crate::breaker::{self, Circuit, Forced, Request, Ticket, Window};
use crate::contract::{ConfigError, Decide, Decision, Input, Outcome, Reason, Recorded, Time};
use crate::policy::RateLimit;
use crate::rate::token_bucket;
use crate::shed::Priority;
use crate::test_rng::{Rng, steps};
use crate::{bulkhead, hedge, outlier, registry, retry};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::atomic::{AtomicU64, Ordering};

fn config(window: Window) -> breaker::Config {
    breaker::Config {
        window,
        calls_min: 5,
        failure_percent: Some(40),
        consecutive_failures: Some(6),
        open_for: Duration::from_millis(20),
        open_for_max: Duration::from_millis(50),
        ramp_for: Duration::from_millis(10),
        probe_for: Duration::from_millis(15),
        ..breaker::Config::default()
    }
}

const CALLS: Window = Window::Calls(50);
const TIME: Window = Window::Time { length: Duration::from_millis(100), buckets: 10 };

/// A call in the plain breaker and in the shared one.
type Call<'a> = (Ticket, Input, BreakerPermit<'a>);

fn walk(config: &breaker::Config, rng: &mut Rng, steps: u64) {
    let (mut state, breaker) = (config.state(), CircuitBreaker::new(config.clone()).expect("valid"));
    let (mut now, mut calls) = (Time::ZERO, Vec::<Call<'_>>::new());
    for step in 0..steps {
        now = now + Duration::from_micros(rng.below(3_000));
        let input = Input { now, random: rng.next() };
        match rng.below(1_000) {
            0 => {
                let forced = [Forced::No, Forced::No, Forced::Open, Forced::Closed][rng.below(4) as usize];
                assert_eq!(breaker.force_at(input, forced), config.force(&mut state, input, forced));
            }
            1 => assert_eq!(breaker.trip_at(input), config.trip(&mut state, input)),
            2..10 => {
                let _ = config.tell(&mut state, input, NONE, Outcome::Neutral, 0);
                let _ = breaker.tell(input, NONE, Outcome::Neutral);
                let (plain, shared) = (config.snapshot(&state, now), breaker.snapshot_at(now));
                let stale = plain.stale.max(shared.stale);
                let alike = |one: breaker::Snapshot| breaker::Snapshot { stale, ..one };
                assert_eq!(alike(shared), alike(plain), "step {step}");
            }
            10..500 => {
                let from = state.circuit();
                let expected = config.ask(&mut state, input, Request::default());
                match (breaker.try_acquire_at(input, Request::default()), expected) {
                    (Ok(permit), Decision::Admit(ticket)) => {
                        let changed = permit.change().map(|change| change.from);
                        assert_eq!(changed, (from != state.circuit()).then_some(from), "step {step}");
                        assert_eq!(permit.is_probe(), ticket.is_probe(), "step {step}");
                        calls.push((ticket, input, permit));
                    }
                    (Err(rejected), Decision::Reject(expected)) => {
                        assert_eq!(rejected, expected, "step {step}");
                    }
                    (found, expected) => panic!("step {step}: {found:?}, not {expected:?}"),
                }
            }
            _ if !calls.is_empty() => {
                let call = calls.swap_remove(rng.below(calls.len() as u64) as usize);
                end(config, &mut state, input, call, rng.below(12), step);
            }
            _ => {}
        }
        while calls.len() > 8 {
            let Some(call) = calls.pop() else { break };
            end(config, &mut state, input, call, 12, step);
        }
    }
    // The remaining permits must be recorded before the breaker goes away.
    calls.clear();
}

/// Ends a call with some outcome, or by dropping its permit.
fn end(
    config: &breaker::Config,
    state: &mut breaker::State,
    input: Input,
    call: Call<'_>,
    how: u64,
    step: u64,
) {
    let (ticket, acquired, permit) = call;
    let outcome = match how {
        0 => Outcome::Neutral,
        1 => Outcome::Cancelled,
        2 => Outcome::Slow,
        3..5 => Outcome::Failure,
        5..12 => Outcome::Success,
        _ => {
            let _ = config.tell(state, acquired, ticket, Outcome::Cancelled, 1);
            return drop(permit);
        }
    };
    let expected = config.tell(state, input, ticket, outcome, 1);
    assert_eq!(permit.record_at(input, outcome), expected, "step {step}");
}

const NONE: Ticket = Ticket { generation: u32::MAX, probe: 0, source: 0 };

#[test]
fn one_thread_gets_the_decisions_of_the_plain_state_over_a_million_steps() {
    let mut rng = Rng(0xce11);
    for window in [CALLS, TIME] {
        for _ in 0..steps(1_000) {
            walk(&config(window), &mut rng, 1_000);
        }
    }
}

#[test]
fn two_threads_lose_no_success_of_six_million() {
    let breaker = CircuitBreaker::new(breaker::Config {
        window: Window::Time { length: Duration::from_secs(10), buckets: 10 },
        failure_percent: None,
        ..config(TIME)
    })
    .expect("valid");
    let each = steps(3_000_000);
    std::thread::scope(|scope| {
        for thread in 0..2_u64 {
            let breaker = &breaker;
            scope.spawn(move || {
                let input = Input::at(Time::from_millis(1));
                for call in 0..each {
                    let Ok(permit) = breaker.try_acquire_at(input, Request::default()) else { continue };
                    // An occasional failure drains the lanes while the other thread adds to them.
                    let outcome = if call % 1_000 == thread { Outcome::Failure } else { Outcome::Success };
                    assert_eq!(permit.record_at(input, outcome), Recorded::Counted);
                }
            });
        }
    });
    let window = breaker.snapshot_at(Time::from_millis(1)).window;
    assert_eq!((window.calls, window.failures), (2 * each, 2 * each.div_ceil(1_000)));
}

#[test]
fn threads_that_fail_and_probe_at_once_leave_a_breaker_that_still_works() {
    let breaker = CircuitBreaker::new(breaker::Config { probes: 3, ..config(CALLS) }).expect("valid");
    let clock = AtomicU64::new(0);
    let [admitted, counted, stale] = std::array::from_fn(|_| AtomicU64::new(0));
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (breaker, clock, admitted, counted, stale) = (&breaker, &clock, &admitted, &counted, &stale);
            scope.spawn(move || {
                let mut rng = Rng(seed);
                for _ in 0..steps(100_000) {
                    let now = Time::from_nanos(clock.fetch_add(rng.below(100_000), Ordering::Relaxed));
                    let input = Input { now, random: rng.next() };
                    let Ok(permit) = breaker.try_acquire_at(input, Request::default()) else { continue };
                    admitted.fetch_add(1, Ordering::Relaxed);
                    let outcome = if rng.below(4) == 0 { Outcome::Failure } else { Outcome::Success };
                    match permit.record_at(input, outcome) {
                        Recorded::Stale => stale.fetch_add(1, Ordering::Relaxed),
                        Recorded::Counted | Recorded::Changed(_) => counted.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
    });
    let all = admitted.into_inner();
    assert_eq!(all, counted.into_inner() + stale.into_inner(), "every outcome was either counted or stale");
    // Long afterwards, it probes and closes.
    let mut now = Time::from_nanos(clock.into_inner()) + Duration::from_secs(100);
    for _ in 0..10 {
        now = now + Duration::from_millis(20);
        if let Ok(permit) = breaker.try_acquire_at(Input::at(now), Request::default()) {
            permit.record_at(Input::at(now), Outcome::Success);
        }
    }
    assert!(breaker.try_acquire_at(Input::at(now), Request::default()).is_ok());
    assert!(breaker.is_closed());
}

#[test]
fn a_changed_configuration_applies_from_the_next_call_on() {
    let breaker = CircuitBreaker::new(breaker::Config {
        window: CALLS,
        calls_min: 50,
        consecutive_failures: None,
        ..config(CALLS)
    })
    .expect("valid");
    let input = Input::at(Time::from_millis(1));
    let fail = || {
        let permit = breaker.try_acquire_at(input, Request::default()).expect("closed");
        permit.record_at(input, Outcome::Failure)
    };
    for _ in 0..10 {
        assert_eq!(fail(), Recorded::Counted);
    }
    breaker
        .configure_at(
            input,
            breaker::Config { window: CALLS, calls_min: 5, consecutive_failures: None, ..config(CALLS) },
        )
        .expect("valid");
    assert!(
        matches!(fail(), Recorded::Changed(_)),
        "the ten earlier failures count under the new configuration"
    );
}

#[test]
fn a_breaker_takes_less_than_a_kibibyte() {
    // The heap memory of the windows: two bits per call, or three numbers per bucket.
    let cases = [(1_024 / 4, "1,024 calls"), (10 * 24, "10 buckets")];
    for (heap, window) in cases {
        let all = size_of::<CircuitBreaker>() + heap;
        assert!(all <= 1_024, "{window}: {all} bytes");
    }
}

/// A waker that asks for a snapshot of the bulkhead when it is dropped. A waker may own a task that holds a
/// permit, so dropping it can reach the bulkhead.
#[derive(Debug)]
struct LooksWhenDropped(std::sync::Arc<Bulkhead>);

impl std::task::Wake for LooksWhenDropped {
    fn wake(self: std::sync::Arc<Self>) {}
}

impl Drop for LooksWhenDropped {
    fn drop(&mut self) {
        let _ = self.0.snapshot();
    }
}

fn one_permit(queue_max: u32) -> std::sync::Arc<Bulkhead> {
    let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1)).queue_max(queue_max);
    let bulkhead = Bulkhead::new(config.wait_max(Duration::from_millis(10)));
    std::sync::Arc::new(bulkhead.expect("valid"))
}

fn queued(bulkhead: &Bulkhead, input: Input) -> Queued<'_> {
    match bulkhead.enter_at(input, Priority::Normal) {
        Ok(Admission::Queued(queued)) => queued,
        other => panic!("{other:?}"),
    }
}

fn poll<'a>(queued: &mut Queued<'a>, waker: &Waker) -> Poll<BulkheadPermit<'a>> {
    Pin::new(queued).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_waker_that_is_dropped_may_ask_the_bulkhead_again() {
    let (done, is_done) = std::sync::mpsc::channel();
    // In a thread of its own, because a deadlock would never end.
    std::thread::spawn(move || {
        let bulkhead = one_permit(4);
        let _held = bulkhead.try_acquire_at(Input::default(), Priority::Normal).expect("free");
        let [mut moved, mut left] = [0; 2].map(|_| queued(&bulkhead, Input::default()));
        for queued in [&mut moved, &mut left] {
            let waker = Waker::from(std::sync::Arc::new(LooksWhenDropped(bulkhead.clone())));
            assert!(poll(queued, &waker).is_pending());
        }
        // The future has moved to another task.
        assert!(poll(&mut moved, Waker::noop()).is_pending());
        drop(left);
        let _ = done.send(());
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok(()), "a deadlock");
}

#[test]
fn a_caller_that_leaves_after_its_place_went_to_another_was_not_rejected() {
    let (bulkhead, late) = (one_permit(1), Input::at(Time::from_millis(20)));
    let _held = bulkhead.try_acquire_at(Input::default(), Priority::Normal).expect("free");
    let first = queued(&bulkhead, Input::default());
    let _second = queued(&bulkhead, late);
    first.leave_at(late);
    let snapshot = bulkhead.snapshot_at(late.now);
    assert_eq!((snapshot.rejected, snapshot.waited_out, snapshot.waiting), (0, 1, 1));
}

#[test]
fn a_call_that_does_not_wait_is_rejected_and_counted() {
    let bulkhead = one_permit(4);
    let _held = bulkhead.try_acquire().expect("free");
    assert_eq!(bulkhead.try_acquire().map_err(|rejected| rejected.reason).err(), Some(Reason::BulkheadFull));
    let snapshot = bulkhead.snapshot();
    assert_eq!((snapshot.rejected, snapshot.waiting), (1, 0));
}

#[test]
fn a_permit_dropped_without_an_outcome_gives_everything_back() {
    let bulkhead = one_permit(0);
    drop(bulkhead.try_acquire().expect("free"));
    assert_eq!(bulkhead.snapshot().in_use, 0);

    let config = breaker::Config::new().open_for(Duration::from_millis(10)).open_jitter_percent(0);
    let breaker = CircuitBreaker::new(config).expect("valid");
    breaker.trip_at(Input::at(Time::ZERO));
    let later = Input::at(Time::from_millis(10));
    let probe = breaker.try_acquire_at(later, Request::default()).expect("a probe");
    assert!(breaker.try_acquire_at(later, Request::default()).is_err(), "one probe at a time");
    drop(probe);
    assert!(breaker.try_acquire_at(later, Request::default()).expect("free again").is_probe());
}

#[test]
fn a_panic_gives_the_permit_back() {
    let bulkhead = one_permit(0);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _permit = bulkhead.try_acquire().expect("free");
        panic!("a bug");
    }));
    assert!(panicked.is_err());
    assert_eq!(bulkhead.snapshot().in_use, 0);
}

#[test]
fn a_caller_that_leaves_passes_its_granted_permit_on() {
    let bulkhead = one_permit(4);
    let held = bulkhead.try_acquire_at(Input::default(), Priority::Normal).expect("free");
    let [granted, mut next] = [0; 2].map(|_| queued(&bulkhead, Input::default()));
    held.record_at(Input::default(), Outcome::Success);
    drop(granted);
    assert!(poll(&mut next, Waker::noop()).is_ready());
}

#[test]
fn no_shared_policy_accepts_what_check_rejects() {
    let field = |error: ConfigError| error.field.into_owned();
    let breaker = breaker::Config::new().probes(0);
    assert_eq!(CircuitBreaker::new(breaker.clone()).map_err(field).err(), Some("probes".into()));
    let none = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(0));
    assert_eq!(Bulkhead::new(none).map_err(field).err(), Some("limit.fixed".into()));
    let empty = RateLimit::TokenBucket(token_bucket::Config::new().burst(0));
    assert_eq!(RateLimiter::new(empty.clone()).map_err(field).err(), Some("token_bucket.burst".into()));
    assert_eq!(RateLimiters::<u32>::new(empty, 1).map_err(field).err(), Some("token_bucket.burst".into()));
    let retry = retry::Config::new().attempts_max(0);
    assert_eq!(Retry::new(retry).map_err(field).err(), Some("attempts_max".into()));
    let hedge = hedge::Config::new().quantile_percent(100);
    assert_eq!(Hedge::new(hedge).map_err(field).err(), Some("quantile_percent".into()));
    let outlier = outlier::Config::new().hosts_max(0);
    assert_eq!(OutlierDetector::new(outlier).map_err(field).err(), Some("hosts_max".into()));
    let registry = registry::Config::new().breaker(breaker);
    assert_eq!(CircuitBreakers::<u32>::new(registry).map_err(field).err(), Some("breaker.probes".into()));
}

#[test]
fn a_breaker_is_in_the_state_that_it_is_held_in_and_shows_its_ramp() {
    let config = breaker::Config::new().probes(1).open_for(Duration::from_millis(10)).open_jitter_percent(0);
    let breaker = CircuitBreaker::new(config.ramp_for(Duration::from_millis(100))).expect("valid");
    let at = |millis| Input::at(Time::from_millis(millis));
    breaker.force_at(at(1), Forced::Open);
    assert_eq!((breaker.circuit(), breaker.is_closed()), (Circuit::Open, false));
    breaker.force_at(at(2), Forced::Closed);
    assert_eq!((breaker.circuit(), breaker.is_closed()), (Circuit::Closed, true));
    breaker.force_at(at(3), Forced::No);
    breaker.trip_at(at(4));
    breaker.try_acquire_at(at(20), Request::default()).expect("a probe").record_at(at(20), Outcome::Success);
    let snapshot = breaker.snapshot_at(at(21).now);
    assert_eq!((snapshot.circuit, snapshot.ramping, breaker.is_closed()), (Circuit::Closed, true, true));
    assert!(!breaker.snapshot_at(at(200).now).ramping, "the ramp has ended");
}
