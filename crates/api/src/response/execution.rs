//! Executions, as bodies of 200 responses.

use super::queue::write_bool_member;
use crate::json;
use crate::time::write_duration_ms;
use model::{Begun, Cursor};

/// Writes `{"key":...,"state":"begun","token":...,"expires_in":...,"replayed":...}`, or
/// `{"key":...,"state":"completed","response":...,"expires_in":...}`
pub fn write_begun(out: &mut Vec<u8>, key: &str, begun: &Begun) {
    match begun {
        Begun::New { token, remaining_ms, replayed } => {
            write_key(out, key);
            out.extend_from_slice(b",\"state\":\"begun\"");
            write_token(out, *token);
            write_expires_in(out, *remaining_ms);
            write_bool_member(out, "replayed", *replayed);
            out.push(b'}');
        }
        Begun::Completed { response, remaining_ms } => {
            write_execution(out, key, Some(response), *remaining_ms);
        }
    }
}

/// Writes `{"key":...,"state":"in_progress","expires_in":...}`, or
/// `{"key":...,"state":"completed","response":...,"expires_in":...}`
pub fn write_execution(out: &mut Vec<u8>, key: &str, response: Option<&[u8]>, remaining_ms: u64) {
    write_key(out, key);
    match response {
        None => out.extend_from_slice(b",\"state\":\"in_progress\""),
        Some(response) => {
            out.extend_from_slice(b",\"state\":\"completed\",\"response\":");
            out.extend_from_slice(response);
        }
    }
    write_expires_in(out, remaining_ms);
    out.push(b'}');
}

/// Writes `{"key":...,"token":...,"replayed":...}`
pub fn write_completed(out: &mut Vec<u8>, key: &str, token: Cursor, replayed: bool) {
    write_key(out, key);
    write_token(out, token);
    write_bool_member(out, "replayed", replayed);
    out.push(b'}');
}

/// Writes `{"key":...,"token":...}`
pub fn write_abandoned(out: &mut Vec<u8>, key: &str, token: Cursor) {
    write_key(out, key);
    write_token(out, token);
    out.push(b'}');
}

/// Writes `{"key":...,"existed":...}`
pub fn write_forgotten(out: &mut Vec<u8>, key: &str, existed: bool) {
    write_key(out, key);
    write_bool_member(out, "existed", existed);
    out.push(b'}');
}

fn write_key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b"{\"key\":");
    json::write_text(out, key);
}

fn write_token(out: &mut Vec<u8>, token: Cursor) {
    out.extend_from_slice(b",\"token\":\"");
    out.extend_from_slice(&token.to_hex());
    out.push(b'"');
}

fn write_expires_in(out: &mut Vec<u8>, ms: u64) {
    out.extend_from_slice(b",\"expires_in\":\"");
    write_duration_ms(out, ms);
    out.push(b'"');
}
