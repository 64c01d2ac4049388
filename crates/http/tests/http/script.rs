//! Scripts of requests and expected responses, so that a test reads like the exchange it checks.
//!
//! ```text
//! > POST /v1/streams/cart-7/events | if-none-match: *
//!   {"type":"t"}
//! < 200 | etag: "0"
//!   revision = 0
//!   cursor = $first
//! > GET /v1/streams/cart-7/events?as_of=$first
//! < 200
//!   events.length = 1
//!   events[0].cursor = $first
//! > PUT /v1/streams/cart-7/settings
//!   {"max_count":0}
//! < 400 invalid_member
//!   member = "max_count"
//! ```
//!
//! A request is its method, path and headers, then the lines of its body, where `(empty)` is an empty line. It is sent as `application/json` unless a
//! `content-type` says otherwise. A response is its status, the code of its problem, if it is one, and headers;
//! then members of its body. `absent` stands for a header or member that must not be there. A body of NDJSON is an
//! array of its lines. `$name` stands for whatever value was first found in its place, and for that value from then
//! on, also in requests and within values.

use crate::node::Node;
use crate::wire::Response;
use serde_json::Value;
use std::collections::BTreeMap;

/// Runs one script after another against a node.
pub(crate) struct Script<'a> {
    node: &'a Node,
    variables: BTreeMap<String, Value>,
}

/// One request with the response that it must have.
#[derive(Default)]
struct Exchange {
    request: String,
    body: Vec<String>,
    response: String,
    members: Vec<String>,
}

/// Runs a script against a node.
#[track_caller]
pub(crate) fn check(node: &Node, script: &str) {
    Script::new(node).run(script);
}

impl<'a> Script<'a> {
    pub(crate) fn new(node: &'a Node) -> Self {
        Self { node, variables: BTreeMap::new() }
    }

    /// The value of a variable.
    pub(crate) fn value(&self, name: &str) -> &Value {
        self.variables.get(name).unwrap_or_else(|| panic!("no value for ${name}"))
    }

    #[track_caller]
    pub(crate) fn run(&mut self, script: &str) {
        for exchange in exchanges(script) {
            self.exchange(&exchange);
        }
    }

    #[track_caller]
    fn exchange(&mut self, exchange: &Exchange) {
        let request = self.filled_in(&exchange.request);
        let (line, headers) = with_headers(&request);
        let (method, path) = line.split_once(' ').expect("a method and a path");
        let body = self.filled_in(&exchange.body.join("\n"));
        let mut headers: Vec<(&str, &str)> = headers.collect();
        if !body.is_empty() && !headers.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "application/json"));
        }
        let response = self.node.request(method, path, &headers, &body);
        let (line, headers) = with_headers(&exchange.response);
        let found = match response.status {
            status @ 400.. => format!("{status} {}", response.code()),
            status => status.to_string(),
        };
        assert_eq!(found, line, "{request}\n{}", response.text());
        for (name, want) in headers {
            let found = response.header(name).map_or(Value::Null, Into::into);
            self.compare(
                &format!("{request}\n{name}"),
                &found,
                &want_of(want, || Value::String(want.to_owned())),
            );
        }
        if exchange.members.is_empty() {
            return;
        }
        let json = body_of(&response);
        for member in &exchange.members {
            let (path, want) = member.split_once(" = ").expect("a member and its value");
            let text = if want.starts_with('$') { want.to_owned() } else { self.filled_in(want) };
            let parse = || serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let want = want_of(&text, parse);
            self.compare(&format!("{request}\n{json}\n{path}"), &at(&json, path), &want);
        }
    }

    #[track_caller]
    fn compare(&mut self, place: &str, found: &Value, want: &Want) {
        match want {
            Want::Value(want) => assert_eq!(found, want, "{place}"),
            Want::Variable(name) => match self.variables.get(name) {
                Some(want) => assert_eq!(found, want, "{place} is not ${name}"),
                None => {
                    assert!(!found.is_null(), "{place} is absent");
                    self.variables.insert(name.clone(), found.clone());
                }
            },
        }
    }

    /// Longer names first: `$next` must not fill in a part of `$next_page`.
    fn filled_in(&self, text: &str) -> String {
        self.variables.iter().rev().fold(text.to_owned(), |text, (name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            text.replace(&format!("${name}"), &value)
        })
    }
}

enum Want {
    Value(Value),
    Variable(String),
}

fn want_of(text: &str, value: impl FnOnce() -> Value) -> Want {
    match text.strip_prefix('$') {
        Some(name) => Want::Variable(name.to_owned()),
        None if text == "absent" => Want::Value(Value::Null),
        None => Want::Value(value()),
    }
}

fn exchanges(script: &str) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = Vec::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(request) = line.strip_prefix("> ") {
            exchanges.push(Exchange { request: request.to_owned(), ..Exchange::default() });
            continue;
        }
        let exchange = exchanges.last_mut().expect("a script begins with a request");
        match line.strip_prefix("< ") {
            Some(response) => exchange.response = response.to_owned(),
            None if exchange.response.is_empty() => {
                exchange.body.push(if line == "(empty)" { String::new() } else { line.to_owned() });
            }
            None => exchange.members.push(line.to_owned()),
        }
    }
    exchanges
}

/// `first | name: value | name: value`
fn with_headers(line: &str) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let mut parts = line.split(" | ");
    let first = parts.next().unwrap_or_default();
    (first, parts.map(|header| header.split_once(": ").expect("a header and its value")))
}

fn body_of(response: &Response) -> Value {
    if response.header("content-type") == Some("application/x-ndjson") {
        return Value::Array(response.lines());
    }
    response.json()
}

/// The member at a path such as `events[0].cursor`; null when there is none. `length` is that of an array, and
/// `.` is the whole body.
fn at(json: &Value, path: &str) -> Value {
    let mut found = json.clone();
    for segment in path.split(['.', '[']).filter(|segment| !segment.is_empty()) {
        found = match (segment.strip_suffix(']'), &found) {
            (Some(index), _) => found[index.parse::<usize>().expect("an index")].clone(),
            (None, Value::Array(items)) if segment == "length" => items.len().into(),
            _ => found[segment].clone(),
        };
    }
    found
}
