//! One request each: append, read, follow, streams; a node's beginning and end.

use crate::node::{Node, mainstay, run, spawn};
use mainstay_client::NewEvent;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

fn append(node: &Node, arguments: &[&str]) -> Value {
    let arguments = [&["append", "--output", "json"], arguments].concat();
    serde_json::from_str(&node.run(&arguments).ok()).unwrap()
}

#[test]
fn an_event_is_appended_and_read_in_each_form() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let first = append(&node, &["cart-7", "cart.item-added", r#"{"sku": "b-12", "price": 1.50}"#]);
    assert_eq!(
        (&first["events"][0]["revision"], &first["events"][0]["replayed"]),
        (&0.into(), &false.into())
    );
    append(&node, &["cart-7", "cart.emptied", "--id", "1", "--subject", "x", "--extension", "shop=berlin"]);

    let table = node.run(&["read", "cart-7"]).ok();
    assert!(table.starts_with("REVISION  TIME"), "{table}");
    assert!(table.contains(r#"cart.item-added  {"sku": "b-12", "price": 1.50}"#), "{table}");
    let events: Vec<Value> = serde_json::from_str(&node.run(&["read", "--output", "json"]).ok()).unwrap();
    assert_eq!((events.len(), &events[1]["shop"], &events[1]["id"]), (2, &"berlin".into(), &"1".into()));
    let lines = node.run(&["read", "cart-7", "--backward", "--limit", "1", "--output", "jsonl"]).ok();
    assert_eq!(lines.lines().count(), 1);
    assert_eq!(serde_json::from_str::<Value>(&lines).unwrap()["revision"], 1);
}

#[test]
fn a_stream_that_does_not_exist_is_refused_and_not_shown_as_empty() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    append(&node, &["cart-7", "t"]);
    for output in ["table", "json", "jsonl"] {
        let ran = node.run(&["read", "crat-7", "--output", output]);
        assert_eq!(ran.out, "", "{output}");
        ran.fails(3, "`crat-7` does not exist");
    }
    node.run(&["export", "crat-7"]).fails(3, "`crat-7` does not exist");
    // A stream that exists may well have no matching event.
    let nothing = node.run(&["read", "cart-7", "--as-of", "2000-01-01T00:00:00Z", "--output", "jsonl"]);
    assert_eq!(nothing.ok(), "");
}

#[test]
fn a_follower_says_that_it_waits_for_a_stream_that_does_not_exist() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let mut follower = mainstay()
        .args(["--url", &node.url, "--output", "jsonl", "follow", "cart-7", "--limit", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(follower.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("`cart-7` does not exist yet"), "{said}");
    append(&node, &["cart-7", "t"]);
    let ended = follower.wait_with_output().unwrap();
    assert!(ended.status.success() && !ended.stdout.is_empty(), "{ended:?}");
}

#[test]
fn the_help_of_export_says_what_an_import_does_not_keep() {
    let help = run(mainstay().args(["export", "--help"]), "").ok();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("new cursors and recorded times") && help.contains("backup"), "{help}");
}

#[test]
fn a_pipe_gets_no_colour() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    append(&node, &["s", "t"]);
    assert!(!node.run(&["read", "s"]).ok().contains('\u{1b}'));
}

#[test]
fn failures_have_the_exit_status_of_their_class() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    append(&node, &["s", "t", "1", "--id", "1", "--expect", "none"]);
    node.run(&["append", "s", "t", "--expect", "none"]).fails(4, "wrong_revision");
    node.run(&["append", "s", "t", "--expect", "7"]).fails(4, "current_revision");
    node.run(&["append", "s", "t", "2", "--id", "1"]).fails(4, "event_conflict");
    node.run(&["append", "", "t"]).fails(3, "name");
    node.run(&["append", "s", "t", "--extension", "Not-A-Name=1"]).fails(3, "unknown_member");
    node.run(&["read", "s", "--as-of", "2999-01-01T00:00:00Z"]).fails(3, "time_in_future");
    let again = append(&node, &["s", "t", "1", "--id", "1", "--expect", "none"]);
    assert_eq!(again["events"][0]["replayed"], true, "a replay is looked for before the expectation");
}

#[test]
fn a_stream_is_read_as_of_any_moment() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let first = append(&node, &["s", "t", "--time", "2010-01-02T00:00:00Z"]);
    append(&node, &["s", "t", "--time", "2010-01-01T00:00:00Z"]);
    let cursor = first["events"][0]["cursor"].as_str().unwrap();
    let count = |arguments: &[&str]| {
        let lines = node.run(&[&["read", "s", "--output", "jsonl"], arguments].concat()).ok();
        lines.lines().count()
    };
    assert_eq!(count(&[]), 2);
    assert_eq!(count(&["--as-of", cursor]), 1, "recorded by then");
    assert_eq!(count(&["--as-of", "2000-01-01T00:00:00Z"]), 0);
    assert_eq!(count(&["--as-of-event-time", "2010-01-01T12:00:00Z"]), 1, "happened by then");
}

#[test]
fn streams_are_listed_by_prefix() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    for stream in ["cart-1", "cart-2", "customer-1"] {
        append(&node, &[stream, "t"]);
    }
    append(&node, &["cart-1", "t"]);
    let table = node.run(&["streams", "--prefix", "cart-"]).ok();
    assert_eq!(table.lines().count(), 3, "{table}");
    let streams: Vec<Value> = serde_json::from_str(&node.run(&["streams", "--output", "json"]).ok()).unwrap();
    let cart = streams.iter().find(|stream| stream["stream"] == "cart-1").unwrap();
    assert_eq!((streams.len(), &cart["revision"]), (3, &1.into()));
}

#[test]
fn a_stream_keeps_what_its_settings_say_until_it_is_deleted() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    for _ in 0..5 {
        append(&node, &["s", "t"]);
    }
    let settings = node.run(&["settings", "s", "--max-count", "2", "--output", "json"]).ok();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    assert_eq!((&settings["max_count"], &settings["max_age"]), (&2.into(), &Value::Null));
    node.run(&["read", "s", "--from", "0"]).fails(3, "history_truncated");
    assert_eq!(node.run(&["read", "s", "--from", "3", "--output", "jsonl"]).ok().lines().count(), 2);
    node.run(&["delete", "s", "--expect", "7"]).fails(4, "wrong_revision");
    node.run(&["delete", "s", "--expect", "4"]).ok();
    assert_eq!(append(&node, &["s", "t"])["events"][0]["revision"], 5, "revisions are never used again");
}

#[test]
fn a_follower_gets_existing_events_and_then_new_ones() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    append(&node, &["s", "first"]);
    let url = node.url.clone();
    let follower = std::thread::spawn(move || {
        run(mainstay().args(["--url", &url, "--output", "jsonl", "follow", "--limit", "3"]), "").ok()
    });
    append(&node, &["s", "second"]);
    append(&node, &["s", "third"]);
    let lines = follower.join().unwrap();
    let types: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["type"].take()).collect();
    assert_eq!(types, ["first", "second", "third"]);
}

#[test]
fn a_stopped_node_ends_well_and_replays_nothing_at_its_next_start() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    for number in 0..20 {
        node.client().append("s", [NewEvent::new("t").id(number.to_string())]).send().unwrap();
    }
    assert!(node.stop().success());
    let node = Node::start(data.path());
    assert_eq!(node.metric("mainstay_replayed_entries"), 0.0);
    assert_eq!(node.client().read("s").events().count(), 20);
}

#[test]
fn a_data_directory_serves_one_node_at_a_time() {
    let data = tempfile::tempdir().unwrap();
    let _node = Node::start(data.path());
    let mut second = spawn(data.path(), &[]);
    // Of a node that does start, this is the first line.
    let mut line = String::new();
    BufReader::new(second.stdout.take().unwrap()).read_line(&mut line).unwrap();
    if !line.is_empty() {
        second.kill().unwrap();
    }
    assert_eq!((line.as_str(), second.wait().unwrap().code()), ("", Some(1)));
}

#[test]
fn the_tour_comes_out_right() {
    let tour = run(mainstay().arg("tour"), "").ok();
    assert!(tour.contains("curl -s") && tour.contains("acknowledged before kill -9"), "{tour}");
    assert!(!tour.contains('✗'), "{tour}");
}

#[test]
fn a_reader_with_a_name_is_shown_where_it_stopped_after_it_has_gone() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start_with(data.path(), &["--keep-alive", "1s"]);
    node.run(&["append", "s", "t", "1"]).ok();
    node.run(&["follow", "--reader", "billing", "--limit", "1"]).ok();
    while node.metric(r#"mainstay_reader_connections{reader="billing"}"#) != 0.0 {
        std::thread::yield_now();
    }
    // Within the same millisecond it would not be behind.
    while node.metric(r#"mainstay_reader_lag_seconds{reader="billing"}"#) == 0.0 {
        node.run(&["append", "s", "t", "2"]).ok();
    }
    node.run(&["follow", "--reader", "", "--limit", "1"]).fails(3, "`reader` cannot be used");
}

#[test]
fn the_status_of_a_node_is_that_of_its_exit_status() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    assert_eq!(node.run(&["status"]).ok(), "ready\n");
    let json: Value = serde_json::from_str(&node.run(&["status", "--output", "json"]).ok()).unwrap();
    assert_eq!(json["status"], "ready");
    let url = node.url.clone();
    node.kill();
    run(mainstay().args(["--url", &url, "status"]), "").fails(6, "mainstay serve");
}
