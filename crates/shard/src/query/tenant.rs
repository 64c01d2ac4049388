//! Reads of tenants.

use crate::damage::bad_row;
use crate::fair::tenant::{row, weight};
use crate::queue::tally::{queue_row, type_rows};
use crate::queue::{hash, id_of};
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{QueueRange, TenantRow};
use model::{Order, QueueName, TenantName, View, ViewError};

/// A tenant of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantView {
    /// Empty for tasks that name no tenant.
    pub name: String,
    pub weight: u32,
    /// Unfinished tasks that do not run.
    pub waiting: u64,
    pub running: u64,
}

impl From<TenantRow> for TenantView {
    fn from(row: TenantRow) -> Self {
        Self {
            weight: weight(&row).into(),
            waiting: row.unfinished.saturating_sub(row.running),
            running: row.running,
            name: row.name,
        }
    }
}

/// Reads one tenant. One that no task names has no tasks.
///
/// # Errors
/// [`ViewError`].
pub fn tenant(
    view: &impl View,
    queue: &QueueName<'_>,
    tenant: &TenantName<'_>,
) -> Result<TenantView, ViewError> {
    found(view, queue, tenant.as_str())
}

/// What tasks that name no tenant have together.
///
/// # Errors
/// [`ViewError`].
pub fn unnamed_tenant(view: &impl View, queue: &QueueName<'_>) -> Result<TenantView, ViewError> {
    let Some(keys) = id_of(view, queue)? else { return Ok(TenantRow::default().into()) };
    let row = queue_row(view, keys)?;
    if row.is_fair {
        return found(view, queue, "");
    }
    // No task has named a tenant.
    let running = type_rows(view, keys)?.iter().map(|(_, of_type)| of_type.running).sum();
    Ok(TenantRow { unfinished: row.unfinished, running, ..TenantRow::default() }.into())
}

fn found(view: &impl View, queue: &QueueName<'_>, name: &str) -> Result<TenantView, ViewError> {
    let row = match id_of(view, queue)? {
        Some(keys) => row(view, keys, hash(name))?,
        None => None,
    };
    Ok(TenantView { name: String::from(name), ..row.unwrap_or_default().into() })
}

/// Tenants after `after` in the order of their hashes, at most `limit`: those that have unfinished tasks or a weight.
///
/// # Errors
/// [`ViewError`].
pub fn tenants(
    view: &impl View,
    queue: &QueueName<'_>,
    after: Option<&TenantName<'_>>,
    limit: usize,
) -> Result<Vec<TenantView>, ViewError> {
    let Some(keys) = id_of(view, queue)? else { return Ok(Vec::new()) };
    let from = after.map_or(Some(0), |after| hash(after.as_str()).checked_add(1));
    let Some(from) = from.filter(|_| limit > 0) else { return Ok(Vec::new()) };
    let (mut found, mut bad) = (Vec::new(), None);
    view.scan(QueueRange::tenants(keys, from).as_range(), Order::Ascending, &mut |_, value| {
        match TenantRow::decode(value) {
            // Tasks without a tenant are no tenant that could be named.
            Ok(row) if row.name.is_empty() => {}
            Ok(row) => found.push(TenantView::from(row)),
            Err(error) => bad = Some(error),
        }
        if bad.is_none() && found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    bad.map_or(Ok(found), |error| Err(bad_row("tenant's row", error)))
}
