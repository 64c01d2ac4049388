//! One lease: who holds it, and who waits for it.

use super::names::{Names, Part, ROWS_MAX, checked, list};
use crate::lease::{load_row, load_waiter};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::NamedRows;
use model::{Cursor, Elapsed, LeaseName, Namespace, Position, View, ViewError, limits};

/// One lease. A lease that no one uses has no holders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaseState {
    /// How many may hold it at the same time; 0 when no one has used it of late.
    pub permits: u32,
    pub holders: Vec<HeldBy>,
    /// How many holders wait, including those whose wait ended a moment ago.
    pub waiting: u32,
    /// The first of them, at most [`limits::LEASE_QUEUE_SHOWN_MAX`].
    pub queue: Vec<String>,
}

/// Who holds a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBy {
    pub holder: String,
    pub token: Cursor,
    pub remaining_ms: u64,
}

/// What has become of a request that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Granted {
        token: Cursor,
        remaining_ms: u64,
        /// How long ago the holder asked. The two together say how long it has the lease from then on.
        waited_ms: u64,
    },
    Waiting,
    /// The wait has ended, or the holder has asked again since.
    Over,
}

/// Reads one lease as of `now`.
///
/// # Errors
/// [`ViewError`].
pub fn lease(view: &impl View, name: &LeaseName<'_>, now: Elapsed) -> Result<LeaseState, ViewError> {
    let slot = name.slot(Namespace::ROOT);
    let Some(row) = load_row(slot, name, view)? else { return Ok(LeaseState::default()) };
    let live = row.holders.iter().filter(|holder| now < holder.expires);
    let holders = live.map(|holder| HeldBy {
        holder: holder.holder.clone(),
        token: Cursor::new(holder.token, slot),
        remaining_ms: holder.expires.0 - now.0,
    });
    let holders = holders.collect();
    let mut queue = Vec::new();
    let mut next = row.ends.map(|ends| ends.first);
    while queue.len() < limits::LEASE_QUEUE_SHOWN_MAX
        && let Some(holder) = next
    {
        next = load_waiter(slot, name, &holder, view)?.and_then(|row| row.after);
        queue.push(holder);
    }
    Ok(LeaseState { permits: row.permits, holders, waiting: row.waiting, queue })
}

/// Reads what has become of the request that `holder` made at `asked`.
///
/// # Errors
/// [`ViewError`].
pub fn turn(
    view: &impl View,
    name: &LeaseName<'_>,
    holder: &str,
    asked: Position,
    now: Elapsed,
) -> Result<Turn, ViewError> {
    let slot = name.slot(Namespace::ROOT);
    let row = load_row(slot, name, view)?;
    let holders = row.iter().flat_map(|row| &row.holders);
    let mut ours = holders.filter(|other| other.holder == holder && other.asked == asked);
    if let Some(ours) = ours.find(|ours| now < ours.expires) {
        let remaining_ms = ours.expires.0 - now.0;
        let waited_ms = now.0.saturating_sub(ours.since.0);
        return Ok(Turn::Granted { token: Cursor::new(ours.token, slot), remaining_ms, waited_ms });
    }
    let waiter = load_waiter(slot, name, holder, view)?;
    Ok(if waiter.is_some_and(|row| row.asked == asked) { Turn::Waiting } else { Turn::Over })
}

/// Leases that someone holds or waits for, after `after` in the order of slots and names, at most `limit`.
///
/// # Errors
/// [`ViewError`].
pub fn leases(
    view: &impl View,
    after: Option<&LeaseName<'_>>,
    limit: usize,
    now: Elapsed,
) -> Result<Names<(LeaseName<'static>, LeaseState)>, ViewError> {
    let after = after.map(|name| (name.slot(Namespace::ROOT), name.as_str()));
    list(view, NamedRows::LEASES, Part { after, limit, rows_max: ROWS_MAX }, |name, _| {
        let name = checked(LeaseName::new(name.to_owned()))?;
        let state = lease(view, &name, now)?;
        Ok((!state.holders.is_empty() || state.waiting > 0).then_some((name, state)))
    })
}
