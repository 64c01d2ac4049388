//! What is stored of an event: its identity, the fingerprint of what was sent, and the envelope in the form in which
//! it will be returned.
//!
//! The hashes are stored, so their input never changes. The tests contain golden values.
//!
//! The fingerprint covers every attribute as its decoded value, sorted by name, and the stored form of the
//! data. It leaves out the `id`, which is part of the identity; a `source` equal to the stream's default, which an
//! export contains even if the client did not send it; and the trace context, which differs between two attempts. The
//! time has its own bits, see [`Fingerprint::new`].

use super::attributes::{Attribute, Attributes, Data, Scalar};
use crate::json;
use crate::time::{Moment, write_wall};
use crate::trace::Trace;
use crate::uri::{self, DEFAULT_SOURCE_PREFIX};
use model::{Cursor, Filled, Fingerprint, IdHash, Identity, KeyId, NewEvent};
use std::borrow::Cow;
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64, xxh3_128};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The stream that events go to, and the trace of the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recipient<'a> {
    pub(crate) stream: &'a str,
    pub(crate) trace: Option<&'a Trace>,
}

impl Recipient<'_> {
    /// The event as it is stored in this stream.
    pub(crate) fn new_event(&self, attributes: &Attributes<'_>) -> NewEvent<'static> {
        let (envelope, data_from) = self.envelope(attributes);
        let data = &envelope[data_from..];
        let default_source = self.default_source(attributes.source.as_ref());
        let content = content_hash(attributes, &default_source, data);
        let fingerprint = Fingerprint::new(content, attributes.time.as_ref().map_or(0, time_bits));
        let identity = match &attributes.id {
            None => Identity::Server,
            Some(id) => {
                let source = attributes.source.as_ref().map_or(&*default_source, |source| &source.value);
                let hash = id_hash(source, &id.value);
                match id.value.strip_prefix('~').and_then(|cursor| cursor.parse::<Cursor>().ok()) {
                    None => Identity::Client(hash),
                    Some(cursor) => Identity::Echo { id: hash, cursor },
                }
            }
        };
        let event_type = attributes.event_type.as_ref().map_or_else(String::new, |t| t.value.to_string());
        NewEvent {
            identity,
            fingerprint,
            filled: filled(attributes),
            event_type: Cow::Owned(event_type),
            key_id: KeyId::NONE,
            envelope: Cow::Owned(envelope),
        }
    }

    /// The stream's default source. Empty when no comparison with it can succeed, to save making it.
    fn default_source(&self, sent: Option<&Attribute<'_>>) -> String {
        if sent.is_some_and(|source| !source.value.starts_with(DEFAULT_SOURCE_PREFIX)) {
            return String::new();
        }
        let mut source = Vec::with_capacity(DEFAULT_SOURCE_PREFIX.len() + self.stream.len() * 3);
        uri::write_default_source(&mut source, self.stream);
        String::from_utf8(source).unwrap_or_default()
    }

    /// The JSON object, and the offset of its data member.
    fn envelope(&self, attributes: &Attributes<'_>) -> (Vec<u8>, usize) {
        let mut out = Vec::with_capacity(envelope_bytes_at_most(attributes, self.trace));
        out.extend_from_slice(b"{\"specversion\":\"1.0\"");
        let texts = [
            ("id", &attributes.id),
            ("source", &attributes.source),
            ("type", &attributes.event_type),
            ("subject", &attributes.subject),
            ("time", &attributes.time),
            ("datacontenttype", &attributes.datacontenttype),
            ("dataschema", &attributes.dataschema),
        ];
        for (name, attribute) in texts {
            if let Some(attribute) = attribute {
                write_attribute(&mut out, name, attribute);
            }
        }
        for (name, value) in &attributes.extensions {
            match value {
                Scalar::Text(text) => write_attribute(&mut out, name, text),
                Scalar::Integer(digits) => write_member(&mut out, name, digits.as_bytes()),
                Scalar::Bool(value) => write_member(&mut out, name, if *value { b"true" } else { b"false" }),
            }
        }
        self.write_trace(&mut out, attributes);
        let data_from = out.len();
        if let Some(data) = &attributes.data {
            write_data(&mut out, data);
        }
        out.push(b'}');
        (out, data_from)
    }

    fn write_trace(&self, out: &mut Vec<u8>, attributes: &Attributes<'_>) {
        let Some(trace) = self.trace else { return };
        let has = |name| attributes.extensions.iter().any(|(known, _)| *known == name);
        if has(TRACEPARENT) || has(TRACESTATE) {
            return;
        }
        write_member(out, TRACEPARENT, &[]);
        json::write_text(out, &trace.traceparent);
        if let Some(state) = &trace.tracestate {
            write_member(out, TRACESTATE, &[]);
            json::write_text(out, state);
        }
    }
}

fn filled(attributes: &Attributes<'_>) -> Filled {
    let members = [
        (&attributes.id, Filled::ID),
        (&attributes.source, Filled::SOURCE),
        (&attributes.time, Filled::TIME),
    ];
    members
        .iter()
        .filter(|(sent, _)| sent.is_none())
        .fold(Filled::default(), |all, (_, flag)| all.with(*flag))
}

/// The millisecond of a time in the server's own form. For other forms a hash, marked by its top bit.
fn time_bits(time: &Attribute<'_>) -> u64 {
    let wall = Moment::parse(&time.value).and_then(Moment::wall).filter(|wall| wall.0 > 0);
    if let Some(wall) = wall.filter(|wall| wall.0 >> 47 == 0) {
        let mut written = Vec::with_capacity(24);
        write_wall(&mut written, wall);
        if written == time.value.as_bytes() {
            return wall.0;
        }
    }
    xxh3_64(time.value.as_bytes()) | 1 << 47
}

/// An event's identity within its stream.
fn id_hash(source: &str, id: &str) -> IdHash {
    let mut bytes = Vec::with_capacity(4 + source.len() + id.len());
    bytes.extend_from_slice(&(source.len() as u32).to_le_bytes());
    bytes.extend_from_slice(source.as_bytes());
    bytes.extend_from_slice(id.as_bytes());
    IdHash(xxh3_128(&bytes))
}

/// See the module's front page for what it covers.
fn content_hash(attributes: &Attributes<'_>, default_source: &str, data: &[u8]) -> u128 {
    let mut bytes = Vec::with_capacity(256);
    let mut add = |name: &str, kind: u8, value: &str| {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&[0, kind]);
        bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
        bytes.extend_from_slice(value.as_bytes());
    };
    let source = attributes.source.as_ref().filter(|source| source.value != default_source);
    // In the order of their names. Extensions, which are sorted, follow; their kinds differ.
    let texts = [
        ("datacontenttype", attributes.datacontenttype.as_ref()),
        ("dataschema", attributes.dataschema.as_ref()),
        ("source", source),
        ("subject", attributes.subject.as_ref()),
        ("type", attributes.event_type.as_ref()),
    ];
    for (name, attribute) in texts {
        if let Some(attribute) = attribute {
            add(name, 0, &attribute.value);
        }
    }
    for (name, value) in &attributes.extensions {
        if matches!(&**name, TRACEPARENT | TRACESTATE) {
            continue;
        }
        match value {
            Scalar::Text(text) => add(name, 1, &text.value),
            Scalar::Integer(digits) => add(name, 2, digits),
            Scalar::Bool(value) => add(name, 3, if *value { "true" } else { "false" }),
        }
    }
    let mut hasher = Xxh3Default::new();
    hasher.update(&bytes);
    hasher.update(data);
    hasher.digest128()
}

fn write_member(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out.extend_from_slice(value);
}

fn write_attribute(out: &mut Vec<u8>, name: &str, attribute: &Attribute<'_>) {
    write_member(out, name, &[]);
    match attribute.as_sent {
        Some(inner) => {
            out.push(b'"');
            out.extend_from_slice(inner.as_bytes());
            out.push(b'"');
        }
        None => json::write_text(out, &attribute.value),
    }
}

fn write_data(out: &mut Vec<u8>, data: &Data<'_>) {
    match data {
        Data::Json(raw) => {
            write_member(out, "data", &[]);
            let from = out.len();
            out.extend_from_slice(raw.text.as_bytes());
            if raw.has_newlines {
                // Tokens contain none, so all of them are white space. The event must stay on one line.
                for byte in &mut out[from..] {
                    if matches!(byte, b'\n' | b'\r') {
                        *byte = b' ';
                    }
                }
            }
        }
        Data::Text(text) => {
            write_member(out, "data", &[]);
            json::write_text(out, text);
        }
        Data::Base64(encoded) => {
            write_member(out, "data_base64", b"\"");
            out.extend_from_slice(encoded.as_bytes());
            out.push(b'"');
        }
        Data::Bytes(bytes) => {
            write_member(out, "data_base64", b"\"");
            write_base64(out, bytes);
            out.push(b'"');
        }
    }
}

pub(crate) fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let byte = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit > chunk.len() {
                out.push(b'=');
            } else {
                out.push(DIGITS[(group >> (18 - 6 * digit) & 63) as usize]);
            }
        }
    }
}

/// Enough for almost all events in one allocation. Only text that needs many escapes takes more.
fn envelope_bytes_at_most(attributes: &Attributes<'_>, trace: Option<&Trace>) -> usize {
    let text = |attribute: &Option<Attribute<'_>>| {
        attribute.as_ref().map_or(0, |a| 24 + a.as_sent.map_or(a.value.len(), str::len))
    };
    let attributes_bytes = text(&attributes.id)
        + text(&attributes.source)
        + text(&attributes.event_type)
        + text(&attributes.subject)
        + text(&attributes.time)
        + text(&attributes.datacontenttype)
        + text(&attributes.dataschema);
    let extensions: usize = attributes
        .extensions
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Scalar::Text(text) => text.as_sent.map_or(text.value.len(), str::len),
                Scalar::Integer(digits) => digits.len(),
                Scalar::Bool(_) => 5,
            };
            name.len() + value + 6
        })
        .sum();
    let data = match &attributes.data {
        None => 0,
        Some(Data::Json(raw)) => raw.text.len() + 10,
        Some(Data::Text(text)) => text.len() + 12,
        Some(Data::Base64(encoded)) => encoded.len() + 20,
        Some(Data::Bytes(bytes)) => bytes.len().div_ceil(3) * 4 + 20,
    };
    let trace = trace.map_or(0, |t| 48 + t.traceparent.len() + t.tracestate.as_ref().map_or(0, String::len));
    24 + attributes_bytes + extensions + data + trace
}

#[cfg(test)]
mod tests;
