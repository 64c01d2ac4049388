//! A team's own endpoints made idempotent: who does the work, who waits, and who gets the stored response.

use crate::node::Node;
use crate::script::{Script, check};
use crate::wire::Connection;

#[test]
fn one_request_does_the_work_and_the_others_get_its_response() {
    let node = Node::start();
    check(
        &node,
        r#"
        > GET /v1/idempotency/pay-7
        < 404 execution_not_found
        > POST /v1/idempotency/pay-7/begin
          {"fingerprint":"a","owner":"1","ttl":"30s"}
        < 200 | idempotent-replayed: absent
          key = "pay-7"
          state = "begun"
          token = $token
          expires_in = "30s"
          replayed = false
        > POST /v1/idempotency/pay-7/begin
          {"fingerprint":"a","owner":"1"}
        < 200
          state = "begun"
          token = $token
          replayed = true
        > POST /v1/idempotency/pay-7/begin
          {"fingerprint":"a","owner":"2"}
        < 409 execution_in_progress | retry-after: 1
          retryable = true
        > POST /v1/idempotency/pay-7/begin
          {"fingerprint":"b"}
        < 422 fingerprint_differs
          detail = "`pay-7` was first used with another fingerprint"
        > GET /v1/idempotency/pay-7
        < 200
          state = "in_progress"
          response = absent
        > POST /v1/idempotency/pay-7/complete
          {"token":"$token","response":{"status":201,"headers":{"location":"/payments/7"},"body":{"id": 7}},"keep":"48h"}
        < 200
          . = {"key":"pay-7","token":"$token","replayed":false}
        > POST /v1/idempotency/pay-7/complete
          {"token":"$token","response":{"status":500}}
        < 200
          replayed = true
        > POST /v1/idempotency/pay-7/begin
          {"fingerprint":"a","owner":"3"}
        < 200 | idempotent-replayed: true
          state = "completed"
          token = absent
          response = {"status":201,"headers":{"location":"/payments/7"},"body":{"id":7}}
        > POST /v1/idempotency/pay-7/abandon
          {"token":"$token"}
        < 409 execution_lost
        > DELETE /v1/idempotency/pay-7
        < 200
          . = {"key":"pay-7","existed":true}
        > DELETE /v1/idempotency/pay-7
        < 200
          existed = false
        "#,
    );
    let node = node.restart();
    node.get("/v1/idempotency/pay-7").assert_problem(404, "execution_not_found");
}

#[test]
fn a_restart_forgets_no_key() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > POST /v1/idempotency/a/begin
          {"owner":"1"}
        < 200
          token = $token
        > POST /v1/idempotency/a/complete
          {"token":"$token","response":{"status":204}}
        < 200
        > POST /v1/idempotency/b/begin
          {"owner":"1"}
        < 200
        "#,
    );
    let node = node.restart();
    check(
        &node,
        r#"
        > POST /v1/idempotency/a/begin
          {}
        < 200
          response = {"status":204}
        > POST /v1/idempotency/b/begin
          {"owner":"2"}
        < 409 execution_in_progress
        "#,
    );
}

#[test]
fn an_abandoned_key_is_free_for_the_next_one() {
    check(
        &Node::start(),
        r#"
        > POST /v1/idempotency/a%2Fb/begin
          {}
        < 200
          key = "a/b"
          token = $first
        > POST /v1/idempotency/a%2Fb/abandon
          {"token":"$first"}
        < 200
          . = {"key":"a/b","token":"$first"}
        > POST /v1/idempotency/a%2Fb/complete
          {"token":"$first","response":{"status":200}}
        < 409 execution_lost
        > POST /v1/idempotency/a%2Fb/begin
          {"fingerprint":"other"}
        < 200
          state = "begun"
        "#,
    );
}

#[test]
fn an_execution_whose_owner_vanished_ends() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > POST /v1/idempotency/k/begin
          {"owner":"1","ttl":"1s"}
        < 200
          token = $late
        > POST /v1/idempotency/k/begin
          {"owner":"2","wait":"60s"}
        < 200
          state = "begun"
          token = $next
        > POST /v1/idempotency/k/complete
          {"token":"$late","response":{"status":200}}
        < 409 execution_lost
        > POST /v1/idempotency/k/complete
          {"token":"$next","response":{"status":201}}
        < 200
        "#,
    );
    let (late, next) = (script.value("late").as_str().unwrap(), script.value("next").as_str().unwrap());
    assert!(late < next, "tokens grow, compared as text: {late} and {next}");
}

/// Begins with `wait`, and returns before the response.
fn begin_to_wait(node: &Node, owner: &str, wait: &str) -> Connection {
    let body = format!(r#"{{"owner":"{owner}","wait":"{wait}"}}"#);
    let mut connection = Connection::to(node);
    let json = [("content-type", "application/json")];
    connection.send(crate::wire::request("POST", "/v1/idempotency/k/begin", &json, &body));
    connection
}

#[test]
fn who_waits_gets_the_response_as_soon_as_it_is_stored() {
    let node = Node::start();
    let begun = node.post("/v1/idempotency/k/begin", r#"{"owner":"1"}"#).json();
    let mut waiting: Vec<Connection> =
        (0..5).map(|at| begin_to_wait(&node, &format!("w{at}"), "60s")).collect();
    let body = format!(r#"{{"token":{},"response":{{"status":201}}}}"#, begun["token"]);
    assert_eq!(node.post("/v1/idempotency/k/complete", &body).status, 200);
    for connection in &mut waiting {
        let response = connection.response();
        assert_eq!((response.status, &response.json()["response"]["status"]), (200, &201.into()));
    }
}

#[test]
fn of_those_who_wait_one_does_the_work_that_was_abandoned() {
    let node = Node::start();
    let begun = node.post("/v1/idempotency/k/begin", r#"{"owner":"1"}"#).json();
    let mut waiting: Vec<Connection> =
        (0..3).map(|at| begin_to_wait(&node, &format!("w{at}"), "1s")).collect();
    node.post("/v1/idempotency/k/abandon", &format!(r#"{{"token":{}}}"#, begun["token"]));
    let responses: Vec<u16> = waiting.iter_mut().map(|connection| connection.response().status).collect();
    assert_eq!(responses.iter().filter(|status| **status == 200).count(), 1, "{responses:?}");
    assert_eq!(responses.iter().filter(|status| **status == 409).count(), 2, "{responses:?}");
}

#[test]
fn a_node_that_stops_ends_waits() {
    let node = Node::start();
    node.post("/v1/idempotency/k/begin", r#"{"owner":"1"}"#);
    let written = |node: &Node| -> u64 {
        let metrics = node.get("/metrics");
        let line =
            metrics.text().lines().find_map(|line| line.strip_prefix("mainstay_log_written_bytes_total "));
        line.unwrap().parse().unwrap()
    };
    let before = written(&node);
    let mut waits = begin_to_wait(&node, "2", "60s");
    // Its first command is in the log.
    while written(&node) == before {
        std::thread::yield_now();
    }
    let restarting = std::thread::spawn(move || node.restart());
    waits.response().assert_problem(503, "stopping");
    drop(restarting.join().unwrap());
}

#[test]
fn a_transaction_stores_the_response_with_its_writes_or_not_at_all() {
    Script::new(&Node::start()).run(
        r#"
        > POST /v1/idempotency/k/begin
          {}
        < 200
          token = $token
        > POST /v1/transactions
          {"writes":[{"append":{"stream":"s","expected":7,"events":[{"type":"t"}]}},{"idempotency":{"key":"k","token":"$token","response":{"status":201}}}]}
        < 412 wrong_revision
        > GET /v1/idempotency/k
        < 200
          state = "in_progress"
        > POST /v1/transactions
          {"checks":[{"idempotency":"k","token":"$token"}],"writes":[{"append":{"stream":"s","events":[{"type":"t","id":"1"}]}},{"idempotency":{"key":"k","token":"$token","response":{"status":201,"body":[1]},"keep":"1h"}}]}
        < 200
          replayed = false
          writes[1] = {"idempotency":{"key":"k"}}
        > POST /v1/transactions
          {"checks":[{"idempotency":"k","token":"$token"}],"writes":[{"append":{"stream":"s","events":[{"type":"t","id":"1"}]}},{"idempotency":{"key":"k","token":"$token","response":{"status":201,"body":[1]},"keep":"1h"}}]}
        < 200 | idempotent-replayed: true
          replayed = true
        > POST /v1/transactions
          {"writes":[{"append":{"stream":"s","events":[{"type":"t"}]}},{"idempotency":{"key":"k","token":"$token","response":{"status":202}}}]}
        < 409 execution_lost
          member = "writes[1].idempotency"
          part = 1
          detail = "the execution of `k` with this token is over"
        > POST /v1/transactions
          {"checks":[{"idempotency":"k","token":"$token"}],"writes":[{"append":{"stream":"s","events":[{"type":"t"}]}}]}
        < 409 execution_lost
          member = "checks[0]"
        > GET /v1/streams/s/events
        < 200
          events.length = 1
        > POST /v1/idempotency/k/begin
          {}
        < 200
          response = {"status":201,"body":[1]}
        "#,
    );
}

#[test]
fn bad_requests_about_executions_are_refused_with_their_place() {
    check(
        &Node::start(),
        r#"
        > POST /v1/idempotency/k/begin
          []
        < 400 invalid_member
        > POST /v1/idempotency/k/begin
          {"ttl":"1ms"}
        < 400 invalid_member
          member = "ttl"
        > POST /v1/idempotency/k/begin | content-type: text/plain
          {}
        < 415 unsupported_media_type
        > POST /v1/idempotency/k/begin | idempotency-key: k
          {}
        < 400 invalid_header
        > POST /v1/idempotency/k/complete
          {"token":"00000000000000050007"}
        < 400 missing_member
          member = "response"
        > POST /v1/idempotency/k/complete
          {"token":"x","response":{"status":200}}
        < 400 invalid_member
          member = "token"
        > POST /v1/idempotency/k/complete
          {"token":"00000000000000050007","response":{"status":200}}
        < 409 execution_lost
        > POST /v1/idempotency/k/abandon
          {}
        < 400 missing_member
          member = "token"
        > POST /v1/transactions
          {"writes":[{"idempotency":{"token":"00000000000000050007","response":{"status":200}}}]}
        < 400 missing_member
          member = "writes[0].idempotency.key"
        > POST /v1/transactions
          {"checks":[{"idempotency":"k","expected":1}],"writes":[{"append":{"stream":"s","events":[{"type":"t"}]}}]}
        < 400 invalid_member
          member = "checks[0]"
        > POST /v1/idempotency//begin
          {}
        < 400 invalid_name
        > GET /v1/idempotency/k?x=1
        < 400 unknown_parameter
        > PUT /v1/idempotency/k
        < 405 method_not_allowed
        > GET /v1/idempotency/k/begin
        < 405 method_not_allowed
        > POST /v1/idempotency/k/begun
          {}
        < 404 not_found
        "#,
    );
}
