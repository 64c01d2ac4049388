//! Tokens over their life: created, listed, used, revoked, expired; and what they may see.

use crate::access::{created, id, send, token};
use crate::node::{ADMIN, Node};
use crate::script::check;
use crate::wire::{Connection, request};
use http_server::HttpOptions;
use http_server::options::Access;
use serde_json::Value;

fn tokens_options() -> HttpOptions {
    HttpOptions { access: Access::Tokens, ..HttpOptions::default() }
}

#[test]
fn a_token_is_shown_once_and_listed_without_its_secret() {
    let node = Node::with_tokens();
    let body = r#"{"role":"write","prefixes":["orders-","żółw"],"name":"billing","expires_after":"90d"}"#;
    let response = send(&node, ADMIN, "POST", "/v1/tokens", body);
    let made = response.json();
    let secret = made["token"].as_str().unwrap();
    assert_eq!(secret.split('_').nth(1), made["id"].as_str());
    assert_eq!(
        (&made["role"], &made["prefixes"][1], &made["name"]),
        (&"write".into(), &"żółw".into(), &"billing".into())
    );
    let list = send(&node, ADMIN, "GET", "/v1/tokens", "");
    assert!(!list.text().contains(&secret[21..]), "{}", list.text());
    let tokens = list.json()["tokens"].as_array().unwrap().clone();
    assert_eq!((tokens[0]["id"].as_str(), tokens.len()), (Some("initial"), 2));
    assert_eq!(tokens[1]["expires"], made["expires"]);
    let used =
        |node: &Node| send(node, ADMIN, "GET", "/v1/tokens", "").json()["tokens"][1]["last_used"].clone();
    assert_eq!(used(&node), Value::Null);
    assert_eq!(send(&node, secret, "GET", "/v1", "").status, 200);
    while used(&node).is_null() {
        std::thread::yield_now();
    }
    let first = send(&node, ADMIN, "GET", "/v1/tokens?limit=1", "").json();
    let next = first["next"].as_str().unwrap();
    assert_eq!(send(&node, ADMIN, "GET", next, "").json()["tokens"][0]["id"], made["id"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let node = Node::with_tokens();
    for (method, path, body, status, code) in [
        ("POST", "/v1/tokens", "{}", 400, "missing_member"),
        ("POST", "/v1/tokens", r#"{"role":"root"}"#, 400, "invalid_member"),
        ("POST", "/v1/tokens?a=1", r#"{"role":"read"}"#, 400, "unknown_parameter"),
        ("DELETE", "/v1/tokens/0123456789abcdef", "", 404, "token_not_found"),
        ("DELETE", "/v1/tokens/nonsense", "", 404, "token_not_found"),
        ("GET", "/v1/tokens?cursor=nonsense", "", 400, "invalid_parameter"),
        ("PUT", "/v1/tokens", "", 405, "method_not_allowed"),
    ] {
        send(&node, ADMIN, method, path, body).assert_problem(status, code);
    }
}

#[test]
fn tokens_survive_a_restart_and_can_be_made_on_an_open_node() {
    let node = Node::start();
    let made =
        node.request("POST", "/v1/tokens", &[("content-type", "application/json")], r#"{"role":"read"}"#);
    let reader = made.json()["token"].as_str().unwrap().to_owned();
    assert_eq!(node.get("/v1").status, 200);
    let node = node.restart_with(tokens_options(), |_| {});
    node.get("/v1").assert_problem(401, "token_missing");
    assert_eq!(send(&node, &reader, "GET", "/v1", "").status, 200);
    assert_eq!(send(&node, ADMIN, "DELETE", &format!("/v1/tokens/{}", id(&reader)), "").status, 200);
    let node = node.restart_with(tokens_options(), |_| {});
    send(&node, &reader, "GET", "/v1", "").assert_problem(401, "token_invalid");
}

/// As many as there are forms: a subscription, a watch, a stream of lines, and requests that wait.
#[test]
fn whatever_a_token_has_open_ends_when_it_is_revoked() {
    let node = Node::with_tokens();
    let claim = r#"{"worker":"w","wait":"60s"}"#;
    let enqueued = send(&node, ADMIN, "POST", "/v1/queues/q/tasks", r#"{"id":"a","type":"other"}"#);
    assert_eq!(enqueued.status, 200);
    for (method, path, accept, body) in [
        ("GET", "/v1/events", "text/event-stream", ""),
        ("GET", "/v1/streams/a/events", "text/event-stream", ""),
        ("GET", "/v1/values/v", "text/event-stream", ""),
        ("POST", "/v1/queues/empty/claims", "application/json", claim),
        ("GET", "/v1/queues/q/tasks/a?wait=60s", "application/json", ""),
    ] {
        let token = token(&node, "write", &[]);
        let authorization = format!("Bearer {token}");
        let mut headers = vec![("authorization", &*authorization), ("accept", accept)];
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        let mut connection = Connection::to(&node);
        connection.send(request(method, path, &headers, body));
        let is_stream = accept == "text/event-stream";
        if is_stream {
            assert_eq!(connection.head().status, 200, "{path}");
        }
        assert_eq!(send(&node, ADMIN, "DELETE", &format!("/v1/tokens/{}", id(&token)), "").status, 200);
        if is_stream {
            let seen = connection.chunks_until("token_invalid");
            assert!(seen.contains("event: problem"), "{path}: {seen}");
            assert!(connection.chunk().is_none(), "{path} goes on");
        } else {
            connection.response().assert_problem(401, "token_invalid");
        }
    }
}

#[test]
fn who_revokes_the_token_in_hand_learns_that_it_is_revoked() {
    let node = Node::with_tokens();
    for _ in 0..20 {
        let token = token(&node, "admin", &[]);
        let path = format!("/v1/tokens/{}", id(&token));
        assert_eq!(send(&node, &token, "DELETE", &path, "").json()["revoked"], true);
        send(&node, &token, "DELETE", &path, "").assert_problem(401, "token_invalid");
    }
}

#[test]
fn a_subscription_ends_when_its_token_expires() {
    let node = Node::with_tokens();
    let token = created(&node, r#"{"role":"read","expires_after":"2s"}"#);
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", &*authorization), ("accept", "text/event-stream")];
    let mut connection = Connection::to(&node);
    connection.send(request("GET", "/v1/events", &headers, ""));
    assert_eq!(connection.head().status, 200);
    assert!(connection.chunks_until("token_expired").contains("event: problem"));
}

#[test]
fn lists_and_reads_of_the_store_show_only_what_the_token_covers() {
    let node = Node::with_tokens();
    let json = r#"{"type":"t"}"#;
    for number in 0..40 {
        for kind in ["orders", "carts"] {
            let name = format!("{kind}-{number}");
            for (method, path, body) in [
                ("POST", format!("/v1/streams/{name}/events"), json),
                ("PUT", format!("/v1/values/{name}"), "{}"),
                ("POST", format!("/v1/queues/{name}/tasks"), json),
            ] {
                assert_eq!(send(&node, ADMIN, method, &path, body).status, 200, "{path}");
            }
        }
    }
    for (path, body) in [
        ("limits/NAME", r#"{"concurrency":1}"#),
        ("breakers/NAME", "{}"),
        ("schedules/NAME", r#"{"every":"1h","queue":"q","task":{"type":"t"}}"#),
        ("reactions/NAME", r#"{"prefix":"x","queue":"q","task_type":"t"}"#),
    ] {
        for name in ["orders-1", "carts-1"] {
            let path = format!("/v1/{}", path.replace("NAME", name));
            assert_eq!(send(&node, ADMIN, "PUT", &path, body).status, 200, "{path}");
        }
    }
    for name in ["orders-1", "carts-1"] {
        let ask = r#"{"holder":"h","ttl_ms":60000}"#;
        assert_eq!(send(&node, ADMIN, "POST", &format!("/v1/leases/{name}/acquire"), ask).status, 200);
    }
    let reader = token(&node, "read", &["orders-"]);
    for (list, items) in [
        ("streams", 40),
        ("values", 40),
        ("queues", 40),
        ("leases", 1),
        ("limits", 1),
        ("breakers", 1),
        ("schedules", 1),
        ("reactions", 1),
    ] {
        let mut next = Some(format!("/v1/{list}"));
        if !matches!(list, "reactions") {
            next = Some(format!("/v1/{list}?limit=7"));
        }
        let mut found = 0;
        while let Some(path) = next {
            let page = send(&node, &reader, "GET", &path, "");
            assert!(!page.text().contains("carts"), "{path}: {}", page.text());
            let page = page.json();
            found += page[list].as_array().unwrap_or_else(|| panic!("{list}: {page}")).len();
            next = page["next"].as_str().map(str::to_owned);
        }
        assert_eq!(found, items, "{list}");
    }
    for path in ["/v1/events", "/v1/events?prefix=carts", "/v1/events?limit=5"] {
        let page = send(&node, &reader, "GET", path, "");
        assert!(!page.text().contains("carts-"), "{path}: {}", page.text());
    }
    let page = send(&node, &reader, "GET", "/v1/events?limit=1000", "").json();
    assert_eq!(page["events"].as_array().unwrap().len(), 40);
}

#[test]
fn a_group_is_shown_to_who_may_read_all_of_its_queues() {
    let node = Node::with_tokens();
    let group =
        r#"{"id":"orders-g","members":[{"queue":"orders-q","type":"t"},{"queue":"carts-q","type":"t"}]}"#;
    assert_eq!(send(&node, ADMIN, "POST", "/v1/groups", group).status, 200);
    let some = token(&node, "read", &["orders-"]);
    let all = token(&node, "read", &["orders-", "carts-"]);
    let problem = send(&node, &some, "GET", "/v1/groups/orders-g", "");
    problem.assert_problem(403, "not_permitted");
    assert!(!problem.text().contains("carts"));
    assert_eq!(send(&node, &all, "GET", "/v1/groups/orders-g", "").status, 200);
}

#[test]
fn a_set_of_schedules_is_not_put_by_who_does_not_cover_all_of_it() {
    let node = Node::with_tokens();
    let set = |name: &str| {
        format!(
            r#"{{"schedules":[{{"schedule":"{name}","every":"1h","queue":"orders-q","task":{{"type":"t"}}}}]}}"#
        )
    };
    let path = "/v1/schedule-sets/orders-app";
    assert_eq!(send(&node, ADMIN, "PUT", path, &set("carts-nightly")).status, 200);
    let writer = token(&node, "write", &["orders-"]);
    send(&node, &writer, "PUT", path, &set("orders-nightly")).assert_problem(403, "not_permitted");
    assert!(!send(&node, &writer, "GET", path, "").text().contains("carts"));
    assert_eq!(send(&node, ADMIN, "PUT", path, &set("orders-nightly")).status, 200);
    assert_eq!(send(&node, &writer, "PUT", path, &set("orders-other")).status, 200);
}

#[test]
fn administrative_changes_are_told_in_a_stream_that_no_one_can_change() {
    let node = Node::with_tokens();
    let admin = created(&node, r#"{"role":"admin","name":"ops"}"#);
    let writer = token(&node, "write", &[]);
    let json = r#"{"type":"t"}"#;
    assert_eq!(send(&node, &admin, "POST", "/v1/streams/orders-1/events", json).status, 200);
    assert_eq!(send(&node, &admin, "PUT", "/v1/queues/mails", "{}").status, 200);
    assert_eq!(send(&node, &admin, "DELETE", "/v1/streams/orders-1", "").status, 200);
    assert_eq!(send(&node, &admin, "DELETE", "/v1/tokens/0123456789abcdef", "").status, 404);
    let page = send(&node, &admin, "GET", "/v1/streams/$audit/events", "").json();
    let events = page["events"].as_array().unwrap().iter().skip(2);
    let told: Vec<String> = events
        .map(|event| {
            let data = &event["data"];
            assert_eq!((&data["token"], &data["name"]), (&id(&admin).into(), &"ops".into()));
            format!("{} {} {}", event["type"].as_str().unwrap(), data["target"], data["outcome"])
        })
        .collect();
    let wanted = [
        r#"audit.putQueue "mails" "done""#,
        r#"audit.deleteStream "orders-1" "done""#,
        r#"audit.revokeToken "0123456789abcdef" "refused""#,
    ];
    assert_eq!(told, wanted);
    for token in [&admin, &writer] {
        for (method, path, body) in [
            ("POST", "/v1/streams/$audit/events", json),
            ("DELETE", "/v1/streams/$audit", ""),
            ("PUT", "/v1/streams/$audit/settings", r#"{"max_count":1}"#),
            ("PUT", "/v1/reactions/r", r#"{"prefix":"$","queue":"q","task_type":"t"}"#),
        ] {
            send(&node, token, method, path, body).assert_problem(403, "not_permitted");
        }
    }
    send(&node, &writer, "GET", "/v1/streams/$audit/events", "").assert_problem(403, "not_permitted");
    for path in ["/v1/events", "/v1/streams", "/v1/events?prefix=$"] {
        let page = send(&node, &writer, "GET", path, "");
        assert!(!page.text().contains("audit"), "{path}: {}", page.text());
    }
    assert!(send(&node, &admin, "GET", "/v1/events", "").text().contains("audit.putQueue"));
}

#[test]
fn a_reaction_to_everything_does_not_tell_what_administrators_do() {
    let node = Node::with_tokens();
    let writer = token(&node, "write", &[]);
    let reaction = r#"{"queue":"q","task_type":"t","from":"beginning"}"#;
    assert_eq!(send(&node, &writer, "PUT", "/v1/reactions/all", reaction).status, 200);
    assert_eq!(send(&node, &writer, "POST", "/v1/streams/a/events", r#"{"type":"t"}"#).status, 200);
    let claimed =
        send(&node, &writer, "POST", "/v1/queues/q/claims", r#"{"worker":"w","max":9,"wait":"20s"}"#);
    let claimed = claimed.json();
    assert_eq!(claimed["tasks"].as_array().unwrap().len(), 1, "{claimed}");
    assert_eq!(claimed["tasks"][0]["payload"]["stream"], "a");
}

#[test]
fn attempts_with_wrong_tokens_are_limited_and_valid_tokens_are_not() {
    let node = Node::with(HttpOptions { attempts_burst: 3, ..tokens_options() });
    let attempt = || send(&node, "wrong", "GET", "/v1", "");
    for _ in 0..3 {
        attempt().assert_problem(401, "token_invalid");
    }
    // One more is possible each second, so on a slow machine it takes more than one.
    let limited = std::iter::repeat_with(attempt).find(|response| response.status != 401).unwrap();
    limited.assert_problem(429, "too_many_attempts");
    assert_eq!(send(&node, ADMIN, "GET", "/v1", "").status, 200);
    node.get("/v1").assert_problem(401, "token_missing");
}

#[test]
fn an_open_node_asks_for_nothing() {
    check(
        &Node::start(),
        r#"
        > GET /v1 | authorization: Bearer wrong
        < 200
        > POST /v1/tokens
          {"role":"read","name":"for later"}
        < 200
          role = "read"
          prefixes.length = 0
          id = $id
        > GET /v1/tokens
        < 200
          tokens.length = 1
          tokens[0].id = $id
        > DELETE /v1/tokens/$id
        < 200
          revoked = true
        > DELETE /v1/tokens/$id
        < 404 token_not_found
        "#,
    );
}
