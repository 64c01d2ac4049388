//! Events about finished tasks.

use super::Task;
use crate::{Id, Sent, Simple};
use model::{Cursor, Position, Slot, limit_key_hash};

impl Simple {
    /// The queue's stream, if it names one, hears how a task has ended.
    pub(super) fn tell(&mut self, queue: usize, number: usize, how: &str) {
        let state = &self.queues.all[queue];
        let Some(stream) = state.settings.options.events.as_ref().map(|name| name.as_str().to_owned()) else {
            return;
        };
        let text = event(&state.name, state.slot, &state.tasks[number], how);
        let stream = self.stream(&stream);
        let content = limit_key_hash(&text).rotate_left(1) >> 48;
        let told = self.push(stream, Sent { id: Id::Server, content, time: 0 });
        self.queues.told.insert(told.position, format!("task.{how}"));
        self.streams[stream].remove_surplus();
    }
}

/// The event as it is stored.
fn event(queue: &str, slot: u16, task: &Task, how: &str) -> String {
    let id = match &task.sent.id {
        Some(id) => id.clone(),
        None => format!("~{}", Cursor::new(Position(task.position), Slot(slot))),
    };
    // Decided: the model knows only names without characters that JSON escapes, and tasks without a trace.
    let mut data = format!(r#""queue":"{queue}","id":"{id}","type":"{}""#, task.sent.task_type);
    if let Some(key) = &task.sent.key {
        data += &format!(r#","key":"{key}""#);
    }
    if let Some(tenant) = &task.sent.fair {
        data += &format!(r#","fair":"{tenant}""#);
    }
    data += &format!(r#","attempts":{}"#, task.attempts);
    match how {
        "done" => data += &format!(r#","result_bytes":{}"#, task.result.as_ref().map_or(0, Vec::len)),
        "cancelled" => {}
        _ => {
            data += &task
                .failures
                .last()
                .map_or_else(String::new, |failed| format!(r#","class":"{}""#, failed.class))
        }
    }
    format!(
        r#"{{"specversion":"1.0","type":"task.{how}","subject":"{id}","datacontenttype":"application/json","data":{{{data}}}}}"#
    )
}
