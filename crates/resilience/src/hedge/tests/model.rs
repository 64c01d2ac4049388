//! Hedging against a naive model that keeps every call and sorts them all, and its classic bugs.

use super::super::histogram::Histogram;
use super::super::{Config, Request, State, Ticket};
use crate::budget;
use crate::contract::{Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time, nanos};
use crate::retry::Safety;
use crate::test_rng::{Rng, steps};
use core::time::Duration;

/// The naive model: events in the order in which they happened.
struct Naive {
    config: Config,
    clock: u64,
    /// When each call ended and how long it took.
    seen: Vec<(u64, u64)>,
    /// Calls since the quantile was last computed.
    unseen: u32,
    half: u64,
    delay: Option<u64>,
    /// Time, number of calls, number of hedges.
    kept: Vec<(u64, u64, u64)>,
    sent: u64,
    won: u64,
}

impl Naive {
    fn see(&mut self, now: u64) {
        self.clock = self.clock.max(now);
        let length = nanos(self.config.length);
        let half = self.clock / length;
        self.seen.retain(|(at, _)| at / length + 1 >= half);
        let older = self.seen.iter().filter(|(at, _)| at / length < half).count();
        if half > self.half && older < self.config.calls_min as usize {
            self.delay = None;
        }
        self.half = half;
    }

    /// Records an outcome. Returns the exact quantile when it is time to compute it.
    fn tell(&mut self, ticket: Ticket, outcome: Outcome) -> Option<u64> {
        let took = self.clock.saturating_sub(ticket.begun.as_nanos());
        match outcome {
            Outcome::Success | Outcome::Slow => self.won += u64::from(ticket.is_second),
            Outcome::Cancelled if self.delay.is_some_and(|delay| took >= delay) => {}
            _ => return None,
        }
        self.seen.push((self.clock, took));
        self.unseen += 1;
        let is_time = self.delay.is_none() || self.unseen >= 64;
        if self.seen.len() < self.config.calls_min as usize || !is_time {
            return None;
        }
        self.unseen = 0;
        let mut sorted: Vec<u64> = self.seen.iter().map(|(_, took)| *took).collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * usize::from(self.config.quantile_percent)).div_ceil(100);
        Some(sorted[rank - 1])
    }

    fn is_in_budget(&self) -> bool {
        let bucket = |at: u64| at / (nanos(self.config.budget.length) / 10);
        let lately = || self.kept.iter().filter(|(at, ..)| bucket(*at) + 10 > bucket(self.clock));
        let calls: u64 = lately().map(|(_, calls, _)| calls).sum();
        let spent: u64 = lately().map(|(.., spent)| spent).sum();
        spent < calls * u64::from(self.config.budget.percent) / 100
    }

    fn second(&mut self, begun: u64, safety: Safety) -> Decision<()> {
        let no = |reason| Decision::Reject(Rejected { reason, retry_at: None });
        if safety == Safety::Unsafe {
            return no(Reason::RetryUnsafe);
        }
        let Some(delay) = self.delay else { return no(Reason::HedgeUnknown) };
        if self.clock < begun + delay {
            return Decision::Wait { until: Time::from_nanos(begun + delay) };
        }
        if !self.is_in_budget() {
            return no(Reason::HedgeBudget);
        }
        self.kept.push((self.clock, 0, 1));
        self.sent += 1;
        Decision::Admit(())
    }
}

/// A decision without what the model does not compute: the ticket, and when the budget has hedges left.
fn plain(decision: Decision<Ticket>) -> Decision<()> {
    match decision {
        Decision::Admit(_) => Decision::Admit(()),
        Decision::Wait { until } => Decision::Wait { until },
        Decision::Reject(Rejected { reason, .. }) => Decision::Reject(Rejected { reason, retry_at: None }),
    }
}

struct Walk {
    rng: Rng,
    config: Config,
    state: State,
    naive: Naive,
    tickets: Vec<Ticket>,
    now: u64,
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut rng = Rng(seed);
        let config = Config {
            quantile_percent: 50 + rng.below(50) as u8,
            calls_min: 1 + rng.below(60) as u32,
            // Without bounds, the delay is the quantile itself.
            delay_min: Duration::ZERO,
            delay_max: Duration::MAX,
            length: Duration::from_millis(1_000 + rng.below(9_000)),
            budget: budget::Config { percent: 1 + rng.below(100) as u32, ..Config::default().budget },
        };
        let naive = Naive {
            config: config.clone(),
            clock: 0,
            seen: Vec::new(),
            unseen: 0,
            half: 0,
            delay: None,
            kept: Vec::new(),
            sent: 0,
            won: 0,
        };
        Self { rng, state: config.state(), config, naive, tickets: Vec::new(), now: 0 }
    }

    fn step(&mut self) {
        self.now = match self.rng.below(2_000) {
            0 => self.now + self.rng.below(1 << 35),
            1..20 => self.now.saturating_sub(self.rng.below(1 << 28)),
            _ => self.now + self.rng.below(1 << 24),
        };
        let input = Input::at(Time::from_nanos(self.now));
        self.naive.see(self.now);
        match self.rng.below(5) {
            0 | 1 => {
                let ticket = self.config.ask(&mut self.state, input, Request::First).admitted();
                self.tickets.push(ticket.expect("a call is always admitted"));
                self.naive.kept.push((self.naive.clock, 1, 0));
            }
            2 | 3 if !self.tickets.is_empty() => self.end(input),
            _ => {
                let begun = self.now.saturating_sub(self.rng.below(1 << 30));
                let safety = [Safety::Unsafe, Safety::Safe][usize::from(self.rng.below(8) > 0)];
                let request = Request::Second { begun: Time::from_nanos(begun), safety };
                let decision = self.config.ask(&mut self.state, input, request);
                assert_eq!(plain(decision), self.naive.second(begun, safety));
                self.tickets.extend(decision.admitted());
            }
        }
    }

    /// Ends one of the attempts in progress.
    fn end(&mut self, input: Input) {
        let ticket = self.tickets.swap_remove(self.rng.below(self.tickets.len() as u64) as usize);
        let outcome = match self.rng.below(8) {
            0 => Outcome::Failure,
            1 => Outcome::Neutral,
            2 => Outcome::Cancelled,
            3 => Outcome::Slow,
            _ => Outcome::Success,
        };
        assert_eq!(self.config.tell(&mut self.state, input, ticket, outcome, 1), Recorded::Counted);
        let truth = self.naive.tell(ticket, outcome);
        let delay = self.config.snapshot(&self.state, input.now).delay.map(nanos);
        match (truth, delay) {
            (Some(truth), Some(delay)) => {
                assert!(delay > truth && delay <= truth + truth / 16 + 1_000, "{delay}, and truly {truth}");
                self.naive.delay = Some(delay);
            }
            (Some(truth), None) => panic!("{truth} is not known"),
            (None, delay) => assert_eq!(delay, self.naive.delay, "it was not time to compute it"),
        }
    }
}

#[test]
fn it_decides_like_a_model_that_keeps_every_call() {
    const STEPS: u64 = 500;
    let (mut sent, mut rejected) = (0, 0);
    for seed in 0..steps(1_500_000) / STEPS {
        let mut walk = Walk::new(seed);
        for _ in 0..STEPS {
            walk.step();
        }
        let snapshot = walk.config.snapshot(&walk.state, Time::ZERO);
        assert_eq!((snapshot.sent, snapshot.won), (walk.naive.sent, walk.naive.won), "seed {seed}");
        sent += snapshot.sent;
        rejected += snapshot.budget.rejected;
    }
    assert!(sent.min(rejected) > 0, "{sent} sent and {rejected} rejected: the walk sees both");
}

#[test]
fn hedges_that_win_do_not_lower_the_quantile() {
    // One call in x takes at least x ms. The first result wins, and the other attempt is cancelled.
    let budget = budget::Config { percent: 1_000, ..Config::default().budget };
    let config = Config { budget, length: Duration::from_secs(60), ..Config::default() };
    let (mut state, mut rng, mut now, mut hedged) = (config.state(), Rng(0x7a11), Time::ZERO, 0);
    let mut drawn = move || Duration::from_micros(1_000_000_000 / (1 + rng.below(1_000_000)));
    for _ in 0..20_000 {
        let first = config.ask(&mut state, Input::at(now), Request::First).admitted().expect("always");
        let mut ends = now + drawn();
        let request = Request::Second { begun: now, safety: Safety::Safe };
        let due = match config.ask(&mut state, Input::at(now), request) {
            Decision::Wait { until } if until < ends => until,
            _ => {
                config.tell(&mut state, Input::at(ends), first, Outcome::Success, 1);
                now = ends;
                continue;
            }
        };
        let second = config.ask(&mut state, Input::at(due), request).admitted().expect("within the budget");
        hedged += 1;
        let second_ends = due + drawn();
        let outcomes = if second_ends < ends {
            [Outcome::Cancelled, Outcome::Success]
        } else {
            [Outcome::Success, Outcome::Cancelled]
        };
        ends = ends.min(second_ends);
        for (ticket, outcome) in [first, second].into_iter().zip(outcomes) {
            config.tell(&mut state, Input::at(ends), ticket, outcome, 1);
        }
        now = ends;
    }
    let delay = config.snapshot(&state, now).delay.expect("known");
    assert!((17..=24).contains(&delay.as_millis()), "{delay:?}");
    assert!((800..=1_200).contains(&hedged), "{hedged} of 20,000 were hedged");
}

#[test]
fn a_cancelled_attempt_counts_only_if_it_took_at_least_the_quantile() {
    let config = Config { calls_min: 1, ..Config::default() };
    for (took_micros, counted) in [(20_479, 0), (20_480, 1), (90_000, 1)] {
        let mut state = config.state();
        let ticket = Ticket { begun: Time::ZERO, is_second: false };
        let at = |micros: u64| Input::at(Time::from_nanos(micros * 1_000));
        config.tell(&mut state, at(20_000), ticket, Outcome::Success, 1);
        // The end of the bucket of 20,000 microseconds.
        assert_eq!(state.quantile, Some(Duration::from_micros(20_480)));
        let begun = Time::from_nanos((100_000 - took_micros) * 1_000);
        config.tell(&mut state, at(100_000), Ticket { begun, ..ticket }, Outcome::Cancelled, 1);
        assert_eq!(state.newer.count, 1 + counted, "{took_micros}");
    }
}

#[test]
fn an_empty_histogram_has_no_quantile_and_the_zeroth_percentile_is_the_shortest_duration() {
    let empty = Histogram::new();
    for percent in [0, 50, 100] {
        assert_eq!(Histogram::quantile([&empty, &empty], percent), None);
    }
    let mut some = Histogram::new();
    some.add(Duration::from_micros(7), 1);
    assert_eq!(Histogram::quantile([&some, &empty], 0), Some(Duration::from_micros(8)));
}

#[test]
fn durations_are_forgotten_within_two_lengths_however_rare_the_requests_are() {
    let config = Config { calls_min: 1, length: Duration::from_secs(10), ..Config::default() };
    let mut state = config.state();
    let at = |millis| Input::at(Time::from_millis(millis));
    let ticket = config.ask(&mut state, at(0), Request::First).admitted().expect("always");
    config.tell(&mut state, at(5), ticket, Outcome::Success, 1);
    let second = Request::Second { begun: Time::from_millis(19_999), safety: Safety::Safe };
    assert!(matches!(config.ask(&mut state, at(19_999), second), Decision::Wait { .. }));
    let unknown = Decision::Reject(Rejected { reason: Reason::HedgeUnknown, retry_at: None });
    assert_eq!(config.ask(&mut state, at(20_000), second), unknown);
}

#[test]
fn a_clock_that_steps_back_makes_no_duration_negative() {
    let config = Config { calls_min: 1, delay_min: Duration::ZERO, ..Config::default() };
    let mut state = config.state();
    let at = |millis| Input::at(Time::from_millis(millis));
    let ticket = config.ask(&mut state, at(5_000), Request::First).admitted().expect("always");
    config.tell(&mut state, at(1_000), ticket, Outcome::Success, 1);
    let delay = config.snapshot(&state, Time::ZERO).delay;
    assert_eq!(delay, Some(Duration::from_micros(1)), "the call took no measurable time");
}

#[test]
fn counters_saturate() {
    let config = Config { calls_min: 1, ..Config::default() };
    let mut state = config.state();
    let ticket = Ticket { begun: Time::ZERO, is_second: true };
    (state.sent, state.won) = (u64::MAX, u64::MAX - 1);
    for _ in 0..3 {
        config.tell(&mut state, Input::default(), ticket, Outcome::Success, u32::MAX);
    }
    assert_eq!(state.won, u64::MAX);
    assert_eq!(state.newer.count, u64::from(u32::MAX), "what does not fit is not counted");
    let delay = config.snapshot(&state, Time::ZERO).delay;
    assert_eq!(delay, Some(config.delay_min));
}

#[test]
fn a_configuration_of_zeros_hedges_nothing() {
    let zero = Config {
        quantile_percent: 0,
        calls_min: 0,
        delay_min: Duration::ZERO,
        delay_max: Duration::ZERO,
        length: Duration::ZERO,
        budget: budget::Config { percent: 0, per_second_min: 0, length: Duration::ZERO },
    };
    let mut state = zero.state();
    for now in [Time::ZERO, Time::from_nanos(1), Time::FAR, Time::ZERO] {
        let ticket = zero.ask(&mut state, Input::at(now), Request::First).admitted().expect("always");
        zero.tell(&mut state, Input::at(now), ticket, Outcome::Success, 1);
        let second = Request::Second { begun: now, safety: Safety::Safe };
        let decision = zero.ask(&mut state, Input::at(now), second);
        assert!(
            matches!(decision, Decision::Reject(Rejected { reason: Reason::HedgeBudget, .. })),
            "{decision:?}"
        );
    }
}

#[test]
fn a_configuration_error_names_its_field() {
    let config = Config::default;
    let cases = [
        ("quantile_percent", Config { quantile_percent: 49, ..config() }),
        ("quantile_percent", Config { quantile_percent: 100, ..config() }),
        ("calls_min", Config { calls_min: 0, ..config() }),
        ("calls_min", Config { calls_min: 1_000_001, ..config() }),
        ("delay_min_ms", Config { delay_min: Duration::MAX, ..config() }),
        ("delay_max_ms", Config { delay_max: Duration::ZERO, ..config() }),
        ("length_ms", Config { length: Duration::from_millis(999), ..config() }),
        (
            "budget.percent",
            Config { budget: budget::Config { percent: 1_001, ..Config::default().budget }, ..config() },
        ),
    ];
    assert_eq!(config().check(), Ok(()));
    for (field, config) in cases {
        assert_eq!(config.check().expect_err(field).field, field);
    }
}

#[cfg(feature = "serde")]
mod written {
    use super::*;

    #[test]
    fn a_configuration_serializes_with_its_units() {
        let text = r#"{"quantile_percent":90,"calls_min":7,"delay_min_ms":2,"delay_max_ms":300,"length_ms":4000,
            "budget":{"percent":3,"per_second_min":1,"length_ms":5000}}"#;
        let config: Config = serde_json::from_str(text).expect("read");
        assert_eq!((config.delay_min.as_millis(), config.delay_max.as_millis()), (2, 300));
        assert_eq!((config.length.as_secs(), config.budget.length.as_secs()), (4, 5));
        let written = serde_json::to_string(&config).expect("written");
        assert_eq!(written, text.split_whitespace().collect::<String>());
    }

    #[test]
    fn missing_fields_of_the_budget_take_the_defaults_of_hedges() {
        let of = |text| serde_json::from_str::<Config>(text).map(|config| config.budget);
        for text in ["{}", r#"{"budget":{}}"#, r#"{"budget":{"percent":5}}"#] {
            assert_eq!(of(text).expect("read"), Config::default().budget, "{text}");
        }
        assert!(of(r#"{"budget":{"share":5}}"#).is_err(), "an unknown field");
        assert!(of(r#"{"hedges":1}"#).is_err(), "an unknown field");
    }

    #[test]
    fn a_deserialized_state_decides_like_the_original() {
        let mut walk = Walk::new(11);
        for _ in 0..300 {
            walk.step();
            let written = serde_json::to_string(&walk.state).expect("written");
            let read: State = serde_json::from_str(&written).expect("read");
            assert_eq!(read, walk.state);
            walk.state = read;
        }
    }

    #[test]
    fn a_deserialized_state_with_too_many_or_too_few_buckets_does_not_panic() {
        let (config, mut state) = (Config { calls_min: 1, ..Config::default() }, Config::default().state());
        for buckets in [0, 1, 5_000] {
            state.newer = Histogram { counts: alloc::vec![0; buckets], count: 9 };
            state.older = state.newer.clone();
            let ticket = Ticket { begun: Time::ZERO, is_second: false };
            config.tell(&mut state, Input::at(Time::FAR), ticket, Outcome::Success, 1);
            let second = Request::Second { begun: Time::ZERO, safety: Safety::Safe };
            let _ = config.ask(&mut state, Input::at(Time::FAR), second);
            assert!(config.snapshot(&state, Time::FAR).sent <= 1);
        }
        let mut far = Histogram { counts: alloc::vec![0; 5_000], count: 1 };
        far.counts[4_999] = 1;
        assert_eq!(Histogram::quantile([&far, &far], 99), None, "beyond the last bucket that has an end");
    }
}
