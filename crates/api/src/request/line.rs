//! One line of `POST /v1/events`: an event that names its stream, as an append of its own.

use crate::catalogue::Code;
use crate::event::{Recipient, StreamMember, read_structured};
use crate::json::Reader;
use crate::problem::{Problem, Result};
use crate::trace::Trace;
use model::{Append, Expected, StreamName};

/// # Errors
/// The problem with this line.
pub fn read(line: &[u8], trace: Option<&Trace>) -> Result<Append<'static>> {
    let mut reader = Reader::new(line)?;
    let mut attributes = read_structured(&mut reader, StreamMember::Taken)?;
    reader.end()?;
    let Some(stream) = attributes.stream.take() else {
        return Err(
            Problem::new(Code::MissingMember, "a line must name its stream in `stream`").member("stream")
        );
    };
    let stream =
        StreamName::new(stream.value).map_err(|error| Box::<Problem>::from(error).member("stream"))?;
    let event = Recipient { stream: stream.as_str(), trace }.new_event(&attributes);
    Ok(Append { keyed: None, stream: stream.into_owned(), expected: Expected::Any, events: vec![event] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_stream() {
        let append = read(br#"{"stream":"a/b","type":"t","id":"1"}"#, None).unwrap();
        assert_eq!((append.stream.as_str(), append.events.len()), ("a/b", 1));
        for (line, code) in [
            (r#"{"type":"t"}"#, "missing_member"),
            (r#"{"type":"t","stream":""}"#, "invalid_name"),
            (r#"{"type":"t","stream":".."}"#, "invalid_name"),
            (r#"{"type":"t","stream":7}"#, "invalid_member"),
            (r#"{"stream":"a"}"#, "missing_member"),
            (r#"{"stream":"a","type":"t""#, "invalid_json"),
            ("x", "invalid_json"),
        ] {
            assert_eq!(read(line.as_bytes(), None).unwrap_err().code.as_str(), code, "{line}");
        }
    }
}
