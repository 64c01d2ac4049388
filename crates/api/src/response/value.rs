//! Writes of values, as bodies of 200 responses.

use super::outcome::write_revision;
use crate::json;
use model::Revision;

/// Writes `{"value":...,"revision":...}`. After a deletion, it is the last revision that the value had.
pub fn write_value(out: &mut Vec<u8>, value: &str, revision: Option<Revision>) {
    out.extend_from_slice(b"{\"value\":");
    json::write_text(out, value);
    out.extend_from_slice(b",\"revision\":");
    write_revision(out, revision);
    out.push(b'}');
}
