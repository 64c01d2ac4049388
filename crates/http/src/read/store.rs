//! A chunk of the whole store: the body file from a cursor on, filtered and rendered. The state is consulted
//! only where events have been removed.

use super::chunk::{Budget, Chunk, Unread, render};
use super::query::{Point, Query};
use format::body;
use model::{Cursor, Position, Slot, limits};
use runtime::Snapshot;
use shard::query::{self, Liveness};

/// Reads the events after `point`, up to `until` or to the end of the store.
pub(super) fn read_chunk(
    snapshot: &Snapshot,
    query: &Query,
    point: Point,
    until: Option<Cursor>,
    budget: Budget,
) -> Result<Chunk, Unread> {
    let after = match point {
        Point::After(cursor) => cursor,
        Point::Beginning | Point::Revision(_) => Cursor::START,
    };
    let mut chunk = empty_chunk(snapshot, after, until)?;
    // The body file learns of a removal only once the event's rows are gone; the state hides it at once.
    let mut liveness = match chunk.removed_through {
        Some(_) => Some(Liveness::new(&snapshot.state, snapshot.slots.first)?),
        None => None,
    };
    let mut examined = 0;
    while !chunk.at_end && examined < budget.examined_bytes && chunk.rendered.len() < budget.rendered_bytes {
        let page =
            snapshot.bodies.page_after(chunk.through, chunk.until, page_bytes(budget, chunk.events))?;
        if query.selects_all() && chunk.rendered.is_empty() {
            // Large enough for what the server adds to an event of 1 KiB; smaller events make it grow.
            let bytes =
                if page.at_end { page.bytes.len() } else { budget.rendered_bytes + page.bytes.len() / 2 };
            chunk.rendered.reserve(bytes + bytes / 4);
        }
        let mut rest = &page.bytes[..];
        while !rest.is_empty() {
            let (record, len) =
                body::decode(rest).map_err(|_| page.damaged(page.bytes.len() - rest.len()))?;
            rest = &rest[len..];
            let wanted = query.selects(&record)
                && match &mut liveness {
                    Some(liveness) => liveness.is_live(&record)?,
                    None => true,
                };
            if wanted {
                render(query, &record, &mut chunk)?;
            }
            if chunk.events >= budget.events {
                chunk.through = record.cursor();
                chunk.at_end = chunk.through >= chunk.until;
                chunk.resume = Point::After(chunk.through);
                return Ok(chunk);
            }
        }
        examined += page.bytes.len();
        chunk.through = page.through;
        chunk.at_end = page.at_end;
    }
    chunk.resume = Point::After(chunk.through);
    Ok(chunk)
}

fn empty_chunk(snapshot: &Snapshot, after: Cursor, until: Option<Cursor>) -> Result<Chunk, Unread> {
    let clock = query::clock(&snapshot.state, snapshot.slots.first)?;
    let end = Cursor::new(clock.last_position, Slot(u16::MAX));
    let until = until.map_or(end, |until| until.min(end));
    let removed = clock.removed_through;
    Ok(Chunk {
        rendered: Vec::new(),
        events: 0,
        through: after,
        until,
        at_end: after >= until,
        resume: Point::After(after),
        last: None,
        first: None,
        removed_through: (removed > Position::ZERO).then(|| Cursor::new(removed, Slot(u16::MAX))),
    })
}

/// Enough for what is wanted, if events are of a usual size.
fn page_bytes(budget: Budget, events: u64) -> usize {
    const USUAL_EVENT_BYTES: usize = 4 << 10;
    let left = usize::try_from(budget.events - events).unwrap_or(usize::MAX);
    left.saturating_mul(USUAL_EVENT_BYTES).min(budget.rendered_bytes).min(limits::READ_PAGE_BYTES)
}
