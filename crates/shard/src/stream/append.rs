//! Append a batch of events to one stream.
//!
//! *Either all events are appended, in order, or none is.* If the stream already holds all of them, the
//! outcome says where they are and nothing else is checked: a retry gets the original outcome. If it holds
//! some of them, only the others are appended. Before anything is appended, the stream must meet the
//! request's expectation: any, none, exists, or a revision. Each event gets the stream's next revision and
//! the shard's next position. If the stream keeps only its newest events, its oldest ones are removed in the
//! same step.

use crate::heads::{Head, Stream, is_as_expected};
use crate::overlay::Overlay;
use crate::stream::duplicates::{Duplicates, Found, Size};
use crate::stream::retention;
use alloc::vec::Vec;
use format::body::{self, BodyRecord};
use format::row::{Author, DedupRow, RevisionRow, StreamRow, dedup_key, revision_key};
use model::{
    Append, Appended, AppendedEvent, Cursor, Identity, Namespace, NewEvent, Outcome, Refusal, Revision,
    StreamId, View, ViewError,
};

/// The number of revisions of a stream.
const REVISIONS_MAX: u64 = 1 << 63;

/// Decides the command.
pub(crate) fn apply<'e, V: View>(
    append: &'e Append<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    let stream = Stream::new(&append.stream);
    let head = overlay.head(&stream)?;
    let mut duplicates = Duplicates::default();
    let size = Size::of(append.events.len());
    let found = match duplicates.find(0, append, &stream, head.as_ref(), size, overlay)? {
        Ok(found) => found,
        Err(conflict) => return Ok(Outcome::Refused(conflict)),
    };
    if duplicates.all_stored() {
        return Ok(Outcome::Appended(replay(&stream, &found)));
    }
    if let Err(refusal) = check(append, 0, head.as_ref()) {
        return Ok(Outcome::Refused(refusal));
    }
    Ok(Outcome::Appended(write(append, &stream, head, &found, &[], overlay)?))
}

/// The outcome when the stream holds every event.
pub(crate) fn replay(stream: &Stream<'_>, found: &[Found]) -> Appended {
    let stored = |found: &Found| match found {
        Found::Stored(event) => Some(*event),
        Found::New | Found::Twin { .. } => None,
    };
    Appended { slot: stream.slot, events: found.iter().filter_map(stored).collect() }
}

/// Checks what must hold before anything is appended. `part` identifies this append in a refusal.
pub(crate) fn check(append: &Append<'_>, part: u32, head: Option<&Head>) -> Result<(), Refusal> {
    if !is_as_expected(append.expected, head) {
        return Err(Refusal::WrongRevision { part, current: head.and_then(Head::last) });
    }
    let next = head.map_or(0, |head| head.next.0);
    if next.saturating_add(append.events.len() as u64) > REVISIONS_MAX {
        return Err(Refusal::StreamFull);
    }
    Ok(())
}

/// Appends the new events. `earlier` holds the appends before this one in the same transaction.
pub(crate) fn write<'e, V: View>(
    append: &'e Append<'_>,
    stream: &Stream<'e>,
    head: Option<Head>,
    found: &[Found],
    earlier: &[Appended],
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Appended, ViewError> {
    let mut head = head;
    let mut changed = None;
    let mut events: Vec<AppendedEvent> = Vec::with_capacity(found.len());
    for (event, found) in append.events.iter().zip(found) {
        let appended = match *found {
            Found::Stored(stored) => stored,
            Found::Twin { write, event } => {
                let append = earlier.get(write as usize).map_or(&events, |append| &append.events);
                // A repeated event comes after the one that it repeats.
                let Some(first) = append.get(event as usize) else { continue };
                AppendedEvent { replayed: true, ..*first }
            }
            Found::New => {
                let position = overlay.take_position();
                let head = head.get_or_insert_with(|| {
                    changed = Some(RowChange);
                    Head { row: StreamRow::new(StreamId(position.0)), next: Revision::FIRST }
                });
                let appended = AppendedEvent { revision: head.next, position, replayed: false };
                put_event(event, stream, head.row.id, appended, overlay);
                head.next = head.next.next();
                appended
            }
        };
        events.push(appended);
    }
    if let Some(mut head) = head
        && events.iter().any(|event| !event.replayed)
    {
        let appended = events.iter().filter(|event| !event.replayed).count() as u64;
        settle(appended, stream, &mut head, changed, overlay)?;
    }
    Ok(Appended { slot: stream.slot, events })
}

/// Appends an event of the shard's own, whatever the stream is like. One that can take no more events stays as it is.
pub(crate) fn own<'e, V: View>(
    event: &NewEvent<'_>,
    stream: &Stream<'e>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<(), ViewError> {
    let known = overlay.head(stream)?;
    if known.as_ref().is_some_and(|head| head.next.0 >= REVISIONS_MAX) {
        return Ok(());
    }
    let position = overlay.take_position();
    let changed = known.is_none().then_some(RowChange);
    let new = || Head { row: StreamRow::new(StreamId(position.0)), next: Revision::FIRST };
    let mut head = known.unwrap_or_else(new);
    let appended = AppendedEvent { revision: head.next, position, replayed: false };
    put_event(event, stream, head.row.id, appended, overlay);
    head.next = head.next.next();
    settle(1, stream, &mut head, changed, overlay)
}

/// The stream's row differs from the one in the state.
struct RowChange;

/// Updates the stream after `appended` events were written: undeletes it, removes what its settings do not keep, and
/// sets the timer for its oldest event.
fn settle<'e, V: View>(
    appended: u64,
    stream: &Stream<'e>,
    head: &mut Head,
    mut changed: Option<RowChange>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<(), ViewError> {
    if head.row.deleted {
        head.row.deleted = false;
        changed = Some(RowChange);
    }
    if let Some(max_count) = head.row.settings.max_count {
        let first = Revision(head.next.0.saturating_sub(max_count));
        if first > head.row.first {
            // A stream that is full removes as many events as are appended.
            retention::remove_before(first, appended, stream, head, overlay)?;
            changed = Some(RowChange);
        }
    }
    if head.row.settings.max_age_ms.is_some() && head.row.expires.is_none() {
        retention::set_timer(stream, head, overlay)?;
        changed = Some(RowChange);
    }
    match changed {
        Some(RowChange) => overlay.put_stream(stream, *head),
        None => overlay.set_head(stream, *head),
    }
    Ok(())
}

/// One event's rows and body.
fn put_event<V: View>(
    event: &NewEvent<'_>,
    stream: &Stream<'_>,
    id: StreamId,
    appended: AppendedEvent,
    overlay: &mut Overlay<'_, '_, V>,
) {
    let AppendedEvent { revision, position, .. } = appended;
    let namespace = Namespace::ROOT;
    let author = match event.identity {
        Identity::Server => Author::Server(event.fingerprint),
        Identity::Client(id) | Identity::Echo { id, .. } => Author::Client(id),
    };
    if let Author::Client(client) = author {
        let row = DedupRow { revision, fingerprint: event.fingerprint };
        overlay.put(dedup_key(stream.slot, namespace, id, client), row.encode());
    }
    let row = RevisionRow { position, author };
    overlay.put(revision_key(stream.slot, namespace, id, revision), row.encode());
    let record = BodyRecord {
        position,
        slot: stream.slot,
        namespace,
        key_id: event.key_id,
        revision,
        filled: event.filled,
        stream: &stream.name,
        event_type: &event.event_type,
        envelope: &event.envelope,
    };
    body::encode(&record, &mut overlay.bodies);
    overlay.last = Some(Cursor::new(position, stream.slot));
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};
    use alloc::vec::Vec;
    use format::row::{Author, RevisionRow, StreamRow, revision_key, stream_key};
    use model::{Cursor, Fingerprint, Namespace, Position, Revision, StreamId};

    #[test]
    fn events_get_the_next_revisions() {
        check(&[
            ("", "append cart a", "0", "cart 0a"),
            ("", "append cart a b _", "0 1 2", "cart 0a 1b 2_"),
            ("append cart a", "append cart b _", "1 2", "cart 0a 1b 2_"),
            ("append cart a", "append order a", "0", "cart 0a, order 0a"),
            ("", "append cart", "", ""),
        ]);
    }

    #[test]
    fn the_stream_must_be_at_the_expected_revision() {
        check(&[
            ("", "append cart if none a", "0", "cart 0a"),
            ("", "append cart if exists a", "part 0 has no stream", ""),
            ("", "append cart if 0 a", "part 0 has no stream", ""),
            ("append cart a", "append cart if none b", "part 0 is at 0", "cart 0a"),
            ("append cart a", "append cart if exists b", "1", "cart 0a 1b"),
            ("append cart a b", "append cart if 1 c", "2", "cart 0a 1b 2c"),
            ("append cart a b", "append cart if 0 c", "part 0 is at 1", "cart 0a 1b"),
            ("append cart a b", "append cart if 2 c", "part 0 is at 1", "cart 0a 1b"),
            ("append cart a b", "append cart if 0", "part 0 is at 1", "cart 0a 1b"),
        ]);
    }

    #[test]
    fn a_stream_keeps_its_newest_events() {
        check(&[
            ("keep cart count 2; append cart a b", "append cart c", "2", "cart 1b 2c"),
            ("keep cart count 2", "append cart a b c d", "0 1 2 3", "cart 2c 3d"),
            ("keep cart count 0", "append cart a", "0", "cart next 1"),
            ("keep cart count 0; append cart a", "append cart if 0 b", "1", "cart next 2"),
            // A replay appends nothing, so nothing is removed.
            ("append cart a b; keep cart count 2", "append cart a", "0*", "cart 0a 1b"),
        ]);
    }

    #[test]
    fn a_deleted_stream_continues_after_its_last_revision() {
        check(&[
            ("append cart a b; delete cart", "append cart c", "2", "cart 2c"),
            ("append cart a b; delete cart", "append cart if none c", "2", "cart 2c"),
            (
                "append cart a b; delete cart",
                "append cart if exists c",
                "part 0 has no stream",
                "cart deleted next 2",
            ),
            (
                "append cart a b; delete cart",
                "append cart if 1 c",
                "part 0 has no stream",
                "cart deleted next 2",
            ),
            ("append cart a b; delete cart; append cart c; delete cart", "append cart d", "3", "cart 3d"),
        ]);
    }

    #[test]
    fn a_full_stream_refuses_appends_and_reuses_no_revision() {
        let mut store = Store::default();
        store.run("append cart a");
        let slot = crate::testing::name("cart").slot(Namespace::ROOT);
        let id = StreamId(1 << 30);
        let mut row = StreamRow::new(id);
        row.first = Revision((1 << 63) - 2);
        store.rows.insert(stream_key(slot, Namespace::ROOT, "cart"), row.encode());
        let last = RevisionRow { position: Position(1), author: Author::Server(Fingerprint(1)) };
        store.rows.insert(revision_key(slot, Namespace::ROOT, id, row.first).into(), last.encode());
        store.shard = crate::Shard::new(crate::ShardOptions::default());
        assert_eq!(store.run("append cart b c"), "the stream is full");
        assert_eq!(store.run("append cart b"), "9223372036854775807");
        assert_eq!(store.run("append cart c"), "the stream is full");
    }

    #[test]
    fn bodies_are_in_position_order_and_the_last_cursor_is_returned() {
        let mut store = Store::default();
        store.run("append order x, append cart a b, append order y");
        let mut rest = &store.applied.bodies[..];
        let mut decoded = Vec::new();
        while !rest.is_empty() {
            let (record, len) = format::body::decode(rest).unwrap();
            decoded.push((record.stream, record.revision.0, record.cursor()));
            rest = &rest[len..];
        }
        let streams: Vec<_> = decoded.iter().map(|(stream, revision, _)| (*stream, *revision)).collect();
        assert_eq!(streams, [("order", 0), ("cart", 0), ("cart", 1), ("order", 1)]);
        let cursors: Vec<Cursor> = decoded.iter().map(|(_, _, cursor)| *cursor).collect();
        assert!(cursors.is_sorted());
        assert_eq!(store.applied.last, cursors.last().copied());
        assert_eq!(cursors[0].position, Position::first_of(store.wall));
    }
}
