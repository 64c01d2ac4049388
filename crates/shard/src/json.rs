//! Writes the JSON of the shard's own events.

use alloc::string::String;
use core::fmt::Write as _;

/// Writes `,"name":"value"`.
pub(crate) fn member(out: &mut String, name: &str, value: &str) {
    out.push_str(",\"");
    out.push_str(name);
    out.push_str("\":");
    text(out, value);
}

/// Writes `,"name":value`.
pub(crate) fn number(out: &mut String, name: &str, value: u64) {
    // Writing to a string cannot fail.
    let _ = write!(out, ",\"{name}\":{value}");
}

/// Writes a JSON string.
pub(crate) fn text(out: &mut String, value: &str) {
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
