//! Lists of names: queues, limits, schedules, leases and values.

use crate::damage::bad_row;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::NamedRows;
use model::{KeyRange, Order, Slot, View, ViewError};

/// How many rows are looked at for one page where rows of what was deleted stay, and are passed over.
pub(super) const ROWS_MAX: usize = 10_000;

/// The part of a list that is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    /// The name before it, with its slot; `None` for the first part.
    pub(super) after: Option<(Slot, &'a str)>,
    /// How many items are read.
    pub(super) limit: usize,
    /// How many rows are looked at.
    pub(super) rows_max: usize,
}

/// A part of a list, in the order of slots and names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names<T> {
    pub items: Vec<T>,
    /// Where the list goes on although fewer items were found than were asked for.
    pub goes_on_after: Option<String>,
}

/// Reads the rows of one kind. `read` makes an item of a name and its row, or passes over it.
///
/// # Errors
/// [`ViewError`].
pub(super) fn list<T>(
    view: &impl View,
    rows: NamedRows,
    part: Part<'_>,
    mut read: impl FnMut(&str, &[u8]) -> Result<Option<T>, ViewError>,
) -> Result<Names<T>, ViewError> {
    const END: [u8; 8] = [0xff; 8];
    let mut from = match part.after {
        None => rows.key(Slot(0), ""),
        Some((slot, name)) => after(rows.key(slot, name)),
    };
    let mut names = Names { items: Vec::new(), goes_on_after: None };
    let mut visited = 0;
    while names.items.len() < part.limit {
        let mut found = None;
        view.scan(KeyRange { from: &from, to: &END }, Order::Ascending, &mut |key, value| {
            found = Some((key.to_vec(), value.to_vec()));
            ControlFlow::Break(())
        })?;
        let Some((key, value)) = found else { break };
        let name = rows.name(&key).map_err(|error| bad_row("key of a name", error))?;
        let Some(name) = name else {
            match rows.next(&key) {
                Some(next) => from = next,
                None => break,
            }
            continue;
        };
        names.items.extend(read(name, &value)?);
        visited += 1;
        if visited == part.rows_max && names.items.len() < part.limit {
            names.goes_on_after = Some(name.to_owned());
            break;
        }
        from = after(key);
    }
    Ok(names)
}

/// A name that a row has, which was checked before it was written.
pub(super) fn checked<N, E>(name: Result<N, E>) -> Result<N, ViewError> {
    name.map_err(|_| bad_row("name", FormatError::Text { what: "name" }))
}

/// The first key behind this one.
fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}
