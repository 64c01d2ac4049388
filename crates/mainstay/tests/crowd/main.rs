//! The real binary with thousands of connections: idle ones, clients that send slowly, and clients that read nothing. Its
//! memory stays within what docs/operations.md says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[path = "../node/mod.rs"]
mod node;

use model::limits;
use node::Node;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Idle connections of one test.
const IDLE: usize = 10_000;
/// What docs/operations.md says about memory: for each idle connection, and for the bodies of all.
const IDLE_BYTES_MAX: u64 = 32 << 10;
const BUFFERED_BYTES_MAX: u64 = 256 << 20;
/// A response that takes longer than this has hung.
const HANG: Duration = Duration::from_secs(30);
const GET: &[u8] = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// This process needs as many descriptors as the node.
fn raise_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let enough = maximum.is_none_or(|maximum| maximum >= IDLE as u64 + 2_048);
    assert!(enough, "NOT RUN: {maximum:?} descriptors are too few");
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(HANG)).unwrap();
    stream.set_write_timeout(Some(HANG)).unwrap();
    stream
}

/// Sends a request, and returns the status of the response. Reads no more than the response's head and a short body.
fn ask(stream: &mut TcpStream, request: &[u8]) -> u16 {
    stream.write_all(request).unwrap();
    let mut bytes = vec![0; 4_096];
    let read = stream.read(&mut bytes).unwrap();
    std::str::from_utf8(&bytes[9..12.min(read)]).unwrap().parse().unwrap()
}

#[test]
fn ten_thousand_idle_connections_take_little_memory_and_everyone_else_is_served() {
    raise_limit();
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    let address: SocketAddr = node.address().parse().unwrap();
    let mut held: Vec<TcpStream> = (0..100).map(|_| connect(address)).collect();
    assert!(held.iter_mut().all(|stream| ask(stream, GET) == 200));
    let before = node.memory("VmRSS");
    for _ in held.len()..IDLE {
        let mut stream = connect(address);
        assert_eq!(ask(&mut stream, GET), 200);
        held.push(stream);
    }
    let each = (node.memory("VmRSS") - before) / (IDLE as u64 - 100);
    println!("{each} bytes for each idle connection");
    assert!(each < IDLE_BYTES_MAX, "{each} bytes for each idle connection");
    node.run(&["append", "s", "t", "1"]).ok();
    assert_eq!(ask(&mut held[0], GET), 200);
    // Up to the bound, and beyond it. Each sends a request: one that sends none is closed after ten seconds.
    let refused = loop {
        let mut stream = connect(address);
        let status = ask(&mut stream, GET);
        if status != 200 {
            break status;
        }
        held.push(stream);
        assert!(held.len() <= limits::CONNECTIONS_MAX);
    };
    assert_eq!(refused, 503);
    assert_eq!(ask(&mut held[0], GET), 200);
    drop(held);
    while ask(&mut connect(address), GET) != 200 {
        std::thread::yield_now();
    }
}

/// A megabyte of events, a few of them a page.
fn fill(node: &Node) {
    let text = "x".repeat(900 << 10);
    let line = format!("{{\"stream\":\"large\",\"type\":\"t\",\"data\":\"{text}\"}}\n");
    node.run_with_input(&["import", "-"], &line.repeat(12)).ok();
}

#[test]
fn clients_that_read_nothing_and_clients_that_send_slowly_take_a_bounded_memory() {
    raise_limit();
    let data = tempfile::tempdir().unwrap();
    let node = Node::start(data.path());
    fill(&node);
    let address: SocketAddr = node.address().parse().unwrap();
    let before = node.memory("VmRSS");
    let mut held = Vec::new();
    // Each asks for 8 MiB and reads nothing of it: 3 GiB in all.
    for _ in 0..400 {
        let mut stream = connect(address);
        stream.write_all(b"GET /v1/streams/large/events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        held.push(stream);
    }
    // Each announces 8 MiB, sends most of one, and stops: 400 MiB in all.
    let head = "POST /v1/streams/s/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
        content-length: 8388608\r\n\r\n";
    let part = [head.as_bytes(), &[b' '; 900 << 10]].concat();
    for _ in 0..400 {
        let mut stream = connect(address);
        // One that the node has refused already takes no more.
        let _ = stream.write_all(&part);
        held.push(stream);
    }
    // Others are served, or told that the node is busy, and never kept waiting.
    for n in 0..50 {
        let mut stream = connect(address);
        assert_eq!(ask(&mut stream, GET), 200);
        let body = format!("{{\"type\":\"t\",\"data\":{n}}}");
        let small = format!(
            "POST /v1/streams/small/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let status = ask(&mut stream, small.as_bytes());
        assert!([200, 503].contains(&status), "{status}");
    }
    let grown = node.memory("VmHWM") - before;
    println!("{} MiB for clients that are slow", grown >> 20);
    // Each connection may also have read 64 KiB ahead. Half as much again: what the allocator keeps, and what is being read.
    let bound = (BUFFERED_BYTES_MAX + 800 * (64 << 10)) * 3 / 2;
    assert!(grown < bound, "{grown} bytes, and not {bound}");
    drop(held);
    let mut stream = connect(address);
    while ask(&mut stream, b"GET /v1/streams/large/events?limit=1 HTTP/1.1\r\nhost: localhost\r\n\r\n") != 200
    {
        stream = connect(address);
    }
}
