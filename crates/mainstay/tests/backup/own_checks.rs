//! A node that checks its own data.

use super::damage::flip_at;
use super::{Node, SMALL, files, lines, paths};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Whatever takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// A node in the middle of a check stops within this time.
const STOP_MAX: Duration = Duration::from_secs(10);
const OFTEN: &[&str] = &["--check-every", "1s", "--check-bytes-per-second", "256 MiB"];
const SELDOM: &[&str] = &["--check-every", "1w"];

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "timed out waiting for {what}");
        std::thread::yield_now();
    }
}

fn start(data: &Path, arguments: &[&str]) -> Node {
    Node::start_with(data, &[SMALL, arguments].concat())
}

/// What `mainstay status` says about checks.
fn check(node: &Node) -> Value {
    let status: Value = serde_json::from_str(&node.run(&["status", "--output", "json"]).ok()).unwrap();
    status["check"].clone()
}

/// The last check, once one is as it should be.
fn until_last(node: &Node, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    until(what, || Some(check(node)["last"].clone()).filter(&is_so))
}

fn first_segment(data: &Path) -> PathBuf {
    let path = data.join("bodies/0000000000000000-00000000.bodies");
    assert!(path.exists());
    path
}

fn flip(path: &Path, at: u64) {
    flip_at(&File::options().read(true).write(true).open(path).unwrap(), at, 4);
}

#[test]
fn a_node_checks_its_own_data_and_status_metrics_and_the_next_start_know_what_it_has_found() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let node = start(&data, OFTEN);
    node.run_with_input(&["import", "-"], &lines(0, 30_000)).ok();
    let last = until_last(&node, "a check of all events", |last| last["events"] == 30_000);
    assert_eq!((&last["healthy"], &last["findings"]), (&true.into(), &Value::Array(Vec::new())));
    assert!(last["rows"].as_u64().unwrap() > 30_000 && last["bytes"].as_u64().unwrap() > 3_000_000, "{last}");
    assert_eq!(node.metric("mainstay_check_every_seconds"), 1.0);
    assert_eq!(node.metric("mainstay_check_damaged"), 0.0);
    assert!(node.metric("mainstay_check_last_timestamp_seconds") > 1.7e9);
    assert!(node.metric("mainstay_check_read_bytes_total") > 3e6);
    let ended = last["ended"].clone();
    until_last(&node, "the next check", |last| last["ended"] != ended);
    assert!(node.stop().success());

    let node = start(&data, SELDOM);
    let kept = check(&node);
    assert_eq!((&kept["every"], &kept["last"]["events"]), (&"1w".into(), &30_000.into()));
    assert!(node.metric("mainstay_check_last_timestamp_seconds") > 1.7e9);
    assert_eq!(node.metric("mainstay_check_read_bytes_total"), 0.0, "this start has read nothing yet");
    assert!(node.stop().success());

    let node = start(&data, &["--check-every", "off"]);
    let kept_still = check(&node);
    assert_eq!((&kept_still["every"], &kept_still["last"]), (&Value::Null, &kept["last"]));
    assert_eq!(node.metric("mainstay_check_every_seconds"), 0.0);
}

#[test]
fn damage_is_found_named_and_reported_until_a_check_passes_and_the_node_goes_on() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let node = start(&data, OFTEN);
    node.run_with_input(&["import", "-"], &lines(0, 30_000)).ok();
    let segment = first_segment(&data);
    flip(&segment, 700_000);
    let last = until_last(&node, "damage", |last| last["healthy"] == false);
    let findings = last["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "other segments are intact: {last}");
    let text = |member: &str| findings[0][member].as_str().unwrap();
    assert!(text("what").contains("bodies/0000000000000000-00000000.bodies at byte "), "{last}");
    assert!(text("affected").starts_with("Events of this segment after cursor 01"), "{last}");
    assert!(text("remedy").contains("`mainstay restore`"), "{last}");
    assert_eq!(node.metric("mainstay_check_damaged"), 1.0);
    let log = node.errors();
    let line = log.lines().find(|line| line.contains("\"level\":\"error\"")).unwrap();
    assert!(["what", "affected", "remedy"].iter().all(|member| line.contains(text(member))), "{line}");
    node.run(&["append", "s-1", "after", "{}"]).ok();
    node.run(&["read", "s-1", "--backward", "--limit", "1"]).ok();
    node.run(&["check"]).fails(7, "0000000000000000-00000000.bodies");
    assert!(node.stop().success());

    let node = start(&data, SELDOM);
    assert_eq!(check(&node)["last"]["healthy"], false, "the next start knows");
    assert_eq!(node.metric("mainstay_check_damaged"), 1.0);
    assert!(node.errors().contains("the last check of the data has found damage"));
    assert!(node.stop().success());
    flip(&segment, 700_000);
    let node = start(&data, OFTEN);
    until_last(&node, "a check that passes", |last| last["healthy"] == true);
    assert_eq!(node.metric("mainstay_check_damaged"), 0.0);
}

#[test]
fn a_damaged_table_of_the_state_is_found_also_where_no_row_is_read() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let node = start(&data, SELDOM);
    node.run_with_input(&["import", "-"], &lines(0, 30_000)).ok();
    assert!(node.stop().success());
    let node = start(&data, OFTEN);
    let sizes = |path: &PathBuf| path.metadata().map_or(0, |file| file.len());
    let in_state = |path: &PathBuf| path.to_str().unwrap().contains("/tables/");
    let table = files(&data).into_iter().filter(in_state).max_by_key(sizes).unwrap();
    // The filter, which only reads of rows that may not exist look at.
    flip(&table, sizes(&table) - 3_000);
    let last = until_last(&node, "damage", |last| last["healthy"] == false);
    let what = last["findings"][0]["what"].as_str().unwrap();
    assert!(what.contains(table.to_str().unwrap()), "{what}");
    assert!(last["findings"][0]["affected"].as_str().unwrap().starts_with("Everything but the events"));
    flip(&table, sizes(&table) - 3_000);
    until_last(&node, "a check that passes", |last| last["healthy"] == true);
}

#[test]
fn in_the_middle_of_a_check_writes_go_on_and_a_stop_is_prompt() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let node = start(&data, &["--check-every", "off"]);
    let large = |n| {
        format!(
            "{{\"stream\":\"large\",\"id\":\"{n}\",\"type\":\"t\",\"data\":\"{}\"}}\n",
            "x".repeat(100_000)
        )
    };
    node.run_with_input(&["import", "-"], &(0..40).map(large).collect::<String>()).ok();
    assert!(node.stop().success());
    // It takes minutes, and there are few rows.
    let node = start(&data, &["--check-every", "1s", "--check-bytes-per-second", "16 KiB"]);
    let read = || node.metric("mainstay_check_read_bytes_total");
    until("a check that reads a segment", || (read() > f64::from(1 << 20)).then_some(()));
    assert_eq!(niceness(&node, "check"), 19, "everything else comes first");
    node.run_with_input(&["import", "-"], &lines(0, 10_000)).ok();
    assert_eq!(check(&node)["last"], Value::Null, "it has not ended");
    let began = Instant::now();
    assert!(node.stop().success());
    assert!(began.elapsed() < STOP_MAX, "{:?}", began.elapsed());
    assert!(!data.join("CHECKED").exists(), "a check that was interrupted says nothing");
}

/// How much less important than others a thread of the node is.
fn niceness(node: &Node, thread: &str) -> i32 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", node.id())).unwrap();
    let stats = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap());
    let stat = stats.into_iter().find(|stat| stat.contains(&format!("({thread})"))).unwrap();
    // The fields of proc_pid_stat(5) after the name, which is the second.
    stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().parse().unwrap()
}

#[test]
fn a_node_whose_disk_is_full_is_not_checked_because_a_check_holds_files() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let node = start(&data, &[OFTEN, &["--space-reserve", "1 TiB"]].concat());
    until("a check that is not finished", || {
        let log = node.errors();
        log.contains("the check of the data was not finished").then_some(log)
    });
    assert!(node.errors().contains("the disk is full, and a check holds files"), "{}", node.errors());
    until("the metric", || (node.metric("mainstay_read_only") == 1.0).then_some(()));
    assert_eq!(check(&node)["last"], Value::Null);
}

/// How many segments the node holds although they were replaced.
fn replaced(node: &Node) -> usize {
    let links = std::fs::read_dir(format!("/proc/{}/fd", node.id())).unwrap();
    let names = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
    names.filter(|name| name.to_str().is_some_and(|name| name.ends_with(".bodies (deleted)"))).count()
}

#[test]
fn a_check_counts_as_no_backup_holds_what_is_replaced_meanwhile_and_lets_go_of_it() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, _) = paths(scratch.path());
    let node = start(&data, &["--check-every", "off"]);
    node.run_with_input(&["import", "-"], &lines(0, 20_000)).ok();
    assert!(node.stop().success());
    let node = start(&data, &["--check-every", "5s", "--check-bytes-per-second", "1 MiB"]);
    until("a check that has begun", || (node.metric("mainstay_check_read_bytes_total") > 0.0).then_some(()));
    (0..22).for_each(|stream| drop(node.run(&["delete", &format!("s-{stream}")]).ok()));
    until("a segment that is held", || (replaced(&node) > 0).then_some(()));
    assert_eq!(check(&node)["last"], Value::Null, "the check has not ended");
    for held in ["00000000000000a1", "00000000000000a2"] {
        let request = mainstay_client::Request::new("PUT", format!("/v1/backups/{held}")).unwrap();
        assert_eq!(node.client().send(&request).unwrap().status, 200, "as many backups as ever");
        let request = mainstay_client::Request::new("DELETE", format!("/v1/backups/{held}")).unwrap();
        assert_eq!(node.client().send(&request).unwrap().status, 200);
    }
    let last = until_last(&node, "the end of the check", |last| !last.is_null());
    assert_eq!(last["healthy"], true, "{last}");
    until("segments that are let go", || (replaced(&node) == 0).then_some(()));
    super::back_up(&node, &backups);
}
