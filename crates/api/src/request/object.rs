//! The API's own JSON objects, read member by member. Unknown and repeated members are refused, and every problem has
//! the path to its member.

use crate::catalogue::Code;
use crate::json::{Comma, Reader, Value};
use crate::problem::{Problem, Result};
use crate::time;
use model::{Expected, Revision, StreamName, limits};
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// Calls `member` with the name of each member. It reads the value and returns whether it knows the name.
pub(super) fn read_object<'a>(
    reader: &mut Reader<'a>,
    known: &str,
    mut member: impl FnMut(&str, &mut Reader<'a>) -> Result<Known>,
) -> Result<()> {
    if reader.value()? != Value::Object {
        return Err(Problem::new(Code::InvalidMember, format!("this must be an object with {known}")));
    }
    let mut seen: Vec<String> = Vec::new();
    let mut comma = Comma::None;
    while let Some(name) = reader.member(comma)? {
        comma = Comma::Required;
        let name = name.decode().unwrap_or_else(|| "\u{fffd}".into());
        if seen.iter().any(|other| *other == name) {
            return Err(Problem::new(Code::DuplicateMember, format!("`{name}` appears twice")).member(name));
        }
        match member(&name, reader).map_err(|problem| within(problem, &name))? {
            Known::Yes => seen.push(name.into_owned()),
            Known::No => {
                let detail = format!("the object has no member `{name}`; it has {known}");
                return Err(Problem::new(Code::UnknownMember, detail).member(name));
            }
        }
    }
    Ok(())
}

/// Whether the object has a member with this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    No,
}

/// Calls `item` for each item of an array, with its index.
pub(super) fn read_array<'a>(
    reader: &mut Reader<'a>,
    mut item: impl FnMut(usize, &mut Reader<'a>) -> Result<()>,
) -> Result<()> {
    if reader.value()? != Value::Array {
        return Err(Problem::new(Code::InvalidMember, "this must be an array"));
    }
    let mut comma = Comma::None;
    let mut at = 0;
    while reader.item(comma)? {
        comma = Comma::Required;
        item(at, reader).map_err(|problem| within(problem, &format!("[{at}]")))?;
        at += 1;
    }
    Ok(())
}

/// Adds the path to a problem with a value. A problem with the text as a whole has none.
fn within(problem: Box<Problem>, outer: &str) -> Box<Problem> {
    match problem.code {
        Code::InvalidJson | Code::InvalidUtf8 | Code::JsonTooDeep => problem,
        _ => problem.within(outer),
    }
}

pub(super) fn missing(name: &'static str) -> Box<Problem> {
    Problem::new(Code::MissingMember, format!("`{name}` is missing")).member(name)
}

pub(super) fn invalid(why: impl Into<String>) -> Box<Problem> {
    Problem::new(Code::InvalidMember, why.into())
}

/// Reads a whole number from 0, or null.
pub(super) fn read_number(reader: &mut Reader<'_>) -> Result<Option<u64>> {
    match reader.value()? {
        Value::Null => Ok(None),
        Value::Number(digits) => digits
            .parse()
            .map(Some)
            .map_err(|_| invalid(format!("`{digits}` must be a whole number from 0 to 2^64 - 1"))),
        _ => Err(invalid("this must be a whole number")),
    }
}

pub(super) fn read_stream<'a>(reader: &mut Reader<'a>) -> Result<StreamName<'a>> {
    Ok(StreamName::new(read_name(reader, "a stream name must be a string")?)?)
}

/// Reads a string.
pub(super) fn read_text(reader: &mut Reader<'_>) -> Result<String> {
    read_name(reader, "this must be a string").map(Cow::into_owned)
}

/// Reads a string that is to be a name; `otherwise` says what it must be.
pub(super) fn read_name<'a>(reader: &mut Reader<'a>, otherwise: &'static str) -> Result<Cow<'a, str>> {
    match reader.value()? {
        Value::Text(text) => {
            text.decode().ok_or_else(|| invalid("half of a surrogate pair is not a character"))
        }
        _ => Err(invalid(otherwise)),
    }
}

/// Reads a revision, `"none"`, `"exists"` or `"any"`. Null counts as absent.
pub(super) fn read_expected(reader: &mut Reader<'_>) -> Result<Option<Expected>> {
    const FORM: &str = "this must be a revision, \"none\", \"exists\" or \"any\"";
    match reader.value()? {
        Value::Null => Ok(None),
        Value::Number(digits) => digits
            .parse()
            .map(|revision| Some(Expected::Revision(Revision(revision))))
            .map_err(|_| invalid(FORM)),
        Value::Text(text) => match text.as_sent() {
            "none" => Ok(Some(Expected::None)),
            "exists" => Ok(Some(Expected::Exists)),
            "any" => Ok(Some(Expected::Any)),
            _ => Err(invalid(FORM)),
        },
        _ => Err(invalid(FORM)),
    }
}

/// Reads a string, or null.
pub(super) fn read_optional_text<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>> {
    match reader.value()? {
        Value::Null => Ok(None),
        Value::Text(text) => {
            text.decode().map(Some).ok_or_else(|| invalid("half of a surrogate pair is not a character"))
        }
        _ => Err(invalid("this must be a string")),
    }
}

/// Reads a short text for identification, such as a type or a worker's name, or null.
pub(super) fn read_label<'a>(reader: &mut Reader<'a>) -> Result<Option<Cow<'a, str>>> {
    let Some(text) = read_optional_text(reader)? else { return Ok(None) };
    check_label(&text)?;
    Ok(Some(text))
}

fn check_label(text: &str) -> Result<()> {
    let max = limits::TASK_TEXT_BYTES_MAX;
    if (1..=max).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    Err(invalid(format!("this must have 1 to {max} bytes and no control characters")))
}

/// Reads an array of labels, at most `max`, or null.
pub(super) fn read_labels<'a>(reader: &mut Reader<'a>, max: usize) -> Result<Vec<Cow<'a, str>>> {
    let mut labels = Vec::new();
    if reader.peek() == Some(b'n') {
        reader.value()?;
        return Ok(labels);
    }
    read_array(reader, |at, reader| {
        if at == max {
            let detail = format!("at most {max} are allowed here");
            return Err(Problem::new(Code::TooManyItems, detail).number("limit", max as u64));
        }
        labels.push(read_label(reader)?.ok_or_else(|| invalid("this must be a string"))?);
        Ok(())
    })?;
    Ok(labels)
}

/// Reads a boolean, or null.
pub(super) fn read_bool(reader: &mut Reader<'_>) -> Result<Option<bool>> {
    match reader.value()? {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(value)),
        _ => Err(invalid("this must be true or false")),
    }
}

/// Reads a whole number in a range, or null.
pub(super) fn read_number_in(reader: &mut Reader<'_>, range: RangeInclusive<u64>) -> Result<Option<u64>> {
    match read_number(reader)? {
        Some(number) if !range.contains(&number) => Err(invalid(format!(
            "`{number}` is out of range: this must be from {} to {}",
            range.start(),
            range.end()
        ))),
        number => Ok(number),
    }
}

/// Reads a duration in a range of milliseconds, or null.
pub(super) fn read_duration_in(reader: &mut Reader<'_>, range: RangeInclusive<u64>) -> Result<Option<u64>> {
    const FORM: &str =
        "a duration is a string with a whole number and a unit (ms, s, m, h, d or w), such as \"30s\"";
    let text = match reader.value()? {
        Value::Null => return Ok(None),
        Value::Text(text) => text.as_sent(),
        _ => return Err(invalid(FORM)),
    };
    match time::parse_duration_ms(text) {
        None => Err(invalid(FORM)),
        Some(ms) if range.contains(&ms) => Ok(Some(ms)),
        Some(_) => {
            let written = |ms| {
                let mut out = Vec::new();
                time::write_duration_ms(&mut out, ms);
                String::from_utf8(out).unwrap_or_default()
            };
            let (least, most) = (written(*range.start()), written(*range.end()));
            Err(invalid(format!("`{text}` is out of range: this must be from {least} to {most}")))
        }
    }
}

/// Reads any JSON value, and returns it as one line.
pub(super) fn read_one_line<'a>(reader: &mut Reader<'a>) -> Result<Cow<'a, [u8]>> {
    let raw = reader.raw()?;
    let bytes = raw.text.as_bytes();
    if !raw.has_newlines {
        return Ok(Cow::Borrowed(bytes));
    }
    // Tokens contain no newlines, so all of them are white space.
    Ok(Cow::Owned(
        bytes.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect(),
    ))
}
