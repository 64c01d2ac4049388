//! A recorded event: its location, the attributes that the server filled in, and the stored envelope.

use crate::json::{self, write_number};
use crate::subject::text_attribute;
use crate::time::{self, Moment};
use crate::uri;
use model::{Cursor, Filled, Revision};

/// A stored event.
#[derive(Clone, Copy, Debug)]
pub struct StoredEvent<'a> {
    pub stream: &'a str,
    pub revision: Revision,
    pub cursor: Cursor,
    pub filled: Filled,
    /// A JSON object in one line. It has at least the member `specversion`.
    pub envelope: &'a [u8],
}

impl StoredEvent<'_> {
    /// Writes one JSON object in one line, without a newline.
    pub fn write(&self, out: &mut Vec<u8>) {
        let cursor = self.cursor.to_hex();
        let recorded = self.cursor.position.wall();
        out.reserve(self.envelope.len() + self.stream.len() + 160);
        out.extend_from_slice(b"{\"stream\":");
        json::write_text(out, self.stream);
        out.extend_from_slice(b",\"revision\":");
        write_number(out, self.revision.0);
        out.extend_from_slice(b",\"cursor\":\"");
        out.extend_from_slice(&cursor);
        out.extend_from_slice(b"\",\"recordedtime\":\"");
        time::write_wall(out, recorded);
        if self.filled.has(Filled::ID) {
            out.extend_from_slice(b"\",\"id\":\"~");
            out.extend_from_slice(&cursor);
        }
        if self.filled.has(Filled::SOURCE) {
            out.extend_from_slice(b"\",\"source\":\"");
            uri::write_default_source(out, self.stream);
        }
        if self.filled.has(Filled::TIME) {
            out.extend_from_slice(b"\",\"time\":\"");
            time::write_wall(out, recorded);
        }
        out.extend_from_slice(b"\",");
        out.extend_from_slice(self.envelope.get(1..).unwrap_or(b"}"));
    }

    /// When the event happened: its `time`, or the recorded time if it was sent without one.
    #[must_use]
    pub fn time(&self) -> Moment {
        let recorded = Moment::from(self.cursor.position.wall());
        if self.filled.has(Filled::TIME) {
            return recorded;
        }
        sent_time(self.envelope).unwrap_or(recorded)
    }
}

/// What is left of an event whose subject is erased, without the members that are filled in on reading: all of `id`,
/// `source` and `time` are.
#[must_use]
pub fn erased_envelope(event_type: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + event_type.len());
    out.extend_from_slice(b"{\"specversion\":\"1.0\",\"type\":");
    json::write_text(&mut out, event_type);
    out.extend_from_slice(b",\"erased\":true}");
    out
}

/// The envelope's member `time`.
fn sent_time(envelope: &[u8]) -> Option<Moment> {
    Moment::parse(&text_attribute(envelope, "time")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Position, Slot, Wall};

    fn stored<'a>(filled: Filled, envelope: &'a str) -> StoredEvent<'a> {
        let position = Position(Position::first_of(Wall(1_286_004_039_266)).0 + 5);
        StoredEvent {
            stream: "a \"b\"",
            revision: Revision(41),
            cursor: Cursor::new(position, Slot(7)),
            filled,
            envelope: envelope.as_bytes(),
        }
    }

    fn written(event: &StoredEvent<'_>) -> serde_json::Value {
        let mut out = Vec::new();
        event.write(&mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn an_event_is_returned_with_its_location_and_the_attributes_filled_in() {
        let json = written(&stored(Filled(7), r#"{"specversion":"1.0","type":"t","data":1}"#));
        assert_eq!(
            json,
            serde_json::json!({
                "stream": "a \"b\"", "revision": 41, "cursor": "012b6bd05e6200050007",
                "recordedtime": "2010-10-02T07:20:39.266Z", "id": "~012b6bd05e6200050007",
                "source": "/streams/a%20%22b%22", "time": "2010-10-02T07:20:39.266Z",
                "specversion": "1.0", "type": "t", "data": 1
            })
        );
        let json = written(&stored(Filled::default(), r#"{"specversion":"1.0","id":"1"}"#));
        assert_eq!((json["id"].as_str(), json.get("source"), json.get("time")), (Some("1"), None, None));
    }

    #[test]
    fn an_event_s_time_is_its_own_or_the_recorded_time() {
        let recorded = Moment::parse("2010-10-02T07:20:39.266Z").unwrap();
        let own = r#"{"specversion":"1.0","type":"time","subject":"\"time\":","time":"1999-01-01T00:00:00Z","data":{"time":"x"}}"#;
        assert_eq!(stored(Filled::default(), own).time(), Moment::parse("1999-01-01T00:00:00Z").unwrap());
        assert_eq!(
            stored(Filled::TIME, r#"{"specversion":"1.0","type":"t","data":{"time":1}}"#).time(),
            recorded
        );
    }
}
