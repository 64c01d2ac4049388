//! A damaged event stops the node, with a message that says where the damage is. No client gets a response that
//! passes over it.

use crate::node::Node;
use crate::wire::{Connection, request};
use std::path::Path;

const MARK: &[u8] = b"the event that will be damaged";

/// Flips a bit of the marked event, and returns the file and where in it the event's record begins.
fn damage(data: &Path) -> (String, usize) {
    for entry in std::fs::read_dir(data.join("bodies")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(MARK.len()).position(|found| found == MARK) {
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            return (path.file_name().unwrap().to_str().unwrap().to_owned(), at);
        }
    }
    panic!("void: the event is in no file");
}

/// The marked event in a segment that is full: those are checked when they are read, and not at the start.
fn damaged_node() -> (Node, String, usize) {
    let node = Node::start();
    node.append_numbers("s", 0..3);
    let event = format!(r#"{{"type":"t","data":"{}"}}"#, std::str::from_utf8(MARK).unwrap());
    assert_eq!(node.post("/v1/streams/s/events", &event).status, 200);
    let large = format!(r#"{{"type":"t","data":"{}"}}"#, "x".repeat(200 << 10));
    for _ in 0..8 {
        assert_eq!(node.post("/v1/streams/s/events", &large).status, 200);
    }
    let mut damaged = None;
    let node = node.restart_after(|data| damaged = Some(damage(data)));
    let (file, at) = damaged.unwrap();
    (node, file, at)
}

#[test]
fn a_damaged_event_stops_the_node_and_no_response_passes_over_it() {
    for path in ["/v1/streams/s/events", "/v1/events"] {
        for accept in ["application/json", "application/x-ndjson", "text/event-stream"] {
            let (node, file, at) = damaged_node();
            let mut connection = Connection::to(&node);
            let bytes = connection.send(request("GET", path, &[("accept", accept)], "")).rest();
            let text = String::from_utf8_lossy(&bytes);
            // The response may be lost with the process.
            assert!(text.is_empty() || text.starts_with("HTTP/1.1 503 "), "{path} {accept}: {text}");
            let why = node.why_it_stopped();
            assert!(why.contains(&file), "{path} {accept}: {why} does not name {file}");
            let offset: usize =
                why.split("byte ").nth(1).unwrap().split(':').next().unwrap().parse().unwrap();
            assert!(offset < at && at - offset < 400, "{path} {accept}: {why}, but the damage is at {at}");
        }
    }
}
