//! Leases on the command line, and commands that run only while one is held.

use crate::node::{Node, mainstay};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A command that reports its process, says when it is asked to end, and does not end.
const STUBBORN: &str = r#"trap "echo asked" TERM; echo $$; while :; do sleep 0.05; done"#;

fn held(node: &Node, lease: &str) -> Value {
    serde_json::from_str(&node.run(&["lease", "get", lease, "--output", "json"]).ok()).unwrap()
}

/// `lease run` with a script.
fn lease_run(node: &Node, ttl: &str, script: &str) -> Command {
    let mut command = mainstay();
    command.args(["--url", &node.url, "lease", "run", "job", "--ttl", ttl, "--", "sh", "-c", script]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A `lease run` whose command has begun, and the command's process.
struct Running {
    run: Child,
    lines: BufReader<std::process::ChildStdout>,
    command: Pid,
}

impl Running {
    fn start(node: &Node, ttl: &str) -> Self {
        let mut run = lease_run(node, ttl, STUBBORN).spawn().unwrap();
        let mut lines = BufReader::new(run.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let command = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
        Self { run, lines, command }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.run.id().try_into().unwrap()).unwrap()
    }

    fn is_running(&self) -> bool {
        test_kill_process(self.command).is_ok()
    }

    fn rest(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        while self.lines.read_line(&mut rest).unwrap() > 0 {}
        (self.run.wait().unwrap().code(), rest)
    }
}

#[test]
fn a_lease_is_acquired_renewed_shown_and_released() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let token = node.run(&["lease", "acquire", "job", "--holder", "a", "--ttl", "60s"]).ok();
    let token = token.trim();
    node.run(&["lease", "acquire", "job", "--holder", "b"]).fails(4, "lease_held");
    let table = node.run(&["lease", "get", "job"]).ok();
    assert!(table.contains("HOLDER") && table.contains(token), "{table}");
    assert!(node.run(&["lease", "renew", "job", token]).ok().starts_with("held for "));
    node.run(&["lease", "release", "job", token]).ok();
    node.run(&["lease", "release", "job", token]).fails(4, "lease_lost");
    node.run(&["lease", "renew", "job", token]).fails(4, "lease_lost");
    assert_eq!(held(&node, "job")["holders"], Value::Array(Vec::new()));
    node.run(&["lease", "acquire", "job", "--ttl", "5"]).fails(2, "a whole number and a unit");
}

#[test]
fn a_command_gets_the_token_and_its_exit_status_is_passed_on() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let script = r#"echo "$MAINSTAY_LEASE $MAINSTAY_LEASE_TOKEN"; exit 7"#;
    let ran = lease_run(&node, "30s", script).output().unwrap();
    assert_eq!(ran.status.code(), Some(7), "{ran:?}");
    let said = String::from_utf8(ran.stdout).unwrap();
    let token = said.trim().strip_prefix("job ").unwrap();
    assert_eq!(token.len(), 20, "{token}");
    assert_eq!(held(&node, "job")["holders"], Value::Array(Vec::new()), "the lease is released");
    assert_eq!(lease_run(&node, "30s", "kill -9 $$").output().unwrap().status.code(), Some(128 + 9));
    let none = node.run(&["lease", "run", "job", "--", "no-such-program"]);
    none.fails(1, "cannot run `no-such-program`");
}

#[test]
fn commands_of_one_lease_never_run_at_the_same_time() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let log = data.path().join("what-the-commands-did");
    let script = format!("echo begin >> {0}; sleep 0.05; echo end >> {0}", log.display());
    let runs: Vec<Child> = (0..6).map(|_| lease_run(&node, "30s", &script).spawn().unwrap()).collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    assert_eq!(std::fs::read_to_string(log).unwrap(), "begin\nend\n".repeat(6));
}

#[test]
fn a_lease_is_renewed_for_as_long_as_the_command_runs() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let running = Running::start(&node, "1s");
    let token = held(&node, "job")["holders"][0]["token"].clone();
    // Another holder waits for twice the time, and gets nothing.
    node.run(&["lease", "acquire", "job", "--holder", "b", "--wait", "2s"]).fails(4, "lease_held");
    assert_eq!(held(&node, "job")["holders"][0]["token"], token);
    kill_process(running.pid(), Signal::KILL).unwrap();
    let command = running.command;
    drop(running.rest());
    until_gone(command);
}

/// Waits until a process has ended. Its parent may have died, so that no one can wait for it.
fn until_gone(process: Pid) {
    let path = format!("/proc/{}/stat", process.as_raw_nonzero());
    let began = Instant::now();
    // A process that no one has reaped yet is a zombie, and runs no more.
    while std::fs::read_to_string(Path::new(&path)).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(began.elapsed() < Duration::from_secs(20), "the command still runs");
        std::thread::yield_now();
    }
}

#[test]
fn a_command_ends_before_its_lease_can_expire_when_the_node_is_down() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let running = Running::start(&node, "2s");
    let began = Instant::now();
    node.kill();
    let (status, said) = running.rest();
    let took = began.elapsed();
    assert_eq!(status, Some(4));
    assert!(said.contains("asked"), "SIGTERM comes before SIGKILL: {said:?}");
    assert!(took < Duration::from_secs(2), "the lease could have expired: {took:?}");
}

#[test]
fn a_command_is_ended_at_once_when_its_keeper_was_stopped_for_longer_than_the_lease_lasts() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let running = Running::start(&node, "1s");
    let old = held(&node, "job")["holders"][0]["token"].as_str().unwrap().to_owned();
    kill_process(running.pid(), Signal::STOP).unwrap();
    // It is granted to another one as soon as it has expired.
    let new = node.run(&["lease", "acquire", "job", "--holder", "b", "--ttl", "60s", "--wait", "30s"]).ok();
    assert!(new.trim() > &old[..]);
    // The command went on meanwhile. Its writes are refused, because they check the token.
    assert!(running.is_running());
    let write = format!(
        r#"{{"checks":[{{"lease":"job","token":"{old}"}}],"writes":[{{"append":{{"stream":"s","events":[{{"type":"t"}}]}}}}]}}"#
    );
    let request = mainstay_client::Request::new("POST", "/v1/transactions").unwrap();
    let refused = node.client().send(&request.body("application/json", write)).unwrap();
    assert_eq!(refused.status, 409);
    let began = Instant::now();
    kill_process(running.pid(), Signal::CONT).unwrap();
    let command = running.command;
    let (status, _) = running.rest();
    assert_eq!(status, Some(4));
    assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    until_gone(command);
}

#[test]
fn a_signal_is_passed_on_to_the_command() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let mut run = lease_run(&node, "30s", r#"trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done"#)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(run.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    kill_process(Pid::from_raw(run.id().try_into().unwrap()).unwrap(), Signal::TERM).unwrap();
    assert_eq!(run.wait().unwrap().code(), Some(3));
    assert_eq!(held(&node, "job")["holders"], Value::Array(Vec::new()));
}
