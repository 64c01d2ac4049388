//! Following: history, then what comes; coming back; filters; the end.

use crate::node::Node;
use crate::wire::{Connection, request};
use http_server::HttpOptions;
use std::time::Duration;

const FOLLOW: (&str, &str) = ("accept", "text/event-stream");

fn follow(node: &Node, path: &str, headers: &[(&str, &str)]) -> Connection {
    let mut connection = Connection::to(node);
    let headers = [&[FOLLOW], headers].concat();
    let head = connection.send(request("GET", path, &headers, "")).head();
    assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")));
    connection
}

/// The ids and data numbers of the messages in a text.
fn messages(text: &str) -> Vec<(String, u64)> {
    text.split("\n\n")
        .filter_map(|message| {
            let (id, data) = message.strip_prefix("id: ")?.split_once("\ndata: ")?;
            let event: serde_json::Value = serde_json::from_str(data).unwrap();
            assert_eq!(event["cursor"], id);
            Some((id.to_owned(), event["data"].as_u64().unwrap()))
        })
        .collect()
}

#[test]
fn a_subscriber_gets_history_and_then_what_comes() {
    let node = Node::start();
    for path in ["/v1/streams/s/events", "/v1/events"] {
        let node = Node::start();
        node.append_numbers("s", 0..3);
        let mut subscriber = follow(&node, path, &[]);
        let mut text = subscriber.chunks_until("\"data\":2}");
        node.append_numbers("s", 3..5);
        text.push_str(&subscriber.chunks_until("\"data\":4}"));
        let seen = messages(&text);
        assert_eq!(seen.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        // Coming back, it goes on behind the last one it saw, whatever its query says.
        let back = [("last-event-id", seen[3].0.as_str())];
        let mut subscriber = follow(&node, path, &back);
        assert_eq!(messages(&subscriber.chunks_until("\"data\":4}"))[0].1, 4);
    }
    drop(node);
}

#[test]
fn a_stream_that_is_not_there_yet_can_be_followed() {
    let node = Node::start();
    let mut subscriber = follow(&node, "/v1/streams/s/events", &[]);
    node.append_numbers("other", 0..3);
    node.append_numbers("s", 7..8);
    assert_eq!(messages(&subscriber.chunks_until("\"data\":7}"))[0].1, 7);
}

#[test]
fn only_what_comes_is_only_what_comes() {
    let node = Node::start();
    node.append_numbers("s", 0..3);
    let mut one = follow(&node, "/v1/streams/s/events?from=end", &[]);
    let mut all = follow(&node, "/v1/events?after=end", &[]);
    node.append_numbers("s", 3..4);
    assert_eq!(messages(&one.chunks_until("\"data\":3}")).len(), 1);
    assert_eq!(messages(&all.chunks_until("\"data\":3}")).len(), 1);
}

#[test]
fn a_filtered_subscriber_is_moved_on_without_events() {
    let node = Node::with(HttpOptions { keep_alive: Duration::from_millis(50), ..HttpOptions::default() });
    let mut subscriber = follow(&node, "/v1/events?type=wanted", &[]);
    node.append_numbers("s", 0..10);
    let text = subscriber.chunks_until("id: ");
    let id = text.rsplit("id: ").next().unwrap().trim();
    let last = node.get("/v1/events").json()["events"][9]["cursor"].as_str().unwrap().to_owned();
    assert!(id >= last.as_str(), "{id} {last}");
    assert!(messages(&text).is_empty());
    subscriber.chunks_until(": keep-alive");
    node.post("/v1/streams/s/events", r#"{"type":"wanted","data":1}"#);
    subscriber.chunks_until("\"type\":\"wanted\"");
}

#[test]
fn a_subscription_overtaken_by_removal_ends_with_a_problem() {
    let node = Node::start();
    node.append_numbers("s", 0..10);
    let before = node.get("/v1/streams/s/events").json();
    node.request(
        "PUT",
        "/v1/streams/s/settings",
        &[("content-type", "application/json")],
        r#"{"truncate_before":6}"#,
    );
    let place = before["events"][2]["cursor"].as_str().unwrap();
    let mut connection = Connection::to(&node);
    let response = connection
        .send(request("GET", "/v1/streams/s/events", &[FOLLOW, ("last-event-id", place)], ""))
        .response();
    response.assert_problem(410, "history_truncated");
}

#[test]
fn a_slow_subscription_overtaken_by_removal_says_so_and_ends() {
    let node = Node::start();
    let large = "x".repeat(100_000);
    for n in 0..300 {
        let event = format!(r#"{{"type":"t","subject":"{n}","data":"{large}"}}"#);
        assert_eq!(node.post("/v1/streams/s/events", &event).status, 200);
    }
    // Far more history than all buffers hold, and none of it is read before most of it is removed.
    let mut subscriber = follow(&node, "/v1/streams/s/events", &[]);
    let json = [("content-type", "application/json")];
    assert_eq!(
        node.request("PUT", "/v1/streams/s/settings", &json, r#"{"truncate_before":299}"#).status,
        200
    );
    let text = subscriber.chunks_until("event: problem\n");
    assert!(text.contains("\"code\":\"history_truncated\"") && text.contains("\"first_revision\":299"));
    assert!(!text.contains("\"subject\":\"299\""), "nothing behind the gap");
    assert_eq!(subscriber.chunk(), None);
    assert!(node.get("/metrics").text().contains("mainstay_subscribers_overtaken_total 1"));
}

#[test]
fn subscribers_are_told_when_the_node_stops() {
    let mut node = Node::start();
    node.append_numbers("s", 0..1);
    let mut subscriber = follow(&node, "/v1/events", &[]);
    subscriber.chunks_until("\"data\":0}");
    std::thread::scope(|scope| {
        scope.spawn(|| node.stop());
        subscriber.chunks_until("event: end\n");
        assert_eq!(subscriber.chunk(), None, "a clean end");
    });
}

#[test]
fn one_subscriber_too_many_is_told_so() {
    let node = Node::with(HttpOptions { subscribers_max: 1, ..HttpOptions::default() });
    let _held = follow(&node, "/v1/events", &[]);
    let response = Connection::to(&node).send(request("GET", "/v1/events", &[FOLLOW], "")).response();
    response.assert_problem(503, "too_many_subscribers");
}

#[test]
fn a_slow_subscriber_falls_back_and_misses_nothing() {
    let node = Node::start();
    let mut subscriber = follow(&node, "/v1/events", &[]);
    let large = "x".repeat(100_000);
    // Far more than all buffers between the two hold, while nothing is read.
    for n in 0..200 {
        node.post("/v1/streams/s/events", &format!(r#"{{"type":"t","subject":"{n}","data":"{large}"}}"#));
    }
    let text = subscriber.chunks_until("\"subject\":\"199\"");
    for n in 0..200 {
        assert!(text.contains(&format!("\"subject\":\"{n}\"")), "{n}");
    }
}
