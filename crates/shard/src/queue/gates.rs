//! The gates of a task: which limits hold for it, and the key that it has for each; and its breaker.
//!
//! Keys come from what a task carries, and are looked up when the task becomes ready, or when a claim comes across a
//! task that has waited since before the queue's limits changed. So limits also hold for what is in the queue already.

use crate::breaker::tasks;
use crate::overlay::Overlay;
use crate::queue::payload;
use crate::queue::tally::Queue;
use crate::queue::task::{Task, part};
use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::vec::Vec;
use format::row::{Gate, Gates, TaskPart};
use model::{KeyExpression, KeySource, View, ViewError, limits};

/// The gates of a task under the queue's settings; `None` if the queue names neither
/// limits nor a breaker.
pub(crate) fn of<V: View>(
    task: &Task,
    queue: &Queue,
    overlay: &Overlay<'_, '_, V>,
) -> Result<Option<Gates>, ViewError> {
    let options = &queue.row.settings.options;
    if options.limits.is_empty() && options.breaker.is_none() {
        return Ok(None);
    }
    let generation = queue.row.generation;
    if let Some(known) = task.row.gates.as_ref().filter(|gates| gates.generation == generation) {
        return Ok(Some(known.clone()));
    }
    let mut keys = Keys { task, queue, envelope: None };
    let mut gates: Vec<Gate> = Vec::with_capacity(options.limits.len() + 1);
    for limit in options.limits.iter().filter(|limit| holds_for(&limit.types, &task.row.task_type)) {
        let key = cut(&keys.find(&limit.key, overlay)?).to_owned();
        let gate = Gate { limit: limit.limit.as_str().to_owned(), key, cost: limit.cost };
        // Under two names, a task still takes one place.
        if !gates.iter().any(|other| (&other.limit, &other.key) == (&gate.limit, &gate.key)) {
            gates.push(gate);
        }
    }
    if let Some(breaker) = &options.breaker
        && holds_for(&breaker.types, &task.row.task_type)
        && let Some(name) = breaker.name(&keys.find(&breaker.key, overlay)?)
    {
        // The last one: a probe is taken only by a task that all limits let begin.
        gates.push(tasks::gate(name.as_str()));
    }
    Ok(Some(Gates { generation, gates }))
}

/// Finds keys of a task. What it carries is read at most once.
struct Keys<'a> {
    task: &'a Task,
    queue: &'a Queue,
    envelope: Option<Vec<u8>>,
}

impl Keys<'_> {
    fn find<V: View>(
        &mut self,
        key: &KeyExpression,
        overlay: &Overlay<'_, '_, V>,
    ) -> Result<Cow<'_, str>, ViewError> {
        let row = &self.task.row;
        Ok(match key.source() {
            KeySource::Nothing => Cow::Borrowed(""),
            KeySource::Type => Cow::Borrowed(&*row.task_type),
            KeySource::Queue => Cow::Borrowed(&*self.queue.row.name),
            KeySource::Key => Cow::Borrowed(row.key.as_deref().unwrap_or_default()),
            source @ (KeySource::Tag(_) | KeySource::Payload(_)) => {
                if self.envelope.is_none() {
                    self.envelope = Some(part(overlay, self.queue.keys, self.task.at, TaskPart::Envelope)?);
                }
                let text = payload::find(self.envelope.as_deref().unwrap_or_default(), source);
                Cow::Owned(text.unwrap_or_default().into_owned())
            }
        })
    }
}

fn holds_for(types: &[String], task_type: &str) -> bool {
    types.is_empty() || types.iter().any(|wanted| wanted == task_type)
}

/// As much of a key as is kept.
fn cut(key: &str) -> &str {
    key.get(..key.floor_char_boundary(limits::LIMIT_KEY_BYTES_MAX)).unwrap_or(key)
}
