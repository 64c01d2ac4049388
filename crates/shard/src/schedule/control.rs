//! Pause a schedule, resume it, fire it now, or let it make up for ticks of the past.
//!
//! *A paused schedule has no ticks, and a resumed one goes on from now: what lies in between is not made up for.* A
//! request to fire, and a backfill, enqueue their tasks whether the schedule is paused or not, and do not count among
//! its ticks. If the queue is full, they are refused as a whole.

use crate::damage::bad_row;
use crate::overlay::Overlay;
use crate::schedule::run::{start, unfinished};
use crate::schedule::state::{Schedule, definition};
use alloc::vec::Vec;
use format::row::decode_definition;
use model::{
    BackfillOverlap, ControlSchedule, Namespace, NextTick, Outcome, Paused, Refusal, RunCause,
    ScheduleAction, ScheduleControlled, ScheduleDefinition, View, ViewError, Wall, limits,
};

/// Decides the command.
pub(crate) fn apply<V: View>(
    control: &ControlSchedule<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let Some(mut schedule) = Schedule::load(&control.schedule, overlay)? else {
        return Ok(Outcome::Refused(Refusal::NoSchedule));
    };
    let stored = definition(&control.schedule, overlay)?;
    let definition =
        decode_definition(&stored).map_err(|error| bad_row("definition of a schedule", error))?;
    let before = overlay.shard.last;
    let mut done =
        ScheduleControlled { slot: definition.enqueue.queue.slot(Namespace::ROOT), ..Default::default() };
    let refusal = match &control.action {
        ScheduleAction::Pause => {
            schedule.row.paused = Some(Paused::ByRequest);
            None
        }
        ScheduleAction::Resume => {
            resume(&mut schedule, overlay);
            None
        }
        ScheduleAction::Fire => {
            let (now, at) = (overlay.shard.wall, overlay.take_position());
            fire(&mut schedule, &definition, &[(now, RunCause::Fired(at))], &mut done, overlay)?
        }
        ScheduleAction::Backfill { ticks, overlap } => {
            backfill(&mut schedule, &definition, (ticks, *overlap), &mut done, overlay)?
        }
    };
    if let Some(refusal) = refusal {
        overlay.shard.last = before;
        schedule.forget(overlay);
        return Ok(Outcome::Refused(refusal));
    }
    schedule.save(overlay)?;
    Ok(Outcome::ScheduleControlled(done))
}

fn resume<V: View>(schedule: &mut Schedule<'_>, overlay: &Overlay<'_, '_, V>) {
    let row = &mut schedule.row;
    if row.paused.take().is_none() {
        return;
    }
    row.wake = !row.waiting.is_empty();
    if matches!(row.next, NextTick::At(_) | NextTick::Unknown) {
        row.after = row.after.max(overlay.shard.wall);
        row.next = NextTick::Unknown;
        row.held = None;
    }
}

/// Enqueues the tasks of these ticks, or says why it cannot.
fn fire<V: View>(
    schedule: &mut Schedule<'_>,
    definition: &ScheduleDefinition<'_>,
    ticks: &[(Wall, RunCause)],
    done: &mut ScheduleControlled,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Option<Refusal>, ViewError> {
    let held = schedule.row.held;
    match start(schedule, definition, ticks, overlay)? {
        Ok(runs) => done.runs = runs,
        Err(refusal) => return Ok(Some(refusal)),
    }
    // Whether a tick can enqueue its task is for the tick to find out.
    schedule.row.held = held;
    Ok(None)
}

fn backfill<V: View>(
    schedule: &mut Schedule<'_>,
    definition: &ScheduleDefinition<'_>,
    (ticks, overlap): (&[Wall], BackfillOverlap),
    done: &mut ScheduleControlled,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Option<Refusal>, ViewError> {
    if ticks.iter().any(|tick| *tick > overlay.shard.wall) {
        return Ok(Some(Refusal::TickInFuture));
    }
    let cause = RunCause::Backfill(overlay.take_position());
    let mut now: Vec<_> = ticks.iter().map(|tick| (*tick, cause)).collect();
    match overlap {
        BackfillOverlap::Allow => {}
        BackfillOverlap::Skip => {
            let keep = usize::from(unfinished(schedule, overlay)?.is_empty());
            let skipped = now.len().saturating_sub(keep);
            now.truncate(keep);
            schedule.row.totals.overlapped += skipped as u64;
            done.skipped = skipped as u32;
        }
        BackfillOverlap::Wait => {
            if schedule.row.waiting.len() + now.len() > limits::SCHEDULE_WAITING_MAX {
                return Ok(Some(Refusal::ScheduleBusy));
            }
            let keep =
                usize::from(schedule.row.waiting.is_empty() && unfinished(schedule, overlay)?.is_empty());
            let waiting = now.split_off(keep.min(now.len()));
            done.waiting = waiting.len() as u32;
            schedule.row.waiting.extend(waiting);
        }
    }
    if now.is_empty() {
        return Ok(None);
    }
    fire(schedule, definition, &now, done, overlay)
}
