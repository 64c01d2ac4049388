//! Tables of tasks as they are sent, with what is stored of them.

use super::*;
use http::header::{HeaderName, HeaderValue};
use model::QueueSettings;

const NOW: Wall = Wall(1_000_000);
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const JSON: (&str, &str) = ("content-type", "application/json");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");

fn enqueue(headers: &[(&str, &str)], body: &str) -> Result<Enqueue<'static>> {
    let headers = headers
        .iter()
        .map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        })
        .collect();
    TasksHead::of(&headers)?.read(QueueName::new("q").unwrap(), body.as_bytes(), NOW)
}

fn task(body: &str) -> NewTask<'static> {
    let mut tasks = enqueue(&[JSON], body).unwrap_or_else(|problem| panic!("{body}: {problem}")).tasks;
    assert_eq!(tasks.len(), 1);
    tasks.remove(0)
}

fn envelope(task: &NewTask<'_>) -> String {
    String::from_utf8(task.envelope.to_vec()).unwrap()
}

#[test]
fn a_task_is_stored_as_it_was_sent() {
    for (body, want) in [
        (r#"{"type":"t"}"#, r#""type":"t""#),
        (
            r#"{"id":"1", "type":"t", "payload": {"b":1.50, "a":null} }"#,
            r#""type":"t","payload":{"b":1.50, "a":null}"#,
        ),
        ("{\"payload\":[1,\n2],\"type\":\"\\u0074\"}", r#""type":"t","payload":[1, 2]"#),
        (r#"{"type":"t","payload":null}"#, r#""type":"t","payload":null"#),
        (r#"{"type":"t","payload_base64":"AQ=="}"#, r#""type":"t","payload_base64":"AQ==""#),
        (
            r#"{"type":"t","run_after":"2010-10-02T09:20:39.2664+02:00"}"#,
            r#""type":"t","run_after":"2010-10-02T07:20:39.266Z""#,
        ),
        (r#"{"type":"t","delay":"5s"}"#, r#""type":"t","run_after":"1970-01-01T00:16:45.000Z""#),
        (
            r#"{"tags":["a","b"],"retry":{"attempts":3},"claim_timeout":"120s","key":"k","priority":0,"type":"t"}"#,
            r#""type":"t","priority":0,"key":"k","claim_timeout":"2m","retry":{"attempts":3,"first":"1s","max":"10m"},"tags":["a","b"]"#,
        ),
        (
            r#"{"type":"t","unique":{"key":"u"},"deadline":"1970-01-01T01:00:00+01:00","retry":{"max_age":"1h","never":["E"]}}"#,
            r#""type":"t","unique":{"key":"u","mode":"existing"},"deadline":"1970-01-01T00:00:00.000Z","retry":{"attempts":10,"first":"1s","max":"10m","max_age":"1h","never":["E"]}"#,
        ),
        (r#"{"type":"t","unique":null,"deadline":null}"#, r#""type":"t""#),
        (r#"{"type":"t","key":null,"tags":null,"retry":null,"id":null,"priority":null}"#, r#""type":"t""#),
    ] {
        assert_eq!(envelope(&task(body)), want, "{body}");
    }
    let full = task(
        r#"{"id":"1","type":"t","run_after":"1970-01-01T00:00:01Z","priority":9,"key":"k","claim_timeout":"1m","retry":{}}"#,
    );
    assert_eq!((full.id.as_deref(), &*full.task_type, full.run_after), (Some("1"), "t", Some(Wall(1_000))));
    assert_eq!((full.priority, full.key.as_deref(), full.claim_ms), (9, Some("k"), Some(60_000)));
    assert_eq!(full.retry, Some(QueueSettings::default().retry));
    assert_eq!(task(r#"{"type":"t"}"#).priority, limits::PRIORITY_DEFAULT);
    let options = |body: &str| task(body).options;
    assert_eq!(options(r#"{"type":"t"}"#), TaskOptions::default());
    let some =
        options(r#"{"type":"t","unique":{"mode":"replace","key":"u"},"deadline":"1970-01-01T00:00:01Z"}"#);
    assert_eq!(some.unique, Some(Unique { key: "u".into(), mode: UniqueMode::Replace }));
    assert_eq!((some.deadline, some.give_up), (Some(Wall(1_000)), GiveUp::NEVER));
}

#[test]
fn a_task_s_own_trace_goes_before_that_of_the_request() {
    let other = TRACE.replace("4bf9", "5555");
    let trace = |headers: &[(&str, &str)], body: &str| envelope(&enqueue(headers, body).unwrap().tasks[0]);
    assert_eq!(
        trace(&[JSON, ("traceparent", TRACE), ("tracestate", "v=1")], r#"{"type":"t"}"#),
        format!(r#""type":"t","traceparent":"{TRACE}","tracestate":"v=1""#)
    );
    assert_eq!(
        trace(&[JSON, ("traceparent", TRACE)], &format!(r#"{{"type":"t","traceparent":"{other}"}}"#)),
        format!(r#""type":"t","traceparent":"{other}""#)
    );
}

#[test]
fn a_retry_is_recognised_by_what_was_sent() {
    let first = r#"{"type":"t","payload":1,"delay":"5s"}"#;
    let headers = [JSON, ("traceparent", TRACE)];
    let sent = enqueue(&headers, first).unwrap().tasks.remove(0).fingerprint;
    assert_eq!(task(r#"{"delay":"5000ms","type":"t","payload":1}"#).fingerprint, sent, "another order");
    let headers: HeaderMap =
        HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static(JSON.1))]);
    let later = TasksHead::of(&headers).unwrap();
    let later = later.read(QueueName::new("q").unwrap(), first.as_bytes(), Wall(NOW.0 + 1)).unwrap();
    assert_eq!(later.tasks[0].fingerprint, sent, "a delay counts as it was sent");
    for other in [
        r#"{"type":"t","payload":1}"#,
        r#"{"type":"t","payload":1.0,"delay":"5s"}"#,
        r#"{"type":"u","payload":1,"delay":"5s"}"#,
        r#"{"type":"t","payload":1,"delay":"6s"}"#,
        r#"{"type":"t","payload":1,"delay":"5s","key":"k"}"#,
        r#"{"type":"t","payload":1,"run_after":"1970-01-01T00:16:45Z"}"#,
    ] {
        assert_ne!(task(other).fingerprint, sent, "{other}");
    }
}

#[test]
fn options_that_contradict_each_other_or_say_nothing_are_refused() {
    for (body, member) in [
        (r#"{"type":"t","unique":"u"}"#, "unique"),
        (r#"{"type":"t","unique":{}}"#, "unique.key"),
        (r#"{"type":"t","unique":{"key":""}}"#, "unique.key"),
        (r#"{"type":"t","unique":{"key":"u","mode":"once"}}"#, "unique.mode"),
        (r#"{"type":"t","unique":{"key":"u","mode":"replace"},"key":"k"}"#, "key"),
        (r#"{"type":"t","unique":{"key":"u","mode":"one_waiting"},"key":"k"}"#, "key"),
        (r#"{"type":"t","deadline":"tomorrow"}"#, "deadline"),
        (r#"{"type":"t","run_after":"2010-10-02T00:00:00Z","deadline":"2010-10-02T00:00:00Z"}"#, "deadline"),
        (r#"{"type":"t","delay":"5s","deadline":"1970-01-01T00:00:00Z"}"#, "deadline"),
        (r#"{"type":"t","retry":{"max_age":"0s"}}"#, "retry.max_age"),
    ] {
        let problem = enqueue(&[JSON], body).expect_err(body);
        let mut out = Vec::new();
        problem.render(&mut out);
        let rendered: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((problem.status(), rendered["member"].as_str()), (400, Some(member)), "{body}");
    }
    assert!(enqueue(&[JSON], r#"{"type":"t","unique":{"key":"u"},"key":"k"}"#).is_ok());
}

#[test]
fn lines_are_a_batch() {
    let batch = enqueue(&[LINES], "{\"type\":\"t\"}\r\n\n{\"type\":\"u\",\"id\":\"1\"}").unwrap();
    assert_eq!(batch.tasks.iter().map(|task| &*task.task_type).collect::<Vec<_>>(), ["t", "u"]);
    assert_eq!(batch.keyed, None);
    let keyed =
        |key: &str, body: &str| enqueue(&[JSON, ("idempotency-key", key)], body).unwrap().keyed.unwrap();
    let first = keyed("k", r#"{"type":"t"}"#);
    assert_eq!(keyed("k", r#"{"type":"t"}"#), first);
    assert_ne!(keyed("l", r#"{"type":"t"}"#).key, first.key);
    assert_eq!(keyed("k", r#"{"type":"u"}"#).key, first.key);
    assert_ne!(keyed("k", r#"{"type":"u"}"#).fingerprint, first.fingerprint);
    let broken = enqueue(&[LINES], "{\"type\":\"t\"}\n\n{\"type\":7}").unwrap_err();
    let json: serde_json::Value = serde_json::from_slice(&broken.to_bytes()).unwrap();
    assert_eq!((&json["line"], &json["member"]), (&3.into(), &"type".into()));
}

#[test]
fn what_cannot_be_enqueued_is_refused_with_its_code() {
    let long = format!(r#"{{"type":"{}"}}"#, "x".repeat(257));
    let large = format!(r#"{{"type":"t","payload":"{}"}}"#, "x".repeat(1 << 20));
    let large_base64 = format!(r#"{{"type":"t","payload_base64":"{}"}}"#, "AAAA".repeat(350_000));
    let tags = format!(r#"{{"type":"t","tags":[{}]}}"#, vec!["\"a\""; 33].join(","));
    let many = "{\"type\":\"t\"}\n".repeat(1_001);
    for (headers, body, code) in [
        (&[JSON][..], "", "invalid_json"),
        (&[JSON], "[]", "invalid_member"),
        (&[JSON], "{}", "missing_member"),
        (&[JSON], r#"{"type":null}"#, "missing_member"),
        (&[JSON], r#"{"type":""}"#, "invalid_member"),
        (&[JSON], r#"{"type":"a\tb"}"#, "invalid_member"),
        (&[JSON], r#"{"type":"\ud83d"}"#, "invalid_member"),
        (&[JSON], &long, "invalid_member"),
        (&[JSON], r#"{"type":"t","id":"~7"}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","id":".."}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","id":7}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","payload":1,"payload_base64":"AQ=="}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","payload_base64":"A"}"#, "invalid_member"),
        (&[JSON], &large, "task_too_large"),
        (&[JSON], &large_base64, "task_too_large"),
        (&[JSON], r#"{"type":"t","run_after":"tomorrow"}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","run_after":"2010-10-02T07:20:39Z","delay":"1s"}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","delay":"367d"}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","delay":1}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","priority":10}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","priority":-1}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","claim_timeout":"1ms"}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","retry":{"attempts":0}}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","retry":{"tries":1}}"#, "unknown_member"),
        (&[JSON], r#"{"type":"t","traceparent":"x"}"#, "invalid_member"),
        (&[JSON], r#"{"type":"t","tracestate":"v=1"}"#, "invalid_member"),
        (&[JSON], &tags, "too_many_items"),
        (&[JSON], r#"{"type":"t","queue":"q"}"#, "unknown_member"),
        (&[JSON], r#"{"type":"t","type":"t"}"#, "duplicate_member"),
        (&[JSON, ("idempotency-key", "")], r#"{"type":"t"}"#, "invalid_header"),
        (&[LINES], " \n", "empty_batch"),
        (&[LINES], &many, "too_many_items"),
        (&[("content-type", "text/plain")], "{}", "unsupported_media_type"),
        (&[], "{}", "unsupported_media_type"),
    ] {
        let problem = enqueue(headers, body).expect_err(body);
        assert_eq!(problem.code.as_str(), code, "{headers:?} {}: {problem}", &body[..body.len().min(80)]);
    }
}

/// Stored tasks depend on these, so they never change.
#[test]
fn fingerprints_are_those_of_every_earlier_version() {
    let full = r#"{"id":"1","type":"t","payload":{"a":1},"priority":7,"key":"k","claim_timeout":"1m","retry":{"attempts":3},"tags":["x"],"run_after":"2010-10-02T07:20:39Z"}"#;
    let delayed = r#"{"type":"t","delay":"5s"}"#;
    assert_eq!(
        (task(full).fingerprint, task(delayed).fingerprint),
        (
            Fingerprint(89_754_450_975_488_781_553_396_452_991_161_414_371),
            Fingerprint(43_522_948_001_314_045_675_802_256_328_158_816_493)
        )
    );
}
