//! Responses about task queues.
//!
//! | module | what it writes |
//! |---|---|
//! | [`outcome`] | outcomes of commands: enqueued, claimed, settled |
//! | [`view`] | tasks and queues as they are |

pub mod outcome;
pub mod view;

use crate::json;
use model::{Cursor, Position, Slot};

/// Writes a task's id with its quotes.
pub(super) fn write_id(out: &mut Vec<u8>, id: Option<&str>, position: Position, slot: Slot) {
    match id {
        Some(id) => json::write_text(out, id),
        None => {
            out.extend_from_slice(b"\"~");
            out.extend_from_slice(&Cursor::new(position, slot).to_hex());
            out.push(b'"');
        }
    }
}

pub(super) fn write_text_member(out: &mut Vec<u8>, name: &str, value: &str) {
    write_name(out, name);
    json::write_text(out, value);
}

pub(super) fn write_number_member(out: &mut Vec<u8>, name: &str, value: u64) {
    write_name(out, name);
    json::write_number(out, value);
}

pub(super) fn write_bool_member(out: &mut Vec<u8>, name: &str, value: bool) {
    write_name(out, name);
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

pub(super) fn write_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}
