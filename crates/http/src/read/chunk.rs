//! A chunk: a bounded part of what a query selects, rendered.

use super::query::{Point, Query};
use crate::sealing::Readable;
use api::Problem;
use api::response::stored::StoredEvent;
use format::body::BodyRecord;
use model::{Cursor, Revision, ViewError, limits};
use runtime::ReadFailure;
use storage::bodies::BodyError;

/// How much one chunk may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Events to render at most.
    pub(super) events: u64,
    /// Bytes of events to examine, at most (but for the last ones read together).
    pub(super) examined_bytes: usize,
    /// Bytes to render at most (but for the last event).
    pub(super) rendered_bytes: usize,
}

impl Budget {
    /// A page of at most `events` events.
    pub(super) const fn of_page(events: u64) -> Self {
        Self {
            events,
            examined_bytes: limits::PAGE_BYTES_EXAMINED_MAX,
            rendered_bytes: limits::PAGE_BYTES_EXAMINED_MAX,
        }
    }

    /// One part of a streamed response, with at most `events` events. It is small, because the thread that sends it also
    /// serves everyone else: parts of 512 KiB to ten readers made an append wait for all of them.
    pub(super) const fn of_part(events: u64) -> Self {
        Self { rendered_bytes: limits::READ_PAGE_BYTES / 4, ..Self::of_page(events) }
    }

    /// One look of a subscriber: little, because many of them may be slow.
    pub(super) const fn of_look() -> Self {
        Self { rendered_bytes: limits::READ_PAGE_BYTES / 4, ..Self::of_page(u64::MAX) }
    }
}

/// A part of what a query selects.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) rendered: Vec<u8>,
    /// Events rendered.
    pub(super) events: u64,
    /// Every event of the source up to here was examined, in ascending order.
    pub(super) through: Cursor,
    /// Where the read ends: at what was asked for, or at all that was there.
    pub(super) until: Cursor,
    /// Nothing more was there up to `until`.
    pub(super) at_end: bool,
    /// Where to go on, also for events that do not exist yet.
    pub(super) resume: Point,
    /// Of a stream: the last revision as of `until`.
    pub(super) last: Option<Revision>,
    /// Of a stream: the first revision that is kept.
    pub(super) first: Option<Revision>,
    /// Of the whole store: the greatest cursor that a removed event can have had.
    pub(super) removed_through: Option<Cursor>,
}

/// Renders an event if the query selects it.
///
/// # Errors
/// It is sealed, and does not open.
pub(super) fn render(query: &Query, record: &BodyRecord<'_>, chunk: &mut Chunk) -> Result<(), Unread> {
    let Readable { filled, envelope } = query.sealing.open(record).map_err(Unread::Failed)?;
    let stored = StoredEvent {
        stream: record.stream,
        revision: record.revision,
        cursor: record.cursor(),
        filled,
        envelope: &envelope,
    };
    if query.happened_by().is_some_and(|moment| stored.time() > moment) {
        return Ok(());
    }
    query.framing.write(&mut chunk.rendered, &stored);
    chunk.events += 1;
    Ok(())
}

/// Why a chunk could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The client gets this.
    Problem(Box<Problem>),
    /// The node's own files could not be read: it stops.
    Failed(ReadFailure),
}

impl From<Box<Problem>> for Unread {
    fn from(problem: Box<Problem>) -> Self {
        Self::Problem(problem)
    }
}

impl From<ViewError> for Unread {
    fn from(error: ViewError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<BodyError> for Unread {
    fn from(error: BodyError) -> Self {
        Self::Failed(error.into())
    }
}

/// Keeps a failure for the node, and leaves a problem to the client.
pub(super) fn failure_apart<T>(read: Result<T, Unread>) -> Result<Result<T, Box<Problem>>, ReadFailure> {
    match read {
        Ok(chunk) => Ok(Ok(chunk)),
        Err(Unread::Problem(problem)) => Ok(Err(problem)),
        Err(Unread::Failed(failure)) => Err(failure),
    }
}
