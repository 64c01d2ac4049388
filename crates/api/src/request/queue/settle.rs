//! What workers say about tasks that they have claimed: one task in a request of its own, or many as NDJSON lines of
//! `POST /v1/queues/{queue}/settlements`.

use super::{read_token, required, slot_of, task_ref, too_large};
use crate::catalogue::Code;
use crate::json::{self, Reader};
use crate::media;
use crate::problem::{Problem, Result};
use crate::request::append::split_lines;
use crate::request::head::Head;
use crate::request::limit;
use crate::request::object::{
    Known, invalid, missing, read_bool, read_duration_in, read_label, read_object, read_one_line,
    read_optional_text,
};
use http::HeaderMap;
use model::{Action, Failure, Position, QueueName, Settlement, Slot, TaskRef, Throttle, limits};
use std::borrow::Cow;

/// What a request or a line does with a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Heartbeat,
    Complete,
    Fail,
    Defer,
    Return,
}

impl Kind {
    const ALL: [(&'static str, Self); 5] = [
        ("heartbeat", Self::Heartbeat),
        ("complete", Self::Complete),
        ("fail", Self::Fail),
        ("defer", Self::Defer),
        ("return", Self::Return),
    ];

    /// The members that an object of this kind may have.
    pub(super) const fn members(self) -> &'static str {
        match self {
            Self::Heartbeat => "`token` and `progress`",
            Self::Complete => "`token` and `result`",
            Self::Fail => "`token`, `class`, `message`, `traceback`, `retryable`, `delay` and `throttle`",
            Self::Defer => "`token` and `delay`",
            Self::Return => "`token`",
        }
    }

    pub(super) fn has(self, member: &str) -> bool {
        match member {
            "progress" => self == Self::Heartbeat,
            "result" => self == Self::Complete,
            "class" | "message" | "traceback" | "retryable" | "throttle" => self == Self::Fail,
            "delay" => matches!(self, Self::Fail | Self::Defer),
            _ => true,
        }
    }
}

/// Reads the body of a request about one task.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn read_one<'a>(
    headers: &HeaderMap,
    kind: Kind,
    task: TaskRef<'a>,
    slot: Slot,
    body: &[u8],
) -> Result<Settlement<'a>> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("the token identifies the request, so repeating it is safe without a key")?;
    let mut reader = Reader::new(body)?;
    let mut sent = Sent::default();
    read_object(&mut reader, kind.members(), |name, reader| {
        if kind.has(name) { sent.read(name, reader, slot) } else { Ok(Known::No) }
    })?;
    reader.end()?;
    let token = required(sent.token, "token")?;
    Ok(Settlement { task, token, action: sent.action(kind)? })
}

/// One line of a batch, with the id that the result repeats.
#[derive(Debug)]
pub struct Line {
    /// From 1. Empty lines count.
    pub number: u64,
    /// Absent when the line does not have one that can be read.
    pub id: Option<String>,
    pub settlement: Result<Settlement<'static>>,
}

/// Reads a batch. A line that cannot be read has a problem of its own, and does not affect the others.
///
/// # Errors
/// The problem with the request as a whole, which then has no effect.
pub fn read_lines(headers: &HeaderMap, queue: &QueueName<'_>, body: &[u8]) -> Result<Vec<Line>> {
    let head = Head::read(headers)?;
    media::check_lines(head.content_type)?;
    head.refuse_key("tokens identify the settlements, so sending them again is safe without a key")?;
    let slot = slot_of(queue);
    let mut lines = Vec::new();
    for (number, text) in (1..).zip(split_lines(body)) {
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if lines.len() == limits::TASK_BATCH_MAX {
            let detail = format!("the request has more than {} settlements", limits::TASK_BATCH_MAX);
            let problem = Problem::new(Code::TooManyItems, detail).line(number);
            return Err(problem.number("limit", limits::TASK_BATCH_MAX as u64));
        }
        let mut id = None;
        let settlement = read_line(text, slot, &mut id);
        lines.push(Line { number, id, settlement });
    }
    if lines.is_empty() {
        return Err(Problem::new(Code::EmptyBatch, "the body contains no settlements"));
    }
    Ok(lines)
}

fn read_line(text: &[u8], slot: Slot, id: &mut Option<String>) -> Result<Settlement<'static>> {
    let mut reader = Reader::new(text)?;
    let settlement = read_settlement(&mut reader, slot, id)?;
    reader.end()?;
    Ok(settlement)
}

/// Reads one settlement of many. `id` is set as soon as it is known, also when the rest cannot be read.
pub(super) fn read_settlement(
    reader: &mut Reader<'_>,
    slot: Slot,
    id: &mut Option<String>,
) -> Result<Settlement<'static>> {
    const MEMBERS: &str = "`id`, `token`, `action` and what belongs to the action";
    let (mut sent, mut kind) = (Sent::default(), None);
    // Which members may be there depends on the action, which may come last.
    let mut members: Vec<&'static str> = Vec::new();
    read_object(reader, MEMBERS, |name, reader| {
        match name {
            "id" => *id = read_label(reader)?.map(Cow::into_owned),
            "action" => kind = Some(read_kind(reader)?),
            _ => {
                if let Some(known) = OPTIONAL.iter().find(|known| **known == name) {
                    members.push(known);
                }
                return sent.read(name, reader, slot);
            }
        }
        Ok(Known::Yes)
    })?;
    let kind = required(kind, "action")?;
    if let Some(name) = members.into_iter().find(|name| !kind.has(name)) {
        let detail = format!("this action has no member `{name}`; it has {}", kind.members());
        return Err(Problem::new(Code::UnknownMember, detail).member(name));
    }
    let task = task_ref(Cow::Owned(id.clone().ok_or_else(|| missing("id"))?), slot)?;
    let token = required(sent.token, "token")?;
    Ok(Settlement { task, token, action: sent.action(kind)? })
}

fn read_kind(reader: &mut Reader<'_>) -> Result<Kind> {
    let text = read_optional_text(reader)?.unwrap_or_default();
    let found = Kind::ALL.iter().find(|(name, _)| *name == text);
    found
        .map(|(_, kind)| *kind)
        .ok_or_else(|| invalid("this must be \"heartbeat\", \"complete\", \"fail\", \"defer\" or \"return\""))
}

/// The members that not all actions have.
const OPTIONAL: [&str; 8] =
    ["progress", "result", "class", "message", "traceback", "retryable", "delay", "throttle"];

/// The members as they were sent, of any action.
#[derive(Debug, Default)]
pub(super) struct Sent<'a> {
    pub(super) token: Option<Position>,
    progress: Option<Cow<'a, [u8]>>,
    result: Option<Cow<'a, [u8]>>,
    class: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
    traceback: Option<Cow<'a, str>>,
    retryable: Option<bool>,
    delay_ms: Option<u64>,
    throttle: Option<Throttle<'static>>,
}

impl<'a> Sent<'a> {
    pub(super) fn read(&mut self, name: &str, reader: &mut Reader<'a>, slot: Slot) -> Result<Known> {
        match name {
            "token" => self.token = Some(read_token(reader, slot)?),
            "progress" => self.progress = read_value(reader, limits::TASK_PROGRESS_BYTES_MAX)?,
            "result" => self.result = read_value(reader, limits::TASK_RESULT_BYTES_MAX)?,
            "class" => self.class = read_label(reader)?,
            "message" => self.message = read_optional_text(reader)?,
            "traceback" => self.traceback = read_optional_text(reader)?,
            "retryable" => self.retryable = read_bool(reader)?,
            "delay" => self.delay_ms = read_duration_in(reader, 0..=limits::TASK_DELAY_MS_MAX)?,
            "throttle" => self.throttle = limit::read_throttle(reader)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    pub(super) fn action(self, kind: Kind) -> Result<Action<'static>> {
        let owned = |bytes: Option<Cow<'_, [u8]>>| bytes.map(|bytes| Cow::Owned(bytes.into_owned()));
        Ok(match kind {
            Kind::Heartbeat => Action::Heartbeat { progress: owned(self.progress) },
            Kind::Complete => Action::Complete { result: owned(self.result) },
            Kind::Fail => self.fail()?,
            Kind::Defer => Action::Defer { delay_ms: required(self.delay_ms, "delay")? },
            Kind::Return => Action::Return,
        })
    }

    fn fail(mut self) -> Result<Action<'static>> {
        let Some(throttle) = self.throttle.take() else { return Ok(Action::Fail(self.failure()?)) };
        if self.retryable == Some(false) || self.delay_ms.is_some() {
            let why = "with `throttle`, the task runs again when the key opens";
            return Err(invalid(why).member("throttle"));
        }
        Ok(Action::Throttle(throttle))
    }

    fn failure(self) -> Result<Failure<'static>> {
        const DEFAULT_CLASS: &str = "error";
        let mut detail = Vec::new();
        for (name, text) in [("message", &self.message), ("traceback", &self.traceback)] {
            let Some(text) = text else { continue };
            if !detail.is_empty() {
                detail.push(b',');
            }
            json::write_text(&mut detail, name);
            detail.push(b':');
            json::write_text(&mut detail, text);
        }
        if detail.len() > limits::TASK_FAILURE_BYTES_MAX {
            return Err(too_large(
                "message and traceback have, as JSON,",
                detail.len(),
                limits::TASK_FAILURE_BYTES_MAX,
            ));
        }
        Ok(Failure {
            class: Cow::Owned(self.class.map_or_else(|| DEFAULT_CLASS.to_owned(), Cow::into_owned)),
            detail: Cow::Owned(detail),
            retryable: self.retryable.unwrap_or(true),
            delay_ms: self.delay_ms,
        })
    }
}

/// Reads any JSON value of at most `max` bytes.
fn read_value<'a>(reader: &mut Reader<'a>, max: usize) -> Result<Option<Cow<'a, [u8]>>> {
    let value = read_one_line(reader)?;
    if value.len() > max {
        return Err(too_large("this has", value.len(), max));
    }
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONTENT_TYPE, HeaderValue};

    const TOKEN: &str = "00000000000000070001";

    fn headers(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
    }

    fn one(kind: Kind, body: &str) -> Result<Action<'static>> {
        let body = body.replace("TOKEN", TOKEN);
        let task = TaskRef::Client("a".into());
        let read = read_one(&headers("application/json"), kind, task, Slot(1), body.as_bytes())?;
        assert_eq!(read.token, Position(7));
        Ok(read.action)
    }

    #[test]
    fn each_action_has_its_own_members() {
        let progress = Action::Heartbeat { progress: Some(Cow::Borrowed(b"{\"a\": 1}")) };
        assert_eq!(one(Kind::Heartbeat, r#"{"token":"TOKEN","progress":{"a": 1}}"#).unwrap(), progress);
        let result = Action::Complete { result: Some(Cow::Borrowed(b"null")) };
        assert_eq!(one(Kind::Complete, r#"{"token":"TOKEN","result":null}"#).unwrap(), result);
        assert_eq!(one(Kind::Return, r#"{"token":"TOKEN"}"#).unwrap(), Action::Return);
        assert_eq!(
            one(Kind::Defer, r#"{"token":"TOKEN","delay":"5m"}"#).unwrap(),
            Action::Defer { delay_ms: 300_000 }
        );
        let failed = one(
            Kind::Fail,
            r#"{"token":"TOKEN","class":"E","message":"m\n","traceback":"t","retryable":false,"delay":"0s"}"#,
        );
        let detail = Cow::Borrowed(&br#""message":"m\n","traceback":"t""#[..]);
        assert_eq!(
            failed.unwrap(),
            Action::Fail(Failure { class: "E".into(), detail, retryable: false, delay_ms: Some(0) })
        );
        let Action::Fail(bare) = one(Kind::Fail, r#"{"token":"TOKEN"}"#).unwrap() else { panic!() };
        assert_eq!((&*bare.class, bare.retryable, bare.delay_ms), ("error", true, None));
    }

    #[test]
    fn what_does_not_belong_to_an_action_is_refused() {
        let large = format!(r#"{{"token":"TOKEN","message":"{}"}}"#, "x".repeat(64 << 10));
        for (kind, body, code) in [
            (Kind::Complete, "{}", "missing_member"),
            (Kind::Complete, r#"{"token":"7"}"#, "invalid_member"),
            (Kind::Complete, r#"{"token":7}"#, "invalid_member"),
            (Kind::Complete, r#"{"token":"00000000000000070002"}"#, "invalid_member"),
            (Kind::Complete, r#"{"token":"TOKEN","progress":1}"#, "unknown_member"),
            (Kind::Defer, r#"{"token":"TOKEN"}"#, "missing_member"),
            (Kind::Defer, r#"{"token":"TOKEN","delay":"367d"}"#, "invalid_member"),
            (Kind::Fail, r#"{"token":"TOKEN","retryable":1}"#, "invalid_member"),
            (Kind::Fail, r#"{"token":"TOKEN","throttle":{"limit":"a"}}"#, "missing_member"),
            (Kind::Fail, r#"{"token":"TOKEN","throttle":{"for":"1s"}}"#, "missing_member"),
            (Kind::Fail, r#"{"token":"TOKEN","throttle":{"limit":"a","for":"2d"}}"#, "invalid_member"),
            (
                Kind::Fail,
                r#"{"token":"TOKEN","delay":"1s","throttle":{"limit":"a","for":"1s"}}"#,
                "invalid_member",
            ),
            (
                Kind::Defer,
                r#"{"token":"TOKEN","delay":"1s","throttle":{"limit":"a","for":"1s"}}"#,
                "unknown_member",
            ),
            (Kind::Fail, &large, "task_too_large"),
            (Kind::Return, r#"{"token":"TOKEN","result":1}"#, "unknown_member"),
        ] {
            assert_eq!(one(kind, body).expect_err(body).code.as_str(), code, "{body}");
        }
    }

    #[test]
    fn a_broken_line_does_not_affect_the_others() {
        let queue = QueueName::new("q").unwrap();
        let token = model::Cursor::new(Position(7), slot_of(&queue));
        let text = format!(
            "{{\"action\":\"complete\",\"token\":\"{token}\",\"id\":\"a\",\"result\":1}}\n\n\
             {{\"id\":\"b\",\"token\":\"{token}\",\"action\":\"complete\",\"delay\":\"1s\"}}\n\
             {{\"id\":\"~{token}\",\"token\":\"{token}\",\"action\":\"return\"}}\n\
             {{\"id\":\"~x\",\"token\":\"{token}\",\"action\":\"return\"}}\n\
             {{\"id\":\"d\",\"token\":\"{token}\",\"action\":\"kill\"}}\n\
             {{"
        );
        let lines = read_lines(&headers("application/x-ndjson"), &queue, text.as_bytes()).unwrap();
        let found: Vec<_> = lines
            .iter()
            .map(|line| {
                let code = line.settlement.as_ref().err().map(|problem| problem.code.as_str());
                (line.number, line.id.as_deref().unwrap_or_default().to_owned(), code)
            })
            .collect();
        assert_eq!(
            found,
            [
                (1, "a".to_owned(), None),
                (3, "b".to_owned(), Some("unknown_member")),
                (4, format!("~{token}"), None),
                (5, "~x".to_owned(), Some("task_not_found")),
                (6, "d".to_owned(), Some("invalid_member")),
                (7, String::new(), Some("invalid_json")),
            ]
        );
        let server = &lines[2].settlement.as_ref().unwrap().task;
        assert_eq!(*server, TaskRef::Server(Position(7)));
        for (body, code) in [(String::new(), "empty_batch"), ("{}\n".repeat(1_001), "too_many_items")] {
            let refused = read_lines(&headers("application/x-ndjson"), &queue, body.as_bytes());
            assert_eq!(refused.unwrap_err().code.as_str(), code);
        }
    }
}
