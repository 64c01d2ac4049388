//! What becomes of ticks.

use super::Schedule;
use crate::queue::TaskName;
use crate::{Simple, SimpleOutcome};
use model::{NextTick, Overlap, RunCause, ScheduleStep};

impl Simple {
    pub(super) fn advance_schedule(
        &mut self,
        name: &str,
        generation: u64,
        step: Option<&ScheduleStep<'static>>,
    ) -> SimpleOutcome {
        let nothing = SimpleOutcome::ScheduleAdvanced { runs: 0, skipped: 0 };
        let Some(at) = self.schedule(name) else { return nothing };
        if self.schedules[at].generation != generation || self.schedules[at].paused.is_some() {
            return nothing;
        }
        let before = self.schedules[at].counts;
        self.begin_waiting(at);
        if let Some(step) = step
            && self.schedules[at].paused.is_none()
            && self.is_step(&self.schedules[at], step)
        {
            self.take_step(at, step);
        }
        let now = self.schedules[at].counts;
        SimpleOutcome::ScheduleAdvanced {
            runs: now.runs - before.runs,
            skipped: now.skipped() - before.skipped(),
        }
    }

    /// The first tick that waits begins, if every run is finished.
    fn begin_waiting(&mut self, at: usize) {
        let schedule = &self.schedules[at];
        let Some(first) = schedule.waiting.first().copied() else { return };
        if !self.unfinished_runs(schedule).is_empty() {
            return;
        }
        match self.enqueue_runs(at, &[first]) {
            Ok(runs) => {
                self.schedules[at].held = None;
                self.schedules[at].waiting.remove(0);
                if first.1 == RunCause::Tick {
                    self.count_ticks(at, runs.len() as u64);
                }
            }
            Err(_) => self.hold_schedule(at),
        }
    }

    /// Whether a step goes on where the schedule stands, in order, and not before its time.
    fn is_step(&self, schedule: &Schedule, step: &ScheduleStep<'_>) -> bool {
        let offset_ms = schedule.definition.offset_ms;
        let first = match &schedule.next {
            NextTick::At(tick) => Some(tick.0),
            NextTick::Unknown => None,
            NextTick::Never | NextTick::Broken(_) => return false,
        };
        let follows = match &step.next {
            NextTick::Unknown => return false,
            NextTick::At(tick) => Some(tick.0),
            NextTick::Never | NextTick::Broken(_) => None,
        };
        let (missed, tick) = (step.missed.map(|missed| missed.last.0), step.tick.map(|tick| tick.0));
        let decided = match first {
            None => missed.is_none() && tick.is_none(),
            Some(first) => match (step.missed, tick) {
                (None, tick) => tick == Some(first),
                (Some(missed), _) => missed.ticks > 0 && missed.last.0 >= first && schedule.held.is_none(),
            },
        };
        let times: Vec<u64> = [Some(step.after.0), missed, tick, follows].into_iter().flatten().collect();
        let late = missed.is_none_or(|last| last + offset_ms + schedule.definition.late_ms < self.wall);
        let happened = tick.is_none_or(|tick| tick + offset_ms <= self.wall);
        let in_order = times.windows(2).all(|pair| pair[0] < pair[1]);
        step.after.0 == schedule.after && decided && in_order && late && happened
    }

    fn take_step(&mut self, at: usize, step: &ScheduleStep<'static>) {
        if let Some(missed) = step.missed {
            let schedule = &mut self.schedules[at];
            schedule.counts.missed += missed.ticks;
            schedule.after = missed.last.0;
            schedule.next = step.tick.map_or_else(|| step.next.clone(), NextTick::At);
        }
        let Some(tick) = step.tick else {
            self.schedules[at].next = step.next.clone();
            return;
        };
        let runs = self.unfinished_runs(&self.schedules[at]);
        let schedule = &mut self.schedules[at];
        let is_busy = !runs.is_empty() || !schedule.waiting.is_empty();
        let tick_waits = schedule.waiting.iter().any(|(_, cause)| *cause == RunCause::Tick);
        let mut ticks = 0;
        match schedule.definition.overlap {
            Overlap::Skip if is_busy => schedule.counts.overlapped += 1,
            Overlap::BufferOne if is_busy && tick_waits => schedule.counts.overlapped += 1,
            Overlap::BufferOne if is_busy => schedule.waiting.push((tick.0, RunCause::Tick)),
            rule => {
                if rule == Overlap::CancelOther {
                    let queue = schedule.definition.queue;
                    for run in runs {
                        self.cancel(queue, &TaskName::Server(run));
                    }
                }
                match self.enqueue_runs(at, &[(tick.0, RunCause::Tick)]) {
                    Ok(runs) => ticks = runs.len() as u64,
                    Err(_) => return self.hold_schedule(at),
                }
            }
        }
        let schedule = &mut self.schedules[at];
        (schedule.held, schedule.after, schedule.next) = (None, tick.0, step.next.clone());
        self.count_ticks(at, ticks);
    }

    fn count_ticks(&mut self, at: usize, ticks: u64) {
        let schedule = &mut self.schedules[at];
        schedule.ticks += ticks;
        if schedule.definition.runs_max.is_some_and(|max| schedule.ticks >= max) {
            schedule.next = NextTick::Never;
        }
    }
}
