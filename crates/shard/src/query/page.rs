//! One page of a stream: where its events are, in either direction, as of any cursor.
//!
//! *A page is never silently incomplete.* If the request names a removed revision, or a cursor from which the
//! stream no longer keeps anything, the result is [`Truncated`], which says where the kept events begin. A
//! request that names no revision reads what the stream's settings keep. For events that never existed, the
//! page is empty.

use crate::heads::Head;
use crate::query::StreamState;
use crate::revisions::Revisions;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use model::{Cursor, Namespace, Order, Position, Revision, Slot, StreamName, View, ViewError};

/// What to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// The first revision of the page, inclusive. `None` is the first kept revision, or the last one when
    /// reading backward.
    pub from: Option<Revision>,
    pub order: Order,
    /// At most this many events.
    pub limit: usize,
    /// Ignore events after this cursor.
    pub as_of: Option<Cursor>,
}

/// The result of reading a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    Events(EventsPage),
    Truncated(Truncated),
}

/// Events, in the requested direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventsPage {
    pub slot: Slot,
    pub events: Vec<StoredEvent>,
    /// The stream's last revision as of the requested cursor; `None` when the stream did not exist.
    pub last: Option<Revision>,
    /// The first revision of the next page; `None` when there are no more events for now.
    pub next: Option<Revision>,
}

/// Where an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    pub revision: Revision,
    /// Finds the event's body.
    pub position: Position,
}

/// The requested events are no longer kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncated {
    /// The first kept revision, or that of the next event when none are kept.
    pub first: Revision,
    /// That event's cursor; `None` when none are kept.
    pub first_cursor: Option<Cursor>,
    /// The last event that was removed.
    pub removed_through: Cursor,
}

/// Reads a page of a stream.
///
/// # Errors
/// [`ViewError`].
pub fn page(view: &impl View, name: &StreamName<'_>, request: &PageRequest) -> Result<Page, ViewError> {
    let slot = name.slot(Namespace::ROOT);
    let Some(head) = Head::load(view, slot, name.as_str())? else {
        return Ok(Page::Events(EventsPage { slot, events: Vec::new(), last: None, next: None }));
    };
    let kept = head.kept(slot);
    if let Some(truncated) = truncated(view, &head, kept, request)? {
        return Ok(Page::Truncated(truncated));
    }
    let end = match request.as_of {
        None => kept.next,
        Some(as_of) => kept.partition(view, |position| Cursor::new(position, slot) <= as_of)?,
    };
    let last = match request.as_of {
        Some(_) if end < kept.next => (end > kept.first).then(|| Revision(end.0 - 1)),
        _ => StreamState::of(slot, Some(&head)).last(),
    };
    let (from, to) = bounds(request, kept.first, end);
    let events = read(view, kept, (from, to), request.order)?;
    let next = match request.order {
        Order::Ascending => (to < end).then_some(to),
        Order::Descending => (from > kept.first && from < to).then(|| Revision(from.0 - 1)),
    };
    Ok(Page::Events(EventsPage { slot, events, last, next }))
}

/// The revisions of a page, as the first and the one after the last, within `first..end`.
fn bounds(request: &PageRequest, first: Revision, end: Revision) -> (Revision, Revision) {
    let limit = request.limit as u64;
    match request.order {
        Order::Ascending => {
            let from = request.from.unwrap_or(first).clamp(first, end.max(first));
            (from, Revision(from.0.saturating_add(limit).min(end.0)))
        }
        Order::Descending => {
            let to = request.from.map_or(end, |from| from.next().min(end));
            (Revision(to.0.saturating_sub(limit).max(first.0)), to)
        }
    }
}

fn read(
    view: &impl View,
    kept: Revisions,
    (from, to): (Revision, Revision),
    order: Order,
) -> Result<Vec<StoredEvent>, ViewError> {
    let mut events = Vec::with_capacity(to.0.saturating_sub(from.0) as usize);
    kept.scan(view, (from, to), order, |revision, row| {
        events.push(StoredEvent { revision, position: row.position });
        ControlFlow::Continue(())
    })?;
    Ok(events)
}

fn truncated(
    view: &impl View,
    head: &Head,
    kept: Revisions,
    request: &PageRequest,
) -> Result<Option<Truncated>, ViewError> {
    if kept.first == Revision::FIRST {
        return Ok(None);
    }
    let first_cursor = if kept.is_empty() {
        None
    } else {
        Some(Cursor::new(kept.row(view, kept.first)?.position, kept.slot))
    };
    let removed_through = Cursor::new(head.row.removed_through, kept.slot);
    // Before the stream began there was nothing to remove.
    let began = Cursor::new(Position(head.row.id.0), kept.slot);
    let beyond_kept = match request.as_of {
        Some(as_of) if as_of < began => return Ok(None),
        Some(as_of) => first_cursor.map_or(as_of <= removed_through, |first| as_of < first),
        None => false,
    };
    let below_kept = request.from.is_some_and(|from| from < kept.first);
    let truncated = Truncated { first: kept.first, first_cursor, removed_through };
    Ok((beyond_kept || below_kept).then_some(truncated))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Store, name};
    use alloc::format;
    use alloc::string::String;
    use model::Wall;

    /// A stream whose events were recorded at 1,000,000 ms and every 10 ms after that.
    fn store(events: u32, then: &str) -> Store {
        let mut store = Store::default();
        for at in 0..events {
            store.run(&format!("append cart {at}; wait 10"));
        }
        store.run(then);
        store
    }

    fn described(store: &Store, request: PageRequest) -> String {
        match page(&store.rows, &name("cart"), &request).unwrap() {
            Page::Truncated(truncated) => format!("kept from {}", truncated.first),
            Page::Events(page) => {
                let revisions: Vec<u64> = page.events.iter().map(|event| event.revision.0).collect();
                format!("{revisions:?} last {:?} next {:?}", page.last.map(|r| r.0), page.next.map(|r| r.0))
            }
        }
    }

    fn request(from: Option<u64>, limit: usize) -> PageRequest {
        PageRequest { from: from.map(Revision), limit, ..PageRequest::default() }
    }

    fn as_of(ms: u64) -> PageRequest {
        PageRequest { as_of: Some(Cursor::last_of(Wall(1_000_000 + ms))), ..request(None, 10) }
    }

    #[test]
    fn pages_follow_each_other_in_either_direction() {
        let store = store(5, "");
        assert_eq!(described(&store, request(None, 2)), "[0, 1] last Some(4) next Some(2)");
        assert_eq!(described(&store, request(Some(2), 2)), "[2, 3] last Some(4) next Some(4)");
        assert_eq!(described(&store, request(Some(4), 2)), "[4] last Some(4) next None");
        assert_eq!(described(&store, request(Some(9), 2)), "[] last Some(4) next None");
        let back = |from| PageRequest { order: Order::Descending, ..request(from, 2) };
        assert_eq!(described(&store, back(None)), "[4, 3] last Some(4) next Some(2)");
        assert_eq!(described(&store, back(Some(0))), "[0] last Some(4) next None");
        assert_eq!(described(&store, back(Some(99))), "[4, 3] last Some(4) next Some(2)");
    }

    #[test]
    fn as_of_covers_its_whole_millisecond_and_nothing_later() {
        let store = store(3, "");
        assert_eq!(described(&store, as_of(10)), "[0, 1] last Some(1) next None");
        assert_eq!(described(&store, as_of(9)), "[0] last Some(0) next None");
        assert_eq!(described(&store, as_of(20)), "[0, 1, 2] last Some(2) next None");
    }

    #[test]
    fn events_that_never_existed_are_an_empty_page() {
        assert_eq!(described(&store(0, ""), request(Some(3), 10)), "[] last None next None");
        assert_eq!(described(&store(0, "keep cart count 2"), request(None, 10)), "[] last None next None");
        let mut store = store(1, "");
        store.run("wait 90; append cart x; keep cart from 1");
        let before = PageRequest { as_of: Some(Cursor::last_of(Wall(999_999))), ..request(None, 10) };
        assert_eq!(described(&store, before), "[] last None next None", "before the stream began");
    }

    #[test]
    fn removed_events_are_never_silently_skipped() {
        let store = store(4, "keep cart from 2");
        assert_eq!(described(&store, request(Some(1), 10)), "kept from 2");
        assert_eq!(described(&store, request(Some(2), 10)), "[2, 3] last Some(3) next None");
        assert_eq!(described(&store, as_of(10)), "kept from 2");
        assert_eq!(described(&store, as_of(19)), "kept from 2");
        assert_eq!(described(&store, as_of(20)), "[2] last Some(2) next None");
        assert_eq!(
            described(&store, request(None, 10)),
            "[2, 3] last Some(3) next None",
            "what settings keep"
        );
    }

    #[test]
    fn a_deleted_stream_is_empty_but_its_past_is_gone() {
        let store = store(2, "delete cart");
        assert_eq!(described(&store, request(None, 10)), "[] last None next None");
        assert_eq!(described(&store, request(Some(0), 10)), "kept from 2");
        assert_eq!(described(&store, as_of(0)), "kept from 2");
        assert_eq!(described(&store, as_of(50)), "[] last None next None");
    }
}
