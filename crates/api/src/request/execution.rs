//! Bodies of requests about executions, and the response that a team's endpoint stores.

use super::head::Head;
use super::object::{
    Known, invalid, missing, read_array, read_duration_in, read_label, read_name, read_number_in,
    read_object, read_one_line, read_text,
};
use crate::catalogue::Code;
use crate::json::Reader;
use crate::media;
use crate::problem::{Problem, Result};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use model::{AbandonExecution, BeginExecution, CompleteExecution, Cursor, ExecutionKey, limits};
use std::borrow::Cow;

/// A request to begin, and how long it waits for someone else's work.
#[derive(Debug)]
pub struct Begin {
    pub command: BeginExecution<'static>,
    pub wait_ms: u64,
}

/// Reads the body of `POST /v1/idempotency/{key}/begin`.
///
/// # Errors
/// The problem with the request.
pub fn begin(headers: &HeaderMap, key: ExecutionKey<'_>, body: &[u8]) -> Result<Begin> {
    const TTL: std::ops::RangeInclusive<u64> = limits::EXECUTION_TTL_MS_MIN..=limits::EXECUTION_TTL_MS_MAX;
    check_head(headers, "an owner that begins again gets what it has")?;
    let (mut fingerprint, mut owner, mut ttl_ms, mut wait_ms) = (None, None, None, None);
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, "`fingerprint`, `owner`, `ttl` and `wait`", |name, reader| {
        match name {
            "fingerprint" => fingerprint = read_label(reader)?.map(Cow::into_owned),
            "owner" => owner = read_label(reader)?.map(Cow::into_owned),
            "ttl" => ttl_ms = read_duration_in(reader, TTL)?,
            "wait" => wait_ms = read_duration_in(reader, 0..=limits::EXECUTION_WAIT_MS_MAX)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    let command = BeginExecution {
        key: key.into_owned(),
        fingerprint: fingerprint.unwrap_or_default().into(),
        owner: owner.map(Cow::Owned),
        ttl_ms: ttl_ms.unwrap_or(limits::EXECUTION_TTL_MS_DEFAULT),
    };
    Ok(Begin { command, wait_ms: wait_ms.unwrap_or(0) })
}

/// Reads the body of `POST /v1/idempotency/{key}/complete`.
///
/// # Errors
/// The problem with the request.
pub fn complete(
    headers: &HeaderMap,
    key: ExecutionKey<'_>,
    body: &[u8],
) -> Result<CompleteExecution<'static>> {
    check_head(headers, "the token identifies the request")?;
    let mut sent = Sent::default();
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, Sent::MEMBERS, |name, reader| sent.read(name, reader))?;
    reader.end()?;
    sent.into_command(key.into_owned())
}

/// Reads the body of `POST /v1/idempotency/{key}/abandon`.
///
/// # Errors
/// The problem with the request.
pub fn abandon(headers: &HeaderMap, key: ExecutionKey<'_>, body: &[u8]) -> Result<AbandonExecution<'static>> {
    check_head(headers, "the token identifies the request")?;
    let mut token = None;
    let mut reader = Reader::new(body)?;
    read_object(&mut reader, "`token`", |name, reader| {
        match name {
            "token" => token = Some(read_token(reader)?),
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    reader.end()?;
    let token = token.ok_or_else(|| missing("token"))?;
    Ok(AbandonExecution { key: key.into_owned(), token: Some(token) })
}

/// Reads `DELETE /v1/idempotency/{key}`.
///
/// # Errors
/// The problem with the request.
pub fn forget(headers: &HeaderMap, key: ExecutionKey<'_>) -> Result<AbandonExecution<'static>> {
    Head::read(headers)?.refuse_key("a key that is free stays free")?;
    Ok(AbandonExecution { key: key.into_owned(), token: None })
}

/// Reads the write `{"idempotency": {...}}` of a transaction.
pub(super) fn read_write(reader: &mut Reader<'_>) -> Result<CompleteExecution<'static>> {
    let mut key = None;
    let mut sent = Sent::default();
    read_object(reader, "`key`, `token`, `response` and `keep`", |name, reader| {
        if name == "key" {
            key = Some(read_key(reader)?);
            return Ok(Known::Yes);
        }
        sent.read(name, reader)
    })?;
    sent.into_command(key.ok_or_else(|| missing("key"))?)
}

/// Reads the key of an execution.
pub(super) fn read_key(reader: &mut Reader<'_>) -> Result<ExecutionKey<'static>> {
    Ok(ExecutionKey::new(read_name(reader, "a key must be a string")?)?.into_owned())
}

/// A completion as it was sent.
#[derive(Default)]
struct Sent {
    token: Option<Cursor>,
    response: Option<Vec<u8>>,
    keep_ms: Option<u64>,
}

impl Sent {
    const MEMBERS: &str = "`token`, `response` and `keep`";

    fn read(&mut self, name: &str, reader: &mut Reader<'_>) -> Result<Known> {
        const KEEP: std::ops::RangeInclusive<u64> =
            limits::EXECUTION_KEEP_MS_MIN..=limits::EXECUTION_KEEP_MS_MAX;
        match name {
            "token" => self.token = Some(read_token(reader)?),
            "response" => self.response = Some(read_response(reader)?),
            "keep" => self.keep_ms = read_duration_in(reader, KEEP)?,
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    fn into_command(self, key: ExecutionKey<'static>) -> Result<CompleteExecution<'static>> {
        Ok(CompleteExecution {
            key,
            token: self.token.ok_or_else(|| missing("token"))?,
            response: self.response.ok_or_else(|| missing("response"))?.into(),
            keep_ms: self.keep_ms.unwrap_or(limits::EXECUTION_KEEP_MS_DEFAULT),
        })
    }
}

fn check_head(headers: &HeaderMap, why_no_key: &'static str) -> Result<()> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key(why_no_key)
}

/// Reads a token, as `begin` has returned it.
pub(super) fn read_token(reader: &mut Reader<'_>) -> Result<Cursor> {
    let text = read_text(reader)?;
    text.parse().map_err(|_| invalid("a token is the 20 hex digits that `begin` has returned"))
}

/// Reads the response of an endpoint. It is stored as it was sent, in one line.
fn read_response(reader: &mut Reader<'_>) -> Result<Vec<u8>> {
    let mut checked = reader.clone();
    let mut status = None;
    let mut bodies = 0;
    read_object(&mut checked, "`status`, `headers`, and `body` or `body_base64`", |name, reader| {
        match name {
            "status" => status = read_number_in(reader, 200..=599)?,
            "headers" => read_headers(reader)?,
            "body" => {
                bodies += 1;
                reader.raw()?;
            }
            "body_base64" => {
                bodies += 1;
                let text = read_text(reader)?;
                if crate::event::base64_len(&text).is_none() {
                    return Err(invalid("this must be base64 with padding (RFC 4648, section 4)"));
                }
            }
            _ => return Ok(Known::No),
        }
        Ok(Known::Yes)
    })?;
    let status = status.ok_or_else(|| missing("status"))?;
    if StatusCode::from_u16(u16::try_from(status).unwrap_or_default()).is_err() {
        return Err(invalid("this must be an HTTP status from 200 to 599").member("status"));
    }
    if bodies > 1 {
        return Err(invalid("a response has `body` or `body_base64`, not both"));
    }
    let response = read_one_line(reader)?;
    const MAX: usize = limits::EXECUTION_RESPONSE_BYTES_MAX;
    if response.len() > MAX {
        let detail = format!("the response has {} bytes as JSON", response.len());
        return Err(Problem::new(Code::StoredResponseTooLarge, detail).number("limit", MAX as u64));
    }
    Ok(response.into_owned())
}

/// Checks the headers of a response: a value is a string, or an array of strings.
fn read_headers(reader: &mut Reader<'_>) -> Result<()> {
    let mut count = 0;
    let mut counted = move || {
        count += 1;
        if count > limits::EXECUTION_HEADERS_MAX {
            let detail = format!("a response may have at most {} headers", limits::EXECUTION_HEADERS_MAX);
            return Err(Problem::new(Code::TooManyItems, detail)
                .number("limit", limits::EXECUTION_HEADERS_MAX as u64));
        }
        Ok(())
    };
    read_object(reader, "the names of headers", |name, reader| {
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            return Err(invalid("this is not the name of a header"));
        }
        if reader.peek() != Some(b'[') {
            counted()?;
            read_header_value(reader)?;
            return Ok(Known::Yes);
        }
        read_array(reader, |_, reader| {
            counted()?;
            read_header_value(reader)
        })?;
        Ok(Known::Yes)
    })
}

fn read_header_value(reader: &mut Reader<'_>) -> Result<()> {
    let value = read_text(reader)?;
    HeaderValue::from_str(&value).map_err(|_| invalid("this is not the value of a header"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::CONTENT_TYPE;

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers
    }

    fn key() -> ExecutionKey<'static> {
        ExecutionKey::new("pay").unwrap()
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let read = begin(&headers(), key(), b"{}").unwrap();
        assert_eq!((read.command.fingerprint.as_ref(), read.command.owner), ("", None));
        assert_eq!((read.command.ttl_ms, read.wait_ms), (60_000, 0));
        let body = br#"{"token":"00000000000000050007","response":{"status":204}}"#;
        assert_eq!(complete(&headers(), key(), body).unwrap().keep_ms, 86_400_000);
    }

    #[test]
    fn a_response_is_kept_byte_for_byte_in_one_line() {
        for (sent, kept) in [
            (r#"{"status":201,"headers":{"location":"/a"},"body":{"n": 1.50}}"#, None),
            (r#"{"body_base64":"AQ==","status":200,"headers":{"set-cookie":["a=1","b=2"]}}"#, None),
            ("{\"status\":200,\n\"body\":[1,\n2]}", Some("{\"status\":200, \"body\":[1, 2]}")),
        ] {
            let body = format!(r#"{{"token":"00000000000000050007","response":{sent}}}"#);
            let read = complete(&headers(), key(), body.as_bytes()).unwrap();
            assert_eq!(std::str::from_utf8(&read.response).unwrap(), kept.unwrap_or(sent));
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        let many = vec![r#""a""#; 65].join(",");
        let large = "x".repeat(limits::EXECUTION_RESPONSE_BYTES_MAX);
        for (response, code, member) in [
            ("7", "invalid_member", "response"),
            ("{}", "missing_member", "response.status"),
            (r#"{"status":null}"#, "missing_member", "response.status"),
            (r#"{"status":99}"#, "invalid_member", "response.status"),
            (r#"{"status":100}"#, "invalid_member", "response.status"),
            (r#"{"status":600}"#, "invalid_member", "response.status"),
            (r#"{"status":200,"body":1,"body_base64":"AQ=="}"#, "invalid_member", "response"),
            (r#"{"status":200,"body_base64":"A"}"#, "invalid_member", "response.body_base64"),
            (r#"{"status":200,"headers":{"a b":"c"}}"#, "invalid_member", "response.headers.a b"),
            (r#"{"status":200,"headers":{"a":"b\nc"}}"#, "invalid_member", "response.headers.a"),
            (r#"{"status":200,"headers":{"a":["b",7]}}"#, "invalid_member", "response.headers.a[1]"),
            (
                &format!(r#"{{"status":200,"headers":{{"a":[{many}]}}}}"#),
                "too_many_items",
                "response.headers.a[64]",
            ),
            (r#"{"status":200,"extra":1}"#, "unknown_member", "response.extra"),
            (&format!(r#"{{"status":200,"body":"{large}"}}"#), "stored_response_too_large", "response"),
        ] {
            let body = format!(r#"{{"token":"00000000000000050007","response":{response}}}"#);
            let problem = complete(&headers(), key(), body.as_bytes()).expect_err(response);
            let json: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
            assert_eq!((problem.code.as_str(), json["member"].as_str()), (code, Some(member)), "{response}");
        }
        for (body, code, member) in [
            (r#"{"ttl":"999ms"}"#, "invalid_member", "ttl"),
            (r#"{"ttl":"25h"}"#, "invalid_member", "ttl"),
            (r#"{"ttl":60}"#, "invalid_member", "ttl"),
            (r#"{"wait":"61s"}"#, "invalid_member", "wait"),
            (r#"{"owner":""}"#, "invalid_member", "owner"),
            (r#"{"fingerprint":"a\nb"}"#, "invalid_member", "fingerprint"),
            (r#"{"key":"a"}"#, "unknown_member", "key"),
        ] {
            let problem = begin(&headers(), key(), body.as_bytes()).expect_err(body);
            let json: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
            assert_eq!((problem.code.as_str(), json["member"].as_str()), (code, Some(member)), "{body}");
        }
    }
}
