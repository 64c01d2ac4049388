//! Circuit breakers while closed: acquire a permit, record a success. One adapter per contestant.
//!
//! `tower-resilience` is not among them: its breaker exists only as a layer (see `layers.rs`).

use breaker_machines::{CircuitBreaker as Machine, Clock as MachineClock, MemoryStorage};
use circuitbreaker_rs::{CircuitBreaker as Rs, DefaultPolicy};
use criterion::{Criterion, criterion_group, criterion_main};
use failsafe::failure_policy::{consecutive_failures, success_rate_over_time_window};
use failsafe::{Config, FailurePolicy, StateMachine, backoff};
use mainstay_resilience::breaker::{self, Window};
use mainstay_resilience::sync::{CircuitBreaker, CircuitBreakers};
use mainstay_resilience::{ConfigError, Input, Outcome, Time, registry};
use recloser::Recloser;
use resilience_bench::service::Failed;
use resilience_bench::{Clock, Contest, Row, THREADS, race, settings};
use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn breakers(criterion: &mut Criterion) {
    let mut contest = Contest::new(criterion, "breaker: permit, success");
    floors(&mut contest);
    ours(&mut contest);
    registry(&mut contest);
    failsafe_consecutive(&mut contest);
    failsafe_rate(&mut contest);
    recloser(&mut contest);
    circuitbreaker_rs(&mut contest);
    breaker_machines(&mut contest);
    contest.finish();
}

/// What a clock and an uncontended lock cost here, for comparison with the other rows.
fn floors(contest: &mut Contest<'_>) {
    let row = |contestant, semantics, clock| Row { contestant, semantics, clock };
    contest.both(row("Instant::now", "one reading, no breaker", Clock::Read), Instant::now);
    let count = Mutex::new(0_u64);
    let lock = row("std Mutex", "one lock and count, no breaker", Clock::NotRead);
    contest.both(lock, || count.lock().map(|mut count| *count += 1).is_ok());
}

const WINDOWS: [(Window, &str); 2] = [
    (Window::Calls(100), "sliding count of 100"),
    (Window::Time { length: Duration::from_secs(10), buckets: 10 }, "time window of 10 s in 10 buckets"),
];

/// The time is passed in, so the clock is the caller's. A count window needs none for a success.
fn ours(contest: &mut Contest<'_>) {
    for (window, semantics) in WINDOWS {
        let build = || valid(CircuitBreaker::new(breaker::Config::new().window(window)));
        let row = |clock| Row { contestant: "mainstay-resilience", semantics, clock };
        let (stopped, running) = (build(), build());
        contest.both(row(Clock::NotRead), || acquire_and_record(&stopped, Time::from_millis(1)));
        let origin = Instant::now();
        contest.both(row(Clock::Read), || acquire_and_record(&running, Time::ZERO + origin.elapsed()));
    }
}

fn acquire_and_record(breaker: &CircuitBreaker, now: Time) {
    let input = Input::at(now);
    let Ok(permit) = breaker.try_acquire_at(black_box(input), breaker::Request::default()) else {
        panic!("a closed breaker rejected a call")
    };
    permit.record_at(input, Outcome::Success);
}

/// The cost of a lookup by key: a name of 20 bytes among 900.
fn registry(contest: &mut Contest<'_>) {
    let breakers: CircuitBreakers<String> = valid(CircuitBreakers::new(registry::Config::default()));
    let now = Time::from_millis(1);
    for host in 0..900 {
        breakers.get_at(format!("host-{host:03}.internal.net").as_str(), now);
    }
    let row = Row {
        contestant: "mainstay-resilience",
        semantics: "a registry lookup alone, 900 keys",
        clock: Clock::NotRead,
    };
    contest.both(row, || breakers.get_at(black_box("host-777.internal.net"), now));
}

fn valid<T>(built: Result<T, ConfigError>) -> T {
    match built {
        Ok(built) => built,
        Err(error) => panic!("{error}"),
    }
}

fn permit_and_success<P: FailurePolicy>(breaker: &StateMachine<P, ()>) {
    assert!(breaker.is_call_permitted());
    breaker.on_success();
}

fn failsafe_consecutive(contest: &mut Contest<'_>) {
    let policy = consecutive_failures(5, backoff::constant(Duration::from_secs(30)));
    let breaker = Config::new().failure_policy(policy).build();
    let row = Row { contestant: "failsafe 1.3", semantics: "5 consecutive failures", clock: Clock::NotRead };
    contest.both(row, || permit_and_success(&breaker));
}

/// The rate is a moving average that decays with time; the calls of the window are counted separately.
fn failsafe_rate(contest: &mut Contest<'_>) {
    let build = || {
        let delay = backoff::constant(Duration::from_secs(30));
        let policy = success_rate_over_time_window(0.5, 20, Duration::from_secs(10), delay);
        Config::new().failure_policy(policy).build()
    };
    let semantics = "moving average of 10 s and a count in 5 slices";
    let row = |clock| Row { contestant: "failsafe 1.3", semantics, clock };
    let breaker = build();
    contest.both(row(Clock::Read), || permit_and_success(&breaker));
    // Its clock can be stopped, for one thread at a time, by a function that its documentation hides.
    let stopped = |breaker: &StateMachine<_, ()>, iterations| {
        failsafe::clock::freeze(|_| {
            let start = Instant::now();
            for _ in 0..iterations {
                permit_and_success(breaker);
            }
            start.elapsed()
        })
    };
    let alone = build();
    contest.timed(row(Clock::NotRead), 1, |iterations| stopped(&alone, iterations));
}

fn recloser(contest: &mut Contest<'_>) {
    let breaker = Recloser::custom().error_rate(0.5).closed_len(100).half_open_len(10).build();
    let semantics = "ring of 100, judged at each call once full";
    let row = Row { contestant: "recloser 1.4", semantics, clock: Clock::NotRead };
    contest.both(row, || breaker.call(|| black_box(Ok::<(), Failed>(()))).is_ok());
}

/// It times each call and timestamps each outcome: three clock readings, which cannot be turned off.
fn circuitbreaker_rs(contest: &mut Contest<'_>) {
    let breaker = Rs::<DefaultPolicy, Failed>::builder().build();
    let semantics = "rate since the last reset (no window), or 5 consecutive";
    let row = Row { contestant: "circuitbreaker-rs 0.1", semantics, clock: Clock::Read };
    contest.both(row, || breaker.call(|| black_box(Ok(()))).is_ok());
}

#[derive(Debug)]
struct Stopped;

impl MachineClock for Stopped {
    fn now_secs(&self) -> f64 {
        1.0
    }
}

/// `&mut self` on one thread. On two threads, its own shared form, which locks once to ask and once to
/// record.
fn breaker_machines(contest: &mut Contest<'_>) {
    let semantics = "5 failures in 60 s among the last 900 to 1,000 calls";
    let row = |clock| Row { contestant: "breaker-machines 0.22", semantics, clock };
    let with = |clock| {
        let builder = Machine::builder("dependency");
        match clock {
            Clock::Read => builder,
            Clock::NotRead => builder.storage(Arc::new(MemoryStorage::with_clock(Box::new(Stopped)))),
        }
    };
    for clock in [Clock::Read, Clock::NotRead] {
        let mut own = with(clock).build();
        contest.alone(row(clock), || own.call(|| black_box(Ok::<(), Failed>(()))).is_ok());
        let shared = with(clock).build_async();
        contest.timed(row(clock), THREADS, |iterations| {
            race(THREADS, |start| {
                let runtime = resilience_bench::service::runtime();
                start.wait();
                runtime.block_on(async {
                    let start = Instant::now();
                    for _ in 0..iterations {
                        let call = shared.call(|| async { black_box(Ok::<(), Failed>(())) });
                        assert!(call.await.is_ok());
                    }
                    start.elapsed()
                })
            })
        });
    }
}

criterion_group! { name = benches; config = settings(); targets = breakers }
criterion_main!(benches);
