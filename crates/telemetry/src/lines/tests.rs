//! The form of lines, and the trace id on every line of a request.

use super::*;
use crate::spans;
use std::sync::{Arc, Mutex};
use tracing_subscriber::layer::SubscriberExt as _;

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that `write` logs, without their times.
fn lines(form: Form, write: impl FnOnce()) -> Vec<String> {
    let buffer = Buffer::default();
    let writer = buffer.clone();
    let subscriber = tracing_subscriber::registry().with(Lines::new(form, move || writer.clone()));
    tracing::subscriber::with_default(subscriber, write);
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    let timeless = |line: &str| match form {
        Form::Json => line.replace(&line[..line.find(",\"level").unwrap()], "{"),
        Form::Text => line[27..].to_owned(),
        Form::ColouredText => line.to_owned(),
    };
    text.lines().map(timeless).collect()
}

fn trace_id() -> TraceId {
    TraceId::from_bits(0x4bf9).unwrap()
}

#[test]
fn a_json_line_has_the_trace_id_of_its_request() {
    let read = lines(Form::Json, || {
        let _request = spans::request("POST", "/v1/events", trace_id()).entered();
        tracing::warn!(bytes = 7_u64, why = "no \"space\"\n", "disk full");
    });
    let want = concat!(
        r#"{,"level":"warn","target":"telemetry::lines::tests","message":"disk full","#,
        r#""trace_id":"00000000000000000000000000004bf9","span":"request","method":"POST","#,
        r#""route":"/v1/events","bytes":7,"why":"no \"space\"\n"}"#
    );
    assert_eq!(read, [want]);
}

#[test]
fn a_line_outside_a_request_has_no_trace_id_unless_its_event_has_one() {
    let read = lines(Form::Json, || {
        tracing::info!("up");
        tracing::info!(trace_id = trace_id().get(), "inside");
    });
    assert_eq!(read[0], r#"{,"level":"info","target":"telemetry::lines::tests","message":"up"}"#);
    assert!(read[1].contains(r#""trace_id":"00000000000000000000000000004bf9""#), "{}", read[1]);
}

#[test]
fn a_text_event_is_one_line_whatever_its_fields_contain() {
    let read = lines(Form::Text, || {
        let _request = spans::request("GET", "/livez", trace_id()).entered();
        tracing::error!(path = "a\nb", n = 3_i64, "no");
    });
    let want =
        " ERROR no path=\"a\\nb\" n=3 method=GET route=/livez trace_id=00000000000000000000000000004bf9";
    assert_eq!(read, [want]);
}

#[test]
fn colours_end_where_they_began() {
    let read = lines(Form::ColouredText, || tracing::warn!("careful"));
    assert!(read[0].contains("\x1b[33m WARN\x1b[0m careful"), "{:?}", read[0]);
    assert!(read[0].ends_with("\x1b[0m"));
}

#[test]
fn every_control_character_is_escaped_in_json() {
    let mut out = String::new();
    write_json_text(&mut out, "\u{1}\u{1f}\"\\é").unwrap();
    assert_eq!(out, r#""\u0001\u001f\"\\é""#);
}

#[test]
fn spans_have_the_names_of_the_catalogue() {
    let subscriber = tracing_subscriber::registry();
    tracing::subscriber::with_default(subscriber, || {
        let opened =
            [spans::request("GET", "/", trace_id()), spans::entry(1), spans::fsync(2), spans::apply(3)];
        let names = opened.map(|span| span.metadata().unwrap().name());
        assert_eq!(names, spans::ALL);
    });
}
