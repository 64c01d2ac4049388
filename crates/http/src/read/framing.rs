//! Events, and what is said between them, as bytes.

use api::Problem;
use api::response::stored::StoredEvent;
use model::Cursor;

/// How a run of events is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Separated by commas, for an array.
    Items,
    /// NDJSON.
    Lines,
    /// Server-sent events, whose ids are cursors.
    Messages,
}

impl Framing {
    pub(super) fn write(self, out: &mut Vec<u8>, event: &StoredEvent<'_>) {
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

/// The last message of a subscription that cannot go on.
pub(crate) fn problem_message(problem: &Problem) -> Vec<u8> {
    let mut out = b"event: problem\ndata: ".to_vec();
    problem.render(&mut out);
    out.extend_from_slice(b"\n\n");
    out
}

/// The last message before the node stops: the subscriber should come back with its last id.
pub(crate) const END_MESSAGE: &[u8] = b"event: end\ndata: {\"reason\":\"stopping\"}\n\n";

/// A comment, which clients skip: the connection is alive and there is nothing to say.
///
/// No empty line follows it. An empty line ends a message, and some clients dispatch one with empty data whenever
/// they have seen an `id` before.
pub(crate) const KEEP_ALIVE: &[u8] = b": keep-alive\n";

/// Tells a subscriber how far the node has read for it when no event was selected.
///
/// It has a name and data because clients disagree about a message that has only an `id`: the standard tells
/// them to skip it, but several pass it on as an event with empty data.
pub(super) fn progress_message(cursor: Cursor) -> Vec<u8> {
    format!("event: progress\nid: {cursor}\ndata: {{\"cursor\":\"{cursor}\"}}\n\n").into_bytes()
}
