//! Two clients of different authors, each with its own reading of the standard.

use crate::node::Node;
use crate::python::python;
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

const CLIENTS: [&str; 2] = ["httpx-sse", "sseclient-py"];

/// A client in a process of its own.
struct Listener {
    process: Child,
    events: Lines<BufReader<ChildStdout>>,
}

/// What a client dispatches.
#[derive(Debug)]
struct Event {
    name: String,
    id: String,
    data: Value,
}

impl Listener {
    fn start(client: &str, url: &str, last_event_id: &str) -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/following/listen.py");
        let mut process = python(&program)
            .args([client, url, last_event_id])
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let events = BufReader::new(process.stdout.take().unwrap()).lines();
        Self { process, events }
    }

    /// The next event. No event is empty, whatever its kind, and each has JSON in its data.
    fn next(&mut self) -> Option<Event> {
        let line = self.events.next()?.unwrap();
        let event: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let data = serde_json::from_str(&text("data")).unwrap_or_else(|_| panic!("no JSON in {line}"));
        Some(Event { name: text("event"), id: text("id"), data })
    }

    /// The next event of this kind; only progress may come before it.
    fn until(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().unwrap_or_else(|| panic!("ended before {name}"));
            if event.name == name {
                return event;
            }
            assert_eq!(event.name, "progress", "{event:?}");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn append(node: &Node, stream: &str, kind: &str, numbers: std::ops::Range<u64>) {
    let lines: String =
        numbers.map(|n| format!("{{\"stream\":\"{stream}\",\"type\":\"{kind}\",\"data\":{n}}}\n")).collect();
    node.run_with_input(&["import", "-"], &lines).ok();
}

/// Waits, as a subscriber of its own, for as many keep-alives as others get meanwhile.
fn until_keep_alives(node: &Node, count: usize) {
    let mut stream = TcpStream::connect(node.url.strip_prefix("http://").unwrap()).unwrap();
    stream
        .write_all(
            b"GET /v1/events?after=end HTTP/1.0\r\nhost: localhost\r\naccept: text/event-stream\r\n\r\n",
        )
        .unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    assert_eq!(lines.filter(|line| line.starts_with(": keep-alive")).take(count).count(), count);
}

#[test]
fn every_kind_of_message_reaches_independent_clients_as_the_page_says() {
    for client in CLIENTS {
        for path in ["/v1/events", "/v1/streams/s/events"] {
            let data = tempfile::tempdir().unwrap();
            let node = Node::start_with(data.path(), &["--keep-alive", "1s"]);
            append(&node, "s", "noise", 0..10);
            let url = format!("{}{path}?type=wanted", node.url);
            let mut listener = Listener::start(client, &url, "");

            let progress = listener.until("progress");
            assert_eq!(progress.data["cursor"], progress.id, "{client}");
            append(&node, "s", "wanted", 7..9);
            for n in 7..9 {
                let event = listener.until("message");
                assert_eq!((&event.data["data"], &event.data["cursor"]), (&n.into(), &event.id.into()));
            }
            // Keep-alives after a message with an id reach no handler.
            until_keep_alives(&node, 3);
            append(&node, "s", "wanted", 9..10);
            assert_eq!(listener.next().unwrap().data["data"], 9, "{client}");
            // The cursor of a progress message is one to come back with.
            let mut back = Listener::start(client, &url, &progress.id);
            assert_eq!(back.until("message").data["data"], 7);

            node.stop();
            for mut listener in [listener, back] {
                while let Some(event) = listener.next() {
                    match event.name.as_str() {
                        "end" => assert_eq!(event.data["reason"], "stopping"),
                        "message" | "progress" => continue,
                        other => panic!("{other} is not on the page"),
                    }
                    assert!(listener.next().is_none(), "{client} got something after a final message");
                    break;
                }
            }
        }
    }
}

#[test]
fn a_problem_reaches_independent_clients_and_is_the_last_message() {
    for client in CLIENTS {
        let data = tempfile::tempdir().unwrap();
        let node = Node::start(data.path());
        append(&node, "s", "t", 0..1);
        let large = "x".repeat(500_000);
        // More than all buffers between the two hold, so that reading is still under way below.
        let lines: String =
            (0..100).map(|_| format!("{{\"stream\":\"s\",\"type\":\"t\",\"data\":\"{large}\"}}\n")).collect();
        node.run_with_input(&["import", "-"], &lines).ok();
        let mut listener = Listener::start(client, &format!("{}/v1/streams/s/events", node.url), "");
        assert_eq!(listener.until("message").data["data"], 0);
        node.run(&["settings", "s", "--truncate-before", "101"]).ok();
        let mut problem = None;
        while let Some(event) = listener.next() {
            assert!(problem.is_none(), "{client} got something after a final message");
            match event.name.as_str() {
                "message" => {}
                "problem" => problem = Some(event.data),
                other => panic!("{other} was not expected"),
            }
        }
        let problem = problem.expect("the subscription ends with a problem");
        assert_eq!(
            (&problem["code"], &problem["first_revision"]),
            (&"history_truncated".into(), &101.into())
        );
    }
}

#[test]
fn httpx_with_its_default_time_out_stays_connected_to_a_node_with_its_default_keep_alive() {
    const HTTPX_TIME_OUT: Duration = Duration::from_secs(5);
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let mut listener = Listener::start("httpx-sse", &format!("{}/v1/streams/s/events", node.url), "");
    // Each progress ends a silence as long as the keep-alive.
    append(&node, "other", "t", 0..1);
    listener.until("progress");
    let began = Instant::now();
    while began.elapsed() <= HTTPX_TIME_OUT {
        append(&node, "other", "t", 0..1);
        listener.until("progress");
    }
    append(&node, "s", "t", 7..8);
    assert_eq!(listener.until("message").data["data"], 7);
}
