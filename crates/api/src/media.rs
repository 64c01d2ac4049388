//! Media types: the form of a request body, and the form of a response.

use crate::catalogue::Code;
use crate::problem::{Problem, Result};

/// The form of a body with events, by `Content-Type` and the presence of `ce-*` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventsBody {
    /// One event as a JSON object.
    Structured,
    /// A JSON array of events.
    Batch,
    /// One event per line.
    Lines,
    /// Attributes in headers, the body is the data.
    Binary,
}

const TAKEN: &str = "send events as application/cloudevents+json, application/json, \
    application/cloudevents-batch+json or application/x-ndjson, or in binary mode with a `ce-type` header";

impl EventsBody {
    /// # Errors
    /// 415 when events cannot be sent like this.
    pub fn of(content_type: Option<&str>, has_ce_headers: bool) -> Result<Self> {
        let essence = content_type.map(essence);
        let is = |wanted: &str| essence.is_some_and(|essence| essence.eq_ignore_ascii_case(wanted));
        let form = if is("application/cloudevents+json") {
            Self::Structured
        } else if is("application/cloudevents-batch+json") {
            Self::Batch
        } else if essence.is_some_and(|e| starts_with(e, "application/cloudevents")) {
            return Err(unsupported(content_type, TAKEN));
        } else if has_ce_headers {
            return Ok(Self::Binary);
        } else if is("application/json") {
            Self::Structured
        } else if is("application/x-ndjson") || is("application/jsonl") {
            Self::Lines
        } else {
            return Err(unsupported(content_type, TAKEN));
        };
        check_charset(content_type)?;
        Ok(form)
    }
}

/// # Errors
/// 415 when the body is not JSON.
pub fn check_json(content_type: Option<&str>) -> Result<()> {
    if content_type.is_some_and(|value| essence(value).eq_ignore_ascii_case("application/json")) {
        return check_charset(content_type);
    }
    Err(unsupported(content_type, "send application/json"))
}

/// # Errors
/// 415 when the body is not lines of JSON.
pub fn check_lines(content_type: Option<&str>) -> Result<()> {
    if is_lines(content_type) {
        return check_charset(content_type);
    }
    Err(unsupported(content_type, "send application/x-ndjson, with one JSON object per line"))
}

/// Whether a body says that it is lines of JSON.
#[must_use]
pub fn is_lines(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|value| {
        let essence = essence(value);
        essence.eq_ignore_ascii_case("application/x-ndjson")
            || essence.eq_ignore_ascii_case("application/jsonl")
    })
}

fn check_charset(content_type: Option<&str>) -> Result<()> {
    match content_type.and_then(charset) {
        Some(charset) if !is_utf8(charset) => Err(unsupported(content_type, "JSON must be UTF-8")),
        _ => Ok(()),
    }
}

fn unsupported(content_type: Option<&str>, want: &'static str) -> Box<Problem> {
    let detail = match content_type {
        Some(found) => format!("the content type is `{found}`; {want}"),
        None => format!("there is no Content-Type; {want}"),
    };
    Problem::new(Code::UnsupportedMediaType, detail)
}

/// How the data of an event in binary mode is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DataKind {
    Json,
    /// A JSON string, as long as the bytes are UTF-8.
    Text,
    /// Base64.
    Bytes,
}

impl DataKind {
    pub(crate) fn of(content_type: &str) -> Self {
        let essence = essence(content_type).to_ascii_lowercase();
        let utf8 = charset(content_type).is_none_or(is_utf8);
        if !utf8 {
            return Self::Bytes;
        }
        if matches!(essence.as_str(), "application/json" | "text/json") || essence.ends_with("+json") {
            return Self::Json;
        }
        const TEXTS: [&str; 5] = [
            "application/xml",
            "application/yaml",
            "application/javascript",
            "application/x-www-form-urlencoded",
            "application/x-ndjson",
        ];
        let text = essence.starts_with("text/") || essence.ends_with("+xml") || essence.ends_with("+yaml");
        if text || TEXTS.contains(&essence.as_str()) { Self::Text } else { Self::Bytes }
    }
}

/// Whether a text has the form of a media type (RFC 9110, section 8.3.1).
pub(crate) fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    essence(text).split_once('/').is_some_and(|(kind, subtype)| token(kind) && token(subtype))
}

/// The forms that events can be read in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadForm {
    Json,
    Lines,
    Follow,
}

/// The form that `Accept` (all its values) likes best; JSON when it does not say.
///
/// # Errors
/// 406 when it takes none of them.
pub fn read_form<'a>(accept: impl Iterator<Item = &'a str>) -> Result<ReadForm> {
    const FORMS: [(ReadForm, &str); 3] = [
        (ReadForm::Json, "application/json"),
        (ReadForm::Lines, "application/x-ndjson"),
        (ReadForm::Follow, "text/event-stream"),
    ];
    let ranges: Vec<Range<'_>> = accept.flat_map(|value| value.split(',')).filter_map(Range::parse).collect();
    if ranges.is_empty() {
        return Ok(ReadForm::Json);
    }
    // The most specific range decides about a form (RFC 9110, section 12.5.1); the first best form wins.
    let quality = |name: &str| {
        ranges
            .iter()
            .filter(|range| range.matches(name))
            .max_by_key(|range| range.rank())
            .map_or(0, |r| r.quality)
    };
    let mut best = (0, None);
    for (form, name) in FORMS {
        let quality = quality(name);
        if quality > best.0 {
            best = (quality, Some(form));
        }
    }
    best.1.ok_or_else(|| {
        Problem::new(
            Code::NotAcceptable,
            "events are read as application/json, application/x-ndjson or text/event-stream",
        )
    })
}

/// Whether `Accept` (all its values) asks for server-sent events by name.
#[must_use]
pub fn wants_events<'a>(accept: impl Iterator<Item = &'a str>) -> bool {
    let mut ranges = accept.flat_map(|value| value.split(',')).filter_map(Range::parse);
    ranges.any(|range| range.essence.eq_ignore_ascii_case("text/event-stream") && range.quality > 0)
}

struct Range<'a> {
    essence: &'a str,
    /// In thousandths.
    quality: u32,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let name = essence(text);
        if name.is_empty() {
            return None;
        }
        let q = parameter(text, "q").and_then(|q| q.parse::<f32>().ok());
        let quality = q.map_or(1_000, |q| (q.clamp(0.0, 1.0) * 1_000.0) as u32);
        Some(Self { essence: name, quality })
    }

    fn matches(&self, name: &str) -> bool {
        self.essence == "*/*"
            || self.essence.eq_ignore_ascii_case(name)
            || self
                .essence
                .strip_suffix("/*")
                .is_some_and(|kind| name.split_once('/').is_some_and(|(of, _)| of.eq_ignore_ascii_case(kind)))
    }

    fn rank(&self) -> u8 {
        match self.essence {
            "*/*" => 0,
            range if range.ends_with("/*") => 1,
            _ => 2,
        }
    }
}

/// A media type without its parameters.
fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or_default().trim()
}

fn charset(value: &str) -> Option<&str> {
    parameter(value, "charset")
}

fn parameter<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    value.split(';').skip(1).find_map(|parameter| {
        let (found, value) = parameter.split_once('=')?;
        found.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn is_utf8(charset: &str) -> bool {
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("us-ascii")
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_body_of_events() {
        for (content_type, ce, want) in [
            (Some("application/cloudevents+json"), false, Ok(EventsBody::Structured)),
            (Some("Application/CloudEvents+JSON; charset=UTF-8"), true, Ok(EventsBody::Structured)),
            (Some("application/cloudevents-batch+json"), true, Ok(EventsBody::Batch)),
            (Some("application/cloudevents+avro"), true, Err(415)),
            (Some("application/json"), false, Ok(EventsBody::Structured)),
            (Some("application/json"), true, Ok(EventsBody::Binary)),
            (Some("application/x-ndjson"), false, Ok(EventsBody::Lines)),
            (Some("text/plain"), true, Ok(EventsBody::Binary)),
            (None, true, Ok(EventsBody::Binary)),
            (Some("text/plain"), false, Err(415)),
            (Some("application/x-www-form-urlencoded"), false, Err(415)),
            (Some("application/json; charset=latin1"), false, Err(415)),
            (Some("json"), false, Err(415)),
            (Some(""), false, Err(415)),
            (None, false, Err(415)),
        ] {
            assert_eq!(
                EventsBody::of(content_type, ce).map_err(|p| p.status()),
                want,
                "{content_type:?} {ce}"
            );
        }
    }

    #[test]
    fn accept_chooses_the_form() {
        for (accept, want) in [
            (&[][..], Ok(ReadForm::Json)),
            (&["*/*"], Ok(ReadForm::Json)),
            (&["application/*"], Ok(ReadForm::Json)),
            (&["text/*"], Ok(ReadForm::Follow)),
            (&["application/x-ndjson"], Ok(ReadForm::Lines)),
            (&["text/event-stream, */*;q=0.1"], Ok(ReadForm::Follow)),
            (&["text/html", "application/json;q=0.5, application/x-ndjson"], Ok(ReadForm::Lines)),
            (&["application/json;q=0, */*;q=0.5"], Ok(ReadForm::Lines)),
            (&["text/html"], Err(406)),
            (&["application/json;q=0"], Err(406)),
        ] {
            assert_eq!(read_form(accept.iter().copied()).map_err(|p| p.status()), want, "{accept:?}");
        }
    }

    #[test]
    fn how_binary_data_is_kept() {
        for (content_type, want) in [
            ("application/json", DataKind::Json),
            ("application/vnd.x+json; charset=utf-8", DataKind::Json),
            ("application/json; charset=utf-16", DataKind::Bytes),
            ("text/plain", DataKind::Text),
            ("image/svg+xml", DataKind::Text),
            ("image/png", DataKind::Bytes),
            ("application/octet-stream", DataKind::Bytes),
        ] {
            assert_eq!(DataKind::of(content_type), want, "{content_type}");
        }
    }
}
