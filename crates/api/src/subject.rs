//! Whose event it is. A node that seals does so with the key of this subject.

use crate::json::{Comma, Reader, Text, Value};
use model::limits;
use std::str::FromStr;

/// Where a node looks for the subject of an event that was sent without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectSource {
    /// The name of the event's stream.
    Stream,
    /// A member of the data, from the outermost to the innermost; the data itself if there is none.
    Data(Vec<String>),
}

/// Why a text is not an expression for a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSubjectSource;

impl FromStr for SubjectSource {
    type Err = BadSubjectSource;

    /// `stream`, `data`, or `data.MEMBER.MEMBER`, at most [`limits::KEY_EXPRESSION_BYTES_MAX`] bytes.
    fn from_str(text: &str) -> Result<Self, BadSubjectSource> {
        if text.len() > limits::KEY_EXPRESSION_BYTES_MAX {
            return Err(BadSubjectSource);
        }
        let mut parts = text.split('.');
        let first = parts.next();
        let members: Vec<String> = parts.map(str::to_owned).collect();
        match first {
            Some("stream") if members.is_empty() => Ok(Self::Stream),
            Some("data") if members.iter().all(|member| !member.is_empty()) => Ok(Self::Data(members)),
            _ => Err(BadSubjectSource),
        }
    }
}

/// The subject of an event: its attribute `subject`, or else the first text that one of the sources gives. A number and a
/// truth value are as they are written. An empty text is nobody.
#[must_use]
pub fn subject_of(stream: &str, envelope: &[u8], sources: &[SubjectSource]) -> Option<String> {
    if let Some(subject) = member(envelope, "subject").and_then(text) {
        return Some(subject);
    }
    let mut given = sources.iter().filter_map(|source| match source {
        SubjectSource::Stream => Some(stream.to_owned()),
        SubjectSource::Data(members) => in_data(envelope, members),
    });
    given.find(|subject| !subject.is_empty())
}

/// An attribute that is a text.
pub(crate) fn text_attribute(envelope: &[u8], name: &str) -> Option<String> {
    member(envelope, name).and_then(text)
}

/// The value of a member of an envelope. The attributes of CloudEvents come before extensions and data.
fn member<'a>(envelope: &'a [u8], wanted: &str) -> Option<Value<'a>> {
    let mut reader = enter(envelope)?;
    find(&mut reader, |name| {
        // What else there is of an event may be long.
        let is_end = wanted != "data" && matches!(name.as_sent(), "data" | "data_base64");
        if is_end { Found::Nothing } else { Found::of(name.as_sent() == wanted) }
    })?;
    reader.value().ok()
}

fn in_data(envelope: &[u8], members: &[String]) -> Option<String> {
    let mut reader = enter(envelope)?;
    find(&mut reader, |name| Found::of(name.as_sent() == "data"))?;
    for wanted in members {
        if reader.value().ok()? != Value::Object {
            return None;
        }
        // Names may be written with escapes.
        find(&mut reader, |name| Found::of(name.decode().is_some_and(|name| name == *wanted)))?;
    }
    match reader.value().ok()? {
        Value::Number(number) => Some(number.to_owned()),
        Value::Bool(value) => Some(value.to_string()),
        value => text(value),
    }
}

fn text(value: Value<'_>) -> Option<String> {
    let Value::Text(text) = value else { return None };
    text.decode().map(|text| text.to_string())
}

fn enter(envelope: &[u8]) -> Option<Reader<'_>> {
    let mut reader = Reader::new(envelope).ok()?;
    (reader.value().ok()? == Value::Object).then_some(reader)
}

/// What a look at a member's name says.
enum Found {
    This,
    Later,
    /// It does not come any more.
    Nothing,
}

impl Found {
    const fn of(is_this: bool) -> Self {
        if is_this { Self::This } else { Self::Later }
    }
}

/// Goes to the value of a member of the object that was entered.
fn find<'a>(reader: &mut Reader<'a>, look: impl Fn(Text<'a>) -> Found) -> Option<()> {
    let mut comma = Comma::None;
    loop {
        let name = reader.member(comma).ok()??;
        comma = Comma::Required;
        match look(name) {
            Found::This => return Some(()),
            Found::Nothing => return None,
            Found::Later => drop(reader.raw().ok()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Vec<SubjectSource> {
        text.split_whitespace().map(|source| source.parse().unwrap()).collect()
    }

    #[test]
    fn a_source_is_one_of_a_few_forms() {
        let data = |members: &[&str]| SubjectSource::Data(members.iter().map(|m| (*m).to_owned()).collect());
        for (text, source) in [
            ("stream", SubjectSource::Stream),
            ("data", data(&[])),
            ("data.customer", data(&["customer"])),
            ("data.customer.id", data(&["customer", "id"])),
        ] {
            assert_eq!(text.parse(), Ok(source), "{text}");
        }
        let long = format!("data.{}", "a".repeat(limits::KEY_EXPRESSION_BYTES_MAX));
        for text in ["", "streams", "stream.a", "data.", "data..a", ".data", "subject", " data", &long] {
            assert_eq!(text.parse::<SubjectSource>(), Err(BadSubjectSource), "{text}");
        }
    }

    #[test]
    fn the_attribute_counts_and_then_the_first_source_that_gives_a_text() {
        let event = |members: &str| format!(r#"{{"specversion":"1.0","type":"t"{members}}}"#);
        for (members, from, subject) in [
            (r#","subject":"anna","data":{"id":"b"}"#, "data.id stream", Some("anna")),
            (r#","data":{"id":"b"}"#, "", None),
            (r#","data":{"id":"b"}"#, "data.id stream", Some("b")),
            (r#","data":{"id":""}"#, "data.id stream", Some("the-stream")),
            (r#","data":{"id":null}"#, "data.id data.other", None),
            (r#","data":{"a":[{"id":"no"}],"\u0069d":"\u0062"}"#, "data.id", Some("b")),
            (r#","data":{"to":{"id":42}}"#, "data.id data.to.id", Some("42")),
            (r#","data":{"to":{"id":true}}"#, "data.to.id", Some("true")),
            (r#","data":{"to":"x"}"#, "data.to.id", None),
            (r#","data":{"to":{"x":1}}"#, "data.to", None),
            (r#","data":"ben""#, "data", Some("ben")),
            (r#","extra":{"data":"no"},"data":["a"]"#, "data", None),
            (r#","data_base64":"Zg==""#, "data data.id", None),
            ("", "data.id stream", Some("the-stream")),
        ] {
            let found = subject_of("the-stream", event(members).as_bytes(), &sources(from));
            assert_eq!(found.as_deref(), subject, "{members} {from}");
        }
    }
}
