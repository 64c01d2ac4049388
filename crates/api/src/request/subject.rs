//! `POST /v1/erasures`: whose events are to become unreadable. The subject is in the body, because paths get into the logs
//! of proxies.

use crate::json::Reader;
use crate::media;
use crate::problem::Result;
use crate::request::head::Head;
use crate::request::object::{Known, invalid, missing, read_object, read_text};
use http::HeaderMap;

/// Reads a request to erase a subject.
///
/// # Errors
/// The problem with the request, which then has no effect.
pub fn erase(headers: &HeaderMap, body: &[u8]) -> Result<String> {
    let head = Head::read(headers)?;
    media::check_json(head.content_type)?;
    head.refuse_key("to erase a subject twice is the same as to erase it once")?;
    let mut reader = Reader::new(body)?;
    let mut subject = None;
    read_object(&mut reader, "`subject`", |member, reader| {
        if member != "subject" {
            return Ok(Known::No);
        }
        let text = read_text(reader)?.to_string();
        if text.is_empty() {
            return Err(invalid("a subject is not empty"));
        }
        subject = Some(text);
        Ok(Known::Yes)
    })?;
    reader.end()?;
    subject.ok_or_else(|| missing("subject"))
}
