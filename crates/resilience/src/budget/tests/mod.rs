//! Budgets as tables of cases, and against a model that remembers every call.

use super::{Config, Request, State};
use crate::contract::{Decide, Decision, Input, Reason, Rejected, Time};
use crate::test_rng::{Rng, steps};
use core::time::Duration;
use proptest::prelude::*;

fn of(percent: u32, per_second_min: u32) -> Config {
    Config { percent, per_second_min, ..Config::default() }
}

fn withdraw(config: &Config, state: &mut State, millis: u64) -> bool {
    config.ask(state, Input::at(Time::from_millis(millis)), Request::Withdraw).admitted().is_some()
}

fn deposit(config: &Config, state: &mut State, millis: u64, calls: u32) {
    let _ = config.ask(state, Input::at(Time::from_millis(millis)), Request::Deposit { calls });
}

#[test]
fn extra_attempts_are_a_share_of_the_calls_plus_a_minimum() {
    let cases = [
        // percent, minimum a second, calls, how many may be spent
        (20, 0, 100, 20),
        (20, 0, 4, 0),
        (20, 0, 5, 1),
        (0, 1, 0, 10),
        (0, 0, 1_000, 0),
        (10, 2, 50, 25),
        (100, 0, 7, 7),
        (250, 0, 2, 5),
    ];
    for (percent, minimum, calls, expected) in cases {
        let (config, mut state) = (of(percent, minimum), of(percent, minimum).state());
        deposit(&config, &mut state, 1, calls);
        assert_eq!(config.snapshot(&state, Time::from_millis(1)).left, expected);
        let spent = (0..1_000).take_while(|_| withdraw(&config, &mut state, 1)).count();
        assert_eq!(spent as u64, expected, "{percent} % of {calls} and {minimum} a second");
        assert_eq!(config.snapshot(&state, Time::from_millis(1)).rejected, 1);
    }
}

#[test]
fn calls_and_extra_attempts_are_forgotten_after_the_window() {
    let (config, mut state) = (of(100, 0), of(100, 0).state());
    deposit(&config, &mut state, 0, 5);
    assert!(withdraw(&config, &mut state, 9_999));
    assert!(!withdraw(&config, &mut state, 10_000), "the calls are too old");
    deposit(&config, &mut state, 10_000, 2);
    assert!(withdraw(&config, &mut state, 10_000));
    assert!(!withdraw(&config, &mut state, 10_000), "the one spent at 9,999 still counts");
    deposit(&config, &mut state, 19_000, 1);
    assert!(withdraw(&config, &mut state, 19_000));
}

#[test]
fn a_look_spends_nothing_and_a_rejection_says_when_to_come_back() {
    let (config, mut state) = (of(100, 0), of(100, 0).state());
    let input = Input::at(Time::from_millis(1_500));
    let retry_at = Some(Time::from_millis(2_000));
    deposit(&config, &mut state, 1_500, 1);
    for _ in 0..3 {
        assert!(config.ask(&mut state, input, Request::Look).admitted().is_some());
    }
    assert!(withdraw(&config, &mut state, 1_500));
    let rejected = Decision::Reject(Rejected { reason: Reason::RetryBudget, retry_at });
    assert_eq!(config.ask(&mut state, input, Request::Look), rejected);
    assert_eq!(config.ask(&mut state, input, Request::Withdraw), rejected);
}

#[test]
fn it_decides_like_a_budget_that_remembers_every_call() {
    let mut rng = Rng(0xb0d9e7);
    for walk in 0..steps(750) {
        let length = 1_000 * (1 + rng.below(3));
        let config = Config {
            length: Duration::from_millis(length),
            ..of(1 + rng.below(60) as u32, rng.below(3) as u32)
        };
        let (mut state, mut kept, mut now) = (config.state(), Vec::<(u64, u64, u64)>::new(), 0);
        for step in 0..2_000 {
            now += rng.below(3) * rng.below(length / 20);
            // Of ten buckets, anything ten or more buckets back is forgotten.
            kept.retain(|(at, ..)| at / (length / 10) + 10 > now / (length / 10));
            if rng.below(3) > 0 {
                let calls = rng.below(4);
                deposit(&config, &mut state, now, calls as u32);
                kept.push((now, calls, 0));
            } else {
                let calls: u64 = kept.iter().map(|(_, calls, _)| calls).sum();
                let spent: u64 = kept.iter().map(|(_, _, spent)| spent).sum();
                let may = calls * u64::from(config.percent) / 100
                    + u64::from(config.per_second_min) * length / 1_000;
                assert_eq!(withdraw(&config, &mut state, now), spent < may, "walk {walk}, step {step}");
                if spent < may {
                    kept.push((now, 0, 1));
                }
            }
        }
    }
}

#[test]
fn a_clock_that_steps_back_or_jumps_a_year_adds_nothing_twice() {
    let (config, mut state) = (of(100, 0), of(100, 0).state());
    deposit(&config, &mut state, 60_000, 1);
    assert!(withdraw(&config, &mut state, 1_000), "what was earned at 60,000 is there");
    assert!(!withdraw(&config, &mut state, 0), "and was spent");
    deposit(&config, &mut state, 0, 1);
    assert!(withdraw(&config, &mut state, 69_999), "the deposit counts as of 60,000");
    let year = 365 * 24 * 60 * 60 * 1_000;
    deposit(&config, &mut state, 70_000, 5);
    assert!(!withdraw(&config, &mut state, year), "all is forgotten");
    deposit(&config, &mut state, 70_000, 1);
    assert!(withdraw(&config, &mut state, year));
    assert!(!withdraw(&config, &mut state, year));
}

#[test]
fn a_window_of_another_length_starts_empty() {
    let (config, mut state) = (of(100, 0), of(100, 0).state());
    deposit(&config, &mut state, 0, 5);
    let longer = Config { length: Duration::from_secs(20), ..config.clone() };
    assert!(!withdraw(&longer, &mut state, 1));
    deposit(&longer, &mut state, 1, 1);
    let larger = Config { percent: 200, ..longer };
    assert!(withdraw(&larger, &mut state, 2) && withdraw(&larger, &mut state, 2), "the calls are kept");
}

#[test]
fn counters_and_clocks_at_their_maximum_still_decide() {
    let config = Config { percent: u32::MAX, per_second_min: u32::MAX, length: Duration::MAX };
    let mut state = config.state();
    for now in [Time::FAR, Time::ZERO] {
        for _ in 0..3 {
            let _ = config.ask(&mut state, Input::at(now), Request::Deposit { calls: u32::MAX });
            assert!(config.ask(&mut state, Input::at(now), Request::Withdraw).admitted().is_some());
        }
    }
    let zero = Config { percent: 0, per_second_min: 0, length: Duration::ZERO };
    let mut state = zero.state();
    assert!(zero.ask(&mut state, Input::at(Time::FAR), Request::Withdraw).admitted().is_none());
    assert_eq!(zero.check().expect_err("no length").field, "length_ms");
}

#[test]
fn a_configuration_error_names_its_field() {
    assert_eq!(of(1_001, 0).check().expect_err("percent").field, "percent");
    assert_eq!(of(1, 1_000_001).check().expect_err("minimum").field, "per_second_min");
    let length = |millis| Config { length: Duration::from_millis(millis), ..Config::default() };
    for outside in [0, 999, 3_600_001] {
        assert_eq!(length(outside).check().expect_err("length").field, "length_ms");
    }
    for inside in [Config::default(), length(1_000), length(3_600_000), of(0, 0), of(1_000, 1_000_000)] {
        assert_eq!(inside.check(), Ok(()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_configuration_and_no_sequence_of_requests_panics(
        numbers in any::<(u32, u32, u64)>(),
        steps in proptest::collection::vec((any::<u64>(), any::<u32>(), 0..3_u8), 1..40),
    ) {
        let length = Duration::from_nanos(numbers.2 >> (numbers.2 % 64));
        let config = Config { percent: numbers.0, per_second_min: numbers.1, length };
        let mut state = config.state();
        for (now, calls, kind) in steps {
            let input = Input::at(Time::from_nanos(now >> (now % 64)));
            let request = match kind {
                0 => Request::Deposit { calls },
                1 => Request::Withdraw,
                _ => Request::Look,
            };
            let _ = config.ask(&mut state, input, request);
            // The snapshot agrees with the decision.
            let left = config.snapshot(&state, input.now).left;
            let looked = config.ask(&mut state, input, Request::Look).admitted().is_some();
            prop_assert_eq!(left > 0, looked);
        }
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_configuration_serializes_with_its_units_and_a_deserialized_state_decides_the_same() {
    let text = r#"{"percent":15,"per_second_min":2,"length_ms":5000}"#;
    let config: Config = serde_json::from_str(text).expect("read");
    assert_eq!(config, Config { length: Duration::from_secs(5), ..of(15, 2) });
    assert_eq!(serde_json::to_string(&config).expect("written"), text);
    assert_eq!(serde_json::from_str::<Config>("{}").expect("read"), Config::default());
    assert!(serde_json::from_str::<Config>(r#"{"length":5}"#).is_err());
    let mut state = config.state();
    for step in 0..100 {
        deposit(&config, &mut state, step * 70, 2);
        let written = serde_json::to_string(&state).expect("written");
        let mut read: State = serde_json::from_str(&written).expect("read");
        let decisions = [&mut state, &mut read].map(|state| withdraw(&config, state, step * 70));
        assert_eq!(decisions[0], decisions[1], "step {step}");
        assert_eq!(read, state);
    }
}
