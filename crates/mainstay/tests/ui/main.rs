//! The page at `/ui`, in a real Chromium: keyboard, time slider, live events, tokens, hostile text, queues, a node that
//! goes and comes back, and accessibility.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

#[cfg(test)]
mod accessibility;
mod browser;
#[cfg(test)]
mod history;
#[path = "../node/mod.rs"]
mod node;
#[cfg(test)]
mod picture;
#[path = "../python/mod.rs"]
mod python;
#[cfg(test)]
mod queues;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod text;
#[cfg(test)]
mod tokens;

use mainstay_client::Request;
use node::Node;

/// Sends a request with a body to a node, which must accept it.
#[track_caller]
pub(crate) fn send(
    node: &Node,
    method: &str,
    path: &str,
    (media_type, body): (&str, &str),
) -> serde_json::Value {
    let request = Request::new(method, path).unwrap().body(media_type, body);
    let response = node.client().send(&request).unwrap();
    let said = String::from_utf8_lossy(&response.body).into_owned();
    assert_eq!(response.status, 200, "{method} {path} {body}: {said}");
    serde_json::from_str(&said).unwrap()
}
