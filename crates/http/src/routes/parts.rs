//! What routes read from the head of a request.

use crate::response::Result;
use api::request::queue::{queue_in_path, task_in_path};
use api::request::{query, stream_in_path};
use http::request;
use model::{QueueName, Slot, StreamName, TaskRef};
use std::borrow::Cow;

const STREAMS: &str = "/v1/streams/";
const QUEUES: &str = "/v1/queues/";

/// The stream that the path names.
///
/// # Errors
/// When the name cannot be decoded or is not allowed.
pub(super) fn stream(parts: &request::Parts) -> Result<StreamName<'_>> {
    let below = parts.uri.path().strip_prefix(STREAMS).unwrap_or_default();
    stream_in_path(below.split('/').next().unwrap_or_default())
}

/// The queue that the path names.
///
/// # Errors
/// When the name cannot be decoded or is not allowed.
pub(super) fn queue(parts: &request::Parts) -> Result<QueueName<'_>> {
    let below = parts.uri.path().strip_prefix(QUEUES).unwrap_or_default();
    queue_in_path(below.split('/').next().unwrap_or_default())
}

/// The task that the path names below its queue.
///
/// # Errors
/// When the id cannot be decoded, or no task can have it.
pub(super) fn task(parts: &request::Parts, slot: Slot) -> Result<TaskRef<'_>> {
    let below = parts.uri.path().strip_prefix(QUEUES).unwrap_or_default();
    task_in_path(below.split('/').nth(2).unwrap_or_default(), slot)
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
