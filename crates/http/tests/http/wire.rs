//! A client that sends exactly the bytes it is given, and reads one response after another.

use crate::node::Node;
use api::Operation;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Longer than any time-out of the server in these tests: a test that reaches it has found a hang.
const HANG: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    pub(crate) fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The code of the problem. Fails when the response is not a well-formed problem.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status, "{json}");
        assert!(api::Code::find(json["code"].as_str().unwrap()).is_some(), "{json}");
        let waits = matches!(self.status, 429 | 503) || json["code"] == "execution_in_progress";
        assert_eq!(waits, self.header("retry-after").is_some());
        json["code"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn assert_problem(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.code(), code, "{}", self.text());
    }
}

/// Every response to an operation of the contract must be documented: its content type or its problem.
fn check_contract(request: &[u8], response: &Response) {
    let line = request.split(|byte| *byte == b'\r').next().and_then(|line| std::str::from_utf8(line).ok());
    let mut words = line.unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return };
    let Some(operation) = Operation::find(method, target.split('?').next().unwrap_or_default()) else {
        return;
    };
    if response.status >= 400 {
        let code = response.code();
        assert!(
            operation.problems().any(|known| known.as_str() == code),
            "{operation:?} does not list {code}"
        );
    } else {
        let found = response.header("content-type").and_then(|value| value.split(';').next());
        let mut known = operation.description().response.content.iter();
        assert!(
            known.any(|content| content.media_type == "*/*" || Some(content.media_type) == found),
            "{operation:?} does not list {found:?}"
        );
    }
}

impl Connection {
    pub(crate) fn to(node: &Node) -> Self {
        let stream = TcpStream::connect(node.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(HANG)).unwrap();
        Self { reader: BufReader::new(stream) }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        // A server that refused the request may have closed already. Only its response counts.
        let _ = self.reader.get_mut().write_all(bytes.as_ref());
        self
    }

    /// Sends from another thread.
    pub(crate) fn sender(&self) -> impl FnMut(&[u8]) + Send + use<> {
        let mut stream = self.reader.get_ref().try_clone().unwrap();
        move |bytes| {
            let _ = stream.write_all(bytes);
        }
    }

    /// Nothing more is sent.
    pub(crate) fn half_close(&mut self) -> &mut Self {
        let _ = self.reader.get_mut().shutdown(Shutdown::Write);
        self
    }

    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.reader.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.trim_end().to_owned()),
            Err(error) => panic!("no line within {HANG:?}: {error}"),
        }
    }

    /// What has arrived and was not read yet: at least one byte, unless the connection is closed.
    pub(crate) fn peek(&mut self) -> &[u8] {
        self.reader.fill_buf().unwrap()
    }

    /// Nothing more comes.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.reader.read(&mut byte) {
            Ok(read) => read == 0,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => true,
            Err(error) => panic!("not closed within {HANG:?}: {error}"),
        }
    }

    /// Everything until the connection is closed, or reset.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.reader.read_to_end(&mut bytes) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
                panic!("not closed: {error}")
            }
            _ => bytes,
        }
    }

    /// Status and headers.
    pub(crate) fn head(&mut self) -> Response {
        let status = self.line().expect("an response");
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("a whole head");
            if line.is_empty() {
                return Response { status, headers, body: Vec::new() };
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        while response.status == 100 {
            response = self.head();
        }
        if let Some(length) = response.header("content-length") {
            response.body = vec![0; length.parse().unwrap()];
            self.reader.read_exact(&mut response.body).unwrap();
        } else if response.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                response.body.extend(chunk);
            }
        } else if response.status != 204 {
            self.reader.read_to_end(&mut response.body).unwrap();
        }
        response
    }

    /// The next chunk of a chunked body; `None` at its end.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let length = usize::from_str_radix(&self.line()?, 16).unwrap();
        let mut chunk = vec![0; length];
        self.reader.read_exact(&mut chunk).unwrap();
        self.line();
        (length > 0).then_some(chunk)
    }

    /// Chunks until `text` has come.
    pub(crate) fn chunks_until(&mut self, text: &str) -> String {
        let mut all = String::new();
        while !all.contains(text) {
            let Some(chunk) = self.chunk() else { panic!("ended without {text:?}: {all:?}") };
            all.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        all
    }
}

impl Node {
    /// Sends one request on a new connection. The response must be one that the contract lists.
    pub(crate) fn raw(&self, bytes: impl AsRef<[u8]>) -> Response {
        let response = Connection::to(self).send(&bytes).response();
        check_contract(bytes.as_ref(), &response);
        response
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        self.raw(request(method, path, headers, body))
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.request("GET", path, &[], "")
    }

    pub(crate) fn get_lines(&self, path: &str) -> Response {
        self.request("GET", path, &[("accept", "application/x-ndjson")], "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Response {
        self.request("POST", path, &[("content-type", "application/json")], body)
    }

    /// Appends events of one type, with numbers as their data.
    pub(crate) fn append_numbers(&self, stream: &str, numbers: std::ops::Range<u64>) {
        for start in numbers.clone().step_by(500) {
            let lines: String = (start..numbers.end.min(start + 500))
                .map(|n| format!("{{\"type\":\"t\",\"id\":\"{n}\",\"data\":{n}}}\n"))
                .collect();
            let headers = [("content-type", "application/x-ndjson")];
            let response = self.request("POST", &format!("/v1/streams/{stream}/events"), &headers, &lines);
            assert_eq!(response.status, 200, "{}", response.text());
        }
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" || method == "PUT" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    format!("{head}\r\n{body}").into_bytes()
}
