//! A chunk of the whole store: the body file from a cursor on, filtered and rendered. It costs no look at the
//! state but where events have been removed.

use super::framing::Framing;
use super::{Budget, failed_bodies, failed_record, failed_view, render};
use crate::response::Result;
use api::time::Moment;
use format::body::{self, BodyRecord};
use model::{Cursor, Namespace, Position, Slot, limits};
use runtime::Snapshot;
use shard::query::{self, Liveness};

/// Which events to read, and how.
#[derive(Clone, Debug)]
pub(crate) struct StoreRead {
    /// Only streams whose names begin like this.
    pub(crate) prefix: Option<String>,
    /// Only these types; all when empty.
    pub(crate) types: Vec<String>,
    /// Only events that had happened by then.
    pub(crate) happened_by: Option<Moment>,
    pub(crate) framing: Framing,
}

/// What was read.
#[derive(Debug)]
pub(crate) struct StoreChunk {
    pub(crate) rendered: Vec<u8>,
    pub(crate) events: u64,
    /// Everything up to here was looked at.
    pub(crate) through: Cursor,
    /// Where the read ends: what was asked for, or all that was there.
    pub(crate) until: Cursor,
    /// Nothing more was there up to `until`.
    pub(crate) at_end: bool,
    /// The greatest cursor that a removed event can have had.
    pub(crate) removed_through: Option<Cursor>,
}

impl StoreRead {
    fn is_whole(&self) -> bool {
        self.prefix.is_none() && self.types.is_empty() && self.happened_by.is_none()
    }

    fn takes(&self, record: &BodyRecord<'_>) -> bool {
        record.namespace == Namespace::ROOT
            && self.prefix.as_deref().is_none_or(|prefix| record.stream.starts_with(prefix))
            && (self.types.is_empty() || self.types.iter().any(|wanted| wanted == record.event_type))
    }
}

/// Reads what lies behind `after`, up to `until` or to the end of what is there.
pub(crate) fn read_chunk(
    snapshot: &Snapshot,
    read: &StoreRead,
    after: Cursor,
    until: Option<Cursor>,
    budget: Budget,
) -> Result<StoreChunk> {
    let clock = query::clock(&snapshot.state).map_err(|error| failed_view(&error))?;
    let end = Cursor::new(clock.last_position, Slot(u16::MAX));
    let until = until.map_or(end, |until| until.min(end));
    let removed = clock.removed_through;
    let mut chunk = StoreChunk {
        rendered: Vec::new(),
        events: 0,
        through: after,
        until,
        at_end: after >= until,
        removed_through: (removed > Position::ZERO).then(|| Cursor::new(removed, Slot(u16::MAX))),
    };
    // The body file learns of a removal only once its rows are gone; the state hides the event at once.
    let mut liveness = match chunk.removed_through {
        Some(_) => Some(Liveness::new(&snapshot.state).map_err(|error| failed_view(&error))?),
        None => None,
    };
    let mut examined = 0;
    while !chunk.at_end {
        let page = snapshot
            .bodies
            .page_after(chunk.through, until, page_bytes(budget, chunk.events))
            .map_err(|error| failed_bodies(&error))?;
        if read.is_whole() {
            // What the server adds to an event of 1 KiB fits; smaller ones grow it.
            chunk.rendered.reserve(page.bytes.len() + page.bytes.len() / 4);
        }
        let mut rest = &page.bytes[..];
        while !rest.is_empty() {
            let (record, len) = body::decode(rest).map_err(|error| failed_record(&error))?;
            rest = &rest[len..];
            let wanted = read.takes(&record)
                && match &mut liveness {
                    Some(liveness) => liveness.is_live(&record).map_err(|error| failed_view(&error))?,
                    None => true,
                };
            if wanted {
                chunk.events += render(read.framing, read.happened_by, &record, &mut chunk.rendered);
            }
            if chunk.events >= budget.events {
                // The next event may come any time, so this is the end only of what was asked for.
                chunk.through = record.cursor();
                chunk.at_end = false;
                return Ok(chunk);
            }
        }
        examined += page.bytes.len();
        chunk.through = page.through;
        chunk.at_end = page.at_end;
        if examined >= budget.examined_bytes || chunk.rendered.len() >= budget.rendered_bytes {
            break;
        }
    }
    Ok(chunk)
}

/// Enough for what is wanted, if events are of a usual size.
fn page_bytes(budget: Budget, events: u64) -> usize {
    const USUAL_EVENT_BYTES: usize = 4 << 10;
    let left = usize::try_from(budget.events - events).unwrap_or(usize::MAX);
    left.saturating_mul(USUAL_EVENT_BYTES).min(budget.rendered_bytes).min(limits::READ_PAGE_BYTES)
}
