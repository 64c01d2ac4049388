//! Hide the events of one stream that its `max_age` has passed.
//!
//! *Events recorded longer ago than the stream's `max_age` are gone, by the entry's time of day.* The node
//! proposes it when the stream's timer has come. A second one, or one that comes early, removes nothing and
//! sets the timer right.

use crate::heads::Stream;
use crate::overlay::Overlay;
use crate::stream::retention;
use model::{ExpireEvents, Outcome, View, ViewError};

/// Decides the command.
pub(crate) fn apply<'e, V: View>(
    expire: &'e ExpireEvents<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    let done = Outcome::Progressed { more: false };
    let stream = Stream::new(&expire.stream);
    let wall = overlay.shard.wall;
    let Some(mut head) = overlay.head(&stream)? else { return Ok(done) };
    let Some(max_age_ms) = head.row.settings.max_age_ms else { return Ok(done) };
    let before = head.row;
    let first = retention::first_within_age(max_age_ms, &stream, &head, wall, overlay)?;
    if first > head.row.first {
        retention::remove_before(first, &stream, &mut head, overlay)?;
    }
    retention::set_timer(&stream, &mut head, overlay)?;
    if head.row != before {
        overlay.put_stream(&stream, head);
    }
    Ok(done)
}
