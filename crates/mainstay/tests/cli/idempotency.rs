//! Work under a key on the command line, and commands that run once.

use crate::node::Node;
use serde_json::{Value, json};

fn state(node: &Node, key: &str) -> Value {
    let shown = node.run(&["idempotency", "get", key, "--output", "json"]).ok();
    serde_json::from_str(&shown).unwrap()
}

#[test]
fn work_is_begun_completed_shown_and_forgotten() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let idempotency = |arguments: &[&str]| node.run(&[&["idempotency"], arguments].concat());
    idempotency(&["get", "pay"]).fails(3, "nothing was begun under `pay`");
    let begun = idempotency(&["begin", "pay", "--fingerprint", "x", "--ttl", "30s"]).ok();
    let token = begun.trim().strip_prefix("begun ").unwrap();
    idempotency(&["begin", "pay", "--fingerprint", "x"]).fails(4, "execution_in_progress");
    idempotency(&["begin", "pay", "--fingerprint", "y"]).fails(3, "fingerprint_differs");
    assert_eq!(state(&node, "pay")["state"], "in_progress");
    idempotency(&["complete", "pay", token, "--body", "{"]).fails(2, "the body is not JSON");
    idempotency(&["complete", "pay", token, "--status", "201", "--body", r#"{"id":7}"#]).ok();
    idempotency(&["complete", "pay", token, "--status", "500"]).ok();
    let completed = idempotency(&["begin", "pay", "--fingerprint", "x"]).ok();
    assert_eq!(completed.trim(), r#"completed {"status":201,"body":{"id":7}}"#);
    assert_eq!(state(&node, "pay")["response"], json!({"status": 201, "body": {"id": 7}}));
    idempotency(&["abandon", "pay", token]).fails(4, "execution_lost");
    assert_eq!(idempotency(&["forget", "pay"]).ok(), "forgotten\n");
    assert_eq!(idempotency(&["forget", "pay"]).ok(), "nothing was begun\n");
    idempotency(&["begin", "pay", "--ttl", "5"]).fails(2, "a whole number and a unit");
    idempotency(&["begin", "pay", "--ttl", "5ms"]).fails(3, "invalid_member");
}

#[test]
fn a_command_runs_once_and_its_output_is_printed_each_time() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let log = data.path().join("runs");
    let script = format!("echo ran >> {}; echo \"output of $MAINSTAY_KEY\"", log.display());
    let run = |script: &str| node.run(&["idempotency", "run", "report", "--", "sh", "-c", script]);
    for _ in 0..3 {
        assert_eq!(run(&script).ok(), "output of report\n");
    }
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "ran\n");
}

#[test]
fn a_command_that_fails_frees_its_key() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let run = |command: &[&str]| node.run(&[&["idempotency", "run", "report", "--"], command].concat());
    run(&["sh", "-c", "exit 7"]).fails(7, "");
    run(&["no-such-program"]).fails(1, "no-such-program");
    assert_eq!(run(&["echo", "done"]).ok(), "done\n");
    let slow = node.run(&["idempotency", "run", "slow", "--ttl", "1s", "--", "sleep", "60"]);
    slow.fails(1, "the time of the execution is over");
}
