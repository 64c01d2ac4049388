//! Changes of many tasks at once: `POST /v1/queues/{queue}/cancel`, `.../dead-letters/replay` and
//! `.../dead-letters/drop`; and the replay of one dead letter with other content or into another queue.

use super::tasks::Sent;
use crate::json::Reader;
use crate::media;
use crate::problem::{Problem, Result};
use crate::request::head::Head;
use crate::request::object::{
    Known, invalid, read_label, read_name, read_number_in, read_object, read_one_line, read_optional_text,
};
use crate::response::{TASK_STATES, task_state};
use http::HeaderMap;
use model::{Cursor, Position, QueueName, Slot, TaskState, limits};

/// What happens to the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Cancel,
    Replay,
    Drop,
}

impl Kind {
    const fn members(self) -> &'static str {
        match self {
            Self::Cancel => "`type`, `state`, `after` and `limit`",
            Self::Replay => "`class`, `type`, `to`, `after` and `limit`",
            Self::Drop => "`class`, `type`, `after` and `limit`",
        }
    }

    fn has(self, name: &str) -> bool {
        match name {
            "type" | "after" | "limit" => true,
            "state" => self == Self::Cancel,
            "class" => self != Self::Cancel,
            "to" => self == Self::Replay,
            _ => false,
        }
    }
}

/// Which tasks are to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeRequest {
    pub state: Option<TaskState>,
    pub task_type: Option<String>,
    pub class: Option<String>,
    /// Where dead letters go.
    pub to: Option<QueueName<'static>>,
    /// Only tasks after this one.
    pub after: Option<Position>,
    /// At most this many.
    pub limit: usize,
}

/// Reads the request.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn read(headers: &HeaderMap, kind: Kind, slot: Slot, body: &[u8]) -> Result<ChangeRequest> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("a task that was changed does not match any more, so repeating is safe")?;
    let mut change = ChangeRequest { limit: limits::CHANGE_TASKS_MAX, ..ChangeRequest::default() };
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, kind.members(), |name, reader| {
        if !kind.has(name) {
            return Ok(Known::No);
        }
        match name {
            "type" => change.task_type = read_label(reader)?.map(|name| name.into_owned()),
            "state" => change.state = read_unfinished(reader)?,
            "class" => change.class = read_optional_text(reader)?.map(|class| class.into_owned()),
            "to" => change.to = Some(read_queue(reader)?),
            "after" => change.after = read_after(reader, slot)?,
            _ => {
                let limit = read_number_in(reader, 1..=limits::CHANGE_TASKS_MAX as u64)?;
                change.limit = limit.map_or(change.limit, |limit| usize::try_from(limit).unwrap_or(1));
            }
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    Ok(change)
}

/// Reads the state of unfinished tasks, or null.
fn read_unfinished(reader: &mut Reader<'_>) -> Result<Option<TaskState>> {
    let Some(sent) = read_optional_text(reader)? else { return Ok(None) };
    let known = TASK_STATES.iter().find(|state| task_state(**state) == sent && !state.is_final());
    known.map(|state| Some(*state)).ok_or_else(|| {
        invalid("this must be `delayed`, `blocked`, `ready` or `running`: other tasks cannot be cancelled")
    })
}

fn read_queue(reader: &mut Reader<'_>) -> Result<QueueName<'static>> {
    Ok(QueueName::new(read_name(reader, "a queue name must be a string")?)?.into_owned())
}

/// Reads where the last request has stopped, or null.
fn read_after(reader: &mut Reader<'_>, slot: Slot) -> Result<Option<Position>> {
    let Some(sent) = read_optional_text(reader)? else { return Ok(None) };
    match sent.parse::<Cursor>() {
        Ok(cursor) if cursor.slot == slot => Ok(Some(cursor.position)),
        _ => Err(invalid("this must be the `next` of a response of the same queue")),
    }
}

/// The replay of one dead letter.
#[derive(Debug, Default)]
pub struct ReplayRequest<'a> {
    sent: Sent<'a>,
    has_payload: bool,
    /// Where it goes.
    pub to: Option<QueueName<'static>>,
}

impl<'a> ReplayRequest<'a> {
    /// Reads the request. Without a body, the dead letter goes back as it is.
    ///
    /// # Errors
    /// The problem with the request, which then has no effect.
    pub fn read(headers: &HeaderMap, body: &'a [u8]) -> Result<Self> {
        let mut replay = Self::default();
        let head = Head::read(headers)?;
        head.refuse_key("a task is a dead letter only once, so repeating is safe")?;
        if body.is_empty() {
            return Ok(replay);
        }
        media::check_json(head.content_type)?;
        let mut reader = Reader::new(body)?;
        read_object(&mut reader, "`payload` or `payload_base64`, and `to`", |name, reader| {
            match name {
                "payload" | "payload_base64" => {
                    replay.sent.read_payload(name, reader)?;
                    replay.has_payload = true;
                }
                "to" => replay.to = Some(read_queue(reader)?),
                _ => return Ok(Known::No),
            }
            Ok(Known::Yes)
        })?;
        reader.end()?;
        Ok(replay)
    }

    /// Whether it has another payload.
    #[must_use]
    pub const fn edits(&self) -> bool {
        self.has_payload
    }

    /// The members of a task with the new payload in place of the old one.
    ///
    /// # Errors
    /// When the stored members cannot be read.
    pub fn edited(&self, envelope: &[u8]) -> Result<Vec<u8>> {
        let mut whole = Vec::with_capacity(envelope.len() + 2);
        whole.push(b'{');
        whole.extend_from_slice(envelope);
        whole.push(b'}');
        let mut out = Vec::with_capacity(envelope.len());
        let mut reader = Reader::new(&whole)?;
        let read = read_object(&mut reader, "any member", |name, reader| {
            let value = read_one_line(reader)?;
            if !matches!(name, "payload" | "payload_base64") {
                if !out.is_empty() {
                    out.push(b',');
                }
                crate::json::write_text(&mut out, name);
                out.push(b':');
                out.extend_from_slice(&value);
            }
            // The type comes first, and the payload after it.
            if name == "type" {
                self.sent.write_payload(&mut out);
            }
            Ok(Known::Yes)
        });
        read.map_err(|_| Problem::new(crate::catalogue::Code::Internal, "a stored task cannot be read"))?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    fn headers() -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
    }

    #[test]
    fn each_kind_has_its_members() {
        let slot = Slot(7);
        let all = read(&headers(), Kind::Replay, slot, b"{}").unwrap();
        assert_eq!((all.limit, all.class, all.after), (256, None, None));
        let body = br#"{"class":"","type":"t","to":"r","after":"00000000000000020007","limit":3}"#;
        let some = read(&headers(), Kind::Replay, slot, body).unwrap();
        assert_eq!((some.class.as_deref(), some.task_type.as_deref(), some.limit), (Some(""), Some("t"), 3));
        assert_eq!((some.to.unwrap().as_str(), some.after), ("r", Some(Position(2))));
        let ready = read(&headers(), Kind::Cancel, slot, br#"{"state":"ready"}"#).unwrap();
        assert_eq!(ready.state, Some(TaskState::Ready));
        for (kind, body) in [
            (Kind::Cancel, r#"{"state":"dead"}"#),
            (Kind::Cancel, r#"{"class":"E"}"#),
            (Kind::Drop, r#"{"to":"q"}"#),
            (Kind::Drop, r#"{"state":"dead"}"#),
            (Kind::Replay, r#"{"to":""}"#),
            (Kind::Replay, r#"{"limit":0}"#),
            (Kind::Replay, r#"{"limit":257}"#),
            (Kind::Replay, r#"{"after":"00000000000000020008"}"#),
            (Kind::Replay, r#"{"after":"2"}"#),
            (Kind::Replay, "[]"),
            (Kind::Replay, ""),
        ] {
            let problem = read(&headers(), kind, slot, body.as_bytes()).expect_err(body);
            assert_eq!(problem.status(), 400, "{body}");
        }
    }

    #[test]
    fn an_edited_task_has_the_new_payload_and_all_else_that_it_had() {
        let edited = |body: &str, envelope: &str| {
            let replay = ReplayRequest::read(&headers(), body.as_bytes()).unwrap();
            assert!(replay.edits());
            String::from_utf8(replay.edited(envelope.as_bytes()).unwrap()).unwrap()
        };
        let old = r#""type":"t","payload":{"a":1},"key":"k""#;
        assert_eq!(edited(r#"{"payload":[2]}"#, old), r#""type":"t","payload":[2],"key":"k""#);
        assert_eq!(
            edited(r#"{"payload_base64":"AQ=="}"#, old),
            r#""type":"t","payload_base64":"AQ==","key":"k""#
        );
        assert_eq!(edited(r#"{"payload":1}"#, r#""type":"t""#), r#""type":"t","payload":1"#);
        let moved = ReplayRequest::read(&headers(), br#"{"to":"r"}"#).unwrap();
        assert!(!moved.edits() && moved.to.is_some());
        assert!(ReplayRequest::read(&HeaderMap::new(), b"").is_ok());
        for body in [r#"{"type":"t"}"#, r#"{"payload":1,"payload_base64":""}"#, "7"] {
            assert!(ReplayRequest::read(&headers(), body.as_bytes()).is_err(), "{body}");
        }
    }
}
