//! Put all schedules of an owner.
//!
//! *Afterwards the owner has exactly these schedules: each is put, and those that the owner had before and that are not
//! named are deleted.* A schedule of another owner refuses the whole set. One that had no owner gets this one.

use crate::damage::bad_row;
use crate::overlay::Overlay;
use crate::schedule::put::put_one;
use crate::schedule::state::Schedule;
use alloc::vec::Vec;
use format::row::{decode_schedule_set, encode_schedule_set, schedule_set_key};
use model::{Namespace, Outcome, PutScheduleSet, Refusal, ScheduleName, View, ViewError};

/// Decides the command.
pub(crate) fn apply<V: View>(
    put: &PutScheduleSet<'_>,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    for (at, one) in put.schedules.iter().enumerate() {
        let owner = Schedule::load(&one.schedule, overlay)?.and_then(|known| known.row.owner);
        if owner.is_some_and(|owner| owner != put.owner.as_str()) {
            return Ok(Outcome::Refused(Refusal::ScheduleOwned { schedule: at as u32 }));
        }
    }
    let (mut changed, mut deleted) = (0, 0);
    for one in &put.schedules {
        changed += u32::from(put_one(one, Some(&put.owner), overlay)?.1);
    }
    for name in names(&put.owner, overlay)? {
        if put.schedules.binary_search_by(|one| one.schedule.cmp(&name)).is_ok() {
            continue;
        }
        let Some(schedule) = Schedule::load(&name, overlay)? else { continue };
        if schedule.row.owner.as_deref() == Some(put.owner.as_str()) {
            schedule.delete(overlay)?;
            deleted += 1;
        }
    }
    let key = schedule_set_key(put.owner.slot(Namespace::ROOT), put.owner.as_str());
    let names: Vec<&str> = put.schedules.iter().map(|one| one.schedule.as_str()).collect();
    if names.is_empty() {
        overlay.delete(key);
    } else {
        overlay.put(key, encode_schedule_set(&names));
    }
    Ok(Outcome::ScheduleSetPut { changed, deleted })
}

/// The schedules that the owner has put before.
pub(crate) fn names(
    owner: &ScheduleName<'_>,
    view: &impl View,
) -> Result<Vec<ScheduleName<'static>>, ViewError> {
    let key = schedule_set_key(owner.slot(Namespace::ROOT), owner.as_str());
    let Some(value) = view.get(&key)? else { return Ok(Vec::new()) };
    let names = decode_schedule_set(&value).map_err(|error| bad_row("set of schedules", error))?;
    Ok(names.into_iter().map(ScheduleName::into_owned).collect())
}
