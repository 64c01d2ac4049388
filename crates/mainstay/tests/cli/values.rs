//! Values on the command line.

use crate::node::{Node, mainstay};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn a_value_is_written_read_watched_and_deleted() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let values = |arguments: &[&str]| node.run(&[&["values"], arguments].concat());
    values(&["get", "flag"]).fails(3, "no value is named `flag`");
    assert_eq!(values(&["put", "flag", "on"]).ok(), "0\n");
    assert_eq!(values(&["put", "flag", "off", "--expect", "0"]).ok(), "1\n");
    values(&["put", "flag", "on", "--expect", "0"]).fails(4, "wrong_revision");
    assert_eq!(values(&["get", "flag"]).ok(), "off\n");
    let shown: Value = serde_json::from_str(&values(&["get", "flag", "--output", "json"]).ok()).unwrap();
    assert_eq!((&shown["revision"], &shown["content"]), (&json!(1), &json!("off")));
    let put =
        node.run_with_input(&["values", "put", "config", "-", "--content-type", "application/json"], "{}");
    assert_eq!(put.ok(), "0\n");
    let listed = values(&["list"]).ok();
    assert_eq!(listed.lines().next(), Some("VALUE   REVISION  BYTES  CONTENT TYPE"));
    assert!(listed.contains("config         0      2  application/json"), "{listed}");
    let mut watch = mainstay();
    watch.args(["--url", &node.url, "values", "watch", "flag", "--limit", "2"]).stdout(Stdio::piped());
    let mut watch = watch.spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let shown = next();
    assert_eq!((&shown["revision"], &shown["content"]), (&json!(1), &json!("off")));
    values(&["delete", "flag", "--expect", "0"]).fails(4, "wrong_revision");
    values(&["delete", "flag", "--expect", "1"]).ok();
    assert_eq!(next(), json!({"value": "flag", "revision": null}));
    assert!(watch.wait().unwrap().success());
}
