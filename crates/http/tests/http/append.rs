//! Appends and transactions: what is answered, and that it is there.

use crate::node::Node;
use serde_json::json;

const S: &str = "/v1/streams/cart-7/events";

#[test]
fn an_append_is_answered_with_its_place() {
    let node = Node::start();
    let answer = node.post(S, r#"{"type":"t"}"#);
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"0\"")));
    let json = answer.json();
    assert_eq!(
        (&json["stream"], &json["revision"], &json["replayed"]),
        (&json!("cart-7"), &json!(0), &json!(false))
    );
    assert_eq!(json["events"][0]["id"], format!("~{}", json["cursor"].as_str().unwrap()));
    let batch = [("content-type", "application/cloudevents-batch+json"), ("if-match", "\"0\"")];
    let answer = node.request("POST", S, &batch, r#"[{"type":"t","id":"1"},{"type":"t","id":"2"}]"#);
    assert_eq!((answer.status, &answer.json()["revision"]), (200, &json!(2)));
    assert_eq!(answer.json()["events"].as_array().unwrap().len(), 2);
}

#[test]
fn a_condition_that_does_not_hold_says_what_is_there() {
    let node = Node::start();
    let none = [("content-type", "application/json"), ("if-none-match", "*")];
    assert_eq!(node.request("POST", S, &none, r#"{"type":"t"}"#).status, 200);
    let answer = node.request("POST", S, &none, r#"{"type":"t"}"#);
    assert_eq!((answer.status, answer.code().as_str()), (412, "wrong_revision"));
    assert_eq!(answer.json()["current_revision"], 0);
    let exists = [("content-type", "application/json"), ("if-match", "*")];
    let answer = node.request("POST", "/v1/streams/other/events", &exists, r#"{"type":"t"}"#);
    assert_eq!((answer.status, &answer.json()["current_revision"]), (412, &json!(null)));
}

#[test]
fn a_retry_is_a_replay_and_other_content_is_not() {
    let node = Node::start();
    let event = r#"{"type":"t","id":"1","source":"/s","data":{"a":1}}"#;
    let first = node.post(S, event);
    let second = node.post(S, event);
    assert_eq!((second.status, second.header("idempotent-replayed")), (200, Some("true")));
    assert_eq!(first.json()["cursor"], second.json()["cursor"]);
    let other = node.post(S, r#"{"type":"t","id":"1","source":"/s","data":{"a":2}}"#);
    assert_eq!((other.status, other.code().as_str()), (409, "event_conflict"));
    let mixed = [("content-type", "application/x-ndjson")];
    let answer = node.request("POST", S, &mixed, &format!("{event}\n{{\"type\":\"t\"}}\n"));
    let json = answer.json();
    assert_eq!((answer.header("idempotent-replayed"), &json["replayed"]), (None, &json!(false)));
    assert_eq!(
        (&json["events"][0]["replayed"], &json["events"][1]["replayed"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn a_key_names_one_effect() {
    let node = Node::start();
    let keyed = |key: &str, body: &str| {
        node.request("POST", S, &[("content-type", "application/json"), ("idempotency-key", key)], body)
    };
    let first = keyed("\"k-1\"", r#"{"type":"t"}"#);
    let again = keyed("k-1", r#"{"type":"t"}"#);
    assert_eq!(first.json()["cursor"], again.json()["cursor"]);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let other = keyed("k-1", r#"{"type":"u"}"#);
    assert_eq!((other.status, other.code().as_str()), (422, "key_conflict"));
}

#[test]
fn a_transaction_is_all_or_none() {
    let node = Node::start();
    node.post(S, r#"{"type":"t"}"#);
    let body = |expected: &str| {
        format!(
            r#"{{"checks":[{{"stream":"cart-7","expected":{expected}}}],
                "writes":[{{"append":{{"stream":"a","events":[{{"type":"t"}}]}}}},
                          {{"append":{{"stream":"b","expected":"none","events":[{{"type":"t"}},{{"type":"t"}}]}}}}]}}"#
        )
    };
    let refused = node.post("/v1/transactions", &body("7"));
    assert_eq!((refused.status, &refused.json()["member"]), (412, &json!("checks[0]")));
    let done = node.post("/v1/transactions", &body("0"));
    assert_eq!(done.status, 200, "{}", done.text());
    let json = done.json();
    assert_eq!(json["writes"][0]["append"]["stream"], "a");
    assert_eq!(json["writes"][1]["append"]["revision"], 1);
    let again = node.post("/v1/transactions", &body("0"));
    assert_eq!((again.status, &again.json()["member"]), (412, &json!("writes[1].append")));
}

#[test]
fn names_are_what_they_decode_to() {
    let node = Node::start();
    let answer = node.post("/v1/streams/a%2Fb%20%C5%BC/events", r#"{"type":"t"}"#);
    assert_eq!(answer.json()["stream"], "a/b ż");
    let again = node.post("/v1/streams/a%2fb%20%c5%bc/events", r#"{"type":"t"}"#);
    assert_eq!(again.json()["revision"], 1);
}
