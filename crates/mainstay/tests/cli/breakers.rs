//! Shared breakers on the command line.

use crate::node::Node;
use serde_json::Value;

#[test]
fn breakers_are_set_listed_held_and_deleted() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.run(&["breakers", "set", "partner", r#"{"consecutive_failures":3,"open_for":"10s"}"#]).ok();
    node.run(&["breakers", "open", "partner"]).ok();
    let table = node.run(&["breakers", "list"]).ok();
    assert!(table.starts_with("BREAKER") && table.contains("open (held)"), "{table}");
    let shown: Value =
        serde_json::from_str(&node.run(&["breakers", "show", "partner", "--output", "json"]).ok()).unwrap();
    assert_eq!(shown[0]["settings"]["consecutive_failures"], 3);
    assert_eq!(shown[0]["forced"], "open");
    node.run(&["breakers", "close", "partner"]).ok();
    node.run(&["breakers", "auto", "partner"]).ok();
    let table = node.run(&["breakers", "show", "partner"]).ok();
    assert!(table.contains("closed") && !table.contains("held"), "{table}");
    node.run(&["breakers", "delete", "partner"]).ok();
    node.run(&["breakers", "delete", "partner"]).fails(3, "no breaker has this name");
}

#[test]
fn settings_that_no_breaker_has_are_refused() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.run(&["breakers", "set", "partner", r#"{"sloth_percent":5}"#]).fails(2, "no member `sloth_percent`");
    node.run(&["breakers", "set", "partner", r#"{"slow_percent":5}"#]).fails(3, "`slow_after` is missing");
    node.run(&["breakers", "set", "partner", "5"]).fails(2, "not settings of a breaker");
    node.run(&["breakers", "set", "partner", r#"{"calls_min":0}"#]).fails(3, "out of range");
}
