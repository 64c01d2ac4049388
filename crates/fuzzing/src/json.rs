//! The JSON reader, compared with `serde_json`: both accept the same texts, and both read the same strings.

use api::json::{Reader, Value};
use model::limits;
use serde_json::value::RawValue;

/// One JSON text.
pub fn reader(bytes: &[u8]) {
    let ours = whole(bytes);
    let theirs = serde_json::from_slice::<&RawValue>(bytes);
    if depth_of(bytes) <= limits::JSON_DEPTH_MAX {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(ours.is_some(), theirs.is_ok(), "{text:?}: {theirs:?}");
    }
    let (Some(ours), Ok(theirs)) = (ours, theirs) else { return };
    assert_eq!(ours, theirs.get());
    if let Ok(mut reader) = Reader::new(bytes)
        && let Ok(Value::Text(text)) = reader.value()
    {
        // Half of a surrogate pair is JSON, and no text.
        let theirs: Result<String, _> = serde_json::from_slice(bytes);
        assert_eq!(text.decode().as_deref(), theirs.ok().as_deref());
    }
}

/// The value, if the bytes are one JSON text.
fn whole(bytes: &[u8]) -> Option<&str> {
    let mut reader = Reader::new(bytes).ok()?;
    let raw = reader.raw().ok()?;
    reader.end().ok()?;
    assert_eq!(raw.has_newlines, raw.text.contains(['\n', '\r']), "{:?}", raw.text);
    Some(raw.text)
}

/// How deep brackets are nested in any text. Those in strings count too, which makes this an upper bound.
fn depth_of(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count()
}
