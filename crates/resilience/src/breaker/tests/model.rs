//! The breaker against a naive model that keeps every call since the last transition and recounts them all.

use super::*;
use crate::test_rng::{Rng, steps};

#[derive(Debug)]
struct Model {
    config: Config,
    circuit: Circuit,
    generation: u32,
    calls: Vec<(Time, Outcome)>,
    since: Time,
    until: Time,
    trips: u32,
    probes: Vec<(u32, Time)>,
    probe_last: u32,
    verdicts: Vec<bool>,
}

impl Model {
    fn begin(&mut self, circuit: Circuit, now: Time) {
        self.circuit = circuit;
        self.since = now;
        self.generation += 1;
        self.calls.clear();
        self.probes.clear();
        self.verdicts.clear();
    }

    fn open(&mut self, now: Time) {
        let calm = self.circuit == Circuit::Closed && now.since(self.since) >= self.config.forget_after;
        self.trips = if calm { 1 } else { self.trips + 1 };
        let mut length = self.config.open_for;
        for _ in 1..self.trips {
            length = (length * 2).min(self.config.open_for_max);
        }
        self.until = now + length;
        self.begin(Circuit::Open, now);
    }

    /// The share of admitted calls.
    fn share(&self, now: Time) -> u64 {
        let (passed, all) = (now.since(self.since).as_millis(), self.config.ramp_for.as_millis());
        if passed >= all {
            return 100;
        }
        let from = u128::from(self.config.ramp_from_percent);
        (from + (100 - from) * passed / all) as u64
    }

    fn ask(&mut self, now: Time, percent: u64) -> Result<u32, Reason> {
        match self.circuit {
            Circuit::Closed if self.trips == 0 || percent < self.share(now) => return Ok(0),
            Circuit::Closed => return Err(Reason::BreakerRamp),
            Circuit::Open if now < self.until => return Err(Reason::BreakerOpen),
            Circuit::Open => self.begin(Circuit::HalfOpen, now),
            Circuit::HalfOpen => {}
        }
        self.probes.retain(|(_, until)| *until > now);
        let all = self.probes.len() + self.verdicts.len();
        if self.probes.len() >= self.config.probes_at_once as usize || all >= self.config.probes as usize {
            return Err(Reason::BreakerProbing);
        }
        self.probe_last += 1;
        self.probes.push((self.probe_last, now + self.config.probe_for));
        Ok(self.probe_last)
    }

    fn in_window(&self, now: Time) -> Vec<Outcome> {
        let bucket = |time: Time, length: Duration, buckets: u32| {
            u128::from(time.as_nanos()) / (length.as_nanos() / u128::from(buckets))
        };
        let calls = self.calls.iter();
        match self.config.window {
            Window::Calls(length) => calls.rev().take(length as usize).map(|(_, outcome)| *outcome).collect(),
            Window::Time { length, buckets } => calls
                .filter(|(at, _)| {
                    bucket(*at, length, buckets) + u128::from(buckets) > bucket(now, length, buckets)
                })
                .map(|(_, outcome)| *outcome)
                .collect(),
        }
    }

    fn tell(&mut self, now: Time, ticket: Ticket, outcome: Outcome) -> Recorded<Circuit> {
        if ticket.generation != self.generation {
            return Recorded::Stale;
        }
        if self.circuit == Circuit::HalfOpen {
            return self.tell_probe(now, ticket, outcome);
        }
        if matches!(outcome, Outcome::Neutral | Outcome::Cancelled) {
            return Recorded::Counted;
        }
        self.calls.push((now, outcome));
        let window = self.in_window(now);
        let count = |kind| window.iter().filter(|outcome| **outcome == kind).count() as u64;
        let share = |kind, percent: Option<u8>| {
            percent.is_some_and(|percent| count(kind) * 100 >= u64::from(percent) * window.len() as u64)
        };
        let row = self.calls.iter().rev().take_while(|(_, outcome)| *outcome == Outcome::Failure).count();
        let trips = self.config.consecutive_failures.is_some_and(|most| row >= most as usize)
            || window.len() >= self.config.calls_min as usize
                && (count(Outcome::Failure) > 0 && share(Outcome::Failure, self.config.failure_percent)
                    || count(Outcome::Slow) > 0 && share(Outcome::Slow, self.config.slow_percent));
        if outcome == Outcome::Success || !trips {
            return Recorded::Counted;
        }
        self.open(now);
        Recorded::Changed(Circuit::Open)
    }

    fn tell_probe(&mut self, now: Time, ticket: Ticket, outcome: Outcome) -> Recorded<Circuit> {
        let before = self.probes.len();
        self.probes.retain(|(id, until)| !(*id == ticket.probe && *until > now));
        if self.probes.len() == before {
            return Recorded::Stale;
        }
        match outcome {
            Outcome::Success => self.verdicts.push(true),
            Outcome::Slow => self.verdicts.push(self.config.slow_percent.is_none()),
            Outcome::Failure => self.verdicts.push(false),
            Outcome::Neutral | Outcome::Cancelled => {}
        }
        let needed =
            (f64::from(self.config.probes) * f64::from(self.config.probe_success_percent) / 100.0).ceil();
        let (good, bad) = (
            self.verdicts.iter().filter(|good| **good).count(),
            self.verdicts.iter().filter(|good| !**good).count(),
        );
        if good as f64 >= needed {
            self.begin(Circuit::Closed, now);
            return Recorded::Changed(Circuit::Closed);
        }
        if (self.config.probes as usize - bad) < needed as usize {
            self.open(now);
            return Recorded::Changed(Circuit::Open);
        }
        Recorded::Counted
    }
}

fn any_config(rng: &mut Rng) -> Config {
    let probes = 1 + rng.below(4) as u32;
    let mut some = |bound: u64| (rng.below(3) > 0).then(|| 1 + rng.below(bound));
    let percent = |is: Option<u64>| is.map(|is| is as u8);
    Config {
        failure_percent: percent(some(100)),
        slow_percent: percent(some(100)),
        consecutive_failures: some(6).map(|is| is as u32),
        window: match some(20) {
            Some(calls) => Window::Calls(5 + calls as u32),
            None => Window::Time {
                length: Duration::from_millis(40 * (1 + rng.below(5))),
                buckets: 1 + rng.below(4) as u32,
            },
        },
        calls_min: 1 + rng.below(6) as u32,
        open_for: Duration::from_millis(1 + rng.below(30)),
        open_for_max: Duration::from_millis(30 + rng.below(100)),
        open_jitter_percent: 0,
        forget_after: Duration::from_millis(rng.below(400)),
        probes,
        probes_at_once: 1 + rng.below(probes.into()) as u32,
        probe_success_percent: 1 + rng.below(100) as u8,
        probe_for: Duration::from_millis(1 + rng.below(20)),
        ramp_for: Duration::from_millis(rng.below(3) * 20),
        ramp_from_percent: 1 + rng.below(100) as u8,
        ..Config::default()
    }
}

/// Leads a breaker and its model through the same random calls. Returns how often each transition happened.
fn walk(rng: &mut Rng, steps: u64) -> [u64; 3] {
    let config = any_config(rng);
    assert_eq!(config.check(), Ok(()), "{config:?}");
    let mut state = config.state();
    let mut model = Model {
        config: config.clone(),
        circuit: Circuit::Closed,
        generation: 0,
        calls: vec![],
        since: Time::ZERO,
        until: Time::ZERO,
        trips: 0,
        probes: vec![],
        probe_last: 0,
        verdicts: vec![],
    };
    let sick = rng.below(5);
    let (mut now, mut under_way, mut changes) = (Time::ZERO, Vec::<Ticket>::new(), [0; 3]);
    for step in 0..steps {
        now = now + Duration::from_millis(rng.below(4) * rng.below(6));
        let percent = rng.below(100);
        let input = Input { now, random: u64::MAX / 100 * percent + u64::MAX / 200 };
        let is_full = under_way.len() > 6;
        if !is_full && rng.below(2) == 0 {
            let (decision, expected) =
                (config.ask(&mut state, input, Request::default()), model.ask(now, percent));
            match (decision, expected) {
                (Decision::Admit(ticket), Ok(probe)) => {
                    assert_eq!(ticket, Ticket { generation: model.generation, probe, source: 0 });
                    under_way.push(ticket);
                }
                (Decision::Reject(Rejected { reason, .. }), Err(expected)) => {
                    assert_eq!(reason, expected, "step {step}, {config:?}")
                }
                (decision, expected) => panic!("step {step}: {decision:?}, not {expected:?}, {config:?}"),
            }
        } else if !under_way.is_empty() {
            let ticket = under_way.swap_remove(rng.below(under_way.len() as u64) as usize);
            let outcome = match rng.below(10) {
                0 => Outcome::Neutral,
                1 => Outcome::Cancelled,
                kind if kind < 2 + sick => Outcome::Failure,
                7 => Outcome::Slow,
                _ => Outcome::Success,
            };
            let told = match config.tell(&mut state, input, ticket, outcome, 1) {
                Recorded::Changed(transition) => Recorded::Changed(transition.to),
                Recorded::Counted => Recorded::Counted,
                Recorded::Stale => Recorded::Stale,
            };
            assert_eq!(told, model.tell(now, ticket, outcome), "step {step}, {config:?}");
            if let Recorded::Changed(to) = told {
                changes[to as usize] += 1;
            }
        }
        if rng.one_in(7) {
            // As if it had been stored meanwhile.
            state = State::restore(state.save());
        }
        assert_eq!(state.circuit(), model.circuit, "step {step}, {config:?}");
        changes[Circuit::HalfOpen as usize] += u64::from(model.circuit == Circuit::HalfOpen);
    }
    changes
}

#[test]
fn it_decides_like_a_naive_breaker_over_millions_of_steps() {
    let mut rng = Rng(0xb0_4e);
    let mut changes = [0; 3];
    for _ in 0..steps(4_000) {
        let walked = walk(&mut rng, 1_000);
        changes.iter_mut().zip(walked).for_each(|(all, these)| *all += these);
    }
    // The walk must have visited every state.
    assert!(changes.iter().all(|n| *n > steps(20_000)), "closed, open, half-open: {changes:?}");
}
