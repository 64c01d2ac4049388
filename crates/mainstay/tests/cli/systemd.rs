//! What a node tells systemd, through a socket of the same kind.

use crate::node::{Node, serve};
use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// The next messages, up to one that has this line. Each line of them is here.
fn until(socket: &UnixDatagram, line: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    while !lines.contains(line) {
        let mut message = [0; 4_096];
        let length =
            socket.recv(&mut message).unwrap_or_else(|error| panic!("{error}: no {line} in {lines:?}"));
        lines.extend(String::from_utf8_lossy(&message[..length]).lines().map(str::to_owned));
    }
    lines
}

#[test]
fn systemd_is_told_when_the_node_is_ready_alive_and_stopping() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = serve(&directory.path().join("data"), &[]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
    let node = Node::try_start(command).unwrap();
    assert!(until(&socket, "READY=1").contains("STATUS=ready"));
    for _ in 0..3 {
        until(&socket, "WATCHDOG=1");
    }
    assert!(node.stop().success());
    until(&socket, "STOPPING=1");
}
