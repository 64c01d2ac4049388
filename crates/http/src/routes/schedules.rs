//! `/v1/schedules` and `/v1/schedule-sets`.

use super::command::{refused, submit};
use super::lists;
use super::parts;
use crate::access::Caller;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, REPLAYED, Result};
use crate::unavailable;
use api::request::query::ListSchedules;
use api::request::schedule::{self, Backfill};
use api::response::page::end_names;
use api::response::refusal::Target;
use api::response::schedule::{
    Counts, Listed, Schedule, first_ticks, state, write_controlled, write_deleted, write_list, write_put,
    write_set,
};
use api::{Code, Problem};
use axum::body::Body;
use http::header::HeaderValue;
use http::request;
use model::{
    Command, ControlSchedule, DeleteSchedule, NextTick, Outcome, ScheduleAction, ScheduleName, Wall,
};
use shard::query::{self, ScheduleView};

pub(super) async fn put(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let name = parts::schedule(parts)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let put = schedule::put(&parts.headers, name, &body, context.handle.wall_now())?;
    drop(body);
    match submit(context, parts, Command::PutSchedule(put.clone())).await? {
        Outcome::SchedulePut { generation, changed } => {
            let next = first_ticks(&put.schedule, &put.definition, generation.wall());
            let now = context.handle.wall_now();
            // A schedule that was put before may have come further.
            let next: Vec<Wall> = next.into_iter().filter(|tick| changed || *tick > now).collect();
            let mut out = Vec::with_capacity(512);
            write_put(&mut out, &put.schedule, Some(changed), &next);
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Stream(put.schedule.as_str()))),
    }
}

pub(super) async fn preview(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let name = parts::schedule(parts)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let now = context.handle.wall_now();
    let put = schedule::put(&parts.headers, name, &body, now)?;
    let mut out = Vec::with_capacity(512);
    write_put(&mut out, &put.schedule, None, &first_ticks(&put.schedule, &put.definition, now));
    Ok(response::json(out))
}

pub(super) async fn get(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let name = parts::schedule(parts)?.into_owned();
    let found = find(context, &name).await?;
    let definition = decode(&found.definition)?;
    let totals = found.row.totals;
    let schedule = Schedule {
        name: &name,
        owner: found.row.owner.as_deref(),
        definition: &definition,
        put: found.row.generation.wall(),
        paused: found.row.paused,
        next: &found.row.next,
        after: found.row.after,
        held: found.row.held.map(|held| (held.by, held.since)),
        ticks: found.row.ticks,
        runs: found.row.runs.iter().copied().zip(found.runs.iter().copied()).collect(),
        waiting: found.row.waiting.len(),
        counts: Counts {
            runs: totals.runs,
            missed: totals.missed,
            overlapped: totals.overlapped,
            dropped: totals.dropped,
            conflicts: totals.conflicts,
        },
    };
    let mut out = Vec::with_capacity(2_048);
    schedule.write(&mut out);
    Ok(response::json(out))
}

/// Reads a schedule that must be there.
async fn find(context: &Context, name: &ScheduleName<'static>) -> Result<ScheduleView> {
    unavailable::check_readable(context)?;
    let asked = name.clone();
    let found = context
        .handle
        .read(move |snapshot| Ok(query::schedule(&snapshot.state, &asked)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    found.ok_or_else(|| Problem::new(Code::ScheduleNotFound, format!("no schedule is named `{name}`")))
}

fn decode(stored: &[u8]) -> Result<model::ScheduleDefinition<'_>> {
    format::row::decode_definition(stored).map_err(|error| {
        tracing::error!(%error, "a schedule cannot be read");
        Problem::new(Code::Internal, "the schedule cannot be read")
    })
}

pub(super) async fn delete(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    schedule::no_key(&parts.headers)?;
    let schedule = parts::schedule(parts)?.into_owned();
    let command = Command::DeleteSchedule(DeleteSchedule { schedule: schedule.clone() });
    match submit(context, parts, command).await? {
        Outcome::ScheduleDeleted { existed } => {
            let mut out = Vec::with_capacity(64);
            write_deleted(&mut out, schedule.as_str(), existed);
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Stream(schedule.as_str()))),
    }
}

/// Pauses or resumes a schedule.
pub(super) async fn set(context: &Context, parts: &request::Parts, action: ScheduleAction) -> Result {
    parts::no_query(parts)?;
    schedule::no_key(&parts.headers)?;
    let schedule = parts::schedule(parts)?.into_owned();
    control(context, parts, ControlSchedule { keyed: None, schedule, action }).await
}

pub(super) async fn fire(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let schedule = parts::schedule(parts)?.into_owned();
    let keyed = schedule::keyed(&parts.headers, &schedule, None)?;
    control(context, parts, ControlSchedule { keyed, schedule, action: ScheduleAction::Fire }).await
}

pub(super) async fn backfill(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let schedule = parts::schedule(parts)?.into_owned();
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let backfill = Backfill::read(&parts.headers, &body)?;
    drop(body);
    let keyed = schedule::keyed(&parts.headers, &schedule, Some(&backfill))?;
    let found = find(context, &schedule).await?;
    let ticks = backfill.ticks(&decode(&found.definition)?.rules, found.row.generation.wall())?;
    let action = ScheduleAction::Backfill { ticks, overlap: backfill.overlap };
    control(context, parts, ControlSchedule { keyed, schedule, action }).await
}

async fn control(context: &Context, parts: &request::Parts, command: ControlSchedule<'static>) -> Result {
    let schedule = command.schedule.clone();
    match submit(context, parts, Command::ControlSchedule(command)).await? {
        Outcome::ScheduleControlled(done) => {
            let mut out = Vec::with_capacity(128 + 128 * done.runs.len());
            write_controlled(&mut out, &schedule, &done);
            let mut response = response::json(out);
            if done.replayed {
                response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            }
            Ok(response)
        }
        outcome => Err(refused(context, &outcome, Target::Stream(schedule.as_str()))),
    }
}

pub(super) async fn list(context: &Context, parts: &request::Parts) -> Result {
    unavailable::check_readable(context)?;
    let list = ListSchedules::parse(parts.uri.query())?;
    let found = lists::read(
        context,
        parts,
        &list,
        (|(name, _): &(ScheduleName<'static>, _)| name.as_str(), ScheduleName::new),
        |snapshot, after, max| Ok(lists::whole(query::schedules(&snapshot.state, after, max)?)),
    );
    let mut found = found.await?.items;
    let next = end_names(&list, "/v1/schedules", &mut found, None, |(name, _)| name.as_str());
    let listed = found.iter().map(|(name, row)| Listed {
        name: name.as_str(),
        owner: row.owner.as_deref(),
        state: state(row.paused, &row.next, row.held.is_some()),
        next: match row.next {
            NextTick::At(tick) if row.paused.is_none() => Some(Wall(tick.0.saturating_add(row.offset_ms))),
            _ => None,
        },
        last: row.runs.last().map(|run| run.tick),
    });
    let mut out = Vec::with_capacity(128 * found.len() + 64);
    write_list(&mut out, listed, next.as_deref());
    Ok(response::json(out))
}

pub(super) async fn put_set(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let owner = parts::schedule(parts)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let put = schedule::put_set(&parts.headers, owner, &body, context.handle.wall_now())?;
    drop(body);
    let owner = put.owner.clone();
    let caller = Caller::of(context, parts);
    if !caller.covers_all()
        && !members(context, &owner).await?.iter().all(|name| caller.covers(name.as_str()))
    {
        let detail = "the set has schedules that the token does not cover, and putting it may delete them";
        return Err(Problem::new(Code::NotPermitted, detail));
    }
    let names: Vec<ScheduleName<'static>> = put.schedules.iter().map(|one| one.schedule.clone()).collect();
    let names: Vec<&str> = names.iter().map(ScheduleName::as_str).collect();
    match submit(context, parts, Command::PutScheduleSet(put)).await? {
        Outcome::ScheduleSetPut { changed, deleted } => {
            let mut out = Vec::with_capacity(64 + 32 * names.len());
            write_set(&mut out, owner.as_str(), names.iter().copied(), Some((changed, deleted)));
            Ok(response::json(out))
        }
        outcome => Err(refused(context, &outcome, Target::Schedules(&names))),
    }
}

pub(super) async fn get_set(context: &Context, parts: &request::Parts) -> Result {
    parts::no_query(parts)?;
    let owner = parts::schedule(parts)?.into_owned();
    let caller = Caller::of(context, parts);
    let mut names = members(context, &owner).await?;
    names.retain(|name| caller.covers(name.as_str()));
    let mut out = Vec::with_capacity(64 + 32 * names.len());
    write_set(&mut out, owner.as_str(), names.iter().map(ScheduleName::as_str), None);
    Ok(response::json(out))
}

/// The names of an owner's schedules.
async fn members(context: &Context, owner: &ScheduleName<'static>) -> Result<Vec<ScheduleName<'static>>> {
    unavailable::check_readable(context)?;
    let owner = owner.clone();
    context
        .handle
        .read(move |snapshot| Ok(query::schedule_set(&snapshot.state, &owner)?))
        .await
        .map_err(|error| unavailable::read_problem(&error))
}
