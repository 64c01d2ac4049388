//! Shared policies under every interleaving of their threads: `RUSTFLAGS="--cfg loom" cargo test --release
//! -p mainstay-resilience --features sync --test loom`. Without the flag there is nothing here.
#![cfg(all(loom, feature = "sync"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's panic is its failure")]

use loom::sync::Arc;
use loom::thread;
use mainstay_resilience::breaker::{Circuit, Config, Request, Window};
use mainstay_resilience::policy::RateLimit;
use mainstay_resilience::retry::Safety;
use mainstay_resilience::shed::Priority;
use mainstay_resilience::sync::{Admission, Bulkhead, CircuitBreaker, RateLimiter, Retry};
use mainstay_resilience::{Input, Outcome, Recorded, Time, bulkhead, rate, retry};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

fn at(millis: u64) -> Input {
    Input::at(Time::from_millis(millis))
}

fn small() -> Config {
    Config::new()
        .window(Window::Calls(10))
        .calls_min(2)
        .open_for(Duration::from_millis(10))
        .open_jitter_percent(0)
        .probes(1)
        .ramp_for(Duration::ZERO)
}

/// Makes a call. Returns what was recorded, or `None` if the call was rejected.
fn call(breaker: &CircuitBreaker, millis: u64, outcome: Outcome) -> Option<Recorded<()>> {
    let permit = breaker.try_acquire_at(at(millis), Request::default()).ok()?;
    Some(match permit.record_at(at(millis), outcome) {
        Recorded::Counted => Recorded::Counted,
        Recorded::Stale => Recorded::Stale,
        Recorded::Changed(_) => Recorded::Changed(()),
    })
}

fn breaker(config: Config) -> Arc<CircuitBreaker> {
    Arc::new(CircuitBreaker::new(config).unwrap())
}

#[test]
fn no_success_is_lost_or_counted_twice() {
    loom::model(|| {
        let breaker = breaker(small().failure_percent(None));
        let other = {
            let breaker = breaker.clone();
            thread::spawn(move || call(&breaker, 1, Outcome::Success))
        };
        let failed = call(&breaker, 1, Outcome::Failure);
        let good = call(&breaker, 1, Outcome::Success);
        assert_eq!([failed, good, other.join().unwrap()], [Some(Recorded::Counted); 3]);
        let window = breaker.snapshot_at(Time::from_millis(1)).window;
        assert_eq!((window.calls, window.failures), (3, 1));
    });
}

#[test]
fn a_trip_concurrent_with_a_success_counts_it_first_or_makes_it_stale() {
    loom::model(|| {
        let breaker = breaker(small().calls_min(1));
        let other = {
            let breaker = breaker.clone();
            thread::spawn(move || call(&breaker, 1, Outcome::Success))
        };
        let failed = call(&breaker, 1, Outcome::Failure);
        let good = other.join().unwrap();
        let snapshot = breaker.snapshot_at(Time::from_millis(1));
        match (failed, good) {
            // One failure among one or two calls is at least half, so the breaker trips in any order.
            (Some(Recorded::Changed(())), Some(Recorded::Counted)) => assert_eq!(snapshot.stale, 0),
            (Some(Recorded::Changed(())), Some(Recorded::Stale)) => assert_eq!(snapshot.stale, 1),
            (Some(Recorded::Changed(())), None) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!((snapshot.circuit, snapshot.window.calls), (Circuit::Open, 0));
    });
}

#[test]
fn two_threads_that_meet_an_expired_open_breaker_make_one_probe() {
    loom::model(|| {
        let breaker = breaker(small());
        breaker.trip_at(at(1));
        let other = {
            let breaker = breaker.clone();
            thread::spawn(move || {
                let probe = breaker.try_acquire_at(at(20), Request::default());
                probe.map(|probe| probe.record_at(at(21), Outcome::Success)).is_ok()
            })
        };
        let mine = breaker.try_acquire_at(at(20), Request::default());
        let was_probe = mine.as_ref().is_ok_and(|permit| permit.is_probe());
        let is_mine = mine.map(|probe| probe.record_at(at(21), Outcome::Success)).is_ok();
        let is_theirs = other.join().unwrap();
        // Both were admitted only if one began after the other's probe had closed the breaker.
        assert!(is_mine || is_theirs);
        assert!(was_probe || is_theirs);
        assert_eq!(breaker.snapshot_at(at(22).now).probes_under_way, 0);
        assert_eq!(call(&breaker, 22, Outcome::Success), Some(Recorded::Counted), "and it closes");
    });
}

#[test]
fn two_probes_are_never_in_flight_at_once() {
    loom::model(|| {
        let breaker = breaker(small());
        breaker.trip_at(at(1));
        let holds = |breaker: &CircuitBreaker| {
            let permit = breaker.try_acquire_at(at(20), Request::default()).ok();
            permit.map(std::mem::forget).is_some()
        };
        let other = {
            let breaker = breaker.clone();
            thread::spawn(move || holds(&breaker))
        };
        let mine = holds(&breaker);
        assert!(mine != other.join().unwrap(), "one probe, and one rejection");
    });
}

#[test]
fn a_dropped_probe_frees_its_permit() {
    loom::model(|| {
        let breaker = breaker(small());
        breaker.trip_at(at(1));
        let other = {
            let breaker = breaker.clone();
            thread::spawn(move || drop(breaker.try_acquire_at(at(20), Request::default())))
        };
        drop(breaker.try_acquire_at(at(20), Request::default()));
        other.join().unwrap();
        assert_eq!(breaker.snapshot_at(at(21).now).probes_under_way, 0);
    });
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn one_permit() -> Arc<Bulkhead> {
    Arc::new(Bulkhead::new(bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1))).unwrap())
}

#[test]
fn a_freed_permit_reaches_the_waiting_caller() {
    loom::model(|| {
        let bulkhead = one_permit();
        let (taken, is_taken) = loom::sync::mpsc::channel();
        let other = {
            let bulkhead = bulkhead.clone();
            thread::spawn(move || {
                let permit = bulkhead.try_acquire_at(at(1), Priority::Normal).unwrap();
                taken.send(()).unwrap();
                permit.record_at(at(2), Outcome::Success);
            })
        };
        is_taken.recv().unwrap();
        let woken = std::sync::Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        match bulkhead.enter_at(at(1), Priority::Normal).unwrap() {
            Admission::Permit(permit) => permit.record_at(at(3), Outcome::Success),
            Admission::Queued(queued) => {
                let mut queued = pin!(queued);
                let mut context = Context::from_waker(&waker);
                let granted = match queued.as_mut().poll(&mut context) {
                    Poll::Ready(permit) => Some(permit),
                    Poll::Pending => None,
                };
                other.join().unwrap();
                let permit = granted.unwrap_or_else(|| {
                    assert!(woken.0.load(Ordering::SeqCst), "its wake-up was lost");
                    match queued.as_mut().poll(&mut context) {
                        Poll::Ready(permit) => permit,
                        Poll::Pending => panic!("woken for nothing"),
                    }
                });
                permit.record_at(at(3), Outcome::Success);
                assert_eq!(bulkhead.snapshot_at(at(3).now).in_use, 0);
                return;
            }
        }
        other.join().unwrap();
        assert_eq!(bulkhead.snapshot_at(at(3).now).in_use, 0);
    });
}

#[test]
fn a_permit_granted_to_a_caller_that_leaves_is_free_again() {
    loom::model(|| {
        let bulkhead = one_permit();
        let (taken, is_taken) = loom::sync::mpsc::channel();
        let other = {
            let bulkhead = bulkhead.clone();
            thread::spawn(move || {
                let permit = bulkhead.try_acquire_at(at(1), Priority::Normal).unwrap();
                taken.send(()).unwrap();
                permit.record_at(at(2), Outcome::Success);
            })
        };
        is_taken.recv().unwrap();
        drop(bulkhead.enter_at(at(1), Priority::Normal));
        other.join().unwrap();
        let snapshot = bulkhead.snapshot_at(at(3).now);
        assert_eq!((snapshot.in_use, snapshot.waiting), (0, 0));
    });
}

#[test]
fn a_bucket_grants_no_token_twice() {
    loom::model(|| {
        let config = RateLimit::TokenBucket(rate::token_bucket::Config::new().burst(2));
        let limiter = Arc::new(RateLimiter::new(config).unwrap());
        let spend = |limiter: &RateLimiter| limiter.try_acquire_at(at(1), rate::Request::default()).is_ok();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let limiter = limiter.clone();
                thread::spawn(move || spend(&limiter))
            })
            .collect();
        let mine = spend(&limiter);
        let granted = others.into_iter().filter_map(|other| other.join().unwrap().then_some(())).count();
        assert_eq!(granted + usize::from(mine), 2);
    });
}

#[test]
fn no_call_is_lost_from_the_budget() {
    loom::model(|| {
        let retry = Arc::new(Retry::new(retry::Config::default()).unwrap());
        let other = {
            let retry = retry.clone();
            thread::spawn(move || drop(retry.begin_at(at(1), Safety::Safe)))
        };
        retry.begin_at(at(1), Safety::Safe);
        let _ = retry.snapshot_at(at(1).now);
        retry.begin_at(at(1), Safety::Safe);
        other.join().unwrap();
        assert_eq!(retry.snapshot_at(at(1).now).budget.calls, 3);
    });
}
