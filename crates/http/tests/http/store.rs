//! The identity of a store: who says it, and who must not be mixed up.

use crate::node::Node;
use crate::script::Script;
use api::Operation;
use api::contract::Method;
use api::contract::parameters::STORE;
use http_server::HttpOptions;
use std::collections::BTreeSet;

const OTHER: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn pages_lines_and_subscriptions_name_the_store() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > GET /v1
        < 200 | mainstay-store: $store
          store = $store
        > POST /v1/streams/a/events
          {"type":"t"}
        < 200
        > GET /v1/streams/a/events
        < 200 | mainstay-store: $store
        > GET /v1/events
        < 200 | mainstay-store: $store
        > GET /v1/streams
        < 200 | mainstay-store: $store
        > GET /v1/streams/a/events | accept: application/x-ndjson
        < 200 | mainstay-store: $store
        > GET /v1/events | accept: application/x-ndjson
        < 200 | mainstay-store: $store
        "#,
    );
    let store = script.value("store").as_str().unwrap().to_owned();
    assert!(store.len() == 32 && store.bytes().all(|byte| byte.is_ascii_hexdigit()), "{store}");
    for path in ["/v1/streams/a/events", "/v1/events"] {
        let follow = crate::wire::request("GET", path, &[("accept", "text/event-stream")], "");
        let head = crate::wire::Connection::to(&node).send(follow).head();
        assert_eq!(head.header("mainstay-store"), Some(&*store), "{path}");
    }
}

#[test]
fn a_request_for_another_store_is_refused_and_one_for_this_store_is_served() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run("> GET /v1\n< 200\nstore = $store");
    let mut refused = 0;
    for operation in Operation::ALL.iter().filter(|operation| operation.takes(&STORE)) {
        let (method, path) = (operation.method().as_str(), operation.path().replace("{stream}", "a"));
        let response = node.request(method, &path, &[("mainstay-store", OTHER)], "");
        assert_eq!(response.code(), "other_store", "{operation:?}");
        refused += 1;
    }
    assert!(refused > 5, "all operations on data take the header");
    script.run(&format!(
        r#"
        > GET /v1/events?after=00000000000000000000 | mainstay-store: $store
        < 200
        > POST /v1/streams/a/events | mainstay-store: $store
          {{"type":"t"}}
        < 200
        > GET /v1/events?after=00000000000000000000 | mainstay-store: {OTHER}
        < 409 other_store
          header = "mainstay-store"
          store = $store
        > GET /v1/events | accept: text/event-stream | mainstay-store: {OTHER}
        < 409 other_store
        > POST /v1/streams/a/events | mainstay-store: {OTHER}
          {{"type":"t"}}
        < 409 other_store
        > GET /v1/streams/a/events
        < 200
          revision = 0
        > GET /v1/events | mainstay-store: x
        < 400 invalid_header
        > GET /v1/events | mainstay-store: $store | mainstay-store: $store
        < 400 duplicate_header
        > GET /livez | mainstay-store: {OTHER}
        < 200
        "#
    ));
}

#[test]
fn a_store_keeps_its_identity_and_every_new_store_has_another() {
    let identity = |node: &Node| node.get("/v1").json()["store"].as_str().unwrap().to_owned();
    let node = Node::start();
    let first = identity(&node);
    let node = node.restart();
    assert_eq!(identity(&node), first);
    assert_ne!(identity(&Node::start()), first);
}

/// Every operation of the contract has a route, and the document lists every operation: neither can be missing.
#[test]
fn every_documented_operation_is_routed() {
    let node = Node::with_subject_keys(HttpOptions::default());
    let document = node.get("/v1/openapi.json").json();
    let mut routed = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let allowed = node.request("OPTIONS", &path.replace("{stream}", "a"), &[], "");
        let allowed = allowed.header("allow").unwrap_or_default().to_owned();
        for method in methods.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            assert!(allowed.split(", ").any(|allowed| allowed == method), "{method} {path}: {allowed}");
            routed.insert((method, path.clone()));
        }
        let methods_allowed =
            allowed.split(", ").filter(|method| !matches!(*method, "HEAD" | "OPTIONS")).count();
        assert_eq!(methods_allowed, methods.as_object().unwrap().len(), "{path}: {allowed}");
    }
    let operations: BTreeSet<_> = Operation::ALL
        .iter()
        .map(|operation| (operation.method().as_str().to_owned(), operation.path().to_owned()))
        .collect();
    assert_eq!(routed, operations);
    for operation in Operation::ALL.iter().filter(|operation| operation.method() == Method::Get) {
        let path = operation.path().replace("{stream}", "a");
        // These exist only when they were made, unlike a stream, a queue or a lease.
        let is_made = matches!(
            operation,
            Operation::GetTask
                | Operation::GetExecution
                | Operation::GetGroup
                | Operation::GetLimit
                | Operation::GetSchedule
                | Operation::GetValue
                | Operation::GetReaction
        );
        let is_backup = matches!(
            operation,
            Operation::ReadBackupRows | Operation::ReadBackupSegment | Operation::ArchiveLog
        );
        // `{backup}` and `{archive}` are not the names of one.
        let status = if is_backup {
            400
        } else if is_made {
            404
        } else {
            200
        };
        assert_eq!(node.get(&path).status, status, "{operation:?}");
    }
}
