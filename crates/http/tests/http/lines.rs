//! `POST /v1/events`: lines both ways at once.

use crate::node::Node;
use crate::wire::Connection;
use http_server::HttpOptions;
use serde_json::{Value, json};
use std::time::Duration;

const HEAD: &str = "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n";

fn post(node: &Node, body: &str) -> Vec<Value> {
    node.request("POST", "/v1/events", &[("content-type", "application/x-ndjson")], body).lines()
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[test]
fn each_line_is_an_append_of_its_own() {
    let node = Node::start();
    let lines = post(
        &node,
        "{\"stream\":\"a\",\"type\":\"t\",\"id\":\"1\"}\n\n{\"stream\":\"b\",\"type\":\"t\"}\nbroken\n\
         {\"stream\":\"a\",\"type\":\"t\",\"id\":\"1\"}\n{\"type\":\"t\"}\n{\"stream\":\"a\",\"type\":\"t\",\"id\":\"1\",\"data\":1}\n{\"stream\":\"a\",\"type\":\"t\"}",
    );
    let told: Vec<(u64, Value, Value)> = lines[..7]
        .iter()
        .map(|line| {
            (line["line"].as_u64().unwrap(), line["revision"].clone(), line["problem"]["code"].clone())
        })
        .collect();
    let null = Value::Null;
    assert_eq!(
        told,
        [
            (1, json!(0), null.clone()),
            (3, json!(0), null.clone()),
            (4, null.clone(), json!("invalid_json")),
            (5, json!(0), null.clone()),
            (6, null.clone(), json!("missing_member")),
            (7, null.clone(), json!("event_conflict")),
            (8, json!(1), null),
        ]
    );
    assert_eq!((&lines[3]["replayed"], &lines[0]["replayed"]), (&json!(true), &json!(false)));
    assert_eq!(lines[7], json!({"summary": {"lines": 7, "appended": 3, "replayed": 1, "refused": 3}}));
    assert_eq!(lines.len(), 8);
    assert_eq!(
        post(&node, ""),
        [json!({"summary": {"lines": 0, "appended": 0, "replayed": 0, "refused": 0}})]
    );
}

#[test]
fn answers_come_while_lines_are_sent() {
    let node = Node::start();
    let mut connection = Connection::to(&node);
    connection.send(format!("{HEAD}transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n"));
    assert_eq!(connection.head().status, 100);
    connection.send(chunk("{\"stream\":\"a\",\"type\":\"t\"}\n"));
    assert_eq!(connection.head().status, 200);
    assert!(connection.chunks_until("\n").contains("\"revision\":0"));
    // A line may come in parts.
    connection.send(chunk("{\"stream\":\"a\",")).send(chunk("\"type\":\"t\"}\n{\"stream\""));
    assert!(connection.chunks_until("\n").contains("\"revision\":1"));
    connection.send(chunk(":\"a\",\"type\":\"t\"}")).send("0\r\n\r\n");
    let rest = connection.chunks_until("summary");
    assert!(rest.contains("\"revision\":2") && rest.contains("\"appended\":3"), "{rest}");
    assert_eq!(connection.chunk(), None);
}

#[test]
fn many_lines_are_answered_in_their_order() {
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
fn a_line_over_its_limit_ends_the_stream_and_says_so() {
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
fn large_lines_beyond_the_room_for_bytes_still_go_through() {
    let node = Node::with(HttpOptions { lines_bytes_max: 100_000, ..HttpOptions::default() });
    let large = "x".repeat(60_000);
    let body: String =
        (0..20).map(|n| format!("{{\"stream\":\"a\",\"type\":\"t\",\"data\":\"{n}{large}\"}}\n")).collect();
    assert_eq!(post(&node, &body)[20]["summary"]["appended"], 20);
}

#[test]
fn a_body_that_breaks_off_tells_what_came_whole() {
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
fn a_line_that_does_not_come_ends_the_stream() {
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
