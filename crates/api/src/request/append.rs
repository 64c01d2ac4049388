//! `POST /v1/streams/{stream}/events`: one event, a batch or NDJSON lines become one append.

use super::head::Head;
use super::key::Key;
use crate::catalogue::Code;
use crate::event::{Attributes, Recipient, StreamMember, read_binary, read_structured};
use crate::json::Reader;
use crate::media::EventsBody;
use crate::problem::{Problem, Result};
use crate::request::object::read_array;
use crate::trace::Trace;
use http::HeaderMap;
use model::{Append, Expected, NewEvent, StreamName, limits};

/// The head of an append: everything that can be refused before the body arrives.
#[derive(Debug)]
pub struct AppendHead<'a> {
    headers: &'a HeaderMap,
    expected: Expected,
    key: Option<Key<'a>>,
    form: EventsBody,
    trace: Option<Trace>,
}

impl<'a> AppendHead<'a> {
    /// # Errors
    /// The problem with the request.
    pub fn of(headers: &'a HeaderMap) -> Result<Self> {
        let head = Head::read(headers)?;
        Ok(Self {
            headers,
            expected: head.expected()?,
            key: head.key()?,
            form: EventsBody::of(head.content_type, head.has_ce_headers)?,
            trace: head.trace(),
        })
    }

    /// Reads the body.
    ///
    /// # Errors
    /// The problem with the request, which then has no effect.
    pub fn read(&self, stream: StreamName<'_>, body: &[u8]) -> Result<Append<'static>> {
        let recipient = Recipient { stream: stream.as_str(), trace: self.trace.as_ref() };
        let events = match self.form {
            EventsBody::Structured => vec![one(&recipient, body)?],
            EventsBody::Batch => batch(&recipient, body)?,
            EventsBody::Lines => lines(&recipient, body)?,
            EventsBody::Binary => vec![recipient.new_event(&read_binary(self.headers, body)?)],
        };
        if events.is_empty() {
            return Err(Problem::new(Code::EmptyBatch, "the body contains no events"));
        }
        let mut append = Append { keyed: None, stream: stream.into_owned(), expected: self.expected, events };
        append.keyed = self.key.as_ref().map(|key| key.for_append(&append));
        Ok(append)
    }
}

fn one(recipient: &Recipient<'_>, body: &[u8]) -> Result<NewEvent<'static>> {
    let mut reader = Reader::new(body)?;
    let attributes = read_structured(&mut reader, StreamMember::Refused)?;
    reader.end()?;
    Ok(recipient.new_event(&attributes))
}

fn batch(recipient: &Recipient<'_>, body: &[u8]) -> Result<Vec<NewEvent<'static>>> {
    let mut reader = Reader::new(body)?;
    let events = read_events(&mut reader, limits::BATCH_EVENTS_MAX)?;
    reader.end()?;
    Ok(events.iter().map(|event| recipient.new_event(event)).collect())
}

/// An array of at most `remaining` events.
pub(super) fn read_events<'a>(reader: &mut Reader<'a>, remaining: usize) -> Result<Vec<Attributes<'a>>> {
    let mut events = Vec::new();
    read_array(reader, |_, reader| {
        if events.len() == remaining {
            return Err(too_many());
        }
        events.push(read_structured(reader, StreamMember::Refused)?);
        Ok(())
    })?;
    Ok(events)
}

fn lines(recipient: &Recipient<'_>, body: &[u8]) -> Result<Vec<NewEvent<'static>>> {
    let mut events = Vec::new();
    for (number, line) in (1..).zip(split_lines(body)) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if events.len() == limits::BATCH_EVENTS_MAX {
            return Err(too_many().line(number));
        }
        events.push(one(recipient, line).map_err(|problem| problem.line(number))?);
    }
    Ok(events)
}

/// The lines of a body, without their newlines. They are long, so `memchr` finds the newlines much faster than `split`.
pub(super) fn split_lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(body);
    std::iter::from_fn(move || {
        let text = rest?;
        let newline = memchr::memchr(b'\n', text);
        rest = newline.map(|at| &text[at + 1..]);
        Some(newline.map_or(text, |at| &text[..at]))
    })
}

pub(super) fn too_many() -> Box<Problem> {
    Problem::new(Code::TooManyItems, format!("the request has more than {} events", limits::BATCH_EVENTS_MAX))
        .number("limit", limits::BATCH_EVENTS_MAX as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{HeaderName, HeaderValue};
    use model::Revision;

    fn append(headers: &[(&str, &str)], body: &str) -> Result<Append<'static>> {
        let headers = headers
            .iter()
            .map(|(name, value)| {
                (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect();
        AppendHead::of(&headers)?.read(StreamName::new("s").unwrap(), body.as_bytes())
    }

    fn envelopes(headers: &[(&str, &str)], body: &str) -> Vec<String> {
        let events = append(headers, body).unwrap().events;
        events.into_iter().map(|event| String::from_utf8(event.envelope.into_owned()).unwrap()).collect()
    }

    const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");
    const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");
    const LINES: (&str, &str) = ("content-type", "application/x-ndjson");
    const JSON: (&str, &str) = ("content-type", "application/json");
    const T: &str = r#"{"specversion":"1.0","type":"t"}"#;

    #[test]
    fn each_form_of_events_is_read() {
        assert_eq!(envelopes(&[STRUCTURED], T), [T]);
        assert_eq!(envelopes(&[JSON], r#" {"type":"t"} "#), [T]);
        assert_eq!(envelopes(&[BATCH], r#"[{"type":"t"}, {"type":"t"}]"#), [T, T]);
        assert_eq!(envelopes(&[LINES], "{\"type\":\"t\"}\r\n\n  \n{\"type\":\"t\"}"), [T, T]);
        assert_eq!(
            envelopes(&[JSON, ("ce-type", "t"), ("ce-subject", "%C3%A9"), ("ce-id", "\"a b\"")], "[1,\n2]"),
            [
                r#"{"specversion":"1.0","id":"a b","type":"t","subject":"é","datacontenttype":"application/json","data":[1, 2]}"#
            ]
        );
        assert_eq!(
            envelopes(&[("content-type", "text/plain"), ("ce-type", "t")], "a\n\"b\""),
            [r#"{"specversion":"1.0","type":"t","datacontenttype":"text/plain","data":"a\n\"b\""}"#]
        );
        assert_eq!(
            envelopes(&[("content-type", "image/png"), ("ce-type", "t")], "\u{1}"),
            [r#"{"specversion":"1.0","type":"t","datacontenttype":"image/png","data_base64":"AQ=="}"#]
        );
        assert_eq!(envelopes(&[("ce-type", "t")], ""), [T]);
    }

    #[test]
    fn conditions_and_keys_go_with_the_append() {
        let read = append(&[JSON, ("if-match", "\"41\""), ("idempotency-key", "k")], T).unwrap();
        assert_eq!(read.expected, Expected::Revision(Revision(41)));
        assert!(read.keyed.is_some());
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_code() {
        let many = "{\"type\":\"t\"}\n".repeat(1_001);
        for (headers, body, code) in [
            (&[STRUCTURED][..], "", "invalid_json"),
            (&[STRUCTURED], "{\"type\":\"t\"", "invalid_json"),
            (&[STRUCTURED], r#"{"type":"t"}{"type":"t"}"#, "invalid_json"),
            (&[STRUCTURED], r#"[{"type":"t"}]"#, "invalid_member"),
            (&[BATCH], "[]", "empty_batch"),
            (&[BATCH], T, "invalid_member"),
            (&[BATCH], "[1]", "invalid_member"),
            (&[LINES], "\n \n", "empty_batch"),
            (&[LINES], &many, "too_many_items"),
            (&[("content-type", "text/plain")], T, "unsupported_media_type"),
            (&[], T, "unsupported_media_type"),
            (&[JSON, ("ce-type", "t")], "{", "invalid_json"),
            (&[JSON, ("ce-id", "1")], "{}", "missing_member"),
            (&[JSON, ("ce-type", "t"), ("ce-type", "t")], "{}", "duplicate_header"),
            (&[JSON, ("ce-type", "%zz")], "{}", "invalid_header"),
            (&[JSON, ("ce-type", "%ff")], "{}", "invalid_header"),
            (&[JSON, ("ce-type", "\"t")], "{}", "invalid_header"),
            (&[JSON, ("ce-type", "t"), ("ce-my-name", "x")], "{}", "unknown_member"),
            (&[JSON, ("ce-type", "t"), ("ce-revision", "1")], "{}", "reserved_member"),
            (&[JSON, ("ce-type", "t"), ("ce-datacontenttype", "a/b")], "{}", "reserved_member"),
            (&[JSON, ("ce-type", "t"), ("ce-specversion", "0.3")], "{}", "invalid_member"),
            (&[JSON, ("ce-type", "t"), ("ce-time", "yesterday")], "{}", "invalid_member"),
            (&[("ce-type", "t")], "data", "unsupported_media_type"),
            (&[JSON, ("idempotency-key", "")], T, "invalid_header"),
        ] {
            let problem = append(headers, body).expect_err(body);
            assert_eq!(problem.code.as_str(), code, "{headers:?} {body}: {problem}");
        }
    }

    #[test]
    fn the_place_of_a_broken_event_is_named() {
        let line = append(&[LINES], "{\"type\":\"t\"}\n\n{\"type\":7}").unwrap_err();
        let json: serde_json::Value = serde_json::from_slice(&line.to_bytes()).unwrap();
        assert_eq!((&json["line"], &json["member"]), (&3.into(), &"type".into()));
        let item = append(&[BATCH], r#"[{"type":"t"},{"type":7},1]"#).unwrap_err();
        let json: serde_json::Value = serde_json::from_slice(&item.to_bytes()).unwrap();
        assert_eq!(json["member"], "[1].type");
    }
}
