//! `/v1/reactions/{reaction}`: create, change, show and remove a reaction; and the task that one makes of an event.

use super::command::{refused, submit};
use super::parts;
use crate::access::Caller;
use crate::body::read_whole;
use crate::context::Context;
use crate::response;
use crate::unavailable;
use api::request::reaction;
use api::response::reaction::{Reaction, write_deleted, write_reactions, write_settings, write_task};
use api::response::refusal::Target;
use api::response::stored::StoredEvent;
use api::{Code, Problem};
use axum::body::Body;
use format::body::BodyRecord;
use http::request;
use model::{Command, Cursor, DeleteReaction, KeyId, Outcome, ReactionPayload, ReactionSettings};
use runtime::{BodyReader, ReadFailure, Snapshot};
use shard::query::{self, Obstacle, ReactionView};
use std::collections::BTreeMap;
use telemetry::ReactionFigures;

/// How many bytes of events a response reads to count those that reactions have before them. What is beyond is
/// estimated.
const COUNTED_BYTES_MAX: u64 = 4 << 20;

pub(super) async fn put(context: &Context, parts: &request::Parts, body: &mut Body) -> response::Result {
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

pub(super) async fn get(context: &Context, parts: &request::Parts) -> response::Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let name = parts::reaction(parts)?.into_owned();
    let asked = name.clone();
    // First, so that a reaction that has come further does not seem to be behind.
    let visible = *context.handle.visible().borrow();
    let found = context
        .handle
        .read(move |snapshot| {
            let Some(found) = query::reaction(&snapshot.state, snapshot.slots.first, &asked)? else {
                return Ok::<_, ReadFailure>(None);
            };
            let behind = Behind::to(visible).events(&snapshot.bodies, found.cursor)?;
            Ok(Some((found, behind)))
        })
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let Some((found, behind)) = found else {
        return Err(Problem::new(Code::ReactionNotFound, format!("no reaction is named `{name}`")));
    };
    let mut out = Vec::with_capacity(512);
    shown(&found, visible, behind).write(&mut out);
    Ok(response::json(out))
}

pub(super) async fn list(context: &Context, parts: &request::Parts) -> response::Result {
    parts::no_query(parts)?;
    unavailable::check_readable(context)?;
    let visible = *context.handle.visible().borrow();
    let mut found = context
        .handle
        .read(move |snapshot| with_behind(snapshot, visible))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    let caller = Caller::of(context, parts);
    found.retain(|(reaction, _)| caller.covers(reaction.name.as_str()));
    let mut out = Vec::with_capacity(64 + 512 * found.len());
    write_reactions(&mut out, found.iter().map(|(reaction, behind)| shown(reaction, visible, *behind)));
    Ok(response::json(out))
}

pub(super) async fn delete(context: &Context, parts: &request::Parts) -> response::Result {
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

/// Reads what metrics show of reactions. There is nothing while the node does not read.
pub(super) async fn figures(context: &Context) -> Vec<ReactionFigures> {
    let visible = *context.handle.visible().borrow();
    let found = context.handle.read(move |snapshot| with_behind(snapshot, visible)).await.unwrap_or_default();
    let active = found.into_iter().filter(|(reaction, _)| !reaction.settings.paused);
    let figures = active.map(|(reaction, behind_events)| ReactionFigures {
        reaction: reaction.name.into_string(),
        behind_events,
    });
    figures.collect()
}

/// All reactions, and how many events are between each and the newest one.
fn with_behind(snapshot: &Snapshot, visible: Cursor) -> Result<Vec<(ReactionView, u64)>, ReadFailure> {
    let mut behind = Behind::to(visible);
    let found = query::reactions(&snapshot.state, snapshot.slots.first)?.into_iter();
    found
        .map(|reaction| {
            let events = behind.events(&snapshot.bodies, reaction.cursor)?;
            Ok((reaction, events))
        })
        .collect()
}

/// Counts events up to a cursor. Reactions at the same place share a count, and all of a response share the bytes
/// that are read to count.
struct Behind {
    visible: Cursor,
    counted: BTreeMap<Cursor, u64>,
    bytes_left: u64,
}

impl Behind {
    fn to(visible: Cursor) -> Self {
        Self { visible, counted: BTreeMap::new(), bytes_left: COUNTED_BYTES_MAX }
    }

    fn events(&mut self, bodies: &BodyReader, after: Cursor) -> Result<u64, ReadFailure> {
        if let Some(counted) = self.counted.get(&after) {
            return Ok(*counted);
        }
        let count = bodies.count_after(after, self.visible, self.bytes_left)?;
        self.bytes_left = self.bytes_left.saturating_sub(count.bytes);
        self.counted.insert(after, count.records);
        Ok(count.records)
    }
}

fn shown(view: &ReactionView, visible: Cursor, behind_events: u64) -> Reaction<'_> {
    Reaction {
        name: view.name.as_str(),
        settings: &view.settings,
        cursor: view.cursor,
        visible,
        behind_events,
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
