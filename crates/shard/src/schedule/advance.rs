//! Let a schedule do what is due.
//!
//! *Each tick enqueues its task once, or is skipped by the schedule's own rule, and counted.* The node says which ticks
//! these are, and which one follows. A command that does not begin exactly where the schedule stands changes nothing: so
//! nothing happens twice, and no tick is left out. A tick that is early changes nothing either. If the queue is full, the
//! tick stays due and tries again.

use crate::damage::bad_row;
use crate::overlay::Overlay;
use crate::schedule::run::{cancel_all, hold, start, unfinished};
use crate::schedule::state::{Schedule, definition, skipped};
use alloc::borrow::Cow;
use format::row::decode_definition;
use model::{
    AdvanceSchedule, NextTick, Outcome, Overlap, RunCause, ScheduleDefinition, ScheduleRules, ScheduleStep,
    View, ViewError, Wall,
};

/// Decides the command.
pub(crate) fn apply<V: View>(
    advance: &AdvanceSchedule<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let nothing = Outcome::ScheduleAdvanced { runs: 0, skipped: 0 };
    let Some(mut schedule) = Schedule::load(&advance.schedule, overlay)? else { return Ok(nothing) };
    if schedule.row.generation != advance.generation || schedule.row.paused.is_some() {
        schedule.save(overlay)?;
        return Ok(nothing);
    }
    let stored = definition(&advance.schedule, overlay)?;
    let definition =
        decode_definition(&stored).map_err(|error| bad_row("definition of a schedule", error))?;
    let before = schedule.row.totals;
    begin_waiting(&mut schedule, &definition, overlay)?;
    if let Some(step) = &advance.step
        && follows(step, &schedule, &definition.rules, overlay.shard.wall)
    {
        take(step, &mut schedule, &definition, overlay)?;
    }
    let now = schedule.row.totals;
    schedule.save(overlay)?;
    let runs = u32::try_from(now.runs - before.runs).unwrap_or(u32::MAX);
    Ok(Outcome::ScheduleAdvanced { runs, skipped: skipped(&now) - skipped(&before) })
}

/// Enqueues the task of the first waiting tick, if the runs before it are finished.
fn begin_waiting<V: View>(
    schedule: &mut Schedule<'_>,
    definition: &ScheduleDefinition<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    if !schedule.row.wake {
        return Ok(());
    }
    let Some(first) = schedule.row.waiting.first().copied() else {
        schedule.row.wake = false;
        return Ok(());
    };
    if !unfinished(schedule, overlay)?.is_empty() {
        // Its end will wake the schedule again.
        schedule.row.wake = false;
        return Ok(());
    }
    match start(schedule, definition, &[first], overlay)? {
        Ok(runs) => {
            schedule.row.waiting.remove(0);
            // Without a run, nothing would wake the schedule for the next one.
            schedule.row.wake = runs.is_empty();
            if matches!(first.1, RunCause::Tick) {
                happened(schedule, &definition.rules, runs.len() as u64);
            }
            Ok(())
        }
        Err(refusal) => hold(schedule, &refusal, overlay),
    }
}

/// Whether a step begins where the schedule stands, and is not early.
fn follows(step: &ScheduleStep<'_>, schedule: &Schedule<'_>, rules: &ScheduleRules<'_>, now: Wall) -> bool {
    let row = &schedule.row;
    let begins = match (&row.next, step.missed, step.tick) {
        (NextTick::Unknown, None, None) => true,
        (NextTick::At(next), Some(missed), _) => {
            missed.last >= *next && missed.ticks > 0 && row.held.is_none()
        }
        (NextTick::At(next), None, Some(tick)) => tick == *next,
        _ => false,
    };
    let is_late = |last: Wall| schedule.happens(last).0.saturating_add(rules.late_ms) < now.0;
    let times = [step.missed.map(|missed| missed.last), step.tick, at(&step.next)];
    let in_order =
        times.into_iter().flatten().try_fold(step.after, |before, time| (time > before).then_some(time));
    begins
        && row.after == step.after
        && in_order.is_some()
        && step.missed.is_none_or(|missed| is_late(missed.last))
        && step.tick.is_none_or(|tick| schedule.happens(tick) <= now)
        && !matches!(step.next, NextTick::Unknown)
}

fn at(next: &NextTick<'_>) -> Option<Wall> {
    if let NextTick::At(tick) = next { Some(*tick) } else { None }
}

/// Skips what was missed, and lets the tick happen.
fn take<V: View>(
    step: &ScheduleStep<'_>,
    schedule: &mut Schedule<'_>,
    definition: &ScheduleDefinition<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    if let Some(missed) = step.missed {
        schedule.row.totals.missed += missed.ticks;
        schedule.row.after = missed.last;
        schedule.row.next = step.tick.map_or_else(|| owned(&step.next), NextTick::At);
    }
    let Some(tick) = step.tick else {
        schedule.row.next = owned(&step.next);
        return Ok(());
    };
    let mut ticks = 0;
    match what_happens(schedule, &definition.rules, overlay)? {
        Happens::Run => match start(schedule, definition, &[(tick, RunCause::Tick)], overlay)? {
            Ok(runs) => ticks = runs.len() as u64,
            Err(refusal) => return hold(schedule, &refusal, overlay),
        },
        Happens::Skip => schedule.row.totals.overlapped += 1,
        Happens::Wait => schedule.row.waiting.push((tick, RunCause::Tick)),
    }
    schedule.row.held = None;
    schedule.row.after = tick;
    schedule.row.next = owned(&step.next);
    happened(schedule, &definition.rules, ticks);
    Ok(())
}

/// Counts ticks that enqueued a task. After the last one there are no more.
fn happened(schedule: &mut Schedule<'_>, rules: &ScheduleRules<'_>, ticks: u64) {
    schedule.row.ticks += ticks;
    if rules.runs_max.is_some_and(|max| schedule.row.ticks >= max) {
        schedule.row.next = NextTick::Never;
    }
}

enum Happens {
    Run,
    Skip,
    Wait,
}

/// What a tick does, considering the runs before it.
fn what_happens<V: View>(
    schedule: &mut Schedule<'_>,
    rules: &ScheduleRules<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Happens, ViewError> {
    if rules.overlap == Overlap::Allow {
        return Ok(Happens::Run);
    }
    let runs = unfinished(schedule, overlay)?;
    let is_waiting = !schedule.row.waiting.is_empty();
    Ok(match rules.overlap {
        Overlap::Allow => Happens::Run,
        Overlap::Skip | Overlap::BufferOne if runs.is_empty() && !is_waiting => Happens::Run,
        Overlap::Skip => Happens::Skip,
        Overlap::BufferOne => {
            let ticks_wait = schedule.row.waiting.iter().any(|(_, cause)| *cause == RunCause::Tick);
            if ticks_wait { Happens::Skip } else { Happens::Wait }
        }
        Overlap::CancelOther => {
            cancel_all(schedule, &runs, overlay)?;
            Happens::Run
        }
    })
}

fn owned(next: &NextTick<'_>) -> NextTick<'static> {
    match next {
        NextTick::Unknown => NextTick::Unknown,
        NextTick::At(tick) => NextTick::At(*tick),
        NextTick::Never => NextTick::Never,
        NextTick::Broken(why) => NextTick::Broken(Cow::Owned(why.clone().into_owned())),
    }
}
