//! When a breaker trips, how long it stays open, and how it closes.

use super::*;
use crate::breaker::{Enforcement, Forced};

#[test]
fn it_trips_on_shares_and_on_consecutive_failures_and_not_before() {
    let shares = small();
    let runs = Config { failure_percent: None, consecutive_failures: Some(3), ..small() };
    let slow = Config { failure_percent: None, slow_percent: Some(75), ..small() };
    let never = Config { failure_percent: None, ..small() };
    let cases: &[(&str, &Config, &str, Circuit)] = &[
        ("half of four failed", &shares, "ssff", Circuit::Open),
        ("too few calls", &shares, "fff", Circuit::Closed),
        ("less than half", &shares, "sssff", Circuit::Closed),
        ("exactly half, and the last is the failure", &shares, "sffsf", Circuit::Open),
        ("a success trips nothing, even when it completes the minimum", &shares, "ffs", Circuit::Closed),
        ("a success trips nothing, even at the minimum", &shares, "fffs", Circuit::Closed),
        ("neutral and cancelled calls do not count", &shares, "fffnc", Circuit::Closed),
        ("a slow call is not a failure", &shares, "llll", Circuit::Closed),
        ("a slow call counts as a call", &shares, "llff", Circuit::Open),
        ("old calls slide out: five of the last ten", &shares, "ssssssssssfffff", Circuit::Open),
        ("four of the last ten", &shares, "ssssssssssffff", Circuit::Closed),
        ("old failures slide out too", &shares, "fffssssssssssff", Circuit::Closed),
        ("three in a row", &runs, "fff", Circuit::Open),
        ("a success ends the run", &runs, "ffsff", Circuit::Closed),
        ("a slow success ends the run", &runs, "fflff", Circuit::Closed),
        ("a neutral call does not", &runs, "ffnf", Circuit::Open),
        ("a cancelled call does not", &runs, "ffcf", Circuit::Open),
        ("three of four slow", &slow, "slll", Circuit::Open),
        ("two of four slow", &slow, "ssll", Circuit::Closed),
        ("failures are not slow", &slow, "llff", Circuit::Closed),
        ("without rules it never trips", &never, "ffffffffff", Circuit::Closed),
    ];
    for (what, config, outcomes, expected) in cases {
        let mut bench = Bench::new((*config).clone());
        bench.calls(outcomes);
        assert_eq!(bench.circuit(), *expected, "{what}: {outcomes}");
    }
}

#[test]
fn a_time_window_forgets_calls_older_than_its_length() {
    let window = Window::Time { length: Duration::from_secs(10), buckets: 10 };
    let cases = [(0, Circuit::Open), (8_900, Circuit::Open), (10_000, Circuit::Closed)];
    for (between_ms, expected) in cases {
        let mut bench = Bench::new(Config { window, ..small() });
        bench.calls("ff").pass_millis(between_ms).calls("ff");
        assert_eq!(bench.circuit(), expected, "{between_ms} ms between two failures and two");
    }
}

#[test]
fn an_open_breaker_says_when_to_retry_and_then_probes() {
    let mut bench = Bench::new(small());
    let tripped_at = bench.calls("ffff").now;
    let until = tripped_at + Duration::from_secs(1);
    assert_eq!(bench.rejected(), Some((Reason::BreakerOpen, Some(until))));
    assert_eq!(bench.snapshot().open_until, Some(until));
    assert_eq!(bench.pass_millis(999).rejected(), Some((Reason::BreakerOpen, Some(until))));
    assert!(bench.pass_millis(1).ticket().is_probe());
    assert_eq!(bench.circuit(), Circuit::HalfOpen);
    let free_at = bench.now + Duration::from_secs(3);
    assert_eq!(bench.rejected(), Some((Reason::BreakerProbing, Some(free_at))), "one probe at a time");
}

#[test]
fn a_half_open_breaker_decides_on_its_probes() {
    let of = |probes, at_once, percent| Config {
        probes,
        probes_at_once: at_once,
        probe_success_percent: percent,
        ..small()
    };
    let slow_counts = Config { slow_percent: Some(50), ..of(2, 1, 100) };
    let cases: &[(&str, Config, &str, Circuit)] = &[
        ("all must succeed: one did", of(2, 1, 100), "s", Circuit::HalfOpen),
        ("all did", of(2, 1, 100), "ss", Circuit::Closed),
        ("one failed", of(2, 1, 100), "f", Circuit::Open),
        ("the second failed", of(2, 1, 100), "sf", Circuit::Open),
        ("half must succeed: one of four failed", of(4, 1, 50), "f", Circuit::HalfOpen),
        ("two failed: two may yet succeed", of(4, 1, 50), "ff", Circuit::HalfOpen),
        ("three failed: too many", of(4, 1, 50), "fff", Circuit::Open),
        ("two succeeded: enough", of(4, 1, 50), "fss", Circuit::Closed),
        ("a share is rounded up: two of three", of(3, 1, 50), "s", Circuit::HalfOpen),
        ("and reached", of(3, 1, 50), "fss", Circuit::Closed),
        ("neutral and cancelled probes say nothing", of(2, 1, 100), "ncncs", Circuit::HalfOpen),
        ("a slow probe is a success", of(2, 1, 100), "ll", Circuit::Closed),
        ("unless slow calls trip", slow_counts, "l", Circuit::Open),
    ];
    for (what, config, outcomes, expected) in cases {
        let mut bench = Bench::new(config.clone());
        bench.calls("ffff").pass_millis(1_000).calls(outcomes);
        assert_eq!(bench.circuit(), *expected, "{what}: {outcomes}");
    }
}

#[test]
fn no_more_probes_than_configured_run_at_once_or_decide() {
    let mut bench = Bench::new(Config { probes: 3, probes_at_once: 2, ..small() });
    bench.calls("ffff").pass_millis(1_000);
    let (first, _second) = (bench.ticket(), bench.ticket());
    assert_eq!(bench.rejected().map(|(reason, _)| reason), Some(Reason::BreakerProbing), "two at once");
    bench.tell(first, Outcome::Success);
    let _third = bench.ticket();
    assert_eq!(bench.snapshot().probes_under_way, 2);
    assert_eq!(bench.rejected().map(|(reason, _)| reason), Some(Reason::BreakerProbing));
    let mut bench = Bench::new(Config { probes: 3, probes_at_once: 3, ..small() });
    bench.calls("ffff").pass_millis(1_000);
    let first = bench.ticket();
    let _others = (bench.ticket(), bench.ticket());
    bench.tell(first, Outcome::Success);
    assert!(bench.rejected().is_some(), "one decided and two under way are all three");
}

#[test]
fn open_times_double_with_consecutive_trips_up_to_the_maximum() {
    let mut bench = Bench::new(small());
    bench.calls("ffff");
    let mut lengths = vec![];
    for _ in 0..6 {
        let until = bench.snapshot().open_until.expect("it is open");
        lengths.push(until.since(bench.now).as_secs());
        bench.now = until;
        bench.calls("f");
    }
    assert_eq!(lengths, [1, 2, 4, 8, 8, 8]);
}

#[test]
fn a_trip_after_a_long_closed_time_counts_as_the_first() {
    for (calm_ms, expected_secs) in [(119_999, 2), (120_000, 1)] {
        let mut bench = Bench::new(small());
        bench.calls("ffff").pass_millis(1_000).calls("ss");
        assert_eq!(bench.circuit(), Circuit::Closed);
        bench.pass_millis(calm_ms).calls("ffff");
        let until = bench.snapshot().open_until.expect("it is open");
        assert_eq!(until.since(bench.now).as_secs(), expected_secs, "after {calm_ms} ms");
    }
}

#[test]
fn jitter_lengthens_an_open_time_by_at_most_its_share() {
    for (random, expected_ms) in [(0, 1_000), (1 << 63, 1_100), (u64::MAX, 1_199)] {
        let mut bench = Bench::new(Config { open_jitter_percent: 20, ..small() });
        bench.random = random;
        bench.calls("ffff");
        let until = bench.snapshot().open_until.expect("it is open");
        assert_eq!(until.since(bench.now).as_millis(), expected_ms);
    }
}

#[test]
fn after_closing_the_admitted_share_grows_to_100_percent() {
    let ramp = Config { ramp_for: Duration::from_secs(10), ramp_from_percent: 10, ..small() };
    // A random number at a given percentage of its range.
    let at = |percent: u64| (u64::MAX / 100 * percent).saturating_add(u64::MAX / 200);
    for (after_ms, percent) in [(0, 10), (1_000, 19), (5_000, 55), (9_999, 99), (10_000, 100), (60_000, 100)]
    {
        let mut bench = Bench::new(ramp.clone());
        bench.calls("ffff").pass_millis(1_000).calls("ss").pass_millis(after_ms);
        assert_eq!(u64::from(bench.snapshot().admitted_percent), percent, "after {after_ms} ms");
        bench.random = at(percent - 1);
        assert!(bench.ask().admitted().is_some(), "within the share after {after_ms} ms");
        bench.random = at(percent);
        let ends = bench.snapshot().since + Duration::from_secs(10);
        let expected = (percent < 100).then_some((Reason::BreakerRamp, Some(ends)));
        assert_eq!(bench.rejected(), expected, "beyond it after {after_ms} ms");
        bench.random = 0;
        bench.calls("ffff");
        assert_eq!(bench.circuit(), Circuit::Open, "it trips during the ramp as usual, after {after_ms} ms");
    }
}

#[test]
fn an_observing_breaker_trips_and_closes_but_rejects_no_call() {
    let mut bench = Bench::new(Config { enforcement: Enforcement::ObserveOnly, ..small() });
    bench.calls("ffff");
    assert_eq!(bench.circuit(), Circuit::Open);
    bench.calls("fsfs");
    assert_eq!((bench.circuit(), bench.snapshot().would_reject), (Circuit::Open, 4));
    bench.pass_millis(1_000);
    let probe = bench.ticket();
    let beside = bench.ticket();
    assert!(probe.is_probe() && !beside.is_probe());
    assert_eq!(bench.tell(beside, Outcome::Failure), Recorded::Counted);
    assert_eq!((bench.circuit(), bench.snapshot().would_reject), (Circuit::HalfOpen, 5));
    bench.tell(probe, Outcome::Success);
    bench.calls("s");
    assert_eq!(bench.circuit(), Circuit::Closed);
}

#[test]
fn it_can_be_forced_and_tripped_from_outside() {
    let mut bench = Bench::new(small());
    let input = bench.input();
    bench.config.force(&mut bench.state, input, Forced::Open);
    assert_eq!(bench.rejected(), Some((Reason::BreakerForced, None)));
    assert_eq!(bench.snapshot().admitted_percent, 0);
    bench.config.force(&mut bench.state, input, Forced::Closed);
    bench.calls("ffffffff");
    assert_eq!((bench.circuit(), bench.snapshot().window.failures), (Circuit::Closed, 8));
    assert_eq!(bench.snapshot().admitted_percent, 100);
    let changed = bench.config.force(&mut bench.state, input, Forced::No);
    assert_eq!(changed, Transition { from: Circuit::Closed, to: Circuit::Closed });
    assert_eq!(bench.snapshot().window.calls, 0, "a released breaker starts with an empty window");
    let tripped = bench.config.trip(&mut bench.state, input);
    assert_eq!(tripped, Transition { from: Circuit::Closed, to: Circuit::Open });
    assert!(bench.pass_millis(1_000).ticket().is_probe(), "it recovers by itself after a trip from outside");
}

#[test]
fn a_trip_can_require_failures_from_several_sources() {
    let config = Config { sources_min: 2, sources_within: Duration::from_secs(5), ..small() };
    let from = |bench: &mut Bench, source| {
        let input = bench.input();
        let ticket = bench.config.ask(&mut bench.state, input, Request { source }).admitted();
        bench.tell(ticket.expect("the call is admitted"), Outcome::Failure);
    };
    let mut bench = Bench::new(config);
    for _ in 0..50 {
        from(&mut bench, 7);
    }
    assert_eq!(bench.circuit(), Circuit::Closed, "one broken caller");
    bench.pass_millis(5_001);
    from(&mut bench, 8);
    assert_eq!(bench.circuit(), Circuit::Closed, "the first one's failures were too long ago");
    bench.pass_millis(5_000);
    from(&mut bench, 9);
    assert_eq!(bench.circuit(), Circuit::Open, "two sources within five seconds");
    bench.pass_millis(1_000).calls("ss");
    for _ in 0..4 {
        from(&mut bench, 9);
    }
    assert_eq!(bench.circuit(), Circuit::Closed, "failures before the trip are forgotten");
}

#[test]
fn a_share_without_any_failure_does_not_trip() {
    let mut bench = Bench::new(Config { failure_percent: Some(0), slow_percent: None, ..small() });
    bench.calls("lllll");
    assert_eq!(bench.circuit(), Circuit::Closed);
    bench.calls("f");
    assert_eq!(bench.circuit(), Circuit::Open);
}

#[test]
fn the_states_have_stable_names() {
    let names = [Circuit::Closed, Circuit::Open, Circuit::HalfOpen].map(Circuit::code);
    assert_eq!(names, ["closed", "open", "half_open"]);
}

#[test]
fn a_configuration_error_names_its_field() {
    let good = small;
    let cases: &[(&str, Config)] = &[
        ("open_for_ms", Config { open_for: Duration::from_millis(86_400_001), ..good() }),
        ("window.calls", Config { window: Window::Calls(0), ..good() }),
        ("window.calls", Config { window: Window::Calls(1_000_001), ..good() }),
        (
            "window.time.length_ms",
            Config { window: Window::Time { length: Duration::ZERO, buckets: 1 }, ..good() },
        ),
        (
            "window.time.buckets",
            Config { window: Window::Time { length: Duration::from_secs(1), buckets: 0 }, ..good() },
        ),
        ("calls_min", Config { calls_min: 0, ..good() }),
        ("calls_min", Config { calls_min: 11, ..good() }),
        ("failure_percent", Config { failure_percent: Some(0), ..good() }),
        ("failure_percent", Config { failure_percent: Some(101), ..good() }),
        ("slow_percent", Config { slow_percent: Some(0), ..good() }),
        ("slow_after_ms", Config { slow_after: Some(Duration::ZERO), ..good() }),
        ("consecutive_failures", Config { consecutive_failures: Some(0), ..good() }),
        ("sources_min", Config { sources_min: 65, ..good() }),
        ("sources_within_ms", Config { sources_within: Duration::ZERO, ..good() }),
        ("open_for_ms", Config { open_for: Duration::ZERO, ..good() }),
        ("open_for_max_ms", Config { open_for_max: Duration::from_millis(999), ..good() }),
        ("open_jitter_percent", Config { open_jitter_percent: 101, ..good() }),
        ("forget_after_ms", Config { forget_after: Duration::from_secs(86_401), ..good() }),
        ("probes", Config { probes: 0, ..good() }),
        ("probes_at_once", Config { probes_at_once: 3, ..good() }),
        ("probe_success_percent", Config { probe_success_percent: 0, ..good() }),
        ("probe_for_ms", Config { probe_for: Duration::ZERO, ..good() }),
        ("ramp_for_ms", Config { ramp_for: Duration::MAX, ..good() }),
        ("ramp_from_percent", Config { ramp_from_percent: 0, ..good() }),
    ];
    assert_eq!(good().check(), Ok(()));
    assert_eq!(Config::default().check(), Ok(()));
    let day = Duration::from_secs(24 * 60 * 60);
    let longest = Config { open_for: day, open_for_max: day, probe_for: day, ramp_for: day, ..good() };
    assert_eq!(longest.check(), Ok(()), "a whole day");
    for (field, config) in cases {
        let found = config.check().expect_err(field);
        assert_eq!(found.field, *field);
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_configuration_serializes_with_its_units_and_rejects_unknown_fields() {
    let text =
        r#"{"window":{"time":{"length_ms":10000,"buckets":5}},"open_for_ms":2000,"slow_after_ms":250}"#;
    let config: Config = serde_json::from_str(text).expect("it can be read");
    assert_eq!(config.window, Window::Time { length: Duration::from_secs(10), buckets: 5 });
    assert_eq!(
        (config.open_for, config.slow_after),
        (Duration::from_secs(2), Some(Duration::from_millis(250)))
    );
    let again: Config =
        serde_json::from_str(&serde_json::to_string(&config).expect("written")).expect("read");
    assert_eq!(again, config);
    let wrong = serde_json::from_str::<Config>(r#"{"open_for":2000}"#).expect_err("unknown");
    assert!(wrong.to_string().contains("`open_for`"), "{wrong}");
}

#[cfg(feature = "serde")]
#[test]
fn a_deserialized_state_decides_like_the_original() {
    let mut bench = Bench::new(Config { probes_at_once: 2, ..small() });
    bench.calls("ffff").pass_millis(1_000);
    let probe = bench.ticket();
    bench.state = serde_json::from_str(&serde_json::to_string(&bench.state).expect("written")).expect("read");
    bench.tell(probe, Outcome::Success);
    bench.calls("s");
    assert_eq!(bench.circuit(), Circuit::Closed);
}

#[test]
fn no_saved_state_makes_a_restored_breaker_panic() {
    let mut rng = crate::test_rng::Rng(0x5a_7ed);
    let config = Config::new().window(Window::Calls(70)).calls_min(5);
    for _ in 0..crate::test_rng::steps(2_000) {
        let words =
            |rng: &mut crate::test_rng::Rng| (0..rng.below(4)).map(|_| rng.next()).collect::<Vec<u64>>();
        let mut saved = config.state().save();
        saved.calls = SavedCalls::Count {
            length: rng.below(80) as u32,
            next: rng.next() as u32,
            calls: rng.next() as u32,
            failed: words(&mut rng),
            slow: words(&mut rng),
        };
        if rng.one_in(3) {
            let (bucket_nanos, newest) = (rng.below(3), rng.next());
            saved.calls = SavedCalls::Time { bucket_nanos, newest, buckets: Vec::new() };
        }
        saved.consecutive = rng.next() as u32;
        saved.trips = rng.next() as u32;
        let mut state = State::restore(saved);
        for millis in 0..20 {
            let input = Input { now: Time::from_millis(millis * 10_000), random: rng.next() };
            if let Some(ticket) = config.ask(&mut state, input, Request::default()).admitted() {
                config.tell(&mut state, input, ticket, Outcome::Failure, 1);
            }
        }
        assert!(config.snapshot(&state, Time::ZERO).trips > 0, "it works on");
    }
}
