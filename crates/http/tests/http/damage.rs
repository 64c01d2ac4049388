//! A damaged event stops the node, with a message that says where the damage is. No client gets a response that
//! passes over it.

use crate::node::Node;
use crate::wire::{Connection, request};
use model::{Cursor, Position, Wall};
use std::convert::Infallible;
use std::path::Path;
use storage::bodies::{Bodies, BodyOptions};
use storage::directory::DataDirectory;
use storage::lsm::LsmState;

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

/// Rewrites the bodies without the marked event, as if it had been removed, and returns its position.
fn lose(data: &Path) -> Position {
    let directory = DataDirectory::open(data).unwrap();
    let end = LsmState::check(&directory.state_path(), directory.store()).unwrap().bodies_end;
    let options = BodyOptions::new(directory.store());
    let (mut bodies, reader) = Bodies::open(directory.bodies_disk().unwrap(), end, options).unwrap();
    let page = reader.page_after(Cursor::START, reader.last(), 1 << 20).unwrap();
    let mut rest = &page.bytes[..];
    let lost = loop {
        let (record, length) = format::body::decode(rest).expect("void: the event is in no file");
        if record.envelope.windows(MARK.len()).any(|found| found == MARK) {
            break record.position;
        }
        rest = &rest[length..];
    };
    bodies.note_removed(&[lost], Wall(0));
    let segment = bodies.compaction_due(Wall(u64::MAX)).unwrap().expect("void: nothing is rewritten");
    let rewritten = bodies.compaction(segment).run(|record| Ok::<_, Infallible>(record.position != lost));
    assert_eq!(rewritten.unwrap().records_dropped, 1);
    bodies.sync_handle().run().unwrap();
    lost
}

#[test]
fn a_missing_event_that_was_not_removed_is_damage_and_not_truncated_history() {
    let node = Node::start();
    node.append_numbers("s", 0..3);
    let event = format!(r#"{{"type":"t","data":"{}"}}"#, std::str::from_utf8(MARK).unwrap());
    assert_eq!(node.post("/v1/streams/s/events", &event).status, 200);
    let mut lost = None;
    let node = node.restart_after(|data| lost = Some(lose(data)));
    let mut connection = Connection::to(&node);
    let bytes = connection.send(request("GET", "/v1/streams/s/events", &[], "")).rest();
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.is_empty() || text.starts_with("HTTP/1.1 503 "), "{text}");
    let why = node.why_it_stopped();
    assert!(why.contains(&format!("the event at position {} is missing", lost.unwrap().0)), "{why}");
}
