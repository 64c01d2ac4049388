//! The classic bugs of retries, one by one.

use super::super::*;
use super::{MS, again, ask, config};
use crate::budget;
use crate::contract::{Decide, Decision, Input, Outcome, Reason, Rejected, Time};
use crate::test_rng::Rng;
use core::time::Duration;

#[test]
fn callers_told_the_same_retry_after_do_not_return_at_the_same_moment() {
    for jitter in [Jitter::Full, Jitter::Decorrelated] {
        let config = Config { backoff: Backoff { first: MS(100), max: MS(1_000), jitter }, ..config() };
        let (mut rng, mut moments) = (Rng(1), std::collections::BTreeSet::new());
        for _ in 0..100 {
            let input = Input { now: Time::from_millis(1_500), random: rng.next() };
            let told = Again { retry_after: Some(MS(700)), ..again() };
            let Decision::Wait { until } = config.ask(&mut config.state(), input, Request::Again(told))
            else {
                panic!("a retry is allowed")
            };
            assert!(
                until >= Time::from_millis(2_200),
                "never sooner than the dependency asked for: {until:?}"
            );
            moments.insert(until);
        }
        assert!(moments.len() > 90, "{jitter:?}: {} moments", moments.len());
    }
}

#[test]
fn first_retries_of_different_callers_are_spread() {
    let backoff = |jitter| Backoff { first: MS(100), max: MS(1_000), jitter };
    for jitter in [Jitter::Full, Jitter::Decorrelated] {
        let ends = [0, u64::MAX].map(|random| backoff(jitter).after(1, Duration::ZERO, random));
        assert!(ends[0] < ends[1], "{jitter:?}: {ends:?}");
    }
}

#[test]
fn a_caller_that_slept_too_long_makes_no_attempt_after_elapsed_max() {
    let config = Config { elapsed_max: MS(1_000), ..config() };
    let due = Again { due: Some(Time::from_millis(1_900)), ..again() };
    assert_eq!(ask(&config, 2_000, due), Decision::Admit(Ticket { attempt: 2 }));
    let late = Decision::Reject(Rejected { reason: Reason::RetryElapsed, retry_at: None });
    assert_eq!(ask(&config, 2_001, due), late);
    let year = 365 * 24 * 60 * 60 * 1_000;
    assert_eq!(ask(&config, year, due), late);
    assert_eq!(
        ask(&config, 1_500, Again { due: Some(Time::FAR), ..again() }),
        late,
        "it would start too late"
    );
}

#[test]
fn a_clock_that_steps_back_neither_shortens_a_wait_nor_delays_a_due_attempt() {
    let config = config();
    let mut state = config.state();
    let at = |millis| Input::at(Time::from_millis(millis));
    let _ = config.ask(&mut state, at(1_500), Request::First);
    let wait = config.ask(&mut state, at(900), Request::Again(again()));
    assert_eq!(wait, Decision::Wait { until: Time::from_millis(1_600) });
    let _ = config.ask(&mut state, at(1_600), Request::First);
    let due = Again { due: Some(Time::from_millis(1_600)), ..again() };
    let decision = config.ask(&mut state, at(1_599), Request::Again(due));
    assert_eq!(decision, Decision::Admit(Ticket { attempt: 2 }), "1,600 was seen already");
}

#[test]
fn retries_of_a_failing_dependency_stay_within_their_share_of_the_calls() {
    let budget = budget::Config { percent: 20, per_second_min: 0, ..budget::Config::default() };
    let config = Config { attempts_max: 100, elapsed_max: MS(60_000), budget, ..config() };
    let (mut state, mut retries) = (config.state(), 0);
    for call in 0..1_000 {
        let input = Input::at(Time::from_millis(call));
        let _ = config.ask(&mut state, input, Request::First);
        // Every attempt fails and is repeated as often as the policy allows.
        let mut again = Again { begun: input.now, due: Some(input.now), ..again() };
        while let Decision::Admit(ticket) = config.ask(&mut state, input, Request::Again(again)) {
            config.tell(&mut state, input, ticket, Outcome::Failure, 1);
            (again.attempts, retries) = (ticket.attempt, retries + 1);
        }
    }
    assert_eq!(retries, 200);
}

#[test]
fn a_configuration_of_zeros_makes_no_retry() {
    let zero = Config {
        attempts_max: 0,
        elapsed_max: Duration::ZERO,
        backoff: Backoff { first: Duration::ZERO, max: Duration::ZERO, jitter: Jitter::Full },
        retry_after_max: Duration::ZERO,
        budget: budget::Config { percent: 0, per_second_min: 0, length: Duration::ZERO },
        repeat: Repeat::All,
    };
    for attempts in [0, 1, u32::MAX] {
        let again = Again { attempts, due: Some(Time::ZERO), ..again() };
        let decision = ask(&zero, 0, again);
        assert_eq!(decision, Decision::Reject(Rejected { reason: Reason::RetryAttempts, retry_at: None }));
    }
    // The number of attempts is not the only limit.
    let no_budget = Config { attempts_max: 3, ..zero };
    let decision = no_budget.ask(&mut no_budget.state(), Input::default(), Request::Again(again()));
    assert!(
        matches!(decision, Decision::Reject(Rejected { reason: Reason::RetryBudget, .. })),
        "{decision:?}"
    );
}

#[test]
fn counters_saturate() {
    let config = Config { attempts_max: u32::MAX, elapsed_max: Duration::MAX, ..config() };
    let mut state = config.state();
    state.retries = u64::MAX;
    state.recovered = u64::MAX - 1;
    let due = Again { attempts: u32::MAX - 1, due: Some(Time::ZERO), ..again() };
    let ticket = config.ask(&mut state, Input::at(Time::FAR), Request::Again(due)).admitted().expect("due");
    assert_eq!(ticket.attempt, u32::MAX);
    config.tell(&mut state, Input::at(Time::FAR), ticket, Outcome::Success, u32::MAX);
    let snapshot = config.snapshot(&state, Time::FAR);
    assert_eq!((snapshot.retries, snapshot.recovered), (u64::MAX, u64::MAX));
}

#[cfg(feature = "serde")]
#[test]
fn a_deserialized_state_decides_like_the_original() {
    let config = Config::default();
    let (mut state, mut rng) = (config.state(), Rng(7));
    for step in 0..200 {
        let input = Input { now: Time::from_millis(step * 20), random: rng.next() };
        let written = serde_json::to_string(&state).expect("written");
        let mut read: State = serde_json::from_str(&written).expect("read");
        assert_eq!(read, state);
        let request = match rng.below(3) {
            0 => Request::First,
            _ => Request::Again(Again { begun: input.now, due: Some(input.now), ..again() }),
        };
        let decisions = [&mut state, &mut read].map(|state| config.ask(state, input, request));
        assert_eq!(decisions[0], decisions[1], "step {step}");
        assert_eq!(read, state);
    }
}
