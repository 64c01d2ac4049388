//! `POST /v1/events`: NDJSON in both directions at the same time.

use crate::node::Node;
use crate::script::check;
use crate::wire::Connection;
use http_server::HttpOptions;
use serde_json::{Value, json};
use std::time::Duration;

const HEAD: &str = "POST /v1/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n";

fn post(node: &Node, body: &str) -> Vec<Value> {
    node.request("POST", "/v1/events", &[("content-type", "application/x-ndjson")], body).lines()
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[test]
fn each_line_is_an_append_of_its_own() {
    check(
        &Node::start(),
        r#"
        > POST /v1/events | content-type: application/x-ndjson
          {"stream":"a","type":"t","id":"1"}
          (empty)
          {"stream":"b","type":"t"}
          broken
          {"stream":"a","type":"t","id":"1"}
          {"type":"t"}
          {"stream":"a","type":"t","id":"1","data":1}
          {"stream":"a","type":"t"}
        < 200
          length = 8
          [0].line = 1
          [0].revision = 0
          [0].replayed = false
          [1].line = 3
          [1].revision = 0
          [2].line = 4
          [2].problem.code = "invalid_json"
          [3].line = 5
          [3].revision = 0
          [3].replayed = true
          [4].line = 6
          [4].problem.code = "missing_member"
          [5].line = 7
          [5].problem.code = "event_conflict"
          [6].line = 8
          [6].revision = 1
          [7] = {"summary":{"lines":7,"appended":3,"replayed":1,"refused":3}}
        > POST /v1/events | content-type: application/x-ndjson
        < 200
          . = [{"summary":{"lines":0,"appended":0,"replayed":0,"refused":0}}]
        "#,
    );
}

#[test]
fn results_arrive_while_lines_are_sent() {
    let node = Node::start();
    let mut connection = Connection::to(&node);
    connection.send(format!("{HEAD}transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n"));
    assert_eq!(connection.head().status, 100);
    connection.send(chunk("{\"stream\":\"a\",\"type\":\"t\"}\n"));
    assert_eq!(connection.head().status, 200);
    assert!(connection.chunks_until("\n").contains("\"revision\":0"));
    // A line may arrive in parts.
    connection.send(chunk("{\"stream\":\"a\",")).send(chunk("\"type\":\"t\"}\n{\"stream\""));
    assert!(connection.chunks_until("\n").contains("\"revision\":1"));
    connection.send(chunk(":\"a\",\"type\":\"t\"}")).send("0\r\n\r\n");
    let rest = connection.chunks_until("summary");
    assert!(rest.contains("\"revision\":2") && rest.contains("\"appended\":3"), "{rest}");
    assert_eq!(connection.chunk(), None);
}

#[test]
fn results_are_in_the_order_of_the_lines() {
    let node = Node::start();
    let body: String = (0..5_000)
        .map(|n| format!("{{\"stream\":\"s-{}\",\"type\":\"t\",\"id\":\"{n}\"}}\n", n % 7))
        .collect();
    let lines = post(&node, &body);
    assert_eq!(lines.len(), 5_001);
    for (n, line) in lines[..5_000].iter().enumerate() {
        assert_eq!((&line["line"], &line["revision"]), (&json!(n + 1), &json!(n / 7)));
    }
    let again = post(&node, &body);
    assert_eq!(again[5_000]["summary"]["replayed"], 5_000);
}

#[test]
fn a_line_that_is_too_long_ends_the_stream_with_a_problem() {
    let node = Node::start();
    let long = format!("{{\"stream\":\"a\",\"type\":\"t\"}}\n{}", "x".repeat((2 << 20) + 1));
    let lines = post(&node, &long);
    assert_eq!(lines[0]["revision"], 0);
    assert_eq!(
        (&lines[1]["problem"]["code"], &lines[1]["problem"]["line"]),
        (&json!("line_too_long"), &json!(2))
    );
    assert_eq!(lines[2]["summary"]["lines"], 1);
}

#[test]
fn lines_with_more_bytes_than_may_be_in_flight_are_all_appended() {
    let node = Node::with(HttpOptions { lines_bytes_max: 100_000, ..HttpOptions::default() });
    let large = "x".repeat(60_000);
    let body: String =
        (0..20).map(|n| format!("{{\"stream\":\"a\",\"type\":\"t\",\"data\":\"{n}{large}\"}}\n")).collect();
    assert_eq!(post(&node, &body)[20]["summary"]["appended"], 20);
}

#[test]
fn a_body_that_is_cut_off_has_results_for_its_complete_lines() {
    let node = Node::start();
    let mut connection = Connection::to(&node);
    connection
        .send(format!("{HEAD}content-length: 1000\r\n\r\n{{\"stream\":\"a\",\"type\":\"t\"}}\n{{\"stream\""));
    let lines = connection.half_close().response().lines();
    assert_eq!(lines[0]["revision"], 0);
    assert_eq!(lines[1]["problem"]["code"], "incomplete_body");
    assert_eq!(lines[2]["summary"]["lines"], 1);
}

#[test]
fn a_line_that_does_not_arrive_ends_the_stream() {
    let options = HttpOptions { body_time: Duration::from_millis(300), ..HttpOptions::default() };
    let node = Node::with(options);
    let mut connection = Connection::to(&node);
    connection.send(format!("{HEAD}transfer-encoding: chunked\r\n\r\n"));
    connection.send(chunk("{\"stream\":\"a\",\"type\":\"t\"}\n"));
    let lines = connection.response().lines();
    assert_eq!(lines[1]["problem"]["code"], "body_timeout");
    assert_eq!(lines[2]["summary"]["appended"], 1);
}

#[test]
fn a_stop_ends_the_lines_cleanly() {
    let mut node = Node::start();
    let mut connection = Connection::to(&node);
    connection.send(format!("{HEAD}transfer-encoding: chunked\r\n\r\n"));
    connection.send(chunk("{\"stream\":\"a\",\"type\":\"t\"}\n"));
    assert_eq!(connection.head().status, 200);
    let mut text = connection.chunks_until("revision");
    std::thread::scope(|scope| {
        scope.spawn(|| node.stop());
        text.push_str(&connection.chunks_until("summary"));
        assert_eq!(connection.chunk(), None);
    });
    assert!(text.contains("\"code\":\"stopping\""), "{text}");
}
