//! Reactions from the command line.

use crate::node::Node;
use serde_json::Value;

fn json(node: &Node, arguments: &[&str]) -> Value {
    let arguments = [&["--output", "json"], arguments].concat();
    serde_json::from_str(&node.run(&arguments).ok()).unwrap()
}

#[test]
fn a_reaction_is_created_paused_resumed_and_deleted() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.run(&["append", "order-1", "placed", "{}"]).ok();
    node.run(&["append", "cart-1", "placed", "{}"]).ok();
    let put = ["reactions", "put", "mails", "--queue", "mails", "--task-type", "mail", "--prefix", "order-"];
    let put = [&put[..], &["--from", "beginning", "--key-from-stream"]].concat();
    let created = json(&node, &put);
    assert_eq!((&created[0]["reaction"], &created[0]["key_from"]), (&"mails".into(), &"stream".into()));
    while json(&node, &["reactions", "show", "mails"])[0]["state"] != "current" {
        std::thread::yield_now();
    }
    let tasks = json(&node, &["tasks", "mails"]);
    assert_eq!(tasks.as_array().unwrap().len(), 1, "{tasks}");
    assert_eq!((&tasks[0]["type"], &tasks[0]["payload"]["stream"]), (&"mail".into(), &"order-1".into()));

    assert_eq!(json(&node, &["reactions", "pause", "mails"])[0]["state"], "paused");
    node.run(&["append", "order-1", "placed", "{}"]).ok();
    assert_eq!(json(&node, &["reactions"])[0]["tasks"], 1);
    json(&node, &["reactions", "resume", "mails"]);
    while json(&node, &["reactions", "show", "mails"])[0]["tasks"] != 2 {
        std::thread::yield_now();
    }
    let table = node.run(&["reactions"]).ok();
    assert!(table.contains("order-*") && table.contains("current"), "{table}");
    node.run(&["reactions", "delete", "mails"]).ok();
    assert_eq!(json(&node, &["reactions"]), Value::Array(Vec::new()));
    node.run(&["reactions", "show", "mails"]).fails(3, "no reaction is named");
}
