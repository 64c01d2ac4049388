//! Backups under way.

use super::queue::write_bool_member;
use crate::json;
use crate::time;
use model::{Cursor, Wall};

/// What a backup holds.
#[derive(Debug)]
pub struct Backup<'a> {
    pub backup: &'a str,
    pub store: &'a str,
    pub through: Cursor,
    pub wall: Wall,
    /// The encoded beginning of the rows.
    pub header: &'a [u8],
}

/// A file with bodies.
#[derive(Debug)]
pub struct Segment<'a> {
    pub name: &'a str,
    pub bytes: u64,
    pub sealed: bool,
    pub may_hold_removed: bool,
}

impl Backup<'_> {
    /// Writes the backup as an object.
    pub fn write<'a>(&self, out: &mut Vec<u8>, segments: impl Iterator<Item = Segment<'a>>) {
        out.extend_from_slice(b"{\"backup\":");
        json::write_text(out, self.backup);
        out.extend_from_slice(b",\"store\":");
        json::write_text(out, self.store);
        out.extend_from_slice(b",\"cursor\":\"");
        out.extend_from_slice(&self.through.to_hex());
        out.extend_from_slice(b"\",\"time\":\"");
        time::write_wall(out, self.wall);
        out.extend_from_slice(b"\",\"header\":\"");
        for byte in self.header {
            out.extend_from_slice(format!("{byte:02x}").as_bytes());
        }
        out.extend_from_slice(b"\",\"segments\":[");
        for (at, segment) in segments.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"segment\":");
            json::write_text(out, segment.name);
            out.extend_from_slice(b",\"bytes\":");
            json::write_number(out, segment.bytes);
            write_bool_member(out, "sealed", segment.sealed);
            write_bool_member(out, "may_hold_removed", segment.may_hold_removed);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}

/// Writes the response to the request that ends a backup.
pub fn write_ended(out: &mut Vec<u8>, backup: &str, existed: bool) {
    out.extend_from_slice(b"{\"backup\":");
    json::write_text(out, backup);
    write_bool_member(out, "existed", existed);
    out.push(b'}');
}
