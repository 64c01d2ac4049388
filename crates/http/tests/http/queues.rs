//! Task queues from enqueuing to the end of a task.

use crate::node::Node;
use crate::script::{Script, check};
use crate::wire::{Connection, request};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn a_task_is_enqueued_claimed_and_completed() {
    check(
        &Node::start(),
        r#"
        > POST /v1/queues/reports/tasks
          {"id":"r-1","type":"monthly","payload":{"month":1.50},"tags":["eu"]}
        < 200 | idempotent-replayed: absent
          id = "r-1"
          cursor = $cursor
          replayed = false
        > POST /v1/queues/reports/tasks
          {"id":"r-1","type":"monthly","payload":{"month":1.50},"tags":["eu"]}
        < 200 | idempotent-replayed: true
          . = {"id":"r-1","cursor":"$cursor","replayed":true}
        > POST /v1/queues/reports/tasks
          {"id":"r-1","type":"monthly","payload":{"month":2}}
        < 409 task_conflict
          cursor = $cursor
        > POST /v1/queues/reports/claims
          {"worker":"w1","types":["yearly"]}
        < 200
          . = {"tasks":[]}
        > POST /v1/queues/reports/claims
          {"worker":"w1","types":["monthly"],"max":5,"claim_timeout":"1m"}
        < 200
          tasks.length = 1
          tasks[0].id = "r-1"
          tasks[0].token = $token
          tasks[0].attempt = 1
          tasks[0].expires_in = "1m"
          tasks[0].payload = {"month":1.50}
          tasks[0].tags = ["eu"]
        > GET /v1/queues/reports/tasks/r-1
        < 200
          state = "running"
          claim.worker = "w1"
          attempts = 1
        > POST /v1/queues/reports/tasks/r-1/heartbeat
          {"token":"$token","progress":{"page":7}}
        < 200
          . = {"state":"running","expires_in":"1m","cancelled":false}
        > POST /v1/queues/reports/tasks/r-1/complete
          {"token":"$token","result":[1,2]}
        < 200
          . = {"state":"done"}
        > POST /v1/queues/reports/tasks/r-1/complete
          {"token":"$token","result":[1,2]}
        < 200
          . = {"state":"done"}
        > POST /v1/queues/reports/tasks/r-1/fail
          {"token":"$token"}
        < 409 claim_lost
          retryable = false
        > GET /v1/queues/reports/tasks/r-1
        < 200
          state = "done"
          result = [1,2]
          progress = {"page":7}
        "#,
    );
}

#[test]
fn a_failed_task_runs_again_until_it_is_a_dead_letter() {
    check(
        &Node::start(),
        r#"
        > POST /v1/queues/q/tasks
          {"type":"t","retry":{"attempts":2,"first":"0s"}}
        < 200
          id = $id
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks[0].id = $id
          tasks[0].token = $first
        > POST /v1/queues/q/tasks/$id/fail
          {"token":"$first","class":"Timeout","message":"too slow"}
        < 200
          . = {"state":"ready"}
        > POST /v1/queues/q/tasks/$id/complete
          {"token":"$first"}
        < 409 claim_lost
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks[0].attempt = 2
          tasks[0].token = $second
        > POST /v1/queues/q/tasks/$id/fail
          {"token":"$second","class":"Timeout","message":"too slow","traceback":"at line 1"}
        < 200
          . = {"state":"dead"}
        > GET /v1/queues/q/tasks?state=dead
        < 200
          tasks.length = 1
          tasks[0].id = $id
          tasks[0].failures.length = 2
          tasks[0].failures[1].class = "Timeout"
          tasks[0].failures[1].message = "too slow"
          tasks[0].failures[1].traceback = "at line 1"
          next = null
        > POST /v1/queues/q/tasks/$id/cancel
        < 409 wrong_task_state
          state = "dead"
        > POST /v1/queues/q/tasks/$id/replay
        < 200
          state = "replayed"
        > POST /v1/queues/q/tasks/$id/replay
        < 409 wrong_task_state
          state = "ready"
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks[0].attempt = 1
          tasks[0].token = $third
        > POST /v1/queues/q/tasks/$id/fail
          {"token":"$third","retryable":false}
        < 200
          . = {"state":"dead"}
        > DELETE /v1/queues/q/tasks/$id
        < 200
          state = "dropped"
        > DELETE /v1/queues/q/tasks/$id
        < 404 task_not_found
        "#,
    );
}

#[test]
fn batches_have_a_result_for_each_line() {
    check(
        &Node::start(),
        r#"
        > POST /v1/queues/q/tasks | content-type: application/x-ndjson
          {"id":"a","type":"t"}
          {"type":"t"}
          {"id":"a","type":"u"}
        < 200 | content-type: application/x-ndjson
          length = 3
          [0].id = "a"
          [0].replayed = false
          [1].id = $server
          [2].id = "a"
          [2].problem.code = "task_conflict"
        > POST /v1/queues/q/claims
          {"worker":"w","max":10}
        < 200
          tasks.length = 2
          tasks[0].id = "a"
          tasks[0].token = $a
          tasks[1].id = $server
          tasks[1].token = $b
        > POST /v1/queues/q/settlements | content-type: application/x-ndjson
          {"id":"a","token":"$a","action":"complete","result":1}
          {"id":"$server","token":"$a","action":"complete"}
          {"id":"$server","token":"$b","action":"defer","delay":"1h"}
          {"id":"none","token":"$b","action":"return"}
          broken
        < 200 | content-type: application/x-ndjson
          length = 5
          [0] = {"line":1,"id":"a","state":"done"}
          [1].problem.code = "claim_lost"
          [2] = {"line":3,"id":"$server","state":"delayed","runs_in":"1h"}
          [3].problem.code = "task_not_found"
          [4].line = 5
          [4].problem.code = "invalid_json"
        "#,
    );
}

#[test]
fn a_claim_settles_earlier_tasks_before_it_takes_others() {
    check(
        &Node::start(),
        r#"
        > POST /v1/queues/q/tasks | content-type: application/x-ndjson
          {"type":"t","id":"a","key":"k"}
          {"type":"t","id":"b","key":"k"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":5}
        < 200
          settled = absent
          tasks.length = 1
          tasks[0].id = "a"
          tasks[0].token = $a

        > POST /v1/queues/q/claims
          {"worker":"w","max":5,"settle":[{"id":"a","token":"$a","action":"complete","result":1}]}
        < 200
          settled = [{"id":"a","state":"done"}]
          tasks.length = 1
          tasks[0].id = "b"
          tasks[0].token = $b

        > POST /v1/queues/q/claims
          {"worker":"w","settle":[{"id":"a","token":"$a","action":"complete","result":1},{"id":"b","token":"$a","action":"complete"},{"id":"c","token":"$a","action":"return"},{"id":"b","token":"$b","action":"defer","delay":"1h"}]}
        < 200
          settled.length = 4
          settled[0] = {"id":"a","state":"done"}
          settled[1].problem.code = "claim_lost"
          settled[2].problem.code = "task_not_found"
          settled[3] = {"id":"b","state":"delayed","runs_in":"1h"}
          tasks.length = 0

        > POST /v1/queues/q/tasks
          {"type":"t","id":"d"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks[0].token = $d
        > POST /v1/queues/q/claims
          {"worker":"w","settle":[{"id":"d","token":"$d","action":"complete"},{"id":"d","action":"complete"}]}
        < 400 missing_member
          member = "settle[1].token"
        > POST /v1/queues/q/claims
          {"worker":"w","wait":"1s","settle":[{"id":"d","token":"$d","action":"complete"}]}
        < 400 invalid_member
          member = "wait"
        > GET /v1/queues/q/tasks/d
        < 200
          state = "running"
        "#,
    );
}

#[test]
fn settings_bound_a_queue_and_pause_it() {
    check(
        &Node::start(),
        r#"
        > GET /v1/queues/q
        < 200
          settings.claim_timeout = "30s"
          types = []
        > PUT /v1/queues/q
          {"backlog_max":2,"claim_timeout":"2m"}
        < 200
          settings.backlog_max = 2
        > POST /v1/queues/q/tasks | content-type: application/x-ndjson
          {"type":"t","id":"1"}
          {"type":"u","id":"2","delay":"1h"}
        < 200
        > POST /v1/queues/q/tasks
          {"type":"t"}
        < 429 queue_full | retry-after: 1
          backlog_max = 2
        > POST /v1/queues/q/tasks
          {"type":"t","id":"1"}
        < 200
          replayed = true
        > GET /v1/queues/q
        < 200
          depth.ready = 1
          depth.delayed = 1
          types.length = 2
          types[0].type = "t"
          types[0].ready = 1
          types[1].oldest_ready = null
        > PUT /v1/queues/q
          {"paused":true}
        < 200
          settings.paused = true
          settings.backlog_max = 10000000
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks = []
        > POST /v1/queues/q/tasks/2/cancel
        < 200
          . = {"id":"2","state":"cancelled"}
        > POST /v1/queues/q/tasks/2/cancel
        < 200
          . = {"id":"2","state":"cancelled"}
        > GET /v1/queues
        < 200
          queues = [{"queue":"q"}]
          next = null
        "#,
    );
}

#[test]
fn a_repeated_request_gets_the_same_outcome() {
    check(
        &Node::start(),
        r#"
        > POST /v1/queues/q/tasks | idempotency-key: k
          {"type":"t"}
        < 200
          id = $id
        > POST /v1/queues/q/tasks | idempotency-key: k
          {"type":"t"}
        < 200 | idempotent-replayed: true
          id = $id
        > POST /v1/queues/q/tasks | idempotency-key: k
          {"type":"u"}
        < 422 key_conflict
        > POST /v1/queues/q/claims
          {"worker":"w","request_id":"1"}
        < 200
          tasks[0].token = $token
        > POST /v1/queues/q/claims
          {"worker":"w","request_id":"1"}
        < 200
          tasks[0].token = $token
        > POST /v1/queues/q/claims
          {"worker":"w","request_id":"2"}
        < 200
          tasks = []
        > POST /v1/queues/q/tasks/$id/return
          {"token":"$token"}
        < 200
          . = {"state":"ready"}
        "#,
    );
}

#[test]
fn pages_of_tasks_lead_to_the_end() {
    let node = Node::start();
    let batch: String = (0..25).map(|n| format!("{{\"type\":\"t\",\"id\":\"{n}\"}}\n")).collect();
    let lines = [("content-type", "application/x-ndjson")];
    assert_eq!(node.request("POST", "/v1/queues/a%2Fb/tasks", &lines, &batch).status, 200);
    let mut next = Some("/v1/queues/a%2Fb/tasks?state=ready&limit=10".to_owned());
    let mut seen = Vec::new();
    while let Some(path) = next {
        let page = node.get(&path).json();
        let tasks = page["tasks"].as_array().unwrap();
        assert!(tasks.len() <= 10);
        seen.extend(tasks.iter().map(|task| task["id"].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(seen, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_claim_waits_for_a_task() {
    let node = Node::start();
    let claim = r#"{"worker":"w","wait":"30s"}"#;
    let mut waiting = Connection::to(&node);
    waiting.send(request("POST", "/v1/queues/q/claims", &[("content-type", "application/json")], claim));
    let begun = Instant::now();
    node.post("/v1/queues/q/tasks", r#"{"type":"t","id":"1"}"#);
    let claimed: Value = waiting.response().json();
    assert_eq!(claimed["tasks"][0]["id"], "1");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_claim_that_waited_in_vain_gets_no_tasks_and_takes_none() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > POST /v1/queues/q/claims
          {"worker":"w","wait":"20ms"}
        < 200
          . = {"tasks":[]}
        > POST /v1/queues/q/tasks
          {"type":"t"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks.length = 1
          tasks[0].attempt = 1
        "#,
    );
}

#[test]
fn a_claim_of_a_client_that_has_left_takes_no_tasks() {
    let node = Node::start();
    let waiting =
        || node.get("/metrics").text().contains(r#"mainstay_queue_depth{queue="waiting_claims"} 1"#);
    let claim = r#"{"worker":"w","wait":"60s"}"#;
    let mut left = Connection::to(&node);
    left.send(request("POST", "/v1/queues/q/claims", &[("content-type", "application/json")], claim));
    while !waiting() {
        std::thread::yield_now();
    }
    drop(left);
    while waiting() {
        std::thread::yield_now();
    }
    Script::new(&node).run(
        r#"
        > POST /v1/queues/q/tasks
          {"type":"t","id":"1"}
        < 200
        > GET /v1/queues/q/tasks/1
        < 200
          state = "ready"
        "#,
    );
}

#[test]
fn a_stopping_node_does_not_keep_claims_waiting() {
    let mut node = Node::start();
    let claim = r#"{"worker":"w","wait":"60s"}"#;
    let mut waiting = Connection::to(&node);
    waiting.send(request("POST", "/v1/queues/q/claims", &[("content-type", "application/json")], claim));
    let begun = Instant::now();
    while !node.get("/metrics").text().contains(r#"mainstay_queue_depth{queue="waiting_claims"} 1"#) {
        std::thread::yield_now();
    }
    node.stop();
    waiting.response().assert_problem(503, "stopping");
    assert!(begun.elapsed() < Duration::from_secs(50));
}

#[test]
fn the_metrics_count_what_happens_to_tasks() {
    let node = Node::start();
    Script::new(&node).run(
        r#"
        > POST /v1/queues/q/tasks | content-type: application/x-ndjson
          {"type":"t","id":"a"}
          {"type":"t","id":"b"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":2}
        < 200
          tasks[0].token = $a
          tasks[1].token = $b
        > POST /v1/queues/q/settlements | content-type: application/x-ndjson
          {"id":"a","token":"$a","action":"complete"}
          {"id":"b","token":"$b","action":"fail","retryable":false}
          {"id":"b","token":"$a","action":"complete"}
        < 200
        "#,
    );
    let metrics = node.get("/metrics");
    for line in [
        "mainstay_tasks_enqueued_total 2",
        "mainstay_tasks_claimed_total 2",
        "mainstay_tasks_completed_total 1",
        "mainstay_tasks_failed_total 1",
        "mainstay_tasks_dead_total 1",
        "mainstay_tasks_claim_lost_total 1",
    ] {
        assert!(metrics.text().lines().any(|shown| shown == line), "{line}\n{}", metrics.text());
    }
}

#[test]
fn dead_letters_count_whether_a_worker_or_the_time_has_ended_the_task() {
    let node = Node::start();
    Script::new(&node).run(
        r#"
        > PUT /v1/queues/q
          {"lost_max":1}
        < 200
        > POST /v1/queues/q/tasks | content-type: application/x-ndjson
          {"type":"t","id":"lost"}
          {"type":"t","id":"late","deadline":"2020-01-01T00:00:00Z"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":2,"claim_timeout":"1s"}
        < 200
        > GET /v1/queues/q/tasks/lost?wait=30s
        < 200
          state = "dead"
        "#,
    );
    let shown = node.get("/metrics");
    let line = "mainstay_tasks_dead_total 2";
    assert!(shown.text().lines().any(|shown| shown == line), "{}", shown.text());
    // A settlement that is sent again has killed nothing again.
    Script::new(&node).run(
        r#"
        > POST /v1/queues/q/tasks
          {"type":"t","id":"bad"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks[0].token = $token
        > POST /v1/queues/q/tasks/bad/fail
          {"token":"$token","retryable":false}
        < 200
        > POST /v1/queues/q/tasks/bad/fail
          {"token":"$token","retryable":false}
        < 200
        "#,
    );
    let shown = node.get("/metrics");
    let line = "mainstay_tasks_dead_total 3";
    assert!(shown.text().lines().any(|shown| shown == line), "{}", shown.text());
}

#[test]
fn a_worker_completes_its_task_and_writes_what_came_of_it_in_one_transaction() {
    check(
        &Node::start(),
        r#"
        > POST /v1/queues/{acme}reports/tasks
          {"id":"r-1","type":"monthly"}
        < 200
        > POST /v1/queues/{acme}reports/claims
          {"worker":"w1"}
        < 200
          tasks[0].token = $token
        > POST /v1/transactions
          {"writes":[{"complete":{"queue":"{acme}reports","id":"r-1","token":"$token"}},
                     {"append":{"stream":"reports","expected":"exists","events":[{"type":"report.done","id":"r-1"}]}}]}
        < 412 wrong_revision
          member = "writes[1].append"
        > GET /v1/queues/{acme}reports/tasks/r-1
        < 200
          state = "running"
        > POST /v1/transactions
          {"writes":[{"complete":{"queue":"{acme}reports","id":"r-1","token":"$token","result":{"pages":3}}},
                     {"append":{"stream":"reports","events":[{"type":"report.done","id":"r-1"}]}},
                     {"enqueue":{"queue":"mails","tasks":[{"id":"m-1","type":"mail"}]}}]}
        < 200 | idempotent-replayed: absent
          replayed = false
          writes[0].complete = {"state":"done"}
          writes[1].append.revision = 0
          writes[2].enqueue.tasks[0].id = "m-1"
        > POST /v1/transactions
          {"writes":[{"complete":{"queue":"{acme}reports","id":"r-1","token":"$token","result":{"pages":3}}},
                     {"append":{"stream":"reports","events":[{"type":"report.done","id":"r-1"}]}},
                     {"enqueue":{"queue":"mails","tasks":[{"id":"m-1","type":"mail"}]}}]}
        < 200 | idempotent-replayed: true
          replayed = true
        > POST /v1/transactions
          {"writes":[{"complete":{"queue":"{acme}reports","id":"r-1","token":"$token"}},
                     {"append":{"stream":"reports","events":[{"type":"report.done","id":"r-2"}]}}]}
        < 409 claim_lost
          member = "writes[0].complete"
        > GET /v1/streams/reports/events
        < 200
          events.length = 1
        "#,
    );
}
