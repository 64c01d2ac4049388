//! What routes read from the head of a request.

use crate::response::Result;
use api::request::queue::{queue_in_path, task_in_path};
use api::request::reaction::reaction_in_path;
use api::request::schedule::schedule_in_path;
use api::request::{
    breaker_in_path, execution_in_path, lease_in_path, limit_in_path, query, stream_in_path, value_in_path,
};
use http::request;
use model::{
    BreakerName, ExecutionKey, GroupName, LeaseName, LimitName, QueueName, ReactionName, ScheduleName, Slot,
    StreamName, TaskRef, ValueName,
};
use std::borrow::Cow;

/// The stream that the path names.
///
/// # Errors
/// When the name cannot be decoded or is not allowed.
pub(super) fn stream(parts: &request::Parts) -> Result<StreamName<'_>> {
    stream_in_path(name(parts))
}

/// The lease that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn lease(parts: &request::Parts) -> Result<LeaseName<'_>> {
    lease_in_path(name(parts))
}

/// The value that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn value(parts: &request::Parts) -> Result<ValueName<'_>> {
    value_in_path(name(parts))
}

/// The key of an execution that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn execution(parts: &request::Parts) -> Result<ExecutionKey<'_>> {
    execution_in_path(name(parts))
}

/// The limit that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn limit(parts: &request::Parts) -> Result<LimitName<'_>> {
    limit_in_path(name(parts))
}

/// The breaker that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn breaker(parts: &request::Parts) -> Result<BreakerName<'_>> {
    breaker_in_path(name(parts))
}

/// The schedule, or the owner of schedules, that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn schedule(parts: &request::Parts) -> Result<ScheduleName<'_>> {
    schedule_in_path(name(parts))
}

/// The group that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn group(parts: &request::Parts) -> Result<GroupName<'_>> {
    api::request::group::group_in_path(name(parts))
}

/// The reaction that the path names.
///
/// # Errors
/// As for [`stream`].
pub(super) fn reaction(parts: &request::Parts) -> Result<ReactionName<'_>> {
    reaction_in_path(name(parts))
}

/// The third segment of a path such as `/v1/streams/{stream}/events`.
fn name(parts: &request::Parts) -> &str {
    parts.uri.path().split('/').nth(3).unwrap_or_default()
}

/// The queue that the path names.
///
/// # Errors
/// When the name cannot be decoded or is not allowed.
pub(super) fn queue(parts: &request::Parts) -> Result<QueueName<'_>> {
    queue_in_path(name(parts))
}

/// The task that the path names below its queue.
///
/// # Errors
/// When the id cannot be decoded, or no task can have it.
pub(super) fn task(parts: &request::Parts, slot: Slot) -> Result<TaskRef<'_>> {
    task_in_path(parts.uri.path().split('/').nth(5).unwrap_or_default(), slot)
}

/// The same task, without borrowing from the request.
pub(super) fn owned_task(task: TaskRef<'_>) -> TaskRef<'static> {
    match task {
        TaskRef::Client(id) => TaskRef::Client(Cow::Owned(id.into_owned())),
        TaskRef::Server(position) => TaskRef::Server(position),
    }
}

/// For routes without query parameters.
///
/// # Errors
/// When there is one.
pub(super) fn no_query(parts: &request::Parts) -> Result<()> {
    query::none(parts.uri.query())
}
