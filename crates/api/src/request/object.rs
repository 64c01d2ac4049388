//! The API's own JSON objects, read member by member. Unknown and repeated members are refused, and every problem has
//! the path to its member.

use crate::catalogue::Code;
use crate::json::{Comma, Reader, Value};
use crate::problem::{Problem, Result};
use model::{Expected, Revision, StreamName};
use std::borrow::Cow;

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
