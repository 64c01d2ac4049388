//! The breaker as tables of cases, and against a naive model.

mod bugs;
mod model;
mod rules;

use super::{Circuit, Config, Request, SavedCalls, Snapshot, State, Ticket, Transition, Window};
use crate::contract::{Decide, Decision, Input, Outcome, Reason, Recorded, Rejected, Time};
use core::time::Duration;

/// A breaker with a clock that the test moves.
#[derive(Debug)]
struct Bench {
    config: Config,
    state: State,
    now: Time,
    random: u64,
}

/// Judges by 4 to 10 calls, stays open for 1 s without jitter, needs 2 probes, and has no ramp.
fn small() -> Config {
    Config {
        window: Window::Calls(10),
        calls_min: 4,
        failure_percent: Some(50),
        open_for: Duration::from_secs(1),
        open_for_max: Duration::from_secs(8),
        open_jitter_percent: 0,
        probes: 2,
        probe_for: Duration::from_secs(3),
        ramp_for: Duration::ZERO,
        ..Config::default()
    }
}

impl Bench {
    fn new(config: Config) -> Self {
        Self { state: config.state(), config, now: Time::from_millis(1), random: 0 }
    }

    fn input(&self) -> Input {
        Input { now: self.now, random: self.random }
    }

    fn pass_millis(&mut self, millis: u64) -> &mut Self {
        self.now = self.now + Duration::from_millis(millis);
        self
    }

    fn ask(&mut self) -> Decision<Ticket> {
        let input = self.input();
        self.config.ask(&mut self.state, input, Request::default())
    }

    fn ticket(&mut self) -> Ticket {
        self.ask().admitted().expect("the call is admitted")
    }

    fn tell(&mut self, ticket: Ticket, outcome: Outcome) -> Recorded<Transition> {
        let input = self.input();
        self.config.tell(&mut self.state, input, ticket, outcome, 1)
    }

    /// Makes a call per letter and records its outcome: `s`uccess, `f`ailure, s`l`ow, `n`eutral, `c`ancelled.
    fn calls(&mut self, outcomes: &str) -> &mut Self {
        for letter in outcomes.chars() {
            let ticket = self.ticket();
            let outcome = match letter {
                's' => Outcome::Success,
                'f' => Outcome::Failure,
                'l' => Outcome::Slow,
                'n' => Outcome::Neutral,
                _ => Outcome::Cancelled,
            };
            self.tell(ticket, outcome);
        }
        self
    }

    fn circuit(&self) -> Circuit {
        self.state.circuit()
    }

    fn snapshot(&self) -> Snapshot {
        self.config.snapshot(&self.state, self.now)
    }

    fn rejected(&mut self) -> Option<(Reason, Option<Time>)> {
        match self.ask() {
            Decision::Reject(Rejected { reason, retry_at }) => Some((reason, retry_at)),
            _ => None,
        }
    }
}
