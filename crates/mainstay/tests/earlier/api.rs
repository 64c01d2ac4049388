//! Requests to a node that asks for tokens, as its administrator.

use crate::node::{Node, NotStarted};
use mainstay_client::Request;
use mainstay_client::blocking::Client;
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// The administrator's token of every store in `stores`.
const TOKEN: &str = "everyone-may-know-this-token-0123456789";

/// Starts `binary` on a data directory, with small files.
pub(crate) fn start(binary: &Path, data: &Path) -> Result<Node, NotStarted> {
    let mut command = Command::new(binary);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MAINSTAY_")) {
        command.env_remove(name);
    }
    command.args(["serve", "--log-level", "warn", "--listen", "127.0.0.1:0", "--access", "tokens"]);
    command.args(["--segment-size", "1 MiB", "--memtable-size", "256 KiB", "--data"]).arg(data);
    command.env("MAINSTAY_ADMIN_TOKEN", TOKEN).stdin(Stdio::null()).stdout(Stdio::piped());
    let node = Node::try_start(command)?;
    // It is ready a moment before it knows the token.
    let api = Api::of(&node);
    while api.get("/v1").status != 200 {
        std::thread::yield_now();
    }
    Ok(node)
}

/// A response: its status, the headers that say more than its body, and its body.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends requests as the administrator.
pub(crate) struct Api(Client);

impl Api {
    pub(crate) fn of(node: &Node) -> Self {
        Self(node.client())
    }

    pub(crate) fn send(&self, method: &str, path: &str, form: &str, key: &str, body: &str) -> Response {
        let mut request = Request::new(method, path).unwrap();
        request = request.header("authorization", format!("Bearer {TOKEN}")).unwrap();
        if !key.is_empty() {
            request = request.header("idempotency-key", key).unwrap();
        }
        if !body.is_empty() {
            request = request.body(form, body);
        }
        let response = self.0.send(&request).unwrap();
        let headers = ["etag", "content-type", "idempotency-replayed"];
        let told = |name: &&str| Some(((*name).to_owned(), response.header(name)?.to_owned()));
        Response {
            status: response.status,
            headers: headers.iter().filter_map(told).collect(),
            body: String::from_utf8_lossy(&response.body).into_owned(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send("GET", path, "", "", "")
    }

    /// A figure of `/metrics`.
    pub(crate) fn metric(&self, node: &Node, name: &str) -> f64 {
        let request = Request::new("GET", "/metrics").unwrap();
        node.metric_with(name, &request.header("authorization", format!("Bearer {TOKEN}")).unwrap())
    }

    /// Sends JSON that must be accepted, and returns what comes back.
    #[track_caller]
    pub(crate) fn does(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.keyed(method, path, "", &body)
    }

    /// The same with an idempotency key.
    #[track_caller]
    pub(crate) fn keyed(&self, method: &str, path: &str, key: &str, body: &str) -> Value {
        let response = self.send(method, path, "application/json", key, body);
        assert!((200..300).contains(&response.status), "{method} {path} {body}: {response:?}");
        if response.body.is_empty() { Value::Null } else { response.json() }
    }
}

/// Runs a client command of `binary` as the administrator. It must succeed.
pub(crate) fn run(binary: &Path, node: &Node, arguments: &[&str]) {
    let mut command = Command::new(binary);
    command.env("MAINSTAY_TOKEN", TOKEN).args(["--url", &node.url]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}
