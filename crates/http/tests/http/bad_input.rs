//! Whatever a client sends, the response is a problem of the catalogue with a 4xx status: never a 5xx, a panic or a
//! hang. Each test ends with a request that must still work.

use crate::node::Node;
use crate::wire::{Connection, request};

const S: &str = "/v1/streams/s/events";
const JSON: (&str, &str) = ("content-type", "application/json");
const BATCH: (&str, &str) = ("content-type", "application/cloudevents-batch+json");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");

#[track_caller]
fn check(node: &Node, raw: impl AsRef<[u8]>, status: u16, code: &str) {
    let shown = String::from_utf8_lossy(&raw.as_ref()[..raw.as_ref().len().min(200)]).into_owned();
    let response = node.raw(raw);
    assert_eq!(response.status, status, "{shown}\n{}", response.text());
    assert_eq!(response.code(), code, "{shown}\n{}", response.text());
}

fn check_alive(node: &Node) {
    assert_eq!(node.post(S, r#"{"type":"t"}"#).status, 200);
}

#[test]
fn bodies_that_cannot_be_read() {
    let node = Node::start();
    let deep = format!(r#"{{"type":"t","data":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let many = format!("[{}]", vec![r#"{"type":"t"}"#; 1_001].join(","));
    let large_data = format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(1 << 20));
    for (headers, body, status, code) in [
        (&[JSON][..], "", 400, "invalid_json"),
        (&[JSON], "{", 400, "invalid_json"),
        (&[JSON], "{\"type\":\"t\"}}", 400, "invalid_json"),
        (&[JSON], "null", 400, "invalid_member"),
        (&[JSON], "[]", 400, "invalid_member"),
        (&[JSON], "{}", 400, "missing_member"),
        (&[JSON], r#"{"type":7}"#, 400, "invalid_member"),
        (&[JSON], r#"{"type":"t","Unknown":1}"#, 400, "unknown_member"),
        (&[JSON], r#"{"type":"t","type":"t"}"#, 400, "duplicate_member"),
        (&[JSON], r#"{"type":"t","revision":7}"#, 400, "reserved_member"),
        (&[JSON], r#"{"type":"t","stream":"s"}"#, 400, "reserved_member"),
        (&[JSON], r#"{"type":"t","time":"2010-02-30T00:00:00Z"}"#, 400, "invalid_member"),
        (&[JSON], r#"{"type":"t","n":-99999999999999999999}"#, 400, "invalid_member"),
        (&[JSON], &deep, 400, "json_too_deep"),
        (&[JSON], &large_data, 413, "event_too_large"),
        (&[BATCH], "[]", 400, "empty_batch"),
        (&[BATCH], &many, 400, "too_many_items"),
        (&[LINES], "\n", 400, "empty_batch"),
        (&[LINES], "{\"type\":\"t\"}\nbroken\n", 400, "invalid_json"),
        (&[], r#"{"type":"t"}"#, 415, "unsupported_media_type"),
        (&[("content-type", "text/plain")], r#"{"type":"t"}"#, 415, "unsupported_media_type"),
        (&[("content-type", "application/json; charset=latin1")], "{}", 415, "unsupported_media_type"),
        (&[JSON, ("content-encoding", "gzip")], "{}", 415, "unsupported_media_type"),
        (&[JSON, JSON], r#"{"type":"t"}"#, 400, "duplicate_header"),
        (&[JSON, ("if-match", "\"1\""), ("if-match", "\"1\"")], r#"{"type":"t"}"#, 400, "duplicate_header"),
        (&[JSON, ("if-match", "1")], r#"{"type":"t"}"#, 400, "invalid_header"),
        (&[JSON, ("if-match", "\"-1\"")], r#"{"type":"t"}"#, 400, "invalid_header"),
        (&[JSON, ("if-match", "\"99999999999999999999\"")], r#"{"type":"t"}"#, 400, "invalid_header"),
        (&[JSON, ("if-match", "W/\"1\"")], r#"{"type":"t"}"#, 400, "invalid_header"),
        (&[JSON, ("if-match", "\"1\", \"2\"")], r#"{"type":"t"}"#, 400, "invalid_header"),
        (&[JSON, ("if-match", "*"), ("if-none-match", "*")], r#"{"type":"t"}"#, 400, "invalid_header"),
        (&[JSON, ("idempotency-key", "")], r#"{"type":"t"}"#, 400, "invalid_header"),
        (&[JSON, ("ce-type", "%zz")], "{}", 400, "invalid_header"),
    ] {
        check(&node, request("POST", S, headers, body), status, code);
    }
    let mut bad_utf8 = request("POST", S, &[JSON], r#"{"type":"??"}"#);
    let at = bad_utf8.len() - 3;
    bad_utf8[at] = 0xff;
    check(&node, bad_utf8, 400, "invalid_utf8");
    check_alive(&node);
}

#[test]
fn what_is_asked_of_other_routes() {
    let node = Node::start();
    let transactions = "/v1/transactions";
    let settings = "/v1/streams/s/settings";
    for (method, path, body, status, code) in [
        ("POST", transactions, "{}", 400, "missing_member"),
        ("POST", transactions, r#"{"writes":[]}"#, 400, "empty_batch"),
        ("POST", transactions, r#"{"writes":[{"enqeue":{}}]}"#, 400, "unknown_member"),
        ("POST", transactions, r#"{"writes":[{"enqueue":{}}]}"#, 400, "missing_member"),
        (
            "POST",
            transactions,
            r#"{"checks":[{"stream":"a","expected":-1}],"writes":[]}"#,
            400,
            "invalid_member",
        ),
        ("PUT", settings, r#"{"max_age":30}"#, 400, "invalid_member"),
        ("PUT", settings, r#"{"max_count":0}"#, 400, "invalid_member"),
        ("PUT", settings, r#"{"retention":1}"#, 400, "unknown_member"),
        ("POST", "/v1/events", "", 415, "unsupported_media_type"),
    ] {
        check(&node, request(method, path, &[JSON], body), status, code);
    }
    check(&node, request("PUT", settings, &[], "{}"), 415, "unsupported_media_type");
    check(
        &node,
        request("POST", "/v1/events", &[LINES, ("idempotency-key", "k")], ""),
        400,
        "invalid_header",
    );
    check(&node, request("POST", "/v1/events", &[LINES, ("if-match", "*")], ""), 400, "invalid_header");
    check_alive(&node);
}

#[test]
fn what_is_asked_of_queues() {
    let node = Node::start();
    let tasks = "/v1/queues/q/tasks";
    let claims = "/v1/queues/q/claims";
    for (method, path, body, status, code) in [
        ("POST", tasks, "{}", 400, "missing_member"),
        ("POST", tasks, "[]", 400, "invalid_member"),
        ("POST", tasks, r#"{"type":"t","priority":10}"#, 400, "invalid_member"),
        ("POST", tasks, r#"{"type":"t","id":"~1"}"#, 400, "invalid_member"),
        ("POST", tasks, r#"{"type":"t","data":1}"#, 400, "unknown_member"),
        ("POST", claims, "{}", 400, "missing_member"),
        ("POST", claims, r#"{"worker":"w","max":0}"#, 400, "invalid_member"),
        ("POST", claims, r#"{"worker":"w","wait":"2m"}"#, 400, "invalid_member"),
        ("POST", "/v1/queues/q/tasks/1/complete", "{}", 400, "missing_member"),
        ("POST", "/v1/queues/q/tasks/1/complete", r#"{"token":"1"}"#, 400, "invalid_member"),
        ("POST", "/v1/queues/q/tasks/1/heartbeat", r#"{"delay":"1s"}"#, 400, "unknown_member"),
        ("POST", "/v1/queues/q/tasks/1/defer", "7", 400, "invalid_member"),
        ("POST", "/v1/queues/q/tasks/1/return", "", 400, "invalid_json"),
        ("POST", "/v1/queues/q/tasks/~1/fail", "{}", 404, "task_not_found"),
        ("POST", "/v1/queues/q/tasks/%zz/fail", "{}", 400, "invalid_path"),
        ("POST", "/v1/queues/q/tasks/1/kill", "{}", 404, "not_found"),
        ("POST", "/v1/queues/q/settlements", "{}", 415, "unsupported_media_type"),
        ("PUT", "/v1/queues/q", r#"{"backlog_max":0}"#, 400, "invalid_member"),
        ("PUT", "/v1/queues/q", r#"{"pause":true}"#, 400, "unknown_member"),
        ("GET", "/v1/queues/q/tasks?state=lost", "", 400, "invalid_parameter"),
        ("GET", "/v1/queues/q/tasks?cursor=1", "", 400, "invalid_parameter"),
        ("GET", "/v1/queues/q/tasks?limit=0", "", 400, "invalid_parameter"),
        ("GET", "/v1/queues/q/tasks/~1", "", 404, "task_not_found"),
        ("GET", "/v1/queues/q/tasks/1", "", 404, "task_not_found"),
        ("GET", "/v1/queues?cursor=", "", 400, "invalid_parameter"),
        ("GET", "/v1/queues//tasks", "", 400, "invalid_name"),
        ("PUT", "/v1/queues/%2e%2e", "{}", 400, "invalid_name"),
        ("PATCH", "/v1/queues/q", "{}", 405, "method_not_allowed"),
    ] {
        check(&node, request(method, path, &[JSON], body), status, code);
    }
    for (method, path) in [("POST", tasks), ("POST", claims), ("PUT", "/v1/queues/q")] {
        check(&node, request(method, path, &[], "{}"), 415, "unsupported_media_type");
    }
    let keyed = [JSON, ("idempotency-key", "k")];
    check(&node, request("POST", claims, &keyed, r#"{"worker":"w"}"#), 400, "invalid_header");
    check(&node, request("DELETE", "/v1/queues/q/tasks/1", &keyed, ""), 400, "invalid_header");
    check(&node, request("POST", tasks, &[LINES], "\n"), 400, "empty_batch");
    check(&node, request("POST", tasks, &[LINES], "{\"type\":\"t\"}\nbroken\n"), 400, "invalid_json");
    check_alive(&node);
}

#[test]
fn paths_names_and_parameters() {
    let node = Node::start();
    let long = format!("/v1/streams/{}/events", "x".repeat(257));
    for (path, status, code) in [
        ("/v1/streams//events", 400, "invalid_name"),
        (&long[..], 400, "invalid_name"),
        ("/v1/streams/a%00b/events", 400, "invalid_name"),
        ("/v1/streams/a%0Ab/events", 400, "invalid_name"),
        ("/v1/streams/a%C2%85b/events", 400, "invalid_name"),
        ("/v1/streams/%2E/events", 400, "invalid_name"),
        ("/v1/streams/%2e%2e/events", 400, "invalid_name"),
        ("/v1/streams/%zz/events", 400, "invalid_path"),
        ("/v1/streams/a%/events", 400, "invalid_path"),
        ("/v1/streams/a%2/events", 400, "invalid_path"),
        ("/v1/streams/%ff/events", 400, "invalid_path"),
        ("/v1/streams/%c3%28/events", 400, "invalid_path"),
        ("/v1/streams/a/b/events", 404, "not_found"),
        ("/v1/streams/a/", 404, "not_found"),
        ("/", 404, "not_found"),
        ("/v2/streams", 404, "not_found"),
        ("/v1/streams/s/events?form=1", 400, "unknown_parameter"),
        ("/v1/streams/s/events?from=1&from=1", 400, "duplicate_parameter"),
        ("/v1/streams/s/events?from=-1", 400, "invalid_parameter"),
        ("/v1/streams/s/events?from=99999999999999999999", 400, "invalid_parameter"),
        ("/v1/streams/s/events?limit=0", 400, "invalid_parameter"),
        ("/v1/streams/s/events?limit=1001", 400, "invalid_parameter"),
        ("/v1/streams/s/events?limit=ten", 400, "invalid_parameter"),
        ("/v1/streams/s/events?direction=up", 400, "invalid_parameter"),
        ("/v1/streams/s/events?as_of=yesterday", 400, "invalid_parameter"),
        ("/v1/streams/s/events?as_of=2010-02-30T00:00:00Z", 400, "invalid_parameter"),
        ("/v1/streams/s/events?as_of=9999-12-31T23:59:59Z", 400, "time_in_future"),
        ("/v1/streams/s/events?as_of=ffffffffffffffffffff", 400, "time_in_future"),
        ("/v1/streams/s/events?as_of_event_time=x", 400, "invalid_parameter"),
        ("/v1/streams/s/events?after=%zz", 400, "invalid_parameter"),
        ("/v1/events?from=1", 400, "unknown_parameter"),
        ("/v1/events?after=1", 400, "invalid_parameter"),
        ("/v1/events?type=", 400, "invalid_parameter"),
        ("/v1/events?as_of=2999-01-01T00:00:00Z", 400, "time_in_future"),
        ("/v1/streams?cursor=x", 400, "invalid_parameter"),
        ("/v1/streams?name=x", 400, "unknown_parameter"),
        ("/livez?x=1", 400, "unknown_parameter"),
        ("/v1/streams/s/settings?x=1", 400, "unknown_parameter"),
    ] {
        check(&node, request("GET", path, &[], ""), status, code);
    }
    check(&node, request("GET", S, &[("accept", "text/html")], ""), 406, "not_acceptable");
    let follow = ("accept", "text/event-stream");
    check(&node, request("GET", S, &[follow, ("last-event-id", "x")], ""), 400, "invalid_header");
    check(&node, request("GET", "/v1/events?limit=1", &[follow], ""), 400, "invalid_parameter");
    check_alive(&node);
}

#[test]
fn methods_that_a_path_does_not_have() {
    let node = Node::start();
    for (method, path, allow) in [
        ("PATCH", S, "POST, GET, HEAD, OPTIONS"),
        ("DELETE", S, "POST, GET, HEAD, OPTIONS"),
        ("POST", "/v1/streams", "GET, HEAD, OPTIONS"),
        ("GET", "/v1/transactions", "POST, OPTIONS"),
        ("BREW", "/livez", "GET, HEAD, OPTIONS"),
    ] {
        let response = node.request(method, path, &[], "");
        response.assert_problem(405, "method_not_allowed");
        assert_eq!(response.header("allow"), Some(allow));
    }
    let options = node.request("OPTIONS", S, &[], "");
    assert_eq!((options.status, options.header("allow")), (204, Some("POST, GET, HEAD, OPTIONS")));
    let mut head = Connection::to(&node);
    let response = head.send(request("HEAD", "/livez", &[], "")).head();
    assert_eq!((response.status, response.header("content-length")), (200, Some("15")));
    assert_eq!(head.send(request("GET", "/livez", &[], "")).response().status, 200, "a HEAD has no body");
}

#[test]
fn requests_that_are_not_http() {
    let node = Node::start();
    let long_head = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(17 << 10));
    let huge_head = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(200 << 10));
    let headers: String = (0..120).map(|n| format!("x-{n}: y\r\n")).collect();
    let many_headers = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
    let body = "content-type: application/json\r\n";
    for (raw, status, code) in [
        ("nonsense\r\n\r\n".into(), 400, "bad_request"),
        ("\u{0}\u{1}\u{2}\r\n\r\n".into(), 400, "bad_request"),
        ("GET /livez\r\n\r\n".into(), 400, "bad_request"),
        ("GET /livez HTTP/1.1\r\n\r\n".into(), 400, "bad_request"),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\nhost: y\r\n\r\n".into(), 400, "duplicate_header"),
        ("GET /livez HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n".into(), 400, "bad_request"),
        ("GET /li vez HTTP/1.1\r\nhost: localhost\r\n\r\n".into(), 400, "bad_request"),
        ("GET /livez HTTP/3.0\r\nhost: localhost\r\n\r\n".into(), 400, "bad_request"),
        (
            format!("POST {S} HTTP/1.1\r\nhost: localhost\r\n{body}content-length: -1\r\n\r\n"),
            400,
            "bad_request",
        ),
        (
            format!(
                "POST {S} HTTP/1.1\r\nhost: localhost\r\n{body}content-length: 99999999999999999999\r\n\r\n"
            ),
            400,
            "bad_request",
        ),
        (
            format!(
                "POST {S} HTTP/1.1\r\nhost: localhost\r\n{body}content-length: 1\r\ncontent-length: 2\r\n\r\n{{}}"
            ),
            400,
            "bad_request",
        ),
        (
            format!("POST {S} HTTP/1.1\r\nhost: localhost\r\n{body}transfer-encoding: gzip\r\n\r\n"),
            400,
            "bad_request",
        ),
        (
            format!("POST {S} HTTP/1.1\r\nhost: localhost\r\n{body}transfer-encoding: chunked\r\n\r\nzz\r\n"),
            400,
            "incomplete_body",
        ),
        (
            format!("POST {S} HTTP/1.1\r\nhost: localhost\r\n{body}content-length: 9000000\r\n\r\n"),
            413,
            "body_too_large",
        ),
        (long_head, 431, "head_too_large"),
        (huge_head, 431, "head_too_large"),
        (many_headers, 431, "head_too_large"),
    ] {
        check(&node, raw, status, code);
    }
    check_alive(&node);
}

#[test]
fn a_chunked_body_over_the_limit_is_refused_while_it_comes() {
    let node = Node::start();
    let mut connection = Connection::to(&node);
    connection.send(format!(
        "POST {S} HTTP/1.1\r\nhost: localhost\r\n{}: {}\r\ntransfer-encoding: chunked\r\n\r\n",
        JSON.0, JSON.1
    ));
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    for _ in 0..9 {
        connection.send(&chunk);
    }
    let response = connection.response();
    response.assert_problem(413, "body_too_large");
    check_alive(&node);
}
