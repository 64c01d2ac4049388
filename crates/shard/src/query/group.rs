//! Reads of groups.

use crate::damage::bad_row;
use crate::group::{Standing, create, load, standing};
use crate::queue::id_of;
use crate::queue::task::Task;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;
use format::FormatError;
use format::row::{Follows, GroupKeys, GroupRow, MemberRange, MemberRow, QueueKeys, decode_follower};
use model::{
    Cursor, GroupName, Key, Namespace, Order, Position, QueueName, Slot, TaskState, View, ViewError,
};

/// Everything about one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    pub group: Cursor,
    pub counts: GroupCounts,
    /// Those that are kept, in order.
    pub members: Vec<MemberView>,
    pub then: Option<FollowerView>,
    pub on_dead: Option<FollowerView>,
}

/// A group's members, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupCounts {
    pub state: GroupState,
    pub members: u32,
    pub done: u32,
    /// Dead or cancelled.
    pub failed: u32,
}

/// How a group stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    Open,
    /// All members are done.
    Done,
    /// All members have ended, and some are dead or cancelled.
    Failed,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MemberView {
    Task(MemberTask),
    Group(GroupCounts),
}

/// A task of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberTask {
    pub queue: String,
    pub slot: Slot,
    pub position: Position,
    /// The id that the client gave it.
    pub id: Option<String>,
    pub state: TaskState,
}

/// A task that follows, or has followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowerView {
    pub queue: String,
    pub slot: Slot,
    /// Where it is; `None` if it was not enqueued yet.
    pub at: Option<Position>,
}

/// Reads one group; `None` if there is none with this name.
///
/// # Errors
/// [`ViewError`].
pub fn group(view: &impl View, name: &GroupName<'_>) -> Result<Option<GroupView>, ViewError> {
    let slot = name.slot(Namespace::ROOT);
    let Some(keys) = create::find(view, slot, name.as_str())? else { return Ok(None) };
    let row = load(view, keys)?;
    let mut members = Vec::new();
    for member in member_rows(view, keys)? {
        members.push(match member {
            MemberRow::Group(id) => MemberView::Group(counts(&load(view, GroupKeys { slot, id })?)),
            MemberRow::Task { queue, task } => match member_task(view, queue, task)? {
                Some(task) => MemberView::Task(task),
                None => continue,
            },
        });
    }
    Ok(Some(GroupView {
        group: Cursor::new(keys.id, slot),
        counts: counts(&row),
        members,
        then: follower(view, keys, Follows::Then, row.has_then, row.then_at)?,
        on_dead: follower(view, keys, Follows::OnDead, row.has_on_dead, row.on_dead_at)?,
    }))
}

/// The key of a group's row: a waiter for it is woken when the group stands otherwise.
///
/// # Errors
/// [`ViewError`].
pub fn group_key(view: &impl View, name: &GroupName<'_>) -> Result<Option<Key>, ViewError> {
    let slot = name.slot(Namespace::ROOT);
    Ok(create::find(view, slot, name.as_str())?.map(|keys| keys.group().to_vec()))
}

fn counts(row: &GroupRow) -> GroupCounts {
    let state = match standing(row) {
        Standing::Done => GroupState::Done,
        Standing::Failed => GroupState::Failed,
        Standing::Open | Standing::Gone => GroupState::Open,
    };
    GroupCounts { state, members: row.members, done: row.done, failed: row.failed }
}

fn member_rows(view: &impl View, keys: GroupKeys) -> Result<Vec<MemberRow>, ViewError> {
    let mut rows = Vec::new();
    let mut bad: Option<FormatError> = None;
    view.scan(MemberRange::of(keys).as_range(), Order::Ascending, &mut |_, value| {
        match MemberRow::decode(value) {
            Ok(row) => rows.push(row),
            Err(error) => bad = Some(error),
        }
        if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    bad.map_or(Ok(rows), |error| Err(bad_row("member's row", error)))
}

fn member_task(view: &impl View, queue: String, at: Position) -> Result<Option<MemberTask>, ViewError> {
    let Some(keys) = keys_of(view, &queue)? else { return Ok(None) };
    let Some(task) = Task::load(view, keys, at)? else { return Ok(None) };
    let state = task.row.state;
    Ok(Some(MemberTask { queue, slot: keys.slot, position: at, id: task.row.id, state }))
}

fn keys_of(view: &impl View, queue: &str) -> Result<Option<QueueKeys>, ViewError> {
    match QueueName::new(queue) {
        Ok(queue) => id_of(view, &queue),
        Err(_) => Ok(None),
    }
}

fn follower(
    view: &impl View,
    keys: GroupKeys,
    which: Follows,
    is_there: bool,
    at: Option<Position>,
) -> Result<Option<FollowerView>, ViewError> {
    if !is_there {
        return Ok(None);
    }
    let Some(value) = view.get(&keys.follows(which))? else { return Ok(None) };
    let task = decode_follower(&value).map_err(|error| bad_row("task that follows", error))?;
    let slot = task.queue.slot(Namespace::ROOT);
    Ok(Some(FollowerView { queue: task.queue.into_string(), slot, at }))
}
