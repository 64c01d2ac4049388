//! A server of a few lines: it accepts one connection per closure, in order, and records the requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) type Play = Box<dyn FnOnce(Connection) + Send>;

pub(crate) struct Script {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
    permission: Sender<()>,
}

pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    requests: Arc<Mutex<Vec<String>>>,
    permission: Arc<Mutex<Receiver<()>>>,
    /// Bytes of a chunked body that arrived and were not asked for yet.
    body: Vec<u8>,
}

impl Script {
    pub(crate) fn start(plays: Vec<Play>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let (permission, permitted) = mpsc::channel();
        let (kept, permitted) = (Arc::clone(&requests), Arc::new(Mutex::new(permitted)));
        std::thread::spawn(move || {
            for play in plays {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                play(Connection {
                    stream: BufReader::new(stream),
                    requests: Arc::clone(&kept),
                    permission: Arc::clone(&permitted),
                    body: Vec::new(),
                });
            }
        });
        Self { url, requests, permission }
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(crate) fn permit(&self) {
        self.permission.send(()).unwrap();
    }
}

impl Connection {
    /// Reads a request's head.
    pub(crate) fn head(&mut self) -> String {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.stream.read_line(&mut head).unwrap(), 0, "the client left");
        }
        head
    }

    /// Reads a whole request and records it.
    pub(crate) fn request(&mut self) {
        let mut request = self.head();
        let length = request
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        request.push_str(std::str::from_utf8(&body).unwrap());
        self.requests.lock().unwrap().push(request);
    }

    fn write(&mut self, text: &str) {
        self.stream.get_mut().write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn respond(&mut self, status: u16, body: &str) {
        self.write(&format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    }

    pub(crate) fn respond_from_store(&mut self, store: &str, status: u16, body: &str) {
        let length = body.len();
        self.write(&format!(
            "HTTP/1.1 {status} X\r\nmainstay-store: {store}\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    }

    /// Begins a response in parts. Without [`Self::end`] it is cut off when the connection is dropped.
    pub(crate) fn begin(&mut self, content_type: &str) {
        self.write(&format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        ));
    }

    pub(crate) fn part(&mut self, text: &str) {
        self.write(&format!("{:x}\r\n{text}\r\n", text.len()));
    }

    pub(crate) fn end(&mut self) {
        self.write("0\r\n\r\n");
    }

    /// The next line of a chunked body; `None` at its end.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            if let Some(newline) = self.body.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.body.drain(..=newline).collect();
                return Some(String::from_utf8(line).unwrap().trim_end().to_owned());
            }
            let mut size = String::new();
            self.stream.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).unwrap();
            self.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                return None;
            }
        }
    }

    pub(crate) fn wait_for_permission(&mut self) {
        self.permission.lock().unwrap().recv().unwrap();
    }

    /// Closes the connection, and waits until the client has noticed.
    pub(crate) fn close(&mut self) {
        self.stream.get_ref().shutdown(Shutdown::Write).unwrap();
        self.wait_for_close();
    }

    pub(crate) fn wait_for_close(&mut self) {
        let _ = self.stream.read_to_end(&mut Vec::new());
    }
}
