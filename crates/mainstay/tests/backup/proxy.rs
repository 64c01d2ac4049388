//! What stands between a command and its node, and decides of every request whether it gets there.

use super::Node;
use std::io::{BufRead, BufReader, Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Passed,
    /// The connection is closed instead of a response, as if the node had just been killed.
    Cut,
}

/// It listens until the test ends.
pub(crate) struct Proxy {
    pub(crate) url: String,
}

impl Proxy {
    /// Stands before a node. The rule gets the path and query of each request, before it is passed on.
    pub(crate) fn before(node: &Node, rule: impl Fn(&str) -> Fate + Send + Sync + 'static) -> Self {
        let (listener, address) = (TcpListener::bind("127.0.0.1:0").unwrap(), node.address());
        let url = format!("http://{}", listener.local_addr().unwrap());
        let rule = Arc::new(rule);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (rule, address) = (Arc::clone(&rule), address.clone());
                // A connection that breaks is the client's to notice.
                std::thread::spawn(move || pass(client?, &address, &*rule));
            }
        });
        Self { url }
    }
}

/// Passes one request and its response, each on connections of its own.
fn pass(client: TcpStream, address: &str, rule: &dyn Fn(&str) -> Fate) -> std::io::Result<()> {
    let mut reader = BufReader::new(&client);
    let (mut head, mut path, mut length) = (String::new(), String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let (name, value) = line.trim_end().split_once(':').unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            _ if head.is_empty() => line.split(' ').nth(1).unwrap_or_default().clone_into(&mut path),
            "host" => line = format!("host: {address}\r\n"),
            "connection" => continue,
            "content-length" => length = value.trim().parse().unwrap(),
            _ => {}
        }
        if line == "\r\n" {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    if rule(&path) == Fate::Cut {
        return client.shutdown(Shutdown::Both);
    }
    let mut node = TcpStream::connect(address)?;
    node.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
    node.write_all(&body)?;
    copy(&mut node, &mut &client)?;
    client.shutdown(Shutdown::Both)
}
