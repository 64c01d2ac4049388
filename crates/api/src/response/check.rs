//! The node's own check of its data.

use super::queue::write_bool_member;
use crate::json;
use crate::time;
use model::Wall;

/// How often a node checks its data, and what it has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// The time between two checks, in milliseconds; `None` if it makes none.
    pub every_ms: Option<u64>,
    pub last: Option<LastCheck>,
}

/// The last check that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastCheck {
    pub ended: Wall,
    pub took_ms: u64,
    pub events: u64,
    pub rows: u64,
    /// Bytes of files that were read.
    pub bytes: u64,
    /// What is wrong; nothing if everything is as it was written.
    pub findings: Vec<Finding>,
}

/// Something is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub what: String,
    pub affected: String,
    pub remedy: String,
}

impl Checks {
    /// Writes `{"every":...,"last":...}`
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"every\":");
        match self.every_ms {
            None => out.extend_from_slice(b"null"),
            Some(ms) => {
                out.push(b'"');
                time::write_duration_ms(out, ms);
                out.push(b'"');
            }
        }
        out.extend_from_slice(b",\"last\":");
        match &self.last {
            None => out.extend_from_slice(b"null"),
            Some(last) => last.write(out),
        }
        out.push(b'}');
    }
}

impl LastCheck {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"ended\":\"");
        time::write_wall(out, self.ended);
        out.push(b'"');
        write_bool_member(out, "healthy", self.findings.is_empty());
        for (name, number) in
            [("events", self.events), ("rows", self.rows), ("bytes", self.bytes), ("took_ms", self.took_ms)]
        {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            json::write_number(out, number);
        }
        out.extend_from_slice(b",\"findings\":[");
        for (at, Finding { what, affected, remedy }) in self.findings.iter().enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"what\":" } else { b",{\"what\":" });
            json::write_text(out, what);
            out.extend_from_slice(b",\"affected\":");
            json::write_text(out, affected);
            out.extend_from_slice(b",\"remedy\":");
            json::write_text(out, remedy);
            out.push(b'}');
        }
        out.extend_from_slice(b"]}");
    }
}
