//! Hedges as tables of cases, and the histogram against sorted durations.

mod model;

use super::histogram::{BUCKETS, Histogram};
use super::{Config, Request, State, Ticket};
use crate::budget;
use crate::contract::{Decide, Decision, Input, Outcome, Reason, Rejected, Time};
use crate::retry::Safety;
use crate::test_rng::{Rng, steps};
use core::time::Duration;
use proptest::prelude::*;

fn config() -> Config {
    Config { calls_min: 10, ..Config::default() }
}

fn at(millis: u64) -> Input {
    Input::at(Time::from_millis(millis))
}

/// Records calls of a given duration that end at a given moment.
fn seen(config: &Config, state: &mut State, end_ms: u64, took_ms: u64, calls: u32) {
    for _ in 0..calls {
        let ticket = config.ask(state, at(end_ms), Request::First).admitted().expect("always");
        let ticket = Ticket { begun: Time::from_millis(end_ms - took_ms), ..ticket };
        config.tell(state, at(end_ms), ticket, Outcome::Success, 1);
    }
}

fn second(begun_ms: u64) -> Request {
    Request::Second { begun: Time::from_millis(begun_ms), safety: Safety::Safe }
}

#[test]
fn a_call_is_hedged_after_the_quantile_and_only_once_enough_calls_were_recorded() {
    let (config, mut state) = (config(), config().state());
    seen(&config, &mut state, 1_000, 20, 9);
    let unknown = Decision::Reject(Rejected { reason: Reason::HedgeUnknown, retry_at: None });
    assert_eq!(config.ask(&mut state, at(2_000), second(1_000)), unknown);
    seen(&config, &mut state, 2_000, 20, 91);
    let delay = config.snapshot(&state, at(1_000).now).delay.expect("known");
    assert!((20..=22).contains(&delay.as_millis()), "{delay:?}");
    let due = Time::from_millis(2_000) + delay;
    assert_eq!(config.ask(&mut state, at(2_001), second(2_000)), Decision::Wait { until: due });
    let ticket = config.ask(&mut state, Input::at(due), second(2_000)).admitted().expect("due");
    config.tell(&mut state, Input::at(due), ticket, Outcome::Success, 1);
    let snapshot = config.snapshot(&state, due);
    assert_eq!((snapshot.sent, snapshot.won, snapshot.budget.spent), (1, 1, 1));
}

#[test]
fn hedges_stay_within_their_share_of_the_calls() {
    let (config, mut state) = (config(), config().state());
    seen(&config, &mut state, 1_000, 10, 100);
    let hedges = (0..100).filter(|_| config.ask(&mut state, at(1_500), second(1_000)).admitted().is_some());
    assert_eq!(hedges.count(), 5);
    let decision = config.ask(&mut state, at(1_500), second(1_000));
    assert!(
        matches!(decision, Decision::Reject(Rejected { reason: Reason::HedgeBudget, .. })),
        "{decision:?}"
    );
}

#[test]
fn a_call_that_is_not_safe_to_repeat_is_not_hedged() {
    let (config, mut state) = (config(), config().state());
    seen(&config, &mut state, 1_000, 10, 100);
    let request = Request::Second { begun: Time::from_millis(1_000), safety: Safety::Unsafe };
    let decision = config.ask(&mut state, at(1_500), request);
    assert_eq!(decision, Decision::Reject(Rejected { reason: Reason::RetryUnsafe, retry_at: None }));
}

#[test]
fn only_successes_teach_how_long_a_call_takes() {
    let (config, mut state) = (config(), config().state());
    let ticket = Ticket { begun: Time::ZERO, is_second: false };
    for outcome in [Outcome::Failure, Outcome::Neutral, Outcome::Cancelled] {
        config.tell(&mut state, at(5_000), ticket, outcome, 1_000);
    }
    assert_eq!(config.snapshot(&state, at(5_000).now).delay, None);
    config.tell(&mut state, at(5_000), ticket, Outcome::Slow, 10);
    assert!(config.snapshot(&state, at(5_000).now).delay.is_some());
}

#[test]
fn the_delay_stays_within_its_bounds() {
    let config =
        Config { delay_min: Duration::from_millis(15), delay_max: Duration::from_millis(30), ..config() };
    for (took_ms, expected_ms) in [(1, 15), (20, 20), (500, 30)] {
        let mut state = config.state();
        seen(&config, &mut state, 1_000, took_ms, 100);
        let delay = config.snapshot(&state, at(1_000).now).delay.expect("known").as_millis();
        assert!((expected_ms..=expected_ms + 1).contains(&delay), "{took_ms}: {delay}");
    }
}

#[test]
fn durations_are_forgotten_after_one_to_two_lengths() {
    let (config, mut state) = (config(), config().state());
    seen(&config, &mut state, 29_000, 500, 100);
    seen(&config, &mut state, 31_000, 10, 100);
    let delay =
        |state: &State, now: u64| config.snapshot(state, at(now).now).delay.expect("known").as_millis();
    assert!(delay(&state, 31_000) >= 500, "half of the remembered calls took half a second");
    seen(&config, &mut state, 62_000, 10, 100);
    assert!(delay(&state, 62_000) < 12, "{}", delay(&state, 62_000));
    let year = 365 * 24 * 3_600 * 1_000;
    let unknown = Decision::Reject(Rejected { reason: Reason::HedgeUnknown, retry_at: None });
    assert_eq!(config.ask(&mut state, at(year), second(62_000)), unknown);
}

#[test]
fn a_quantile_is_at_most_a_sixteenth_above_the_exact_one() {
    let mut rng = Rng(0x4157);
    for _ in 0..steps(200) {
        let scale = 1 << rng.below(32);
        let n = 1 + rng.below(2_000);
        let (mut halves, mut all) = ([Histogram::new(), Histogram::new()], Vec::new());
        for _ in 0..n {
            let micros = rng.below(scale);
            halves[rng.below(2) as usize].add(Duration::from_micros(micros), 1);
            all.push(micros);
        }
        all.sort_unstable();
        for percent in [50, 90, 95, 99] {
            let truth = all[(n as usize * percent as usize).div_ceil(100) - 1];
            let found = Histogram::quantile([&halves[0], &halves[1]], percent).expect("not empty");
            let found = found.as_micros() as u64;
            assert!(found > truth && found <= truth + truth / 16 + 1, "{percent} % of {n}: {found}, {truth}");
        }
    }
}

#[test]
fn every_duration_has_a_bucket_and_buckets_are_contiguous() {
    assert_eq!(Histogram::bucket(Duration::MAX), BUCKETS - 1);
    for bucket in 1..BUCKETS {
        let begin = Histogram::end(bucket - 1);
        assert_eq!(Histogram::bucket(begin), bucket);
        assert_eq!(Histogram::bucket(begin - Duration::from_nanos(1)), bucket - 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn no_configuration_and_no_sequence_of_requests_panics(
        numbers in any::<(u8, u32, u32, u32)>(),
        spans in any::<[u64; 4]>(),
        steps in proptest::collection::vec((any::<u64>(), any::<u64>(), any::<u32>()), 1..30),
    ) {
        let span = |n: usize| Duration::from_nanos(spans[n] >> (spans[n] % 64));
        let budget = budget::Config { percent: numbers.2, per_second_min: numbers.3, length: span(3) };
        let config = Config {
            quantile_percent: numbers.0,
            calls_min: numbers.1 >> (numbers.1 % 32),
            delay_min: span(0),
            delay_max: span(1),
            length: span(2),
            budget,
        };
        let mut state = config.state();
        for (now, begun, n) in steps {
            let input = Input::at(Time::from_nanos(now >> (begun % 64)));
            let begun = Time::from_nanos(begun >> (now % 64));
            if let Decision::Admit(ticket) = config.ask(&mut state, input, Request::First) {
                config.tell(&mut state, input, Ticket { begun, ..ticket }, Outcome::Success, n >> (n % 32));
            }
            let _ = config.ask(&mut state, input, Request::Second { begun, safety: Safety::Safe });
            let _ = config.snapshot(&state, input.now);
        }
    }
}
