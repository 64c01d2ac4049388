//! The bulkhead as scripts, and against a model that keeps a plain list of callers.

mod simulation;

use super::{Aimd, Changed, Config, Gradient, Limit, Request, State, Ticket};
use crate::contract::{Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time};
use crate::shed::{self, Priority};
use crate::test_rng::{Clock, Rng, steps};
use core::time::Duration;
use proptest::prelude::*;

fn at(millis: u64) -> Input {
    Input::at(Time::from_millis(millis))
}

fn fixed(permits: u32, queue_max: u32, wait_max_ms: u64) -> Config {
    let wait_max = Duration::from_millis(wait_max_ms);
    Config { limit: Limit::Fixed(permits), queue_max, wait_max, shed: None }
}

fn shedding(permits: u32, queue_max: u32, wait_max_ms: u64) -> Config {
    Config { shed: Some(shed::Config::default()), ..fixed(permits, queue_max, wait_max_ms) }
}

/// One step of a script.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A caller of normal priority asks, and gets this decision.
    Ask(u64, Said),
    /// A caller of another priority asks.
    AskAs(u64, Priority, Said),
    /// The oldest call ends.
    Tell,
    Leave(u64),
    /// The callers that may ask now.
    Ready(&'static [u64]),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Said {
    Yes,
    Wait(u64),
    No(Reason),
}

use Said::{No, Wait, Yes};
use Step::{Ask, AskAs, Leave, Ready, Tell};

fn say(decision: Decision<Ticket>) -> Said {
    match decision {
        Decision::Admit(_) => Yes,
        Decision::Wait { until } => Wait(until.as_nanos() / 1_000_000),
        Decision::Reject(Rejected { reason, retry_at }) => {
            assert_eq!(retry_at, None);
            No(reason)
        }
    }
}

/// Plays a script; each step has its time in milliseconds.
fn check(config: &Config, script: &[(u64, Step)]) -> State {
    assert_eq!(config.check(), Ok(()));
    let mut state = config.state();
    let mut tickets = Vec::new();
    for (number, (millis, step)) in script.iter().enumerate() {
        let mut ask = |caller, priority| {
            let decision = config.ask(&mut state, at(*millis), Request { caller, priority });
            tickets.extend(decision.admitted());
            say(decision)
        };
        match *step {
            Ask(caller, said) => assert_eq!(ask(caller, Priority::Normal), said, "step {number}"),
            AskAs(caller, priority, said) => assert_eq!(ask(caller, priority), said, "step {number}"),
            Tell => {
                let told = config.tell(&mut state, at(*millis), tickets.remove(0), Outcome::Success, 1);
                assert_eq!(told, Recorded::Counted, "step {number}");
            }
            Leave(caller) => assert!(state.leave(caller), "step {number}"),
            Ready(callers) => {
                let ready: Vec<_> = config.ready(&state, Time::from_millis(*millis)).collect();
                assert_eq!(ready, callers, "step {number}");
            }
        }
    }
    state
}

#[test]
fn without_a_queue_a_full_bulkhead_rejects_at_once() {
    let script = [
        (0, Ask(1, Yes)),
        (0, Ask(2, Yes)),
        (0, Ask(3, No(Reason::BulkheadFull))),
        (5, Tell),
        (5, Ask(3, Yes)),
    ];
    let state = check(&fixed(2, 0, 1_000), &script);
    check(&fixed(2, 10, 0), &script);
    let snapshot = fixed(2, 0, 1_000).snapshot(&state, Time::ZERO);
    assert_eq!((snapshot.limit, snapshot.in_use, snapshot.waiting, snapshot.rejected), (2, 2, 0, 1));
}

#[test]
fn the_queue_is_first_come_first_served_and_nobody_is_overtaken() {
    let script = [
        (0, Ask(1, Yes)),
        (1, Ask(2, Wait(101))),
        (2, Ask(3, Wait(102))),
        (2, Ask(4, No(Reason::BulkheadFull))),
        (3, Ready(&[])),
        (4, Tell),
        (4, Ready(&[2])),
        // The permit is reserved for the first in the queue, no matter who asks first.
        (4, Ask(3, Wait(102))),
        (4, Ask(4, No(Reason::BulkheadFull))),
        (5, Ask(2, Yes)),
        (6, Ready(&[])),
        (7, Ask(4, Wait(107))),
        (8, Tell),
        (8, Ask(3, Yes)),
    ];
    check(&fixed(1, 2, 100), &script);
}

#[test]
fn free_permits_go_to_the_first_in_the_queue_in_any_order_of_asking() {
    let script = [
        (0, Ask(1, Yes)),
        (0, Ask(2, Yes)),
        (0, Ask(3, Wait(100))),
        (0, Ask(4, Wait(100))),
        (0, Ask(5, Wait(100))),
        (1, Tell),
        (1, Tell),
        (1, Ready(&[3, 4])),
        (2, Ask(5, Wait(100))),
        (2, Ask(4, Yes)),
        (2, Ready(&[3])),
        (2, Ask(3, Yes)),
        (2, Ready(&[])),
    ];
    check(&fixed(2, 5, 100), &script);
}

#[test]
fn a_caller_whose_wait_has_ended_holds_up_nobody() {
    let script = [
        (0, Ask(1, Yes)),
        (0, Ask(2, Wait(100))),
        (50, Ask(3, Wait(150))),
        (99, Ask(2, Wait(100))),
        (100, Tell),
        // The second does not come back. Neither a permit nor a place in the full queue is reserved for it.
        (100, Ready(&[3])),
        (100, Ask(3, Yes)),
        (110, Ask(4, Wait(210))),
        (110, Ask(5, Wait(210))),
        (210, Ask(4, No(Reason::BulkheadWait))),
        (500, Ask(5, No(Reason::BulkheadWait))),
    ];
    let state = check(&fixed(1, 2, 100), &script);
    assert_eq!(
        fixed(1, 2, 100).snapshot(&state, Time::ZERO).waited_out,
        3,
        "and the second, whose place went to another"
    );
}

#[test]
fn a_caller_that_leaves_the_queue_lets_the_next_one_go_first() {
    let script = [
        (0, Ask(1, Yes)),
        (0, Ask(2, Wait(100))),
        (0, Ask(3, No(Reason::BulkheadFull))),
        (1, Leave(2)),
        (1, Ask(3, Wait(101))),
        (2, Tell),
        (2, Ready(&[3])),
        (2, Leave(3)),
        (2, Ready(&[])),
        (2, Ask(4, Yes)),
    ];
    check(&fixed(1, 1, 100), &script);
}

#[test]
fn more_important_callers_are_served_first_and_get_the_last_permits() {
    use Priority::{Critical, Low, Normal};
    // Of 4 permits normal callers may use 4 (3.2, rounded up), low ones 2. Of 5 places in the queue: 4, and none.
    let script = [
        (0, AskAs(1, Low, Yes)),
        (0, AskAs(2, Low, Yes)),
        (0, AskAs(3, Low, No(Reason::Shed))),
        (0, AskAs(4, Normal, Yes)),
        (0, AskAs(5, Normal, Yes)),
        (0, AskAs(6, Low, No(Reason::BulkheadFull))),
        (1, AskAs(7, Normal, Wait(101))),
        (2, AskAs(8, Critical, Wait(102))),
        (3, AskAs(9, Critical, Wait(103))),
        (4, AskAs(10, Normal, Wait(104))),
        (5, AskAs(11, Normal, No(Reason::BulkheadFull))),
        (5, AskAs(12, Critical, Wait(105))),
        (5, AskAs(13, Critical, No(Reason::BulkheadFull))),
        (6, Tell),
        (6, Tell),
        (6, Ready(&[8, 9])),
        (6, AskAs(7, Normal, Wait(101))),
        (6, AskAs(8, Critical, Yes)),
        (6, AskAs(9, Critical, Yes)),
        (7, Tell),
        (7, Tell),
        (7, Ready(&[12, 7])),
    ];
    check(&shedding(4, 5, 100), &script);
}

#[test]
fn a_lowered_limit_admits_again_once_enough_permits_were_returned() {
    let (large, small) = (fixed(4, 0, 0), fixed(2, 0, 0));
    let mut state = large.state();
    let request = Request::default();
    let tickets: Vec<_> = (0..4).map(|_| large.ask(&mut state, at(0), request).admitted().unwrap()).collect();
    for (returned, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(
            say(small.ask(&mut state, at(1), request)),
            No(Reason::BulkheadFull),
            "{returned} returned"
        );
        small.tell(&mut state, at(1), ticket, Outcome::Success, 1);
        if returned == 2 {
            break;
        }
    }
    assert_eq!(small.snapshot(&state, Time::ZERO).in_use, 1);
    assert_eq!(say(small.ask(&mut state, at(2), request)), Yes);
    assert_eq!(say(small.ask(&mut state, at(2), request)), No(Reason::BulkheadFull));
    assert_eq!(say(large.ask(&mut state, at(2), request)), Yes);
}

#[test]
fn a_permit_is_returned_whatever_the_outcome_and_only_once() {
    let config = fixed(1, 0, 0);
    let mut state = config.state();
    for outcome in [Outcome::Success, Outcome::Slow, Outcome::Failure, Outcome::Neutral, Outcome::Cancelled] {
        let ticket = config.ask(&mut state, at(0), Request::default()).admitted().unwrap();
        assert_eq!(config.tell(&mut state, at(1), ticket, outcome, 0), Recorded::Counted);
        assert_eq!(config.snapshot(&state, Time::ZERO).in_use, 1);
        assert_eq!(config.tell(&mut state, at(1), ticket, outcome, 1), Recorded::Counted);
        assert_eq!(config.tell(&mut state, at(1), ticket, outcome, 1), Recorded::Stale);
        assert_eq!(config.tell(&mut state, at(1), ticket, outcome, u32::MAX), Recorded::Stale);
        assert_eq!(config.snapshot(&state, Time::ZERO).in_use, 0);
    }
}

fn aimd() -> Config {
    let aimd =
        Aimd { initial: 10, min: 2, max: 12, latency_target: Duration::from_millis(100), ..Aimd::default() };
    Config { limit: Limit::Aimd(aimd), ..Config::default() }
}

fn take(config: &Config, state: &mut State, millis: u64, n: usize) -> Vec<Ticket> {
    (0..n).map(|_| config.ask(state, at(millis), Request::default()).admitted().unwrap()).collect()
}

#[test]
fn aimd_cuts_once_per_round_trip() {
    let config = aimd();
    let mut state = config.state();
    let tickets = take(&config, &mut state, 0, 10);
    let told: Vec<_> = tickets
        .into_iter()
        .map(|ticket| config.tell(&mut state, at(50), ticket, Outcome::Failure, 1))
        .collect();
    assert_eq!(told[0], Recorded::Changed(Changed { from: 10, to: 9 }));
    assert!(told[1..].iter().all(|told| *told == Recorded::Counted));
    // Calls that started after the cut may cut again: a late success, a slow call, a late cancellation.
    for (begun, ended, outcome, to) in
        [(60, 161, Outcome::Success, 8), (170, 180, Outcome::Slow, 7), (190, 291, Outcome::Cancelled, 6)]
    {
        let ticket = take(&config, &mut state, begun, 1)[0];
        let told = config.tell(&mut state, at(ended), ticket, outcome, 1);
        assert_eq!(told, Recorded::Changed(Changed { from: to + 1, to }));
    }
    for (begun, ended, outcome) in
        [(300, 400, Outcome::Success), (300, 310, Outcome::Cancelled), (300, 900, Outcome::Neutral)]
    {
        let ticket = take(&config, &mut state, begun, 1)[0];
        assert_eq!(config.tell(&mut state, at(ended), ticket, outcome, 1), Recorded::Counted);
    }
    // The clock may be so coarse that a call starts and fails at the same time.
    let tickets = take(&config, &mut state, 1_000, 3);
    let told = tickets.into_iter().map(|it| config.tell(&mut state, at(1_000), it, Outcome::Failure, 1));
    assert_eq!(told.filter(|told| *told != Recorded::Counted).count(), 1);
}

#[test]
fn the_gradient_learns_nothing_from_quick_failures() {
    let config = Config { limit: Limit::Gradient(Gradient::default()), ..Config::default() };
    let mut state = config.state();
    let mut round = |begun, latency, outcome| {
        // More than half of the limit is in use, so that it may grow.
        let n = config.snapshot(&state, Time::ZERO).limit as usize;
        for ticket in take(&config, &mut state, begun, n) {
            config.tell(&mut state, at(begun + latency), ticket, outcome, 1);
        }
        let snapshot = config.snapshot(&state, Time::ZERO);
        (snapshot.limit, snapshot.baseline)
    };
    // It starts at a quarter, and measures.
    let measured = (20, Some(Duration::from_millis(100)));
    assert_eq!(round(1, 100, Outcome::Success), measured);
    assert_eq!(round(1_000, 1, Outcome::Failure), measured);
    assert_eq!(round(2_000, 1, Outcome::Cancelled), measured);
    assert_eq!(round(3_000, 1_000, Outcome::Neutral), measured);
    // A slow failure is slow.
    assert!(round(5_000, 1_000, Outcome::Failure).0 < 20);
    assert_eq!(round(7_000, 1_000, Outcome::Cancelled).1, Some(Duration::from_millis(100)));
}

#[test]
fn aimd_grows_by_one_per_limit_of_good_outcomes_and_only_while_in_use() {
    let config = aimd();
    let mut state = config.state();
    let tickets = take(&config, &mut state, 0, 10);
    let mut changes = Vec::new();
    for (number, ticket) in tickets.into_iter().enumerate() {
        // Each one returns a permit, so the last four find less than half of the limit in use.
        if config.tell(&mut state, at(1), ticket, Outcome::Success, 1) != Recorded::Counted {
            changes.push(number);
        }
    }
    assert!(changes.is_empty(), "{changes:?}");
    for round in 0..100 {
        let tickets = take(&config, &mut state, 10 + round, 10);
        for ticket in tickets {
            config.tell(&mut state, at(10 + round), ticket, Outcome::Success, 1);
        }
    }
    assert_eq!(config.snapshot(&state, Time::ZERO).limit, 12);
}

#[test]
fn an_adaptive_limit_stays_within_its_bounds() {
    let gradient = Gradient { initial: 10, min: 2, max: 12, ..Gradient::default() };
    for config in [aimd(), Config { limit: Limit::Gradient(gradient), ..Config::default() }] {
        let (mut state, mut rng) = (config.state(), Rng(5));
        for millis in (0..200_000).step_by(10) {
            let outcome = if rng.one_in(2) { Outcome::Failure } else { Outcome::Success };
            let Some(ticket) = config.ask(&mut state, at(millis), Request::default()).admitted() else {
                panic!("all permits were returned")
            };
            config.tell(&mut state, at(millis + rng.below(1_000)), ticket, outcome, 1);
            let limit = config.snapshot(&state, Time::ZERO).limit;
            assert!((2..=12).contains(&limit), "{limit}");
        }
        assert!(config.snapshot(&state, Time::ZERO).limit < 6);
    }
}

/// The model: a plain list.
#[derive(Default)]
struct Model {
    in_use: u64,
    /// Callers with their priority, arrival, and end of waiting.
    queue: Vec<(u64, Priority, u64, Time)>,
    arrivals: u64,
}

impl Model {
    fn share(config: &Config, priority: Priority, of: u32) -> u64 {
        let percent = match (&config.shed, priority) {
            (None, _) => 100,
            (Some(shed), Priority::Critical) => shed.critical_percent,
            (Some(shed), Priority::Normal) => shed.normal_percent,
            (Some(shed), Priority::Low) => shed.low_percent,
        };
        (u64::from(of) * u64::from(percent)).div_ceil(100)
    }

    fn ask(&mut self, config: &Config, now: Time, request: Request) -> Said {
        let Limit::Fixed(limit) = config.limit else { panic!("a fixed one") };
        let known = self.queue.iter().position(|(caller, ..)| *caller == request.caller);
        let (priority, came, until) = known.map_or((request.priority, u64::MAX, Time::FAR), |place| {
            let (_, priority, came, until) = self.queue[place];
            (priority, came, until)
        });
        if now >= until {
            self.queue.remove(known.unwrap());
            return No(Reason::BulkheadWait);
        }
        let before = self.queue.iter().filter(|(_, other, at, until)| {
            now < *until && (*other > priority || *other == priority && *at < came)
        });
        if self.in_use + (before.count() as u64) < Self::share(config, priority, limit) {
            self.queue.retain(|(caller, ..)| *caller != request.caller);
            self.in_use += 1;
            return Yes;
        }
        if known.is_some() {
            return Wait(until.as_nanos() / 1_000_000);
        }
        let may_wait = config.shed.as_ref().is_none_or(|shed| priority >= shed.queue_from);
        let places = if may_wait { Self::share(config, priority, config.queue_max) } else { 0 };
        if self.queue.len() as u64 >= places {
            self.queue.retain(|(.., until)| now < *until);
        }
        if config.wait_max.is_zero() || self.queue.len() as u64 >= places {
            let is_shed =
                self.in_use < u64::from(limit) && self.in_use >= Self::share(config, priority, limit);
            return No(if is_shed { Reason::Shed } else { Reason::BulkheadFull });
        }
        self.arrivals += 1;
        let until = now + config.wait_max;
        self.queue.push((request.caller, priority, self.arrivals, until));
        Wait(until.as_nanos() / 1_000_000)
    }
}

#[test]
fn it_decides_like_a_plain_list_of_callers() {
    let mut rng = Rng(11);
    let walks = 60;
    let priorities = [Priority::Low, Priority::Normal, Priority::Critical];
    for walk in 0..walks {
        let make = |rng: &mut Rng| Config {
            limit: Limit::Fixed(rng.below(8) as u32),
            shed: rng.one_in(2).then(|| shed::Config {
                queue_from: priorities[rng.below(3) as usize],
                ..shed::Config::default()
            }),
            ..fixed(0, rng.below(8) as u32, 100)
        };
        let mut config = make(&mut rng);
        let (mut state, mut model, mut tickets) = (config.state(), Model::default(), Vec::new());
        let mut clock = Clock { now: 0, stride: 5_000_000 };
        let mut latest = Time::ZERO;
        for step in 0..steps(875_000) / walks {
            let input = clock.step(&mut rng);
            let told = format!("walk {walk}, step {step}: {config:?}");
            let caller = rng.below(16);
            match rng.below(100) {
                0..=54 => {
                    latest = latest.max(input.now);
                    let request = Request { caller, priority: priorities[rng.below(3) as usize] };
                    let decision = config.ask(&mut state, input, request);
                    assert_eq!(say(decision), model.ask(&config, latest, request), "{told}");
                    tickets.extend(decision.admitted());
                }
                55..=89 if !tickets.is_empty() => {
                    latest = latest.max(input.now);
                    let ticket = tickets.swap_remove(rng.below(tickets.len() as u64) as usize);
                    assert_eq!(
                        config.tell(&mut state, input, ticket, Outcome::Success, 1),
                        Recorded::Counted
                    );
                    model.in_use -= 1;
                }
                90..=97 => {
                    let before = model.queue.len();
                    model.queue.retain(|(waiting, ..)| *waiting != caller);
                    assert_eq!(state.leave(caller), model.queue.len() < before, "{told}");
                }
                98 if rng.one_in(20) => config = make(&mut rng),
                _ => {}
            }
            if rng.one_in(4) {
                let now = latest.max(input.now);
                let ready: Vec<_> = config.ready(&state, now).collect();
                let mut would: Vec<_> = model.queue.iter().map(|(caller, ..)| *caller).collect();
                would.retain(|caller| {
                    let request = Request { caller: *caller, priority: Priority::Low };
                    config.ask(&mut state.clone(), Input::at(now), request).admitted().is_some()
                });
                would.sort_unstable();
                let mut sorted = ready.clone();
                sorted.sort_unstable();
                assert_eq!(sorted, would, "{told}");
            }
            let snapshot = config.snapshot(&state, latest);
            let waiting = model.queue.iter().filter(|(.., until)| latest < *until).count();
            assert_eq!(u64::from(snapshot.in_use), model.in_use, "{told}");
            assert_eq!(snapshot.waiting as usize, waiting, "{told}");
        }
        drain(&config, state, tickets, (0..16).collect());
    }
}

/// Checks that permits do not leak: once all are returned and all callers have left, none is in use.
fn drain(config: &Config, mut state: State, tickets: Vec<Ticket>, callers: Vec<u64>) {
    let all = tickets.len();
    assert_eq!(config.snapshot(&state, Time::ZERO).in_use as usize, all);
    for ticket in tickets {
        config.tell(&mut state, at(0), ticket, Outcome::Cancelled, 1);
    }
    for caller in callers {
        state.leave(caller);
    }
    let snapshot = config.snapshot(&state, Time::ZERO);
    assert_eq!((snapshot.in_use, snapshot.waiting), (0, 0));
    assert!(state.queue_is_empty());
}

#[test]
fn permits_of_adaptive_limits_never_leak() {
    let mut rng = Rng(13);
    let outcomes = [Outcome::Success, Outcome::Slow, Outcome::Failure, Outcome::Neutral, Outcome::Cancelled];
    for limit in [Limit::Aimd(Aimd::default()), Limit::Gradient(Gradient::default())] {
        let config = Config { limit, ..Config::default() };
        let (mut state, mut tickets) = (config.state(), Vec::new());
        let mut clock = Clock { now: 0, stride: 5_000_000 };
        for step in 0..steps(125_000) / 2 {
            let input = clock.step(&mut rng);
            let limit = config.snapshot(&state, input.now).limit;
            if rng.one_in(2) {
                let request = Request { caller: rng.below(100), priority: Priority::Normal };
                tickets.extend(config.ask(&mut state, input, request).admitted());
                let snapshot = config.snapshot(&state, input.now);
                assert!(snapshot.in_use as usize == tickets.len(), "step {step}");
            } else if !tickets.is_empty() {
                let ticket = tickets.swap_remove(rng.below(tickets.len() as u64) as usize);
                let outcome = outcomes[rng.below(20).min(4) as usize];
                let told = config.tell(&mut state, input, ticket, outcome, 1);
                let to = config.snapshot(&state, input.now).limit;
                let expected = if to == limit {
                    Recorded::Counted
                } else {
                    Recorded::Changed(Changed { from: limit, to })
                };
                assert_eq!(told, expected, "step {step}");
            }
        }
        drain(&config, state, tickets, (0..100).collect());
    }
}

fn some_number() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0), Just(1), 0..50_u32, any::<u32>(), Just(u32::MAX)]
}

fn some_nanos() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 0..5_000_u64, any::<u64>(), Just(u64::MAX)]
}

fn some_limit() -> impl Strategy<Value = Limit> {
    let numbers = (some_number(), some_number(), some_number(), any::<u8>(), any::<u16>(), some_nanos());
    (0..3, numbers).prop_map(|(kind, (initial, min, max, percent, tolerance, span))| match kind {
        0 => Limit::Fixed(initial),
        1 => Limit::Aimd(Aimd {
            initial,
            min,
            max,
            backoff_percent: percent,
            latency_target: Duration::from_nanos(span),
        }),
        _ => Limit::Gradient(Gradient {
            initial,
            min,
            max,
            tolerance_percent: tolerance,
            smoothing_percent: percent,
            remeasure_every: Duration::from_nanos(span),
        }),
    })
}

fn some_config() -> impl Strategy<Value = Config> {
    let shed = prop::option::of((any::<u8>(), any::<u8>(), any::<u8>()));
    (some_limit(), 0..40_u32, some_nanos(), shed).prop_map(|(limit, queue_max, wait_max, shed)| Config {
        limit,
        queue_max,
        wait_max: Duration::from_nanos(wait_max),
        shed: shed.map(|(critical_percent, normal_percent, low_percent)| shed::Config {
            critical_percent,
            normal_percent,
            low_percent,
            queue_from: Priority::Low,
        }),
    })
}

proptest! {
    #[test]
    fn no_configuration_and_no_sequence_of_requests_panics(
        configs in prop::collection::vec(some_config(), 1..3),
        inputs in prop::collection::vec((some_nanos(), 0..6_u64, 0..5_usize, some_number(), any::<bool>()), 1..60),
    ) {
        let outcomes = [Outcome::Success, Outcome::Slow, Outcome::Failure, Outcome::Neutral, Outcome::Cancelled];
        let mut state = State::default();
        let mut tickets = Vec::new();
        for (number, (now, caller, outcome, n, asks)) in inputs.into_iter().enumerate() {
            let config = &configs[number % configs.len()];
            let now = Time::from_nanos(now);
            let _ = (config.check(), config.next(&state, now), config.snapshot(&state, now));
            if asks {
                let before = config.snapshot(&state, now).in_use;
                let request = Request { caller, priority: Priority::Normal };
                let ticket = config.ask(&mut state, Input::at(now), request).admitted();
                prop_assert!(ticket.is_none() || before < config.snapshot(&state, now).limit);
                tickets.extend(ticket);
            } else if let Some(ticket) = tickets.pop() {
                config.tell(&mut state, Input::at(now), ticket, outcomes[outcome], n);
            }
        }
    }
}

#[test]
fn a_configuration_error_names_its_field() {
    let field = |config: Config| config.check().map_err(|error| error.field.into_owned());
    let aimd = |aimd| field(Config { limit: Limit::Aimd(aimd), ..Config::default() });
    let gradient = |gradient| field(Config { limit: Limit::Gradient(gradient), ..Config::default() });
    assert_eq!(field(Config::default()), Ok(()));
    assert_eq!(aimd(Aimd::default()), Ok(()));
    assert_eq!(gradient(Gradient::default()), Ok(()));
    assert_eq!(field(fixed(0, 0, 0)), Err("limit.fixed".into()));
    assert_eq!(field(fixed(1, 10_001, 0)), Err("queue_max".into()));
    assert_eq!(field(fixed(1, 1, u64::MAX)), Err("wait_max_ms".into()));
    assert_eq!(aimd(Aimd { min: 0, ..Aimd::default() }), Err("limit.aimd.min".into()));
    assert_eq!(aimd(Aimd { initial: 2_000, ..Aimd::default() }), Err("limit.aimd.initial".into()));
    assert_eq!(
        aimd(Aimd { backoff_percent: 100, ..Aimd::default() }),
        Err("limit.aimd.backoff_percent".into())
    );
    let too_strict = Gradient { tolerance_percent: 99, ..Gradient::default() };
    assert_eq!(gradient(too_strict), Err("limit.gradient.tolerance_percent".into()));
    let shed = shed::Config { low_percent: 90, ..shed::Config::default() };
    assert_eq!(field(Config { shed: Some(shed), ..Config::default() }), Err("shed.low_percent".into()));
}

#[cfg(feature = "serde")]
#[test]
fn configurations_and_states_survive_serialization() {
    let read = |written: &str| serde_json::from_str::<Config>(written);
    assert_eq!(read("{}").unwrap(), Config::default());
    let written = r#"{"limit":{"fixed":32},"queue_max":32,"wait_max_ms":500,"shed":null}"#;
    assert_eq!(serde_json::to_string(&Config::default()).unwrap(), written);
    let config = read(r#"{"limit":{"aimd":{"latency_target_ms":70}},"shed":{"low_percent":10}}"#).unwrap();
    let Limit::Aimd(aimd) = &config.limit else { panic!("{config:?}") };
    assert_eq!(aimd.latency_target, Duration::from_millis(70));
    assert_eq!(
        serde_json::to_string(&Limit::Gradient(Gradient::default())).unwrap(),
        r#"{"gradient":{"initial":20,"min":1,"max":1000,"tolerance_percent":150,"smoothing_percent":20,"remeasure_every_ms":30000}}"#
    );
    assert!(read(r#"{"limits":{"fixed":1}}"#).is_err());
    assert!(read(r#"{"limit":{"aimd":{"target":1}}}"#).is_err());

    let mut state = config.state();
    let ticket = config.ask(&mut state, at(1), Request::default()).admitted().unwrap();
    for caller in 1..30 {
        let _ = config.ask(&mut state, at(2), Request { caller, priority: Priority::Critical });
    }
    let restored: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
    assert_eq!(restored, state);
    let restored: Ticket = serde_json::from_str(&serde_json::to_string(&ticket).unwrap()).unwrap();
    assert_eq!(restored, ticket);
}

#[test]
fn a_new_gradient_measures_at_a_quarter_of_its_initial_limit() {
    for (initial, min, expected) in [(20, 1, 5), (100, 1, 25), (2, 1, 1), (20, 8, 8)] {
        let gradient = Gradient { initial, min, ..Gradient::default() };
        let config = Config { limit: Limit::Gradient(gradient), ..Config::default() };
        assert_eq!(config.snapshot(&config.state(), Time::ZERO).limit, expected, "{initial}, at least {min}");
    }
}

#[test]
fn a_free_permit_goes_to_the_first_caller_still_waiting() {
    let config = fixed(1, 5, 100);
    let mut state = config.state();
    let request = |caller| Request { caller, ..Request::default() };
    let ticket = config.ask(&mut state, at(0), request(11)).admitted().expect("free");
    for caller in [12, 13] {
        assert_eq!(config.ask(&mut state, at(0), request(caller)), Decision::Wait { until: at(100).now });
    }
    assert_eq!(config.next(&state, at(50).now), None, "no permit is free");
    config.tell(&mut state, at(50), ticket, Outcome::Success, 1);
    assert_eq!(config.next(&state, at(50).now), Some(12));
    assert_eq!(config.snapshot(&state, at(99).now).waiting, 2);
    assert_eq!(config.snapshot(&state, at(100).now).waiting, 0, "their `wait_max` has ended");
    assert_eq!(config.next(&state, at(100).now), None);
}
