//! Writes of a transaction that are about tasks: `{"enqueue": {...}}`, `{"complete": {...}}` and `{"fail": {...}}`.

use super::settle::{Kind, Sent as SentSettlement};
use super::tasks::Sent as SentTask;
use super::{required, slot_of, task_ref};
use crate::catalogue::Code;
use crate::json::Reader;
use crate::problem::{Problem, Result};
use crate::request::object::{Known, missing, read_array, read_label, read_name, read_object, read_one_line};
use crate::trace::Trace;
use model::{Enqueue, QueueName, Settle, Settlement, Wall, limits};
use std::borrow::Cow;

/// Reads `{"queue": ..., "tasks": [...]}`, with at most `tasks_max` tasks.
pub(in crate::request) fn read_enqueue(
    reader: &mut Reader<'_>,
    trace: Option<&Trace>,
    now: Wall,
    tasks_max: usize,
) -> Result<Enqueue<'static>> {
    let mut queue = None;
    let mut tasks = Vec::new();
    read_object(reader, "`queue` and `tasks`", |name, reader| {
        match name {
            "queue" => queue = Some(read_queue(reader)?),
            "tasks" => read_array(reader, |at, reader| {
                if at == tasks_max {
                    let detail =
                        format!("a transaction may have at most {} writes", limits::BATCH_EVENTS_MAX);
                    return Err(Problem::new(Code::TooManyItems, detail));
                }
                tasks.push(SentTask::read(reader)?.into_task(trace, now)?);
                Ok(())
            })?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    let queue = required(queue, "queue")?;
    if tasks.is_empty() {
        return Err(Problem::new(Code::EmptyBatch, "this needs at least one task").member("tasks"));
    }
    Ok(Enqueue { keyed: None, queue, tasks })
}

/// Reads the settlement of one task: `{"queue": ..., "id": ..., "token": ..., ...}`.
pub(in crate::request) fn read_settle(reader: &mut Reader<'_>, kind: Kind) -> Result<Settle<'static>> {
    // The token and the id can only be read with the queue, which may come after them.
    let queue = queue_of(reader.clone())?;
    let slot = slot_of(&queue);
    let mut id = None;
    let mut sent = SentSettlement::default();
    let members = format!("`queue`, `id`, {}", kind.members());
    read_object(reader, &members, |name, reader| {
        match name {
            "queue" => drop(read_queue(reader)?),
            "id" => id = read_label(reader)?,
            _ if kind.has(name) => return sent.read(name, reader, slot),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    let id = id.ok_or_else(|| missing("id"))?.into_owned();
    let task = task_ref(Cow::Owned(id), slot).map_err(|problem| problem.member("id"))?;
    let token = required(sent.token, "token")?;
    let settlements = vec![Settlement { task, token, action: sent.action(kind)? }];
    Ok(Settle { queue, settlements })
}

fn queue_of(mut reader: Reader<'_>) -> Result<QueueName<'static>> {
    let mut queue = None;
    read_object(&mut reader, "`queue`", |name, reader| {
        if name == "queue" {
            queue = Some(read_queue(reader)?);
        } else {
            read_one_line(reader)?;
        }
        Ok(Known::Yes)
    })?;
    required(queue, "queue")
}

fn read_queue(reader: &mut Reader<'_>) -> Result<QueueName<'static>> {
    Ok(QueueName::new(read_name(reader, "a queue name must be a string")?)?.into_owned())
}
