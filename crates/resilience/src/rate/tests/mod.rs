//! Both rate limits as tables of cases, and against models that remember every token.

use super::{Request, sliding_window, token_bucket};
use crate::contract::{Decide, Decision, Input, Reason, Rejected, Time};
use crate::test_rng::{Clock, Rng, steps};
use core::time::Duration;
use proptest::prelude::*;

fn at(millis: u64) -> Input {
    Input::at(Time::from_millis(millis))
}

fn tokens(tokens: u32) -> Request {
    Request { tokens }
}

fn reject(retry_at: Option<u64>) -> Decision<super::Ticket> {
    Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at: retry_at.map(Time::from_millis) })
}

fn bucket(tokens: u32, per_ms: u64, burst: u32, wait_max_ms: u64) -> token_bucket::Config {
    let (per, wait_max) = (Duration::from_millis(per_ms), Duration::from_millis(wait_max_ms));
    token_bucket::Config { tokens, per, burst, wait_max }
}

fn window(tokens: u32, per_ms: u64, buckets: u32, wait_max_ms: u64) -> sliding_window::Config {
    let (per, wait_max) = (Duration::from_millis(per_ms), Duration::from_millis(wait_max_ms));
    sliding_window::Config { tokens, per, buckets, wait_max }
}

/// Requests tokens at each moment, and compares the decisions with the expected ones.
fn check<C: Decide<Request = Request, Ticket = super::Ticket>>(
    config: &C,
    rows: &[(u64, u32, Decision<()>)],
) -> C::State {
    assert_eq!(config.check(), Ok(()));
    let mut state = config.state();
    for (row, (millis, n, expected)) in rows.iter().enumerate() {
        let expected = match *expected {
            Decision::Admit(()) => Decision::Admit(super::Ticket { tokens: *n }),
            Decision::Wait { until } => Decision::Wait { until },
            Decision::Reject(Rejected { reason, retry_at }) => {
                Decision::Reject(Rejected { reason, retry_at })
            }
        };
        assert_eq!(config.ask(&mut state, at(*millis), tokens(*n)), expected, "row {row}");
    }
    state
}

const YES: Decision<()> = Decision::Admit(());

fn no(retry_at: u64) -> Decision<()> {
    Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at: Some(Time::from_millis(retry_at)) })
}

const NEVER: Decision<()> = Decision::Reject(Rejected { reason: Reason::RateLimit, retry_at: None });

fn wait(until: u64) -> Decision<()> {
    Decision::Wait { until: Time::from_millis(until) }
}

#[test]
fn a_bucket_grants_its_burst_and_then_its_rate() {
    // Five per second, with a burst of three.
    let rows = [
        (0, 1, YES),
        (0, 1, YES),
        (0, 1, YES),
        (0, 1, no(200)),
        (0, 2, no(400)),
        (0, 4, NEVER),
        (199, 1, no(200)),
        (200, 1, YES),
        (200, 1, no(400)),
        (799, 3, no(800)),
        (800, 3, YES),
        (10_000, 2, YES),
        (10_000, 1, YES),
        (10_000, 1, no(10_200)),
    ];
    check(&bucket(5, 1_000, 3, 0), &rows);
}

#[test]
fn a_caller_is_told_to_wait_for_a_token_that_is_near_but_the_token_is_not_reserved() {
    let rows = [(0, 1, YES), (0, 1, wait(100)), (0, 1, wait(100)), (99, 1, wait(100)), (100, 1, YES)];
    check(&bucket(10, 1_000, 1, 100), &rows);
    // 150 ms is longer than `wait_max`.
    check(&bucket(10, 1_000, 2, 100), &[(0, 2, YES), (0, 2, no(200)), (100, 2, wait(200)), (200, 2, YES)]);
    check(
        &window(1, 1_000, 10, 500),
        &[(0, 1, YES), (499, 1, no(1_000)), (500, 1, wait(1_000)), (1_000, 1, YES)],
    );
}

#[test]
fn a_burst_is_equally_large_whether_requested_at_once_or_one_by_one() {
    // A third of a second is not a whole number of nanoseconds.
    let config = bucket(3, 1_000, 1_000, 0);
    for origin in [0, 1, 77_777, 86_400_000 * 365] {
        let mut one_by_one = config.state();
        let granted =
            (0..2_000).filter(|_| config.ask(&mut one_by_one, at(origin), tokens(1)).admitted().is_some());
        assert_eq!(granted.count(), 1_000);
        let mut at_once = config.state();
        assert!(config.ask(&mut at_once, at(origin), tokens(1_000)).admitted().is_some());
        assert_eq!(one_by_one, at_once);
    }
}

#[test]
fn a_bucket_fits_into_one_word_and_reports_its_available_tokens() {
    let config = bucket(10, 1_000, 5, 0);
    let mut state = config.state();
    assert_eq!(state.to_bits(), 0);
    assert!(config.ask(&mut state, at(1_000), tokens(3)).admitted().is_some());
    assert_eq!(token_bucket::State::from_bits(state.to_bits()), state);
    let snapshot = config.snapshot(&state, Time::from_millis(1_000));
    assert_eq!((snapshot.available, snapshot.full_at), (2, Some(Time::from_millis(1_300))));
    let snapshot = config.snapshot(&state, Time::from_millis(1_300));
    assert_eq!((snapshot.available, snapshot.full_at), (5, None));
}

#[test]
fn a_window_grants_at_most_its_tokens_in_any_span() {
    let rows = [
        (900, 1, YES),
        (999, 2, YES),
        // A fixed window that restarts at 1,000 would grant three more.
        (1_000, 1, no(1_999)),
        (1_998, 1, no(1_999)),
        (1_999, 3, YES),
        (1_999, 4, NEVER),
        (2_998, 1, no(2_999)),
        (2_999, 1, YES),
    ];
    check(&window(3, 1_000, 10, 0), &rows);
    // If buckets are shorter than the gap between tokens, each token returns at its own time.
    let rows = [
        (0, 1, YES),
        (50, 2, YES),
        (60, 1, no(1_000)),
        (60, 2, no(1_050)),
        (1_000, 1, YES),
        (1_000, 1, no(1_050)),
    ];
    check(&window(3, 1_000, 100, 0), &rows);
}

#[test]
fn a_window_reports_its_used_and_available_tokens() {
    let config = window(3, 1_000, 10, 0);
    let state = check(&config, &[(0, 1, YES), (500, 1, YES)]);
    let seen = |millis| {
        let snapshot = config.snapshot(&state, Time::from_millis(millis));
        (snapshot.available, snapshot.used, snapshot.next_at.map(|at| at.as_nanos() / 1_000_000))
    };
    assert_eq!(seen(999), (1, 2, Some(1_000)));
    assert_eq!(seen(1_000), (2, 1, Some(1_500)));
    assert_eq!(seen(u64::MAX), (3, 0, None));
}

#[test]
fn a_clock_that_steps_back_grants_nothing_early() {
    let rows = [(10_000, 2, YES), (0, 1, no(10_500)), (10_499, 1, no(10_500)), (10_500, 1, YES)];
    check(&bucket(2, 1_000, 2, 0), &rows);
    let rows = [(10_000, 2, YES), (0, 1, no(11_000)), (10_999, 1, no(11_000)), (11_000, 2, YES)];
    check(&window(2, 1_000, 10, 0), &rows);
    // However often it steps back and forth, the latest time counts.
    let (config, mut granted) = (bucket(1, 1_000, 5, 0), 0);
    let mut state = config.state();
    for turn in 0..10_000 {
        let now = at(if turn % 2 == 0 { 60_000 } else { turn });
        granted += u32::from(config.ask(&mut state, now, tokens(1)).admitted().is_some());
    }
    assert_eq!(granted, 5);
}

#[test]
fn a_year_without_requests_saves_up_no_more_than_one_burst() {
    let year = 365 * 24 * 60 * 60 * 1_000;
    check(&bucket(10, 1_000, 3, 0), &[(0, 3, YES), (year, 3, YES), (year, 1, no(year + 100))]);
    check(&window(3, 1_000, 7, 0), &[(0, 3, YES), (year, 3, YES), (year, 1, no(year + 1_000))]);
}

#[test]
fn at_the_end_of_time_no_token_is_granted_that_the_state_could_not_record() {
    let end = Input::at(Time::FAR);
    let config = bucket(1, 1_000, 3, 0);
    assert_eq!(config.ask(&mut config.state(), end, tokens(1)), reject(None));
    assert_eq!(config.ask(&mut token_bucket::State::from_bits(u64::MAX), at(0), tokens(1)), reject(None));
    let config = window(3, 1_000, 10, 0);
    let mut state = config.state();
    let granted = (0..100).filter(|_| config.ask(&mut state, end, tokens(1)).admitted().is_some());
    assert_eq!(granted.count(), 3);
}

#[test]
fn a_configuration_error_names_its_field() {
    let name = |checked: Result<(), crate::ConfigError>| checked.map_err(|error| error.field.into_owned());
    for (config, field) in [
        (bucket(0, 1_000, 1, 0), "tokens"),
        (bucket(100_000, 1, 1, 0), "tokens"),
        (bucket(1, 0, 1, 0), "per_ms"),
        (bucket(1, 1_000, 0, 0), "burst"),
        (bucket(1, 1_000, 1, u64::MAX), "wait_max_ms"),
    ] {
        assert_eq!(name(config.check()), Err(field.into()));
    }
    assert_eq!(name(window(1, 1_000, 0, 0).check()), Err("buckets".into()));
    assert_eq!(name(window(1, 1_000, 1_001, 0).check()), Err("buckets".into()));
    assert_eq!(name(token_bucket::Config::default().check()), Ok(()));
    assert_eq!(name(sliding_window::Config::default().check()), Ok(()));
}

/// A token bucket as textbooks define it: a level that rises with time, computed exactly in units of `1 /
/// per` tokens.
struct Level {
    tokens: i128,
    per: i128,
    burst: i128,
    level: i128,
    /// The moment of that level: the latest grant.
    at: u64,
}

impl Level {
    /// Negative for a caller whose clock is behind, by the time it has yet to wait.
    fn level(&self, now: u64) -> i128 {
        let passed = i128::from(now) - i128::from(self.at);
        (self.level + passed * self.tokens).min(self.burst * self.per)
    }

    fn ask(&mut self, now: u64, n: i128) -> bool {
        let granted = n <= self.burst && self.level(now) >= n * self.per;
        if granted {
            let latest = now.max(self.at);
            self.level = self.level(latest) - n * self.per;
            self.at = latest;
        }
        granted
    }
}

#[test]
fn a_bucket_decides_like_an_exact_refill_in_rational_numbers() {
    let mut rng = Rng(1);
    let walks = 50;
    for walk in 0..walks {
        // With intervals of whole nanoseconds, the two must agree on every decision.
        let interval = 1 + rng.below(1_000_000);
        let n = 1 + rng.below(1_000);
        let config = token_bucket::Config {
            tokens: n as u32,
            per: Duration::from_nanos(interval * n),
            burst: 1 + rng.below(50) as u32,
            wait_max: Duration::ZERO,
        };
        let mut model = Level {
            tokens: n.into(),
            per: (interval * n).into(),
            burst: config.burst.into(),
            level: i128::from(interval * n) * i128::from(config.burst),
            at: 0,
        };
        let mut clock = Clock { now: rng.below(2) * rng.next() / 1_000, stride: interval };
        let mut state = config.state();
        for step in 0..steps(250_000) / walks {
            let (input, n) = (clock.step(&mut rng), rng.below(4) as u32);
            let granted = config.ask(&mut state, input, tokens(n)).admitted().is_some();
            assert_eq!(granted, model.ask(clock.now, n.into()), "walk {walk}, step {step}: {config:?}");
            let available = i128::from(config.snapshot(&state, input.now).available);
            assert_eq!(available, (model.level(clock.now) / model.per).max(0), "walk {walk}, step {step}");
        }
    }
}

#[test]
fn a_bucket_never_exceeds_its_rate_and_loses_at_most_a_nanosecond_per_token() {
    let mut rng = Rng(2);
    let walks = 50;
    for walk in 0..walks {
        let config = token_bucket::Config {
            tokens: 1 + rng.below(1_000) as u32,
            per: Duration::from_nanos(100_000 + rng.below(1_000_000_000)),
            burst: 1 + rng.below(50) as u32,
            wait_max: Duration::ZERO,
        };
        let (mut now, mut granted, mut state) = (0, 0_u128, config.state());
        let per = config.per.as_nanos();
        for step in 0..steps(125_000) / walks {
            // Requests are greedy, so whatever the limit allows is granted.
            now += rng.below(config.per.as_nanos() as u64 / u64::from(config.tokens) * 2);
            while config.ask(&mut state, Input::at(Time::from_nanos(now)), tokens(1)).admitted().is_some() {
                granted += 1;
            }
            // Granted since the origin, when the bucket was full.
            let most = u128::from(config.burst) + u128::from(now) * u128::from(config.tokens) / per;
            assert!(granted <= most, "walk {walk}, step {step}: {config:?}");
            let Decision::Reject(Rejected { retry_at: Some(retry_at), .. }) =
                config.ask(&mut state, Input::at(Time::from_nanos(now)), tokens(1))
            else {
                panic!("a greedy caller has emptied it")
            };
            let interval = config.per.as_nanos().div_ceil(config.tokens.into());
            assert!(u128::from(retry_at.since(Time::from_nanos(now)).as_nanos() as u64) <= interval);
        }
    }
}

#[test]
fn a_window_returns_tokens_no_earlier_than_an_exact_log_and_less_than_a_bucket_later() {
    let mut rng = Rng(3);
    let walks = 50;
    for walk in 0..walks {
        let longest = if rng.one_in(4) { 40 } else { 1_000_000 };
        let per = 1 + rng.below(longest);
        let config = sliding_window::Config {
            tokens: 1 + rng.below(30) as u32,
            per: Duration::from_nanos(per),
            buckets: 1 + rng.below(20) as u32,
            wait_max: Duration::ZERO,
        };
        let bucket = per.div_ceil(config.buckets.into());
        let mut clock = Clock { now: rng.below(per), stride: 1 + per / 20 };
        // Each grant with its time, which is the latest time seen.
        let (mut log, mut seen, mut state) = (Vec::<(u64, u64)>::new(), 0, config.state());
        for step in 0..steps(375_000) / walks {
            let (input, n) = (clock.step(&mut rng), rng.below(4));
            seen = clock.now.max(seen);
            log.retain(|(at, _)| seen - at < per + bucket);
            let within = |log: &[(u64, u64)], span: u64| {
                log.iter().filter(|(at, _)| seen - at < span).map(|(_, n)| n).sum::<u64>()
            };
            let decision = config.ask(&mut state, input, tokens(n as u32));
            let most = u64::from(config.tokens);
            let told = format!("walk {walk}, step {step}: {config:?}");
            if decision.admitted().is_some() {
                assert!(within(&log, per) + n <= most, "{told}");
                log.push((seen, n));
            } else {
                assert!(n > most || within(&log, per + bucket) + n > most, "{told}");
            }
            if let Decision::Reject(Rejected { retry_at: Some(retry_at), .. }) = decision {
                let mut early = state.clone();
                let before = Input::at(Time::from_nanos(retry_at.as_nanos() - 1));
                assert!(config.ask(&mut early, before, tokens(n as u32)).admitted().is_none(), "{told}");
                let mut late = state.clone();
                let then = Input::at(retry_at);
                assert!(config.ask(&mut late, then, tokens(n as u32)).admitted().is_some(), "{told}");
            }
        }
    }
}

#[test]
fn a_reconfigured_window_keeps_its_counts() {
    let (fine, coarse) = (window(1_000_000, 1_000, 1_000, 0), window(1_000_000, 60_000, 3, 0));
    let mut state = fine.state();
    for millis in 0..10_000 {
        assert!(fine.ask(&mut state, at(millis), tokens(1)).admitted().is_some());
    }
    assert!(fine.snapshot(&state, Time::from_millis(10_000)).used <= 1_002);
    for millis in 10_000..20_000 {
        assert!(coarse.ask(&mut state, at(millis), tokens(1)).admitted().is_some());
    }
    // Everything that the finer window still counted, and everything since.
    assert_eq!(coarse.snapshot(&state, Time::from_millis(20_000)).used, 11_000);
    assert_eq!(coarse.snapshot(&state, Time::from_millis(90_000)).used, 0);
}

fn some_span() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(0), 0..2_000_u64, any::<u64>()].prop_map(Duration::from_nanos)
}

fn some_number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), 0..50_u32, any::<u32>(), Just(u32::MAX)]
}

fn some_time() -> impl Strategy<Value = Time> {
    prop_oneof![0..5_000_u64, any::<u64>(), Just(u64::MAX)].prop_map(Time::from_nanos)
}

proptest! {
    #[test]
    fn no_configuration_and_no_sequence_of_requests_panics(
        (tokens, burst, buckets) in (some_number(), some_number(), some_number()),
        (per, wait_max) in (some_span(), some_span()),
        bits in any::<u64>(),
        asked in prop::collection::vec((some_time(), some_number()), 1..30),
    ) {
        let bucket = token_bucket::Config { tokens, per, burst, wait_max };
        let window = sliding_window::Config { tokens, per, buckets, wait_max };
        let (mut word, mut state) = (token_bucket::State::from_bits(bits), window.state());
        let _ = (bucket.check(), window.check());
        for (now, tokens) in asked {
            let request = Request { tokens };
            let decision = bucket.ask(&mut word, Input::at(now), request);
            prop_assert!(decision.admitted().is_none() || tokens <= bucket.burst);
            let decision = window.ask(&mut state, Input::at(now), request);
            prop_assert!(decision.admitted().is_none() || tokens <= window.tokens);
            let _ = (bucket.snapshot(&word, now), window.snapshot(&state, now));
        }
    }
}

#[cfg(feature = "serde")]
#[test]
fn configurations_and_states_survive_serialization() {
    let config: token_bucket::Config = serde_json::from_str(r#"{"tokens":7,"per_ms":250}"#).unwrap();
    assert_eq!((config.tokens, config.per, config.burst), (7, Duration::from_millis(250), 100));
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(written, r#"{"tokens":7,"per_ms":250,"burst":100,"wait_max_ms":0}"#);
    assert!(serde_json::from_str::<token_bucket::Config>(r#"{"token":7}"#).is_err());
    let mut state = config.state();
    assert!(config.ask(&mut state, at(1), tokens(1)).admitted().is_some());
    assert_eq!(serde_json::to_string(&state).unwrap(), state.to_bits().to_string());

    let config: sliding_window::Config = serde_json::from_str(r#"{"buckets":4}"#).unwrap();
    let written = serde_json::to_string(&config).unwrap();
    assert_eq!(written, r#"{"tokens":100,"per_ms":1000,"buckets":4,"wait_max_ms":0}"#);
    let mut state = config.state();
    assert!(config.ask(&mut state, at(1), tokens(1)).admitted().is_some());
    let read: sliding_window::State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
    assert_eq!(read, state);
}

#[test]
fn a_token_of_a_window_returns_less_than_a_bucket_after_its_exact_time() {
    let config =
        sliding_window::Config { tokens: 2, per: Duration::from_secs(1), buckets: 10, ..Default::default() };
    let mut state = config.state();
    let mut ask = |at_ms| {
        let input = Input::at(Time::from_millis(at_ms));
        config.ask(&mut state, input, Request::default()).admitted().is_some()
    };
    // A tenth of a second later a new bucket starts, so the first token does not wait for the second.
    assert!(ask(0) && ask(100));
    assert!(!ask(999) && ask(1_000) && !ask(1_099) && ask(1_100));
}

#[test]
fn a_request_for_zero_tokens_is_not_counted_and_a_limit_of_zero_grants_nothing() {
    let none = Request { tokens: 0 };
    let config = sliding_window::Config::default();
    let mut state = config.state();
    assert!(config.ask(&mut state, Input::default(), none).admitted().is_some());
    assert_eq!(state, config.state());
    let closed = sliding_window::Config { tokens: 0, ..sliding_window::Config::default() };
    assert!(closed.ask(&mut closed.state(), Input::default(), none).admitted().is_none());
    let closed = token_bucket::Config { tokens: 0, ..token_bucket::Config::default() };
    assert!(closed.ask(&mut closed.state(), Input::default(), none).admitted().is_none());
}

#[test]
fn the_interval_is_rounded_up() {
    let of = |tokens| {
        token_bucket::Config { tokens, per: Duration::from_secs(1), ..Default::default() }.interval()
    };
    assert_eq!(
        [of(0), of(1), of(3)].map(|interval| interval.as_nanos()),
        [1_000_000_000, 1_000_000_000, 333_333_334]
    );
}
