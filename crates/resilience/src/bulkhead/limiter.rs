//! The adaptive limit. It computes in integers only: limits are counted in 1,024ths of a permit.

use super::config::{Aimd, Gradient, Limit};
use crate::contract::{Outcome, Time, nanos, percent_of};
use core::time::Duration;

/// One permit, in the limiter's unit.
const ONE: u64 = 1_024;

/// One outcome, or several equal ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) begun: Time,
    pub(super) now: Time,
    pub(super) outcome: Outcome,
    pub(super) n: u32,
    /// The number of permits in use, including these.
    pub(super) in_use: u32,
}

impl Sample {
    fn latency(self) -> u64 {
        nanos(self.now.since(self.begun)).max(1)
    }
}

/// The state of an adaptive limit. It stays unchanged while the limit is fixed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Limiter {
    /// In 1,024ths; 0 until it first changes.
    limit: u64,
    /// Calls that started before this moment say nothing about the present limit.
    since: Option<Time>,
    /// Good outcomes since the limit last grew.
    good: u32,
    /// The latency without queueing, in nanoseconds; 0 while unknown.
    baseline: u64,
    /// When the baseline was measured.
    measured: Time,
    phase: Phase,
    round: Round,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
enum Phase {
    /// The limit is at a quarter, so that nothing queues.
    #[default]
    Measure,
    Follow,
}

/// Outcomes of calls that started under the present limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Round {
    outcomes: u32,
    /// The outcomes whose latency counts.
    samples: u32,
    /// The sum of their latencies, in nanoseconds.
    sum: u64,
    /// The most permits that were in use.
    peak: u32,
}

impl Limiter {
    /// The present number of permits.
    pub(super) fn limit(&self, config: &Limit) -> u32 {
        let whole = |limit: u64, min: u32, max: u32| {
            let limit = u32::try_from(limit / ONE).unwrap_or(u32::MAX);
            // With a limit of 0 there would be no outcomes to learn from.
            limit.min(max).max(min.max(1))
        };
        match config {
            Limit::Fixed(permits) => *permits,
            Limit::Aimd(aimd) => whole(self.begun(aimd.initial), aimd.min, aimd.max),
            Limit::Gradient(gradient) => {
                let limit = self.begun(gradient.initial);
                match self.phase {
                    Phase::Measure => whole(limit / 4, gradient.min, gradient.max),
                    Phase::Follow => whole(limit, gradient.min, gradient.max),
                }
            }
        }
    }

    /// The latency without queueing, if it is known.
    pub(super) fn baseline(&self) -> Option<Duration> {
        (self.baseline > 0).then_some(Duration::from_nanos(self.baseline))
    }

    pub(super) fn tell(&mut self, config: &Limit, sample: Sample) {
        match config {
            Limit::Fixed(_) => {}
            Limit::Aimd(aimd) => self.tell_aimd(aimd, config, sample),
            Limit::Gradient(gradient) => self.tell_gradient(gradient, config, sample),
        }
    }

    fn begun(&self, initial: u32) -> u64 {
        if self.limit == 0 { u64::from(initial) * ONE } else { self.limit }
    }

    fn is_old(&self, sample: Sample) -> bool {
        self.since.is_some_and(|since| sample.begun <= since)
    }

    fn tell_aimd(&mut self, aimd: &Aimd, config: &Limit, sample: Sample) {
        let is_late = sample.latency() > nanos(aimd.latency_target);
        let is_bad = match sample.outcome {
            Outcome::Failure | Outcome::Slow => true,
            Outcome::Success => is_late,
            // A caller that gave up has waited at least that long.
            Outcome::Cancelled if is_late => true,
            Outcome::Cancelled | Outcome::Neutral => return,
        };
        let limit = self.limit(config);
        if !is_bad {
            if sample.in_use >= limit.div_ceil(2) {
                self.good = self.good.saturating_add(sample.n);
            }
            if self.good >= limit {
                self.good = 0;
                self.limit = u64::from(limit.saturating_add(1).min(aimd.max.max(limit))) * ONE;
            }
        } else if !self.is_old(sample) {
            let cut = percent_of(limit.into(), aimd.backoff_percent.into()).min(u64::from(limit) - 1);
            self.limit = cut.max(aimd.min.into()).max(1) * ONE;
            self.good = 0;
            self.since = Some(sample.now);
        }
    }

    fn tell_gradient(&mut self, gradient: &Gradient, config: &Limit, sample: Sample) {
        if self.is_old(sample) {
            return;
        }
        let latency = sample.latency();
        let says = match sample.outcome {
            Outcome::Success | Outcome::Slow => true,
            // A failure may be faster than the work would have been, but a slow failure is slow.
            Outcome::Failure | Outcome::Cancelled => latency > self.baseline,
            Outcome::Neutral => false,
        };
        let round = &mut self.round;
        round.outcomes = round.outcomes.saturating_add(sample.n);
        round.peak = round.peak.max(sample.in_use);
        if says {
            round.samples = round.samples.saturating_add(sample.n);
            round.sum = round.sum.saturating_add(latency.saturating_mul(sample.n.into()));
        }
        if round.outcomes >= self.limit(config).min(ROUND_MAX) {
            self.end_round(gradient, config, sample.now);
        }
    }

    fn end_round(&mut self, gradient: &Gradient, config: &Limit, now: Time) {
        let round = core::mem::take(&mut self.round);
        self.since = Some(now);
        let present = round.sum.checked_div(round.samples.into()).filter(|present| *present > 0);
        match (self.phase, present) {
            (Phase::Measure, _) => {
                self.baseline = present.unwrap_or(self.baseline);
                self.measured = now;
                self.phase = Phase::Follow;
                return;
            }
            (Phase::Follow, Some(present)) => {
                let used = if round.peak >= self.limit(config).div_ceil(2) { Used::Half } else { Used::Less };
                self.learn(present, used);
                self.step(gradient, present, used);
            }
            (Phase::Follow, None) => {}
        }
        if now.since(self.measured) >= gradient.remeasure_every {
            self.phase = Phase::Measure;
        }
    }

    fn learn(&mut self, present: u64, used: Used) {
        if self.baseline == 0 {
            self.baseline = present;
        } else if present < self.baseline {
            self.baseline -= (self.baseline - present) / LEARN;
        } else if used == Used::Less {
            self.baseline += (present - self.baseline) / LEARN;
        }
    }

    fn step(&mut self, gradient: &Gradient, present: u64, used: Used) {
        let limit = self.begun(gradient.initial);
        let ratio = u128::from(gradient.tolerance_percent) * u128::from(self.baseline) * u128::from(ONE)
            / 100
            / u128::from(present.max(1));
        let ratio = u64::try_from(ratio).unwrap_or(ONE).clamp(ONE / 2, ONE);
        // The square root of the limit, in 1,024ths.
        let allowance = limit.saturating_mul(ONE).isqrt();
        let goal = limit.saturating_mul(ratio) / ONE + allowance;
        let part = u64::from(gradient.smoothing_percent.min(100));
        let next = if goal < limit {
            limit - percent_of(limit - goal, part)
        } else if used == Used::Half {
            limit + percent_of(goal - limit, part)
        } else {
            limit
        };
        let (min, max) = (u64::from(gradient.min.max(1)) * ONE, u64::from(gradient.max) * ONE);
        self.limit = next.min(max).max(min);
    }
}

/// How much of the limit was in use in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Used {
    /// Half or more: queueing may be caused by the limit itself.
    Half,
    Less,
}

/// A round ends after this many outcomes at the latest.
const ROUND_MAX: u32 = 10;

/// The baseline moves by this fraction of the distance in each step.
const LEARN: u64 = 16;
