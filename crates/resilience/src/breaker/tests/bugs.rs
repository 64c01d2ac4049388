//! The classic bugs of circuit breakers, one by one.

use super::*;
use crate::breaker::{Enforcement, Forced};
use crate::contract::below;
use proptest::prelude::*;

#[test]
fn a_count_window_slides_however_many_successes_came_before() {
    let mut bench = Bench::new(Config { window: Window::Calls(100), calls_min: 100, ..small() });
    let ticket = bench.ticket();
    bench.config.tell(&mut bench.state, Input::at(bench.now), ticket, Outcome::Success, 100_000);
    let failures =
        (1..=100_000).find(|_| matches!(bench.tell(ticket, Outcome::Failure), Recorded::Changed(_)));
    assert_eq!(failures, Some(50));
}

#[test]
fn a_success_started_before_the_trip_does_not_close_a_half_open_breaker() {
    let mut bench = Bench::new(Config { probes: 1, ..small() });
    let old = bench.ticket();
    bench.calls("ffff");
    assert_eq!(bench.tell(old, Outcome::Success), Recorded::Stale);
    bench.pass_millis(1_000).ticket();
    assert_eq!(bench.tell(old, Outcome::Success), Recorded::Stale);
    assert_eq!(bench.tell(old, Outcome::Failure), Recorded::Stale);
    assert_eq!((bench.circuit(), bench.snapshot().stale), (Circuit::HalfOpen, 3));
}

#[test]
fn a_thousand_callers_at_the_end_of_the_open_time_make_one_probe() {
    let mut bench = Bench::new(small());
    bench.calls("ffff").pass_millis(1_000);
    assert_eq!((0..1_000).filter(|_| bench.ask().admitted().is_some()).count(), 1);
}

#[test]
fn a_probe_whose_caller_disappeared_frees_its_permit_and_its_outcome_is_stale() {
    let mut bench = Bench::new(small());
    bench.calls("ffff").pass_millis(1_000);
    let lost = bench.ticket();
    assert!(bench.pass_millis(2_999).rejected().is_some());
    let next = bench.pass_millis(1).ticket();
    assert_eq!(bench.tell(lost, Outcome::Failure), Recorded::Stale, "the probe has expired");
    assert_eq!(bench.tell(next, Outcome::Success), Recorded::Counted);
    assert_eq!(bench.tell(next, Outcome::Success), Recorded::Stale, "recorded twice");
    assert_eq!(bench.circuit(), Circuit::HalfOpen);
}

#[test]
fn an_expired_probe_is_stale_even_if_nobody_asked_since() {
    let mut bench = Bench::new(small());
    bench.calls("ffff").pass_millis(1_000);
    let late = bench.ticket();
    bench.pass_millis(3_000);
    assert_eq!(bench.snapshot().probes_under_way, 0);
    assert_eq!(bench.tell(late, Outcome::Failure), Recorded::Stale);
}

#[test]
fn a_cancelled_probe_frees_its_permit_at_once() {
    let mut bench = Bench::new(small());
    bench.calls("ffff").pass_millis(1_000);
    let probe = bench.ticket();
    bench.tell(probe, Outcome::Cancelled);
    assert!(bench.ticket().is_probe());
}

#[test]
fn a_clock_that_steps_back_is_held_and_one_that_jumps_a_year_only_forgets() {
    let window = Window::Time { length: Duration::from_secs(10), buckets: 10 };
    let mut bench = Bench::new(Config { window, ..small() });
    bench.now = Time::from_millis(1_000_000);
    bench.calls("ff");
    bench.now = Time::ZERO;
    bench.calls("ff");
    assert_eq!(bench.circuit(), Circuit::Open, "the calls before and after the step count together");
    assert!(bench.rejected().is_some(), "a clock that steps back does not end the open time");
    bench.pass_millis(365 * 24 * 3_600 * 1_000);
    bench.calls("ss");
    assert_eq!(bench.circuit(), Circuit::Closed);
    bench.now = Time::FAR;
    bench.calls("ffff");
    assert_eq!(bench.circuit(), Circuit::Open, "also at the end of time");
    bench.calls("");
}

#[test]
fn counters_saturate() {
    let mut bench = Bench::new(Config {
        window: Window::Time { length: Duration::from_secs(10), buckets: 1 },
        calls_min: 1_000_000,
        consecutive_failures: Some(u32::MAX),
        failure_percent: None,
        ..small()
    });
    let ticket = bench.ticket();
    for _ in 0..3 {
        bench.config.tell(&mut bench.state, Input::at(bench.now), ticket, Outcome::Success, u32::MAX);
        bench.config.tell(&mut bench.state, Input::at(bench.now), ticket, Outcome::Slow, u32::MAX);
        bench.config.tell(&mut bench.state, Input::at(bench.now), ticket, Outcome::Failure, u32::MAX - 1);
    }
    assert_eq!(bench.circuit(), Circuit::Closed);
    assert_eq!(bench.snapshot().window.slow, 3 * u64::from(u32::MAX));
    let changed =
        bench.config.tell(&mut bench.state, Input::at(bench.now), ticket, Outcome::Failure, u32::MAX);
    assert!(matches!(changed, Recorded::Changed(_)));
}

#[test]
fn a_window_of_another_size_starts_empty_and_the_rest_is_kept() {
    let mut bench = Bench::new(small());
    bench.calls("fff");
    bench.config.window = Window::Calls(20);
    bench.calls("sf");
    assert_eq!(bench.snapshot().window.calls, 2);
    bench.config.window = Window::Time { length: Duration::from_secs(1), buckets: 2 };
    bench.calls("fsff");
    assert_eq!(bench.circuit(), Circuit::Open, "three of four calls since");
    bench.config.window = Window::Calls(20);
    assert!(bench.rejected().is_some(), "a change of the window does not close it");
}

fn any_config() -> impl Strategy<Value = Config> {
    let span = || {
        prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), (0..5_000_u64).prop_map(Duration::from_millis)]
    };
    let window = prop_oneof![
        (0..130_u32).prop_map(Window::Calls),
        (span(), 0..5_u32).prop_map(|(length, buckets)| Window::Time { length, buckets }),
    ];
    let shares = (any::<Option<u8>>(), any::<Option<u8>>(), any::<Option<u32>>(), 0..4_u32);
    let numbers = (0..9_u32, 0..4_u32, 0..4_u32, any::<[u8; 3]>());
    let spans = (span(), span(), span(), span(), span(), span());
    (window, shares, numbers, spans, any::<bool>()).prop_map(|(window, shares, numbers, spans, observe)| {
        Config {
            window,
            failure_percent: shares.0,
            slow_percent: shares.1,
            slow_after: None,
            consecutive_failures: shares.2,
            sources_min: shares.3,
            calls_min: numbers.0,
            probes: numbers.1,
            probes_at_once: numbers.2,
            open_jitter_percent: numbers.3[0],
            probe_success_percent: numbers.3[1],
            ramp_from_percent: numbers.3[2],
            open_for: spans.0,
            open_for_max: spans.1,
            probe_for: spans.2,
            ramp_for: spans.3,
            forget_after: spans.4,
            sources_within: spans.5,
            enforcement: if observe { Enforcement::ObserveOnly } else { Enforcement::Enforce },
        }
    })
}

const OUTCOMES: [Outcome; 5] =
    [Outcome::Success, Outcome::Slow, Outcome::Failure, Outcome::Neutral, Outcome::Cancelled];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Any configuration decides, even one of zeros.
    #[test]
    fn no_configuration_and_no_sequence_of_requests_panics(
        config in any_config(),
        steps in proptest::collection::vec((any::<u64>(), any::<u64>(), 0..5_usize, any::<u32>()), 1..60),
    ) {
        let mut state = config.state();
        let mut tickets = vec![];
        for (now, random, outcome, n) in steps {
            // Times of all magnitudes, mostly small.
            let input = Input { now: Time::from_nanos(now >> (random % 64)), random };
            if let Decision::Admit(ticket) = config.ask(&mut state, input, Request { source: n % 3 }) {
                tickets.push(ticket);
            }
            if let Some(ticket) = tickets.get(below(random, tickets.len() as u64) as usize) {
                config.tell(&mut state, input, *ticket, OUTCOMES[outcome], n >> (random % 32));
            }
            let snapshot = config.snapshot(&state, input.now);
            prop_assert!(snapshot.admitted_percent <= 100);
            prop_assert!(snapshot.probes_under_way <= config.probes.max(1));
        }
    }
}

#[test]
fn a_configuration_with_fewer_probes_does_not_leave_the_breaker_half_open_forever() {
    for (before, after) in [("ss", 2), ("sss", 1), ("s", 1)] {
        let mut bench = Bench::new(Config { probes: 5, ..small() });
        bench.calls("ffff").pass_millis(1_000).calls(before);
        bench.config.probes = after;
        for _ in 0..after {
            assert!(bench.ask().admitted().is_some(), "{before} of 5, and then {after}");
            bench.pass_millis(3_000);
        }
        while bench.circuit() == Circuit::HalfOpen {
            bench.calls("s");
        }
        assert_eq!(bench.circuit(), Circuit::Closed);
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_state_deserialized_from_hostile_input_does_not_panic() {
    for counter in ["probes_failed", "probes_succeeded"] {
        for outcome in [Outcome::Failure, Outcome::Success] {
            let mut bench = Bench::new(small());
            bench.calls("ffff").pass_millis(1_000);
            let probe = bench.ticket();
            let mut file = serde_json::to_value(&bench.state).expect("written");
            file[counter] = u32::MAX.into();
            bench.state = serde_json::from_value(file).expect("read");
            assert!(matches!(bench.tell(probe, outcome), Recorded::Changed(_)));
        }
    }
}

#[test]
fn a_trip_from_outside_does_not_release_a_forced_breaker() {
    for (forced, held) in [(Forced::Closed, Circuit::Closed), (Forced::Open, Circuit::Open)] {
        let mut bench = Bench::new(small());
        let input = bench.input();
        bench.config.force(&mut bench.state, input, forced);
        let tripped = bench.config.trip(&mut bench.state, input);
        assert_eq!(tripped, Transition { from: held, to: held });
        assert_eq!((bench.circuit(), bench.snapshot().forced), (held, forced));
        if forced == Forced::Closed {
            bench.calls("f");
            assert_eq!(bench.snapshot().window.failures, 1, "it goes on counting");
        }
    }
}
