//! Reads of limits.

use super::names::{Part, checked, list};
use crate::damage::bad_row;
use crate::limit::{keys_of, row};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{LimitKeyRow, LimitRange, LimitRow, NamedRows};
use model::{Elapsed, LimitName, LimitSettings, Namespace, Order, View, ViewError};

/// Everything about one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitView {
    pub settings: LimitSettings,
    /// Keys that are in use, in no particular order.
    pub keys: Vec<LimitKeyView>,
    /// There are more.
    pub has_more_keys: bool,
}

/// What one key of a limit has in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitKeyView {
    pub key: String,
    /// Claims that last.
    pub running: u64,
    /// Whether tasks wait for it.
    pub has_waiting: bool,
    /// How much longer a worker has closed it for.
    pub closed_ms: u64,
}

/// Reads one limit, with at most this many of its keys; `None` if it does not exist. `now` is the shard's elapsed time.
///
/// # Errors
/// [`ViewError`].
pub fn limit(
    view: &impl View,
    limit: &LimitName<'_>,
    keys_max: usize,
    now: Elapsed,
) -> Result<Option<LimitView>, ViewError> {
    let Some(settings) = row(view, limit.as_str())?.and_then(|row| row.settings) else { return Ok(None) };
    let mut found = LimitView { settings, keys: Vec::new(), has_more_keys: false };
    let mut bad = None;
    view.scan(LimitRange::keys(keys_of(limit.as_str()), 0).as_range(), Order::Ascending, &mut |_, value| {
        if found.keys.len() >= keys_max {
            found.has_more_keys = true;
            return ControlFlow::Break(());
        }
        match LimitKeyRow::decode(value) {
            Ok(row) => found.keys.push(LimitKeyView {
                key: row.key,
                running: row.running,
                has_waiting: row.waiting > 0,
                closed_ms: row.closed_until.0.saturating_sub(now.0),
            }),
            Err(error) => bad = Some(error),
        }
        if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    bad.map_or(Ok(Some(found)), |error| Err(bad_row("row of a limit's key", error)))
}

/// Names of limits after `after` in the order of slots and names, at most `limit`.
///
/// # Errors
/// [`ViewError`].
pub fn limits(
    view: &impl View,
    after: Option<&LimitName<'_>>,
    limit: usize,
) -> Result<Vec<LimitName<'static>>, ViewError> {
    let after = after.map(|name| (name.slot(Namespace::ROOT), name.as_str()));
    let found = list(view, NamedRows::LIMITS, Part { after, limit, rows_max: usize::MAX }, |name, value| {
        let row = LimitRow::decode(value).map_err(|error| bad_row("limit row", error))?;
        Ok(row.settings.map(|_| name.to_owned()))
    })?;
    found.items.into_iter().map(|name| checked(LimitName::new(name))).collect()
}
