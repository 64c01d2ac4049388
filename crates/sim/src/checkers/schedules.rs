//! No tick of a schedule happens twice or early, none is skipped against the schedule's rule, and none is left out. The
//! schedules of the simulation have intervals, so that which moments are ticks is computed here by division, and not by
//! asking the calendar. Readers see each schedule as the model says.

use crate::reference::Reference;
use model::limits::SCHEDULE_RUNS_KEPT;
use model::{CatchUp, Command, NextTick, RunCause, ScheduleName, ScheduleStep, View, Wall};
use reference_model::Simple;
use reference_model::schedule::Schedule;
use shard::query;

/// A node is about to apply a command that it has proposed itself. What it says of ticks must be true.
///
/// # Errors
/// It leaves a tick out, makes one up, or skips one that is not late.
pub fn proposed(command: &Command<'_>, model: &Simple) -> Result<(), String> {
    let Command::AdvanceSchedule(advance) = command else { return Ok(()) };
    let Some(step) = &advance.step else { return Ok(()) };
    let schedule = model.schedule(advance.schedule.as_str()).map(|at| &model.schedules[at]);
    let Some(schedule) = schedule.filter(|schedule| schedule.generation == advance.generation.0) else {
        return Ok(());
    };
    // One that was proposed before another was applied changes nothing.
    if step.after.0 != schedule.after {
        return Ok(());
    }
    is_true(schedule, step, model.wall)
        .map_err(|why| format!("{why}: {step:?} for {schedule:?} at {}", model.wall))
}

fn is_true(schedule: &Schedule, step: &ScheduleStep<'_>, now: u64) -> Result<(), String> {
    let definition = &schedule.definition;
    let (put, every_ms) = (schedule.generation >> 16, definition.every_ms);
    // Ticks are at `put + n * every_ms`, with n from 1.
    let number = |at: u64| at.saturating_sub(put) / every_ms;
    let is_tick = |at: Wall| at.0 > put && (at.0 - put).is_multiple_of(every_ms);
    // The last tick that is late.
    let last_late = |now: u64| number(now.saturating_sub(1 + definition.offset_ms + definition.late_ms));
    let caught_up = match definition.catch_up {
        CatchUp::Skip => 0,
        CatchUp::One => 1,
        CatchUp::All(ticks) => u64::from(ticks),
    };
    let mut decided = number(step.after.0);
    if let Some(missed) = step.missed {
        if !is_tick(missed.last) || missed.ticks != number(missed.last.0) - decided {
            return Err("it skips other ticks than there are".to_owned());
        }
        if missed.last.0 + definition.offset_ms + definition.late_ms >= now {
            return Err("it skips a tick that is not late".to_owned());
        }
        if number(missed.last.0) + caught_up > last_late(now) {
            return Err("it skips a tick that the schedule catches up".to_owned());
        }
        decided += missed.ticks;
    }
    if let Some(tick) = step.tick {
        if !is_tick(tick) || number(tick.0) != decided + 1 {
            return Err("a tick happens out of turn".to_owned());
        }
        if tick.0 + definition.offset_ms > now {
            return Err("a tick happens early".to_owned());
        }
        // The node may have looked at the clock a millisecond before the entry's time.
        if schedule.held.is_none() && number(tick.0) + caught_up <= last_late(now - 1) {
            return Err("a tick happens that is too late to be caught up".to_owned());
        }
        decided += 1;
    }
    match &step.next {
        NextTick::At(next) if is_tick(*next) && number(next.0) == decided + 1 => Ok(()),
        _ => Err("the tick that follows is another one".to_owned()),
    }
}

/// Checks what readers see of schedules, and that no tick has happened twice.
///
/// # Errors
/// They see something else than the model, or a tick has two runs.
pub fn check(state: &impl View, reference: &Reference) -> Result<(), String> {
    let model = reference.model();
    let listed = query::schedules(state, None, usize::MAX).map_err(|error| error.to_string())?;
    if listed.len() != model.schedules.len() {
        return Err(format!("there are {} schedules instead of {}", listed.len(), model.schedules.len()));
    }
    for ours in &model.schedules {
        let name = ScheduleName::new(&ours.name[..]).map_err(|error| error.to_string())?;
        let found = query::schedule(state, &name).map_err(|error| error.to_string())?;
        let row = found.ok_or_else(|| format!("the schedule {name} is lost"))?.row;
        let last: Vec<_> = ours.runs[ours.runs.len().saturating_sub(SCHEDULE_RUNS_KEPT)..].to_vec();
        let counts = ours.counts;
        let is_same = row.generation.0 == ours.generation
            && (row.after.0, &row.next, row.ticks) == (ours.after, &ours.next, ours.ticks)
            && (row.paused, row.waiting.len()) == (ours.paused, ours.waiting.len())
            && row.runs == last
            && (row.totals.runs, row.totals.missed) == (counts.runs, counts.missed)
            && (row.totals.overlapped, row.totals.dropped) == (counts.overlapped, counts.dropped);
        if !is_same {
            return Err(format!("a schedule is {row:?} instead of {ours:?}"));
        }
        let ticks = || ours.runs.iter().filter(|run| run.cause == RunCause::Tick).map(|run| run.tick);
        if ticks().zip(ticks().skip(1)).any(|(before, after)| before >= after) {
            return Err(format!(
                "a tick of {name} has happened twice, or after a later one: {:?}",
                ours.runs
            ));
        }
    }
    Ok(())
}

/// After a quiet time, every tick that was due has happened or was skipped.
///
/// # Errors
/// One is still due.
pub fn nothing_is_overdue(reference: &Reference) -> Result<(), String> {
    let model = reference.model();
    for schedule in &model.schedules {
        if model.schedule_due(schedule).is_some_and(|due| due < model.wall) {
            return Err(format!("at {}, {schedule:?} is overdue", model.wall));
        }
    }
    Ok(())
}
