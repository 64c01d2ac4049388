//! The schedules that are due: what the node proposes for them. The node evaluates their calendars, and `apply` decides
//! whether what it found follows.

use calendar::step::{Standing, step};
use format::row::{ScheduleRow, decode_definition};
use model::{AdvanceSchedule, Command, NextTick, View, ViewError, Wall, limits};
use shard::{Agenda, DueSchedule, query};

/// Adds a command for each schedule that is due, a bounded number of them.
pub(crate) fn propose(
    agenda: &mut Agenda,
    view: &impl View,
    now: Wall,
    commands: &mut Vec<Command<'static>>,
) -> Result<(), ViewError> {
    let (mut due, mut bytes) = (Vec::new(), 0);
    // One at a time, because their tasks may be large.
    while commands_left(due.len(), bytes) {
        let before = due.len();
        agenda.due_schedules(view, now, 1, &mut due)?;
        let Some(schedule) = due.get(before) else { break };
        match query::due_schedule(view, schedule) {
            Ok(Some((row, stored))) => {
                bytes += stored.len();
                commands.push(command(schedule, &row, &stored, now)?);
            }
            Ok(None) => {}
            Err(error) => {
                agenda.not_proposed(schedule);
                return Err(error);
            }
        }
    }
    Ok(())
}

fn commands_left(schedules: usize, bytes: usize) -> bool {
    schedules < limits::ENTRY_OWN_SCHEDULES_MAX && bytes < limits::ENTRY_OWN_SCHEDULES_BYTES_MAX
}

fn command(
    due: &DueSchedule,
    row: &ScheduleRow,
    stored: &[u8],
    now: Wall,
) -> Result<Command<'static>, ViewError> {
    let definition = decode_definition(stored)
        .map_err(|error| ViewError::Failed(format!("definition of a schedule: {error}")))?;
    let standing = |next| Standing {
        put: row.generation.wall(),
        after: row.after,
        next,
        held: row.held.map(|held| held.since),
        offset_ms: row.offset_ms,
    };
    let step = match row.next {
        NextTick::Unknown => step(&definition.rules, &standing(None), now),
        NextTick::At(tick) => step(&definition.rules, &standing(Some(tick)), now),
        NextTick::Never | NextTick::Broken(_) => None,
    };
    Ok(Command::AdvanceSchedule(AdvanceSchedule {
        schedule: due.schedule.clone(),
        generation: due.generation,
        step,
    }))
}
