//! What a token may use, and all clients together: requests and bytes a second, subscribers, the size of a body.

use crate::access::{ask, created, send};
use crate::node::{ADMIN, Node};
use crate::wire::{Connection, Response, request};
use api::Operation;
use api::contract::Access as Needs;
use http_server::HttpOptions;
use http_server::options::{Access, Allowance};
use std::time::{Duration, Instant};

fn limited(node: &Node, limits: &str) -> String {
    created(node, &format!(r#"{{"role":"admin",{limits}}}"#))
}

fn open_node(allowance: Allowance) -> Node {
    Node::with(HttpOptions { allowance, ..HttpOptions::default() })
}

#[track_caller]
fn assert_reached(response: &Response, limit: &str, of: &str) {
    response.assert_problem(429, "limit_reached");
    let problem = response.json();
    assert_eq!((&problem["limit"], &problem["of"]), (&limit.into(), &of.into()), "{problem}");
    assert!(response.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
}

fn counted(node: &Node, limit: &str, of: &str) -> u64 {
    let metrics = send(node, ADMIN, "GET", "/metrics", "").text().to_owned();
    let name = format!("mainstay_limited_total{{limit=\"{limit}\",of=\"{of}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&name)).expect("the metric");
    line.parse().unwrap()
}

/// Events with `bytes` bytes of data each.
fn fill(node: &Node, token: &str, events: usize, bytes: usize) {
    let event = format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(bytes));
    for _ in 0..events {
        assert_eq!(send(node, token, "POST", "/v1/streams/s/events", &event).status, 200);
    }
}

#[test]
fn a_token_has_its_requests_a_second_and_others_are_not_affected() {
    let node = Node::with_tokens();
    let one = limited(&node, r#""requests_per_second":1"#);
    let other = limited(&node, r#""requests_per_second":1000"#);
    let ask = || send(&node, &one, "GET", "/v1", "");
    assert_eq!(ask().status, 200);
    // One more is possible each second, so on a slow machine it takes more than one.
    let refused = std::iter::repeat_with(ask).find(|response| response.status != 200).unwrap();
    assert_reached(&refused, "requests_per_second", "token");
    assert_eq!(refused.json()["max"], 1);
    assert_eq!(send(&node, &other, "GET", "/v1", "").status, 200);
    assert_eq!(counted(&node, "requests_per_second", "token"), 1);
    while ask().status != 200 {
        std::thread::yield_now();
    }
    let listed = send(&node, ADMIN, "GET", "/v1/tokens", "").json();
    let limits: Vec<_> =
        listed["tokens"].as_array().unwrap().iter().map(|t| &t["requests_per_second"]).collect();
    assert!(limits.contains(&&1.into()) && limits.contains(&&1_000.into()), "{listed}");
}

#[test]
fn all_clients_together_have_their_requests_a_second_and_operators_are_not_counted() {
    let node = open_node(Allowance { requests_per_second: Some(1), ..Allowance::default() });
    let ask = || node.get("/v1/streams");
    let refused = std::iter::repeat_with(ask).find(|response| response.status != 200).unwrap();
    assert_reached(&refused, "requests_per_second", "node");
    for _ in 0..5 {
        for path in ["/livez", "/readyz", "/metrics", "/v1/tokens"] {
            assert_eq!(node.get(path).status, 200, "{path}");
        }
    }
    let event = [("content-type", "application/json")];
    let append = || node.request("POST", "/v1/streams/s/events", &event, r#"{"type":"t"}"#);
    let refused = std::iter::repeat_with(append).find(|response| response.status != 200).unwrap();
    assert_reached(&refused, "requests_per_second", "node");
}

/// A debt of a minute, so that what follows does not depend on the speed of the machine.
#[test]
fn no_operation_runs_for_a_token_that_has_used_up_its_bytes() {
    let node = Node::with_tokens();
    fill(&node, ADMIN, 2, 1_000_000);
    let token = limited(&node, r#""bytes_per_second":16384"#);
    assert_eq!(send(&node, &token, "GET", "/v1/streams/s/events", "").status, 200);
    for operation in Operation::ALL {
        let response = ask(&node, *operation, Some(&token), "orders-1");
        if operation.description().access == Needs::Public {
            assert!(response.status != 429, "{operation:?} is public");
            continue;
        }
        assert_reached(&response, "bytes_per_second", "token");
        let wait: u64 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((60..=130).contains(&wait), "{operation:?}: {wait} s");
    }
    assert_eq!(send(&node, ADMIN, "GET", "/v1", "").status, 200);
}

#[test]
fn a_body_may_be_as_long_as_its_sender_s_token_or_the_node_says() {
    let node = Node::with(HttpOptions {
        access: Access::Tokens,
        allowance: Allowance { body_bytes_max: Some(4_096), ..Allowance::default() },
        ..HttpOptions::default()
    });
    let small = created(&node, r#"{"role":"write","body_bytes_max":1024}"#);
    let other = created(&node, r#"{"role":"write"}"#);
    let event = |bytes: usize| format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(bytes - 22));
    for (token, bytes, limit) in [
        (&small, 1_024, None),
        (&small, 1_025, Some(1_024)),
        (&other, 4_096, None),
        (&other, 4_097, Some(4_096)),
    ] {
        let event = event(bytes);
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", &*authorization), ("content-type", "application/json")];
        let whole = node.request("POST", "/v1/streams/s/events", &headers, &event);
        // Of another length than it says: none at all, so the bytes count as they arrive.
        let (one, two) = event.split_at(500);
        let chunked = format!(
            "POST /v1/streams/s/events HTTP/1.1\r\nhost: localhost\r\nauthorization: {authorization}\r\n\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n\
             {:x}\r\n{one}\r\n{:x}\r\n{two}\r\n0\r\n\r\n",
            one.len(),
            two.len()
        );
        for response in [whole, Connection::to(&node).send(chunked).response()] {
            match limit {
                None => assert_eq!(response.status, 200, "{}", response.text()),
                Some(limit) => {
                    response.assert_problem(413, "body_too_large");
                    assert_eq!(response.json()["limit"], limit);
                }
            }
        }
    }
    // A stream of lines has no length.
    let lines = format!("{}\n", r#"{"stream":"s","type":"t"}"#).repeat(300);
    let authorization = format!("Bearer {small}");
    let headers = [("authorization", &*authorization), ("content-type", "application/x-ndjson")];
    let sent = node.request("POST", "/v1/events", &headers, &lines);
    assert_eq!((sent.status, sent.lines().len()), (200, 301), "{}", sent.text());
    assert_eq!(counted(&node, "body_bytes_max", "token"), 2);
}

fn follow(node: &Node, token: &str, path: &str) -> (Connection, Response) {
    let mut connection = Connection::to(node);
    let authorization = format!("Bearer {token}");
    let headers = [("accept", "text/event-stream"), ("authorization", &*authorization)];
    let head = connection.send(request("GET", path, &headers, "")).head();
    (connection, head)
}

#[test]
fn a_token_has_its_subscribers_whatever_becomes_of_other_tokens() {
    let node = Node::with_tokens();
    let one = limited(&node, r#""subscribers_max":1"#);
    let none = limited(&node, r#""subscribers_max":0"#);
    let refused = |token: &str, path: &str| {
        let (mut connection, head) = follow(&node, token, path);
        assert_eq!(head.status, 429, "{path}");
        let length: usize = head.header("content-length").unwrap().parse().unwrap();
        while connection.peek().len() < length {}
        let text = String::from_utf8(connection.peek().to_vec()).unwrap();
        assert!(text.contains(r#""code":"limit_reached""#) && text.contains("subscribers_max"), "{text}");
    };
    refused(&none, "/v1/events");
    refused(&none, "/v1/leases/l");
    let (first, head) = follow(&node, &one, "/v1/events");
    assert_eq!(head.status, 200);
    refused(&one, "/v1/values/v");
    // A new token renews the table of tokens.
    let other = limited(&node, r#""subscribers_max":2"#);
    refused(&one, "/v1/events");
    assert_eq!(follow(&node, &other, "/v1/events").1.status, 200);
    assert_eq!(send(&node, &one, "GET", "/v1/events", "").status, 200, "it may read");
    drop(first);
    while follow(&node, &one, "/v1/events").1.status != 200 {
        std::thread::yield_now();
    }
}

#[test]
fn a_stream_of_history_is_as_slow_as_its_reader_s_token() {
    let node = Node::with_tokens();
    fill(&node, ADMIN, 3, 1_000_000);
    let token = limited(&node, r#""bytes_per_second":1048576"#);
    let authorization = format!("Bearer {token}");
    let headers = [("accept", "application/x-ndjson"), ("authorization", &*authorization)];
    let began = Instant::now();
    let read = node.request("GET", "/v1/events", &headers, "");
    assert_eq!(read.lines().iter().filter(|line| line["stream"] == "s").count(), 3);
    // 3 MB, of which the first second is free, and the last part need not be paid for before it is sent.
    assert!(began.elapsed() > Duration::from_millis(700), "{:?}", began.elapsed());
    assert!(counted(&node, "bytes_per_second", "token") > 0);
}

#[test]
fn a_subscriber_in_debt_is_kept_alive() {
    let options = HttpOptions {
        access: Access::Tokens,
        keep_alive: Duration::from_millis(20),
        ..HttpOptions::default()
    };
    let node = Node::with(options);
    fill(&node, ADMIN, 12, 100_000);
    let token = limited(&node, r#""bytes_per_second":16384"#);
    let (mut subscriber, head) = follow(&node, &token, "/v1/streams/s/events");
    assert_eq!(head.status, 200);
    let text = subscriber.chunks_until(": keep-alive\n: keep-alive\n");
    // A subscriber without a debt has all of them before it is silent.
    let events = text.matches("\ndata: ").count();
    assert!((1..12).contains(&events), "{events} events");
}

#[test]
fn lines_are_taken_as_slowly_as_their_sender_s_token_says() {
    let node = Node::with_tokens();
    let token = limited(&node, r#""bytes_per_second":131072"#);
    let line = |bytes| format!("{{\"stream\":\"s\",\"type\":\"t\",\"data\":\"{}\"}}\n", "x".repeat(bytes));
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", &*authorization), ("content-type", "application/x-ndjson")];
    let began = Instant::now();
    let sent = node.request("POST", "/v1/events", &headers, &line(1_000).repeat(350));
    assert_eq!((sent.status, sent.lines().len()), (200, 351));
    assert!(began.elapsed() > Duration::from_millis(700), "{:?}", began.elapsed());
    // The response is slow too, but the first result waits for nothing but its line.
    let token = limited(&node, r#""bytes_per_second":131072"#);
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", &*authorization), ("content-type", "application/x-ndjson")];
    let began = Instant::now();
    let mut connection = Connection::to(&node);
    assert_eq!(connection.send(request("POST", "/v1/events", &headers, &line(350_000))).head().status, 200);
    connection.chunks_until("\"revision\"");
    assert!(began.elapsed() > Duration::from_millis(700), "{:?}", began.elapsed());
}
