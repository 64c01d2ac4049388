//! A cell answers as its plain state does.

use super::*;
use crate::breaker::{self, Forced, Request, Ticket, Window};
use crate::bulkhead;
use crate::contract::{Decide, Decision, Input, Outcome, Recorded, Time};
use crate::shed::Priority;
use crate::test_rng::{Rng, steps};
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

fn walk(config: &breaker::Config, rng: &mut Rng, steps: u64) {
    let (mut state, cell) = (config.state(), Breaker::new(config.clone()));
    let (mut now, mut under_way) = (Time::ZERO, Vec::<Ticket>::new());
    for step in 0..steps {
        now = now + Duration::from_micros(rng.below(3_000));
        let input = Input { now, random: rng.next() };
        match rng.below(1_000) {
            0 => {
                let forced = [Forced::No, Forced::No, Forced::Open, Forced::Closed][rng.below(4) as usize];
                assert_eq!(cell.force(input, forced), config.force(&mut state, input, forced));
            }
            1 => assert_eq!(cell.trip(input), config.trip(&mut state, input)),
            2..10 => {
                let _ = config.tell(
                    &mut state,
                    input,
                    under_way.last().copied().unwrap_or(NONE),
                    Outcome::Neutral,
                    0,
                );
                let _ = cell.tell(input, under_way.last().copied().unwrap_or(NONE), Outcome::Neutral);
                let (plain, shared) = (config.snapshot(&state, now), cell.snapshot(now));
                let stale = plain.stale.max(shared.stale);
                let alike = |one: breaker::Snapshot| breaker::Snapshot { stale, ..one };
                assert_eq!(alike(shared), alike(plain), "step {step}");
            }
            10..500 => {
                let from = state.circuit();
                let expected = config.ask(&mut state, input, Request::default());
                let (answer, changed) = cell.ask_and_see(input, Request::default());
                assert_eq!(answer, expected, "step {step}");
                assert_eq!(changed.map(|change| change.from), (from != state.circuit()).then_some(from));
                under_way.extend(expected.admitted());
            }
            _ if !under_way.is_empty() => {
                let ticket = under_way.swap_remove(rng.below(under_way.len() as u64) as usize);
                let outcome = match rng.below(12) {
                    0 => Outcome::Neutral,
                    1 => Outcome::Cancelled,
                    2 => Outcome::Slow,
                    3..5 => Outcome::Failure,
                    _ => Outcome::Success,
                };
                let expected = config.tell(&mut state, input, ticket, outcome, 1);
                assert_eq!(cell.tell(input, ticket, outcome), expected, "step {step}");
            }
            _ => {}
        }
        under_way.truncate(8);
    }
}

const NONE: Ticket = Ticket { generation: u32::MAX, probe: 0, source: 0 };

#[test]
fn one_thread_gets_the_answers_of_the_plain_state_over_a_million_steps() {
    let mut rng = Rng(0xce11);
    for window in [CALLS, TIME] {
        for _ in 0..steps(1_000) {
            walk(&config(window), &mut rng, 1_000);
        }
    }
}

#[test]
fn two_threads_lose_no_success_of_six_million() {
    let cell = Breaker::new(breaker::Config {
        window: Window::Time { length: Duration::from_secs(10), buckets: 10 },
        failure_percent: None,
        ..config(TIME)
    });
    let each = steps(3_000_000);
    std::thread::scope(|scope| {
        for thread in 0..2_u64 {
            let cell = &cell;
            scope.spawn(move || {
                let input = Input::at(Time::from_millis(1));
                for call in 0..each {
                    let Decision::Admit(ticket) = cell.ask(input, Request::default()) else { continue };
                    // A failure now and then drains the lanes in the middle of it.
                    let outcome = if call % 1_000 == thread { Outcome::Failure } else { Outcome::Success };
                    assert_eq!(cell.tell(input, ticket, outcome), Recorded::Counted);
                }
            });
        }
    });
    let window = cell.snapshot(Time::from_millis(1)).window;
    assert_eq!((window.calls, window.failures), (2 * each, 2 * each.div_ceil(1_000)));
}

#[test]
fn threads_that_fail_and_probe_at_once_leave_a_breaker_that_still_works() {
    let cell = Breaker::new(breaker::Config { probes: 3, ..config(CALLS) });
    let clock = AtomicU64::new(0);
    let [admitted, counted, stale] = std::array::from_fn(|_| AtomicU64::new(0));
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (cell, clock, admitted, counted, stale) = (&cell, &clock, &admitted, &counted, &stale);
            scope.spawn(move || {
                let mut rng = Rng(seed);
                for _ in 0..steps(100_000) {
                    let now = Time::from_nanos(clock.fetch_add(rng.below(100_000), Ordering::Relaxed));
                    let input = Input { now, random: rng.next() };
                    let Decision::Admit(ticket) = cell.ask(input, Request::default()) else { continue };
                    admitted.fetch_add(1, Ordering::Relaxed);
                    let outcome = if rng.below(4) == 0 { Outcome::Failure } else { Outcome::Success };
                    match cell.tell(input, ticket, outcome) {
                        Recorded::Stale => stale.fetch_add(1, Ordering::Relaxed),
                        Recorded::Counted | Recorded::Changed(_) => counted.fetch_add(1, Ordering::Relaxed),
                    };
                }
            });
        }
    });
    let all = admitted.into_inner();
    assert_eq!(all, counted.into_inner() + stale.into_inner(), "every call's outcome went somewhere");
    // Long after, it probes and closes.
    let mut now = Time::from_nanos(clock.into_inner()) + Duration::from_secs(100);
    for _ in 0..10 {
        now = now + Duration::from_millis(20);
        if let Decision::Admit(ticket) = cell.ask(Input::at(now), Request::default()) {
            cell.tell(Input::at(now), ticket, Outcome::Success);
        }
    }
    assert!(cell.ask(Input::at(now), Request::default()).admitted().is_some());
    assert!(cell.is_closed());
}

#[test]
fn a_configuration_changed_while_running_holds_from_the_next_call_on() {
    let cell = Breaker::new(breaker::Config {
        window: CALLS,
        calls_min: 50,
        consecutive_failures: None,
        ..config(CALLS)
    });
    let input = Input::at(Time::from_millis(1));
    let fail = || {
        let ticket = cell.ask(input, Request::default()).admitted().expect("closed");
        cell.tell(input, ticket, Outcome::Failure)
    };
    for _ in 0..10 {
        assert_eq!(fail(), Recorded::Counted);
    }
    cell.configure(
        input,
        breaker::Config { window: CALLS, calls_min: 5, consecutive_failures: None, ..config(CALLS) },
    );
    assert!(matches!(fail(), Recorded::Changed(_)), "the ten failures before count under the new rules");
}

#[test]
fn a_breaker_takes_less_than_a_kibibyte() {
    // What the windows hold on the heap: two bits a call, or three numbers a bucket.
    let cases = [(1_024 / 4, "1,024 calls"), (10 * 24, "10 buckets")];
    for (heap, window) in cases {
        let all = size_of::<Breaker>() + heap;
        assert!(all <= 1_024, "{window}: {all} bytes");
    }
}

/// A waker that looks at the bulkhead when it is dropped, as one may that owns a task which holds a permit.
#[derive(Debug)]
struct LooksWhenDropped(std::sync::Arc<Bulkhead>);

impl std::task::Wake for LooksWhenDropped {
    fn wake(self: std::sync::Arc<Self>) {}
}

impl Drop for LooksWhenDropped {
    fn drop(&mut self) {
        let _ = self.0.snapshot(Time::ZERO);
    }
}

fn one_permit(queue_max: u32) -> std::sync::Arc<Bulkhead> {
    let limit = bulkhead::Limit::Fixed(1);
    let wait_max = Duration::from_millis(10);
    std::sync::Arc::new(Bulkhead::new(bulkhead::Config { limit, queue_max, wait_max, ..Default::default() }))
}

#[test]
fn a_waker_that_is_dropped_may_ask_the_bulkhead_again() {
    let (done, is_done) = std::sync::mpsc::channel();
    // In a thread of its own: it would wait for itself for ever.
    std::thread::spawn(move || {
        let bulkhead = one_permit(4);
        let place = || match bulkhead.enter(Input::default(), Priority::Normal) {
            Entry::Wait { place, .. } => place,
            other => panic!("{other:?}"),
        };
        assert!(matches!(bulkhead.enter(Input::default(), Priority::Normal), Entry::Admit(_)));
        let (moved, left) = (place(), place());
        for place in [moved, left] {
            let waker = std::task::Waker::from(std::sync::Arc::new(LooksWhenDropped(bulkhead.clone())));
            assert!(bulkhead.poll_granted(place, &waker).is_pending());
        }
        // Its future has gone to another task.
        assert!(bulkhead.poll_granted(moved, std::task::Waker::noop()).is_pending());
        bulkhead.leave(Input::default(), left);
        let _ = done.send(());
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(20)), Ok(()), "it waits for itself");
}

#[test]
fn who_leaves_after_its_place_went_to_another_was_not_rejected() {
    let (bulkhead, late) = (one_permit(1), Input::at(Time::from_millis(20)));
    assert!(matches!(bulkhead.enter(Input::default(), Priority::Normal), Entry::Admit(_)));
    let Entry::Wait { place, .. } = bulkhead.enter(Input::default(), Priority::Normal) else {
        panic!("there is a queue")
    };
    assert!(matches!(bulkhead.enter(late, Priority::Normal), Entry::Wait { .. }));
    bulkhead.leave(late, place);
    let snapshot = bulkhead.snapshot(late.now);
    assert_eq!((snapshot.rejected, snapshot.waited_out, snapshot.waiting), (0, 1, 1));
}
