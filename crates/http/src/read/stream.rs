//! A chunk of one stream: its rows are found in the state, its bodies read in runs, filtered and rendered.

use super::framing::Framing;
use super::{Budget, failed_bodies, failed_record, failed_view, render};
use crate::response::Result;
use api::request::query::{Direction, StreamStart};
use api::time::Moment;
use api::{Code, Problem};
use format::body;
use model::{Cursor, Position, Revision, StreamName};
use runtime::{Snapshot, StateReader};
use shard::query::{self, EventsPage, Page, PageRequest, StreamState};

/// Bodies read together; the first run is small, because events may be large.
const RUN_FIRST: usize = 8;
const RUN_MAX: usize = 256;

/// What to read.
#[derive(Clone, Debug)]
pub(crate) struct StreamRead {
    pub(crate) stream: StreamName<'static>,
    pub(crate) start: StreamStart,
    pub(crate) direction: Direction,
    /// Nothing behind this cursor is seen.
    pub(crate) until: Option<Cursor>,
    /// Only events that had happened by then.
    pub(crate) happened_by: Option<Moment>,
    pub(crate) framing: Framing,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct StreamChunk {
    pub(crate) rendered: Vec<u8>,
    pub(crate) events: u64,
    /// The last revision, as of `until`.
    pub(crate) last: Option<Revision>,
    /// The first revision that is kept.
    pub(crate) first: Option<Revision>,
    /// Where to read on; `None` when there is no more now.
    pub(crate) next: Option<Revision>,
    /// Where events that do not exist yet will begin.
    pub(crate) end: Revision,
    /// The place of the last event that was looked at.
    pub(crate) through: Option<Cursor>,
    /// No event at or below this is missing from what the state held.
    pub(crate) snapshot: Cursor,
}

/// Reads from the read's start, or from `resume` when it has begun.
pub(crate) fn read_chunk(
    snapshot: &Snapshot,
    read: &StreamRead,
    resume: Option<Revision>,
    budget: Budget,
) -> Result<StreamChunk> {
    let view = &snapshot.state;
    let state = query::stream(view, &read.stream).map_err(|error| failed_view(&error))?;
    let clock = query::clock(view).map_err(|error| failed_view(&error))?;
    let mut chunk = StreamChunk {
        rendered: Vec::new(),
        events: 0,
        last: None,
        first: (state.first < state.next).then_some(state.first),
        next: None,
        end: state.next,
        through: None,
        snapshot: Cursor::new(clock.last_position, model::Slot(u16::MAX)),
    };
    let mut from = match resume {
        Some(revision) => Some(revision),
        None => start_revision(view, read, &state)?,
    };
    let mut run = RUN_FIRST;
    let mut examined = 0;
    loop {
        let limit = run.min(usize::try_from(budget.events - chunk.events).unwrap_or(RUN_MAX)).max(1);
        let direction = match read.direction {
            Direction::Forward => query::Direction::Forward,
            Direction::Backward => query::Direction::Backward,
        };
        let request = PageRequest { from, direction, limit, as_of: read.until };
        let page = match query::page(view, &read.stream, &request).map_err(|error| failed_view(&error))? {
            Page::Events(page) => page,
            Page::Truncated(truncated) => return Err(truncated_problem(&read.stream, truncated.first)),
        };
        chunk.last = page.last;
        let looked_at = render_page(snapshot, read, &page, &mut chunk)?;
        examined += looked_at;
        chunk.next = page.next;
        from = page.next;
        let full = chunk.events >= budget.events
            || examined >= budget.examined_bytes
            || chunk.rendered.len() >= budget.rendered_bytes;
        if full || from.is_none() {
            return Ok(chunk);
        }
        // Runs that fit into what is left, by the size of the events so far.
        let average = looked_at / page.events.len().max(1) + 1;
        let left = budget.rendered_bytes.saturating_sub(chunk.rendered.len());
        run = (left / average + 1).clamp(1, (run * 4).min(RUN_MAX));
    }
}

/// Renders a page's events into the chunk, and tells the bytes that were looked at.
fn render_page(
    snapshot: &Snapshot,
    read: &StreamRead,
    page: &EventsPage,
    chunk: &mut StreamChunk,
) -> Result<usize> {
    let positions: Vec<Position> = page.events.iter().map(|event| event.position).collect();
    let bodies = snapshot.bodies.get_many(&positions).map_err(|error| failed_bodies(&error))?;
    let mut examined = 0;
    for (event, body) in page.events.iter().zip(bodies) {
        let Some(body) = body else {
            // The snapshot is older than the removal of the body: the event is gone by now.
            return Err(truncated_problem(&read.stream, event.revision.next()));
        };
        let (record, _) = body::decode(&body).map_err(|error| failed_record(&error))?;
        examined += body.len();
        chunk.through = Some(record.cursor());
        chunk.events += render(read.framing, read.happened_by, &record, &mut chunk.rendered);
    }
    Ok(examined)
}

/// Where a read begins; `None` lets the stream decide.
fn start_revision(view: &StateReader, read: &StreamRead, state: &StreamState) -> Result<Option<Revision>> {
    match read.start {
        StreamStart::Whole => Ok(None),
        StreamStart::From(revision) => Ok(Some(revision)),
        StreamStart::End => Ok(Some(state.next)),
        StreamStart::After(cursor) => after(view, read, state, cursor).map(Some),
    }
}

/// The first revision behind a cursor. A reader that stood before something that was removed since has missed
/// it, and is told so.
fn after(view: &StateReader, read: &StreamRead, state: &StreamState, cursor: Cursor) -> Result<Revision> {
    if state.removed_through > cursor.position {
        return Err(truncated_problem(&read.stream, state.first));
    }
    let request =
        PageRequest { from: None, direction: query::Direction::Backward, limit: 1, as_of: Some(cursor) };
    match query::page(view, &read.stream, &request).map_err(|error| failed_view(&error))? {
        Page::Events(page) => Ok(page.events.first().map_or(state.first, |event| event.revision.next())),
        // All that was removed lies at or before the cursor.
        Page::Truncated(truncated) => Ok(truncated.first),
    }
}

fn truncated_problem(stream: &StreamName<'_>, first: Revision) -> Box<Problem> {
    Problem::new(Code::HistoryTruncated, format!("`{stream}` keeps its events from revision {first} on"))
        .revision("first_revision", Some(first))
}
