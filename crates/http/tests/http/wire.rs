//! A client that sends what it is told, byte for byte, and reads one answer after the other.

use crate::node::Node;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Longer than any time-out of the server in these tests: whoever runs into it hangs.
const HANG: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Connection {
    reader: BufReader<TcpStream>,
}

impl Answer {
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

    /// The problem's code; what is no problem in the API's form fails.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let json = self.json();
        assert_eq!(json["status"], self.status, "{json}");
        assert!(api::Code::find(json["code"].as_str().unwrap()).is_some(), "{json}");
        assert_eq!(self.status == 503, self.header("retry-after").is_some());
        json["code"].as_str().unwrap().to_owned()
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
        // A server that has refused may have closed already; its answer is what counts.
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

    /// Nothing more comes.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.reader.read(&mut byte) {
            Ok(read) => read == 0,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => true,
            Err(error) => panic!("not closed within {HANG:?}: {error}"),
        }
    }

    /// Status and headers.
    pub(crate) fn head(&mut self) -> Answer {
        let status = self.line().expect("an answer");
        let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
        let mut headers = Vec::new();
        loop {
            let line = self.line().expect("a whole head");
            if line.is_empty() {
                return Answer { status, headers, body: Vec::new() };
            }
            let (name, value) = line.split_once(':').expect("a header");
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    pub(crate) fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        while answer.status == 100 {
            answer = self.head();
        }
        if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().unwrap()];
            self.reader.read_exact(&mut answer.body).unwrap();
        } else if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                answer.body.extend(chunk);
            }
        } else if answer.status != 204 {
            self.reader.read_to_end(&mut answer.body).unwrap();
        }
        answer
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
    /// One request on a connection of its own.
    pub(crate) fn raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        Connection::to(self).send(bytes).answer()
    }

    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        self.raw(request(method, path, headers, body))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "")
    }

    pub(crate) fn get_lines(&self, path: &str) -> Answer {
        self.request("GET", path, &[("accept", "application/x-ndjson")], "")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        self.request("POST", path, &[("content-type", "application/json")], body)
    }

    /// Appends events of one type, with numbers as their data.
    pub(crate) fn append_numbers(&self, stream: &str, numbers: std::ops::Range<u64>) {
        for start in numbers.clone().step_by(500) {
            let lines: String = (start..numbers.end.min(start + 500))
                .map(|n| format!("{{\"type\":\"t\",\"id\":\"{n}\",\"data\":{n}}}\n"))
                .collect();
            let headers = [("content-type", "application/x-ndjson")];
            let answer = self.request("POST", &format!("/v1/streams/{stream}/events"), &headers, &lines);
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
}

pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" || method == "PUT" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    format!("{head}\r\n{body}").into_bytes()
}
