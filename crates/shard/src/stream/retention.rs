//! Removing what a stream no longer keeps.
//!
//! A stream keeps its events from one revision on. Only an entry that increases this revision removes events.
//! Their rows are deleted later, in bounded steps ([`crate::clean_up`]), and their bodies after that.
//!
//! A stream with a `max_age` that keeps at least one event has a wall timer. The timer comes due at most a
//! second after the oldest event exceeds that age. The node then proposes to expire the stream's events
//! ([`crate::stream::expire`]). A timer may be early, because the event that it was set for may have been
//! removed in another way. The command then sets it again.

use crate::heads::{Head, Stream};
use crate::overlay::Overlay;
use format::row::{CleanUpKey, CleanUpWork, WallTimerKey};
use model::{Namespace, Position, Revision, View, ViewError, Wall};

/// Timers are rounded up to a multiple of this, so that a busy stream does not expire one event at a time.
const TIMER_STEP_MS: u64 = 1_000;

/// Removes the events below `first`, which is greater than the first kept revision and at most the next one.
/// The caller writes the stream's row.
pub(crate) fn remove_before<'e, V: View>(
    first: Revision,
    stream: &Stream<'e>,
    head: &mut Head,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<(), ViewError> {
    debug_assert!(head.row.first < first && first <= head.next);
    let through = head.kept(stream.slot).row(overlay, Revision(first.0 - 1))?.position;
    let row = &mut head.row;
    if row.clean_up.is_none() {
        let work = CleanUpWork { from: row.first, queued: overlay.moment() };
        row.clean_up = Some(work);
        let key = clean_up_key(stream, head, work.queued).encode(overlay.first_slot);
        overlay.put(key, stream.name.as_bytes().into());
    }
    overlay.left.clean_up = true;
    head.row.first = first;
    head.row.removed_through = through;
    overlay.shard.removed_through = overlay.shard.removed_through.max(through);
    Ok(())
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
        overlay.delete(timer_key(stream, head, before).encode(overlay.first_slot));
    }
    if let Some(wall) = deadline {
        overlay.put(timer_key(stream, head, wall).encode(overlay.first_slot), stream.name.as_bytes().into());
        overlay.left.wall = Some(overlay.left.wall.map_or(wall, |earlier| earlier.min(wall)));
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

pub(crate) fn clean_up_key(stream: &Stream<'_>, head: &Head, queued: Position) -> CleanUpKey {
    CleanUpKey { queued, slot: stream.slot, namespace: Namespace::ROOT, stream: head.row.id }
}

fn timer_key(stream: &Stream<'_>, head: &Head, deadline: Wall) -> WallTimerKey {
    WallTimerKey { deadline, slot: stream.slot, namespace: Namespace::ROOT, stream: head.row.id }
}
