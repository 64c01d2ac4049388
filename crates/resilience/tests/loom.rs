//! Shared cells under every order of their threads' steps: `RUSTFLAGS="--cfg loom" cargo test --release
//! -p mainstay-resilience --features cell --test loom`. Without the flag there is nothing here.
#![cfg(all(loom, feature = "cell"))]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's panic is its failure")]

use loom::sync::Arc;
use loom::thread;
use mainstay_resilience::breaker::{Circuit, Config, Request, Window};
use mainstay_resilience::{Answer, Input, Outcome, Time, Told, cell};
use std::time::Duration;

fn at(millis: u64) -> Input {
    Input::at(Time::from_millis(millis))
}

fn small() -> Config {
    Config {
        window: Window::Calls(10),
        calls_min: 2,
        open_for: Duration::from_millis(10),
        open_jitter_percent: 0,
        probes: 1,
        ramp_for: Duration::ZERO,
        ..Config::default()
    }
}

/// Asks and tells: what came of it, if it was admitted.
fn call(cell: &cell::Breaker, millis: u64, outcome: Outcome) -> Option<Told<()>> {
    let Answer::Admit(ticket) = cell.ask(at(millis), Request::default()) else { return None };
    Some(match cell.tell(at(millis), ticket, outcome) {
        Told::Counted => Told::Counted,
        Told::Stale => Told::Stale,
        Told::Changed(_) => Told::Changed(()),
    })
}

#[test]
fn no_success_is_lost_or_counted_twice() {
    loom::model(|| {
        let cell = Arc::new(cell::Breaker::new(Config { failure_percent: None, ..small() }));
        let other = {
            let cell = cell.clone();
            thread::spawn(move || call(&cell, 1, Outcome::Success))
        };
        let failed = call(&cell, 1, Outcome::Failure);
        let good = call(&cell, 1, Outcome::Success);
        assert_eq!([failed, good, other.join().unwrap()], [Some(Told::Counted); 3]);
        let window = cell.snapshot(Time::from_millis(1)).window;
        assert_eq!((window.calls, window.failures), (3, 1));
    });
}

#[test]
fn a_trip_beside_a_success_counts_it_before_or_calls_it_stale() {
    loom::model(|| {
        let cell = Arc::new(cell::Breaker::new(Config { calls_min: 1, ..small() }));
        let other = {
            let cell = cell.clone();
            thread::spawn(move || call(&cell, 1, Outcome::Success))
        };
        let failed = call(&cell, 1, Outcome::Failure);
        let good = other.join().unwrap();
        let snapshot = cell.snapshot(Time::from_millis(1));
        match (failed, good) {
            // One failure of one or of two calls is at least half: it trips in any order.
            (Some(Told::Changed(())), Some(Told::Counted)) => assert_eq!(snapshot.stale, 0),
            (Some(Told::Changed(())), Some(Told::Stale)) => assert_eq!(snapshot.stale, 1),
            (Some(Told::Changed(())), None) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!((snapshot.circuit, snapshot.window.calls), (Circuit::Open, 0));
    });
}

#[test]
fn two_threads_that_meet_an_expired_open_breaker_make_one_probe() {
    loom::model(|| {
        let cell = Arc::new(cell::Breaker::new(small()));
        cell.trip(at(1));
        let probe = |cell: &cell::Breaker| cell.ask(at(20), Request::default()).admitted();
        let other = {
            let cell = cell.clone();
            thread::spawn(move || probe(&cell))
        };
        let mine = probe(&cell);
        let others = other.join().unwrap();
        assert!(mine.is_some() != others.is_some(), "{mine:?} {others:?}");
        let ticket = mine.or(others).unwrap();
        cell.tell(at(21), ticket, Outcome::Success);
        assert_eq!(call(&cell, 22, Outcome::Success), Some(Told::Counted), "and it closes");
    });
}
