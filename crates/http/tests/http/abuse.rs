//! HTTP as attackers send it: framing that two readers understand differently, floods of frames, and thousands of idle
//! connections.

use crate::node::Node;
use crate::wire::{Connection, request};
use http_server::HttpOptions;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

const HANG: Duration = Duration::from_secs(20);
const HEAD: &str =
    "POST /v1/streams/s/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
/// What an attacker wants to be taken for a request of someone else.
const SMUGGLED: &str = "DELETE /v1/streams/victim HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Sends the bytes and nothing more, and returns the status of each response.
fn statuses(node: &Node, bytes: &str) -> Vec<u16> {
    let text = Connection::to(node).send(bytes).half_close().rest();
    let text = String::from_utf8_lossy(&text);
    text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)?.parse().ok()).collect()
}

#[test]
fn no_request_hides_in_another_one() {
    let node = Node::start();
    node.post("/v1/streams/victim/events", r#"{"type":"t"}"#);
    let body = r#"{"type":"t"}"#;
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    for (what, sent) in [
        (
            "two lengths",
            format!("{HEAD}content-length: {length}\r\ncontent-length: 0\r\n\r\n{body}{SMUGGLED}"),
        ),
        ("a list of lengths", format!("{HEAD}content-length: {length}, 0\r\n\r\n{body}{SMUGGLED}")),
        ("a signed length", format!("{HEAD}content-length: +{length}\r\n\r\n{body}{SMUGGLED}")),
        ("a length in hex", format!("{HEAD}content-length: 0x0c\r\n\r\n{body}{SMUGGLED}")),
        ("a space before the colon", format!("{HEAD}content-length : {length}\r\n\r\n{body}{SMUGGLED}")),
        ("a folded line", format!("{HEAD}content-length:\r\n {length}\r\n\r\n{body}{SMUGGLED}")),
        ("a folded coding", format!("{HEAD}transfer-encoding:\r\n chunked\r\n\r\n{chunked}{SMUGGLED}")),
        ("an unknown coding", format!("{HEAD}transfer-encoding: xchunked\r\n\r\n{chunked}{SMUGGLED}")),
        (
            "chunked, then another",
            format!("{HEAD}transfer-encoding: chunked, identity\r\n\r\n{chunked}{SMUGGLED}"),
        ),
        ("a vertical tab", format!("{HEAD}transfer-encoding: \x0bchunked\r\n\r\n{chunked}{SMUGGLED}")),
        ("a bare CR in a value", format!("{HEAD}x: a\rcontent-length: 0\r\n\r\n{body}{SMUGGLED}")),
        ("a NUL in a value", format!("{HEAD}x: a\0\r\ncontent-length: {length}\r\n\r\n{body}{SMUGGLED}")),
        (
            "a chunk size that overflows",
            format!(
                "{HEAD}transfer-encoding: chunked\r\n\r\n10000000000000000c\r\n{body}\r\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "a negative chunk size",
            format!("{HEAD}transfer-encoding: chunked\r\n\r\n-1\r\n{body}\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a chunk without its end",
            format!("{HEAD}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunks in HTTP/1.0",
            format!("{}transfer-encoding: chunked\r\n\r\n{chunked}{SMUGGLED}", HEAD.replace("1.1", "1.0")),
        ),
    ] {
        let statuses = statuses(&node, &sent);
        assert_eq!(statuses.len(), 1, "{what}: {statuses:?}");
        assert!((400..500).contains(&statuses[0]), "{what}: {statuses:?}");
    }
    assert_eq!(node.get("/v1/streams/victim/events").json()["events"].as_array().unwrap().len(), 1);
}

/// RFC 9112, section 6.1: with both, the chunks count, and the length must not be used.
#[test]
fn chunks_count_when_a_length_is_sent_too() {
    let node = Node::start();
    let body = r#"{"type":"t"}"#;
    let chunked = format!("{:x};name=value\r\n{body}\r\n0\r\n\r\n", body.len());
    let sent = format!("{HEAD}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n{chunked}");
    let statuses = statuses(&node, &sent);
    assert!(statuses == [200] || statuses == [400], "{statuses:?}");
    let head = "GET /livez HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let twice = format!("{head}{head}");
    let statuses = self::statuses(&node, &twice);
    assert_eq!(statuses, [200, 200]);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
const END_STREAM: u8 = 1;

/// `GET /livez` for `localhost`, in HPACK without its tables.
fn get() -> Vec<u8> {
    let mut block = vec![0x82, 0x86, 0x04, 6];
    block.extend_from_slice(b"/livez");
    block.extend_from_slice(&[0x01, 9]);
    block.extend_from_slice(b"localhost");
    block
}

/// Sends frames until the server closes the connection, at most `frames_max`; returns how many it took.
fn flood(node: &Node, frames_max: u32, frames: impl Fn(u32) -> Vec<u8>) -> u32 {
    let mut stream = TcpStream::connect(node.address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let reads = std::thread::spawn(move || {
        let mut bytes = [0; 65_536];
        while reader.read(&mut bytes).is_ok_and(|read| read > 0) {}
    });
    for n in 0..frames_max {
        if stream.write_all(&frames(n)).is_err() || reads.is_finished() {
            return n;
        }
    }
    frames_max
}

#[test]
fn streams_that_are_reset_as_soon_as_they_begin_end_the_connection() {
    let node = Node::start();
    let sent = flood(&node, 200_000, |n| {
        let stream = 2 * n + 1;
        let cancel = 8_u32.to_be_bytes();
        [frame(HEADERS, END_HEADERS | END_STREAM, stream, &get()), frame(RESET, 0, stream, &cancel)].concat()
    });
    assert!(sent < 200_000);
    assert_eq!(node.get("/livez").status, 200);
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let node = Node::start();
    let field = [&[0x00, 1, b'x', 0x7f, 0xf1, 0x7c][..], &[b'y'; 16_112]].concat();
    let sent = flood(&node, 100_000, |n| match n {
        0 => frame(HEADERS, END_STREAM, 1, &get()),
        _ => frame(CONTINUATION, 0, 1, &field[..field.len().min(16_000)]),
    });
    assert!(sent < 10_000, "{sent}");
    let empty = flood(&node, 1_000_000, |n| match n {
        0 => frame(HEADERS, END_STREAM, 1, &get()),
        _ => frame(CONTINUATION, 0, 1, &[]),
    });
    assert!(empty < 1_000_000);
    assert_eq!(node.get("/livez").status, 200);
}

/// Resident memory of this process, in which the node runs.
fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap() * 4_096
}

#[test]
fn idle_connections_cost_little_memory_and_the_bound_holds() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    // Both ends are in this process, which may not have descriptors for twice the bound of a node.
    let bound = 4_096;
    let node = Node::with(HttpOptions { connections_max: bound, ..HttpOptions::default() });
    let serve =
        |connection: &mut Connection| connection.send(request("GET", "/livez", &[], "")).response().status;
    let mut held: Vec<Connection> = (0..100).map(|_| Connection::to(&node)).collect();
    assert!(held.iter_mut().all(|connection| serve(connection) == 200));
    let before = resident_bytes();
    held.extend((100..bound).map(|_| Connection::to(&node)));
    assert!(held.iter_mut().skip(100).all(|connection| serve(connection) == 200));
    let each = (resident_bytes() - before) / (bound as u64 - 100);
    // The test's own reader takes 8 KiB of them.
    assert!(each < 40 << 10, "{each} bytes for each connection");
    let refused: Vec<u16> = (0..10).map(|_| serve(&mut Connection::to(&node))).collect();
    assert_eq!(refused, [503; 10]);
    assert_eq!(serve(&mut held[0]), 200);
}
