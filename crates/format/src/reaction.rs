//! The commands of reactions, and their settings. `entry` holds the commands' tags.

use crate::lease::{get_cursor, put_cursor};
use crate::outcome::get_flag;
use crate::wire::{FormatError, Reader, Writer};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use model::{
    DeleteReaction, Position, PutReaction, QueueName, React, ReactedEvent, ReactionKey, ReactionName,
    ReactionPayload, ReactionSettings,
};

/// Numbers that never change.
mod tag {
    pub(super) const KEY_NONE: u8 = 0;
    pub(super) const KEY_STREAM: u8 = 1;
    pub(super) const KEY_FIXED: u8 = 2;

    pub(super) const PAYLOAD_EVENT: u8 = 1;
    pub(super) const PAYLOAD_REFERENCE: u8 = 2;
}

/// The smallest encoding of a type and of an event. Counts are checked against these.
const TYPE_BYTES_MIN: usize = 1;
const EVENT_BYTES_MIN: usize = 12;

pub(crate) fn put_put(writer: &mut Writer<'_>, put: &PutReaction<'_>) {
    writer.prefixed(put.reaction.as_str().as_bytes());
    put_settings(writer, &put.settings);
    match put.from {
        None => writer.u8(0),
        Some(from) => {
            writer.u8(1);
            put_cursor(writer, from);
        }
    }
}

pub(crate) fn get_put<'a>(reader: &mut Reader<'a>) -> Result<PutReaction<'a>, FormatError> {
    Ok(PutReaction {
        reaction: get_name(reader)?,
        settings: get_settings(reader)?,
        from: if get_flag(reader)? { Some(get_cursor(reader)?) } else { None },
    })
}

pub(crate) fn put_delete(writer: &mut Writer<'_>, delete: &DeleteReaction<'_>) {
    writer.prefixed(delete.reaction.as_str().as_bytes());
}

pub(crate) fn get_delete<'a>(reader: &mut Reader<'a>) -> Result<DeleteReaction<'a>, FormatError> {
    Ok(DeleteReaction { reaction: get_name(reader)? })
}

pub(crate) fn put_react(writer: &mut Writer<'_>, react: &React<'_>) {
    writer.prefixed(react.reaction.as_str().as_bytes());
    writer.u64(react.version.0);
    put_cursor(writer, react.after);
    put_cursor(writer, react.until);
    writer.varint(react.events.len() as u64);
    for event in &react.events {
        put_cursor(writer, event.cursor);
        writer.prefixed(event.stream.as_bytes());
        writer.prefixed(&event.envelope);
    }
}

pub(crate) fn get_react<'a>(reader: &mut Reader<'a>) -> Result<React<'a>, FormatError> {
    let reaction = get_name(reader)?;
    let version = Position(reader.u64()?);
    let (after, until) = (get_cursor(reader)?, get_cursor(reader)?);
    let count = reader.count(EVENT_BYTES_MIN)?;
    // Events are larger in memory than on the wire. The vector grows as needed instead of trusting the count.
    let mut events = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        events.push(ReactedEvent {
            cursor: get_cursor(reader)?,
            stream: Cow::Borrowed(reader.text("stream name")?),
            envelope: Cow::Borrowed(reader.prefixed()?),
        });
    }
    Ok(React { reaction, version, after, until, events })
}

pub(crate) fn put_settings(writer: &mut Writer<'_>, settings: &ReactionSettings<'_>) {
    writer.prefixed(settings.prefix.as_bytes());
    writer.varint(settings.types.len() as u64);
    for event_type in &settings.types {
        writer.prefixed(event_type.as_bytes());
    }
    writer.prefixed(settings.queue.as_str().as_bytes());
    writer.prefixed(settings.task_type.as_bytes());
    match &settings.key {
        ReactionKey::None => writer.u8(tag::KEY_NONE),
        ReactionKey::Stream => writer.u8(tag::KEY_STREAM),
        ReactionKey::Fixed(key) => {
            writer.u8(tag::KEY_FIXED);
            writer.prefixed(key.as_bytes());
        }
    }
    writer.u8(settings.priority);
    writer.u8(match settings.payload {
        ReactionPayload::Event => tag::PAYLOAD_EVENT,
        ReactionPayload::Reference => tag::PAYLOAD_REFERENCE,
    });
    writer.u8(u8::from(settings.paused));
}

pub(crate) fn get_settings<'a>(reader: &mut Reader<'a>) -> Result<ReactionSettings<'a>, FormatError> {
    let prefix = Cow::Borrowed(reader.text("prefix")?);
    let count = reader.count(TYPE_BYTES_MIN)?;
    let mut types = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        types.push(Cow::Borrowed(reader.text("event type")?));
    }
    Ok(ReactionSettings {
        prefix,
        types,
        queue: get_queue(reader)?,
        task_type: Cow::Borrowed(reader.text("task type")?),
        key: match reader.u8()? {
            tag::KEY_NONE => ReactionKey::None,
            tag::KEY_STREAM => ReactionKey::Stream,
            tag::KEY_FIXED => ReactionKey::Fixed(Cow::Borrowed(reader.text("key")?)),
            other => return Err(FormatError::invalid("key of a reaction", u64::from(other))),
        },
        priority: reader.u8()?,
        payload: match reader.u8()? {
            tag::PAYLOAD_EVENT => ReactionPayload::Event,
            tag::PAYLOAD_REFERENCE => ReactionPayload::Reference,
            other => return Err(FormatError::invalid("payload of a reaction", u64::from(other))),
        },
        paused: get_flag(reader)?,
    })
}

fn get_queue<'a>(reader: &mut Reader<'a>) -> Result<QueueName<'a>, FormatError> {
    let what = "queue name";
    QueueName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}

fn get_name<'a>(reader: &mut Reader<'a>) -> Result<ReactionName<'a>, FormatError> {
    let what = "reaction name";
    ReactionName::new(reader.text(what)?).map_err(|_| FormatError::Text { what })
}
