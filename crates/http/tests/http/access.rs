//! Every operation of the contract, with every kind of token that must not run it, and with one that may.

use crate::node::{ADMIN, Node};
use crate::wire::Response;
use api::Operation;
use api::contract::{Access, Method, Scope};
use model::Role;

/// A token with this role and these prefixes.
pub(crate) fn token(node: &Node, role: &str, prefixes: &[&str]) -> String {
    let prefixes: Vec<String> = prefixes.iter().map(|prefix| format!("\"{prefix}\"")).collect();
    let body = format!(r#"{{"role":"{role}","prefixes":[{}]}}"#, prefixes.join(","));
    created(node, &body)
}

/// The token that this request creates.
pub(crate) fn created(node: &Node, body: &str) -> String {
    let response = send(node, ADMIN, "POST", "/v1/tokens", body);
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["token"].as_str().unwrap().to_owned()
}

/// Sends a request with a token.
pub(crate) fn send(node: &Node, token: &str, method: &str, path: &str, body: &str) -> Response {
    let authorization = format!("Bearer {token}");
    let mut headers = vec![("authorization", &*authorization)];
    if !body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    node.request(method, path, &headers, body)
}

/// The id in a token.
pub(crate) fn id(token: &str) -> &str {
    token.split('_').nth(1).unwrap()
}

/// A request to the operation about this name. It need not make sense: who may not run the operation must not learn
/// even that.
fn path(operation: Operation, name: &str) -> String {
    let segments = operation.path().split('/').enumerate().map(|(at, segment)| match segment {
        _ if !segment.starts_with('{') => segment,
        _ if at == 3 => name,
        _ => "~1",
    });
    segments.collect::<Vec<_>>().join("/")
}

pub(crate) fn ask(node: &Node, operation: Operation, token: Option<&str>, name: &str) -> Response {
    let (method, path) = (operation.method(), path(operation, name));
    let body = if matches!(method, Method::Post | Method::Put) { "{}" } else { "" };
    let sent = token.map(|token| format!("Bearer {token}"));
    let mut headers: Vec<(&str, &str)> = sent.iter().map(|sent| ("authorization", &**sent)).collect();
    if !body.is_empty() {
        headers.push(("content-type", "application/json"));
    }
    node.request(method.as_str(), &path, &headers, body)
}

#[test]
fn no_operation_runs_without_a_valid_token() {
    let node = Node::with_tokens();
    let revoked = token(&node, "admin", &[]);
    assert_eq!(send(&node, &revoked, "GET", "/v1", "").status, 200);
    let path = format!("/v1/tokens/{}", id(&revoked));
    assert_eq!(send(&node, ADMIN, "DELETE", &path, "").status, 200);
    let expired = created(&node, r#"{"role":"admin","expires_after":"1s"}"#);
    while send(&node, &expired, "GET", "/v1", "").status == 200 {
        std::thread::yield_now();
    }
    let other = format!("{ADMIN}1");
    for operation in Operation::ALL {
        let is_public = operation.description().access == Access::Public;
        for (token, code) in [
            (None, "token_missing"),
            (Some(&*revoked), "token_invalid"),
            (Some(&*expired), "token_expired"),
            (Some(&*other), "token_invalid"),
            (Some(&ADMIN[1..]), "token_invalid"),
        ] {
            let response = ask(&node, *operation, token, "orders-1");
            if is_public {
                assert!(response.status != 401, "{operation:?} is public");
                continue;
            }
            assert_eq!((response.status, &*response.code()), (401, code), "{operation:?} with {token:?}");
            let challenge = response.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer realm="), "{operation:?}: {challenge}");
        }
    }
}

#[test]
fn no_operation_runs_with_too_small_a_role_or_for_another_prefix() {
    let node = Node::with_tokens();
    let roles = Role::ALL.map(|role| (role, token(&node, role.as_str(), &["orders-"])));
    let unlimited = Role::ALL.map(|role| (role, token(&node, role.as_str(), &[])));
    for operation in Operation::ALL {
        let Access::Token(needs, scope) = operation.description().access else { continue };
        for (role, token) in &unlimited {
            let response = ask(&node, *operation, Some(token), "orders-1");
            let denied = response.status == 403;
            assert_eq!(denied, *role < needs, "{operation:?} as {role:?}: {}", response.text());
            assert!(response.status != 401, "{operation:?}");
        }
        for (role, token) in roles.iter().filter(|(role, _)| *role >= needs) {
            let own = ask(&node, *operation, Some(token), "orders-1");
            assert_eq!(own.status == 403, scope == Scope::Store, "{operation:?} as {role:?}: {}", own.text());
            for name in ["carts-1", "$audit", "order", "%6frder", "%7Borders-1%7D"] {
                let other = ask(&node, *operation, Some(token), name);
                match scope {
                    Scope::Name | Scope::Store => other.assert_problem(403, "not_permitted"),
                    Scope::Nothing | Scope::Body | Scope::Filtered => assert!(other.status != 403),
                }
            }
        }
    }
}

/// Reading is not limited to who may write, and the other way round: each role may do what those before it may.
#[test]
fn each_role_does_its_work() {
    let node = Node::with_tokens();
    let [read, write] = ["read", "write"].map(|role| token(&node, role, &["orders-"]));
    let event = r#"{"type":"t"}"#;
    for (token, method, path, body, status) in [
        (&read, "POST", "/v1/streams/orders-1/events", event, 403),
        (&write, "POST", "/v1/streams/orders-1/events", event, 200),
        (&write, "POST", "/v1/streams/carts-1/events", event, 403),
        (&read, "GET", "/v1/streams/orders-1/events", "", 200),
        (&write, "GET", "/v1/streams/orders-1/events", "", 200),
        (&write, "DELETE", "/v1/streams/orders-1", "", 403),
        (&write, "PUT", "/v1/streams/orders-1/settings", r#"{"max_count":1}"#, 403),
        (&read, "PUT", "/v1/values/orders-flag", "{}", 403),
        (&write, "PUT", "/v1/values/orders-flag", "{}", 200),
        (&read, "GET", "/v1/values/orders-flag", "", 200),
        (&read, "GET", "/metrics", "", 403),
        (&read, "HEAD", "/v1/streams/carts-1/events", "", 403),
        (&read, "GET", "/nowhere", "", 404),
    ] {
        if method == "HEAD" {
            let request = format!(
                "HEAD {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
            );
            let head = crate::wire::Connection::to(&node).send(&request).head();
            assert_eq!(head.status, status, "{method} {path}");
            continue;
        }
        let response = send(&node, token, method, path, body);
        assert_eq!(response.status, status, "{method} {path}: {}", response.text());
    }
    let scraper = token(&node, "read", &[]);
    assert_eq!(send(&node, &scraper, "GET", "/metrics", "").status, 200);
}

/// What could be the token of a claim in this queue.
fn claim(queue: &str) -> String {
    model::Cursor::new(model::Position(1), model::slot_of(model::Namespace::ROOT, queue)).to_string()
}

/// One request of each kind, with one name that the token does not cover.
#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn every_name_in_a_body_is_checked() {
    let node = Node::with_tokens();
    let admin = token(&node, "admin", &["orders-"]);
    let event = r#""events":[{"type":"t"}]"#;
    let token_of = "00000000000000000001";
    let transaction = |checks: &str, writes: &str| format!(r#"{{"checks":[{checks}],"writes":[{writes}]}}"#);
    let own = format!(r#"{{"append":{{"stream":"orders-1",{event}}}}}"#);
    let group = |queue: &str, then: &str| {
        format!(
            r#"{{"id":"orders-g","members":[{{"queue":"{queue}","type":"t"}}],"then":{{"queue":"{then}","type":"t"}}}}"#
        )
    };
    let schedule = |queue: &str| format!(r#"{{"every":"1h","queue":"{queue}","task":{{"type":"t"}}}}"#);
    let reaction =
        |prefix: &str, queue: &str| format!(r#"{{"prefix":"{prefix}","queue":"{queue}","task_type":"t"}}"#);
    for (method, path, body) in [
        ("POST", "/v1/transactions", transaction("", &own.replace("orders-1", "NAME"))),
        ("POST", "/v1/transactions", transaction(r#"{"stream":"NAME","expected":"none"}"#, &own)),
        ("POST", "/v1/transactions", transaction(r#"{"value":"NAME","expected":"none"}"#, &own)),
        (
            "POST",
            "/v1/transactions",
            transaction(&format!(r#"{{"lease":"NAME","token":"{token_of}"}}"#), &own),
        ),
        (
            "POST",
            "/v1/transactions",
            transaction(&format!(r#"{{"idempotency":"NAME","token":"{token_of}"}}"#), &own),
        ),
        (
            "POST",
            "/v1/transactions",
            transaction("", r#"{"enqueue":{"queue":"NAME","tasks":[{"type":"t"}]}}"#),
        ),
        (
            "POST",
            "/v1/transactions",
            transaction("", r#"{"complete":{"queue":"NAME","id":"1","token":"TOKEN"}}"#),
        ),
        (
            "POST",
            "/v1/transactions",
            transaction(
                "",
                &format!(
                    r#"{{"idempotency":{{"key":"NAME","token":"{token_of}","response":{{"status":200}}}}}}"#
                ),
            ),
        ),
        ("POST", "/v1/groups", group("NAME", "orders-q")),
        ("POST", "/v1/groups", group("orders-q", "NAME")),
        ("POST", "/v1/groups", group("orders-q", "orders-q").replace("orders-g", "NAME")),
        ("POST", "/v1/queues/orders-q/tasks/1/replay", r#"{"to":"NAME"}"#.to_owned()),
        ("PUT", "/v1/queues/orders-q", r#"{"events":"NAME"}"#.to_owned()),
        ("PUT", "/v1/queues/orders-q", r#"{"limits":[{"limit":"NAME"}]}"#.to_owned()),
        ("PUT", "/v1/queues/orders-q", r#"{"breaker":{"breaker":"NAME"}}"#.to_owned()),
        ("PUT", "/v1/schedules/orders-s", schedule("NAME")),
        (
            "PUT",
            "/v1/schedule-sets/orders-o",
            format!(r#"{{"schedules":[{{"schedule":"NAME",{}]}}"#, &schedule("orders-q")[1..]),
        ),
        (
            "PUT",
            "/v1/schedule-sets/orders-o",
            format!(r#"{{"schedules":[{{"schedule":"orders-s",{}]}}"#, &schedule("NAME")[1..]),
        ),
        ("PUT", "/v1/reactions/orders-r", reaction("NAME", "orders-q")),
        ("PUT", "/v1/reactions/orders-r", reaction("orders-", "NAME")),
        (
            "POST",
            "/v1/queues/orders-q/tasks/1/fail",
            r#"{"token":"OWN","throttle":{"limit":"NAME","for":"1s"}}"#.to_owned(),
        ),
    ] {
        let body = body.replace("OWN", &claim("orders-q"));
        for name in ["carts-1", "order", "$audit", "{orders-1}"] {
            let response =
                send(&node, &admin, method, path, &body.replace("TOKEN", &claim(name)).replace("NAME", name));
            assert_eq!(
                (response.status, &*response.code()),
                (403, "not_permitted"),
                "{name} in {path} {body}"
            );
        }
        let response = send(
            &node,
            &admin,
            method,
            path,
            &body.replace("TOKEN", &claim("orders-x")).replace("NAME", "orders-x"),
        );
        assert!(response.status != 403, "{path} {body}: {}", response.text());
        assert!(response.status != 400, "the request makes no sense: {path} {body}: {}", response.text());
    }
}

/// Lines are checked one by one: those that are not permitted do not keep others from happening.
#[test]
fn every_line_is_checked() {
    let node = Node::with_tokens();
    let writer = token(&node, "write", &["orders-"]);
    let authorization = format!("Bearer {writer}");
    let headers = [("authorization", &*authorization), ("content-type", "application/x-ndjson")];
    let lines = "{\"stream\":\"orders-1\",\"type\":\"t\"}\n{\"stream\":\"carts-1\",\"type\":\"t\"}\n{\"stream\":\"orders-2\",\"type\":\"t\"}\n";
    let lines = node.request("POST", "/v1/events", &headers, lines).lines();
    assert_eq!(lines[1]["problem"]["code"], "not_permitted", "{lines:?}");
    assert_eq!((&lines[3]["summary"]["appended"], &lines[3]["summary"]["refused"]), (&2.into(), &1.into()));
    // A settlement that names a limit elsewhere.
    let line = r#"{"id":"1","token":"OWN","action":"fail","throttle":{"limit":"carts","for":"1s"}}"#;
    let line = format!("{}\n", line.replace("OWN", &claim("orders-q")));
    let response = node.request("POST", "/v1/queues/orders-q/settlements", &headers, &line);
    response.assert_problem(403, "not_permitted");
}

#[test]
fn headers_of_other_forms_are_no_token() {
    let node = Node::with_tokens();
    for (header, status) in [
        (format!("Bearer {ADMIN}"), 200),
        (format!("bearer  {ADMIN} "), 200),
        (format!("Basic {ADMIN}"), 401),
        (ADMIN.to_owned(), 401),
        ("Bearer".to_owned(), 401),
        ("Bearer ".to_owned(), 401),
        (format!("Bearer {}", "x".repeat(600)), 401),
        ("Bearer \u{1}".to_owned(), 400),
    ] {
        let response = node.request("GET", "/v1", &[("authorization", &header)], "");
        assert_eq!(response.status, status, "{header:?}");
    }
    let twice = format!("Bearer {ADMIN}");
    let response = node.request("GET", "/v1", &[("authorization", &twice), ("authorization", &twice)], "");
    response.assert_problem(400, "duplicate_header");
}
