//! Tell of an administrator's command.
//!
//! *Each command of an administrator appends one event to the stream `$audit`: who sent it, what it was, and whether it was
//! done or refused.* The event is in the entry of the command, after everything that the command did. So no change is
//! without its event, and no event without its change. The stream keeps its last 100,000 events.

use crate::heads::{Head, Stream};
use crate::json::{member, text};
use crate::overlay::Overlay;
use crate::stream::append;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use format::row::StreamRow;
use model::{
    AUDIT_STREAM, Audited, Filled, Fingerprint, Identity, KeyId, NewEvent, Outcome, Revision, Settings,
    StreamId, StreamName, View, ViewError, limits,
};
use xxhash_rust::xxh3::xxh3_128;

/// Appends the event of a command that has just been applied.
pub(crate) fn tell<V: View>(
    audited: &Audited<'_>,
    outcome: &Outcome,
    overlay: &mut Overlay<'_, '_, V>,
) -> Result<(), ViewError> {
    // The text is a constant that is a name.
    let Ok(name) = StreamName::new(AUDIT_STREAM) else { return Ok(()) };
    let stream = Stream::new(&name).into_owned();
    bound(&stream, overlay)?;
    let event_type = format!("audit.{}", audited.operation);
    let envelope = envelope(audited, &event_type, outcome).into_bytes();
    let event = NewEvent {
        identity: Identity::Server,
        fingerprint: Fingerprint::new(xxh3_128(&envelope), 0),
        filled: Filled::ID.with(Filled::SOURCE).with(Filled::TIME),
        event_type: Cow::Owned(event_type),
        key_id: KeyId::NONE,
        envelope: Cow::Owned(envelope),
    };
    append::own(&event, &stream, overlay)
}

/// Lets the stream keep a bounded number of events, unless it has settings.
fn bound<V: View>(stream: &Stream<'static>, overlay: &mut Overlay<'_, '_, V>) -> Result<(), ViewError> {
    let known = overlay.head(stream)?;
    if known.as_ref().is_some_and(|head| head.row.settings != Settings::default()) {
        return Ok(());
    }
    let mut head = match known {
        Some(head) => head,
        None => Head { row: StreamRow::new(StreamId(overlay.take_position().0)), next: Revision::FIRST },
    };
    head.row.settings = Settings { max_count: Some(limits::AUDIT_EVENTS_MAX), ..Settings::default() };
    overlay.put_stream(stream, head);
    Ok(())
}

/// The event as JSON in one line, without what is filled in when it is read.
fn envelope(audited: &Audited<'_>, event_type: &str, outcome: &Outcome) -> String {
    let mut out = String::with_capacity(256);
    out.push_str("{\"specversion\":\"1.0\"");
    member(&mut out, "type", event_type);
    if !audited.target.is_empty() {
        member(&mut out, "subject", &audited.target);
    }
    out.push_str(",\"datacontenttype\":\"application/json\",\"data\":{\"token\":");
    text(&mut out, &format!("{}", audited.token));
    member(&mut out, "name", &audited.name);
    member(&mut out, "operation", &audited.operation);
    member(&mut out, "target", &audited.target);
    let refused = matches!(outcome, Outcome::Refused(_));
    member(&mut out, "outcome", if refused { "refused" } else { "done" });
    out.push_str("}}");
    out
}
