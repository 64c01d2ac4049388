//! Values over HTTP.

use crate::node::Node;
use crate::script::{Script, check};

#[test]
fn a_value_is_read_as_it_was_written() {
    let node = Node::start();
    check(
        &node,
        r#"
        > GET /v1/values/flag
        < 404 value_not_found
        > PUT /v1/values/flag
          {"on":true}
        < 200 | etag: "0"
          . = {"value":"flag","revision":0}
        > GET /v1/values/flag
        < 200 | etag: "0" | content-type: application/json | x-content-type-options: nosniff
          . = {"on":true}
        > PUT /v1/values/flag | content-type: text/plain; charset=utf-8
          off
        < 200 | etag: "1"
        > GET /v1/values/flag
        < 200 | etag: "1" | content-type: text/plain; charset=utf-8
        > DELETE /v1/values/flag
        < 200
          . = {"value":"flag","revision":1}
        > GET /v1/values/flag
        < 404 value_not_found
        > DELETE /v1/values/flag
        < 200
          revision = null
        > PUT /v1/values/flag
          on
        < 200 | etag: "2"
        "#,
    );
    assert_eq!(node.get("/v1/values/flag").text(), "on");
    let node = node.restart();
    assert_eq!(node.get("/v1/values/flag").text(), "on");
    let bytes: String = "\u{7f}\n".repeat(32 << 10);
    assert_eq!(node.request("PUT", "/v1/values/big", &[], &bytes).status, 200);
    assert_eq!(node.get("/v1/values/big").text(), bytes);
    node.request("PUT", "/v1/values/big", &[], &format!("{bytes}x")).assert_problem(413, "value_too_large");
}

#[test]
fn a_write_that_expects_another_revision_is_refused() {
    check(
        &Node::start(),
        r#"
        > PUT /v1/values/v | if-match: "0"
          a
        < 412 wrong_revision
          current_revision = null
        > PUT /v1/values/v | if-none-match: *
          a
        < 200
        > PUT /v1/values/v | if-none-match: *
          b
        < 412 wrong_revision
          current_revision = 0
          detail = "`v` is at revision 0"
        > PUT /v1/values/v | if-match: "0"
          b
        < 200 | etag: "1"
        > DELETE /v1/values/v | if-match: "0"
        < 412 wrong_revision
        > PUT /v1/values/v | if-match: 7
          c
        < 400 invalid_header
        > PUT /v1/values/v | content-encoding: gzip
          c
        < 415 unsupported_media_type
        "#,
    );
}

#[test]
fn a_write_with_a_key_takes_effect_once() {
    check(
        &Node::start(),
        r#"
        > PUT /v1/values/v | idempotency-key: k | if-none-match: *
          a
        < 200 | etag: "0" | idempotent-replayed: absent
        > PUT /v1/values/v | idempotency-key: k | if-none-match: *
          a
        < 200 | etag: "0" | idempotent-replayed: true
        > PUT /v1/values/v | idempotency-key: k
          a
        < 422 key_conflict
          differs = "precondition"
        > PUT /v1/values/v | idempotency-key: k | if-none-match: *
          b
        < 422 key_conflict
          differs = "content"
        > PUT /v1/values/w | idempotency-key: k | if-none-match: *
          a
        < 200 | etag: "0"
        "#,
    );
}

#[test]
fn a_transaction_can_check_a_value() {
    Script::new(&Node::start()).run(
        r#"
        > PUT /v1/values/limit
          5
        < 200
        > POST /v1/transactions
          {"checks":[{"value":"limit","expected":1}],"writes":[{"append":{"stream":"s","events":[{"type":"t"}]}}]}
        < 412 wrong_revision
          member = "checks[0]"
          current_revision = 0
          detail = "`limit` is at revision 0"
        > POST /v1/transactions
          {"checks":[{"value":"limit","expected":0}],"writes":[{"append":{"stream":"s","events":[{"type":"t"}]}}]}
        < 200
        "#,
    );
}

#[test]
fn values_are_listed_page_by_page_without_those_that_were_deleted() {
    let node = Node::start();
    check(
        &node,
        r#"
        > GET /v1/values
        < 200
          . = {"values":[],"next":null}
        > PUT /v1/values/a | content-type: text/plain
          on
        < 200
        > PUT /v1/values/b
          {}
        < 200
        > PUT /v1/values/c
          {}
        < 200
        > DELETE /v1/values/c
        < 200
        > GET /v1/values
        < 200
          values.length = 2
          next = null
        > GET /v1/values?limit=1
        < 200
          values.length = 1
        > GET /v1/values?cursor=bad%0Aname
        < 400 invalid_parameter
        > GET /v1/values?limit=1001
        < 400 invalid_parameter
        "#,
    );
    let mut found = Vec::new();
    let mut next = Some("/v1/values?limit=1".to_owned());
    while let Some(path) = next {
        let page = node.get(&path).json();
        let listed = page["values"].as_array().unwrap().clone();
        found.extend(listed);
        next = page["next"].as_str().map(str::to_owned);
    }
    found.sort_by_key(|value| value["value"].to_string());
    let expected = serde_json::json!([
        {"value": "a", "revision": 0, "content_type": "text/plain", "bytes": 2},
        {"value": "b", "revision": 0, "content_type": "application/json", "bytes": 2},
    ]);
    assert_eq!(serde_json::Value::from(found), expected);
}
