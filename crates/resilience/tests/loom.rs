//! Shared cells under every order of their threads' steps: `RUSTFLAGS="--cfg loom" cargo test --release
//! -p mainstay-resilience --features sync --test loom`. Without the flag there is nothing here.
#![cfg(all(loom, feature = "sync"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's panic is its failure")]

use loom::sync::Arc;
use loom::thread;
use mainstay_resilience::breaker::{Circuit, Config, Request, Window};
use mainstay_resilience::shed::Priority;
use mainstay_resilience::sync::Entry;
use mainstay_resilience::{Decision, Input, Outcome, Recorded, Time, bulkhead, rate, retry, sync};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Wake, Waker};
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

/// Asks and tells: what came of it, if it was admitted.
fn call(cell: &sync::Breaker, millis: u64, outcome: Outcome) -> Option<Recorded<()>> {
    let Decision::Admit(ticket) = cell.ask(at(millis), Request::default()) else { return None };
    Some(match cell.tell(at(millis), ticket, outcome) {
        Recorded::Counted => Recorded::Counted,
        Recorded::Stale => Recorded::Stale,
        Recorded::Changed(_) => Recorded::Changed(()),
    })
}

#[test]
fn no_success_is_lost_or_counted_twice() {
    loom::model(|| {
        let cell = Arc::new(sync::Breaker::new(small().failure_percent(None)));
        let other = {
            let cell = cell.clone();
            thread::spawn(move || call(&cell, 1, Outcome::Success))
        };
        let failed = call(&cell, 1, Outcome::Failure);
        let good = call(&cell, 1, Outcome::Success);
        assert_eq!([failed, good, other.join().unwrap()], [Some(Recorded::Counted); 3]);
        let window = cell.snapshot(Time::from_millis(1)).window;
        assert_eq!((window.calls, window.failures), (3, 1));
    });
}

#[test]
fn a_trip_beside_a_success_counts_it_before_or_calls_it_stale() {
    loom::model(|| {
        let cell = Arc::new(sync::Breaker::new(small().calls_min(1)));
        let other = {
            let cell = cell.clone();
            thread::spawn(move || call(&cell, 1, Outcome::Success))
        };
        let failed = call(&cell, 1, Outcome::Failure);
        let good = other.join().unwrap();
        let snapshot = cell.snapshot(Time::from_millis(1));
        match (failed, good) {
            // One failure of one or of two calls is at least half: it trips in any order.
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
        let cell = Arc::new(sync::Breaker::new(small()));
        cell.trip(at(1));
        let probe = |cell: &sync::Breaker| cell.ask(at(20), Request::default()).admitted();
        let other = {
            let cell = cell.clone();
            thread::spawn(move || probe(&cell))
        };
        let mine = probe(&cell);
        let others = other.join().unwrap();
        assert!(mine.is_some() != others.is_some(), "{mine:?} {others:?}");
        let ticket = mine.or(others).unwrap();
        cell.tell(at(21), ticket, Outcome::Success);
        assert_eq!(call(&cell, 22, Outcome::Success), Some(Recorded::Counted), "and it closes");
    });
}

#[derive(Debug, Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_permit_that_comes_free_reaches_the_one_who_waits() {
    loom::model(|| {
        let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
        let cell = Arc::new(sync::Bulkhead::new(config));
        let Entry::Admit(ticket) = cell.enter(at(1), Priority::Normal) else { panic!("it is free") };
        let other = {
            let cell = cell.clone();
            thread::spawn(move || cell.tell(at(2), ticket, Outcome::Success))
        };
        let woken = std::sync::Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        let ticket = match cell.enter(at(1), Priority::Normal) {
            Entry::Admit(ticket) => ticket,
            Entry::Reject(_) => panic!("there is a queue"),
            Entry::Wait { place, .. } => match cell.poll_granted(place, &waker) {
                Poll::Ready(granted) => granted.unwrap(),
                Poll::Pending => {
                    other.join().unwrap();
                    assert!(woken.0.load(Ordering::SeqCst), "its wake-up was lost");
                    let Poll::Ready(granted) = cell.poll_granted(place, &waker) else {
                        panic!("woken for nothing")
                    };
                    cell.tell(at(3), granted.unwrap(), Outcome::Success);
                    assert_eq!(cell.snapshot(at(3).now).in_use, 0);
                    return;
                }
            },
        };
        other.join().unwrap();
        cell.tell(at(3), ticket, Outcome::Success);
        assert_eq!(cell.snapshot(at(3).now).in_use, 0);
    });
}

#[test]
fn a_permit_granted_to_one_who_leaves_is_free_again() {
    loom::model(|| {
        let config = bulkhead::Config::new().limit(bulkhead::Limit::Fixed(1));
        let cell = Arc::new(sync::Bulkhead::new(config));
        let Entry::Admit(ticket) = cell.enter(at(1), Priority::Normal) else { panic!("it is free") };
        let Entry::Wait { place, .. } = cell.enter(at(1), Priority::Normal) else { panic!("it is taken") };
        let other = {
            let cell = cell.clone();
            thread::spawn(move || cell.tell(at(2), ticket, Outcome::Success))
        };
        cell.leave(at(2), place);
        other.join().unwrap();
        let snapshot = cell.snapshot(at(3).now);
        assert_eq!((snapshot.in_use, snapshot.waiting), (0, 0));
    });
}

#[test]
fn a_bucket_grants_no_token_twice() {
    loom::model(|| {
        let config = rate::token_bucket::Config::new().burst(2);
        let cell = Arc::new(sync::TokenBucket::new(config));
        let asks: Vec<_> = (0..2)
            .map(|_| {
                let cell = cell.clone();
                thread::spawn(move || cell.ask(at(1), rate::Request::default()).admitted().is_some())
            })
            .collect();
        let mine = cell.ask(at(1), rate::Request::default()).admitted().is_some();
        let granted = asks.into_iter().filter_map(|ask| ask.join().unwrap().then_some(())).count();
        assert_eq!(granted + usize::from(mine), 2);
    });
}

#[test]
fn no_call_that_earns_its_share_is_lost() {
    loom::model(|| {
        let cell = Arc::new(sync::Retry::new(retry::Config::default()));
        let other = {
            let cell = cell.clone();
            thread::spawn(move || cell.first(at(1)))
        };
        cell.first(at(1));
        let _ = cell.snapshot(at(1).now);
        cell.first(at(1));
        other.join().unwrap();
        assert_eq!(cell.snapshot(at(1).now).budget.calls, 3);
    });
}
