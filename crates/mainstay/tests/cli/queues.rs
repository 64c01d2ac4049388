//! Task queues from the command line.

use crate::node::{Node, mainstay};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

fn json(node: &Node, arguments: &[&str]) -> Value {
    let arguments = [&["--output", "json"], arguments].concat();
    serde_json::from_str(&node.run(&arguments).ok()).unwrap()
}

fn state(node: &Node, id: &str) -> String {
    let tasks = json(node, &["tasks", "reports"]);
    let task = tasks.as_array().unwrap().iter().find(|task| task["id"] == id);
    task.unwrap()["state"].as_str().unwrap().to_owned()
}

fn until(node: &Node, id: &str, wanted: &str) {
    while state(node, id) != wanted {
        std::thread::yield_now();
    }
}

fn worker(node: &Node, options: &[&str], script: &str) -> Child {
    let mut command: Command = mainstay();
    command.args(["--url", &node.url, "work", "reports"]).args(options).args(["--", "sh", "-c", script]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn terminate(worker: &Child) {
    let pid = rustix::process::Pid::from_child(worker);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

#[test]
fn a_command_runs_for_each_task() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let first = json(&node, &["enqueue", "reports", "monthly", r#"{"month": 1.50}"#, "--id", "r-1"]);
    assert_eq!(first["replayed"], false);
    let again = node.run(&["enqueue", "reports", "monthly", r#"{"month": 1.50}"#, "--id", "r-1"]).ok();
    assert!(again.contains("existed already"), "{again}");
    node.run(&["enqueue", "reports", "monthly", "{}", "--id", "r-1"]).fails(4, "different content");
    let show =
        r#"echo "$MAINSTAY_QUEUE $MAINSTAY_TASK_ID $MAINSTAY_TASK_TYPE $MAINSTAY_TASK_ATTEMPT"; cat; echo"#;
    let mut worker = worker(&node, &[], show);
    let mut said = BufReader::new(worker.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(said.next().unwrap(), "reports r-1 monthly 1");
    assert_eq!(said.next().unwrap(), r#"{"month": 1.50}"#);
    until(&node, "r-1", "done");
    terminate(&worker);
    let ended = worker.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("1 completed, 0 failed"), "{ended:?}");
    let queues = json(&node, &["queues"]);
    assert_eq!((&queues[0]["queue"], &queues[0]["depth"]["done"]), (&"reports".into(), &1.into()));
}

#[test]
fn a_failed_command_leads_to_a_dead_letter_that_can_be_replayed() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let put = r#"{"retry":{"attempts":1}}"#;
    let client = node.client();
    let request = mainstay_client::Request::new("PUT", "/v1/queues/reports").unwrap();
    assert_eq!(client.send(&request.body("application/json", put)).unwrap().status, 200);
    json(&node, &["enqueue", "reports", "t", "--id", "a"]);
    json(&node, &["enqueue", "reports", "other", "--id", "b"]);
    let mut worker = worker(&node, &["--type", "t"], "echo no printer >&2; exit 3");
    until(&node, "a", "dead");
    let letters = json(&node, &["dead-letters", "reports"]);
    assert_eq!(letters.as_array().unwrap().len(), 1);
    let failure = &letters[0]["failures"][0];
    assert_eq!(failure["class"], "exit_status");
    assert_eq!(failure["message"], "exit status: 3: no printer");
    assert!(node.run(&["dead-letters", "reports"]).ok().contains("exit_status: exit status: 3: no printer"));
    assert_eq!(state(&node, "b"), "ready", "the worker asks for one type only");
    terminate(&worker);
    assert!(worker.wait().unwrap().success());
    while node.metric("mainstay_queue_depth{queue=\"waiting_claims\"}") > 0.0 {
        std::thread::yield_now();
    }
    node.run(&["dead-letters", "reports", "--replay", "a"]).ok();
    assert_eq!(state(&node, "a"), "ready");
    node.run(&["dead-letters", "reports", "--drop", "a"]).fails(4, "ready");
}

#[test]
fn a_stopped_worker_gives_back_what_it_cannot_finish() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    json(&node, &["enqueue", "reports", "t", "--id", "a"]);
    let mut worker = worker(&node, &["--grace", "10ms"], "echo begun; exec sleep 1000");
    let mut said = BufReader::new(worker.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(said.next().unwrap(), "begun");
    terminate(&worker);
    let ended = worker.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&ended.stderr).contains("1 returned"), "{ended:?}");
    let task = &json(&node, &["tasks", "reports", "--state", "ready"])[0];
    assert_eq!((&task["id"], &task["attempts"]), (&"a".into(), &0.into()), "the attempt does not count");
    assert_eq!(said.next(), None, "the command is gone");
}

#[test]
fn many_tasks_are_cancelled_replayed_and_dropped_and_a_group_is_shown() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    json(&node, &["enqueue", "reports", "t", "--id", "a", "--unique", "u"]);
    let again = json(&node, &["enqueue", "reports", "t", "--id", "b", "--unique", "u"]);
    assert_eq!((&again["id"], &again["existing"]), (&"a".into(), &true.into()));
    let past = ["enqueue", "reports", "t", "--id", "late", "--deadline", "2010-10-02T07:20:39Z"];
    json(&node, &past);
    let task = &json(&node, &["tasks", "reports", "late", "--wait", "20s"])[0];
    assert_eq!((&task["state"], &task["failures"][0]["class"]), (&"dead".into(), &"deadline".into()));
    let classes = json(&node, &["dead-letters", "reports", "--classes"]);
    assert_eq!(classes, serde_json::json!([{"class":"deadline","tasks":1}]));
    let moved = ["dead-letters", "reports", "--replay-all", "--class", "deadline", "--to", "others"];
    assert_eq!(node.run(&moved).ok(), "1 tasks replayed\n");
    node.run(&["dead-letters", "reports", "--class", "deadline"]).fails(2, "--replay-all");
    assert_eq!(node.run(&["cancel", "reports", "--all", "--state", "ready"]).ok(), "1 tasks cancelled\n");
    assert_eq!(json(&node, &["dead-letters", "reports", "--drop-all"])["changed"], 0);
    let group = r#"{"id":"g","members":[{"queue":"pages","type":"page","id":"p"}]}"#;
    assert_eq!(node.run(&["group", "create", group]).ok(), "group g\n");
    node.run(&["cancel", "pages", "p"]).ok();
    let shown = node.run(&["group", "show", "g", "--wait", "20s"]).ok();
    assert_eq!(shown, "group g is failed: 0 of 1 done, 1 failed\n");
    node.run(&["group", "show", "none"]).fails(3, "no group");
}

#[test]
fn workers_are_listed_with_what_they_ask_for() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    assert_eq!(json(&node, &["workers", "reports"]), serde_json::json!([]));
    node.run(&["enqueue", "reports", "t", "1"]).ok();
    let mut worker = worker(&node, &["--type", "t"], "echo done");
    let mut said = BufReader::new(worker.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(said.next().as_deref(), Some("done"));
    let listed = json(&node, &["workers", "reports"]);
    assert_eq!((&listed[0]["types"][0], &listed[0]["tasks"]), (&"t".into(), &1.into()));
    assert!(node.run(&["workers", "reports"]).ok().starts_with("WORKER"));
    terminate(&worker);
    assert!(worker.wait().unwrap().success());
}

#[test]
fn tenants_of_a_queue_are_listed_and_weighed() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    node.run(&["enqueue", "reports", "monthly", "--fair", "acme"]).ok();
    node.run(&["tenants", "reports", "acme", "--weight", "3"]).ok();
    let tenants = json(&node, &["tenants", "reports"]);
    let wanted = serde_json::json!([{"tenant": "acme", "weight": 3, "waiting": 1, "running": 0}]);
    assert_eq!(tenants, wanted);
    let table = node.run(&["tenants", "reports", "acme"]).ok();
    assert!(table.contains("WEIGHT") && table.contains("acme"), "{table}");
    node.run(&["tenants", "reports", "acme", "--delete"]).ok();
    assert_eq!(json(&node, &["tenants", "reports", "acme"])[0]["weight"], 1);
    node.run(&["tenants", "reports", "acme", "--weight", "101"]).fails(2, "101");
    node.run(&["tenants", "reports", "--weight", "2"]).fails(2, "TENANT");
}

#[test]
fn a_queue_is_paused_and_resumed_and_keeps_its_other_settings() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let queues = |arguments: &[&str]| node.run(&[&["queues"], arguments].concat());
    queues(&["set", "reports", r#"{"claim_timeout":"20s","limits":[]}"#]).ok();
    queues(&["set", "reports", r#"{"claim_timout":"20s"}"#]).fails(3, "claim_timout");
    queues(&["set", "reports", "20s"]).fails(2, "not JSON");
    queues(&["pause", "reports"]).ok();
    json(&node, &["enqueue", "reports", "t", "--id", "a"]);
    let shown = json(&node, &["queues", "show", "reports"]);
    assert_eq!(
        (&shown["settings"]["paused"], &shown["settings"]["claim_timeout"]),
        (&true.into(), &"20s".into())
    );
    assert_eq!(json(&node, &["tasks", "reports", "a"])[0]["blocked_on"]["reason"], "pause");
    queues(&["resume", "reports"]).ok();
    let shown = queues(&["show", "reports"]).ok();
    assert!(shown.contains("20s") && shown.contains("\nt "), "{shown}");
    assert_eq!(json(&node, &["queues", "show", "reports"])["settings"]["paused"], false);
}
