//! Reading events: one bounded chunk at a time, read and rendered on a read thread, over a snapshot.
//!
//! | module | what it reads |
//! |---|---|
//! | [`framing`] | how rendered events are put behind one another |
//! | [`stream`] | a chunk of one stream |
//! | [`store`] | a chunk of the whole store, filtered |
//! | [`as_of`] | the cursor that an `as_of` stands for, its time closed |
//! | [`follow`] | a subscriber: history, then what comes |

pub(crate) mod as_of;
pub(crate) mod follow;
pub(crate) mod framing;
pub(crate) mod store;
pub(crate) mod stream;

use api::response::stored::StoredEvent;
use api::time::Moment;
use api::{Code, Problem};
use format::body::BodyRecord;
use framing::Framing;
use model::{ViewError, limits};
use storage::bodies::BodyError;

/// Bytes of events that one page examines, and that one part of a streamed answer holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// Events to render at most.
    pub(crate) events: u64,
    /// Bytes of events to look at, at most (but for the last).
    pub(crate) examined_bytes: usize,
    /// Bytes to render at most (but for the last event).
    pub(crate) rendered_bytes: usize,
}

impl Budget {
    /// One part of a streamed answer with at most so many events.
    pub(crate) const fn of_part(events: u64) -> Self {
        Self {
            events,
            examined_bytes: limits::PAGE_BYTES_EXAMINED_MAX,
            rendered_bytes: limits::READ_PAGE_BYTES,
        }
    }
}

/// Renders an event, unless it had not happened by then, and tells how many events that were: one or none.
fn render(
    framing: Framing,
    happened_by: Option<Moment>,
    record: &BodyRecord<'_>,
    rendered: &mut Vec<u8>,
) -> u64 {
    let stored = StoredEvent {
        stream: record.stream,
        revision: record.revision,
        cursor: record.cursor(),
        filled: record.filled,
        envelope: record.envelope,
    };
    if happened_by.is_some_and(|moment| stored.time() > moment) {
        return 0;
    }
    framing.write(rendered, &stored);
    1
}

/// The node's own files could not be read: a problem of ours, which its log tells.
fn failed_view(error: &ViewError) -> Box<Problem> {
    tracing::error!(%error, "a read of the state failed");
    Problem::new(Code::Internal, "the state could not be read")
}

fn failed_bodies(error: &BodyError) -> Box<Problem> {
    tracing::error!(%error, "a read of events failed");
    Problem::new(Code::Internal, "the events could not be read")
}

fn failed_record(error: &format::FormatError) -> Box<Problem> {
    tracing::error!(%error, "a stored event cannot be decoded");
    Problem::new(Code::Internal, "a stored event could not be read")
}
