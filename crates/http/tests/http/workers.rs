//! Who asks for tasks, and the alarms about tasks that nobody asks for.

use crate::node::Node;
use crate::script::check;
use crate::wire::{Connection, request};
use api::contract::schema::WorkerList;

fn claim_and_wait(node: &Node, body: &str) -> Connection {
    let mut waiting = Connection::to(node);
    waiting.send(request("POST", "/v1/queues/q/claims", &[("content-type", "application/json")], body));
    while !node.get("/metrics").text().contains(r#"mainstay_queue_depth{queue="waiting_claims"} 1"#) {
        std::thread::yield_now();
    }
    waiting
}

#[test]
fn the_list_says_who_waits_and_who_was_given_tasks() {
    let node = Node::start();
    check(
        &node,
        r#"
        > GET /v1/queues/q/workers
        < 200
          . = {"queue":"q","workers":[],"more":false}
        > POST /v1/queues/q/tasks
          {"type":"t"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"a","version":"7","types":["t","u"]}
        < 200
          tasks.length = 1
        > GET /v1/queues/q/workers
        < 200
          . = {"queue":"q","workers":[{"worker":"a","version":"7","types":["t","u"],"waiting":false,"tasks":1,"last_asked":"0s"}],"more":false}
        > GET /v1/queues/q/workers?limit=1
        < 400 unknown_parameter
        > POST /v1/queues/q/claims
          {"worker":"a","version":7}
        < 400 invalid_member
          member = "version"
        "#,
    );
    let _waiting = claim_and_wait(&node, r#"{"worker":"b","wait":"60s"}"#);
    let list: WorkerList = serde_json::from_str(node.get("/v1/queues/q/workers").text()).unwrap();
    let waiting: Vec<_> =
        list.workers.iter().map(|worker| (worker.worker.as_str(), worker.waiting)).collect();
    assert_eq!(waiting, [("a", false), ("b", true)]);
    assert!(node.get("/metrics").text().contains("mainstay_workers{queue=\"q\"} 2.0"));
}

/// The value of a metric of type `t` in queue `q`.
fn figure(node: &Node, name: &str) -> Option<f64> {
    let metrics = node.get("/metrics");
    let labels = format!("{name}{{queue=\"q\",type=\"t\"}} ");
    metrics.text().lines().find_map(|line| line.strip_prefix(&labels))?.parse().ok()
}

#[test]
fn a_type_that_no_worker_asks_for_raises_an_alarm_until_one_does() {
    let node = Node::start();
    node.post("/v1/queues/q/tasks", r#"{"type":"t"}"#);
    while figure(&node, "mainstay_tasks_unclaimed_seconds") == Some(0.0) {
        std::thread::yield_now();
    }
    assert!(figure(&node, "mainstay_tasks_oldest_ready_seconds") > Some(0.0));
    let waiting = claim_and_wait(&node, r#"{"worker":"w","types":["u"],"wait":"60s"}"#);
    assert!(figure(&node, "mainstay_tasks_unclaimed_seconds") > Some(0.0), "it asks for another type");
    assert_eq!(figure(&node, "mainstay_tasks_missed_seconds"), Some(0.0));
    drop(waiting);
    node.request("PUT", "/v1/queues/q", &[("content-type", "application/json")], r#"{"paused":true}"#);
    assert_eq!(
        figure(&node, "mainstay_tasks_unclaimed_seconds"),
        Some(0.0),
        "a paused queue has none to give"
    );
    node.request("PUT", "/v1/queues/q", &[("content-type", "application/json")], "{}");
    node.post("/v1/queues/q/claims", r#"{"worker":"w","types":["t"]}"#);
    assert_eq!(figure(&node, "mainstay_tasks_unclaimed_seconds"), Some(0.0));
    assert_eq!(figure(&node, "mainstay_tasks_oldest_ready_seconds"), Some(0.0));
    assert!(
        node.get("/metrics").text().contains(r#"mainstay_tasks{queue="q",type="t",state="running"} 1.0"#)
    );
}

#[test]
fn the_metrics_say_how_long_tasks_waited_and_ran() {
    let node = Node::start();
    check(
        &node,
        r#"
        > POST /v1/queues/q/tasks
          {"type":"t","id":"1"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"a"}
        < 200
          tasks[0].token = $token
        > POST /v1/queues/q/tasks/1/fail
          {"token":"$token","delay":"0s"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"a"}
        < 200
          tasks[0].token = $second
        > POST /v1/transactions
          {"writes":[{"complete":{"queue":"q","id":"1","token":"$second"}}]}
        < 200
        "#,
    );
    let metrics = node.get("/metrics");
    for line in ["mainstay_task_wait_seconds_count 1", "mainstay_task_run_seconds_count 2"] {
        assert!(metrics.text().lines().any(|shown| shown == line), "{line}");
    }
}
