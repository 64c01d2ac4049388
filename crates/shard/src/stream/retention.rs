//! Removing what a stream no longer keeps.
//!
//! A stream keeps its events from one revision on. Only an entry that increases this revision removes events.
//! An append and an expiry also delete the rows of what they removed, a few events at a time, so a stream that
//! is written steadily leaves nothing behind. The other rows are deleted later, in bounded steps
//! ([`crate::clean_up`]), and bodies after that.
//!
//! A stream with a `max_age` that keeps at least one event has a wall timer. The timer comes due at most a
//! second after the oldest event exceeds that age. The node then proposes to expire the stream's events
//! ([`crate::stream::expire`]). A timer may be early, because the event that it was set for may have been
//! removed in another way. The command then sets it again.

use crate::clean_up;
use crate::damage::missing_revision;
use crate::heads::{Head, Stream};
use crate::overlay::Overlay;
use crate::revisions::Revisions;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::row::{Author, WallTimerKey, dedup_key, revision_key};
use model::{Namespace, Order, Position, Revision, Timer, View, ViewError, Wall};

/// Timers are rounded up to a multiple of this, so that a busy stream does not expire one event at a time.
const TIMER_STEP_MS: u64 = 1_000;

/// Removes the events below `first`, which is greater than the first kept revision and at most the next one,
/// and deletes the rows of up to `at_once_max` of them. The caller writes the stream's row.
pub(crate) fn remove_before<'e, V: View>(
    first: Revision,
    at_once_max: u64,
    stream: &Stream<'e>,
    head: &mut Head,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<(), ViewError> {
    debug_assert!(head.row.first < first && first <= head.next);
    let kept = head.kept(stream.slot);
    let from = head.row.first;
    // Rows of events removed earlier go first.
    let at_once_end = match head.row.clean_up {
        Some(_) => from,
        None => first.min(Revision(from.0.saturating_add(at_once_max))),
    };
    let mut through = delete_rows(kept, (from, at_once_end), overlay)?;
    if at_once_end < first {
        through = Some(kept.row(overlay, Revision(first.0 - 1))?.position);
    }
    head.row.first = first;
    if let Some(through) = through {
        head.row.removed_through = through;
        overlay.shard.removed_through = overlay.shard.removed_through.max(through);
    }
    if at_once_end < first && head.row.clean_up.is_none() {
        clean_up::queue(at_once_end, stream, head, overlay);
    }
    Ok(())
}

/// Deletes the rows of events that were kept until now, and returns the last one's position. No other event has
/// their identities: one that is kept cannot be appended again.
fn delete_rows<V: View>(
    kept: Revisions,
    (from, to): (Revision, Revision),
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<Option<Position>, ViewError> {
    let mut rows = Vec::new();
    if from.next() == to {
        rows.push((from, overlay.first_row(kept)?));
    } else if from < to {
        kept.scan(overlay, (from, to), Order::Ascending, |revision, row| {
            rows.push((revision, row));
            ControlFlow::Continue(())
        })?;
        // The rows of kept events have no gap.
        if rows.len() as u64 != to.0 - from.0 {
            return Err(missing_revision(kept.stream, from));
        }
    }
    for (revision, row) in &rows {
        overlay.delete(revision_key(kept.slot, Revisions::NAMESPACE, kept.stream, *revision));
        if let Author::Client(id) = row.author {
            overlay.delete(dedup_key(kept.slot, Revisions::NAMESPACE, kept.stream, id));
        }
        overlay.body_removed(row.position);
    }
    Ok(rows.last().map(|(_, row)| row.position))
}

/// The first revision that is not older than `max_age_ms` at `wall`.
pub(crate) fn first_within_age(
    max_age_ms: u64,
    stream: &Stream<'_>,
    head: &Head,
    wall: Wall,
    view: &impl View,
) -> Result<Revision, ViewError> {
    let is_past = |position: Position| position.wall().0.saturating_add(max_age_ms) < wall.0;
    let kept = head.kept(stream.slot);
    // Usually nothing has expired, or only the oldest event. Check that before searching.
    if kept.is_empty() || !is_past(kept.row(view, kept.first)?.position) {
        return Ok(kept.first);
    }
    kept.partition(view, is_past)
}

/// Replaces the stream's timer with the one that its settings and its oldest event need. The caller writes
/// the stream's row.
pub(crate) fn set_timer<'e, V: View>(
    stream: &Stream<'e>,
    head: &mut Head,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<(), ViewError> {
    let kept = head.kept(stream.slot);
    let deadline = match head.row.settings.max_age_ms {
        Some(max_age_ms) if !kept.is_empty() => {
            let recorded = kept.row(overlay, kept.first)?.position.wall();
            deadline(recorded, max_age_ms)
        }
        _ => None,
    };
    if deadline == head.row.expires {
        return Ok(());
    }
    if let Some(before) = head.row.expires {
        overlay.delete(timer_key(stream, head, before).encode());
    }
    if let Some(wall) = deadline {
        overlay.put(timer_key(stream, head, wall).encode(), stream.name.as_bytes().into());
        overlay.set_timer(stream.slot, Timer::Events(wall));
    }
    head.row.expires = deadline;
    Ok(())
}

/// The timer for an event recorded at `recorded`: when its age exceeds `max_age_ms`, rounded up. `None` if
/// that does not fit into 64 bits.
fn deadline(recorded: Wall, max_age_ms: u64) -> Option<Wall> {
    let past = recorded.0.checked_add(max_age_ms)?.checked_add(1)?;
    past.checked_next_multiple_of(TIMER_STEP_MS).map(Wall)
}

fn timer_key(stream: &Stream<'_>, head: &Head, deadline: Wall) -> WallTimerKey {
    WallTimerKey { slot: stream.slot, deadline, namespace: Namespace::ROOT, stream: head.row.id }
}
