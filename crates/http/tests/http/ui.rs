//! The page at `/ui`: what is served to whom, and with which headers. `crates/mainstay/tests/ui` opens it in a browser.

use crate::node::Node;
use crate::wire::{Connection, Response};
use http_server::HttpOptions;
use http_server::options::WebPage;

/// The files that the page and its modules name, the page included.
fn files(node: &Node) -> Vec<String> {
    let mut found = vec!["/ui".to_owned()];
    for at in 0.. {
        let Some(path) = found.get(at).cloned() else { break };
        let response = node.get(&path);
        for part in response.text().split('"') {
            let named = part.strip_prefix("./").map(|file| format!("/ui/{file}"));
            let named = named.or_else(|| part.starts_with("/ui/").then(|| part.to_owned()));
            found.extend(named.filter(|named| !found.contains(named)));
        }
    }
    found
}

#[test]
fn every_file_of_the_page_is_served_with_headers_that_confine_it() {
    let node = Node::start();
    let files = files(&node);
    assert!(files.len() > 10, "{files:?}");
    for file in files.iter().map(String::as_str).chain(["/ui/"]) {
        let response = node.get(file);
        assert_eq!(response.status, 200, "{file}");
        let header = |name: &str| response.header(name).unwrap_or_default().to_owned();
        let policy = header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.split("; ").any(|known| known == rule), "{file}: {rule} is not in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{file}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{file}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{file}");
        let media_type = match file.rsplit_once('.').map(|(_, kind)| kind) {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(header("content-type"), media_type, "{file}");
    }
}

/// Sends a request without a body, and reads the head of its response and everything after that.
fn exchange(node: &Node, method: &str, path: &str, headers: &str) -> (Response, Vec<u8>) {
    let mut connection = Connection::to(node);
    connection
        .send(format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}connection: close\r\n\r\n"));
    (connection.head(), connection.rest())
}

#[test]
fn a_file_that_the_browser_has_is_not_sent_again() {
    let node = Node::start();
    let tag = node.get("/ui/app.js").header("etag").unwrap().to_owned();
    for (sent, status) in [
        (tag.clone(), 304),
        (format!("W/{tag}"), 304),
        (format!("\"other\", {tag}"), 304),
        ("\"other\"".to_owned(), 200),
        (tag.trim_matches('"').to_owned(), 200),
    ] {
        let (response, body) = exchange(&node, "GET", "/ui/app.js", &format!("if-none-match: {sent}\r\n"));
        assert_eq!((response.status, body.is_empty()), (status, status == 304), "{sent}");
        assert_eq!(response.header("etag"), Some(tag.as_str()));
        assert!(response.header("content-security-policy").is_some());
    }
}

#[test]
fn the_page_takes_the_methods_that_it_says_and_has_no_other_files() {
    let node = Node::start();
    let length = node.get("/ui").body.len().to_string();
    let (response, body) = exchange(&node, "HEAD", "/ui", "");
    assert_eq!((response.status, response.header("content-length")), (200, Some(length.as_str())));
    assert_eq!(body, b"");
    let (response, body) = exchange(&node, "OPTIONS", "/ui/app.js", "");
    assert_eq!((response.status, response.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert_eq!(body, b"");
    for method in ["POST", "PUT", "DELETE"] {
        let response = node.request(method, "/ui", &[], "x");
        response.assert_problem(405, "method_not_allowed");
        assert_eq!(response.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
    for path in ["/ui/nothing.js", "/ui/../ui", "/ui/assets/app.js", "/ui/%2e%2e/app.js", "/uid", "/"] {
        node.get(path).assert_problem(404, "not_found");
    }
}

#[test]
fn the_files_need_no_token_and_the_data_does() {
    let node = Node::with_tokens();
    for file in files(&node) {
        assert_eq!(node.get(&file).status, 200, "{file}");
    }
    node.get("/v1/streams").assert_problem(401, "token_missing");
}

#[test]
fn pages_of_other_sites_and_requests_for_other_hosts_do_not_get_the_page() {
    let node = Node::start();
    for (headers, code) in [
        ("host: evil.example\r\n", "foreign_host"),
        ("host: localhost\r\norigin: https://evil.example\r\n", "foreign_origin"),
        ("host: localhost\r\nsec-fetch-site: cross-site\r\nsec-fetch-dest: script\r\n", "foreign_origin"),
    ] {
        for path in ["/ui", "/ui/app.js"] {
            let request = format!("GET {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
            node.raw(request).assert_problem(403, code);
        }
    }
}

#[test]
fn a_node_can_be_without_the_page() {
    let node = Node::with(HttpOptions { page: WebPage::Absent, ..HttpOptions::default() });
    for path in ["/ui", "/ui/", "/ui/app.js"] {
        node.get(path).assert_problem(404, "not_found");
    }
    assert_eq!(node.get("/v1/streams").status, 200);
}
