//! Reading the whole store: order, filters, pages, lines, HTTP/1.0.

use crate::node::Node;
use crate::wire::Connection;
use serde_json::{Value, json};

fn fill(node: &Node) {
    for n in 0..30 {
        let (stream, kind) = (["cart-1", "cart-2", "order-1"][n % 3], ["added", "removed"][n % 2]);
        node.post(&format!("/v1/streams/{stream}/events"), &format!(r#"{{"type":"{kind}","data":{n}}}"#));
    }
}

fn data(events: &Value) -> Vec<u64> {
    events.as_array().unwrap().iter().map(|event| event["data"].as_u64().unwrap()).collect()
}

fn pages(node: &Node, path: &str) -> Vec<u64> {
    let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let page = node.get(&path).json();
        all.extend(data(&page["events"]));
        next = page["next"].as_str().map(str::to_owned);
    }
    all
}

#[test]
fn the_store_is_read_in_the_order_of_recording() {
    let node = Node::start();
    fill(&node);
    let all: Vec<u64> = (0..30).collect();
    assert_eq!(pages(&node, "/v1/events"), all);
    assert_eq!(pages(&node, "/v1/events?limit=4"), all);
    let lines = node.get_lines("/v1/events");
    assert_eq!(lines.lines().iter().map(|line| line["data"].as_u64().unwrap()).collect::<Vec<_>>(), all);
    let page = node.get("/v1/events").json();
    assert!(lines.header("mainstay-cursor") >= page["events"][29]["cursor"].as_str());
    let cursor = page["cursor"].as_str().unwrap().to_owned();
    assert_eq!(pages(&node, &format!("/v1/events?after={cursor}")), [0; 0]);
    node.post("/v1/streams/x/events", r#"{"type":"t","data":30}"#);
    assert_eq!(
        pages(&node, &format!("/v1/events?after={cursor}")),
        [30],
        "the end of a page is where to go on"
    );
}

#[test]
fn filters_narrow_and_combine() {
    let node = Node::start();
    fill(&node);
    let want = |keep: fn(&u64) -> bool| (0..30).filter(keep).collect::<Vec<u64>>();
    assert_eq!(pages(&node, "/v1/events?prefix=cart-&limit=3"), want(|n| n % 3 < 2));
    assert_eq!(pages(&node, "/v1/events?type=added&limit=3"), want(|n| n % 2 == 0));
    assert_eq!(pages(&node, "/v1/events?type=added&type=removed"), want(|_| true));
    assert_eq!(pages(&node, "/v1/events?prefix=order-&type=removed"), want(|n| n % 3 == 2 && n % 2 == 1));
    assert_eq!(pages(&node, "/v1/events?type=none"), [0; 0]);
    assert_eq!(node.get_lines("/v1/events?prefix=order-&limit=2").lines().len(), 2);
}

#[test]
fn the_store_as_of_a_past_moment_stays_as_it_was() {
    let node = Node::start();
    fill(&node);
    let page = node.get("/v1/events?limit=12").json();
    let cursor = page["events"][11]["cursor"].as_str().unwrap();
    assert_eq!(pages(&node, &format!("/v1/events?as_of={cursor}&limit=5")), (0..12).collect::<Vec<u64>>());
    assert_eq!(node.get_lines(&format!("/v1/events?as_of={cursor}")).lines().len(), 12);
}

#[test]
fn removed_events_are_passed_over_and_the_answer_says_so() {
    let node = Node::start();
    fill(&node);
    assert_eq!(node.get("/v1/events").json()["removed_through"], json!(null));
    assert_eq!(node.request("DELETE", "/v1/streams/cart-1", &[], "").status, 200);
    assert_eq!(pages(&node, "/v1/events?limit=7"), (0..30).filter(|n| n % 3 != 0).collect::<Vec<u64>>());
    let page = node.get("/v1/events").json();
    assert!(page["removed_through"].is_string());
    assert!(node.get_lines("/v1/events").header("mainstay-removed-through").is_some());
}

#[test]
fn http_1_0_gets_lines_without_chunks_up_to_the_end_of_the_connection() {
    let node = Node::start();
    let large = "x".repeat(20_000);
    for n in 0..50 {
        node.post("/v1/streams/s/events", &format!(r#"{{"type":"t","data":"{n}{large}"}}"#));
    }
    let mut connection = Connection::to(&node);
    let response = connection
        .send("GET /v1/events HTTP/1.0\r\nhost: localhost\r\naccept: application/x-ndjson\r\n\r\n")
        .response();
    assert_eq!((response.header("transfer-encoding"), response.header("content-length")), (None, None));
    assert_eq!(response.lines().len(), 50);
}
