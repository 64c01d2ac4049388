//! Writes of values, as bodies of 200 responses.

use super::outcome::write_revision;
use super::queue::{write_number_member, write_text_member};
use crate::event::write_base64;
use crate::json;
use model::Revision;

/// Writes `{"value":...,"revision":...}`. After a deletion, it is the last revision that the value had.
pub fn write_value(out: &mut Vec<u8>, value: &str, revision: Option<Revision>) {
    out.extend_from_slice(b"{\"value\":");
    json::write_text(out, value);
    out.extend_from_slice(b",\"revision\":");
    write_revision(out, revision);
    out.push(b'}');
}

/// Writes `{"value":...,"revision":...,"content_type":...,"bytes":...}`
pub fn write_listed(out: &mut Vec<u8>, value: &str, revision: Revision, content_type: &str, bytes: usize) {
    write_value(out, value, Some(revision));
    out.pop();
    write_text_member(out, "content_type", content_type);
    write_number_member(out, "bytes", bytes as u64);
    out.push(b'}');
}

/// A value that exists.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub revision: Revision,
    pub content_type: &'a str,
    pub content: &'a [u8],
}

/// Writes `{"value":...,"revision":...,"content_type":...,"content":...}`, with `content_base64` instead of `content`
/// if it is not UTF-8; or `{"value":...,"revision":null}` if the value does not exist.
pub fn write_seen(out: &mut Vec<u8>, value: &str, seen: Option<Seen<'_>>) {
    write_value(out, value, seen.map(|seen| seen.revision));
    let Some(seen) = seen else { return };
    out.pop();
    out.extend_from_slice(b",\"content_type\":");
    json::write_text(out, seen.content_type);
    match std::str::from_utf8(seen.content) {
        Ok(text) => {
            out.extend_from_slice(b",\"content\":");
            json::write_text(out, text);
        }
        Err(_) => {
            out.extend_from_slice(b",\"content_base64\":\"");
            write_base64(out, seen.content);
            out.push(b'"');
        }
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_shows_text_as_text_and_bytes_as_base64() {
        let shown = |content: Option<&[u8]>| {
            let seen = content.map(|content| Seen { revision: Revision(3), content_type: "a/b", content });
            let mut out = Vec::new();
            write_seen(&mut out, "v", seen);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(shown(None), r#"{"value":"v","revision":null}"#);
        assert_eq!(
            shown(Some(b"a\"b")),
            r#"{"value":"v","revision":3,"content_type":"a/b","content":"a\"b"}"#
        );
        assert_eq!(
            shown(Some(b"\xff")),
            r#"{"value":"v","revision":3,"content_type":"a/b","content_base64":"/w=="}"#
        );
    }
}
