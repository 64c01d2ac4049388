//! A worker's connection to a node: one request at a time, written and read without a client's machinery, so that the
//! generator takes little CPU from the server.

use super::wire::{Received, Wire};
use crate::cli::failure::{Failure, Result};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// A connection.
pub(super) struct Connection {
    socket: TcpStream,
    out: Vec<u8>,
    input: Vec<u8>,
}

impl Connection {
    pub(super) fn open(address: SocketAddr) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, out: Vec::new(), input: Vec::new() })
    }

    /// Sends a request and returns the whole response.
    pub(super) fn post(&mut self, path: &str, content_type: &str, body: &str) -> Result<&[u8]> {
        self.out.clear();
        // Writing to a vector cannot fail.
        let _ = write!(
            self.out,
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.socket.write_all(&self.out)?;
        self.input.clear();
        let mut part = [0; 16 << 10];
        loop {
            match Wire::Mainstay.receive(&self.input).map_err(Failure::local)? {
                Received::Partial => {}
                Received::Done { .. } => return Ok(&self.input),
                Received::Refused { .. } => {
                    let response = String::from_utf8_lossy(&self.input).into_owned();
                    return Err(Failure::local(format!("a request was refused:\n{response}")));
                }
            }
            match self.socket.read(&mut part)? {
                0 => return Err(Failure::local("the server closed a connection in the middle of the run")),
                bytes => self.input.extend_from_slice(&part[..bytes]),
            }
        }
    }
}
