//! The same API over HTTP/2, with prior knowledge, on the same port.

use crate::node::Node;
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::Request;
use http_server::HttpOptions;
use serde_json::Value;
use std::future::Future;
use std::time::Duration;

/// Runs a client against a node.
fn with_client<F: Future<Output = ()>>(node: &Node, client: impl FnOnce(SendRequest<Bytes>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(node.address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        tokio::time::timeout(Duration::from_secs(20), client(requests)).await.unwrap();
        connection.abort();
    });
}

fn send(
    requests: &mut SendRequest<Bytes>,
    method: &str,
    path: &str,
    (name, value): (&str, &str),
    body: Option<&str>,
) -> (ResponseFuture, SendStream<Bytes>) {
    let uri = format!("http://localhost{path}");
    let request = Request::builder().method(method).uri(uri).header(name, value).body(()).unwrap();
    let (response, mut sender) =
        requests.send_request(request, body.is_none_or(str::is_empty) && method == "GET").unwrap();
    if let Some(body) = body {
        sender.send_data(Bytes::copy_from_slice(body.as_bytes()), true).unwrap();
    }
    (response, sender)
}

async fn until(body: &mut RecvStream, text: &str) -> String {
    let mut all = String::new();
    while !all.contains(text) {
        let part = body.data().await.expect("more").unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
        all.push_str(std::str::from_utf8(&part).unwrap());
    }
    all
}

async fn whole(response: ResponseFuture) -> (u16, String) {
    let response = response.await.unwrap();
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(part) = body.data().await {
        let part = part.unwrap();
        body.flow_control().release_capacity(part.len()).unwrap();
        all.extend_from_slice(&part);
    }
    (status, String::from_utf8(all).unwrap())
}

const JSON: (&str, &str) = ("content-type", "application/json");
const LINES: (&str, &str) = ("content-type", "application/x-ndjson");

#[test]
fn many_requests_share_a_connection() {
    let node = Node::start();
    with_client(&node, |mut requests| async move {
        let follow = ("accept", "text/event-stream");
        let (subscriber, _) = send(&mut requests, "GET", "/v1/streams/s/events", follow, None);
        let mut subscriber = subscriber.await.unwrap().into_body();
        let appends: Vec<_> = (0..50)
            .map(|_| send(&mut requests, "POST", "/v1/streams/s/events", JSON, Some(r#"{"type":"t"}"#)).0)
            .collect();
        let mut revisions = Vec::new();
        for append in appends {
            let (status, body) = whole(append).await;
            assert_eq!(status, 200, "{body}");
            revisions.push(serde_json::from_str::<Value>(&body).unwrap()["revision"].as_u64().unwrap());
        }
        revisions.sort_unstable();
        assert_eq!(revisions, (0..50).collect::<Vec<_>>());
        until(&mut subscriber, "\"revision\":49,").await;
        let (status, body) =
            whole(send(&mut requests, "POST", "/v1/streams/s/events", JSON, Some("{")).0).await;
        assert_eq!(status, 400, "{body}");
        let (status, _) = whole(send(&mut requests, "GET", "/nowhere", JSON, None).0).await;
        assert_eq!(status, 404);
    });
}

#[test]
fn lines_go_both_ways_at_once() {
    let node = Node::start();
    with_client(&node, |mut requests| async move {
        let (response, mut sender) = send(&mut requests, "POST", "/v1/events", LINES, None);
        let line = Bytes::from("{\"stream\":\"a\",\"type\":\"t\"}\n");
        sender.send_data(line.clone(), false).unwrap();
        let mut answers = response.await.unwrap().into_body();
        until(&mut answers, "\"revision\":0").await;
        sender.send_data(line, true).unwrap();
        let rest = until(&mut answers, "summary").await;
        assert!(rest.contains("\"appended\":2"), "{rest}");
    });
}

#[test]
fn a_body_that_does_not_come_is_answered_while_others_are_served() {
    let options = HttpOptions {
        body_wait: Duration::from_millis(200),
        body_time: Duration::from_millis(500),
        ..HttpOptions::default()
    };
    let node = Node::with(options);
    with_client(&node, |mut requests| async move {
        let (slow, _sender) = send(&mut requests, "POST", "/v1/streams/s/events", JSON, None);
        let (status, _) = whole(send(&mut requests, "GET", "/livez", JSON, None).0).await;
        assert_eq!(status, 200);
        let (status, body) = whole(slow).await;
        assert_eq!(status, 408, "{body}");
    });
}

#[test]
fn a_client_that_cancels_its_wait_for_a_lease_leaves_the_queue() {
    let node = Node::start();
    let path = "/v1/leases/l/acquire";
    assert_eq!(node.post(path, r#"{"holder":"a","ttl_ms":60000}"#).status, 200);
    let waiting = || node.get("/v1/leases/l").json()["waiting"].as_u64().unwrap();
    with_client(&node, |mut requests| async move {
        let body = r#"{"holder":"b","ttl_ms":60000,"wait_ms":60000}"#;
        let (response, sender) = send(&mut requests, "POST", path, JSON, Some(body));
        while waiting() == 0 {
            tokio::task::yield_now().await;
        }
        drop((response, sender));
        while waiting() > 0 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn requests_of_web_pages_and_for_other_hosts_are_refused() {
    let node = Node::start();
    with_client(&node, |mut requests| async move {
        let origin = ("origin", "https://evil.example");
        let post = send(&mut requests, "POST", "/v1/streams/s/events", origin, Some(r#"{"type":"t"}"#)).0;
        let (status, body) = whole(post).await;
        assert!(status == 403 && body.contains("foreign_origin"), "{body}");
        for (authority, host) in
            [("evil.example", None), ("localhost", Some("evil.example")), ("localhost@evil.example", None)]
        {
            let mut request = Request::builder().uri(format!("http://{authority}/livez"));
            if let Some(host) = host {
                request = request.header("host", host);
            }
            let response = requests.send_request(request.body(()).unwrap(), true).unwrap().0;
            let (status, body) = whole(response).await;
            assert!(status == 403 && body.contains("foreign_host"), "{body}");
        }
        let (status, _) = whole(send(&mut requests, "GET", "/livez", JSON, None).0).await;
        assert_eq!(status, 200);
    });
}
