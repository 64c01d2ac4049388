//! An event as a JSON object (CloudEvents JSON format), read in one pass over borrowed text.

use super::attributes::{
    Attribute, Attributes, Data, Scalar, invalid, is_attribute_name, is_integer, is_recorded, too_large,
};
use crate::catalogue::Code;
use crate::json::{Comma, Reader, Text, Value};
use crate::problem::{Problem, Result};
use model::limits;
use std::borrow::Cow;

/// Whether the object may name a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamMember {
    Taken,
    Refused,
}

/// Reads the event at the reader's position in the text.
pub(crate) fn read_structured<'a>(reader: &mut Reader<'a>, stream: StreamMember) -> Result<Attributes<'a>> {
    if reader.value()? != Value::Object {
        return Err(Problem::new(Code::InvalidMember, "an event must be a JSON object"));
    }
    let mut event = Object { attributes: Attributes::default(), seen: 0, stream };
    let mut comma = Comma::None;
    while let Some(name) = reader.member(comma)? {
        comma = Comma::Required;
        event.member(reader, name)?;
    }
    event.attributes.check()?;
    Ok(event.attributes)
}

struct Object<'a> {
    attributes: Attributes<'a>,
    /// One bit for each known member, to detect repeated ones.
    seen: u16,
    stream: StreamMember,
}

const KNOWN: [&str; 11] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
    "data_base64",
    "stream",
];

impl<'a> Object<'a> {
    fn member(&mut self, reader: &mut Reader<'a>, name: Text<'a>) -> Result<()> {
        let name = name.decode().ok_or_else(|| unknown("\u{fffd}"))?;
        if let Some(bit) = KNOWN.iter().position(|known| *known == name) {
            if self.seen & (1 << bit) != 0 {
                return Err(duplicate(&name));
            }
            self.seen |= 1 << bit;
        }
        match &*name {
            "data" => self.data(reader),
            "data_base64" => self.data_base64(reader),
            "specversion" => specversion(reader),
            "stream" if self.stream == StreamMember::Taken => {
                // The rules for names of streams are checked where the name is used.
                self.attributes.stream = text(reader, "stream")?;
                Ok(())
            }
            "stream" => Err(reserved("stream", "the path names the stream")),
            name if is_recorded(name) => Err(reserved(name, "the server sets it when it records the event")),
            known => match self.attributes.slot(known) {
                Some(slot) => {
                    *slot = text(reader, known)?;
                    Ok(())
                }
                None => self.extension(reader, name),
            },
        }
    }

    fn data(&mut self, reader: &mut Reader<'a>) -> Result<()> {
        self.only_data()?;
        let raw = reader.raw()?;
        if raw.text.len() > limits::EVENT_DATA_BYTES_MAX {
            return Err(too_large("data has", raw.text.len(), limits::EVENT_DATA_BYTES_MAX));
        }
        self.attributes.data = Some(Data::Json(raw));
        Ok(())
    }

    fn data_base64(&mut self, reader: &mut Reader<'a>) -> Result<()> {
        let encoded = match reader.value()? {
            Value::Null => return Ok(()),
            Value::Text(text) => text.as_sent(),
            _ => return Err(invalid("data_base64", "it must be a string")),
        };
        self.only_data()?;
        let Some(len) = base64_len(encoded) else {
            return Err(invalid("data_base64", "it must be base64 with padding (RFC 4648, section 4)"));
        };
        if len > limits::EVENT_DATA_BYTES_MAX {
            return Err(too_large("data has", len, limits::EVENT_DATA_BYTES_MAX));
        }
        self.attributes.data = Some(Data::Base64(encoded));
        Ok(())
    }

    fn only_data(&self) -> Result<()> {
        match self.attributes.data {
            None => Ok(()),
            Some(_) => Err(invalid("data_base64", "an event has `data` or `data_base64`, not both")),
        }
    }

    fn extension(&mut self, reader: &mut Reader<'a>, name: Cow<'a, str>) -> Result<()> {
        if !is_attribute_name(&name) {
            return Err(unknown(&name));
        }
        if self.attributes.extensions.iter().any(|(known, _)| *known == name) {
            return Err(duplicate(&name));
        }
        let value = match reader.value()? {
            Value::Null => return Ok(()),
            Value::Bool(value) => Scalar::Bool(value),
            Value::Number(digits) if is_integer(digits) => Scalar::Integer(digits),
            Value::Number(_) => {
                return Err(invalid(&name, "a number in an extension must be a 32-bit integer"));
            }
            Value::Text(text) => Scalar::Text(Attribute::from_json(&name, text)?),
            Value::Object | Value::Array => {
                return Err(invalid(&name, "an extension must be a string, a 32-bit integer or a boolean"));
            }
        };
        self.attributes.push_extension(name, value)
    }
}

/// Reads a text attribute. Null counts as absent (CloudEvents JSON format, section 2.2).
fn text<'a>(reader: &mut Reader<'a>, name: &str) -> Result<Option<Attribute<'a>>> {
    match reader.value()? {
        Value::Null => Ok(None),
        Value::Text(text) => Attribute::from_json(name, text).map(Some),
        _ => Err(invalid(name, "it must be a string")),
    }
}

fn specversion(reader: &mut Reader<'_>) -> Result<()> {
    match reader.value()? {
        Value::Null => Ok(()),
        Value::Text(text) if text.decode().as_deref() == Some("1.0") => Ok(()),
        _ => Err(invalid("specversion", "it must be `\"1.0\"`")),
    }
}

fn unknown(name: &str) -> Box<Problem> {
    let detail =
        format!("`{name}` is not an attribute of an event, nor a valid name of an extension ([a-z0-9]+)");
    Problem::new(Code::UnknownMember, detail).member(name)
}

fn duplicate(name: &str) -> Box<Problem> {
    Problem::new(Code::DuplicateMember, format!("`{name}` appears twice")).member(name)
}

fn reserved(name: &str, why: &str) -> Box<Problem> {
    Problem::new(Code::ReservedMember, format!("`{name}` cannot be sent: {why}")).member(name)
}

/// The number of bytes that a base64 text encodes; `None` when it is not base64.
pub(crate) fn base64_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take(2).take_while(|b| **b == b'=').count();
    let (digits, _) = bytes.split_at(bytes.len() - padding);
    let digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    digits.iter().all(digit).then_some(bytes.len() / 4 * 3 - padding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_checked_and_counted() {
        for (text, want) in [
            ("", Some(0)),
            ("AQL/", Some(3)),
            ("AQI=", Some(2)),
            ("AQ==", Some(1)),
            ("A===", None),
            ("AQI", None),
            ("AQ=I", None),
            ("AQ-_", None),
            ("A Q=", None),
        ] {
            assert_eq!(base64_len(text), want, "{text}");
        }
    }
}
