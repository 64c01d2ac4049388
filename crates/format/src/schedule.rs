//! The commands and outcomes of schedules, as entries and idempotency records hold them. Fields are in the order of the
//! model's structs; an optional field begins with a byte that says whether it is there.

use crate::entry::{get_keyed, put_keyed};
use crate::options::Options;
use crate::outcome::get_flag;
use crate::queue::{get_enqueue, get_option, get_u32, has_options, put_enqueue, put_option};
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use model::{
    AdvanceSchedule, BackfillOverlap, CatchUp, ControlSchedule, DeleteSchedule, Missed, NextTick, Overlap,
    Position, PutSchedule, PutScheduleSet, RunCause, ScheduleAction, ScheduleControlled, ScheduleDefinition,
    ScheduleName, ScheduleRules, ScheduleRun, ScheduleStep, Slot, Timing, Wall,
};

/// Numbers that never change.
mod tag {
    /// The form of what a schedule enqueues.
    pub(super) const ENQUEUE: u8 = 1;
    pub(super) const ENQUEUE_WITH_OPTIONS: u8 = 2;

    pub(super) const CRON: u8 = 1;
    pub(super) const EVERY: u8 = 2;

    pub(super) const CATCH_UP_SKIP: u8 = 1;
    pub(super) const CATCH_UP_ONE: u8 = 2;
    pub(super) const CATCH_UP_ALL: u8 = 3;

    pub(super) const ALLOW: u8 = 1;
    pub(super) const SKIP: u8 = 2;
    pub(super) const BUFFER_ONE: u8 = 3;
    pub(super) const CANCEL_OTHER: u8 = 4;
    pub(super) const WAIT: u8 = 5;

    pub(super) const PAUSE: u8 = 1;
    pub(super) const RESUME: u8 = 2;
    pub(super) const FIRE: u8 = 3;
    pub(super) const BACKFILL: u8 = 4;

    pub(super) const NEXT_UNKNOWN: u8 = 0;
    pub(super) const NEXT_AT: u8 = 1;
    pub(super) const NEXT_NEVER: u8 = 2;
    pub(super) const NEXT_BROKEN: u8 = 3;

    pub(super) const BY_TICK: u8 = 1;
    pub(super) const BY_REQUEST: u8 = 2;
    pub(super) const BY_BACKFILL: u8 = 3;
}

/// The smallest encoding of an exclusion, a tick, a run, and a schedule of a set. Counts are checked against these.
const TEXT_BYTES_MIN: usize = 1;
const TICK_BYTES: usize = 8;
const RUN_BYTES_MIN: usize = 17;
const SCHEDULE_BYTES_MIN: usize = 20;

pub(crate) fn put_put(writer: &mut Writer<'_>, put: &PutSchedule<'_>) {
    put_name(writer, &put.schedule);
    put_definition(writer, &put.definition);
}

pub(crate) fn get_put<'a>(reader: &mut Reader<'a>) -> Result<PutSchedule<'a>, FormatError> {
    Ok(PutSchedule { schedule: get_name(reader)?, definition: Box::new(get_definition(reader)?) })
}

pub(crate) fn put_put_set(writer: &mut Writer<'_>, put: &PutScheduleSet<'_>) {
    put_name(writer, &put.owner);
    writer.varint(put.schedules.len() as u64);
    for schedule in &put.schedules {
        put_put(writer, schedule);
    }
}

pub(crate) fn get_put_set<'a>(reader: &mut Reader<'a>) -> Result<PutScheduleSet<'a>, FormatError> {
    let owner = get_name(reader)?;
    let count = reader.count(SCHEDULE_BYTES_MIN)?;
    let mut schedules = Vec::with_capacity(count.min(8));
    for _ in 0..count {
        schedules.push(get_put(reader)?);
    }
    Ok(PutScheduleSet { owner, schedules })
}

pub(crate) fn put_delete(writer: &mut Writer<'_>, delete: &DeleteSchedule<'_>) {
    put_name(writer, &delete.schedule);
}

pub(crate) fn get_delete<'a>(reader: &mut Reader<'a>) -> Result<DeleteSchedule<'a>, FormatError> {
    Ok(DeleteSchedule { schedule: get_name(reader)? })
}

pub(crate) fn put_control(writer: &mut Writer<'_>, control: &ControlSchedule<'_>) {
    put_keyed(writer, control.keyed.as_ref());
    put_name(writer, &control.schedule);
    match &control.action {
        ScheduleAction::Pause => writer.u8(tag::PAUSE),
        ScheduleAction::Resume => writer.u8(tag::RESUME),
        ScheduleAction::Fire => writer.u8(tag::FIRE),
        ScheduleAction::Backfill { ticks, overlap } => {
            writer.u8(tag::BACKFILL);
            writer.u8(match overlap {
                BackfillOverlap::Allow => tag::ALLOW,
                BackfillOverlap::Skip => tag::SKIP,
                BackfillOverlap::Wait => tag::WAIT,
            });
            writer.varint(ticks.len() as u64);
            for tick in ticks {
                writer.u64(tick.0);
            }
        }
    }
}

pub(crate) fn get_control<'a>(reader: &mut Reader<'a>) -> Result<ControlSchedule<'a>, FormatError> {
    let (keyed, schedule) = (get_keyed(reader)?, get_name(reader)?);
    let action = match reader.u8()? {
        tag::PAUSE => ScheduleAction::Pause,
        tag::RESUME => ScheduleAction::Resume,
        tag::FIRE => ScheduleAction::Fire,
        tag::BACKFILL => {
            let overlap = match reader.u8()? {
                tag::ALLOW => BackfillOverlap::Allow,
                tag::SKIP => BackfillOverlap::Skip,
                tag::WAIT => BackfillOverlap::Wait,
                other => return Err(FormatError::invalid("overlap rule of a backfill", u64::from(other))),
            };
            let count = reader.count(TICK_BYTES)?;
            let mut ticks = Vec::with_capacity(count);
            for _ in 0..count {
                ticks.push(Wall(reader.u64()?));
            }
            ScheduleAction::Backfill { ticks, overlap }
        }
        other => return Err(FormatError::invalid("action on a schedule", u64::from(other))),
    };
    Ok(ControlSchedule { keyed, schedule, action })
}

pub(crate) fn put_advance(writer: &mut Writer<'_>, advance: &AdvanceSchedule<'_>) {
    put_name(writer, &advance.schedule);
    writer.u64(advance.generation.0);
    put_option(writer, advance.step.as_ref(), |writer, step| {
        writer.u64(step.after.0);
        put_option(writer, step.missed, |writer, missed| {
            writer.varint(missed.ticks);
            writer.u64(missed.last.0);
        });
        put_wall_option(writer, step.tick);
        put_next(writer, &step.next);
    });
}

pub(crate) fn get_advance<'a>(reader: &mut Reader<'a>) -> Result<AdvanceSchedule<'a>, FormatError> {
    Ok(AdvanceSchedule {
        schedule: get_name(reader)?,
        generation: Position(reader.u64()?),
        step: get_option(reader, |reader| {
            Ok(ScheduleStep {
                after: Wall(reader.u64()?),
                missed: get_option(reader, |reader| {
                    Ok(Missed { ticks: reader.varint()?, last: Wall(reader.u64()?) })
                })?,
                tick: get_wall_option(reader)?,
                next: get_next(reader)?,
            })
        })?,
    })
}

pub(crate) fn put_definition(writer: &mut Writer<'_>, definition: &ScheduleDefinition<'_>) {
    put_rules(writer, &definition.rules);
    let has_options = has_options(&definition.enqueue);
    writer.u8(if has_options { tag::ENQUEUE_WITH_OPTIONS } else { tag::ENQUEUE });
    put_enqueue(writer, &definition.enqueue);
}

pub(crate) fn get_definition<'a>(reader: &mut Reader<'a>) -> Result<ScheduleDefinition<'a>, FormatError> {
    let rules = get_rules(reader)?;
    let enqueue = match reader.u8()? {
        tag::ENQUEUE => get_enqueue(reader, Options::None)?,
        tag::ENQUEUE_WITH_OPTIONS => get_enqueue(reader, Options::Listed)?,
        other => return Err(FormatError::invalid("form of what a schedule enqueues", u64::from(other))),
    };
    Ok(ScheduleDefinition { rules, enqueue })
}

fn put_rules(writer: &mut Writer<'_>, rules: &ScheduleRules<'_>) {
    match &rules.timing {
        Timing::Cron { expression, zone } => {
            writer.u8(tag::CRON);
            writer.prefixed(expression.as_bytes());
            writer.prefixed(zone.as_bytes());
        }
        Timing::Every(ms) => {
            writer.u8(tag::EVERY);
            writer.varint(*ms);
        }
    }
    put_wall_option(writer, rules.start);
    put_wall_option(writer, rules.end);
    writer.varint(rules.exclusions.len() as u64);
    for exclusion in &rules.exclusions {
        writer.prefixed(exclusion.as_bytes());
    }
    put_option(writer, rules.runs_max, Writer::varint);
    writer.varint(rules.jitter_ms);
    match rules.catch_up {
        CatchUp::Skip => writer.u8(tag::CATCH_UP_SKIP),
        CatchUp::One => writer.u8(tag::CATCH_UP_ONE),
        CatchUp::All(ticks) => {
            writer.u8(tag::CATCH_UP_ALL);
            writer.varint(u64::from(ticks));
        }
    }
    writer.varint(rules.late_ms);
    writer.u8(match rules.overlap {
        Overlap::Allow => tag::ALLOW,
        Overlap::Skip => tag::SKIP,
        Overlap::BufferOne => tag::BUFFER_ONE,
        Overlap::CancelOther => tag::CANCEL_OTHER,
    });
    writer.u8(u8::from(rules.pause_on_failure));
}

fn get_rules<'a>(reader: &mut Reader<'a>) -> Result<ScheduleRules<'a>, FormatError> {
    let timing = match reader.u8()? {
        tag::CRON => Timing::Cron {
            expression: Cow::Borrowed(reader.text("cron expression")?),
            zone: Cow::Borrowed(reader.text("time zone")?),
        },
        tag::EVERY => Timing::Every(reader.varint()?),
        other => return Err(FormatError::invalid("timing", u64::from(other))),
    };
    let (start, end) = (get_wall_option(reader)?, get_wall_option(reader)?);
    let count = reader.count(TEXT_BYTES_MIN)?;
    let mut exclusions = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        exclusions.push(Cow::Borrowed(reader.text("exclusion")?));
    }
    let (runs_max, jitter_ms) = (get_option(reader, Reader::varint)?, reader.varint()?);
    let catch_up = match reader.u8()? {
        tag::CATCH_UP_SKIP => CatchUp::Skip,
        tag::CATCH_UP_ONE => CatchUp::One,
        tag::CATCH_UP_ALL => CatchUp::All(get_u32(reader)?),
        other => return Err(FormatError::invalid("catch-up rule", u64::from(other))),
    };
    let late_ms = reader.varint()?;
    let overlap = match reader.u8()? {
        tag::ALLOW => Overlap::Allow,
        tag::SKIP => Overlap::Skip,
        tag::BUFFER_ONE => Overlap::BufferOne,
        tag::CANCEL_OTHER => Overlap::CancelOther,
        other => return Err(FormatError::invalid("overlap rule", u64::from(other))),
    };
    let pause_on_failure = get_flag(reader)?;
    Ok(ScheduleRules {
        timing,
        start,
        end,
        exclusions,
        runs_max,
        jitter_ms,
        catch_up,
        late_ms,
        overlap,
        pause_on_failure,
    })
}

pub(crate) fn put_next(writer: &mut Writer<'_>, next: &NextTick<'_>) {
    match next {
        NextTick::Unknown => writer.u8(tag::NEXT_UNKNOWN),
        NextTick::At(tick) => {
            writer.u8(tag::NEXT_AT);
            writer.u64(tick.0);
        }
        NextTick::Never => writer.u8(tag::NEXT_NEVER),
        NextTick::Broken(why) => {
            writer.u8(tag::NEXT_BROKEN);
            writer.prefixed(why.as_bytes());
        }
    }
}

pub(crate) fn get_next<'a>(reader: &mut Reader<'a>) -> Result<NextTick<'a>, FormatError> {
    Ok(match reader.u8()? {
        tag::NEXT_UNKNOWN => NextTick::Unknown,
        tag::NEXT_AT => NextTick::At(Wall(reader.u64()?)),
        tag::NEXT_NEVER => NextTick::Never,
        tag::NEXT_BROKEN => NextTick::Broken(Cow::Borrowed(reader.text("reason")?)),
        other => return Err(FormatError::invalid("next tick", u64::from(other))),
    })
}

pub(crate) fn put_controlled(writer: &mut Writer<'_>, controlled: &ScheduleControlled) {
    writer.u16(controlled.slot.0);
    put_runs(writer, &controlled.runs);
    writer.varint(u64::from(controlled.waiting));
    writer.varint(u64::from(controlled.skipped));
    writer.u8(u8::from(controlled.replayed));
}

pub(crate) fn get_controlled(reader: &mut Reader<'_>) -> Result<ScheduleControlled, FormatError> {
    Ok(ScheduleControlled {
        slot: Slot(reader.u16()?),
        runs: get_runs(reader)?,
        waiting: get_u32(reader)?,
        skipped: get_u32(reader)?,
        replayed: get_flag(reader)?,
    })
}

pub(crate) fn put_runs(writer: &mut Writer<'_>, runs: &[ScheduleRun]) {
    writer.varint(runs.len() as u64);
    for run in runs {
        writer.u64(run.tick.0);
        put_cause(writer, run.cause);
        writer.u64(run.task.0);
    }
}

pub(crate) fn get_runs(reader: &mut Reader<'_>) -> Result<Vec<ScheduleRun>, FormatError> {
    let count = reader.count(RUN_BYTES_MIN)?;
    let mut runs = Vec::with_capacity(count);
    for _ in 0..count {
        runs.push(ScheduleRun {
            tick: Wall(reader.u64()?),
            cause: get_cause(reader)?,
            task: Position(reader.u64()?),
        });
    }
    Ok(runs)
}

pub(crate) fn put_cause(writer: &mut Writer<'_>, cause: RunCause) {
    match cause {
        RunCause::Tick => writer.u8(tag::BY_TICK),
        RunCause::Fired(at) => {
            writer.u8(tag::BY_REQUEST);
            writer.u64(at.0);
        }
        RunCause::Backfill(at) => {
            writer.u8(tag::BY_BACKFILL);
            writer.u64(at.0);
        }
    }
}

pub(crate) fn get_cause(reader: &mut Reader<'_>) -> Result<RunCause, FormatError> {
    Ok(match reader.u8()? {
        tag::BY_TICK => RunCause::Tick,
        tag::BY_REQUEST => RunCause::Fired(Position(reader.u64()?)),
        tag::BY_BACKFILL => RunCause::Backfill(Position(reader.u64()?)),
        other => return Err(FormatError::invalid("cause of a run", u64::from(other))),
    })
}

pub(crate) fn put_wall_option(writer: &mut Writer<'_>, wall: Option<Wall>) {
    put_option(writer, wall, |writer, wall| writer.u64(wall.0));
}

pub(crate) fn get_wall_option(reader: &mut Reader<'_>) -> Result<Option<Wall>, FormatError> {
    get_option(reader, |reader| reader.u64().map(Wall))
}

fn put_name(writer: &mut Writer<'_>, name: &ScheduleName<'_>) {
    writer.prefixed(name.as_str().as_bytes());
}

fn get_name<'a>(reader: &mut Reader<'a>) -> Result<ScheduleName<'a>, FormatError> {
    let what = "schedule name";
    ScheduleName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}
