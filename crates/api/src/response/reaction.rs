//! Reactions as they are, and the tasks that they make of events.

use crate::json::{self, Comma, Reader, Value};
use crate::request::queue::tasks::write_duration;
use crate::response::stored::StoredEvent;
use crate::trace::Trace;
use model::{Cursor, ReactionKey, ReactionPayload, ReactionSettings, limits};

/// Everything about one reaction.
#[derive(Clone, Debug)]
pub struct Reaction<'a> {
    pub name: &'a str,
    pub settings: &'a ReactionSettings<'a>,
    pub cursor: Cursor,
    /// The end of what it follows.
    pub visible: Cursor,
    /// How many events lie between the two.
    pub behind_events: u64,
    /// How many tasks it has enqueued.
    pub tasks: u64,
    /// Why its next task cannot be enqueued, if it cannot.
    pub blocked_on: Option<&'static str>,
}

impl Reaction<'_> {
    /// Writes the reaction as an object.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_settings(out, self.name, self.settings, self.cursor);
        out.pop();
        let is_behind = self.cursor < self.visible;
        let state = match (self.settings.paused, is_behind, self.blocked_on) {
            (true, _, _) => "paused",
            (false, false, _) => "current",
            (false, true, Some(_)) => "blocked",
            (false, true, None) => "behind",
        };
        write_text_member(out, "state", state);
        let behind_ms = if is_behind {
            self.visible.position.wall().0.saturating_sub(self.cursor.position.wall().0)
        } else {
            0
        };
        out.extend_from_slice(b",\"behind\":");
        write_duration(out, behind_ms);
        out.extend_from_slice(b",\"behind_events\":");
        json::write_number(out, if is_behind { self.behind_events } else { 0 });
        out.extend_from_slice(b",\"tasks\":");
        json::write_number(out, self.tasks);
        if let Some(why) = self.blocked_on {
            write_text_member(out, "blocked_on", why);
        }
        out.push(b'}');
    }
}

/// Writes the settings, with the cursor, as an object.
pub fn write_settings(out: &mut Vec<u8>, name: &str, settings: &ReactionSettings<'_>, cursor: Cursor) {
    out.extend_from_slice(b"{\"reaction\":");
    json::write_text(out, name);
    write_text_member(out, "prefix", &settings.prefix);
    out.extend_from_slice(b",\"types\":[");
    for (at, event_type) in settings.types.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        json::write_text(out, event_type);
    }
    out.push(b']');
    write_text_member(out, "queue", settings.queue.as_str());
    write_text_member(out, "task_type", &settings.task_type);
    match &settings.key {
        ReactionKey::None => {}
        ReactionKey::Stream => write_text_member(out, "key_from", "stream"),
        ReactionKey::Fixed(key) => write_text_member(out, "key", key),
    }
    out.extend_from_slice(b",\"priority\":");
    json::write_number(out, settings.priority.into());
    let payload = match settings.payload {
        ReactionPayload::Event => "event",
        ReactionPayload::Reference => "reference",
    };
    write_text_member(out, "payload", payload);
    out.extend_from_slice(if settings.paused { b",\"paused\":true" } else { b",\"paused\":false" });
    write_text_member(out, "cursor", &cursor.to_string());
    out.push(b'}');
}

/// Writes `{"reactions":[...]}`
pub fn write_reactions<'a>(out: &mut Vec<u8>, reactions: impl Iterator<Item = Reaction<'a>>) {
    out.extend_from_slice(b"{\"reactions\":[");
    for (at, reaction) in reactions.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        reaction.write(out);
    }
    out.extend_from_slice(b"]}");
}

/// Writes `{"reaction":...,"deleted":...}`
pub fn write_deleted(out: &mut Vec<u8>, name: &str, existed: bool) {
    out.extend_from_slice(b"{\"reaction\":");
    json::write_text(out, name);
    out.extend_from_slice(if existed { b",\"deleted\":true}" } else { b",\"deleted\":false}" });
}

/// Writes the envelope of the task that a reaction makes of an event: the members that a client would send.
pub fn write_task(
    out: &mut Vec<u8>,
    event: &StoredEvent<'_>,
    event_type: &str,
    settings: &ReactionSettings<'_>,
) {
    out.extend_from_slice(b"\"type\":");
    json::write_text(out, &settings.task_type);
    out.extend_from_slice(b",\"payload\":");
    match settings.payload {
        ReactionPayload::Event => event.write(out),
        ReactionPayload::Reference => {
            out.extend_from_slice(b"{\"stream\":");
            json::write_text(out, event.stream);
            out.extend_from_slice(b",\"revision\":");
            json::write_number(out, event.revision.0);
            write_text_member(out, "cursor", &event.cursor.to_string());
            write_text_member(out, "type", event_type);
            out.push(b'}');
        }
    }
    if settings.priority != limits::PRIORITY_DEFAULT {
        out.extend_from_slice(b",\"priority\":");
        json::write_number(out, settings.priority.into());
    }
    match &settings.key {
        ReactionKey::None => {}
        ReactionKey::Stream => write_text_member(out, "key", event.stream),
        ReactionKey::Fixed(key) => write_text_member(out, "key", key),
    }
    if let Some(trace) = trace_of(event.envelope) {
        write_text_member(out, "traceparent", &trace.traceparent);
        if let Some(state) = &trace.tracestate {
            write_text_member(out, "tracestate", state);
        }
    }
}

/// The trace that an event belongs to. Its members come before the data.
fn trace_of(envelope: &[u8]) -> Option<Trace> {
    let mut reader = Reader::new(envelope).ok()?;
    if reader.value().ok()? != Value::Object {
        return None;
    }
    let (mut parent, mut state) = (None, None);
    let mut comma = Comma::None;
    while let Ok(Some(name)) = reader.member(comma) {
        comma = Comma::Required;
        let slot = match name.as_sent() {
            "data" | "data_base64" => break,
            "traceparent" => &mut parent,
            "tracestate" => &mut state,
            _ => {
                reader.raw().ok()?;
                continue;
            }
        };
        if let Value::Text(text) = reader.value().ok()? {
            *slot = text.decode();
        }
    }
    Trace::parse(&parent?, state.as_deref())
}

fn write_text_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    json::write_text(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Filled, Position, QueueName, Revision, Slot, Wall};
    use serde_json::{Value as Json, json};

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn settings(key: ReactionKey<'static>, payload: ReactionPayload) -> ReactionSettings<'static> {
        ReactionSettings {
            prefix: "a".into(),
            types: vec!["t".into()],
            queue: QueueName::new("q").unwrap(),
            task_type: "mail".into(),
            key,
            priority: 5,
            payload,
            paused: false,
        }
    }

    fn cursor(wall: u64) -> Cursor {
        Cursor::new(Position::first_of(Wall(wall)), Slot(7))
    }

    fn task(settings: &ReactionSettings<'_>, envelope: &str) -> Json {
        let event = StoredEvent {
            stream: "a \"b\"",
            revision: Revision(41),
            cursor: cursor(1_286_004_039_266),
            filled: Filled(7),
            envelope: envelope.as_bytes(),
        };
        let mut out = b"{".to_vec();
        write_task(&mut out, &event, "t", settings);
        out.push(b'}');
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn a_task_carries_its_event_and_the_event_s_trace() {
        let envelope = format!(
            r#"{{"specversion":"1.0","type":"t","traceparent":"{TRACE}","tracestate":"a=1","data":{{"traceparent":"x"}}}}"#
        );
        let written = task(&settings(ReactionKey::Stream, ReactionPayload::Event), &envelope);
        let payload = &written["payload"];
        assert_eq!((&written["type"], &written["key"]), (&json!("mail"), &json!("a \"b\"")));
        assert_eq!((&written["traceparent"], &written["tracestate"]), (&json!(TRACE), &json!("a=1")));
        assert_eq!(written.get("priority"), None);
        assert_eq!((&payload["stream"], &payload["revision"]), (&json!("a \"b\""), &json!(41)));
        assert_eq!((&payload["type"], &payload["data"]), (&json!("t"), &json!({"traceparent":"x"})));
        let broken = envelope.replace(TRACE, "nonsense");
        let written = task(&settings(ReactionKey::Fixed("k".into()), ReactionPayload::Event), &broken);
        assert_eq!((written.get("traceparent"), &written["key"]), (None, &json!("k")));
    }

    #[test]
    fn a_reference_says_where_the_event_is() {
        let settings =
            ReactionSettings { priority: 9, ..settings(ReactionKey::None, ReactionPayload::Reference) };
        let written = task(&settings, r#"{"specversion":"1.0","type":"t","data":"secret"}"#);
        let cursor = "012b6bd05e6200000007";
        let payload = json!({"stream": "a \"b\"", "revision": 41, "cursor": cursor, "type": "t"});
        assert_eq!(written, json!({"type": "mail", "payload": payload, "priority": 9}));
    }

    #[test]
    fn a_reaction_says_where_it_stands() {
        let written = |paused: bool, at: u64, blocked_on| {
            let settings =
                ReactionSettings { paused, ..settings(ReactionKey::Stream, ReactionPayload::Event) };
            let reaction = Reaction {
                name: "r",
                settings: &settings,
                cursor: cursor(at),
                visible: cursor(5_000),
                behind_events: 9,
                tasks: 3,
                blocked_on,
            };
            let mut out = Vec::new();
            write_reactions(&mut out, [reaction].into_iter());
            let json: Json = serde_json::from_slice(&out).unwrap();
            let reaction = &json["reactions"][0];
            assert_eq!(reaction["tasks"], 3);
            assert_eq!(reaction["cursor"].as_str().map(str::len), Some(20));
            let behind = reaction["behind"].as_str().unwrap();
            assert_eq!(reaction["behind_events"], if behind == "0s" { 0 } else { 9 });
            (reaction["state"].as_str().unwrap().to_owned(), behind.to_owned())
        };
        for (paused, at, blocked_on, state, behind) in [
            (false, 5_000, None, "current", "0s"),
            (false, 6_000, None, "current", "0s"),
            (false, 5_000, Some("queue_full"), "current", "0s"),
            (false, 3_000, None, "behind", "2s"),
            (false, 3_000, Some("queue_full"), "blocked", "2s"),
            (true, 3_000, None, "paused", "2s"),
        ] {
            assert_eq!(written(paused, at, blocked_on), (state.into(), behind.into()));
        }
    }
}
