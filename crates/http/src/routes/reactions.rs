//! `/v1/reactions/{reaction}`: create, change, show and remove a reaction; and the task that one makes of an event.

use super::command::{refused, submit};
use super::parts;
use crate::access::Caller;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, Result};
use crate::unavailable;
use api::request::reaction;
use api::response::reaction::{Reaction, write_deleted, write_reactions, write_settings, write_task};
use api::response::refusal::Target;
use api::response::stored::StoredEvent;
use api::{Code, Problem};
use bytes::Bytes;
use format::body::BodyRecord;
use http::request;
use http_body::Body;
use model::{Command, Cursor, DeleteReaction, KeyId, Outcome, ReactionPayload, ReactionSettings};
use shard::query::{self, Obstacle, ReactionView};

pub(super) async fn put<B>(context: &Context, parts: &request::Parts, body: &mut B) -> Result
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + 'static,
{
    parts::no_query(parts)?;
    let name = parts::reaction(parts)?.into_owned();
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let put = reaction::put(&parts.headers, name.clone(), &body)?;
    drop(body);
    let settings = put.settings.clone();
    match submit(context, parts, Command::PutReaction(put)).await? {
        Outcome::ReactionPut { cursor } => {
            let mut out = Vec::with_capacity(512);
            write_settings(&mut out, name.as_str(), &settings, cursor);
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Stream(name.as_str()))),
    }
}

pub(super) async fn get(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let name = parts::reaction(parts)?.into_owned();
    let asked = name.clone();
    // First, so that a reaction that has come further does not seem to be behind.
    let visible = *context.handle.visible().borrow();
    let found = context
        .handle
        .read(move |snapshot| Ok(query::reaction(&snapshot.state, snapshot.slots.first, &asked)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let Some(found) = found else {
        return Err(Problem::new(Code::ReactionNotFound, format!("no reaction is named `{name}`")));
    };
    let mut out = Vec::with_capacity(512);
    shown(&found, visible).write(&mut out);
    Ok(response::json(out))
}

pub(super) async fn list(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let visible = *context.handle.visible().borrow();
    let mut found = context
        .handle
        .read(|snapshot| Ok(query::reactions(&snapshot.state, snapshot.slots.first)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let caller = Caller::of(context, parts);
    found.retain(|reaction| caller.covers(reaction.name.as_str()));
    let mut out = Vec::with_capacity(64 + 512 * found.len());
    write_reactions(&mut out, found.iter().map(|reaction| shown(reaction, visible)));
    Ok(response::json(out))
}

pub(super) async fn delete(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let name = parts::reaction(parts)?.into_owned();
    match submit(context, parts, Command::DeleteReaction(DeleteReaction { reaction: name.clone() })).await? {
        Outcome::ReactionDeleted { existed } => {
            let mut out = Vec::with_capacity(128);
            write_deleted(&mut out, name.as_str(), existed);
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Stream(name.as_str()))),
    }
}

fn shown(view: &ReactionView, visible: Cursor) -> Reaction<'_> {
    Reaction {
        name: view.name.as_str(),
        settings: &view.settings,
        cursor: view.cursor,
        visible,
        tasks: view.tasks,
        blocked_on: view.obstacle.map(|obstacle| match obstacle {
            Obstacle::QueueFull => Code::QueueFull.kind().code,
            Obstacle::TooManyTypes => Code::TooManyTypes.kind().code,
        }),
    }
}

/// Writes the envelope of the task that a reaction makes of an event. Give it to the node
/// ([`runtime::Options::write_task`]).
pub fn write_reaction_task(record: &BodyRecord<'_>, settings: &ReactionSettings<'_>, out: &mut Vec<u8>) {
    let is_sealed = record.key_id != KeyId::NONE;
    let event = StoredEvent {
        stream: record.stream,
        revision: record.revision,
        cursor: record.cursor(),
        filled: record.filled,
        envelope: if is_sealed { b"{}" } else { record.envelope },
    };
    // A task is not sealed, so it says where the event is, and its worker reads it there.
    let reference =
        is_sealed.then(|| ReactionSettings { payload: ReactionPayload::Reference, ..settings.clone() });
    let settings = reference.as_ref().unwrap_or(settings);
    out.reserve(record.envelope.len() + 512);
    write_task(out, &event, record.event_type, settings);
}
