//! Groups of tasks.

use crate::access::Caller;
use crate::body::read_whole;
use crate::context::Context;
use crate::response::{self, REPLAYED, Result};
use crate::routes::command::{refused, submit};
use crate::routes::parts;
use crate::routes::queue::tasks::wait_until;
use crate::unavailable;
use api::request::group;
use api::request::query::GetGroup;
use api::response::group::{Counts, Follower, Group, Member, write_created};
use api::response::outcome::GroupContext;
use api::response::refusal::Target;
use api::{Code, Problem};
use axum::body::Body;
use http::header::HeaderValue;
use http::request;
use model::{Command, GroupCreated, GroupName, Key, Outcome};
use shard::query::{self, FollowerView, GroupCounts, GroupState, GroupView, MemberView};

/// `POST /v1/groups`
pub(in crate::routes) async fn create(context: &Context, parts: &request::Parts, body: &mut Body) -> Result {
    parts::no_query(parts)?;
    let body = read_whole(&context.buffers, &parts.headers, body).await?;
    let create = group::read(&parts.headers, &body, context.handle.wall_now())?;
    drop(body);
    let group = GroupContext::of(&create);
    let outcome = submit(context, parts, Command::CreateGroup(create)).await?;
    let Outcome::GroupCreated(created) = outcome else {
        return Err(refused(context, &outcome, Target::Queue));
    };
    count(context, &group, created);
    let mut out = Vec::with_capacity(group.id.len() + 80);
    write_created(&mut out, &group.id, created.group, created.replayed);
    let mut response = response::json(out);
    if created.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Counts the tasks of a group.
pub(in crate::routes) fn count(context: &Context, group: &GroupContext, created: GroupCreated) {
    if !created.replayed {
        context.metrics.tasks.enqueued.add(group.tasks);
    }
}

/// `GET /v1/groups/{group}`
pub(in crate::routes) async fn get(context: &Context, parts: &request::Parts) -> Result {
    let wait = GetGroup::parse(parts.uri.query())?.wait;
    unavailable::check_readable(context)?;
    let name = parts::group(parts)?.into_owned();
    let (mut found, key) = read(context, &name).await?;
    let is_open = |found: &GroupView| found.counts.state == GroupState::Open;
    if !wait.is_zero() && is_open(&found) {
        // A group that ends between the two reads is seen by the second one.
        let woken = context.handle.wait(key).map_err(|error| unavailable::problem(&error))?;
        (found, _) = read(context, &name).await?;
        if is_open(&found) {
            wait_until(context, parts, woken, wait).await?;
            (found, _) = read(context, &name).await?;
        }
    }
    check_queues(&found, &Caller::of(context, parts))?;
    let mut out = Vec::with_capacity(256 + 64 * found.members.len());
    shown(name.as_str(), &found).write(&mut out);
    Ok(response::json(out))
}

/// A group shows its tasks, which may be in queues that the caller does not cover.
fn check_queues(found: &GroupView, caller: &Caller) -> Result<()> {
    let members = found.members.iter().filter_map(|member| match member {
        MemberView::Task(task) => Some(&task.queue),
        MemberView::Group(_) => None,
    });
    let followers = [&found.then, &found.on_dead].into_iter().flatten().map(|follower| &follower.queue);
    if members.chain(followers).all(|queue| caller.covers(queue)) {
        return Ok(());
    }
    Err(Problem::new(Code::NotPermitted, "the group has tasks in queues that the token does not cover"))
}

/// Reads a group, and the key of its row.
async fn read(context: &Context, name: &GroupName<'static>) -> Result<(GroupView, Key)> {
    let name = name.clone();
    let found = context
        .handle
        .read(move |snapshot| {
            Ok(query::group(&snapshot.state, &name)?.zip(query::group_key(&snapshot.state, &name)?))
        })
        .await
        .map_err(|error| unavailable::read_problem(&error))?;
    found.ok_or_else(|| {
        Problem::new(Code::GroupNotFound, "there is no group with this id, or it is no longer kept")
    })
}

fn shown<'a>(id: &'a str, found: &'a GroupView) -> Group<'a> {
    let members = found.members.iter().map(|member| match member {
        MemberView::Task(task) => Member::Task {
            queue: &task.queue,
            id: task.id.as_deref(),
            position: task.position,
            slot: task.slot,
            state: task.state,
        },
        MemberView::Group(inner) => Member::Group(counts(*inner)),
    });
    Group {
        id,
        cursor: found.group,
        counts: counts(found.counts),
        members: members.collect(),
        then: found.then.as_ref().map(follower),
        on_dead: found.on_dead.as_ref().map(follower),
    }
}

const fn counts(counts: GroupCounts) -> Counts {
    let state = match counts.state {
        GroupState::Open => "open",
        GroupState::Done => "done",
        GroupState::Failed => "failed",
    };
    Counts { state, total: counts.members, done: counts.done, failed: counts.failed }
}

fn follower(view: &FollowerView) -> Follower<'_> {
    Follower { queue: &view.queue, slot: view.slot, at: view.at }
}
