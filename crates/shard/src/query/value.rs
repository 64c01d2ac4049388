//! One value's content and revision.

use crate::damage::bad_row;
use crate::value::key;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::ValueRow;
use model::{Revision, ValueName, View, ViewError};

/// A value that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredValue {
    pub revision: Revision,
    pub content_type: String,
    pub content: Vec<u8>,
}

/// Reads one value; `None` when it does not exist.
///
/// # Errors
/// [`ViewError`].
pub fn value(view: &impl View, name: &ValueName<'_>) -> Result<Option<StoredValue>, ViewError> {
    let Some(stored) = view.get(&key(name))? else { return Ok(None) };
    let row = ValueRow::decode(&stored).map_err(|error| bad_row("value row", error))?;
    Ok(row.content.map(|content| StoredValue {
        revision: row.revision,
        content_type: content.content_type.into(),
        content: content.bytes.into(),
    }))
}
