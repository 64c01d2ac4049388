//! Delete rows that nothing can read any more, a bounded number at a time.
//!
//! *No user sees a difference.* Two kinds of rows become unreadable: those of events that a stream no longer
//! keeps, and expired idempotency records. Records come first, with up to half of the bound, so that neither
//! kind starves the other. Streams take turns in the order in which they were queued, and a stream that is
//! not finished goes to the end of the queue. An effect names the positions of the events whose rows were
//! deleted, so that their bodies can be removed too.

use crate::damage::{bad_row, missing_revision};
use crate::heads::{Head, Stream};
use crate::idempotency;
use crate::overlay::Overlay;
use crate::stream::retention::clean_up_key;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{
    Author, CleanUpKey, CleanUpWork, DedupRow, RecordTimerKey, RevisionRow, clean_ups, decode_name,
    dedup_key, record_timers, revision_key,
};
use model::{CleanUp, Namespace, Order, Outcome, Revision, StreamName, View, ViewError, limits};

/// Decides the command.
pub(crate) fn apply<V: View>(
    clean_up: &CleanUp,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let rows_max = (clean_up.rows_max as usize).min(limits::CLEAN_UP_ROWS_MAX);
    let records = expire_records(rows_max / 2, overlay)?;
    let streams = clean_streams(rows_max - records.rows, overlay)?;
    Ok(Outcome::Progressed { more: records.more || streams.more })
}

/// What one step did.
struct Done {
    rows: usize,
    more: bool,
}

fn expire_records<V: View>(rows_max: usize, overlay: &mut Overlay<'_, '_, V>) -> Result<Done, ViewError> {
    const ROWS_EACH: usize = 2;
    let records_max = rows_max / ROWS_EACH;
    let mut due = Vec::new();
    let mut bad = None;
    let now = overlay.shard.elapsed;
    overlay.scan(record_timers(overlay.first_slot).as_range(), Order::Ascending, &mut |key, _| {
        match RecordTimerKey::decode(key) {
            Ok(timer) if timer.deadline <= now && due.len() <= records_max => {
                due.push(timer);
                ControlFlow::Continue(())
            }
            Ok(_) => ControlFlow::Break(()),
            Err(error) => {
                bad = Some(bad_row("record timer", error));
                ControlFlow::Break(())
            }
        }
    })?;
    if let Some(bad) = bad {
        return Err(bad);
    }
    let more = due.len() > records_max;
    due.truncate(records_max);
    for timer in &due {
        idempotency::expire(*timer, overlay)?;
    }
    Ok(Done { rows: due.len() * ROWS_EACH, more })
}

fn clean_streams<V: View>(rows_max: usize, overlay: &mut Overlay<'_, '_, V>) -> Result<Done, ViewError> {
    let mut rows = 0;
    loop {
        let Some((key, name)) = oldest_work(overlay)? else { return Ok(Done { rows, more: false }) };
        if rows >= rows_max {
            return Ok(Done { rows, more: true });
        }
        let stream = Stream::new(&name).into_owned();
        rows += clean_stream(key, stream, rows_max - rows, overlay)?;
    }
}

fn oldest_work<V: View>(
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<(CleanUpKey, StreamName<'static>)>, ViewError> {
    let mut oldest = None;
    overlay.scan(clean_ups(overlay.first_slot).as_range(), Order::Ascending, &mut |key, value| {
        let work = CleanUpKey::decode(key).and_then(|key| Ok((key, decode_name(value)?.into_owned())));
        oldest = Some(work.map_err(|error| bad_row("clean-up work", error)));
        ControlFlow::Break(())
    })?;
    oldest.transpose()
}

/// Deletes rows of one stream's removed events. If rows remain, the stream goes to the end of the queue.
/// Returns how many rows were deleted, the work's own included.
fn clean_stream<V: View>(
    key: CleanUpKey,
    stream: Stream<'static>,
    rows_max: usize,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<usize, ViewError> {
    let mut rows = 1;
    overlay.delete(key.encode(overlay.first_slot));
    let Some(mut head) = overlay.head(&stream)? else { return Ok(rows) };
    let Some(work) = head.row.clean_up.filter(|work| work.queued == key.queued) else { return Ok(rows) };
    let mut from = work.from;
    // Each turn deletes at least one event. Otherwise a stream could stay in the queue forever.
    while from < head.row.first && (from == work.from || rows < rows_max) {
        rows += delete_event(from, &stream, &head, overlay)?;
        from = from.next();
    }
    head.row.clean_up = (from < head.row.first).then_some(CleanUpWork { from, queued: overlay.moment() });
    if let Some(work) = head.row.clean_up {
        let key = clean_up_key(&stream, &head, work.queued).encode(overlay.first_slot);
        overlay.put(key, stream.name.as_bytes().into());
    }
    overlay.put_stream(&stream, head);
    Ok(rows)
}

/// Deletes one removed event's rows.
fn delete_event<V: View>(
    revision: Revision,
    stream: &Stream<'_>,
    head: &Head,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<usize, ViewError> {
    let mut rows = 1;
    let id = head.row.id;
    let key = revision_key(stream.slot, Namespace::ROOT, id, revision);
    let value = overlay.get(&key)?.ok_or_else(|| missing_revision(id, revision))?;
    let row = RevisionRow::decode(&value).map_err(|error| bad_row("revision row", error))?;
    if let Author::Client(client) = row.author {
        let key = dedup_key(stream.slot, Namespace::ROOT, id, client);
        let dedup = overlay.get(&key)?.map(|value| DedupRow::decode(&value)).transpose();
        let dedup = dedup.map_err(|error| bad_row("dedup row", error))?;
        // The same id may have been appended again since. Then this row belongs to the new event and stays.
        if dedup.is_some_and(|dedup| dedup.revision == revision) {
            overlay.delete(key);
            rows += 1;
        }
    }
    overlay.delete(key);
    overlay.removed.push(row.position);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};
    use model::Effect;

    #[test]
    fn users_see_no_difference() {
        check(&[
            ("append cart a b c; keep cart from 2", "clean 100", "no more", "cart 2c"),
            ("append cart a b c; keep cart from 2", "clean 2", "more", "cart 2c"),
            ("append cart a b; delete cart", "clean 100", "no more", "cart deleted next 2"),
            ("append cart a b; delete cart; clean 100", "append cart c", "2", "cart 2c"),
            ("", "clean 100", "no more", ""),
        ]);
    }

    #[test]
    fn rows_of_removed_events_are_deleted_and_then_their_bodies_may_be() {
        let mut store = Store::default();
        store.run("append cart a b _ d; keep cart from 3");
        assert_eq!(store.applied.effects, [Effect::CleanUpDue]);
        assert_eq!(store.rows_of_events(), 7);
        let mut positions = 0;
        while let Some(command) = store.due() {
            store.apply(command);
            for effect in &store.applied.effects {
                let Effect::BodiesRemoved { positions: gone } = effect else { panic!("{effect:?}") };
                positions += gone.len();
            }
        }
        assert_eq!((store.rows_of_events(), positions), (2, 3));
    }

    #[test]
    fn a_step_is_bounded_and_streams_take_turns() {
        let mut store = Store::default();
        store.run("append a 1 2 3 4 5 6; append b 1 2; delete a; append c x; delete b");
        assert_eq!(store.run("clean 6"), "more");
        assert_eq!(store.rows_of_events(), 12 + 4 + 2 - 6);
        let before = store.rows_of_events();
        assert_eq!(store.run("clean 5"), "more");
        assert_eq!(store.rows_of_events(), before - 4, "the other stream's turn");
        while store.run("clean 6") == "more" {}
        assert_eq!(store.rows_of_events(), 2);
        assert_eq!(store.due(), None);
    }
}
