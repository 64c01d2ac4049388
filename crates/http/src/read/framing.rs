//! How rendered events are put behind one another.

use api::Problem;
use api::response::stored::StoredEvent;

/// The form of a run of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Parted by commas, for an array.
    Items,
    /// NDJSON.
    Lines,
    /// Server-sent events, whose ids are cursors.
    Messages,
}

impl Framing {
    pub(crate) fn write(self, out: &mut Vec<u8>, event: &StoredEvent<'_>) {
        match self {
            Self::Items => {
                if !out.is_empty() {
                    out.push(b',');
                }
                event.write(out);
            }
            Self::Lines => {
                event.write(out);
                out.push(b'\n');
            }
            Self::Messages => {
                out.extend_from_slice(b"id: ");
                out.extend_from_slice(&event.cursor.to_hex());
                out.extend_from_slice(b"\ndata: ");
                event.write(out);
                out.extend_from_slice(b"\n\n");
            }
        }
    }
}

/// The last line of an answer that has begun and cannot go on.
pub(crate) fn problem_line(problem: &Problem) -> Vec<u8> {
    let mut out = b"{\"problem\":".to_vec();
    problem.render(&mut out);
    out.extend_from_slice(b"}\n");
    out
}

/// The last message of a subscription that cannot go on.
pub(crate) fn problem_message(problem: &Problem) -> Vec<u8> {
    let mut out = b"event: problem\ndata: ".to_vec();
    problem.render(&mut out);
    out.extend_from_slice(b"\n\n");
    out
}

/// The last message before a graceful stop: the subscriber comes back with its last id.
pub(crate) const END_MESSAGE: &[u8] = b"event: end\ndata: {\"reason\":\"stopping\"}\n\n";
/// Nothing has come for a while.
pub(crate) const KEEP_ALIVE: &[u8] = b": keep-alive\n\n";

/// Moves a subscriber's place on without an event.
pub(crate) fn bare_id(cursor: model::Cursor) -> Vec<u8> {
    format!("id: {cursor}\n\n").into_bytes()
}
