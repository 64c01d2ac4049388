//! Watches of leases and values: what there is, and then each change.

use crate::node::Node;
use crate::script::check;
use crate::wire::{Connection, request};
use http_server::HttpOptions;
use serde_json::{Value, json};
use std::time::Duration;

fn watch(node: &Node, path: &str) -> Connection {
    let mut connection = Connection::to(node);
    let head = connection.send(request("GET", path, &[("accept", "text/event-stream")], "")).head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    connection
}

/// The data of the next message.
fn next(connection: &mut Connection, event: &str) -> Value {
    let text = connection.chunks_until("\n\n").replace(": keep-alive\n", "");
    let data = text.strip_prefix(&format!("event: {event}\ndata: ")).unwrap_or_else(|| panic!("{text}"));
    serde_json::from_str(data.trim_end()).unwrap()
}

#[test]
fn a_watch_of_a_value_shows_it_as_it_is_and_then_each_change() {
    let node = Node::start();
    let path = "/v1/values/flag";
    let mut watched = watch(&node, path);
    assert_eq!(next(&mut watched, "value"), json!({"value": "flag", "revision": null}));
    for (revision, content) in ["on", "off", "on"].into_iter().enumerate() {
        node.request("PUT", path, &[("content-type", "text/plain")], content);
        let seen =
            json!({"value": "flag", "revision": revision, "content_type": "text/plain", "content": content});
        assert_eq!(next(&mut watched, "value"), seen);
        assert_eq!(next(&mut watch(&node, path), "value"), seen, "for a client that comes later");
    }
    // What is about another value, or changes nothing, is not shown.
    node.request("PUT", "/v1/values/other", &[], "x");
    node.request("PUT", path, &[("if-match", "\"7\"")], "x");
    node.request("DELETE", path, &[], "");
    assert_eq!(next(&mut watched, "value"), json!({"value": "flag", "revision": null}));
}

#[test]
fn a_watch_misses_no_last_change_however_fast_they_come() {
    let node = Node::start();
    for round in 0..20 {
        let path = format!("/v1/values/v{round}");
        let mut watched = watch(&node, &path);
        for content in 0..10 {
            node.request("PUT", &path, &[], &content.to_string());
        }
        // Some may have been read together, but never the last one without a message.
        watched.chunks_until(r#""content":"9""#);
    }
}

#[test]
fn a_watch_of_a_lease_shows_its_holders_and_its_queue() {
    let node = Node::start();
    let path = "/v1/leases/lock";
    let mut watched = watch(&node, path);
    let holders = |seen: &Value| -> Vec<String> {
        let holders = seen["holders"].as_array().unwrap();
        holders.iter().map(|held| held["holder"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(holders(&next(&mut watched, "lease")), [""; 0]);
    let acquired = node.post("/v1/leases/lock/acquire", r#"{"holder":"a","ttl_ms":60000}"#).json();
    assert_eq!(holders(&next(&mut watched, "lease")), ["a"]);
    let token = format!(r#"{{"token":{}}}"#, acquired["token"]);
    // A renewal is not a change.
    node.post("/v1/leases/lock/renew", &token);
    let mut waits = Connection::to(&node);
    let body = r#"{"holder":"b","ttl_ms":1000,"wait_ms":60000}"#;
    let json = [("content-type", "application/json")];
    waits.send(request("POST", "/v1/leases/lock/acquire", &json, body));
    let seen = next(&mut watched, "lease");
    assert_eq!((holders(&seen), &seen["queue"]), (vec!["a".to_owned()], &json!(["b"])));
    node.post("/v1/leases/lock/release", &token);
    let seen = next(&mut watched, "lease");
    assert_eq!((holders(&seen), &seen["queue"]), (vec!["b".to_owned()], &json!([])));
    // It expires, although no one does anything.
    assert_eq!(holders(&next(&mut watched, "lease")), [""; 0]);
}

#[test]
fn a_watch_of_a_lease_that_is_held_off_shows_that_no_one_has_it() {
    let node = Node::start();
    node.post("/v1/leases/l/acquire", r#"{"holder":"a","ttl_ms":1000,"hold_off_ms":60000}"#);
    let mut watched = watch(&node, "/v1/leases/l");
    assert_eq!(next(&mut watched, "lease")["holders"][0]["holder"], "a");
    assert_eq!(next(&mut watched, "lease")["holders"], json!([]));
}

#[test]
fn a_watch_is_never_silent_for_long_and_ends_with_the_node() {
    let node = Node::start();
    let mut watched = watch(&node, "/v1/values/v?keep_alive=1s");
    next(&mut watched, "value");
    watched.chunks_until(": keep-alive\n");
    watched.chunks_until(": keep-alive\n");
    let restarting = std::thread::spawn(move || node.restart());
    assert_eq!(watched.chunks_until("\n\n"), "event: end\ndata: {\"reason\":\"stopping\"}\n\n");
    drop(restarting.join().unwrap());
}

#[test]
fn watches_are_bounded_like_other_subscribers() {
    let node = Node::with(HttpOptions {
        subscribers_max: 2,
        keep_alive: Duration::from_millis(10),
        ..HttpOptions::default()
    });
    let first = watch(&node, "/v1/values/v");
    let _second = watch(&node, "/v1/leases/l");
    let accept = [("accept", "text/event-stream")];
    node.request("GET", "/v1/values/v", &accept, "").assert_problem(503, "too_many_subscribers");
    drop(first);
    for _ in 0..1_000 {
        if Connection::to(&node).send(request("GET", "/v1/values/v", &accept, "")).head().status == 200 {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("the seat is never free");
}

#[test]
fn only_a_request_that_watches_has_the_parameters_of_a_watch() {
    check(
        &Node::start(),
        r#"
        > GET /v1/values/v?keep_alive=1s
        < 400 invalid_parameter
          parameter = "keep_alive"
        > GET /v1/leases/l?keep_alive=1s
        < 400 invalid_parameter
        > GET /v1/leases/l?keep_alive=1h | accept: text/event-stream
        < 400 invalid_parameter
        > GET /v1/leases/l?after=5 | accept: text/event-stream
        < 400 unknown_parameter
        > GET /v1/leases/l | accept: text/event-stream;q=0, application/json
        < 200 | content-type: application/json
        "#,
    );
}
