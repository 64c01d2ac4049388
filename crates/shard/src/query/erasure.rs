//! Erased subject keys.

use crate::damage::bad_row;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{erased_rows, parse_erased_key};
use model::{KeyId, Order, Slot, View, ViewError};

/// The subject keys that are erased for good, in the shard whose first slot is `first`, by id. There are at most
/// [`model::limits::SUBJECTS_MAX`].
///
/// # Errors
/// [`ViewError`].
pub fn erased_keys(view: &impl View, first: Slot) -> Result<Vec<KeyId>, ViewError> {
    let mut found = Vec::new();
    view.scan(erased_rows(first).as_range(), Order::Ascending, &mut |key, _| {
        found.push(parse_erased_key(key));
        ControlFlow::Continue(())
    })?;
    found.into_iter().map(|key| key.map_err(|error| bad_row("erased key", error))).collect()
}
