//! Retries against a naive model that keeps every call and every retry and recounts them each time.

use super::super::*;
use crate::budget;
use crate::contract::{Decide, Decision, Input, Outcome, Reason, Rejected, Time};
use crate::test_rng::{Rng, steps};
use core::time::Duration;

/// The naive model: events in the order in which they happened.
struct Naive {
    config: Config,
    clock: u64,
    /// Time, number of calls, number of retries.
    kept: Vec<(u64, u64, u64)>,
    retries: u64,
    recovered: u64,
}

/// The decisions that are right.
#[derive(Debug)]
enum Expected {
    Exactly(Decision<Ticket>),
    WaitBetween(u64, u64),
}

impl Naive {
    fn is_in_budget(&self) -> bool {
        let bucket = |at: u64| at / (nanos(self.config.budget.length) / 10);
        let lately = || self.kept.iter().filter(|(at, ..)| bucket(*at) + 10 > bucket(self.clock));
        let calls: u64 = lately().map(|(_, calls, _)| calls).sum();
        let spent: u64 = lately().map(|(.., spent)| spent).sum();
        let given = u64::from(self.config.budget.per_second_min) * self.config.budget.length.as_secs();
        spent < calls * u64::from(self.config.budget.percent) / 100 + given
    }

    fn ask(&mut self, input: Input, again: Again) -> Expected {
        self.clock = self.clock.max(input.now.as_nanos());
        let (config, now) = (&self.config, self.clock);
        let no = |reason, retry_at| Expected::Exactly(Decision::Reject(Rejected { reason, retry_at }));
        if again.safety == Safety::Unsafe && config.repeat == Repeat::SafeOnly {
            return no(Reason::RetryUnsafe, None);
        }
        if again.attempts >= config.attempts_max {
            return no(Reason::RetryAttempts, None);
        }
        let last_moment = again.begun.as_nanos() + nanos(config.elapsed_max);
        let bucket = nanos(config.budget.length) / 10;
        let spent = no(Reason::RetryBudget, Some(Time::from_nanos((now / bucket + 1) * bucket)));
        if let Some(due) = again.due {
            return if due.as_nanos().max(now) > last_moment {
                no(Reason::RetryElapsed, None)
            } else if !self.is_in_budget() {
                spent
            } else if now < due.as_nanos() {
                Expected::Exactly(Decision::Wait { until: due })
            } else {
                self.kept.push((now, 0, 1));
                self.retries += 1;
                Expected::Exactly(Decision::Admit(Ticket { attempt: again.attempts + 1 }))
            };
        }
        let asked = nanos(again.retry_after.unwrap_or_default());
        if asked > nanos(config.retry_after_max) {
            return no(Reason::RetryElapsed, Some(Time::from_nanos(now + asked)));
        }
        let (least, most) = self.backoff(&again);
        let (least, most) = match config.backoff.jitter {
            Jitter::None => (least.max(asked), most.max(asked)),
            _ => (least + asked, most + asked),
        };
        if now + least > last_moment {
            no(Reason::RetryElapsed, None)
        } else if !self.is_in_budget() {
            // With the drawn backoff, it may also be too late.
            if now + most > last_moment { Expected::WaitBetween(1, 0) } else { spent }
        } else {
            Expected::WaitBetween(now + least, now + most)
        }
    }

    /// The bounds of the backoff.
    fn backoff(&self, again: &Again) -> (u64, u64) {
        let (first, max) = (nanos(self.config.backoff.first), nanos(self.config.backoff.max));
        let doubled = (1..again.attempts).fold(first, |backoff, _| (backoff * 2).min(max)).min(max);
        match self.config.backoff.jitter {
            Jitter::None => (doubled, doubled),
            Jitter::Full => (0, doubled),
            Jitter::Decorrelated => (first.min(max), (nanos(again.backoff).max(first) * 3).min(max)),
        }
    }
}

fn nanos(span: Duration) -> u64 {
    span.as_nanos() as u64
}

fn any_config(rng: &mut Rng) -> Config {
    let millis = |rng: &mut Rng, most| Duration::from_millis(1 + rng.below(most));
    Config {
        attempts_max: 1 + rng.below(4) as u32,
        elapsed_max: millis(rng, 4_000),
        backoff: Backoff {
            first: millis(rng, 200),
            max: millis(rng, 1_000),
            jitter: [Jitter::Full, Jitter::Decorrelated, Jitter::None][rng.below(3) as usize],
        },
        retry_after_max: millis(rng, 1_000),
        budget: budget::Config {
            percent: rng.below(120) as u32,
            per_second_min: rng.below(2) as u32,
            length: Duration::from_secs(1 + rng.below(3)),
        },
        repeat: [Repeat::SafeOnly, Repeat::All][rng.below(2) as usize],
    }
}

fn any_again(rng: &mut Rng, now: u64) -> Again {
    let near = |rng: &mut Rng| Time::from_nanos((now + rng.below(1 << 30)).saturating_sub(1 << 29));
    Again {
        attempts: 1 + rng.below(4) as u32,
        begun: Time::from_nanos(now.saturating_sub(rng.below(1 << 32))),
        backoff: Duration::from_nanos(rng.below(1 << 29)),
        retry_after: (rng.below(3) == 0).then(|| Duration::from_nanos(rng.below(1 << 30))),
        safety: [Safety::Safe, Safety::Safe, Safety::Unsafe][rng.below(3) as usize],
        due: (rng.below(2) == 0).then(|| near(rng)),
    }
}

#[test]
fn it_decides_like_a_model_that_keeps_every_call() {
    const WALK: u64 = 300;
    let (mut admitted, mut waited, mut rejected) = (0_u64, 0_u64, 0_u64);
    for seed in 0..steps(1_500_000) / WALK {
        let mut rng = Rng(seed);
        let config = any_config(&mut rng);
        let mut state = config.state();
        let mut naive =
            Naive { config: config.clone(), clock: 0, kept: Vec::new(), retries: 0, recovered: 0 };
        let mut now = 0_u64;
        for step in 0..WALK {
            now = match rng.below(50) {
                0 => now.saturating_sub(rng.below(1 << 29)),
                _ => now + rng.below(1 << 25),
            };
            let input = Input { now: Time::from_nanos(now), random: rng.next() };
            if rng.below(3) == 0 {
                assert_eq!(
                    config.ask(&mut state, input, Request::First),
                    Decision::Admit(Ticket { attempt: 1 })
                );
                naive.clock = naive.clock.max(now);
                naive.kept.push((naive.clock, 1, 0));
                continue;
            }
            let again = any_again(&mut rng, now);
            let (expected, decision) =
                (naive.ask(input, again), config.ask(&mut state, input, Request::Again(again)));
            let is_right = match (&expected, decision) {
                (Expected::WaitBetween(1, 0), Decision::Reject(Rejected { reason, .. })) => {
                    matches!(reason, Reason::RetryElapsed | Reason::RetryBudget)
                }
                (Expected::WaitBetween(least, most), Decision::Wait { until }) => {
                    (*least..=*most).contains(&until.as_nanos())
                }
                // The drawn backoff may end after elapsed_max although the shortest one would not.
                (Expected::WaitBetween(_, most), Decision::Reject(Rejected { reason, retry_at })) => {
                    let last_moment = again.begun.as_nanos() + nanos(config.elapsed_max);
                    (reason, retry_at) == (Reason::RetryElapsed, None) && *most > last_moment
                }
                (Expected::Exactly(expected), decision) => *expected == decision,
                (Expected::WaitBetween(..), Decision::Admit(_)) => false,
            };
            assert!(is_right, "seed {seed}, step {step}: {decision:?} to {again:?}, expected {expected:?}");
            match decision {
                Decision::Wait { .. } => waited += 1,
                Decision::Reject(_) => rejected += 1,
                Decision::Admit(ticket) => {
                    admitted += 1;
                    let outcome = [Outcome::Success, Outcome::Failure][rng.below(2) as usize];
                    naive.recovered += u64::from(outcome == Outcome::Success);
                    config.tell(&mut state, input, ticket, outcome, 1);
                }
            }
        }
        let snapshot = config.snapshot(&state, Time::from_nanos(now));
        assert_eq!((snapshot.retries, snapshot.recovered), (naive.retries, naive.recovered), "seed {seed}");
    }
    assert!(
        admitted.min(waited).min(rejected) > 0,
        "{admitted} {waited} {rejected}: the walk sees all decisions"
    );
}
