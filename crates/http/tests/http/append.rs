//! Appends and transactions: their responses, and their effects.

use crate::node::Node;
use crate::script::check;

#[test]
fn an_append_returns_the_location_of_its_events() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/cart-7/events
          {"type":"t"}
        < 200 | etag: "0" | idempotent-replayed: absent
          stream = "cart-7"
          revision = 0
          replayed = false
          cursor = $cursor
          events.length = 1
          events[0].revision = 0
          events[0].cursor = $cursor
          events[0].id = "~$cursor"
        > POST /v1/streams/cart-7/events
          {"type":"t","id":"~$cursor"}
        < 200 | idempotent-replayed: true
          revision = 0
        > POST /v1/streams/cart-7/events | content-type: application/cloudevents-batch+json | if-match: "0"
          [{"type":"t","id":"1"},{"type":"t","id":"2"}]
        < 200 | etag: "2"
          revision = 2
          events.length = 2
          events[0].id = absent
        > GET /v1/streams/cart-7/events
        < 200
          events.length = 3
          events[0].id = "~$cursor"
        "#,
    );
}

#[test]
fn a_failed_precondition_returns_the_current_revision() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/cart-7/events | if-none-match: *
          {"type":"t"}
        < 200
        > POST /v1/streams/cart-7/events | if-none-match: *
          {"type":"t"}
        < 412 wrong_revision
          current_revision = 0
        > POST /v1/streams/other/events | if-match: *
          {"type":"t"}
        < 412 wrong_revision
          . = {"type":"/v1/errors#wrong_revision","title":"The stream or value is not at the expected revision","status":412,"code":"wrong_revision","detail":"`other` does not exist","action":"Read what was written, decide again, and write with the revision in `current_revision` (null means that the stream or value does not exist).","retryable":false,"current_revision":null}
        "#,
    );
}

#[test]
fn a_retry_is_replayed_and_other_content_conflicts() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/cart-7/events
          {"type":"t","id":"1","source":"/s","data":{"a":1}}
        < 200
          cursor = $cursor
        > POST /v1/streams/cart-7/events
          {"type":"t","id":"1","source":"/s","data":{"a":1}}
        < 200 | idempotent-replayed: true
          cursor = $cursor
        > POST /v1/streams/cart-7/events
          {"type":"t","id":"1","source":"/s","data":{"a":2}}
        < 409 event_conflict
          revision = 0
        > POST /v1/streams/cart-7/events | content-type: application/x-ndjson
          {"type":"t","id":"1","source":"/s","data":{"a":1}}
          {"type":"t"}
        < 200 | idempotent-replayed: absent
          replayed = false
          events[0].replayed = true
          events[1].replayed = false
        "#,
    );
}

#[test]
fn a_key_names_one_effect() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/cart-7/events | idempotency-key: "k-1"
          {"type":"t"}
        < 200
          cursor = $cursor
        > POST /v1/streams/cart-7/events | idempotency-key: k-1
          {"type":"t"}
        < 200 | idempotent-replayed: true
          cursor = $cursor
        > POST /v1/streams/cart-7/events | idempotency-key: k-1
          {"type":"u"}
        < 422 key_conflict
          differs = "content"
          detail = "the first request with this key took effect, and its content was different"
        "#,
    );
}

#[test]
fn a_key_reused_with_another_precondition_says_that_the_precondition_differs() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/cart-7/events | idempotency-key: k-1 | if-none-match: *
          {"type":"t"}
        < 200
        > POST /v1/streams/cart-7/events | idempotency-key: k-1 | if-match: "0"
          {"type":"t"}
        < 422 key_conflict
          differs = "precondition"
          detail = "the first request with this key took effect; it had the same content and another expected revision"
          retryable = false
        > POST /v1/transactions | idempotency-key: k-2
          {"checks":[{"stream":"cart-7","expected":0}],"writes":[{"append":{"stream":"a","events":[{"type":"t"}]}}]}
        < 200
        > POST /v1/transactions | idempotency-key: k-2
          {"checks":[{"stream":"cart-7","expected":1}],"writes":[{"append":{"stream":"a","events":[{"type":"t"}]}}]}
        < 422 key_conflict
          differs = "precondition"
        > POST /v1/transactions | idempotency-key: k-2
          {"checks":[{"stream":"cart-7","expected":0}],"writes":[{"append":{"stream":"b","events":[{"type":"t"}]}}]}
        < 422 key_conflict
          differs = "content"
        "#,
    );
}

/// What the documentation recommends for deciding on a stream's events: the event's own id, derived from the command.
#[test]
fn an_event_id_derived_from_the_command_survives_a_new_decision_with_a_new_precondition() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/account-1/events | if-none-match: *
          {"type":"opened","id":"open-1"}
        < 200
        > POST /v1/streams/account-1/events | if-match: "0"
          {"type":"withdrawn","id":"withdraw-17","data":{"amount":10}}
        < 200
          revision = 1
        > POST /v1/streams/account-1/events | if-match: "1"
          {"type":"withdrawn","id":"withdraw-17","data":{"amount":10}}
        < 200 | idempotent-replayed: true
          revision = 1
        > GET /v1/streams/account-1/events
        < 200
          revision = 1
        "#,
    );
}

#[test]
fn a_transaction_is_all_or_none() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/cart-7/events
          {"type":"t"}
        < 200
        > POST /v1/transactions
          {"checks":[{"stream":"cart-7","expected":7}],
           "writes":[{"append":{"stream":"a","events":[{"type":"t"}]}},
                     {"append":{"stream":"b","expected":"none","events":[{"type":"t"},{"type":"t"}]}}]}
        < 412 wrong_revision
          member = "checks[0]"
        > GET /v1/streams/a/events
        < 200
          revision = null
        > POST /v1/transactions
          {"checks":[{"stream":"cart-7","expected":0}],
           "writes":[{"append":{"stream":"a","events":[{"type":"t"}]}},
                     {"append":{"stream":"b","expected":"none","events":[{"type":"t"},{"type":"t"}]}}]}
        < 200
          writes[0].append.stream = "a"
          writes[1].append.revision = 1
        > POST /v1/transactions
          {"checks":[{"stream":"cart-7","expected":0}],
           "writes":[{"append":{"stream":"a","events":[{"type":"t"}]}},
                     {"append":{"stream":"b","expected":"none","events":[{"type":"t"},{"type":"t"}]}}]}
        < 412 wrong_revision
          member = "writes[1].append"
        "#,
    );
}

#[test]
fn names_are_compared_as_they_decode() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/a%2Fb%20%C5%BC/events
          {"type":"t"}
        < 200
          stream = "a/b ż"
          revision = 0
        > POST /v1/streams/a%2fb%20%c5%bc/events
          {"type":"t"}
        < 200
          revision = 1
        "#,
    );
}
