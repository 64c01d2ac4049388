//! The headers that this API uses, found in one pass. A header with a single value is refused when it appears twice.

use crate::catalogue::Code;
use crate::problem::{Problem, Result};
use crate::request::key::Key;
use crate::trace::Trace;
use http::HeaderMap;
use http::header::HeaderValue;
use model::{Cursor, Expected, Revision};

/// The headers of a request that this API uses.
#[derive(Clone, Debug, Default)]
pub struct Head<'a> {
    pub content_type: Option<&'a str>,
    /// Whether there are `ce-*` headers: the body is an event in binary mode.
    pub has_ce_headers: bool,
    if_match: Option<&'a str>,
    if_none_match: Option<&'a str>,
    idempotency_key: Option<&'a str>,
    last_event_id: Option<&'a str>,
    traceparent: Option<&'a str>,
    tracestate: Option<&'a str>,
}

impl<'a> Head<'a> {
    /// # Errors
    /// When a header with a single value appears twice or is not ASCII, or when the body is compressed.
    pub fn read(headers: &'a HeaderMap) -> Result<Self> {
        let mut head = Self::default();
        let mut encoding = None;
        let mut traces = 0;
        for (name, value) in headers {
            let name = name.as_str();
            let slot = match name {
                "content-type" => &mut head.content_type,
                "content-encoding" => &mut encoding,
                "if-match" => &mut head.if_match,
                "if-none-match" => &mut head.if_none_match,
                "idempotency-key" => &mut head.idempotency_key,
                "last-event-id" => &mut head.last_event_id,
                "traceparent" => {
                    traces += 1;
                    head.traceparent = value.to_str().ok();
                    continue;
                }
                "tracestate" => {
                    head.tracestate = value.to_str().ok();
                    continue;
                }
                _ => {
                    head.has_ce_headers |= name.starts_with("ce-");
                    continue;
                }
            };
            if slot.is_some() {
                return Err(
                    Problem::new(Code::DuplicateHeader, format!("`{name}` was sent twice")).header(name)
                );
            }
            *slot = Some(text(name, value)?);
        }
        if traces > 1 {
            // Trace Context, section 3.2: if there are two, ignore both.
            head.traceparent = None;
        }
        match encoding {
            Some(encoding) if !encoding.eq_ignore_ascii_case("identity") => {
                let detail =
                    format!("the body is encoded as `{encoding}`; send it without `Content-Encoding`");
                Err(Problem::new(Code::UnsupportedMediaType, detail).header("content-encoding"))
            }
            _ => Ok(head),
        }
    }

    /// The expected revision that `If-Match` and `If-None-Match` state.
    ///
    /// # Errors
    /// When they state none or contradict each other.
    pub fn expected(&self) -> Result<Expected> {
        match (self.if_match, self.if_none_match) {
            (None, None) => Ok(Expected::Any),
            (Some("*"), None) => Ok(Expected::Exists),
            (Some(tag), None) => revision_tag(tag).map(Expected::Revision),
            (None, Some("*")) => Ok(Expected::None),
            (None, Some(_)) => {
                Err(invalid("if-none-match", "the only supported value is `*`: it must not exist yet"))
            }
            (Some(_), Some(_)) => Err(invalid(
                "if-none-match",
                "`If-Match` and `If-None-Match` contradict each other; send one of them",
            )),
        }
    }

    /// The idempotency key.
    ///
    /// # Errors
    /// When the header's value is not a valid key.
    pub fn key(&self) -> Result<Option<Key<'a>>> {
        self.idempotency_key.map(Key::parse).transpose()
    }

    /// # Errors
    /// When there is a key. Routes whose requests are safe to repeat without one accept none.
    pub fn refuse_key(&self, why: &'static str) -> Result<()> {
        match self.idempotency_key {
            None => Ok(()),
            Some(_) => Err(invalid("idempotency-key", why)),
        }
    }

    /// The trace that the request belongs to.
    #[must_use]
    pub fn trace(&self) -> Option<Trace> {
        Trace::parse(self.traceparent?, self.tracestate)
    }

    /// Where a returning subscriber left off.
    ///
    /// # Errors
    /// When the header is not a cursor.
    pub fn last_event_id(&self) -> Result<Option<Cursor>> {
        match self.last_event_id {
            None | Some("") => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| {
                invalid(
                    "last-event-id",
                    "it must be the `id` of a message that this API sent: a cursor of 20 hex digits",
                )
            }),
        }
    }
}

fn text<'a>(name: &str, value: &'a HeaderValue) -> Result<&'a str> {
    value.to_str().map_err(|_| invalid(name, "it contains characters other than visible ASCII"))
}

/// Parses the entity tag `"41"` as a revision.
fn revision_tag(tag: &str) -> Result<Revision> {
    const FORM: &str = "it must be one revision in quotes, as in `If-Match: \"41\"`, or `*`";
    if tag.starts_with("W/") {
        return Err(invalid(
            "if-match",
            "a weak tag never matches (RFC 9110, section 13.1.1); send `\"41\"`",
        ));
    }
    if tag.contains(',') {
        return Err(invalid("if-match", "lists of tags are not supported: a stream is at one revision"));
    }
    let digits = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let digits = digits.filter(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    digits.and_then(|digits| digits.parse().ok()).map(Revision).ok_or_else(|| invalid("if-match", FORM))
}

fn invalid(name: &str, why: &str) -> Box<Problem> {
    Problem::new(Code::InvalidHeader, format!("`{name}` cannot be used: {why}")).header(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::HeaderName;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| {
                (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect()
    }

    #[test]
    fn preconditions_become_the_expected_revision() {
        for (lines, want) in [
            (&[][..], Ok(Expected::Any)),
            (&[("if-match", "\"41\"")], Ok(Expected::Revision(Revision(41)))),
            (&[("if-match", "*")], Ok(Expected::Exists)),
            (&[("if-none-match", "*")], Ok(Expected::None)),
            (&[("if-none-match", "\"41\"")], Err(())),
            (&[("if-match", "*"), ("if-none-match", "*")], Err(())),
            (&[("if-match", "41")], Err(())),
            (&[("if-match", "\"\"")], Err(())),
            (&[("if-match", "\"-1\"")], Err(())),
            (&[("if-match", "\"+1\"")], Err(())),
            (&[("if-match", "\"99999999999999999999\"")], Err(())),
            (&[("if-match", "W/\"41\"")], Err(())),
            (&[("if-match", "\"41\", \"42\"")], Err(())),
            (&[("if-match", "")], Err(())),
        ] {
            let headers = headers(lines);
            let expected = Head::read(&headers).unwrap().expected();
            assert_eq!(
                expected.map_err(|problem| assert_eq!(problem.code, Code::InvalidHeader)),
                want,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_header_with_a_single_value_appears_once() {
        for name in ["content-type", "if-match", "if-none-match", "idempotency-key", "last-event-id"] {
            let twice = headers(&[(name, "a"), (name, "a")]);
            assert_eq!(Head::read(&twice).unwrap_err().code, Code::DuplicateHeader, "{name}");
        }
        assert!(Head::read(&headers(&[("accept", "a"), ("accept", "b"), ("x", "1"), ("x", "1")])).is_ok());
        assert_eq!(Head::read(&headers(&[("if-match", "\"é\"")])).unwrap_err().code, Code::InvalidHeader);
        assert_eq!(Head::read(&headers(&[("content-encoding", "gzip")])).unwrap_err().status(), 415);
    }

    #[test]
    fn a_malformed_or_repeated_trace_is_ignored() {
        let good = ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        assert!(Head::read(&headers(&[good])).unwrap().trace().is_some());
        assert!(Head::read(&headers(&[good, good])).unwrap().trace().is_none());
        assert!(Head::read(&headers(&[("traceparent", "x")])).unwrap().trace().is_none());
    }

    #[test]
    fn last_event_id_is_a_cursor() {
        let last_event_id = |text| Head::read(&headers(&[("last-event-id", text)])).unwrap().last_event_id();
        assert_eq!(last_event_id("").unwrap(), None);
        assert!(last_event_id("00000000000000000007").unwrap().is_some());
        assert_eq!(last_event_id("7").unwrap_err().status(), 400);
    }
}
