//! Reads of schedules.

use super::names::{Part, checked, list};
use crate::agenda::DueSchedule;
use crate::damage::bad_row;
use crate::queue::id_of;
use crate::queue::task::Task;
use crate::schedule::put_set::names;
use crate::schedule::state::{definition, load_row, tally};
use alloc::borrow::ToOwned;
use alloc::vec::Vec;
use format::row::{NamedRows, ScheduleRow, ScheduleTally};
use model::{Namespace, QueueName, ScheduleName, Slot, TaskState, View, ViewError};

/// Everything about one schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScheduleView {
    pub row: ScheduleRow,
    /// What a client has put, for [`format::row::decode_definition`].
    pub definition: Vec<u8>,
    /// The state of each run that the row names; `None` for one that is no longer kept.
    pub runs: Vec<Option<TaskState>>,
}

/// Reads one schedule; `None` if there is none.
///
/// # Errors
/// [`ViewError`].
pub fn schedule(view: &impl View, name: &ScheduleName<'_>) -> Result<Option<ScheduleView>, ViewError> {
    let Some(row) = load_row(name, view)? else { return Ok(None) };
    let keys = match QueueName::new(&row.queue[..]) {
        Ok(queue) => id_of(view, &queue)?,
        Err(_) => None,
    };
    let state = |task| match keys {
        Some(keys) => Ok(Task::load(view, keys, task)?.map(|task| task.row.state)),
        None => Ok(None),
    };
    let runs = row.runs.iter().map(|run| state(run.task)).collect::<Result<_, ViewError>>()?;
    Ok(Some(ScheduleView { definition: definition(name, view)?, runs, row }))
}

/// Reads a schedule whose timer has come; `None` if it has been changed since.
///
/// # Errors
/// [`ViewError`].
pub fn due_schedule(
    view: &impl View,
    due: &DueSchedule,
) -> Result<Option<(ScheduleRow, Vec<u8>)>, ViewError> {
    let row = load_row(&due.schedule, view)?;
    let Some(row) = row.filter(|row| row.generation == due.generation) else { return Ok(None) };
    Ok(Some((row, definition(&due.schedule, view)?)))
}

/// Schedules after `after` in the order of slots and names, at most `limit`.
///
/// # Errors
/// [`ViewError`].
pub fn schedules(
    view: &impl View,
    after: Option<&ScheduleName<'_>>,
    limit: usize,
) -> Result<Vec<(ScheduleName<'static>, ScheduleRow)>, ViewError> {
    let after = after.map(|name| (name.slot(Namespace::ROOT), name.as_str()));
    let found =
        list(view, NamedRows::SCHEDULES, Part { after, limit, rows_max: usize::MAX }, |name, value| {
            let row = ScheduleRow::decode(value).map_err(|error| bad_row("schedule row", error))?;
            Ok(Some((checked(ScheduleName::new(name.to_owned()))?, row)))
        })?;
    Ok(found.items)
}

/// The names of an owner's schedules, as the owner has put them.
///
/// # Errors
/// [`ViewError`].
pub fn schedule_set(
    view: &impl View,
    owner: &ScheduleName<'_>,
) -> Result<Vec<ScheduleName<'static>>, ViewError> {
    names(owner, view)
}

/// The counts of all schedules of the shard whose first slot this is.
///
/// # Errors
/// [`ViewError`].
pub fn schedule_tally(view: &impl View, first: Slot) -> Result<ScheduleTally, ViewError> {
    tally(first, view)
}
