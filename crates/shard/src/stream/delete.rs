//! Remove a stream's events.
//!
//! *All its events and its settings are gone for readers with the answer, and its revisions are never used
//! again.* Afterwards the stream does not exist; the next append brings it back and continues after its last
//! revision. Deleting what is not there, or is gone already, is no error, unless the request expects it there.

use crate::heads::{Head, Stream, is_as_expected};
use crate::overlay::Overlay;
use crate::stream::retention;
use model::{DeleteStream, Outcome, Refusal, Settings, View, ViewError};

/// Decides the command.
pub(crate) fn apply<'e, V: View>(
    delete: &'e DeleteStream<'_>,
    overlay: &mut Overlay<'_, 'e, V>,
) -> Result<Outcome, ViewError> {
    let stream = Stream::new(&delete.stream);
    let head = overlay.head(&stream)?;
    let last = head.as_ref().and_then(Head::last);
    if !is_as_expected(delete.expected, head.as_ref()) {
        return Ok(Outcome::Refused(Refusal::WrongRevision { part: 0, current: last }));
    }
    let Some(mut head) = head else { return Ok(Outcome::StreamDeleted { last: None }) };
    let bare = head.row.settings == Settings::default();
    if last.is_none() && bare {
        return Ok(Outcome::StreamDeleted { last: None });
    }
    if head.row.first < head.next {
        retention::remove_before(head.next, &stream, &mut head, overlay)?;
    }
    head.row.deleted |= last.is_some();
    head.row.settings = Settings::default();
    retention::set_timer(&stream, &mut head, overlay)?;
    overlay.put_stream(&stream, head);
    Ok(Outcome::StreamDeleted { last })
}
