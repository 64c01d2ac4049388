//! Events of subjects: sealed on the disk, open to readers, and gone when the subject is erased.

use crate::node::{ADMIN, Node};
use crate::script::check;
use crate::wire::{Connection, request};
use http_server::HttpOptions;
use http_server::options::Access;
use std::path::Path;

const SEALED: &str = "the-secret-of-anna";

/// Whether any file below a directory contains a text.
fn is_anywhere(directory: &Path, text: &str) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_anywhere(&path, text);
        }
        std::fs::read(&path).unwrap().windows(text.len()).any(|part| part == text.as_bytes())
    })
}

fn append(node: &Node) {
    check(
        node,
        r#"
        > POST /v1/streams/people/events | content-type: application/cloudevents-batch+json
          [{"type":"joined","id":"1","source":"/shop","subject":"anna","data":"the-secret-of-anna"},{"type":"joined","id":"2","source":"/shop","subject":"ben","data":"the-secret-of-ben"},{"type":"counted","data":"open to all"}]
        < 200
        "#,
    );
}

const READ: &str = r#"
        > GET /v1/streams/people/events
        < 200
          events.length = 3
          events[0].id = "1"
          events[0].source = "/shop"
          events[0].subject = "anna"
          events[0].data = "the-secret-of-anna"
          events[0].erased = absent
          events[1].data = "the-secret-of-ben"
          events[2].data = "open to all"
        "#;

const READ_ERASED: &str = r#"
        > GET /v1/streams/people/events
        < 200
          events.length = 3
          events[0].type = "joined"
          events[0].erased = true
          events[0].revision = 0
          events[0].subject = absent
          events[0].data = absent
          events[0].source = "/streams/people"
          events[1].data = "the-secret-of-ben"
          events[2].data = "open to all"
        > GET /v1/events?type=joined
        < 200
          events.length = 2
          events[0].erased = true
          events[1].subject = "ben"
        "#;

#[test]
fn what_is_said_of_a_subject_is_on_no_disk_and_unreadable_once_it_is_erased() {
    let node = Node::with_subject_keys(HttpOptions::default());
    append(&node);
    check(&node, READ);
    // A start reads the events from the log, and what it flushed from the bodies.
    let node = node.restart_with_subject_keys(|data| {
        assert!(!is_anywhere(data, SEALED) && !is_anywhere(data, "anna"), "the content is on the disk");
        assert!(is_anywhere(data, "open to all"), "void: nothing is on the disk");
    });
    check(&node, READ);
    check(
        &node,
        r#"
        > POST /v1/erasures
          {"subject":"nobody"}
        < 200
          existed = false
          erased = absent
        > POST /v1/erasures
          {"subject":"anna"}
        < 200
          existed = true
        > POST /v1/erasures
          {"subject":"anna"}
        < 200
          existed = false
        "#,
    );
    check(&node, READ_ERASED);
    let node = node.restart_with_subject_keys(|_| {});
    check(&node, READ_ERASED);
}

#[test]
fn an_event_without_a_subject_has_that_of_its_data_or_of_its_stream_where_the_node_says_so() {
    let sources = ["data.customer.id", "stream"].map(|source| source.parse().unwrap());
    let options = HttpOptions { subject_sources: sources.to_vec(), ..HttpOptions::default() };
    let node = Node::with_subject_keys(options);
    check(
        &node,
        r#"
        > POST /v1/streams/orders/events
          {"type":"placed","id":"1","data":{"customer":{"id":"anna"},"note":"the-secret-of-anna"}}
        < 200
        > POST /v1/streams/ben/events
          {"type":"joined","id":"2","data":"the-secret-of-ben"}
        < 200
        > POST /v1/streams/orders/events
          {"type":"placed","id":"1","data":{"customer":{"id":"anna"},"note":"the-secret-of-anna"}}
        < 200
          replayed = true
        > GET /v1/streams/orders/events
        < 200
          events.length = 1
          events[0].data.note = "the-secret-of-anna"
          events[0].subject = absent
        "#,
    );
    let node = node.restart_with_subject_keys(|data| {
        assert!(!is_anywhere(data, SEALED) && !is_anywhere(data, "the-secret-of-ben"));
    });
    check(
        &node,
        r#"
        > POST /v1/erasures
          {"subject":"anna"}
        < 200
          existed = true
        > POST /v1/erasures
          {"subject":"ben"}
        < 200
          existed = true
        > GET /v1/events
        < 200
          events.length = 2
          events[0].erased = true
          events[1].erased = true
        "#,
    );
}

#[test]
fn an_event_that_is_sent_again_is_not_appended_again_although_it_is_sealed() {
    let node = Node::with_subject_keys(HttpOptions::default());
    check(
        &node,
        r#"
        > POST /v1/streams/people/events
          {"type":"joined","id":"1","subject":"anna","data":1}
        < 200
          revision = 0
        > POST /v1/streams/people/events
          {"type":"joined","id":"1","subject":"anna","data":1}
        < 200 | idempotent-replayed: true
          revision = 0
        > POST /v1/streams/people/events
          {"type":"joined","id":"1","subject":"anna","data":2}
        < 409 event_conflict
        > POST /v1/transactions
          {"checks":[],"writes":[{"append":{"stream":"people","events":[{"type":"left","subject":"anna","data":"the-secret-of-anna"}]}}]}
        < 200
        > GET /v1/streams/people/events
        < 200
          events.length = 2
          events[1].data = "the-secret-of-anna"
        > POST /v1/erasures
          {"subject":"anna"}
        < 200
          existed = true
        > POST /v1/streams/people/events
          {"type":"joined","subject":"anna","data":3}
        < 200
          revision = 2
        > GET /v1/streams/people/events
        < 200
          events.length = 3
          events[0].erased = true
          events[1].erased = true
          events[2].data = 3
        "#,
    );
}

/// A fingerprint that does not depend on the key would still tell which guess is right.
#[test]
fn what_an_erased_event_said_cannot_be_found_out_by_sending_it_again() {
    let node = Node::with_subject_keys(HttpOptions::default());
    check(
        &node,
        r#"
        > POST /v1/streams/people/events
          {"type":"joined","id":"1","subject":"anna","data":1}
        < 200
        > POST /v1/erasures
          {"subject":"anna"}
        < 200
          existed = true
        > POST /v1/streams/people/events
          {"type":"joined","id":"1","subject":"anna","data":2}
        < 409 event_conflict
        > POST /v1/streams/people/events
          {"type":"joined","id":"1","subject":"anna","data":1}
        < 409 event_conflict
        "#,
    );
}

#[test]
fn lines_and_transactions_are_sealed_too() {
    let node = Node::with_subject_keys(HttpOptions::default());
    check(
        &node,
        r#"
        > POST /v1/events | content-type: application/x-ndjson
          {"stream":"a","type":"joined","subject":"anna","data":"the-secret-of-anna"}
        < 200
        > POST /v1/transactions
          {"checks":[],"writes":[{"append":{"stream":"b","events":[{"type":"left","subject":"anna","data":"the-secret-of-anna"}]}}]}
        < 200
        > GET /v1/events
        < 200
          events.length = 2
          events[0].data = "the-secret-of-anna"
          events[1].data = "the-secret-of-anna"
        "#,
    );
    drop(node.restart_with_subject_keys(|data| assert!(!is_anywhere(data, SEALED))));
}

#[test]
fn a_task_of_a_sealed_event_says_where_the_event_is() {
    let node = Node::with_subject_keys(HttpOptions::default());
    check(
        &node,
        r#"
        > PUT /v1/reactions/greet
          {"prefix":"people","queue":"mails","task_type":"greet"}
        < 200
        > POST /v1/streams/people/events
          {"type":"joined","subject":"anna","data":"the-secret-of-anna"}
        < 200
        > POST /v1/queues/mails/claims
          {"worker":"w","wait":"20s"}
        < 200
          tasks.length = 1
          tasks[0].payload.stream = "people"
          tasks[0].payload.revision = 0
          tasks[0].payload.type = "joined"
          tasks[0].payload.data = absent
          tasks[0].payload.subject = absent
        "#,
    );
    drop(node.restart_with_subject_keys(|data| assert!(!is_anywhere(data, SEALED))));
}

#[test]
fn an_erasure_is_told_without_saying_whose_it_was() {
    let options = HttpOptions { access: Access::Tokens, attempts_burst: 1_000_000, ..HttpOptions::default() };
    let node = Node::with_subject_keys(options);
    let admin = format!("Bearer {ADMIN}");
    let as_admin = |method: &str, path: &str, body: &str| {
        let headers = [("authorization", &*admin), ("content-type", "application/json")];
        node.request(method, path, &headers, body)
    };
    let event = r#"{"type":"joined","subject":"anna"}"#;
    assert_eq!(as_admin("POST", "/v1/streams/people/events", event).status, 200);
    assert_eq!(as_admin("POST", "/v1/erasures", r#"{"subject":"anna"}"#).status, 200);
    let told = as_admin("GET", "/v1/streams/$audit/events?direction=backward&limit=1", "");
    let told = &told.json()["events"][0];
    assert_eq!(told["type"], "audit.eraseSubject");
    assert_eq!(told["data"]["target"], "key 1");
    assert!(!told.to_string().contains("anna"), "{told}");
}

#[test]
fn a_node_without_keys_seals_nothing_and_says_so() {
    let node = Node::start();
    append(&node);
    check(&node, READ);
    check(
        &node,
        r#"
        > POST /v1/erasures
          {"subject":"anna"}
        < 409 no_subject_keys
        > GET /v1/subject-keys
        < 409 no_subject_keys
        "#,
    );
    // What was appended before stays as it is.
    let node = node.restart_with_subject_keys(|_| {});
    check(&node, READ);
    for (body, code) in [
        ("{}", "missing_member"),
        (r#"{"subject":""}"#, "invalid_member"),
        (r#"{"subject":7}"#, "invalid_member"),
        (r#"{"subject":"a","more":1}"#, "unknown_member"),
        ("{", "invalid_json"),
    ] {
        let refused = node.request("POST", "/v1/erasures", &[("content-type", "application/json")], body);
        assert_eq!((refused.status, refused.json()["code"].as_str()), (400, Some(code)), "{body}");
    }
}

#[test]
fn keys_are_copied_in_parts_and_none_of_them_is_readable() {
    let node = Node::with_subject_keys(HttpOptions::default());
    append(&node);
    let copy = |after: u32| node.get(&format!("/v1/subject-keys?after={after}")).body;
    let (all, rest, none) = (copy(0), copy(1), copy(9));
    assert_eq!((all.len() - rest.len(), rest.len() - none.len()), (128, 128));
    assert!(!all.windows(4).any(|part| part == b"anna"));
    assert_eq!(node.get("/v1/subject-keys?after=x").status, 400);
}

#[test]
fn a_node_whose_keys_are_not_those_of_its_events_stops_and_says_so() {
    for what in ["missing", "of another life"] {
        let node = Node::with_subject_keys(HttpOptions::default());
        append(&node);
        let node = node.restart_with_subject_keys(|data| {
            std::fs::remove_file(data.join("SUBJECT-KEYS")).unwrap();
        });
        if what == "of another life" {
            let event = r#"{"type":"joined","subject":"cleo"}"#;
            let headers = [("content-type", "application/json")];
            assert_eq!(node.request("POST", "/v1/streams/others/events", &headers, event).status, 200);
        }
        let mut connection = Connection::to(&node);
        let bytes = connection.send(request("GET", "/v1/streams/people/events", &[], "")).rest();
        // The response may be lost with the process.
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 503 "), "{text}");
        let why = node.why_it_stopped();
        assert!(why.contains("SUBJECT-KEYS"), "{what}: {why}");
    }
}
