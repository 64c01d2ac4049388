//! Delete the rows of one slot's removed events, a bounded number at a time.
//!
//! *No user sees a difference.* The rows of events that a stream no longer keeps cannot be read. Streams take
//! turns in the order in which they were queued, and a stream that is not finished goes to the end of the
//! queue. An effect names the positions of the events whose rows were deleted, so that their bodies can be
//! removed too. If work remains, another effect says where it begins.

use crate::damage::{bad_row, missing_revision};
use crate::heads::{Head, Stream};
use crate::overlay::Overlay;
use core::ops::ControlFlow;
use format::row::{
    Author, CleanUpKey, CleanUpWork, DedupRow, RevisionRow, TimerRange, decode_name, dedup_key, revision_key,
};
use model::{
    CleanUp, Namespace, Order, Outcome, Position, Revision, Slot, StreamName, Timer, View, ViewError, limits,
};

/// Decides the command.
pub(crate) fn apply<V: View>(
    clean_up: &CleanUp,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Outcome, ViewError> {
    let rows_max = (clean_up.rows_max as usize).min(limits::CLEAN_UP_ROWS_MAX);
    let (mut rows, mut from) = (0, clean_up.from);
    while let Some((key, name)) = oldest_work(clean_up.slot, from, overlay)? {
        if rows >= rows_max {
            overlay.set_timer(clean_up.slot, Timer::CleanUp(key.queued));
            return Ok(Outcome::Progressed { more: true });
        }
        let stream = Stream::new(&name).into_owned();
        rows += clean_stream(key, stream, rows_max - rows, overlay)?;
        from = key.queued;
    }
    Ok(Outcome::Progressed { more: false })
}

fn oldest_work<V: View>(
    slot: Slot,
    from: Position,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<(CleanUpKey, StreamName<'static>)>, ViewError> {
    let mut oldest = None;
    let range = TimerRange::clean_ups(slot, from);
    overlay.scan(range.as_range(), Order::Ascending, &mut |key, value| {
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
    overlay.delete(key.encode());
    let Some(mut head) = overlay.head(&stream)? else { return Ok(rows) };
    let Some(work) = head.row.clean_up.filter(|work| work.queued == key.queued) else { return Ok(rows) };
    let mut from = work.from;
    // Each turn deletes at least one event. Otherwise a stream could stay in the queue forever.
    while from < head.row.first && (from == work.from || rows < rows_max) {
        rows += delete_event(from, &stream, &head, overlay)?;
        from = from.next();
    }
    head.row.clean_up = None;
    if from < head.row.first {
        put_work(from, &stream, &mut head, overlay);
    }
    overlay.put_stream(&stream, head);
    Ok(rows)
}

/// Queues the rows of the events from `from` up to the first kept one, and tells the node. The caller writes
/// the stream's row.
pub(crate) fn queue<V: View>(
    from: Revision,
    stream: &Stream<'_>,
    head: &mut Head,
    overlay: &mut Overlay<'_, '_, V>,
) {
    let queued = put_work(from, stream, head, overlay);
    overlay.set_timer(stream.slot, Timer::CleanUp(queued));
}

fn put_work<V: View>(
    from: Revision,
    stream: &Stream<'_>,
    head: &mut Head,
    overlay: &mut Overlay<'_, '_, V>,
) -> Position {
    let queued = overlay.moment();
    let key = CleanUpKey { slot: stream.slot, queued, namespace: Namespace::ROOT, stream: head.row.id };
    overlay.put(key.encode(), stream.name.as_bytes().into());
    head.row.clean_up = Some(CleanUpWork { from, queued });
    queued
}

/// Deletes one removed event's rows, and returns how many they were.
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
    overlay.body_removed(row.position);
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use crate::testing::{Store, check};
    use model::{Effect, Timer};

    #[test]
    fn users_see_no_difference() {
        check(&[
            ("append cart a b c; keep cart from 2", "clean cart 100", "no more", "cart 2c"),
            ("append cart a b c; keep cart from 2", "clean cart 2", "more", "cart 2c"),
            ("append cart a b; delete cart", "clean cart 100", "no more", "cart deleted next 2"),
            ("append cart a b; delete cart; clean cart 100", "append cart c", "2", "cart 2c"),
            ("", "clean cart 100", "no more", ""),
        ]);
    }

    #[test]
    fn rows_of_removed_events_are_deleted_and_then_their_bodies_may_be() {
        let mut store = Store::default();
        store.run("append cart a b _ d; keep cart from 3");
        let [Effect::TimerSet { timer: Timer::CleanUp(_), .. }] = store.applied.effects[..] else {
            panic!("{:?}", store.applied.effects)
        };
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
    fn a_full_stream_leaves_no_rows_behind() {
        let mut store = Store::default();
        store.run("keep cart count 2; append cart a b; append cart c; append cart d e _");
        assert_eq!(store.rows_of_events(), 3, "the rows of e (2) and of the last event (1)");
        assert_eq!(store.due(), None);
        let [Effect::BodiesRemoved { positions }] = &store.applied.effects[..] else {
            panic!("{:?}", store.applied.effects)
        };
        assert_eq!(positions.len(), 3);
    }

    #[test]
    fn rows_that_wait_for_clean_up_are_deleted_before_those_of_events_removed_later() {
        let mut store = Store::default();
        store.run("append cart a b c; keep cart count 2; append cart d; append cart e");
        assert_eq!(store.state(), "cart 3d 4e");
        assert_eq!(store.rows_of_events(), 10);
        assert_eq!(store.run("clean cart 100"), "no more");
        assert_eq!(store.rows_of_events(), 4);
        store.run("append cart f");
        assert_eq!(store.rows_of_events(), 4);
        assert_eq!(store.timers().clean_up, None);
    }

    #[test]
    fn a_step_is_bounded_and_streams_take_turns() {
        let mut store = Store::default();
        store.run("append a{t} 1 2 3 4 5 6; append b{t} 1 2; delete a{t}; append c x; delete b{t}");
        assert_eq!(store.run("clean {t} 6"), "more");
        assert_eq!(store.rows_of_events(), 12 + 4 + 2 - 6);
        let before = store.rows_of_events();
        assert_eq!(store.run("clean {t} 5"), "more");
        assert_eq!(store.rows_of_events(), before - 4, "the other stream's turn");
        while store.run("clean {t} 6") == "more" {}
        assert_eq!(store.rows_of_events(), 2);
        assert_eq!(store.timers().clean_up, None);
    }
    #[test]
    fn the_streams_of_one_step_share_its_rows() {
        let mut store = Store::default();
        store.run("append a{t} 1 2; append b{t} 1 2 3 4 5 6; delete a{t}; delete b{t}");
        assert_eq!((store.run("clean {t} 9").as_str(), store.rows_of_events()), ("more", 16 - 8));
    }

    #[test]
    fn a_stream_that_is_not_finished_goes_behind_one_that_was_queued_before() {
        let mut store = Store::default();
        store.run("append a{t} 1 2 3; append b{t} _ _ _; delete a{t}; wait 1; delete b{t}");
        // An event of `a` has two rows, and one of `b` has one.
        for left in [9 - 2, 9 - 2 - 1, 9 - 4 - 1, 9 - 4 - 2] {
            store.run("wait 1; clean {t} 2");
            assert_eq!(store.rows_of_events(), left);
        }
    }
}
