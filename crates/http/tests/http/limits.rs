//! Limits over HTTP.

use crate::node::Node;
use crate::script::check;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

#[test]
fn a_limit_holds_for_the_queues_that_name_it() {
    check(
        &Node::start(),
        r#"
        > GET /v1/limits/api
        < 404 limit_not_found
        > PUT /v1/limits/api
          {"concurrency":1}
        < 200
          . = {"limit":"api","concurrency":1,"rate":null}
        > PUT /v1/queues/q
          {"limits":[{"limit":"api","key":"payload.host"}]}
        < 200
          settings.limits = [{"limit":"api","key":"payload.host","cost":1}]
        > POST /v1/queues/q/tasks
          {"id":"a","type":"t","payload":{"host":"x"}}
        < 200
        > POST /v1/queues/q/tasks
          {"id":"b","type":"t","payload":{"host":"x"}}
        < 200
        > POST /v1/queues/q/tasks
          {"id":"c","type":"t","payload":{"host":"y"}}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":9}
        < 200
          tasks.length = 2
          tasks[0].id = "a"
          tasks[0].token = $token
          tasks[1].id = "c"
        > GET /v1/queues/q/tasks/b
        < 200
          state = "blocked"
          blocked_on = {"reason":"concurrency","limit":"api","key":"x"}
        > GET /v1/queues/q
        < 200
          depth.blocked = 1
          depth.running = 2
        > GET /v1/limits/api
        < 200
          keys.length = 2
          more_keys = false
        > POST /v1/queues/q/tasks/a/complete
          {"token":"$token"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":9}
        < 200
          tasks.length = 1
          tasks[0].id = "b"
        > GET /v1/limits
        < 200
          . = {"limits":[{"limit":"api"}],"next":null}
        > DELETE /v1/limits/api
        < 200
          . = {"limit":"api"}
        > DELETE /v1/limits/api
        < 404 limit_not_found
        > GET /v1/limits
        < 200
          limits.length = 0
        "#,
    );
}

#[test]
fn a_waiting_claim_gets_the_next_task_of_a_key_at_once() {
    let node = Node::start();
    let json = [("content-type", "application/json")];
    let put = |path: &str, body: &str| assert_eq!(node.request("PUT", path, &json, body).status, 200);
    let post = |path: &str, body: &str| {
        let response = node.request("POST", path, &json, body);
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    };
    put("/v1/limits/api", r#"{"concurrency":1}"#);
    put("/v1/queues/q", r#"{"limits":[{"limit":"api"}]}"#);
    post("/v1/queues/q/tasks", r#"{"id":"a","type":"t"}"#);
    post("/v1/queues/q/tasks", r#"{"id":"b","type":"t"}"#);
    let first = post("/v1/queues/q/claims", r#"{"worker":"w"}"#);
    std::thread::scope(|scope| {
        let second =
            scope.spawn(|| post("/v1/queues/q/claims", r#"{"worker":"w","wait":"30s","request_id":"2"}"#));
        let token = first["tasks"][0]["token"].as_str().unwrap();
        post("/v1/queues/q/tasks/a/complete", &format!(r#"{{"token":"{token}"}}"#));
        assert_eq!(second.join().unwrap()["tasks"][0]["id"], "b");
    });
}

#[test]
fn what_makes_no_sense_is_refused() {
    check(
        &Node::start(),
        r#"
        > PUT /v1/limits/api
          {}
        < 400 invalid_member
        > PUT /v1/limits/api
          {"rate":{"max":5}}
        < 400 missing_member
          member = "rate.per"
        > PUT /v1/limits/api | idempotency-key: k
          {"concurrency":1}
        < 400 invalid_header
        > PUT /v1/limits/api?x=1
          {"concurrency":1}
        < 400 unknown_parameter
        > PUT /v1/queues/q
          {"limits":[{"limit":"api"},{"limit":"api","key":"host"}]}
        < 400 invalid_member
          member = "limits[1].key"
        > GET /v1/limits?limit=0
        < 400 invalid_parameter
        > GET /v1/limits?cursor=
        < 400 invalid_parameter
        "#,
    );
}

/// The value of a metric; `None` if it is not shown.
fn figure(metrics: &str, sample: &str) -> Option<u64> {
    metrics.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?.parse().ok()
}

#[test]
fn the_metrics_say_what_a_limit_allows_and_what_its_keys_have_in_use() {
    let node = Node::start();
    check(
        &node,
        r#"
        > PUT /v1/limits/api
          {"concurrency":2}
        < 200
        > PUT /v1/limits/partner
          {"rate":{"max":1,"per":"1d","burst":5}}
        < 200
        > PUT /v1/limits/gone
          {"concurrency":1}
        < 200
        > DELETE /v1/limits/gone
        < 200
        > PUT /v1/queues/q
          {"limits":[{"limit":"api","key":"payload.host"},{"limit":"partner","cost":2,"types":["call"]}]}
        < 200
        > POST /v1/queues/q/tasks | content-type: application/x-ndjson
          {"id":"a","type":"call","payload":{"host":"x"}}
          {"type":"t","payload":{"host":"x"}}
          {"type":"t","payload":{"host":"x"}}
          {"type":"t","payload":{"host":"x"}}
          {"type":"t","payload":{"host":"y"}}
        < 200 | content-type: application/x-ndjson
        > POST /v1/queues/q/claims
          {"worker":"w","max":9}
        < 200
          tasks.length = 3
          tasks[0].id = "a"
          tasks[0].token = $token
        "#,
    );
    let metrics = node.get("/metrics");
    for (sample, value) in [
        (r#"mainstay_limit_concurrency{limit="api"}"#, Some(2)),
        (r#"mainstay_limit_running{limit="api"}"#, Some(3)),
        (r#"mainstay_limit_running_max{limit="api"}"#, Some(2)),
        (r#"mainstay_limit_waiting{limit="api"}"#, Some(2)),
        (r#"mainstay_limit_keys{limit="api"}"#, Some(2)),
        (r#"mainstay_limit_rate_burst{limit="api"}"#, None),
        (r#"mainstay_limit_rate_left{limit="api"}"#, None),
        (r#"mainstay_limit_concurrency{limit="partner"}"#, None),
        (r#"mainstay_limit_running{limit="partner"}"#, Some(1)),
        (r#"mainstay_limit_rate_burst{limit="partner"}"#, Some(5)),
        (r#"mainstay_limit_rate_left{limit="partner"}"#, Some(3)),
        (r#"mainstay_limit_throttled{limit="api"}"#, Some(0)),
        (r#"mainstay_limit_running{limit="gone"}"#, None),
        ("mainstay_limits_cut", Some(0)),
    ] {
        assert_eq!(figure(metrics.text(), sample), value, "{sample}");
    }
}

/// Creates a limit for one task of each key.
fn put_limit(node: &Node, name: &str) {
    let response = node.request("PUT", &format!("/v1/limits/{name}"), &JSON, r#"{"concurrency":1}"#);
    assert_eq!(response.status, 200, "{name}");
}

/// Creates a queue with these limits, by the payload of its tasks.
fn put_queue(node: &Node, queue: &str, limits: &[String]) {
    let limits = limits.iter().map(|name| format!(r#"{{"limit":"{name}","key":"payload"}}"#));
    let settings = format!(r#"{{"limits":[{}]}}"#, limits.collect::<Vec<_>>().join(","));
    let response = node.request("PUT", &format!("/v1/queues/{queue}"), &JSON, &settings);
    assert_eq!(response.status, 200, "{queue}");
}

/// Enqueues a task for each of these payloads, and claims them all.
fn claim(node: &Node, queue: &str, payloads: std::ops::Range<usize>) {
    let lines = [("content-type", "application/x-ndjson")];
    let mut left = payloads.len();
    let tasks: Vec<_> = payloads.map(|payload| format!(r#"{{"type":"t","payload":{payload}}}"#)).collect();
    let path = format!("/v1/queues/{queue}");
    assert_eq!(node.request("POST", &format!("{path}/tasks"), &lines, &tasks.join("\n")).status, 200);
    while left > 0 {
        let claimed = node.request("POST", &format!("{path}/claims"), &JSON, r#"{"worker":"w","max":100}"#);
        left -= claimed.json()["tasks"].as_array().unwrap().len();
    }
}

#[test]
fn a_scrape_reads_a_bounded_number_of_the_keys_of_a_limit_and_says_that_there_are_more() {
    let node = Node::start();
    put_limit(&node, "api");
    put_queue(&node, "q", &["api".to_owned()]);
    let figures = || {
        let metrics = node.get("/metrics");
        let figure = |sample: &str| figure(metrics.text(), sample);
        (figure(r#"mainstay_limit_keys{limit="api"}"#), figure("mainstay_limits_cut"))
    };
    claim(&node, "q", 0..1_000);
    assert_eq!(figures(), (Some(1_000), Some(0)));
    claim(&node, "q", 1_000..1_001);
    assert_eq!(figures(), (Some(1_000), Some(1)));
}

#[test]
fn a_scrape_reads_a_bounded_number_of_the_keys_of_all_limits_together() {
    let node = Node::start();
    for queue in ["p", "q"] {
        let limits: Vec<_> = (0..8).map(|n| format!("{queue}-{n}")).collect();
        limits.iter().for_each(|name| put_limit(&node, name));
        put_queue(&node, queue, &limits);
    }
    let figures = || {
        let metrics = node.get("/metrics");
        let keys = metrics.text().lines().filter(|line| line.starts_with("mainstay_limit_keys{"));
        let keys: Vec<u64> = keys.map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        (keys.len(), keys.iter().sum::<u64>(), figure(metrics.text(), "mainstay_limits_cut"))
    };
    claim(&node, "p", 0..625);
    claim(&node, "q", 0..625);
    assert_eq!(figures(), (16, 10_000, Some(0)));
    claim(&node, "q", 625..626);
    assert_eq!(figures(), (16, 10_000, Some(1)), "the limit that is read last has 8 keys more");
}

#[test]
fn a_scrape_shows_a_bounded_number_of_limits() {
    let node = Node::start();
    let shown = || {
        let metrics = node.get("/metrics");
        metrics.text().lines().filter(|line| line.starts_with("mainstay_limit_keys{")).count()
    };
    (0..1_000).for_each(|n| put_limit(&node, &format!("limit-{n}")));
    assert_eq!(shown(), 1_000);
    put_limit(&node, "one-more");
    assert_eq!(shown(), 1_000);
}
