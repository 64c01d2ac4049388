//! Backups of a running node with the real binary, in a directory, a bucket and a stream: what is restored, what a second
//! backup copies, and what happens when files are damaged or processes are killed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod archive;
mod buckets;
mod damage;
mod drill;
mod kills;
mod lost_node;
#[path = "../node/mod.rs"]
mod node;
mod own_checks;
mod proxy;
#[path = "../python/mod.rs"]
mod python;
mod readers;
mod rights;
mod salvage;
mod seaweed;
mod stream;
mod subjects;

use node::{Node, Ran, mainstay, run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Small, so that there are many segments, flushes and tables.
const SMALL: &[&str] = &["--segment-size", "1 MiB", "--memtable-size", "256 KiB"];

/// Lines for `import`, numbered from `from`.
fn lines(from: u64, count: u64) -> String {
    let line = |n: u64| {
        let (stream, text) = (n % 23, "x".repeat((n % 90) as usize));
        format!(
            "{{\"stream\":\"s-{stream}\",\"id\":\"{n}\",\"source\":\"/t\",\"type\":\"t\",\"data\":{{\"n\":{n},\"text\":\"{text}\"}}}}\n"
        )
    };
    (from..from + count).map(line).collect()
}

/// A command that needs no node.
fn offline(arguments: &[&str]) -> Ran {
    run(mainstay().args(arguments), "")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// `mainstay backup`, and what it says.
fn back_up(node: &Node, directory: &Path) -> Value {
    serde_json::from_str(&node.run(&["backup", text(directory), "--output", "json"]).ok()).unwrap()
}

/// `mainstay restore` of the newest backup, and what it says.
fn restore(directory: &Path, data: &Path) -> Value {
    let arguments = ["restore", text(directory), "--data", text(data), "--output", "json"];
    serde_json::from_str(&offline(&arguments).ok()).unwrap()
}

/// Everything that the lists of a node show, apart from how long something has waited or will last.
fn shown(node: &Node) -> Vec<String> {
    let lists: [&[&str]; 7] = [
        &["streams"],
        &["values", "list"],
        &["limits"],
        &["breakers", "list"],
        &["schedules", "list"],
        &["reactions", "list"],
        &["tasks", "q"],
    ];
    let list = |arguments: &[&str]| node.run(&[arguments, &["--output", "jsonl"]].concat()).ok();
    lists.map(list).to_vec()
}

/// All nouns, and events of which some are removed.
fn fill(node: &Node) {
    node.run_with_input(&["import", "-"], &lines(0, 30_000)).ok();
    node.run(&["settings", "s-3", "--max-count", "5"]).ok();
    node.run(&["delete", "s-4"]).ok();
    node.run(&["append", "forgotten", "t", "\"a name that nobody may know\""]).ok();
    node.run(&["delete", "forgotten"]).ok();
    node.run(&["values", "put", "flag", "on"]).ok();
    for n in 0..20 {
        node.run(&["enqueue", "q", if n % 2 == 0 { "mail" } else { "report" }, &n.to_string()]).ok();
    }
}

fn events(node: &Node, arguments: &[&str]) -> Vec<String> {
    let out = node.run(&[&["read", "--output", "jsonl"], arguments].concat()).ok();
    out.lines().map(str::to_owned).collect()
}

#[test]
fn a_backup_of_a_store_that_is_still_empty_is_restored_too() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start(&data);
    back_up(&node, &backups);
    assert!(node.stop().success());
    restore(&backups, &restored);
    let node = Node::start(&restored);
    node.run(&["append", "s", "t", "1"]).ok();
    assert_eq!(events(&node, &["s"]).len(), 1);
}

#[test]
fn a_restored_store_has_everything_of_the_moment_of_the_backup_while_writes_went_on() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    fill(&node);
    let before = shown(&node);
    // Events, and nothing else, are written meanwhile.
    let done = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (done, client) = (Arc::clone(&done), node.client());
        move || {
            let mut from = 1_000_000;
            while !done.load(Ordering::Relaxed) {
                // Not to the stream of which only the last events are kept.
                let lines = lines(from, 200).replace("\"stream\":\"s-", "\"stream\":\"w-");
                client.import(std::io::Cursor::new(lines)).for_each(|line| drop(line.unwrap()));
                from += 200;
            }
            from
        }
    });
    let backup = back_up(&node, &backups);
    done.store(true, Ordering::Relaxed);
    assert!(writer.join().unwrap() > 1_000_200, "void: nothing was written meanwhile");
    let cursor = offline(&["backups", "list", text(&backups), "--output", "jsonl"]).ok();
    let cursor: Value = serde_json::from_str(&cursor).unwrap();
    let cursor = cursor["cursor"].as_str().unwrap();
    let want = events(&node, &["--as-of", cursor]);
    assert_eq!(backup["events"].as_u64().unwrap(), want.len() as u64);
    assert!(events(&node, &[]).len() > want.len(), "void: no event came after the backup");
    node.kill();

    let said = restore(&backups, &restored);
    assert_eq!(said["events"].as_u64().unwrap(), want.len() as u64);
    let holds_removed = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(27).any(|window| window == b"a name that nobody may know")
    };
    assert!(!files(&restored).iter().any(holds_removed), "removed events are not restored, not even on disk");
    let node = Node::start_with(&restored, SMALL);
    assert_eq!(events(&node, &[]), want, "the same events with the same cursors and recorded times");
    let after = shown(&node);
    // The list of streams shows their last revisions, which went on.
    assert_eq!(after[1..], before[1..]);
    assert_eq!(said["store"].as_str().unwrap(), store_of(&node));
    assert_ne!(said["store"], said["restored_from"], "a restored store has an identity of its own");
    // It goes on as any store does, and survives a kill.
    node.run(&["append", "s-1", "after", "{}"]).ok();
    let all = events(&node, &[]);
    assert_eq!((all.len(), &all[..want.len()]), (want.len() + 1, &want[..]));
    node.kill();
    let node = Node::start_with(&restored, SMALL);
    assert_eq!(events(&node, &[]), all);
    node.stop();
    offline(&["doctor", "--data", text(&restored)]).ok();
}

fn paths(scratch: &Path) -> (PathBuf, PathBuf, PathBuf) {
    (scratch.join("data"), scratch.join("backups"), scratch.join("restored"))
}

fn store_of(node: &Node) -> String {
    let request = mainstay_client::Request::new("GET", "/v1").unwrap();
    let body: Value = serde_json::from_slice(&node.client().send(&request).unwrap().body).unwrap();
    body["store"].as_str().unwrap().to_owned()
}

/// The paths of all files below a directory.
fn files(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.extend([path])
        };
    }
    found
}

#[test]
fn a_second_backup_copies_only_what_is_new_and_each_can_be_restored() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 40_000)).ok();
    let first = back_up(&node, &backups);
    assert_eq!(first["copied"], first["bytes"]);
    let unchanged = back_up(&node, &backups);
    assert_eq!((&unchanged["unchanged"], &unchanged["backup"]), (&Value::Bool(true), &first["backup"]));
    node.run(&["append", "s-1", "after", "{}"]).ok();
    let second = back_up(&node, &backups);
    let shared: u64 = files(&backups)
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "bodies"))
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert!(shared > 1 << 20, "void: nothing is shared");
    let (bytes, copied) = (second["bytes"].as_u64().unwrap(), second["copied"].as_u64().unwrap());
    assert!(copied <= bytes - shared, "{copied} of {bytes} bytes were copied, and {shared} are shared");
    offline(&["backups", "verify", text(&backups)]).ok();
    let first = first["backup"].as_str().unwrap();
    offline(&["restore", text(&backups), "--data", text(&restored), "--backup", first]).ok();
    let node = Node::start(&restored);
    assert_eq!(events(&node, &[]).len(), 40_000);
    drop(node);

    // The first backup goes, and the second one stays whole.
    offline(&["backups", "prune", text(&backups), "--keep", "1"]).ok();
    assert!(!backups.join(first).exists());
    offline(&["backups", "verify", text(&backups)]).ok();
    let again = scratch.path().join("again");
    assert_eq!(restore(&backups, &again)["events"], 40_001);
}

#[test]
fn a_backup_of_a_restored_store_is_one_of_another_store_in_the_same_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 500)).ok();
    back_up(&node, &backups);
    drop(node);
    restore(&backups, &restored);
    let node = Node::start_with(&restored, SMALL);
    back_up(&node, &backups);
    drop(node);
    let again = scratch.path().join("again");
    restore(&backups, &again);
    offline(&["backups", "verify", text(&backups)]).ok();
    let node = Node::start_with(&again, SMALL);
    assert_eq!(events(&node, &[]).len(), 500);
}

#[test]
fn wrong_paths_and_names_are_refused_with_a_message_and_nothing_is_changed() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start(&data);
    node.run(&["backup", text(&data)]).fails(2, "is not a directory of backups");
    offline(&["restore", text(&backups), "--data", text(&restored)]).fails(2, "holds no backups");
    assert!(!restored.exists());
    back_up(&node, &backups);
    offline(&["restore", text(&backups), "--data", text(&restored), "--backup", "yesterday"])
        .fails(2, "holds no backup `yesterday`");
    offline(&["restore", text(&backups), "--data", text(&data)]).fails(1, "is not empty");
    offline(&["backups", "prune", text(&backups), "--keep", "0"]).fails(2, "0");
    offline(&["doctor", "--data", text(&data)]).fails(1, "in use by a running node");
    offline(&["doctor", "--data", text(&restored)]).fails(1, "holds no store");
    assert!(!restored.exists());
    drop(node);
    offline(&["backup", text(&backups), "--url", "http://127.0.0.1:9"]).fails(6, "cannot connect");
}
