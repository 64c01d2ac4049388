//! Real disks that fail under the real binary: a full one, a sync that says EIO, and data that has to leave.
//! Each ends with a restart that finds everything acknowledged.
//!
//! A case that cannot be caused on this machine (no right to mount, no strace) prints NOT RUN.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod clocks;
mod controls;
mod damage;
mod full_compaction;
mod hung_disk;
mod image;
#[path = "../node/mod.rs"]
mod node;
mod power;
mod simulated;
mod space;
mod strace;
mod subjects;
mod syncs;
mod tmpfs;
#[path = "../workload/mod.rs"]
mod workload;

use mainstay_client::blocking::Client;
use mainstay_client::{Request, Retry};
use node::Node;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tmpfs::Tmpfs;

/// What takes longer than this does not happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// Looks again and again until `what` is there.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "timed out waiting for {what}");
        std::thread::yield_now();
    }
}

/// What the node said to an append, without any retry: its status and body. Status 0: it is not there.
#[derive(Debug)]
struct Said {
    status: u16,
    body: String,
}

impl Said {
    fn is_taken(&self) -> bool {
        self.status == 200
    }
}

fn append(client: &Client, stream: &str, data: &str) -> Said {
    let event = format!("{{\"type\":\"order.placed\",\"data\":{data}}}");
    let request = Request::new("POST", format!("/v1/streams/{stream}/events")).unwrap();
    match client.send(&request.body("application/json", event)) {
        Ok(said) => Said { status: said.status, body: String::from_utf8(said.body.to_vec()).unwrap() },
        Err(error) => Said { status: 0, body: error.to_string() },
    }
}

fn ok(said: &Said) {
    assert!(said.is_taken(), "{said:?}");
}

/// Events of the stream, each on its line.
fn events(node: &Node) -> Vec<String> {
    let read = Request::new("GET", "/v1/streams/orders/events").unwrap();
    let read = read.header("accept", "application/x-ndjson").unwrap();
    let said = node.client().send(&read).unwrap();
    assert_eq!(said.status, 200);
    String::from_utf8(said.body.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_full_disk_refuses_writes_with_a_reason_and_takes_them_again_when_there_is_room() {
    let disk = Tmpfs::mount("96m");
    let data = disk.path().join("data");
    let small = ["--segment-size", "1 MiB", "--memtable-size", "1 MiB", "--space-reserve", "32 MiB"];
    let node = Node::start_with(&data, &small);
    let client = node.client();
    ok(&append(&client, "orders", r#"{"order":1}"#));

    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![7; 60 << 20]).unwrap();
    let refused = until("a refusal", || Some(append(&client, "orders", "2")).filter(|said| !said.is_taken()));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.body.contains("less than the reserve"), "{refused:?}");
    let taken = events(&node).len();

    std::fs::remove_file(&ballast).unwrap();
    until("free space", || Some(append(&client, "orders", "3")).filter(Said::is_taken));
    assert_eq!(events(&node).len(), taken + 1, "reads went on, and nothing that was refused is there");
    let before = events(&node);
    node.kill();

    let node = Node::start_with(&data, &small);
    assert_eq!(events(&node), before);
    assert!(node.stop().success());
}

#[test]
fn a_disk_that_fills_up_in_the_middle_of_a_write_stops_the_node_and_loses_nothing() {
    let disk = Tmpfs::mount("24m");
    let data = disk.path().join("data");
    // No reserve: the disk is really full when a write finds it so.
    let small = ["--segment-size", "1 MiB", "--memtable-size", "1 MiB", "--space-reserve", "0"];
    let node = Node::start_with(&data, &small);
    let large = format!("\"{}\"", "x".repeat(100 << 10));
    let client = node.client();
    let mut acknowledged = 0;
    until("a full disk", || {
        let said = append(&client, "orders", &large);
        acknowledged += usize::from(said.is_taken());
        (!said.is_taken()).then_some(())
    });
    drop(node);

    disk.resize("96m");
    let node = Node::start_with(&data, &small);
    let there = events(&node).len();
    assert!(there == acknowledged || there == acknowledged + 1, "{acknowledged} acknowledged, {there} there");
    ok(&append(&node.client(), "orders", "1"));
    assert!(node.stop().success());
}

#[test]
fn a_sync_that_fails_stops_the_node_with_a_reason_and_loses_nothing() {
    let data = tempfile::tempdir().unwrap();
    let fault = [
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        "inject=fdatasync:error=EIO:when=12+",
    ];
    let binary = env!("CARGO_BIN_EXE_mainstay");
    let mut strace = Command::new("strace");
    strace.args(fault).args([binary, "serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--data"]);
    strace.arg(data.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut traced = strace.spawn().unwrap_or_else(|error| tmpfs::not_run(&format!("strace: {error}")));
    let mut lines = BufReader::new(traced.stdout.take().unwrap()).lines();
    let Some(url) = lines.find_map(|line| line.ok()?.strip_prefix("listening on ").map(str::to_owned)) else {
        let mut said = String::new();
        traced.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        tmpfs::not_run(&format!("nothing can be traced here: {said}"));
    };
    let client = mainstay_client::Client::builder(&url).retry(Retry::never()).build_blocking().unwrap();
    let mut acknowledged = 0;
    until("the failing sync", || {
        acknowledged += usize::from(append(&client, "orders", "{}").is_taken());
        traced.try_wait().unwrap()
    });
    let mut said = String::new();
    traced.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("cannot be made durable"), "{said}");
    assert!(acknowledged > 0, "void: nothing was acknowledged before the fault");

    let node = Node::start(data.path());
    let there = events(&node).len();
    assert!(there == acknowledged || there == acknowledged + 1, "{acknowledged} acknowledged, {there} there");
    assert!(node.stop().success());
}

/// Whether any file below the directory holds these bytes.
fn is_on_disk(directory: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_on_disk(&path, bytes);
        }
        // A file may go while this looks.
        let held = std::fs::read(&path).unwrap_or_default();
        memchr::memmem::find(&held, bytes).is_some()
    })
}

#[test]
fn a_deleted_streams_data_leaves_the_disk() {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start_with(data.path(), &["--segment-size", "1 MiB"]);
    let client = node.client();
    ok(&append(&client, "orders", r#"{"secret":"marmalade-4711"}"#));
    ok(&append(&client, "kept", "{}"));
    // Enough that the segment with the secret is full: one that is still written to has a day's time.
    let large = format!("\"{}\"", "x".repeat(100 << 10));
    (0..24).for_each(|_| ok(&append(&client, "orders", &large)));
    assert!(is_on_disk(data.path(), b"marmalade-4711"));
    let delete = Request::new("DELETE", "/v1/streams/orders").unwrap();
    assert!(client.send(&delete).unwrap().status < 300);
    until("the end of the bytes", || (!is_on_disk(data.path(), b"marmalade-4711")).then_some(()));
    assert!(append(&client, "kept", "{}").body.contains("\"revision\":1"), "the other stream is as it was");
    assert!(node.stop().success());
}
