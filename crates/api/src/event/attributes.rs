//! The attributes of one event as they were sent, and the rules of CloudEvents 1.0 for each of them (spec, section
//! "Context Attributes"). Knows nothing about streams, nor about where the attributes came from.

use crate::catalogue::Code;
use crate::json::{Raw, Text};
use crate::media;
use crate::problem::{Problem, Result};
use crate::time::Moment;
use model::limits;
use std::borrow::Cow;

/// A text attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    pub(crate) value: Cow<'a, str>,
    /// As it was between quotes in JSON. It is written the same way again.
    pub(crate) as_sent: Option<&'a str>,
}

/// The value of an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scalar<'a> {
    Text(Attribute<'a>),
    /// As it was written.
    Integer(&'a str),
    Bool(bool),
}

/// An event's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data<'a> {
    Json(Raw<'a>),
    Text(&'a str),
    /// Already in base64, and valid.
    Base64(&'a str),
    Bytes(&'a [u8]),
}

/// One event as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes<'a> {
    pub(crate) id: Option<Attribute<'a>>,
    pub(crate) source: Option<Attribute<'a>>,
    pub(crate) event_type: Option<Attribute<'a>>,
    pub(crate) subject: Option<Attribute<'a>>,
    pub(crate) time: Option<Attribute<'a>>,
    pub(crate) datacontenttype: Option<Attribute<'a>>,
    pub(crate) dataschema: Option<Attribute<'a>>,
    /// Sorted by name once [`Self::check`] has passed.
    pub(crate) extensions: Vec<(Cow<'a, str>, Scalar<'a>)>,
    pub(crate) data: Option<Data<'a>>,
    /// Not a CloudEvents attribute: the stream to append to, in lines for many streams.
    pub(crate) stream: Option<Attribute<'a>>,
}

impl<'a> Attribute<'a> {
    /// From a text in JSON. `name` is for the problem.
    pub(crate) fn from_json(name: &str, text: Text<'a>) -> Result<Self> {
        let value =
            text.decode().ok_or_else(|| invalid(name, "half of a surrogate pair is not a character"))?;
        Self::new(name, value, Some(text.as_sent()))
    }

    /// From decoded text.
    pub(crate) fn new(name: &str, value: Cow<'a, str>, as_sent: Option<&'a str>) -> Result<Self> {
        if !is_allowed(&value) {
            return Err(invalid(name, "control characters and noncharacters are not allowed"));
        }
        Ok(Self { value, as_sent })
    }
}

impl<'a> Attributes<'a> {
    /// The field of the text attribute with this name.
    pub(crate) fn slot(&mut self, name: &str) -> Option<&mut Option<Attribute<'a>>> {
        Some(match name {
            "id" => &mut self.id,
            "source" => &mut self.source,
            "type" => &mut self.event_type,
            "subject" => &mut self.subject,
            "time" => &mut self.time,
            "datacontenttype" => &mut self.datacontenttype,
            "dataschema" => &mut self.dataschema,
            _ => return None,
        })
    }

    /// Adds an extension whose name and value were checked.
    pub(crate) fn push_extension(&mut self, name: Cow<'a, str>, value: Scalar<'a>) -> Result<()> {
        if self.extensions.len() == limits::EVENT_EXTENSIONS_MAX {
            return Err(Problem::new(
                Code::EventTooLarge,
                format!("an event may have at most {} extensions", limits::EVENT_EXTENSIONS_MAX),
            )
            .number("limit", limits::EVENT_EXTENSIONS_MAX as u64));
        }
        self.extensions.push((name, value));
        Ok(())
    }

    /// Checks every attribute and the event as a whole. Sorts the extensions.
    pub(crate) fn check(&mut self) -> Result<()> {
        let Some(event_type) = &self.event_type else {
            return Err(Problem::new(Code::MissingMember, "an event needs a `type`").member("type"));
        };
        let texts = [
            ("type", Some(event_type)),
            ("id", self.id.as_ref()),
            ("source", self.source.as_ref()),
            ("subject", self.subject.as_ref()),
            ("datacontenttype", self.datacontenttype.as_ref()),
            ("dataschema", self.dataschema.as_ref()),
        ];
        let mut bytes = 0;
        for (name, attribute) in texts {
            let Some(attribute) = attribute else { continue };
            if attribute.value.is_empty() {
                return Err(invalid(name, "it must not be empty; omit it instead"));
            }
            bytes += attribute.value.len();
        }
        for (name, attribute) in [("source", &self.source), ("dataschema", &self.dataschema)] {
            if attribute.as_ref().is_some_and(|uri| uri.value.contains(char::is_whitespace)) {
                return Err(invalid(name, "it must be a URI reference, which contains no white space"));
            }
        }
        if self.datacontenttype.as_ref().is_some_and(|media_type| !media::is_media_type(&media_type.value)) {
            return Err(invalid("datacontenttype", "it must be a media type, such as `application/json`"));
        }
        if self.time.as_ref().is_some_and(|time| Moment::parse(&time.value).is_none()) {
            let form = "it must be a valid RFC 3339 time, such as `2010-10-02T07:20:39.266Z`";
            return Err(invalid("time", form));
        }
        for (name, value) in &self.extensions {
            bytes += name.len() + value.len();
        }
        if bytes > limits::EVENT_ATTRIBUTES_BYTES_MAX {
            return Err(too_large(
                "attributes and extensions have",
                bytes,
                limits::EVENT_ATTRIBUTES_BYTES_MAX,
            ));
        }
        if self.extensions.len() > 1 {
            self.extensions.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        }
        Ok(())
    }
}

impl Scalar<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.value.len(),
            Self::Integer(digits) => digits.len(),
            Self::Bool(_) => 5,
        }
    }
}

/// Whether a name is one that CloudEvents allows for attributes.
pub(crate) fn is_attribute_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

/// Whether the server sets this member when it records an event.
pub(crate) fn is_recorded(name: &str) -> bool {
    matches!(name, "revision" | "cursor" | "recordedtime")
}

/// Integers of extensions have 32 bits (CloudEvents, "Type System").
pub(crate) fn is_integer(digits: &str) -> bool {
    digits.parse::<i32>().is_ok()
}

pub(crate) fn invalid(name: &str, why: &str) -> Box<Problem> {
    Problem::new(Code::InvalidMember, format!("`{name}` cannot be used: {why}")).member(name)
}

pub(crate) fn too_large(what: &str, bytes: usize, limit: usize) -> Box<Problem> {
    Problem::new(
        Code::EventTooLarge,
        format!("the event's {what} {bytes} bytes, and at most {limit} are allowed"),
    )
    .number("limit", limit as u64)
}

/// CloudEvents, "Type System": a String has no control characters and no noncharacters.
fn is_allowed(text: &str) -> bool {
    let ascii = |b: u8| b >= 0x20 && b != 0x7f;
    if text.is_ascii() {
        return text.bytes().all(ascii);
    }
    text.chars().all(|c| {
        let scalar = u32::from(c);
        !c.is_control() && scalar & 0xfffe != 0xfffe && !(0xfdd0..=0xfdef).contains(&scalar)
    })
}
