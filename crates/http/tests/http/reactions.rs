//! Reactions, from events to tasks.

use crate::node::Node;
use crate::script::{Script, check};
use serde_json::Value;

#[test]
fn each_event_that_matches_makes_a_task() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/order-1/events
          {"type":"placed","data":1}
        < 200
          cursor = $first
        > POST /v1/streams/order-1/events
          [{"type":"paid"},{"type":"placed","data":2}]
        < 400 invalid_member
        > PUT /v1/reactions/mails
          {"prefix":"order-","types":["placed"],"queue":"mails","task_type":"order-mail","key_from":"stream","from":"beginning"}
        < 200
          reaction = "mails"
          cursor = "00000000000000000000"
        > POST /v1/queues/mails/claims
          {"worker":"w","max":9,"wait":"20s"}
        < 200
          tasks.length = 1
          tasks[0].id = "~mails@$first"
          tasks[0].token = $token
          tasks[0].type = "order-mail"
          tasks[0].key = "order-1"
          tasks[0].payload.stream = "order-1"
          tasks[0].payload.cursor = $first
          tasks[0].payload.data = 1
          tasks[0].traceparent = absent
        > POST /v1/queues/mails/tasks/~mails@$first/complete
          {"token":"$token"}
        < 200
          state = "done"
        > GET /v1/queues/mails/tasks/~mails@$first
        < 200
          state = "done"
        > POST /v1/streams/cart-1/events
          {"type":"placed"}
        < 200
        > POST /v1/streams/order-2/events
          {"type":"paid"}
        < 200
        > POST /v1/streams/order-2/events | traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
          {"type":"placed"}
        < 200
          cursor = $second
        > POST /v1/queues/mails/claims
          {"worker":"w","max":9,"wait":"20s"}
        < 200
          tasks.length = 1
          tasks[0].id = "~mails@$second"
          tasks[0].traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        > GET /v1/reactions/mails
        < 200
          tasks = 2
          state = "current"
          behind = "0s"
          behind_events = 0
          cursor = $second
        > GET /v1/reactions
        < 200
          reactions.length = 1
          reactions[0].reaction = "mails"
        "#,
    );
}

#[test]
fn a_reaction_begins_where_it_is_told_and_is_not_moved_by_its_settings() {
    check(
        &Node::start(),
        r#"
        > POST /v1/streams/a/events
          {"type":"t","data":1}
        < 200
          cursor = $first
        > POST /v1/streams/a/events
          {"type":"t","data":2}
        < 200
          cursor = $second
        > PUT /v1/reactions/r
          {"queue":"q","task_type":"x","from":"$first","payload":"reference","paused":true}
        < 200
          cursor = $first
          paused = true
        > GET /v1/reactions/r
        < 200
          state = "paused"
        > PUT /v1/reactions/r
          {"queue":"q","task_type":"x","from":"beginning","payload":"reference"}
        < 200
          cursor = $first
        > POST /v1/queues/q/claims
          {"worker":"w","max":9,"wait":"20s"}
        < 200
          tasks.length = 1
          tasks[0].payload = {"stream":"a","revision":1,"cursor":"$second","type":"t"}
        > DELETE /v1/reactions/r
        < 200
          . = {"reaction":"r","deleted":true}
        > DELETE /v1/reactions/r
        < 200
          deleted = false
        > GET /v1/reactions/r
        < 404 reaction_not_found
        "#,
    );
}

#[test]
fn a_full_queue_makes_the_reaction_wait_and_fails_no_append() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > PUT /v1/queues/q
          {"backlog_max":1}
        < 200
        > PUT /v1/reactions/r
          {"queue":"q","task_type":"x"}
        < 200
        > POST /v1/streams/a/events
          {"type":"t","data":1}
        < 200
        > POST /v1/streams/a/events
          {"type":"t","data":2}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":9,"wait":"20s"}
        < 200
          tasks.length = 1
          tasks[0].id = $id
          tasks[0].token = $token
          tasks[0].payload.data = 1
        "#,
    );
    until(&node, "/v1/reactions/r", |reaction| reaction["state"] == "blocked");
    script.run(
        r#"
        > GET /v1/reactions/r
        < 200
          tasks = 1
          blocked_on = "queue_full"
        > POST /v1/queues/q/tasks/$id/complete
          {"token":"$token"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":9,"wait":"20s"}
        < 200
          tasks.length = 1
          tasks[0].payload.data = 2
        "#,
    );
}

#[test]
fn what_cannot_be_a_reaction_is_refused() {
    check(
        &Node::start(),
        r#"
        > PUT /v1/reactions/r
          {"queue":"q"}
        < 400 missing_member
          member = "task_type"
        > PUT /v1/reactions/r
          {"queue":"q","task_type":"t","from":"fffffffffffffffff000"}
        < 409 cursor_beyond_end
        > PUT /v1/reactions/r
          {"queue":"q","task_type":"t","type":"t"}
        < 400 unknown_member
        > PUT /v1/reactions/r | idempotency-key: k
          {"queue":"q","task_type":"t"}
        < 400 invalid_header
        > PUT /v1/reactions/%zz
          {"queue":"q","task_type":"t"}
        < 400 invalid_path
        > POST /v1/queues/q/tasks
          {"id":"~r@00000000000000000000","type":"t"}
        < 400 invalid_member
        > GET /v1/queues/q/tasks/~r@00000000000000000000
        < 404 task_not_found
        "#,
    );
}

/// Reads again until something holds.
fn until(node: &Node, path: &str, holds: impl Fn(&Value) -> bool) {
    for _ in 0..100_000 {
        if holds(&node.get(path).json()) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("{path} did not come to this: {}", node.get(path).text());
}

#[test]
fn a_reaction_says_how_many_events_lie_before_it_also_those_that_do_not_match() {
    let node = Node::start();
    check(
        &node,
        r#"
        > POST /v1/streams/a/events
          {"type":"t"}
        < 200
          cursor = $first
        > PUT /v1/reactions/late
          {"queue":"q","task_type":"x","types":["t"],"from":"beginning","paused":true}
        < 200
        > PUT /v1/reactions/later
          {"queue":"q","task_type":"x","from":"$first","paused":true}
        < 200
        > POST /v1/streams/b/events | content-type: application/cloudevents-batch+json
          [{"specversion":"1.0","id":"1","source":"/s","type":"t"},{"specversion":"1.0","id":"2","source":"/s","type":"u"}]
        < 200
        > GET /v1/reactions/late
        < 200
          state = "paused"
          behind_events = 3
        > GET /v1/reactions
        < 200
          reactions[0].behind_events = 3
          reactions[1].behind_events = 2
        "#,
    );
    assert!(!node.get("/metrics").text().contains("mainstay_reaction_behind_events{"), "both are paused");
    check(
        &node,
        r#"
        > PUT /v1/queues/q
          {"backlog_max":1}
        < 200
        > PUT /v1/reactions/late
          {"queue":"q","task_type":"x","types":["t"]}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":9,"wait":"20s"}
        < 200
          tasks.length = 1
        "#,
    );
    // Its queue is full after the first event, so two are left.
    let sample = r#"mainstay_reaction_behind_events{reaction="late"} 2"#;
    assert!(node.get("/metrics").text().lines().any(|line| line == sample));
}
