//! `unique`: whether a task is needed next to others with its unique key.

use super::super::required;
use crate::json::{self, Reader};
use crate::problem::Result;
use crate::request::object::{Known, invalid, read_label, read_object, read_optional_text};
use model::{Unique, UniqueMode};
use std::borrow::Cow;

/// The modes by their names.
const MODES: [(&str, UniqueMode); 3] = [
    ("existing", UniqueMode::Existing),
    ("one_waiting", UniqueMode::OneWaiting),
    ("replace", UniqueMode::Replace),
];

/// Reads `{"key": ..., "mode": ...}`, or null.
pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Option<Unique<'a>>> {
    if reader.peek() == Some(b'n') {
        reader.value()?;
        return Ok(None);
    }
    let (mut key, mut mode) = (None, UniqueMode::Existing);
    read_object(reader, "`key` and `mode`", |name, reader| {
        match name {
            "key" => key = read_label(reader)?,
            "mode" => {
                if let Some(sent) = read_optional_text(reader)? {
                    mode = mode_of(&sent)?;
                }
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    let key: Cow<'a, str> = required(key, "key")?;
    Ok(Some(Unique { key, mode }))
}

fn mode_of(sent: &str) -> Result<UniqueMode> {
    let known = MODES.iter().find(|(name, _)| *name == sent);
    known.map(|(_, mode)| *mode).ok_or_else(|| invalid("this must be `existing`, `one_waiting` or `replace`"))
}

/// Writes it as it can be read.
pub(super) fn write(out: &mut Vec<u8>, unique: &Unique<'_>) {
    out.extend_from_slice(b"{\"key\":");
    json::write_text(out, &unique.key);
    let name = MODES.iter().find(|(_, mode)| *mode == unique.mode).map_or("existing", |(name, _)| *name);
    out.extend_from_slice(b",\"mode\":");
    json::write_text(out, name);
    out.push(b'}');
}
