//! Lists, settings, deletion, and what the node says of itself.

use crate::node::Node;
use serde_json::json;

#[test]
fn streams_are_listed_page_by_page() {
    let node = Node::start();
    for n in 0..25 {
        node.post(&format!("/v1/streams/cart-{n}/events"), r#"{"type":"t"}"#);
    }
    node.post("/v1/streams/other/events", r#"{"type":"t"}"#);
    let mut next = Some("/v1/streams?prefix=cart-&limit=10".to_owned());
    let mut seen = Vec::new();
    while let Some(path) = next {
        let page = node.get(&path).json();
        let streams = page["streams"].as_array().unwrap();
        assert!(streams.len() <= 10);
        seen.extend(streams.iter().map(|stream| stream["stream"].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen.len(), 25);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 25);
}

#[test]
fn settings_are_put_whole_and_read_back() {
    let node = Node::start();
    let path = "/v1/streams/a/settings";
    assert_eq!(node.get(path).json()["max_age"], json!(null));
    let put = node.request(
        "PUT",
        path,
        &[("content-type", "application/json")],
        r#"{"max_age":"48h","max_count":5}"#,
    );
    assert_eq!(put.status, 200, "{}", put.text());
    let want = json!({"stream": "a", "max_age": "2d", "max_count": 5, "truncate_before": null});
    assert_eq!((put.json(), node.get(path).json()), (want.clone(), want));
    let beyond =
        node.request("PUT", path, &[("content-type", "application/json")], r#"{"truncate_before":7}"#);
    assert_eq!((beyond.status, beyond.code().as_str()), (409, "truncate_beyond_end"));
}

#[test]
fn a_deleted_stream_is_gone_and_goes_on_where_it_was() {
    let node = Node::start();
    let events = "/v1/streams/a/events";
    node.post(events, r#"{"type":"t"}"#);
    let wrong = node.request("DELETE", "/v1/streams/a", &[("if-match", "\"7\"")], "");
    assert_eq!((wrong.status, wrong.code().as_str()), (412, "wrong_revision"));
    assert_eq!(
        node.request("DELETE", "/v1/streams/a", &[], "").json(),
        json!({"stream": "a", "revision": 0})
    );
    assert_eq!(node.get("/v1/streams").json()["streams"], json!([]));
    assert_eq!(node.get(events).json()["revision"], json!(null));
    assert_eq!(node.request("DELETE", "/v1/streams/a", &[], "").status, 200, "repeating it is safe");
    assert_eq!(node.post(events, r#"{"type":"t"}"#).json()["revision"], 1);
}

#[test]
fn the_node_says_how_it_is() {
    let node = Node::start();
    assert_eq!(node.get("/livez").json()["status"], "ok");
    assert_eq!(
        node.get("/readyz").json(),
        json!({"status": "ready", "replayed_entries": 0, "read_only": null})
    );
    node.post("/v1/streams/a/events", r#"{"type":"t"}"#);
    let metrics = node.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    let line =
        r#"mainstay_http_requests_total{method="POST",route="/v1/streams/{stream}/events",status="200"} 1"#;
    assert!(metrics.text().contains(line), "{}", metrics.text());
    assert!(metrics.text().contains("mainstay_events_appended_total 1"));
    let errors = node.get("/v1/errors");
    assert!(errors.text().contains("## wrong_revision"));
    let node = node.restart();
    assert_eq!(
        node.get("/readyz").json()["replayed_entries"],
        0,
        "after a graceful stop nothing is replayed"
    );
}

#[test]
fn a_node_without_space_reads_and_says_why_it_does_not_write() {
    let node = Node::without_space();
    let refused = node.post("/v1/streams/a/events", r#"{"type":"t"}"#);
    assert_eq!((refused.status, refused.code().as_str()), (503, "read_only"));
    assert_eq!(refused.json()["retryable"], true);
    let lines = [("content-type", "application/x-ndjson")];
    let answer = node.request("POST", "/v1/events", &lines, "{\"stream\":\"a\",\"type\":\"t\"}\n");
    assert_eq!(answer.lines()[0]["problem"]["code"], "read_only");
    assert_eq!(node.get("/v1/streams/a/events").status, 200);
    let as_of = node.get("/v1/streams/a/events?as_of=2010-01-01T00:00:00Z");
    assert_eq!(
        as_of.code(),
        "read_only",
        "nothing was ever written, so no time is closed, and none can be now"
    );
    assert_eq!(node.get("/livez").status, 200);
}
