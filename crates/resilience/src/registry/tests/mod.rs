//! Which breakers a registry keeps, and which it removes.

use super::{Config, Snapshot, State};
use crate::breaker::{self, Circuit, Request, Transition};
use crate::contract::{Input, Outcome, Recorded, Time};
use core::time::Duration;

fn small() -> Config {
    let breaker = breaker::Config {
        consecutive_failures: Some(1),
        open_for: Duration::from_secs(5),
        open_jitter_percent: 0,
        ..breaker::Config::default()
    };
    Config { breaker, keys_max: 3 }
}

fn at(millis: u64) -> Input {
    Input::at(Time::from_millis(millis))
}

fn call(
    config: &Config,
    state: &mut State<u32>,
    millis: u64,
    key: u32,
    outcome: Outcome,
) -> Recorded<Transition> {
    let ticket = config.ask(state, at(millis), &key, Request::default()).admitted().expect("admitted");
    config.tell(state, at(millis), &key, ticket, outcome)
}

fn keys(state: &State<u32>) -> Vec<u32> {
    state.slots.keys().copied().collect()
}

#[test]
fn a_configuration_error_names_its_field() {
    assert_eq!(small().check(), Ok(()));
    assert_eq!(Config { keys_max: 1_000_001, ..small() }.check().expect_err("too many").field, "keys_max");
    let breaker = breaker::Config { probes: 0, ..small().breaker };
    assert_eq!(Config { breaker, ..small() }.check().expect_err("no probe").field, "breaker.probes");
}

#[test]
fn a_forgotten_key_frees_its_place_whatever_the_state_of_its_breaker() {
    let (config, mut state) = (small(), small().state());
    call(&config, &mut state, 1, 1, Outcome::Failure);
    let shown = config.snapshot_of(&state, &1, Time::from_millis(1)).map(|breaker| breaker.circuit);
    assert_eq!(shown, Some(Circuit::Open));
    assert!(state.forget(&1), "although it is open");
    assert!(!state.forget(&1));
    assert_eq!(keys(&state), [] as [u32; 0]);
}

#[test]
fn each_key_has_its_own_breaker() {
    let (config, mut state) = (small(), small().state());
    call(&config, &mut state, 1, 1, Outcome::Failure);
    assert!(config.ask(&mut state, at(2), &1, Request::default()).admitted().is_none());
    assert_eq!(call(&config, &mut state, 2, 2, Outcome::Success), Recorded::Counted);
}

#[test]
fn the_least_recently_used_closed_breaker_is_removed_first_and_an_open_one_never() {
    let (config, mut state) = (small(), small().state());
    call(&config, &mut state, 1, 1, Outcome::Failure);
    call(&config, &mut state, 2, 2, Outcome::Success);
    call(&config, &mut state, 3, 3, Outcome::Success);
    call(&config, &mut state, 4, 2, Outcome::Success);
    call(&config, &mut state, 5, 4, Outcome::Success);
    assert_eq!(keys(&state), [1, 2, 4], "3 was used longest ago; 1 is open");
    call(&config, &mut state, 6, 5, Outcome::Success);
    assert_eq!(keys(&state), [1, 4, 5]);
    assert_eq!(config.snapshot(&state), Snapshot { keys: 3, not_closed: 1, removed: 2, shared_calls: 0 });
}

#[test]
fn when_all_are_open_further_keys_share_one_breaker_and_are_counted() {
    let (config, mut state) = (small(), small().state());
    for key in 1..=3 {
        call(&config, &mut state, 1, key, Outcome::Failure);
    }
    assert_eq!(call(&config, &mut state, 2, 8, Outcome::Success), Recorded::Counted);
    assert!(matches!(call(&config, &mut state, 3, 9, Outcome::Failure), Recorded::Changed(_)));
    assert!(config.ask(&mut state, at(4), &8, Request::default()).admitted().is_none(), "it is shared");
    assert_eq!(config.snapshot(&state), Snapshot { keys: 3, not_closed: 3, removed: 0, shared_calls: 3 });
    assert_eq!(config.snapshot_of(&state, &8, Time::ZERO), None);
}

#[test]
fn an_outcome_is_stale_once_its_breaker_was_removed() {
    let (config, mut state) = (small(), small().state());
    let ticket = config.ask(&mut state, at(1), &1, Request::default()).admitted().expect("admitted");
    for key in 2..=4 {
        call(&config, &mut state, 2, key, Outcome::Success);
    }
    assert_eq!(config.tell(&mut state, at(3), &1, ticket, Outcome::Failure), Recorded::Stale);
    call(&config, &mut state, 4, 1, Outcome::Success);
    assert_eq!(
        config.tell(&mut state, at(5), &1, ticket, Outcome::Failure),
        Recorded::Stale,
        "a new breaker of the same key ignores it"
    );
}

#[test]
fn a_lower_bound_removes_as_many_breakers_as_necessary() {
    let (config, mut state) = (small(), small().state());
    for key in 1..=3 {
        call(&config, &mut state, u64::from(key), key, Outcome::Success);
    }
    let config = Config { keys_max: 1, ..config };
    call(&config, &mut state, 4, 4, Outcome::Success);
    assert_eq!(keys(&state), [4]);
    let config = Config { keys_max: 0, ..config };
    call(&config, &mut state, 5, 5, Outcome::Success);
    assert_eq!(keys(&state), [5], "a bound of zero still works");
}
