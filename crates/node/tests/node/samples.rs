//! What the tests write.

use model::{Append, Command, Expected, Filled, Fingerprint, IdHash, Identity, KeyId, NewEvent, StreamName};
use std::borrow::Cow;

/// An event without data.
pub(crate) fn event(identity: Identity) -> NewEvent<'static> {
    NewEvent {
        identity,
        fingerprint: Fingerprint(1),
        filled: Filled::default(),
        event_type: Cow::Borrowed("t"),
        key_id: KeyId::NONE,
        envelope: Cow::Borrowed(b"{}"),
    }
}

/// Appends one event to a stream.
pub(crate) fn append_to(
    stream: StreamName<'static>,
    expected: Expected,
    event: NewEvent<'static>,
) -> Command<'static> {
    Command::Append(Append { keyed: None, stream, expected, events: vec![event] })
}

/// Appends an event with this text to a stream that is named after it. Texts of the same length are one event.
pub(crate) fn append(text: &str) -> Command<'static> {
    let envelope = Cow::Owned(format!("{{\"a\":\"{text}\"}}").into_bytes());
    let event = NewEvent { envelope, ..event(Identity::Client(IdHash(text.len() as u128))) };
    append_to(StreamName::new(format!("s-{text}")).unwrap(), Expected::Any, event)
}
