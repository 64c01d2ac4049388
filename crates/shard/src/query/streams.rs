//! One page of the list of streams, by slot and then by name.
//!
//! The rows of a slot are adjacent, stream rows first, so the list skips from slot to slot instead of
//! visiting every event's row. The work for one page is bounded: a page may be short, or empty, and still
//! have a next page.

use crate::damage::bad_row;
use crate::heads::Head;
use crate::query::{Presence, StreamState};
use crate::revisions::next_revision;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{StreamRow, parse_stream_key, stream_key};
use model::{KeyRange, Namespace, Order, Slot, StreamName, View, ViewError, limits};

/// A point in the list: a slot, and a name in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPoint {
    pub slot: Slot,
    /// The list continues after this name. `None` is before the slot's first name.
    pub behind: Option<StreamName<'static>>,
}

/// What to list.
#[derive(Clone, Debug)]
pub struct StreamsRequest<'a> {
    pub from: ListPoint,
    /// Only streams whose name begins with this.
    pub prefix: &'a str,
    /// At most this many streams.
    pub limit: usize,
    /// Examine at most this many names. A skip to another slot counts as one.
    pub examined_max: usize,
}

impl Default for StreamsRequest<'_> {
    fn default() -> Self {
        Self {
            from: ListPoint::default(),
            prefix: "",
            limit: limits::PAGE_EVENTS_DEFAULT,
            examined_max: limits::PAGE_NAMES_EXAMINED_MAX,
        }
    }
}

/// Streams that exist. Streams that were deleted or never appended to are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamsPage {
    pub streams: Vec<ListedStream>,
    /// Where the next page begins; `None` at the end of the list.
    pub next: Option<ListPoint>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedStream {
    pub name: StreamName<'static>,
    pub state: StreamState,
}

/// Lists streams.
///
/// # Errors
/// [`ViewError`].
pub fn streams(view: &impl View, request: &StreamsRequest<'_>) -> Result<StreamsPage, ViewError> {
    let mut page = StreamsPage::default();
    let mut examined = 0;
    let mut at = Some(request.from.clone());
    while let Some(point) = at {
        if page.streams.len() >= request.limit || examined >= request.examined_max {
            page.next = Some(point);
            break;
        }
        let names_max = (request.limit - page.streams.len()).min(request.examined_max - examined);
        let run = run(view, point, request.prefix, names_max)?;
        examined += run.found.len() + 1;
        for Found { slot, name, row } in run.found {
            let head = Head { row, next: next_revision(view, slot, row.id, row.first)? };
            let state = StreamState::of(slot, Some(&head));
            if state.presence == Presence::Exists {
                page.streams.push(ListedStream { name, state });
            }
        }
        at = run.then;
    }
    Ok(page)
}

/// What one scan finds before it must skip ahead.
struct Run {
    found: Vec<Found>,
    /// Where to continue; `None` at the end.
    then: Option<ListPoint>,
}

struct Found {
    slot: Slot,
    name: StreamName<'static>,
    row: StreamRow,
}

fn run(view: &impl View, point: ListPoint, prefix: &str, names_max: usize) -> Result<Run, ViewError> {
    const END: [u8; 8] = [0xff; 8];
    let from = start(&point, prefix);
    let mut run = Run { found: Vec::new(), then: None };
    let mut bad = None;
    view.scan(KeyRange { from: &from, to: &END }, Order::Ascending, &mut |key, value| {
        match look(key, value, prefix) {
            Err(error) => bad = Some(error),
            Ok(Look::Leap(then)) => run.then = then,
            Ok(Look::Stream(found)) => {
                let point = ListPoint { slot: found.slot, behind: Some(found.name.clone()) };
                run.found.push(found);
                if run.found.len() < names_max {
                    return ControlFlow::Continue(());
                }
                run.then = Some(point);
            }
        }
        ControlFlow::Break(())
    })?;
    bad.map_or(Ok(run), Err)
}

/// The first key at or after a point that can belong to the list.
fn start(point: &ListPoint, prefix: &str) -> Vec<u8> {
    match &point.behind {
        Some(name) if name.as_str() >= prefix => {
            let mut key = stream_key(point.slot, Namespace::ROOT, name.as_str());
            key.push(0);
            key
        }
        _ => stream_key(point.slot, Namespace::ROOT, prefix),
    }
}

/// What a key of the scan means for the list.
enum Look {
    Stream(Found),
    /// No more names here: continue there.
    Leap(Option<ListPoint>),
}

fn look(key: &[u8], value: &[u8], prefix: &str) -> Result<Look, ViewError> {
    let slot_behind =
        |slot: Slot| slot.0.checked_add(1).map(|slot| ListPoint { slot: Slot(slot), behind: None });
    let parsed = parse_stream_key(key).map_err(|error| bad_row("stream key", error))?;
    let Some((slot, Namespace::ROOT, name)) = parsed else {
        // Stream rows come first in their slot, so the slot has no more of them.
        let slot = key.first_chunk().map_or(Slot(u16::MAX), |bytes| Slot(u16::from_be_bytes(*bytes)));
        return Ok(Look::Leap(slot_behind(slot)));
    };
    if !name.as_str().starts_with(prefix) {
        // Names with the prefix may still come later in this slot.
        let ahead = name.as_str() < prefix;
        let then = if ahead { Some(ListPoint { slot, behind: None }) } else { slot_behind(slot) };
        return Ok(Look::Leap(then));
    }
    let row = StreamRow::decode(value).map_err(|error| bad_row("stream row", error))?;
    Ok(Look::Stream(Found { slot, name: name.into_owned(), row }))
}
