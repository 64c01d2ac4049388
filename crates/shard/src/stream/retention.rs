//! What a stream no longer keeps.
//!
//! A stream keeps its events from one revision on. Only moving that revision forward hides events, in one
//! entry; their rows are deleted later, in bounded steps ([`crate::clean_up`]), and their bodies after that.
//!
//! A stream with a `max_age` that keeps an event has a wall timer, whose deadline is not after the moment at
//! which its oldest event has passed that age. When it comes, the node proposes to expire the stream's events
//! ([`crate::stream::expire`]). A timer may come early (what it was set for is gone by other means); it is
//! then set anew.

use crate::heads::{Head, Stream};
use crate::overlay::Overlay;
use format::row::{CleanUpKey, CleanUpWork, WallTimerKey};
use model::{Namespace, Position, Revision, View, ViewError, Wall};

/// Deadlines are rounded up to this, so that a stream that is written all the time is not expired event by
/// event.
const TIMER_STEP_MS: u64 = 1_000;

/// Hides the events below `first`, which lies beyond the first kept revision and not beyond the next one.
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

/// The first revision that `max_age` lets a stream keep at `wall`.
pub(crate) fn first_within_age(
    max_age_ms: u64,
    stream: &Stream<'_>,
    head: &Head,
    wall: Wall,
    view: &impl View,
) -> Result<Revision, ViewError> {
    let is_past = |position: Position| position.wall().0.saturating_add(max_age_ms) < wall.0;
    let kept = head.kept(stream.slot);
    // Most often nothing, or only the oldest, has passed: look there before searching.
    if kept.is_empty() || !is_past(kept.row(view, kept.first)?.position) {
        return Ok(kept.first);
    }
    kept.partition(view, is_past)
}

/// Replaces the stream's timer by the one that its settings and its oldest event ask for. The caller writes
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

/// When an event recorded at `recorded` has passed `max_age_ms`; `None` when that is beyond all time.
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
