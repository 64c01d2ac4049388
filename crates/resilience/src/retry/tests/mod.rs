//! Retries as tables of cases.

use super::*;
use crate::budget;
use crate::contract::{Decide, Decision, Input, Outcome, Reason, Rejected, Time};
use crate::test_rng::{Rng, steps};
use core::time::Duration;
use proptest::prelude::*;

mod bugs;
mod model;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn config() -> Config {
    Config {
        backoff: Backoff { first: MS(100), max: MS(1_000), jitter: Jitter::None },
        budget: budget::Config { percent: 0, per_second_min: 100, ..budget::Config::default() },
        ..Config::default()
    }
}

fn again() -> Again {
    Again {
        attempts: 1,
        begun: Time::from_millis(1_000),
        backoff: Duration::ZERO,
        retry_after: None,
        safety: Safety::Safe,
        due: None,
    }
}

fn ask(config: &Config, at_ms: u64, again: Again) -> Decision<Ticket> {
    config.ask(&mut config.state(), Input::at(Time::from_millis(at_ms)), Request::Again(again))
}

#[test]
fn a_failed_attempt_is_retried_after_a_wait_or_is_the_last() {
    let wait = |millis| Decision::Wait { until: Time::from_millis(millis) };
    let reject = |reason| Decision::Reject(Rejected { reason, retry_at: None });
    let retry_after = |millis| Again { retry_after: Some(MS(millis)), ..again() };
    let unsafe_call = Again { safety: Safety::Unsafe, ..again() };
    let all = Config { repeat: Repeat::All, ..config() };
    let short = Config { elapsed_max: MS(600), ..config() };
    let cases: &[(&str, Config, Again, Decision<Ticket>)] = &[
        ("the first backoff", config(), again(), wait(1_600)),
        ("the second is twice as long", config(), Again { attempts: 2, ..again() }, wait(1_700)),
        (
            "three attempts are the maximum",
            config(),
            Again { attempts: 3, ..again() },
            reject(Reason::RetryAttempts),
        ),
        ("Retry-After is waited for", config(), retry_after(700), wait(2_200)),
        ("a shorter Retry-After does not shorten the backoff", config(), retry_after(50), wait(1_600)),
        ("the longest Retry-After that is waited for", config(), retry_after(5_000), wait(6_500)),
        ("a longer Retry-After ends the call and says when to retry", config(), retry_after(5_001), {
            Decision::Reject(Rejected {
                reason: Reason::RetryElapsed,
                retry_at: Some(Time::from_millis(6_501)),
            })
        }),
        ("an unsafe call is not repeated", config(), unsafe_call, reject(Reason::RetryUnsafe)),
        ("unless the configuration allows it", all, unsafe_call, wait(1_600)),
        ("just within elapsed_max", short.clone(), again(), wait(1_600)),
        (
            "after elapsed_max",
            short,
            Again { begun: Time::from_millis(999), ..again() },
            reject(Reason::RetryElapsed),
        ),
    ];
    for (what, config, again, expected) in cases {
        assert_eq!(ask(config, 1_500, *again), *expected, "{what}");
    }
}

#[test]
fn an_attempt_starts_when_it_is_due_and_not_before() {
    let due = |millis| Again { due: Some(Time::from_millis(millis)), ..again() };
    assert_eq!(ask(&config(), 1_599, due(1_600)), Decision::Wait { until: Time::from_millis(1_600) });
    assert_eq!(ask(&config(), 1_600, due(1_600)), Decision::Admit(Ticket { attempt: 2 }));
}

#[test]
fn a_backoff_of_zero_still_has_to_be_requested_again() {
    let config = Config { backoff: Backoff { jitter: Jitter::Full, ..config().backoff }, ..config() };
    let mut state = config.state();
    let input = Input { now: Time::from_millis(1_500), random: 0 };
    assert_eq!(config.ask(&mut state, input, Request::Again(again())), Decision::Wait { until: input.now });
    assert_eq!(config.snapshot(&state, input.now).budget.spent, 0, "asking for the moment costs nothing");
}

#[test]
fn idempotent_methods_and_calls_with_a_key_are_safe() {
    for method in ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"] {
        assert_eq!(Safety::of_http(method, IdempotencyKey::Missing), Safety::Safe, "{method}");
    }
    for method in ["POST", "PATCH", "CONNECT", "get", "", "GETT"] {
        assert_eq!(Safety::of_http(method, IdempotencyKey::Missing), Safety::Unsafe, "{method}");
        assert_eq!(Safety::of_http(method, IdempotencyKey::Present), Safety::Safe, "{method}");
    }
}

#[test]
fn the_budget_pays_when_the_attempt_starts_and_rejects_before_the_wait() {
    let config = Config {
        budget: budget::Config { percent: 50, per_second_min: 0, ..budget::Config::default() },
        ..config()
    };
    let mut state = config.state();
    let input = Input::at(Time::from_millis(1_500));
    let mut ask = |request| config.ask(&mut state, input, request);
    let empty =
        Decision::Reject(Rejected { reason: Reason::RetryBudget, retry_at: Some(Time::from_millis(2_000)) });
    assert_eq!(ask(Request::First), Decision::Admit(Ticket { attempt: 1 }));
    assert_eq!(ask(Request::Again(again())), empty, "one call earns half a retry");
    let _ = ask(Request::First);
    for _ in 0..3 {
        assert!(matches!(ask(Request::Again(again())), Decision::Wait { .. }), "waiting costs nothing");
    }
    let due = Request::Again(Again { due: Some(input.now), ..again() });
    assert_eq!(ask(due), Decision::Admit(Ticket { attempt: 2 }));
    assert_eq!(ask(due), empty, "the first due attempt spent it");
    let _ = config.tell(&mut state, input, Ticket { attempt: 1 }, Outcome::Success, 1);
    let _ = config.tell(&mut state, input, Ticket { attempt: 2 }, Outcome::Failure, 1);
    let _ = config.tell(&mut state, input, Ticket { attempt: 2 }, Outcome::Slow, 1);
    let snapshot = config.snapshot(&state, input.now);
    assert_eq!((snapshot.retries, snapshot.recovered, snapshot.budget.spent), (1, 1, 1));
}

#[test]
fn jitter_spreads_a_backoff_evenly_over_its_range() {
    let of = |jitter| Backoff { first: MS(100), max: MS(1_000), jitter };
    let cases = [
        // jitter, attempts, last backoff, least, most
        (Jitter::Full, 1, 0, 0, 100),
        (Jitter::Full, 3, 0, 0, 400),
        (Jitter::Full, 9, 0, 0, 1_000),
        (Jitter::Full, u32::MAX, 0, 0, 1_000),
        (Jitter::Decorrelated, 1, 0, 100, 300),
        (Jitter::Decorrelated, 2, 100, 100, 300),
        (Jitter::Decorrelated, 2, 250, 100, 750),
        (Jitter::Decorrelated, 2, 900, 100, 1_000),
        (Jitter::None, 2, 900, 200, 200),
    ];
    let mut rng = Rng(0x717);
    for (jitter, attempts, last, least, most) in cases {
        let backoff = of(jitter);
        assert_eq!(backoff.after(attempts, MS(last), 0), MS(least), "{jitter:?} {attempts}");
        assert_eq!(backoff.after(attempts, MS(last), u64::MAX), MS(most), "{jitter:?} {attempts}");
        let draws = steps(20_000).max(1_000);
        let mut sum = Duration::ZERO;
        for _ in 0..draws {
            let drawn = backoff.after(attempts, MS(last), rng.next());
            assert!((MS(least)..=MS(most)).contains(&drawn), "{jitter:?} {attempts}: {drawn:?}");
            sum += drawn;
        }
        let capped = jitter == Jitter::Decorrelated && last == 900;
        let mean = sum / u32::try_from(draws).expect("it fits");
        let middle = (MS(least) + MS(most)) / 2;
        assert!(capped || mean.abs_diff(middle) <= MS(most - least) / 20, "{jitter:?} {attempts}: {mean:?}");
    }
}

#[test]
fn the_safety_of_an_http_request_follows_its_method_and_key() {
    use IdempotencyKey::{Missing, Present};
    let cases = [
        ("GET", Missing, Safety::Safe),
        ("HEAD", Missing, Safety::Safe),
        ("OPTIONS", Missing, Safety::Safe),
        ("TRACE", Missing, Safety::Safe),
        ("PUT", Missing, Safety::Safe),
        ("DELETE", Missing, Safety::Safe),
        ("GET", Present, Safety::Safe),
        ("POST", Missing, Safety::Unsafe),
        ("PATCH", Missing, Safety::Unsafe),
        ("get", Missing, Safety::Unsafe),
        ("", Missing, Safety::Unsafe),
        ("POST", Present, Safety::Safe),
        ("PATCH", Present, Safety::Safe),
    ];
    for (method, key, expected) in cases {
        assert_eq!(Safety::of_http(method, key), expected, "{method} {key:?}");
    }
}

#[test]
fn a_configuration_error_names_its_field() {
    let backoff = |backoff| Config { backoff, ..config() };
    let cases = [
        ("attempts_max", Config { attempts_max: 0, ..config() }),
        ("attempts_max", Config { attempts_max: 101, ..config() }),
        ("elapsed_max_ms", Config { elapsed_max: Duration::ZERO, ..config() }),
        ("backoff.first_ms", backoff(Backoff { first: Duration::ZERO, ..Backoff::default() })),
        ("backoff.max_ms", backoff(Backoff { max: MS(49), ..Backoff::default() })),
        ("retry_after_max_ms", Config { retry_after_max: Duration::MAX, ..config() }),
        (
            "budget.percent",
            Config { budget: budget::Config { percent: 1_001, ..budget::Config::default() }, ..config() },
        ),
    ];
    assert_eq!(Config::default().check(), Ok(()));
    for (field, config) in cases {
        assert_eq!(config.check().expect_err(field).field, field);
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_configuration_serializes_with_its_units() {
    let text = r#"{"attempts_max":4,"elapsed_max_ms":900,"backoff":{"first_ms":5,"jitter":"decorrelated"},
        "budget":{"percent":10},"repeat":"all"}"#;
    let config: Config = serde_json::from_str(text).expect("it can be read");
    assert_eq!((config.elapsed_max, config.backoff.first, config.repeat), (MS(900), MS(5), Repeat::All));
    let written = serde_json::to_string(&config).expect("written");
    assert_eq!(serde_json::from_str::<Config>(&written).expect("read"), config);
    assert!(serde_json::from_str::<Config>(r#"{"attempts":4}"#).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5_000, ..ProptestConfig::default() })]

    #[test]
    fn no_configuration_and_no_sequence_of_requests_panics(
        spans in any::<[u64; 6]>(),
        numbers in any::<[u32; 4]>(),
        times in any::<[u64; 3]>(),
        kinds in 0..12_usize,
        random in any::<u64>(),
    ) {
        let span = |n: usize| Duration::from_nanos(spans[n] >> (spans[n] % 64));
        let config = Config {
            attempts_max: numbers[0],
            elapsed_max: span(0),
            backoff: Backoff {
                first: span(1),
                max: span(2),
                jitter: [Jitter::Full, Jitter::Decorrelated, Jitter::None][kinds % 3],
            },
            retry_after_max: span(3),
            budget: budget::Config { percent: numbers[1], per_second_min: numbers[2], length: span(4) },
            repeat: Repeat::All,
        };
        let mut state = config.state();
        let request = Again {
            attempts: numbers[3] >> (random % 32),
            begun: Time::from_nanos(times[0]),
            backoff: span(5),
            retry_after: (kinds / 3 % 2 == 0).then(|| span(3)),
            safety: Safety::Safe,
            due: (kinds / 6 == 0).then_some(Time::from_nanos(times[2])),
        };
        for request in [Request::First, Request::Again(request)] {
            let input = Input { now: Time::from_nanos(times[1]), random };
            let _ = config.ask(&mut state, input, request);
            let _ = config.snapshot(&state, input.now);
        }
    }
}
