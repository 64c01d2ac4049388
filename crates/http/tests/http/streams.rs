//! Lists, settings, deletion, and what a node reports about itself.

use crate::node::Node;
use crate::script::{Script, check};

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
fn settings_are_replaced_as_a_whole_and_read_back() {
    check(
        &Node::start(),
        r#"
        > GET /v1/streams/a/settings
        < 200
          . = {"stream":"a","max_age":null,"max_count":null,"truncate_before":null}
        > PUT /v1/streams/a/settings
          {"max_age":"48h","max_count":5}
        < 200
          . = {"stream":"a","max_age":"2d","max_count":5,"truncate_before":null}
        > GET /v1/streams/a/settings
        < 200
          . = {"stream":"a","max_age":"2d","max_count":5,"truncate_before":null}
        > PUT /v1/streams/a/settings
          {"truncate_before":7}
        < 409 truncate_beyond_end
          member = "truncate_before"
          next_revision = 0
        > PUT /v1/streams/a/settings
          {}
        < 200
          max_age = null
        "#,
    );
}

#[test]
fn a_deleted_stream_is_gone_and_its_revisions_are_not_reused() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/a/events
          {"type":"t"}
        < 200
        > DELETE /v1/streams/a | if-match: "7"
        < 412 wrong_revision
          current_revision = 0
        > DELETE /v1/streams/a
        < 200
          . = {"stream":"a","revision":0}
        > GET /v1/streams
        < 200
          streams = []
        > GET /v1/streams/a/events
        < 200
          revision = null
        > DELETE /v1/streams/a
        < 200
        > POST /v1/streams/a/events
          {"type":"t"}
        < 200
          revision = 1
        "#,
    );
}

#[test]
fn a_node_reports_its_state() {
    let node = Node::start();
    check(
        &node,
        r#"
        > GET /livez
        < 200
          . = {"status":"ok"}
        > GET /readyz
        < 200
          . = {"status":"ready","replayed_entries":0,"read_only":null}
        > POST /v1/streams/a/events
          {"type":"t"}
        < 200
        "#,
    );
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
fn a_node_without_disk_space_serves_reads_and_says_why_it_refuses_writes() {
    let node = Node::without_space();
    Script::new(&node).run(
        r#"
        > POST /v1/streams/a/events
          {"type":"t"}
        < 503 read_only
          retryable = true
        > POST /v1/events | content-type: application/x-ndjson
          {"stream":"a","type":"t"}
        < 200
          [0].problem.code = "read_only"
        > GET /v1/streams/a/events
        < 200
        > GET /v1/streams/a/events?as_of=2010-01-01T00:00:00Z
        < 503 read_only
        > GET /livez
        < 200
        "#,
    );
}
