//! Leases, as bodies of 200 responses.

use crate::json::{self, write_number};
use model::{Cursor, Granted};

/// Writes `{"lease":...,"holder":...,"token":...,"remaining_ms":...,"waited_ms":...,"replayed":...}`
pub fn write_granted(out: &mut Vec<u8>, lease: &str, holder: &str, granted: Granted, waited_ms: u64) {
    write_lease(out, lease);
    out.extend_from_slice(b",\"holder\":");
    json::write_text(out, holder);
    write_token(out, granted.token);
    write_member(out, ",\"remaining_ms\":", granted.remaining_ms);
    write_member(out, ",\"waited_ms\":", waited_ms);
    out.extend_from_slice(if granted.replayed { b",\"replayed\":true}" } else { b",\"replayed\":false}" });
}

/// Writes `{"lease":...,"token":...,"remaining_ms":...}`
pub fn write_renewed(out: &mut Vec<u8>, lease: &str, token: Cursor, remaining_ms: u64) {
    write_lease(out, lease);
    write_token(out, token);
    write_member(out, ",\"remaining_ms\":", remaining_ms);
    out.push(b'}');
}

/// Writes `{"lease":...,"token":...}`
pub fn write_released(out: &mut Vec<u8>, lease: &str, token: Cursor) {
    write_lease(out, lease);
    write_token(out, token);
    out.push(b'}');
}

/// A holder of a lease.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    pub holder: &'a str,
    pub token: Cursor,
    pub remaining_ms: u64,
}

/// One lease.
#[derive(Clone, Copy, Debug)]
pub struct Lease<'a> {
    pub lease: &'a str,
    /// How many may hold it at the same time; 0 when no one uses it.
    pub permits: u32,
    pub waiting: u32,
}

impl Lease<'_> {
    /// Writes `{"lease":...,"permits":...,"holders":[...],"waiting":...,"queue":[...]}`
    pub fn write<'a>(
        &self,
        out: &mut Vec<u8>,
        holders: impl Iterator<Item = Holder<'a>>,
        queue: impl Iterator<Item = &'a str>,
    ) {
        write_lease(out, self.lease);
        out.extend_from_slice(b",\"permits\":");
        match self.permits {
            0 => out.extend_from_slice(b"null"),
            permits => write_number(out, u64::from(permits)),
        }
        out.extend_from_slice(b",\"holders\":[");
        for (at, holder) in holders.enumerate() {
            out.extend_from_slice(if at > 0 { b",{\"holder\":" } else { b"{\"holder\":" });
            json::write_text(out, holder.holder);
            write_token(out, holder.token);
            write_member(out, ",\"remaining_ms\":", holder.remaining_ms);
            out.push(b'}');
        }
        write_member(out, "],\"waiting\":", u64::from(self.waiting));
        out.extend_from_slice(b",\"queue\":[");
        for (at, holder) in queue.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            json::write_text(out, holder);
        }
        out.extend_from_slice(b"]}");
    }
}

fn write_lease(out: &mut Vec<u8>, lease: &str) {
    out.extend_from_slice(b"{\"lease\":");
    json::write_text(out, lease);
}

fn write_token(out: &mut Vec<u8>, token: Cursor) {
    out.extend_from_slice(b",\"token\":\"");
    out.extend_from_slice(&token.to_hex());
    out.push(b'"');
}

fn write_member(out: &mut Vec<u8>, name: &str, number: u64) {
    out.extend_from_slice(name.as_bytes());
    write_number(out, number);
}
