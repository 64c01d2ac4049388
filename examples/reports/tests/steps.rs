//! Each step of the story against a real node: what it prints is true.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running node; killed when dropped.
struct Node {
    process: Child,
    url: String,
    _data: tempfile::TempDir,
}

impl Node {
    fn start() -> Self {
        let mainstay = Path::new(env!("CARGO_BIN_EXE_reports")).with_file_name("mainstay");
        assert!(mainstay.exists(), "build the node first: cargo build --profile test -p mainstay");
        let data = tempfile::tempdir().unwrap();
        let mut node = Command::new(mainstay);
        node.args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--data"]).arg(data.path());
        let mut process = node.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url =
            lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("listening on ")?.to_owned()));
        Self { process, url: url.expect("the node listens"), _data: data }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Runs a step, and returns what follows each of these in its output.
fn run<const N: usize>(step: &str, labels: [&str; N]) -> [String; N] {
    let node = Node::start();
    let ran = Command::new(env!("CARGO_BIN_EXE_reports"))
        .arg(step)
        .env("MAINSTAY_URL", &node.url)
        .output()
        .unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{printed}{}", String::from_utf8_lossy(&ran.stderr));
    labels.map(|label| {
        let line = printed.lines().find_map(|line| line.trim_start().strip_prefix(label));
        line.unwrap_or_else(|| panic!("{label:?} is missing:\n{printed}")).trim().to_owned()
    })
}

/// The last of the times in a line of latencies, in ms.
fn slowest(latencies: &str) -> f64 {
    let (_, slowest) = latencies.rsplit_once("slowest ").unwrap();
    slowest.trim_end_matches(" ms").parse().unwrap()
}

#[test]
fn requests_that_make_reports_delay_all_others() {
    let [reports, others] = run("1", ["requests for a report:", "other requests, during that:"]);
    assert!(slowest(&reports) > 0.0 && slowest(&others) > 0.0);
}

#[test]
fn every_report_is_made_although_a_worker_is_killed() {
    let [accepted, killed] = run("2", ["requests for a report:", "a worker was killed meanwhile:"]);
    assert!(slowest(&accepted) > 0.0);
    assert_eq!(killed, "12 of 12 reports are ready, after 13 attempts");
}

#[test]
fn a_schedule_fires_once_for_all_processes_and_another_process_leads() {
    let labels = ["cleanups, each process with a timer:", "cleanups, by a schedule:", "the leader, process "];
    let [timers, schedule, leader] = run("3", labels);
    assert_eq!((timers.as_str(), schedule.as_str()), ("9", "3"));
    assert!(leader.contains("was killed:") && leader.contains("leads after"), "{leader}");
}

#[test]
fn nobody_is_charged_twice_with_an_idempotency_key() {
    let [without, with] = run("4", ["each request is charged:", "with an idempotency key:"]);
    assert!(!without.ends_with(" 0 too many"), "{without}");
    assert!(with.ends_with("30 charges, 0 too many"), "{with}");
}
