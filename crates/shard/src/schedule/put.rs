//! Put a schedule.
//!
//! *A schedule that is new or has changed begins now: what was missed before counts for nothing.* Its ticks that wait for
//! a run to finish are dropped. Putting a schedule as it is changes nothing, so that a program can put its schedules
//! whenever it starts. A paused schedule stays paused.

use crate::overlay::Overlay;
use crate::schedule::state::{Schedule, definition};
use alloc::string::String;
use format::row::{encode_definition, schedule_definition_key};
use model::{NextTick, Outcome, Position, PutSchedule, ScheduleName, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    put: &PutSchedule<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let (generation, changed) = put_one(put, None, overlay)?;
    Ok(Outcome::SchedulePut { generation, changed })
}

/// Puts one schedule, and gives it to an owner if there is one.
pub(crate) fn put_one<V: View>(
    put: &PutSchedule<'_>,
    owner: Option<&ScheduleName<'_>>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(Position, bool), ViewError> {
    let name = &put.schedule;
    let new = encode_definition(&put.definition);
    let known = Schedule::load(name, overlay)?;
    let is_same = match &known {
        Some(known) if matches!(known.row.next, NextTick::Broken(_)) => false,
        Some(_) => definition(name, overlay)? == new,
        None => false,
    };
    let now = overlay.shard.wall;
    let mut schedule = match known {
        Some(known) => known,
        None => Schedule::new(name, overlay.take_position(), now),
    };
    if let Some(owner) = owner {
        schedule.row.owner = Some(String::from(owner.as_str()));
    }
    if !is_same {
        begin(&mut schedule, put, overlay);
        overlay.put(schedule_definition_key(schedule.slot(), name.as_str()), new);
    }
    let generation = schedule.row.generation;
    schedule.save(overlay)?;
    Ok((generation, !is_same))
}

/// The schedule begins now.
fn begin<V: View>(schedule: &mut Schedule<'_>, put: &PutSchedule<'_>, overlay: &mut Overlay<'_, '_, V>) {
    let (rules, queue) = (&put.definition.rules, put.definition.enqueue.queue.as_str());
    if schedule.is_known() {
        schedule.row.generation = overlay.take_position();
    }
    let row = &mut schedule.row;
    row.offset_ms = rules.offset_ms(&schedule.name);
    row.after = overlay.shard.wall;
    row.next = NextTick::Unknown;
    row.held = None;
    row.ticks = 0;
    row.totals.dropped += row.waiting.len() as u64;
    row.waiting.clear();
    row.wake = false;
    if row.queue != queue {
        row.queue = String::from(queue);
        row.runs.clear();
    }
}
