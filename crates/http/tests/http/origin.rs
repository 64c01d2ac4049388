//! Web pages: what a browser sends for them is refused before anything is executed, unless their origin is listed.

use crate::node::Node;
use crate::wire::{Connection, Response};
use http_server::{HostRule, HttpOptions, WebRules};

const EVENT: &str = r#"{"type":"t"}"#;
const APP: &str = "https://app.example.com";

/// One request of each way through the server: appends to a stream, other operations, subscriptions, lines, and what
/// matches no operation.
const WAYS: [(&str, &str, &str); 7] = [
    ("POST", "/v1/streams/s/events", EVENT),
    ("GET", "/v1/streams/s/events", ""),
    ("POST", "/v1/events", EVENT),
    ("PUT", "/v1/values/v", "\"x\""),
    ("GET", "/livez", ""),
    ("GET", "/nowhere", ""),
    ("DELETE", "/livez", ""),
];

fn raw(node: &Node, (method, path, body): (&str, &str, &str), headers: &str) -> Response {
    let media_type = if path == "/v1/events" { "application/x-ndjson" } else { "application/json" };
    let follows = method == "GET" && path.ends_with("events");
    let accept = if follows { "accept: text/event-stream\r\n" } else { "" };
    let length = body.len();
    let mut connection = Connection::to(node);
    connection.send(format!(
        "{method} {path} HTTP/1.1\r\n{headers}content-type: {media_type}\r\n{accept}content-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    ));
    // A subscription that is served has no end.
    if follows && connection.peek().starts_with(b"HTTP/1.1 200") {
        connection.head()
    } else {
        connection.response()
    }
}

/// Nothing was written, whatever was sent.
#[track_caller]
fn assert_empty(node: &Node) {
    assert_eq!(node.get("/v1/events").json()["events"].as_array().map(Vec::len), Some(0));
    node.get("/v1/values/v").assert_problem(404, "value_not_found");
}

#[test]
fn a_request_for_another_host_has_no_effect_on_any_way() {
    let node = Node::start();
    for way in WAYS {
        for host in ["evil.example", "evil.example:7070", "localhost.evil.example", ""] {
            raw(&node, way, &format!("host: {host}\r\n")).assert_problem(403, "foreign_host");
        }
    }
    let absolute = ("POST", "http://evil.example/v1/streams/s/events", EVENT);
    raw(&node, absolute, "host: localhost\r\n").assert_problem(403, "foreign_host");
    assert_empty(&node);
}

#[test]
fn a_request_of_another_site_s_page_has_no_effect_on_any_way() {
    let node = Node::start();
    let own = format!("host: {}\r\n", node.address);
    for way in WAYS {
        for sent in [
            "origin: https://evil.example",
            "origin: null",
            "origin: http://localhost:1",
            "sec-fetch-site: cross-site",
            "sec-fetch-site: same-site",
        ] {
            raw(&node, way, &format!("{own}{sent}\r\n")).assert_problem(403, "foreign_origin");
        }
    }
    assert_empty(&node);
    let preflight = format!("{own}origin: https://evil.example\r\naccess-control-request-method: POST\r\n");
    let response = raw(&node, ("OPTIONS", "/v1/values/v", ""), &preflight);
    response.assert_problem(403, "foreign_origin");
    assert_eq!(response.header("access-control-allow-origin"), None);
}

#[test]
fn the_node_s_own_pages_and_links_to_it_are_served_without_cors() {
    let node = Node::start();
    let own = format!("host: {0}\r\norigin: http://{0}\r\nsec-fetch-site: same-origin\r\n", node.address);
    let response = raw(&node, ("POST", "/v1/streams/s/events", EVENT), &own);
    assert_eq!(response.status, 200);
    let link = format!(
        "host: {}\r\nsec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document\r\n",
        node.address
    );
    let followed = raw(&node, ("GET", "/livez", ""), &link);
    assert_eq!(followed.status, 200);
    for response in [response, followed] {
        assert!(!response.headers.iter().any(|(name, _)| name.starts_with("access-control")));
        assert_eq!(response.header("vary"), None);
    }
}

#[test]
fn pages_of_a_listed_origin_are_served_and_pages_of_others_are_not() {
    let web = WebRules { origins: vec![APP.parse().unwrap()], ..WebRules::default() };
    let node = Node::with(HttpOptions { web, ..HttpOptions::default() });
    let from_app = format!("host: localhost\r\norigin: {APP}\r\nsec-fetch-site: cross-site\r\n");
    let ask = "access-control-request-method: POST\r\naccess-control-request-headers: Content-Type, If-Match,x-evil,ce-id\r\n";
    let asked = raw(&node, ("OPTIONS", "/v1/streams/s/events", ""), &format!("{from_app}{ask}"));
    assert_eq!(asked.status, 204);
    assert_eq!(asked.header("access-control-allow-origin"), Some(APP));
    assert_eq!(asked.header("access-control-allow-methods"), Some("POST, GET, HEAD, OPTIONS"));
    assert_eq!(asked.header("access-control-allow-headers"), Some("content-type, if-match, ce-id"));
    assert_eq!(
        (asked.header("vary"), asked.header("access-control-allow-credentials")),
        (Some("Origin"), None)
    );
    let missing = raw(&node, ("OPTIONS", "/nowhere", ""), &format!("{from_app}{ask}"));
    assert_eq!((missing.status, missing.header("access-control-allow-methods")), (404, None));

    for (way, status) in
        WAYS.into_iter().zip([200, 200, 200, 200, 200, 404, 405]).filter(|(way, _)| !way.2.is_empty())
    {
        let response = raw(&node, way, &from_app);
        assert_eq!(response.status, status, "{way:?}");
        assert_eq!(response.header("access-control-allow-origin"), Some(APP), "{way:?}");
        assert_eq!(response.header("vary"), Some("Origin"), "{way:?}");
        assert!(response.header("access-control-expose-headers").unwrap().contains("etag"), "{way:?}");
    }
    // A page reads why it was refused.
    let refused = raw(&node, ("POST", "/v1/streams/s/events", "{"), &from_app);
    refused.assert_problem(400, "invalid_json");
    assert_eq!(refused.header("access-control-allow-origin"), Some(APP));

    for way in WAYS {
        let response = raw(&node, way, "host: localhost\r\norigin: https://app.example.com.evil.example\r\n");
        response.assert_problem(403, "foreign_origin");
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    // A response without an origin is not for a page, and a cache must know that.
    let plain = node.get("/livez");
    assert_eq!((plain.header("access-control-allow-origin"), plain.header("vary")), (None, Some("Origin")));
}

#[test]
fn refused_requests_are_counted_and_the_connection_serves_the_next_one() {
    let node = Node::start();
    let mut connection = Connection::to(&node);
    let foreign = "POST /v1/streams/s/events HTTP/1.1\r\nhost: evil.example\r\ncontent-length: 12\r\n\r\n";
    connection.send(format!("{foreign}{EVENT}")).response().assert_problem(403, "foreign_host");
    assert_eq!(connection.send("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").response().status, 200);
    let counted = r#"mainstay_http_requests_total{method="*",route="*",status="403"} 1"#;
    let metrics = node.get("/metrics");
    assert!(metrics.text().contains(counted), "{}", metrics.text());
}

#[test]
fn hosts_that_the_operator_lists_are_served() {
    let hosts = HostRule::Known { listen: None, allowed: vec!["mainstay.internal".parse().unwrap()] };
    let web = WebRules { hosts, ..WebRules::default() };
    let node = Node::with(HttpOptions { web, ..HttpOptions::default() });
    for host in ["mainstay.internal", "MAINSTAY.internal.:80", "127.0.0.1"] {
        assert_eq!(raw(&node, ("GET", "/livez", ""), &format!("host: {host}\r\n")).status, 200, "{host}");
    }
    raw(&node, ("GET", "/livez", ""), "host: internal\r\n").assert_problem(403, "foreign_host");
}
