//! Whatever bytes come, every parser answers: with what it read, or with a problem of the client's. None
//! panics, and none calls it the node's fault.

use api::Result;
use api::media::ReadForm;
use api::request::append::AppendHead;
use api::request::query::{ListStreams, Read};
use api::request::queue::tasks::TasksHead;
use api::request::queue::{claim, settle};
use api::request::{
    execution, execution_in_path, lease, lease_in_path, line, queue, settings, stream_in_path, transaction,
    value, value_in_path,
};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use model::{QueueName, TaskRef, Wall};
use proptest::prelude::*;

fn check<T>(read: Result<T>) -> Result<(), TestCaseError> {
    if let Err(problem) = read {
        prop_assert!((400..500).contains(&problem.status()), "{}", problem);
    }
    Ok(())
}

fn headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
}

fn check_bodies(body: &[u8]) -> Result<(), TestCaseError> {
    for content_type in
        ["application/cloudevents+json", "application/cloudevents-batch+json", "application/x-ndjson"]
    {
        let headers = headers(content_type);
        let head = AppendHead::of(&headers).map_err(|problem| TestCaseError::fail(problem.to_string()))?;
        let stream = stream_in_path("s").map_err(|problem| TestCaseError::fail(problem.to_string()))?;
        check(head.read(stream, body))?;
    }
    let json = headers("application/json");
    check(transaction::read(&json, body, Wall(7)))?;
    check(settings::read(&json, body))?;
    check_queue_bodies(&json, body)?;
    check_lease_bodies(&json, body)?;
    let key = execution_in_path("k").map_err(|problem| TestCaseError::fail(problem.to_string()))?;
    check(execution::begin(&json, key.clone(), body))?;
    check(execution::complete(&json, key.clone(), body))?;
    check(execution::abandon(&json, key, body))?;
    check(value::put(
        &json,
        value_in_path("v").map_err(|problem| TestCaseError::fail(problem.to_string()))?,
        body,
    ))?;
    check(line::read(body, None))
}

fn check_lease_bodies(json: &HeaderMap, body: &[u8]) -> Result<(), TestCaseError> {
    let name = lease_in_path("l").map_err(|problem| TestCaseError::fail(problem.to_string()))?;
    check(lease::acquire(json, name.clone(), body))?;
    check(lease::renew(json, name.clone(), body))?;
    check(lease::release(json, name, body))
}

fn check_queue_bodies(json: &HeaderMap, body: &[u8]) -> Result<(), TestCaseError> {
    let name = QueueName::new("q").map_err(|error| TestCaseError::fail(error.to_string()))?;
    for headers in [json.clone(), headers("application/x-ndjson")] {
        let head = TasksHead::of(&headers).map_err(|problem| TestCaseError::fail(problem.to_string()))?;
        check(head.read(name.clone(), body, Wall(7)))?;
    }
    check(claim::read(json, name.clone(), body))?;
    check(queue::settings::read(json, body))?;
    let kinds = [
        settle::Kind::Heartbeat,
        settle::Kind::Complete,
        settle::Kind::Fail,
        settle::Kind::Defer,
        settle::Kind::Return,
    ];
    for kind in kinds {
        check(settle::read_one(json, kind, TaskRef::Client("1".into()), queue::slot_of(&name), body))?;
    }
    for line in settle::read_lines(&headers("application/x-ndjson"), &name, body).into_iter().flatten() {
        check(line.settlement)?;
    }
    Ok(())
}

/// A text of JSON with a few bytes changed, cut out or doubled: close to valid, where bugs live.
fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    let base = prop_oneof![
        Just(
            r#"{"specversion":"1.0","id":"~0000000000000000abcd","source":"/s","type":"t","time":"2016-12-31T23:59:60Z","n":-7,"data":{"a":[1e5,"\ud83d\udc22"]}}"#
        ),
        Just(r#"[{"type":"t","data_base64":"AQ=="},{"type":"é","data":null}]"#),
        Just(
            r#"{"checks":[{"stream":"a","expected":41}],"writes":[{"append":{"stream":"b","expected":"none","events":[{"type":"t"}]}}]}"#
        ),
        Just(r#"{"max_age":"30d","max_count":5,"truncate_before":7}"#),
        Just(
            r#"{"id":"1","type":"t","payload":{"a":[1]},"delay":"5s","priority":7,"key":"k","retry":{"attempts":3},"tags":["a"]}"#
        ),
        Just(r#"{"worker":"w","types":["t"],"max":20,"wait":"30s","request_id":"1"}"#),
        Just(
            r#"{"id":"1","token":"00000000000000070001","action":"fail","class":"E","message":"m","retryable":false,"delay":"1m"}"#
        ),
        Just(r#"{"token":"00000000000000070001","result":{"a":1}}"#),
        Just(r#"{"retry":{"first":"1s"},"claim_timeout":"1m","backlog_max":5,"paused":true}"#),
        Just(r#"{"holder":"h","ttl_ms":30000,"wait_ms":60000,"permits":3,"hold_off_ms":5000}"#),
        Just(r#"{"token":"00000000000000070001","ttl_ms":30000}"#),
        Just(
            r#"{"checks":[{"lease":"a","token":"00000000000000070001"},{"value":"b","expected":3}],"writes":[]}"#
        ),
        Just(r#"{"fingerprint":"f","owner":"o","ttl":"30s","wait":"5s"}"#),
        Just(
            r#"{"token":"00000000000000070001","response":{"status":201,"headers":{"a":"b","c":["d","e"]},"body":{"n":[1]}},"keep":"24h"}"#
        ),
        Just(
            r#"{"checks":[{"idempotency":"k","token":"00000000000000070001"}],"writes":[{"idempotency":{"key":"k","token":"00000000000000070001","response":{"status":200,"body_base64":"AQ=="}}}]}"#
        ),
        Just(r#"{"stream":"a","type":"t","traceparent":"x"}"#),
    ];
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..4_u8);
    (base, prop::collection::vec(edit, 0..4)).prop_map(|(base, edits)| {
        let mut bytes = base.as_bytes().to_vec();
        for (at, byte, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                _ if bytes.is_empty() => bytes.push(byte),
                0 => bytes[at] = byte,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"{}[]\",:\\0e-"[usize::from(byte) % 11]),
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn bodies_of_any_bytes(body in prop::collection::vec(any::<u8>(), 0..200)) {
        check_bodies(&body)?;
    }

    #[test]
    fn bodies_that_are_almost_json(body in almost_json()) {
        check_bodies(&body)?;
    }

    #[test]
    fn events_in_binary_mode(
        values in prop::collection::vec(prop::collection::vec(0x20..=0xff_u8, 0..20), 5),
        body in prop::collection::vec(any::<u8>(), 0..50),
    ) {
        let names = ["ce-type", "ce-id", "ce-time", "ce-x", "content-type"];
        let headers = HeaderMap::from_iter(names.iter().zip(&values).filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?))
        }));
        let read = AppendHead::of(&headers).and_then(|head| head.read(stream_in_path("s")?, &body));
        check(read)?;
    }

    #[test]
    fn paths_and_parameters(path in "[%a-f0-9./+é]{0,12}", query in "(from|after|limit|as_of|type|x)?=?[%+&=0-9a-fTZ:.-]{0,30}") {
        check(stream_in_path(&path).map(drop))?;
        for form in [ReadForm::Json, ReadForm::Lines, ReadForm::Follow] {
            check(Read::of_stream(Some(&query), form))?;
            check(Read::of_store(Some(&query), form))?;
        }
        check(ListStreams::parse(Some(&query)))?;
    }

    #[test]
    fn times_of_any_form(text in "[0-9TtZz:.+ -]{0,32}") {
        if let Some(wall) = api::time::Moment::parse(&text).and_then(api::time::Moment::wall) {
            let mut written = Vec::new();
            api::time::write_wall(&mut written, wall);
            let again = std::str::from_utf8(&written).ok().and_then(api::time::Moment::parse);
            prop_assert_eq!(again.and_then(api::time::Moment::wall), Some(wall));
        }
    }
}
