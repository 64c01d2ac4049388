//! Schedules over HTTP: what a client puts, what the clock makes of it, and what is refused.

use crate::node::Node;
use crate::script::check;
use serde_json::Value;
use std::time::{Duration, Instant};

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn schedule(node: &Node, name: &str) -> Value {
    node.get(&format!("/v1/schedules/{name}")).json()
}

#[test]
fn a_schedule_is_put_shown_paused_fired_and_deleted() {
    check(
        &Node::start(),
        r#"
        > PUT /v1/schedules/nightly
          {"cron":"30 2 * * *","zone":"Europe/Berlin","queue":"q","task":{"type":"t","payload":{"a":1.50}}}
        < 200
          schedule = "nightly"
          changed = true
          next.length = 10
        > PUT /v1/schedules/nightly
          {"cron":"30 2 * * *","zone":"Europe/Berlin","queue":"q","task":{"type":"t","payload":{"a":1.50}}}
        < 200
          changed = false
        > GET /v1/schedules/nightly
        < 200
          state = "active"
          next.length = 10
          runs = []
          counts = {"runs":0,"missed":0,"overlapped":0,"dropped":0,"conflicts":0}
          definition = {"cron":"30 2 * * *","zone":"Europe/Berlin","catch_up":"one","late":"1m","overlap":"skip","pause_on_failure":false,"queue":"q","task":{"type":"t","payload":{"a":1.50}}}
        > POST /v1/schedules/nightly/pause
        < 200
        > GET /v1/schedules/nightly
        < 200
          state = "paused"
          paused_by = "request"
          next = []
        > POST /v1/schedules/nightly/resume
        < 200
        > POST /v1/schedules/nightly/fire | idempotency-key: k
        < 200 | idempotent-replayed: absent
          runs.length = 1
          runs[0].cause = "fired"
          runs[0].task = $task
        > POST /v1/schedules/nightly/fire | idempotency-key: k
        < 200 | idempotent-replayed: true
          runs[0].task = $task
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks.length = 1
          tasks[0].id = $task
          tasks[0].payload = {"a":1.50}
        > GET /v1/schedules/nightly
        < 200
          runs.length = 1
          runs[0].state = "running"
        > GET /v1/schedules
        < 200
          schedules.length = 1
          schedules[0].state = "active"
          next = null
        > DELETE /v1/schedules/nightly
        < 200
          . = {"schedule":"nightly","deleted":true}
        > DELETE /v1/schedules/nightly
        < 200
          . = {"schedule":"nightly","deleted":false}
        > GET /v1/schedules/nightly
        < 404 schedule_not_found
        > POST /v1/schedules/nightly/fire
        < 404 schedule_not_found
        "#,
    );
}

#[test]
fn a_preview_shows_the_next_ticks_and_stores_nothing() {
    check(
        &Node::start(),
        r#"
        > POST /v1/schedules/s/preview
          {"cron":"0 0 29 2 *","queue":"q","task":{"type":"t"}}
        < 200
          next[0] = "2028-02-29T00:00:00.000Z"
          next.length = 10
        > GET /v1/schedules/s
        < 404 schedule_not_found
        "#,
    );
}

#[test]
fn each_tick_of_a_real_clock_enqueues_one_task_which_a_waiting_worker_gets() {
    let node = Node::start();
    let body = r#"{"every":"1s","queue":"q","task":{"type":"t"},"overlap":"allow","runs_max":2}"#;
    assert_eq!(node.request("PUT", "/v1/schedules/s", &JSON, body).status, 200);
    let claim = r#"{"worker":"w","max":1,"wait":"30s"}"#;
    let first = node.post("/v1/queues/q/claims", claim).json();
    let second = node.post("/v1/queues/q/claims", claim).json();
    let ids = [&first, &second].map(|claimed| claimed["tasks"][0]["id"].as_str().unwrap().to_owned());
    let shown = schedule(&node, "s");
    assert_eq!(shown["state"], "finished");
    let ticks: Vec<&str> =
        shown["runs"].as_array().unwrap().iter().map(|run| run["task"].as_str().unwrap()).collect();
    assert_eq!(ticks, ids);
    assert!(first["tasks"][0]["scheduled"].as_str().is_some_and(|tick| ids[0] == format!("s@{tick}")));
}

#[test]
fn a_backfill_enqueues_the_ticks_of_a_range() {
    let node = Node::start();
    let body = r#"{"cron":"30 2 * * *","zone":"Europe/Berlin","queue":"q","task":{"type":"t"}}"#;
    node.request("PUT", "/v1/schedules/s", &JSON, body);
    let range = r#"{"from":"2026-03-28T00:00:00Z","to":"2026-03-30T23:00:00Z","overlap":"OVERLAP"}"#;
    let fill = |overlap| node.post("/v1/schedules/s/backfill", &range.replace("OVERLAP", overlap)).json();
    let all = fill("allow");
    let ticks: Vec<&str> =
        all["runs"].as_array().unwrap().iter().map(|run| run["tick"].as_str().unwrap()).collect();
    // There was no 02:30 on the second day.
    assert_eq!(ticks, ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]);
    assert_eq!((&fill("skip")["skipped"], &fill("wait")["waiting"]), (&3.into(), &3.into()));
    node.post("/v1/schedules/s/backfill", r#"{"from":"2020-01-01T00:00:00Z","to":"2030-01-01T00:00:00Z"}"#)
        .assert_problem(400, "too_many_items");
    node.post("/v1/schedules/s/backfill", r#"{"from":"2029-01-01T00:00:00Z","to":"2029-01-03T00:00:00Z"}"#)
        .assert_problem(400, "invalid_member");
}

#[test]
fn a_set_is_what_its_owner_has_put_last() {
    check(
        &Node::start(),
        r#"
        > PUT /v1/schedule-sets/app
          {"schedules":[{"schedule":"b","every":"1h","queue":"q","task":{"type":"t"}},{"schedule":"a","cron":"@daily","queue":"q","task":{"type":"t"}}]}
        < 200
          . = {"owner":"app","schedules":["a","b"],"changed":2,"deleted":0}
        > PUT /v1/schedule-sets/other
          {"schedules":[{"schedule":"a","every":"1h","queue":"q","task":{"type":"t"}}]}
        < 409 schedule_owned
          schedule = "a"
        > PUT /v1/schedule-sets/app
          {"schedules":[{"schedule":"a","cron":"@daily","queue":"q","task":{"type":"t"}}]}
        < 200
          . = {"owner":"app","schedules":["a"],"changed":0,"deleted":1}
        > GET /v1/schedule-sets/app
        < 200
          . = {"owner":"app","schedules":["a"]}
        > GET /v1/schedules/a
        < 200
          owner = "app"
        > GET /v1/schedules/b
        < 404 schedule_not_found
        "#,
    );
}

#[test]
fn a_full_queue_holds_a_tick_which_is_seen_and_happens_later() {
    let node = Node::start();
    node.request("PUT", "/v1/queues/q", &JSON, r#"{"backlog_max":1}"#);
    node.post("/v1/queues/q/tasks", r#"{"type":"t","id":"other"}"#);
    let body = r#"{"every":"1s","queue":"q","task":{"type":"t"},"runs_max":1}"#;
    node.request("PUT", "/v1/schedules/s", &JSON, body);
    wait_for("the tick is held", || schedule(&node, "s")["state"] == "held");
    assert_eq!(schedule(&node, "s")["held_by"], "queue_full");
    assert!(node.get("/metrics").text().contains("mainstay_schedules_held 1"));
    node.post("/v1/schedules/s/fire", "").assert_problem(429, "queue_full");
    node.post("/v1/queues/q/tasks/other/cancel", "");
    wait_for("the tick has happened", || schedule(&node, "s")["state"] == "finished");
    assert_eq!(schedule(&node, "s")["runs"][0]["state"], "ready");
    assert!(node.get("/metrics").text().contains("mainstay_schedules_held 0"));
}

#[test]
fn schedules_survive_a_restart_and_ticks_that_were_missed_are_made_up_for() {
    let node = Node::start();
    let body = r#"{"every":"1s","queue":"q","task":{"type":"t"},"overlap":"buffer_one","late":"1s"}"#;
    node.request("PUT", "/v1/schedules/s", &JSON, body);
    wait_for("a tick waits", || schedule(&node, "s")["waiting"] == 1);
    let before = schedule(&node, "s");
    let node = node.restart();
    let after = schedule(&node, "s");
    assert_eq!((&after["since"], &after["runs"][0]["task"]), (&before["since"], &before["runs"][0]["task"]));
    let claim = node.post("/v1/queues/q/claims", r#"{"worker":"w"}"#).json();
    let (id, token) = (&claim["tasks"][0]["id"], &claim["tasks"][0]["token"]);
    let complete = format!("/v1/queues/q/tasks/{}/complete", id.as_str().unwrap());
    assert_eq!(node.post(&complete, &format!(r#"{{"token":{token}}}"#)).status, 200);
    wait_for("the waiting tick begins", || {
        let shown = schedule(&node, "s");
        let runs = shown["runs"].as_array().unwrap_or_else(|| panic!("{shown}"));
        runs.len() == 2
    });
}

#[test]
fn bad_requests_are_refused() {
    let node = Node::start();
    let put = |name: &str, body: &str| node.request("PUT", &format!("/v1/schedules/{name}"), &JSON, body);
    let good = r#"{"every":"1h","queue":"q","task":{"type":"t"}}"#;
    put(&"x".repeat(201), good).assert_problem(400, "invalid_name");
    put("%7Ea", good).assert_problem(400, "invalid_name");
    put("s", "").assert_problem(400, "invalid_json");
    put("s", r#"{"every":"1h","queue":"q"}"#).assert_problem(400, "missing_member");
    put("s", r#"{"cron":"* * *","queue":"q","task":{"type":"t"}}"#).assert_problem(400, "invalid_member");
    put("s", &good.replace("1h", "1h\",\"x\":\"")).assert_problem(400, "unknown_member");
    node.request("PUT", "/v1/schedules/s?x=1", &JSON, good).assert_problem(400, "unknown_parameter");
    let keyed = [JSON[0], ("idempotency-key", "k")];
    node.request("PUT", "/v1/schedules/s", &keyed, good).assert_problem(400, "invalid_header");
    node.request("POST", "/v1/schedules/s/pause", &[("idempotency-key", "k")], "")
        .assert_problem(400, "invalid_header");
    node.post("/v1/schedules/s/backfill", r#"{"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}"#)
        .assert_problem(404, "schedule_not_found");
    let set = |body: &str| node.request("PUT", "/v1/schedule-sets/app", &JSON, body);
    set("{}").assert_problem(400, "missing_member");
    set(r#"{"schedules":[{"schedule":"a"}]}"#).assert_problem(400, "missing_member");
    assert_eq!(node.get("/v1/schedules").json()["schedules"], serde_json::json!([]));
}
