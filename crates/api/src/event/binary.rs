//! An event in binary mode (CloudEvents HTTP binding, section 3.1): `ce-*` headers, and the body as data.

use super::attributes::{
    Attribute, Attributes, Data, Scalar, invalid, is_attribute_name, is_recorded, too_large,
};
use crate::catalogue::Code;
use crate::json::Reader;
use crate::media::DataKind;
use crate::problem::{Problem, Result};
use crate::uri;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use model::limits;
use std::borrow::Cow;

const PREFIX: &str = "ce-";

/// Reads an event from headers and body.
pub(crate) fn read_binary<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Result<Attributes<'a>> {
    let mut attributes = Attributes::default();
    for header in headers.keys() {
        let Some(name) = header.as_str().strip_prefix(PREFIX) else { continue };
        let mut values = headers.get_all(header).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Problem::new(Code::DuplicateHeader, format!("`{header}` was sent twice"))
                .header(header.as_str()));
        };
        read_header(&mut attributes, header, name, value)?;
    }
    if let Some(content_type) = headers.get(CONTENT_TYPE) {
        let text = std::str::from_utf8(content_type.as_bytes())
            .map_err(|_| bad_header(&CONTENT_TYPE, uri::DecodeError::Utf8.why()))?;
        attributes.datacontenttype = Some(Attribute::new("datacontenttype", Cow::Borrowed(text), None)?);
    }
    attributes.data = data(attributes.datacontenttype.as_ref(), body)?;
    attributes.check()?;
    Ok(attributes)
}

fn read_header<'a>(
    attributes: &mut Attributes<'a>,
    header: &HeaderName,
    name: &'a str,
    value: &'a HeaderValue,
) -> Result<()> {
    if is_recorded(name) || matches!(name, "stream" | "data" | "datacontenttype") {
        return Err(Problem::new(Code::ReservedMember, format!("`{header}` cannot be sent in binary mode"))
            .member(name)
            .header(header.as_str()));
    }
    if !is_attribute_name(name) {
        let detail = format!(
            "`{header}` does not name an attribute: names contain only lower-case letters and digits"
        );
        return Err(Problem::new(Code::UnknownMember, detail).member(name).header(header.as_str()));
    }
    let value = unquote(value.as_bytes()).ok_or_else(|| bad_header(header, "its quotes are not closed"))?;
    let value = match value {
        Cow::Borrowed(bytes) => uri::decode(bytes),
        Cow::Owned(bytes) => uri::decode(&bytes).map(|text| Cow::Owned(text.into_owned())),
    };
    let value = value.map_err(|error| bad_header(header, error.why()))?;
    if name == "specversion" {
        return if value == "1.0" { Ok(()) } else { Err(invalid(name, "it must be `1.0`")) };
    }
    let attribute = Attribute::new(name, value, None)?;
    match attributes.slot(name) {
        Some(slot) => *slot = Some(attribute),
        None => attributes.push_extension(Cow::Borrowed(name), Scalar::Text(attribute))?,
    }
    Ok(())
}

/// Section 3.1.3.2: removes double quotes, and the backslashes within them.
fn unquote(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(inner) = value.strip_prefix(b"\"") else { return Some(Cow::Borrowed(value)) };
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    loop {
        match bytes.next()? {
            b'"' => return bytes.next().is_none().then_some(Cow::Owned(out)),
            b'\\' => out.push(*bytes.next()?),
            byte => out.push(*byte),
        }
    }
}

/// JSON is validated and kept, text becomes a string, everything else bytes. An empty body means no data.
fn data<'a>(content_type: Option<&Attribute<'a>>, body: &'a [u8]) -> Result<Option<Data<'a>>> {
    if body.is_empty() {
        return Ok(None);
    }
    if body.len() > limits::EVENT_DATA_BYTES_MAX {
        return Err(too_large("data has", body.len(), limits::EVENT_DATA_BYTES_MAX));
    }
    let Some(content_type) = content_type else {
        return Err(Problem::new(Code::UnsupportedMediaType, "an event's data needs a Content-Type"));
    };
    Ok(Some(match DataKind::of(&content_type.value) {
        DataKind::Json => {
            let mut reader = Reader::new(body)?;
            let raw = reader.raw()?;
            reader.end()?;
            Data::Json(raw)
        }
        DataKind::Text => std::str::from_utf8(body).map_or(Data::Bytes(body), Data::Text),
        DataKind::Bytes => Data::Bytes(body),
    }))
}

fn bad_header(header: &HeaderName, why: &str) -> Box<Problem> {
    Problem::new(Code::InvalidHeader, format!("`{header}` cannot be read: {why}")).header(header.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_values_lose_their_quotes() {
        for (value, want) in [
            ("plain", Some("plain")),
            ("\"a b\"", Some("a b")),
            (r#""a\"b\\""#, Some("a\"b\\")),
            ("\"open", None),
            ("\"a\"b", None),
            ("\"a\\", None),
        ] {
            assert_eq!(unquote(value.as_bytes()).as_deref(), want.map(str::as_bytes), "{value}");
        }
    }
}
