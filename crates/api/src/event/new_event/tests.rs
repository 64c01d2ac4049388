//! From what a client sent to what is stored: identities, fingerprints, what is filled in.

use super::*;
use crate::event::{StreamMember, read_structured};
use crate::json::Reader;
use crate::problem::Result;
use model::{Position, Slot};

fn sent_to(stream: &str, json: &str, trace: Option<&Trace>) -> Result<NewEvent<'static>> {
    let mut reader = Reader::new(json.as_bytes())?;
    let attributes = read_structured(&mut reader, StreamMember::Refused)?;
    reader.end()?;
    Ok(Recipient { stream, trace }.new_event(&attributes))
}

fn event(json: &str) -> NewEvent<'static> {
    sent_to("a b", json, None).unwrap()
}

fn envelope(json: &str) -> String {
    String::from_utf8(event(json).envelope.into_owned()).unwrap()
}

fn trace() -> Trace {
    Trace::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("v=1")).unwrap()
}

#[test]
fn the_envelope_is_the_event_in_one_order_and_one_line() {
    assert_eq!(envelope(r#"{"type":"t"}"#), r#"{"specversion":"1.0","type":"t"}"#);
    assert_eq!(
        envelope(
            "{\"data\":\n{\"b\": 1.50,\r\n\"a\":[ 1,1 ], \"b\":2},\"zeta\":true,\"alpha\":\"\\u00e9\",\"n\":-7,\"type\":\"t\",
             \"time\":\"2010-10-02T07:20:39.266Z\",\"subject\":\"s\",\"source\":\"/x\",\"id\":\"1\",\"gone\":null,
             \"datacontenttype\":\"application/json\",\"dataschema\":\"urn:x\",\"specversion\":\"1.0\"}"
        ),
        concat!(
            r#"{"specversion":"1.0","id":"1","source":"/x","type":"t","subject":"s","#,
            r#""time":"2010-10-02T07:20:39.266Z","datacontenttype":"application/json","dataschema":"urn:x","#,
            r#""alpha":"\u00e9","n":-7,"zeta":true,"data":{"b": 1.50,  "a":[ 1,1 ], "b":2}}"#
        )
    );
    assert_eq!(envelope(r#"{"type":"t","data":null}"#), r#"{"specversion":"1.0","type":"t","data":null}"#);
    assert_eq!(
        envelope(r#"{"type":"t","data_base64":"AQL/"}"#),
        r#"{"specversion":"1.0","type":"t","data_base64":"AQL/"}"#
    );
}

#[test]
fn what_was_missing_is_filled_in_on_reading() {
    assert_eq!(event(r#"{"type":"t"}"#).filled, Filled::ID.with(Filled::SOURCE).with(Filled::TIME));
    assert_eq!(event(r#"{"type":"t","id":"1","source":"/s"}"#).filled, Filled::TIME);
    let whole = r#"{"type":"t","id":"1","source":"/s","time":"2010-10-02T07:20:39Z"}"#;
    assert_eq!(event(whole).filled, Filled::default());
}

#[test]
fn the_request_s_trace_is_kept_but_changes_no_fingerprint() {
    let trace = trace();
    let plain = event(r#"{"type":"t"}"#);
    let traced = sent_to("a b", r#"{"type":"t"}"#, Some(&trace)).unwrap();
    let text = String::from_utf8(traced.envelope.clone().into_owned()).unwrap();
    assert!(
        text.contains(r#""traceparent":"00-4bf92f35"#) && text.contains(r#""tracestate":"v=1""#),
        "{text}"
    );
    assert_eq!(plain.fingerprint, traced.fingerprint);
    assert_eq!(event(&text).fingerprint, plain.fingerprint, "an export imports as a replay");
    let own = sent_to("a b", r#"{"type":"t","traceparent":"own"}"#, Some(&trace)).unwrap();
    let text = String::from_utf8(own.envelope.into_owned()).unwrap();
    assert!(
        text.contains(r#""traceparent":"own""#) && !text.contains("4bf92"),
        "the event's own wins: {text}"
    );
}

#[test]
fn the_same_content_has_the_same_fingerprint() {
    let base = event(r#"{"type":"t","id":"1","source":"/s","subject":"é","b":"1","data":{"x":1}}"#);
    for (same, json) in [
        (
            true,
            r#"{"data":{"x":1},"b":"1","subject":"\u00e9","source":"/s","id":"1","type":"t","specversion":"1.0"}"#,
        ),
        (false, r#"{"type":"t","id":"1","source":"/s","subject":"é","b":"1","data":{"x": 1}}"#),
        (false, r#"{"type":"t","id":"1","source":"/s","subject":"é","b":1,"data":{"x":1}}"#),
        (false, r#"{"type":"t","id":"1","source":"/s","subject":"é","data":{"x":1}}"#),
        (false, r#"{"type":"t","id":"1","source":"/s","subject":"é","b":"1"}"#),
        (false, r#"{"type":"u","id":"1","source":"/s","subject":"é","b":"1","data":{"x":1}}"#),
        (
            false,
            r#"{"type":"t","id":"1","source":"/s","subject":"é","b":"1","data":{"x":1},"time":"2010-10-02T07:20:39Z"}"#,
        ),
    ] {
        let other = event(json);
        assert_eq!(other.fingerprint == base.fingerprint, same, "{json}");
        assert_eq!(other.identity, base.identity);
    }
    // Newlines between the data's tokens are spaces before anything is compared.
    assert_eq!(
        event("{\"type\":\"t\",\"data\":[1,\n2]}").fingerprint,
        event("{\"type\":\"t\",\"data\":[1, 2]}").fingerprint
    );
}

#[test]
fn a_source_left_out_is_the_stream_s_own() {
    let without = event(r#"{"type":"t","id":"1"}"#);
    let with = event(r#"{"type":"t","id":"1","source":"/streams/a%20b"}"#);
    assert_eq!((without.identity, without.fingerprint), (with.identity, with.fingerprint));
    let other = event(r#"{"type":"t","id":"1","source":"/streams/a"}"#);
    assert_ne!(other.identity, without.identity);
    assert_ne!(
        event(r#"{"type":"t","source":"/x"}"#).fingerprint,
        event(r#"{"type":"t"}"#).fingerprint,
        "without an id, the source tells events apart"
    );
}

#[test]
fn the_server_s_id_sent_back_is_found_by_its_cursor() {
    let cursor = Cursor::new(Position::first_of(model::Wall(1_286_004_039_266)), Slot(7));
    let original = event(r#"{"type":"t","data":1}"#);
    let echo = |time: &str| {
        event(&format!(r#"{{"type":"t","id":"~{cursor}","source":"/streams/a%20b","data":1{time}}}"#))
    };
    let read = echo(r#","time":"2010-10-02T07:20:39.266Z""#);
    assert!(matches!(read.identity, Identity::Echo { cursor: found, .. } if found == cursor));
    assert!(original.fingerprint.is_repeated_by(read.fingerprint, cursor.position));
    // Another time than the one that was filled in is other content.
    let other = echo(r#","time":"2010-10-02T07:20:39.267Z""#);
    assert!(!original.fingerprint.is_repeated_by(other.fingerprint, cursor.position));
    for id in ["~", "~xyz", &format!("~{cursor}0"), &format!("x~{cursor}")] {
        let own = event(&format!(r#"{{"type":"t","id":"{id}"}}"#));
        assert!(matches!(own.identity, Identity::Client(_)), "{id}");
    }
}

/// Stored data depends on these: they never change.
#[test]
fn hashes_are_those_of_every_earlier_version() {
    let event =
        event(r#"{"type":"t","id":"1","source":"/s","subject":"é","b":"1","n":7,"yes":true,"data":{"x":1}}"#);
    assert_eq!(event.identity, Identity::Client(IdHash(136_457_683_113_019_958_757_973_055_354_460_507_856)));
    assert_eq!(event.fingerprint, Fingerprint(30_205_268_384_504_035_611_658_022_370_576_171_008));
}

#[test]
fn base64_is_padded() {
    for (bytes, want) in [(&[][..], ""), (&[1], "AQ=="), (&[1, 2], "AQI="), (&[1, 2, 255], "AQL/")] {
        let mut out = Vec::new();
        write_base64(&mut out, bytes);
        assert_eq!(out, want.as_bytes());
    }
}

#[test]
fn events_that_break_a_rule_are_refused_with_the_member_named() {
    for (json, code, member) in [
        (r#"[]"#, "invalid_member", None),
        (r#""x""#, "invalid_member", None),
        (r#"{}"#, "missing_member", Some("type")),
        (r#"{"type":null}"#, "missing_member", Some("type")),
        (r#"{"type":""}"#, "invalid_member", Some("type")),
        (r#"{"type":7}"#, "invalid_member", Some("type")),
        (r#"{"type":["t"]}"#, "invalid_member", Some("type")),
        (r#"{"type":"t","type":"t"}"#, "duplicate_member", Some("type")),
        (r#"{"type":"t","data":1,"data":1}"#, "duplicate_member", Some("data")),
        (r#"{"type":"t","x":1,"x":1}"#, "duplicate_member", Some("x")),
        (r#"{"type":"t","id":""}"#, "invalid_member", Some("id")),
        (r#"{"type":"t","id":1}"#, "invalid_member", Some("id")),
        (r#"{"type":"t","id":"\u0000"}"#, "invalid_member", Some("id")),
        (r#"{"type":"t","id":"\ud800"}"#, "invalid_member", Some("id")),
        (r#"{"type":"t","id":"\uffff"}"#, "invalid_member", Some("id")),
        (r#"{"type":"t","source":"a b"}"#, "invalid_member", Some("source")),
        (r#"{"type":"t","specversion":"0.3"}"#, "invalid_member", Some("specversion")),
        (r#"{"type":"t","specversion":1.0}"#, "invalid_member", Some("specversion")),
        (r#"{"type":"t","time":"2010-02-30T00:00:00Z"}"#, "invalid_member", Some("time")),
        (r#"{"type":"t","time":1286004039}"#, "invalid_member", Some("time")),
        (r#"{"type":"t","datacontenttype":"json"}"#, "invalid_member", Some("datacontenttype")),
        (r#"{"type":"t","data_base64":"?"}"#, "invalid_member", Some("data_base64")),
        (r#"{"type":"t","data":1,"data_base64":"AQ=="}"#, "invalid_member", Some("data_base64")),
        (r#"{"type":"t","Upper":1}"#, "unknown_member", Some("Upper")),
        (r#"{"type":"t","snake_case":1}"#, "unknown_member", Some("snake_case")),
        (r#"{"type":"t","":1}"#, "unknown_member", Some("")),
        (r#"{"type":"t","x":{}}"#, "invalid_member", Some("x")),
        (r#"{"type":"t","x":[1]}"#, "invalid_member", Some("x")),
        (r#"{"type":"t","x":1.5}"#, "invalid_member", Some("x")),
        (r#"{"type":"t","x":2147483648}"#, "invalid_member", Some("x")),
        (r#"{"type":"t","x":1e999}"#, "invalid_member", Some("x")),
        (r#"{"type":"t","stream":"s"}"#, "reserved_member", Some("stream")),
        (r#"{"type":"t","revision":1}"#, "reserved_member", Some("revision")),
        (r#"{"type":"t","cursor":null}"#, "reserved_member", Some("cursor")),
        (r#"{"type":"t","recordedtime":"x"}"#, "reserved_member", Some("recordedtime")),
        (r#"{"type":"t"} x"#, "invalid_json", None),
        (r#"{"type":"t","data":{"a":}}"#, "invalid_json", None),
    ] {
        let problem = sent_to("s", json, None).expect_err(json);
        let rendered: serde_json::Value = serde_json::from_slice(&problem.to_bytes()).unwrap();
        assert_eq!(
            (problem.code.as_str(), rendered["member"].as_str()),
            (code, member),
            "{json}: {rendered}"
        );
    }
}

#[test]
fn events_over_their_limits_are_too_large() {
    let data = format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat((1 << 20) - 2));
    assert!(sent_to("s", &data, None).is_ok(), "1 MiB with its quotes");
    let data = format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat((1 << 20) - 1));
    assert_eq!(sent_to("s", &data, None).unwrap_err().status(), 413);
    let subject = format!(r#"{{"type":"t","subject":"{}"}}"#, "x".repeat(16 << 10));
    assert_eq!(sent_to("s", &subject, None).unwrap_err().status(), 413);
    let many: String = (0..65).map(|n| format!(",\"x{n}\":1")).collect();
    assert_eq!(sent_to("s", &format!(r#"{{"type":"t"{many}}}"#), None).unwrap_err().status(), 413);
}
