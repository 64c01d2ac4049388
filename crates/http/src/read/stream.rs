//! A chunk of one stream: its rows are found in the state, its bodies read in runs, filtered and rendered.

use super::chunk::{Budget, Chunk, Unread, render};
use super::query::{Point, Query};
use api::{Code, Problem};
use format::body;
use model::{Cursor, Order, Position, Revision, Slot, StreamName};
use runtime::{Snapshot, StateReader};
use shard::query::{self, EventsPage, Page, PageRequest, StoredEvent, StreamState};
use storage::bodies::BodyError;

/// Bodies read together. The first run is small, because events may be large; later runs follow the average
/// size, and their maximum bounds the memory of a run whose events are all much larger than those before.
const RUN_FIRST: usize = 8;
const RUN_MAX: usize = 64;

/// Reads from `point` on, up to `until` or to the end of what is there.
pub(super) fn read_chunk(
    snapshot: &Snapshot,
    query: &Query,
    (name, order): (&StreamName<'_>, Order),
    point: Point,
    until: Option<Cursor>,
    budget: Budget,
) -> Result<Chunk, Unread> {
    let view = &snapshot.state;
    let state = query::stream(view, name)?;
    let clock = query::clock(view, snapshot.slots.first)?;
    let mut from = match point {
        Point::Beginning => None,
        Point::Revision(revision) => Some(revision),
        Point::After(cursor) => Some(first_after(view, name, &state, cursor)?),
    };
    // Events that do not exist yet begin here, also where a later revision was asked for.
    let end = state.next.max(from.unwrap_or_default());
    let snapshot_end = Cursor::new(clock.last_position, Slot(u16::MAX));
    let mut chunk = Chunk {
        rendered: Vec::new(),
        events: 0,
        through: Cursor::START,
        until: until.map_or(snapshot_end, |until| until.min(snapshot_end)),
        at_end: false,
        resume: Point::Revision(end),
        last: None,
        first: (state.first < state.next).then_some(state.first),
        removed_through: None,
    };
    let mut run = RUN_FIRST;
    let mut examined = 0;
    loop {
        let request =
            PageRequest { from, order, limit: run_length(query, run, budget, &chunk), as_of: until };
        let page = match query::page(view, name, &request)? {
            Page::Events(page) => page,
            Page::Truncated(truncated) => return Err(truncated_problem(name, truncated.first).into()),
        };
        chunk.last = page.last;
        let looked = render_page(snapshot, query, name, &page, budget, &mut chunk)?;
        examined += looked.bytes;
        from = looked.next;
        let Some(next) = from else {
            chunk.at_end = true;
            chunk.through = chunk.through.max(chunk.until);
            return Ok(chunk);
        };
        let full = chunk.events >= budget.events
            || examined >= budget.examined_bytes
            || chunk.rendered.len() >= budget.rendered_bytes;
        if full {
            chunk.resume = Point::Revision(next);
            return Ok(chunk);
        }
        // A run that fits into what is left, by the average size of the last one's events.
        let average = looked.bytes / page.events.len().max(1) + 1;
        let left = budget.rendered_bytes.saturating_sub(chunk.rendered.len());
        run = (left / average + 1).clamp(1, (run * 4).min(RUN_MAX));
    }
}

/// Without a filter, every event of a run is wanted, so that no run need be longer than what is left of the
/// limit.
fn run_length(query: &Query, run: usize, budget: Budget, chunk: &Chunk) -> usize {
    if query.selects_all() {
        run.min(usize::try_from(budget.events - chunk.events).unwrap_or(RUN_MAX)).max(1)
    } else {
        run
    }
}

/// What became of a run of events.
struct Looked {
    /// Bytes examined.
    bytes: usize,
    /// The next revision; `None` at the end of the stream.
    next: Option<Revision>,
}

/// Renders a run's events until the budget's events are reached.
fn render_page(
    snapshot: &Snapshot,
    query: &Query,
    name: &StreamName<'_>,
    page: &EventsPage,
    budget: Budget,
    chunk: &mut Chunk,
) -> Result<Looked, Unread> {
    let positions: Vec<Position> = page.events.iter().map(|event| event.position).collect();
    let bodies = snapshot.bodies.get_many(&positions)?;
    let mut bytes = 0;
    if query.selects_all() {
        // All of them are rendered, each a little longer than it is stored.
        let bodies: usize = bodies.iter().flatten().map(|body| body.len()).sum();
        chunk.rendered.reserve(bodies + bodies / 8);
    }
    for (event, body) in page.events.iter().zip(bodies) {
        if chunk.events >= budget.events {
            return Ok(Looked { bytes, next: Some(event.revision) });
        }
        let Some(body) = body else {
            return Err(missing(snapshot, name, event)?);
        };
        let (record, _) = body::decode(&body).map_err(|_| snapshot.bodies.damaged(event.position))?;
        bytes += body.len();
        chunk.through = record.cursor();
        if query.selects(&record) {
            render(query, &record, chunk)?;
        }
    }
    Ok(Looked { bytes, next: page.next })
}

/// Why an event has no body: it was removed after the snapshot was taken, or the body file is damaged.
fn missing(snapshot: &Snapshot, name: &StreamName<'_>, event: &StoredEvent) -> Result<Unread, Unread> {
    let request = PageRequest { from: Some(event.revision), limit: 1, ..PageRequest::default() };
    // Removed events never come back, so what the newest state refers to was there all the time.
    match query::page(&snapshot.newest(), name, &request)? {
        Page::Events(page) if page.events.contains(event) => Err(BodyError::Missing(event.position).into()),
        Page::Events(_) => Ok(truncated_problem(name, event.revision.next()).into()),
        Page::Truncated(truncated) => Ok(truncated_problem(name, truncated.first).into()),
    }
}

/// The first revision after a cursor. A reader that comes back to a cursor before removed events has missed
/// some of them, and gets an error.
fn first_after(
    view: &StateReader,
    name: &StreamName<'_>,
    state: &StreamState,
    cursor: Cursor,
) -> Result<Revision, Unread> {
    if state.removed_through > cursor.position {
        return Err(truncated_problem(name, state.first).into());
    }
    let request = PageRequest { from: None, order: Order::Descending, limit: 1, as_of: Some(cursor) };
    match query::page(view, name, &request)? {
        Page::Events(page) => Ok(page.events.first().map_or(state.first, |event| event.revision.next())),
        // All that was removed lies at or before the cursor.
        Page::Truncated(truncated) => Ok(truncated.first),
    }
}

fn truncated_problem(name: &StreamName<'_>, first: Revision) -> Box<Problem> {
    Problem::new(Code::HistoryTruncated, format!("`{name}` keeps its events from revision {first} on"))
        .revision("first_revision", Some(first))
}
