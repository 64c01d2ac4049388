//! The gates of a task: which limits hold for it, and the key that it has for each.
//!
//! Keys come from what a task carries, and are looked up when the task becomes ready, or when a claim comes across a
//! task that has waited since before the queue's limits changed. So limits also hold for what is in the queue already.

use crate::overlay::Overlay;
use crate::queue::payload;
use crate::queue::tally::Queue;
use crate::queue::task::{Task, part};
use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{Gate, Gates, TaskPart};
use model::{KeySource, QueueLimit, View, ViewError, limits};

/// The gates of a task under the queue's settings; `None` if the queue names no limits.
pub(crate) fn of<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<Gates>, ViewError> {
    let named = &queue.row.settings.options.limits;
    if named.is_empty() {
        return Ok(None);
    }
    let generation = queue.row.generation;
    if let Some(known) = task.row.gates.as_ref().filter(|gates| gates.generation == generation) {
        return Ok(Some(known.clone()));
    }
    let mut envelope = None;
    let mut gates: Vec<Gate> = Vec::with_capacity(named.len());
    for limit in named.iter().filter(|limit| holds_for(limit, &task.row.task_type)) {
        let key = match limit.key.source() {
            KeySource::Nothing => Cow::Borrowed(""),
            KeySource::Type => Cow::Borrowed(&*task.row.task_type),
            KeySource::Queue => Cow::Borrowed(&*queue.row.name),
            KeySource::Key => Cow::Borrowed(task.row.key.as_deref().unwrap_or_default()),
            source @ (KeySource::Tag(_) | KeySource::Payload(_)) => {
                if envelope.is_none() {
                    envelope = Some(part(overlay, queue.keys, task.at, TaskPart::Envelope)?);
                }
                let text = payload::find(envelope.as_deref().unwrap_or_default(), source);
                Cow::Owned(text.unwrap_or_default().into_owned())
            }
        };
        let gate =
            Gate { limit: limit.limit.as_str().to_owned(), key: cut(&key).to_owned(), cost: limit.cost };
        // Under two names, a task still takes one place.
        if !gates.iter().any(|other| (&other.limit, &other.key) == (&gate.limit, &gate.key)) {
            gates.push(gate);
        }
    }
    Ok(Some(Gates { generation, gates }))
}

fn holds_for(limit: &QueueLimit, task_type: &str) -> bool {
    limit.types.is_empty() || limit.types.iter().any(|wanted: &String| wanted == task_type)
}

/// As much of a key as is kept.
fn cut(key: &str) -> &str {
    key.get(..key.floor_char_boundary(limits::LIMIT_KEY_BYTES_MAX)).unwrap_or(key)
}
