//! Connections: half-closed, slow, too many, kept alive, closed at a stop.

use crate::node::Node;
use crate::wire::{Connection, request};
use http_server::HttpOptions;
use std::time::Duration;

const S: &str = "/v1/streams/s/events";
const JSON: (&str, &str) = ("content-type", "application/json");

fn impatient() -> HttpOptions {
    HttpOptions {
        head_time: Duration::from_millis(200),
        body_wait: Duration::from_millis(200),
        body_time: Duration::from_millis(600),
        idle_time: Duration::from_millis(400),
        ..HttpOptions::default()
    }
}

#[test]
fn a_half_closed_connection_still_receives_its_response() {
    let node = Node::start();
    let response =
        Connection::to(&node).send(request("POST", S, &[JSON], r#"{"type":"t"}"#)).half_close().response();
    assert_eq!(response.status, 200);
    let cut = Connection::to(&node)
        .send(format!(
            "POST {S} HTTP/1.1\r\nhost: localhost\r\n{}: {}\r\ncontent-length: 100\r\n\r\n{{",
            JSON.0, JSON.1
        ))
        .half_close()
        .response();
    cut.assert_problem(400, "incomplete_body");
}

#[test]
fn a_connection_serves_more_requests_after_a_refused_one() {
    let node = Node::start();
    let mut connection = Connection::to(&node);
    for n in 0..20 {
        let good = n % 2 == 0;
        let body = if good { r#"{"type":"t"}"# } else { "{" };
        let response = connection.send(request("POST", S, &[JSON], body)).response();
        assert_eq!(response.status, if good { 200 } else { 400 });
    }
    let pipelined = [request("GET", "/livez", &[], ""), request("GET", "/nowhere", &[], "")].concat();
    connection.send(pipelined);
    assert_eq!((connection.response().status, connection.response().status), (200, 404));
}

#[test]
fn a_slow_body_receives_a_problem_and_a_slow_head_is_closed() {
    let node = Node::with(impatient());
    let head = format!(
        "POST {S} HTTP/1.1\r\nhost: localhost\r\n{}: {}\r\ncontent-length: 100\r\n\r\n",
        JSON.0, JSON.1
    );
    let response = Connection::to(&node).send(&head).response();
    response.assert_problem(408, "body_timeout");
    let mut slow_head = Connection::to(&node);
    assert!(slow_head.send("GET /livez HTTP/1.1\r\nhos").is_closed());
    let mut silent = Connection::to(&node);
    assert!(silent.is_closed());
}

#[test]
fn a_body_that_trickles_in_receives_a_problem() {
    let node = Node::with(impatient());
    let mut connection = Connection::to(&node);
    connection.send(format!(
        "POST {S} HTTP/1.1\r\nhost: localhost\r\n{}: {}\r\ncontent-length: 1000\r\n\r\n",
        JSON.0, JSON.1
    ));
    let trickle = std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let mut sender = connection.sender();
        scope.spawn(move || {
            while stopped
                .recv_timeout(Duration::from_millis(50))
                .is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                sender(b" ");
            }
        });
        let response = connection.response();
        drop(stop);
        response
    });
    trickle.assert_problem(408, "body_timeout");
}

#[test]
fn an_idle_connection_is_closed() {
    let node = Node::with(impatient());
    let mut connection = Connection::to(&node);
    assert_eq!(connection.send(request("GET", "/livez", &[], "")).response().status, 200);
    assert!(connection.is_closed());
}

#[test]
fn one_connection_too_many_receives_a_problem() {
    let node = Node::with(HttpOptions { connections_max: 2, ..HttpOptions::default() });
    let mut held: Vec<Connection> = (0..2).map(|_| Connection::to(&node)).collect();
    for connection in &mut held {
        assert_eq!(connection.send(request("GET", "/livez", &[], "")).response().status, 200);
    }
    let refused = Connection::to(&node).send(request("GET", "/livez", &[], "")).response();
    refused.assert_problem(503, "too_many_connections");
    drop(held.pop());
    // The next connection is accepted once the server has seen the end of the other one.
    let served = (0..1_000)
        .any(|_| Connection::to(&node).send(request("GET", "/livez", &[], "")).response().status == 200);
    assert!(served);
}

#[test]
fn bodies_beyond_the_buffer_memory_are_refused_until_some_is_free() {
    let node = Node::with(HttpOptions { buffered_bytes_max: 512 << 10, ..HttpOptions::default() });
    let large = request("POST", S, &[JSON], &format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(600 << 10)));
    let begun = &large[..400 << 10];
    let mut holder = Connection::to(&node);
    holder.send(begun);
    // The metrics say when the first body has been received this far.
    let held = r#"mainstay_queue_depth{queue="buffered_bytes"} 524288"#;
    assert!((0..10_000).any(|_| node.get("/metrics").text().contains(held)));
    let other = request("POST", S, &[JSON], &format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(100 << 10)));
    let refused = node.raw(&other);
    refused.assert_problem(503, "busy");
    assert_eq!(node.post(S, r#"{"type":"t"}"#).status, 200, "a small body needs no reservation");
    drop(holder);
    assert!((0..10_000).any(|_| node.raw(&other).status == 200));
}

#[test]
fn a_large_response_is_counted_so_a_read_is_refused_and_granted_tasks_wait_until_memory_is_free() {
    let node = Node::with(HttpOptions { buffered_bytes_max: 512 << 10, ..HttpOptions::default() });
    let text = "x".repeat(60 << 10);
    let put = request("PUT", "/v1/values/large", &[("content-type", "text/plain")], &text);
    assert_eq!(node.raw(&put).status, 200);
    let task = format!(r#"{{"type":"t","payload":"{text}"}}"#);
    assert_eq!(node.post("/v1/queues/q/tasks", &task).status, 200);
    let mut holder = Connection::to(&node);
    let large = request("POST", S, &[JSON], &format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(600 << 10)));
    holder.send(&large[..400 << 10]);
    let held = r#"mainstay_queue_depth{queue="buffered_bytes"} 524288"#;
    assert!((0..10_000).any(|_| node.get("/metrics").text().contains(held)));
    node.get("/v1/values/large").assert_problem(503, "busy");
    assert_eq!(node.get("/v1/values/none").status, 404, "a small response needs no reservation");
    let mut claiming = Connection::to(&node);
    claiming.send(request("POST", "/v1/queues/q/claims", &[JSON], r#"{"worker":"w"}"#));
    // It is granted, and not answered yet.
    assert!((0..10_000).any(|_| node.get("/v1/queues/q").json()["depth"]["running"] == 1));
    drop(holder);
    let claimed = claiming.response();
    assert_eq!((claimed.status, claimed.json()["tasks"][0]["payload"].as_str()), (200, Some(&*text)));
    assert_eq!(node.get("/v1/values/large").text(), text);
}

#[test]
fn a_client_that_expects_100_continue_receives_it_before_it_sends_the_body() {
    let node = Node::start();
    let mut connection = Connection::to(&node);
    let head = request("POST", S, &[JSON, ("expect", "100-continue")], r#"{"type":"t"}"#);
    let (head, body) = head.split_at(head.len() - 12);
    assert_eq!(connection.send(head).head().status, 100);
    assert_eq!(connection.send(body).response().status, 200);
    let refused =
        request("POST", S, &[("content-type", "text/plain"), ("expect", "100-continue")], "xxxxxxxxxxxx");
    let response = Connection::to(&node).send(&refused[..refused.len() - 12]).head();
    assert_eq!(response.status, 415, "the server does not ask for the body");
}

#[test]
fn an_http_1_0_request_is_served_and_its_connection_closed() {
    let node = Node::start();
    let mut connection = Connection::to(&node);
    let response = connection.send("GET /livez HTTP/1.0\r\n\r\n").response();
    assert_eq!((response.status, response.json()["status"].as_str()), (200, Some("ok")));
    assert!(connection.is_closed());
}

#[test]
fn a_stop_lets_requests_in_progress_finish() {
    let mut node = Node::start();
    let mut connection = Connection::to(&node);
    let whole = request("POST", S, &[JSON], r#"{"type":"t"}"#);
    let (head, body) = whole.split_at(whole.len() - 5);
    connection.send(head);
    let mut idle = Connection::to(&node);
    assert_eq!(idle.send(request("GET", "/livez", &[], "")).response().status, 200);
    std::thread::scope(|scope| {
        scope.spawn(|| node.stop());
        assert!(idle.is_closed(), "an idle connection ends at once");
        let response = connection.send(body).response();
        assert_eq!(response.status, 200);
        assert!(connection.is_closed());
    });
}
