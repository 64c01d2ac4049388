//! Fair shares: whose task is claimed next, if the tasks of a queue name tenants.
//!
//! *The claims of each type and priority are shared among tenants by their weights, and a tenant that runs more than its
//! share of all running tasks is passed over while others wait.* Tasks without a tenant are a tenant of their own. A queue
//! is *fair* once a task of it has named a tenant; before that, nothing here is used.
//!
//! Each tenant has a place in each lane of a type in which it has tasks that can be claimed. The place is in the list of
//! its weight, at a *pass*: that of the last claim, plus a stride that is the shorter the greater its weight is. The tenant
//! with the lowest pass is next. Tenants of one weight enter with growing passes, so each list is only added to at its end
//! and taken from at its front; no claim passes over deleted rows, or looks at more than the first of each list.
//!
//! | file | what it holds |
//! |---|---|
//! | `tenant.rs` | a tenant: its weight, and what it has in the queue |
//! | `place.rs` | the places of tenants in the lanes of types |
//! | `put.rs`, `delete.rs` | one command each |

pub(crate) mod delete;
pub(crate) mod place;
pub(crate) mod put;
pub(crate) mod tenant;
#[cfg(test)]
mod tests;

use crate::overlay::Overlay;
use crate::queue::hash;
use crate::queue::tally::Queue;
use crate::queue::task::Task;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{FairRow, ShareId, TenantRow, TextHash};
use model::{View, ViewError};

/// What stands for a tenant, or for tasks without one, whose name is empty.
pub(crate) fn hash_of(task: &Task) -> TextHash {
    hash(task.row.options.fair.as_ref().map_or("", |tenant| tenant.as_str()))
}

/// A task is unfinished from now on. The first one that names a tenant makes its queue fair.
pub(crate) fn joins<V: View>(
    task: &Task,
    queue: &mut Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    if !queue.row.is_fair {
        if task.row.options.fair.is_none() {
            return Ok(());
        }
        become_fair(queue, overlay)?;
    }
    tenant::change(queue.keys, hash_of(task), overlay, |row| {
        if let Some(tenant) = &task.row.options.fair {
            row.name = String::from(tenant.as_str());
        }
        row.unfinished += 1;
        Some(())
    })
}

/// A task is finished.
pub(crate) fn parts<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    if !queue.row.is_fair {
        return Ok(());
    }
    tenant::change(queue.keys, hash_of(task), overlay, |row| {
        row.unfinished = row.unfinished.checked_sub(1)?;
        Some(())
    })
}

/// A task runs from now on.
pub(crate) fn begins<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    change_running(task, queue, overlay, |running| running.checked_add(1))
}

/// A task runs no longer.
pub(crate) fn ends<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    change_running(task, queue, overlay, |running| running.checked_sub(1))
}

/// Counts the running tasks of all tenants together, and of the task's own.
fn change_running<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &mut Overlay<'_, '_, V>,
    change: fn(u64) -> Option<u64>,
) -> Result<(), ViewError> {
    if !queue.row.is_fair {
        return Ok(());
    }
    tenant::all(queue.keys, overlay, |row| {
        row.running = change(row.running)?;
        Some(())
    })?;
    tenant::change(queue.keys, hash_of(task), overlay, |row| {
        row.running = change(row.running)?;
        Some(())
    })
}

/// Tasks without a tenant may have come to a lane of a type, or have left it: their place follows.
pub(crate) fn follow_unnamed<V: View>(
    queue: &mut Queue,
    task_type: &str,
    lane: u8,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    if !queue.row.is_fair {
        return Ok(());
    }
    let has_tasks = queue.has_in_lane(task_type, lane, overlay)?;
    let type_number = queue.type_number(task_type, overlay)?;
    let share = ShareId { type_number, tenant: hash(""), lane };
    match (place::row(overlay, queue.keys, share)?, has_tasks) {
        (None, true) => place::enter(queue.keys, share, overlay).map(drop),
        (Some(row), false) => place::leave(queue.keys, share, row, overlay),
        _ => Ok(()),
    }
}

/// What the queue has had so far belongs to no tenant, and takes part as such.
fn become_fair<V: View>(queue: &mut Queue, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
    queue.row_mut().is_fair = true;
    queue.load_types(overlay)?;
    let running = queue.types().map(|(_, row)| row.running).sum();
    overlay.put(queue.keys.fair(), FairRow { weights: 0, running }.encode());
    let unfinished = queue.row.unfinished;
    tenant::change(queue.keys, hash(""), overlay, |row| {
        *row = TenantRow { unfinished, running, ..TenantRow::default() };
        Some(())
    })?;
    let types: Vec<String> = queue.types().map(|(name, _)| String::from(name)).collect();
    for task_type in types {
        for lane in 0..=crate::queue::task::LANE_MAX {
            follow_unnamed(queue, &task_type, lane, overlay)?;
        }
    }
    Ok(())
}
