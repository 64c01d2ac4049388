//! One value's content and revision.

use super::names::{Names, Part, ROWS_MAX, checked, list};
use crate::damage::bad_row;
use crate::value::key;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{NamedRows, ValueRow};
use model::{Namespace, Revision, ValueName, View, ViewError};

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

/// A value in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedValue {
    pub name: ValueName<'static>,
    pub revision: Revision,
    pub content_type: String,
    pub bytes: usize,
}

/// Values after `after` in the order of slots and names, at most `limit`.
///
/// # Errors
/// [`ViewError`].
pub fn values(
    view: &impl View,
    after: Option<&ValueName<'_>>,
    limit: usize,
) -> Result<Names<ListedValue>, ViewError> {
    let after = after.map(|name| (name.slot(Namespace::ROOT), name.as_str()));
    list(view, NamedRows::VALUES, Part { after, limit, rows_max: ROWS_MAX }, |name, value| {
        let row = ValueRow::decode(value).map_err(|error| bad_row("value row", error))?;
        let Some(content) = row.content else { return Ok(None) };
        Ok(Some(ListedValue {
            name: checked(ValueName::new(name.to_owned()))?,
            revision: row.revision,
            content_type: content.content_type.into(),
            bytes: content.bytes.len(),
        }))
    })
}
