//! What became of a subject.

use crate::time::write_wall;
use model::Wall;

/// Writes that a subject is erased, and since when; `None` if the node had no key of it.
pub fn write_erased(out: &mut Vec<u8>, erased: Option<Wall>) {
    match erased {
        Some(erased) => {
            out.extend_from_slice(b"{\"existed\":true,\"erased\":\"");
            write_wall(out, erased);
            out.extend_from_slice(b"\"}");
        }
        None => out.extend_from_slice(b"{\"existed\":false}"),
    }
}
