//! The events of orderly clients, and the tasks that reactions make of events.

use format::body::BodyRecord;
use model::{Cursor, Fingerprint, ReactionSettings};
use xxhash_rust::xxh3::xxh3_128;

/// The type of all of them.
pub const ORDERLY_TYPE: &str = "test.happened";

/// The fingerprint of an event with this text, without a time.
#[must_use]
pub fn fingerprint_of(text: &[u8]) -> Fingerprint {
    Fingerprint::new(xxh3_128(text).rotate_left(1), 0)
}

/// The same in the words of the model.
#[must_use]
pub fn content_of(text: &[u8]) -> u128 {
    fingerprint_of(text).0 >> 48
}

/// Writes the envelope of the task that a reaction makes of an event: where the event is, and what it says.
pub fn write_task(record: &BodyRecord<'_>, _: &ReactionSettings<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(task_head(record.cursor(), record.stream, record.event_type).as_bytes());
    out.extend_from_slice(record.envelope);
}

/// What such an envelope begins with.
#[must_use]
pub fn task_head(cursor: Cursor, stream: &str, event_type: &str) -> String {
    format!("{cursor} {stream} {event_type} ")
}
