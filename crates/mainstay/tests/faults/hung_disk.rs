//! A disk that stops responding: the node says so, rejects writes at once, still reads what is in memory, and
//! continues by itself when the disk responds.

use crate::node::Node;
use crate::{append, events, ok, until};
use mainstay_client::blocking::Client;
use mainstay_client::{Request, Retry};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the one sync takes.
const HANG: Duration = Duration::from_secs(8);
/// An outcome that comes within this did not wait for the disk.
const AT_ONCE: Duration = Duration::from_secs(2);

/// A node under strace, whose sync with this number takes [`HANG`]. `None` where nothing can be traced.
fn traced(data: &std::path::Path, sync: u32) -> Option<(Child, String)> {
    let hang = format!("inject=fdatasync:delay_enter={}:when={sync}", HANG.as_micros());
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", &hang]);
    strace.args([env!("CARGO_BIN_EXE_mainstay"), "serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    let mut traced = strace.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let mut lines = BufReader::new(traced.stdout.take()?).lines();
    let url = lines.find_map(|line| line.ok()?.strip_prefix("listening on ").map(str::to_owned))?;
    std::thread::spawn(move || lines.for_each(drop));
    Some((traced, url))
}

fn client(url: &str) -> Client {
    mainstay_client::Client::builder(url).retry(Retry::never()).build_blocking().unwrap()
}

fn get(client: &Client, path: &str) -> (u16, String) {
    match client.send(&Request::new("GET", path).unwrap()) {
        Ok(said) => (said.status, String::from_utf8(said.body.to_vec()).unwrap()),
        Err(error) => (0, error.to_string()),
    }
}

#[test]
fn a_disk_that_does_not_respond_rejects_writes_at_once_and_the_node_continues_when_it_does() {
    let data = tempfile::tempdir().unwrap();
    let Some((mut strace, url)) = traced(data.path(), 60) else {
        println!("NOT RUN: nothing can be traced here");
        return;
    };
    let reader = client(&url);
    until("readiness", || (get(&reader, "/readyz").0 == 200).then_some(()));
    // A client that waits for each outcome: one append will be in the sync that hangs.
    let writer = {
        let client = client(&url);
        std::thread::spawn(move || {
            let (mut acknowledged, mut slowest) = (0, Duration::ZERO);
            while slowest < HANG / 2 {
                let begun = Instant::now();
                let said = append(&client, "orders", &format!("{acknowledged}"));
                if said.is_taken() {
                    acknowledged += 1;
                    slowest = slowest.max(begun.elapsed());
                }
                assert!(said.is_taken() || said.status == 503, "{said:?}");
            }
            acknowledged
        })
    };
    let not_ready = until("a node that is not ready", || {
        let (status, body) = get(&reader, "/readyz");
        (status == 503).then_some(body)
    });
    assert!(not_ready.contains("disk_stalled") && not_ready.contains("for 2 s"), "{not_ready}");
    let stalled = Instant::now();
    let mut rejected = 0;
    while get(&reader, "/readyz").0 == 503 {
        let begun = Instant::now();
        let said = append(&reader, "rejected", "{}");
        if get(&reader, "/readyz").0 == 200 {
            break;
        }
        assert!(said.status == 503 && said.body.contains("disk_stalled"), "{said:?}");
        assert_eq!(get(&reader, "/v1/streams/orders/events").0, 200, "what is in memory is still read");
        assert_eq!(get(&reader, "/livez").0, 200);
        assert!(begun.elapsed() < AT_ONCE, "nothing waits for the disk, but this took {:?}", begun.elapsed());
        rejected += 1;
    }
    assert!(rejected > 3 && stalled.elapsed() > HANG / 3, "void: it was over too soon");
    assert!(stalled.elapsed() < HANG, "the disk responds, but the node does not continue");

    let acknowledged = writer.join().unwrap();
    ok(&append(&reader, "orders", "\"after\""));
    let node = std::fs::read_to_string(data.path().join("LOCK")).unwrap().trim().parse().unwrap();
    kill_process(Pid::from_raw(node).unwrap(), Signal::TERM).unwrap();
    assert!(strace.wait().unwrap().success());
    let node = Node::start(data.path());
    assert_eq!(events(&node).len(), acknowledged + 1);
    assert!(get(&node.client(), "/v1/streams/rejected/events").1.contains("\"events\":[]"));
    assert!(node.stop().success());
}
