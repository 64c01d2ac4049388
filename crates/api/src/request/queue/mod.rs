//! Requests about task queues.
//!
//! | module | what it reads |
//! |---|---|
//! | [`tasks`] | tasks to enqueue |
//! | [`claim`] | claims |
//! | [`settle`] | what workers say about tasks that they have claimed |
//! | [`write`] | tasks and settlements as writes of a transaction |
//! | [`change`] | changes of many tasks, and replays |
//! | [`settings`] | a queue's settings |
//!
//! On the wire, a token is a cursor: the position that the claim took, and the queue's slot. The id of a task to which
//! its client gave none is `~` and the cursor of the task.

pub mod change;
pub mod claim;
pub mod settings;
pub mod settle;
pub mod tasks;
pub(super) mod write;

use super::object::{invalid, missing, read_optional_text};
use crate::catalogue::Code;
use crate::json::Reader;
use crate::problem::{Problem, Result};
use crate::uri;
use model::{Cursor, Namespace, Position, QueueName, Slot, TaskRef};
use std::borrow::Cow;

/// The queue's name in a segment of the path.
///
/// # Errors
/// When the segment cannot be decoded or is not a valid name.
pub fn queue_in_path(segment: &str) -> Result<QueueName<'_>> {
    let name =
        uri::decode(segment.as_bytes()).map_err(|error| Problem::new(Code::InvalidPath, error.why()))?;
    Ok(QueueName::new(name)?)
}

/// The task in a segment of the path.
///
/// # Errors
/// When the segment cannot be decoded, or no task can have this id.
pub fn task_in_path(segment: &str, slot: Slot) -> Result<TaskRef<'_>> {
    let id = uri::decode(segment.as_bytes()).map_err(|error| Problem::new(Code::InvalidPath, error.why()))?;
    task_ref(id, slot)
}

/// The slot of a queue.
#[must_use]
pub fn slot_of(queue: &QueueName<'_>) -> Slot {
    queue.slot(Namespace::ROOT)
}

/// A task by its id. An id that begins with `~` is the server's. If it contains an `@`, a reaction has enqueued the
/// task, and the id was stored as a client's would be.
fn task_ref(id: Cow<'_, str>, slot: Slot) -> Result<TaskRef<'_>> {
    let Some(cursor) = id.strip_prefix('~').filter(|rest| !rest.contains('@')) else {
        return Ok(TaskRef::Client(id));
    };
    match cursor.parse::<Cursor>() {
        Ok(cursor) if cursor.slot == slot => Ok(TaskRef::Server(cursor.position)),
        _ => Err(Problem::new(Code::TaskNotFound, "the id was not given to a task of this queue")),
    }
}

/// Reads the token of a claim.
fn read_token(reader: &mut Reader<'_>, slot: Slot) -> Result<Position> {
    let text = read_optional_text(reader)?.ok_or_else(|| invalid("a token must be a string"))?;
    match text.parse::<Cursor>() {
        Ok(cursor) if cursor.slot == slot => Ok(cursor.position),
        Ok(_) => Err(invalid("the token belongs to another queue")),
        Err(_) => Err(invalid("a token is 20 lower-case hex digits, as the claim returned it")),
    }
}

fn required<T>(value: Option<T>, name: &'static str) -> Result<T> {
    value.ok_or_else(|| missing(name))
}

fn too_large(what: &str, bytes: usize, limit: usize) -> Box<Problem> {
    Problem::new(Code::TaskTooLarge, format!("{what} {bytes} bytes, and at most {limit} are allowed"))
        .number("limit", limit as u64)
}
