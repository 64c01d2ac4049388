//! Unique tasks, deadlines, waiting for a result, and changes of many tasks.

use crate::node::Node;
use crate::script::{Script, check};
use std::time::{Duration, Instant};

#[test]
fn a_unique_task_is_added_answered_with_the_existing_one_or_replaces_it() {
    check(
        &Node::start(),
        r#"
        > POST /v1/queues/q/tasks
          {"id":"a","type":"t","unique":{"key":"u"}}
        < 200
          cursor = $cursor
        > POST /v1/queues/q/tasks | content-type: application/x-ndjson
          {"id":"b","type":"t","unique":{"key":"u"}}
          {"id":"c","type":"t"}
        < 200 | content-type: application/x-ndjson
          [0] = {"id":"a","cursor":"$cursor","replayed":false,"existing":true}
          [1].id = "c"
        > GET /v1/queues/q/tasks/b
        < 404 task_not_found
        > POST /v1/queues/q/tasks
          {"id":"d","type":"t","unique":{"key":"v","mode":"replace"},"delay":"1h"}
        < 200
        > POST /v1/queues/q/tasks
          {"id":"e","type":"t","unique":{"key":"v","mode":"replace"},"delay":"2h"}
        < 200
          id = "e"
        > GET /v1/queues/q/tasks/d
        < 200
          state = "cancelled"
        > POST /v1/queues/q/tasks
          {"type":"t","unique":{"key":"v","mode":"once"}}
        < 400 invalid_member
          member = "unique.mode"
        > POST /v1/queues/q/tasks
          {"type":"t","unique":{"key":"v","mode":"one_waiting"},"key":"k"}
        < 400 invalid_member
          member = "key"
        "#,
    );
}

#[test]
fn a_task_that_misses_its_deadline_is_a_dead_letter() {
    check(
        &Node::start(),
        r#"
        > POST /v1/queues/q/tasks
          {"id":"a","type":"t","deadline":"2010-10-02T07:20:39Z"}
        < 200
        > GET /v1/queues/q/tasks/a?wait=10s
        < 200
          state = "dead"
          failures[0].class = "deadline"
          deadline = "2010-10-02T07:20:39.000Z"
        > POST /v1/queues/q/tasks
          {"type":"t","run_after":"2010-10-02T07:20:39Z","deadline":"2010-10-02T07:20:39Z"}
        < 400 invalid_member
          member = "deadline"
        "#,
    );
}

#[test]
fn a_read_waits_for_the_end_of_a_task() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > POST /v1/queues/q/tasks
          {"id":"a","type":"t"}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks[0].token = $token
        > GET /v1/queues/q/tasks/a?wait=50ms
        < 200
          state = "running"
        > GET /v1/queues/q/tasks/a?wait=61s
        < 400 invalid_parameter
        > GET /v1/queues/q/tasks/a?wait=20
        < 400 invalid_parameter
        > GET /v1/queues/q/tasks/none?wait=20s
        < 404 task_not_found
        "#,
    );
    let begun = Instant::now();
    let token = script.value("token").as_str().unwrap().to_owned();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| node.request("GET", "/v1/queues/q/tasks/a?wait=30s", &[], ""));
        let body = format!(r#"{{"token":"{token}","result":[7]}}"#);
        let json = [("content-type", "application/json")];
        assert_eq!(node.request("POST", "/v1/queues/q/tasks/a/complete", &json, &body).status, 200);
        let task = waiting.join().unwrap().json();
        assert_eq!((&task["state"], &task["result"][0]), (&"done".into(), &7.into()));
        assert_eq!(task["history"][0]["outcome"], "completed");
        assert_eq!(task["history"][0]["worker"], "w");
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "the read did not wait until its time was up");
}

/// One dead letter of each of these ids, which have failed with that class.
fn with_dead_letters(dead: &[(&str, &str)]) -> Node {
    let node = Node::start();
    for (id, class) in dead {
        let mut script = Script::new(&node);
        script.run(&format!(
            r#"
            > POST /v1/queues/q/tasks
              {{"id":"{id}","type":"t","payload":1}}
            < 200
            > POST /v1/queues/q/claims
              {{"worker":"w"}}
            < 200
              tasks[0].token = $token
            > POST /v1/queues/q/tasks/{id}/fail
              {{"token":"$token","class":"{class}","retryable":false}}
            < 200
            "#
        ));
    }
    node
}

#[test]
fn dead_letters_are_counted_by_class_and_changed_by_it() {
    let node = with_dead_letters(&[("a", "Timeout"), ("b", "Invalid"), ("c", "Timeout"), ("d", "Invalid")]);
    check(
        &node,
        r#"
        > GET /v1/queues/q/dead-letters
        < 200
          . = {"queue":"q","classes":[{"class":"Invalid","tasks":2},{"class":"Timeout","tasks":2}],"more":false}
        > POST /v1/queues/q/dead-letters/replay
          {"class":"Timeout","limit":1}
        < 200
          changed = 1
          next = $next
        > POST /v1/queues/q/dead-letters/replay
          {"class":"Timeout","after":"$next"}
        < 200
          . = {"changed":1,"kept":0,"next":null}
        > POST /v1/queues/q/dead-letters/drop
          {"class":"Invalid","type":"other"}
        < 200
          changed = 0
        > GET /v1/queues/q/dead-letters
        < 200
          classes = [{"class":"Invalid","tasks":2}]
        > POST /v1/queues/q/dead-letters/drop
          {}
        < 200
          changed = 2
        > GET /v1/queues/q
        < 200
          depth.dead = 0
          depth.ready = 2
        > POST /v1/queues/q/cancel
          {"state":"running"}
        < 200
          . = {"changed":0,"kept":0,"next":null}
        > POST /v1/queues/q/cancel
          {"type":"t"}
        < 200
          . = {"changed":2,"kept":0,"next":null}
        > POST /v1/queues/q/cancel
          {"state":"dead"}
        < 400 invalid_member
          member = "state"
        > POST /v1/queues/q/dead-letters/drop
          {"everything":true}
        < 400 unknown_member
        > POST /v1/queues/q/dead-letters/replay
          {"after":"x"}
        < 400 invalid_member
        > POST /v1/queues/unused/dead-letters/drop
          {}
        < 200
          . = {"changed":0,"kept":0,"next":null}
        "#,
    );
}

#[test]
fn dead_letters_go_into_another_queue_that_has_space_for_them() {
    let node = with_dead_letters(&[("a", "E"), ("b", "E"), ("c", "E")]);
    check(
        &node,
        r#"
        > PUT /v1/queues/r
          {"backlog_max":2}
        < 200
        > POST /v1/queues/r/tasks
          {"id":"a","type":"t"}
        < 200
        > POST /v1/queues/q/tasks/a/replay
          {"to":"r"}
        < 409 task_conflict
        > POST /v1/queues/q/dead-letters/replay
          {"to":"r"}
        < 200
          changed = 1
          kept = 1
          next = $next
        > POST /v1/queues/q/dead-letters/replay
          {"to":"r","after":"$next"}
        < 429 queue_full
          backlog_max = 2
        > GET /v1/queues/q/tasks/b
        < 404 task_not_found
        > GET /v1/queues/r/tasks/b
        < 200
          state = "ready"
          attempts = 0
          failures[0].class = "E"
          payload = 1
        "#,
    );
}

#[test]
fn a_dead_letter_is_edited_before_it_runs_again() {
    let node = with_dead_letters(&[("a", "E")]);
    check(
        &node,
        r#"
        > POST /v1/queues/q/tasks/a/replay
          {"type":"u"}
        < 400 unknown_member
        > POST /v1/queues/q/tasks/none/replay
          {"payload":2}
        < 404 task_not_found
        > POST /v1/queues/q/tasks/a/replay
          {"payload":{"fixed":true}}
        < 200
          . = {"id":"a","state":"replayed"}
        > POST /v1/queues/q/tasks/a/replay
          {"payload":3}
        < 409 wrong_task_state
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks[0].payload = {"fixed":true}
          tasks[0].attempt = 1
          tasks[0].token = $token
        > POST /v1/queues/q/tasks/a/return
          {"token":"$token"}
        < 200
        > GET /v1/queues/q/tasks/a
        < 200
          history.length = 2
          history[0].outcome = "failed"
          history[0].class = "E"
          history[1].outcome = "returned"
        "#,
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "one script")]
fn a_group_waits_for_its_tasks_and_enqueues_what_follows() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > POST /v1/groups
          {"id":"g","members":[{"queue":"q","id":"a","type":"t"},{"group":{"members":[{"queue":"r","id":"b","type":"t"}]}}],"then":{"queue":"s","id":"c","type":"sum"},"on_dead":{"queue":"s","type":"alarm"}}
        < 200 | idempotent-replayed: absent
          id = "g"
          cursor = $cursor
          replayed = false
        > POST /v1/groups
          {"id":"g","members":[{"id":"a","queue":"q","type":"t"},{"group":{"members":[{"queue":"r","id":"b","type":"t"}]}}],"then":{"queue":"s","id":"c","type":"sum"},"on_dead":{"queue":"s","type":"alarm"}}
        < 200 | idempotent-replayed: true
          . = {"id":"g","cursor":"$cursor","replayed":true}
        > POST /v1/groups
          {"id":"g","members":[{"queue":"q","id":"x","type":"t"}]}
        < 409 group_conflict
        > POST /v1/groups
          {"id":"h","members":[{"queue":"q","id":"y","type":"t"},{"queue":"q","id":"a","type":"t"}]}
        < 409 task_conflict
          task = 1
        > GET /v1/queues/q/tasks/y
        < 404 task_not_found
        > GET /v1/groups/h
        < 404 group_not_found
        > GET /v1/groups/g?wait=50ms
        < 200
          state = "open"
          total = 2
          members[0] = {"queue":"q","id":"a","state":"ready"}
          members[1].group = {"state":"open","total":1,"done":0,"failed":0}
          then = {"queue":"s","id":null}
        > POST /v1/queues/q/claims
          {"worker":"w"}
        < 200
          tasks[0].token = $token
        > POST /v1/queues/q/tasks/a/complete
          {"token":"$token"}
        < 200
        > POST /v1/queues/r/claims
          {"worker":"w"}
        < 200
          tasks[0].token = $last
        "#,
    );
    let last = script.value("last").as_str().unwrap().to_owned();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| node.request("GET", "/v1/groups/g?wait=30s", &[], ""));
        let body = format!(r#"{{"token":"{last}"}}"#);
        let json = [("content-type", "application/json")];
        assert_eq!(node.request("POST", "/v1/queues/r/tasks/b/complete", &json, &body).status, 200);
        assert_eq!(waiting.join().unwrap().json()["state"], "done");
    });
    assert!(begun.elapsed() < Duration::from_secs(20), "the read did not wait until its time was up");
    script.run(
        r#"
        > GET /v1/queues/s/tasks/c
        < 200
          state = "ready"
          type = "sum"
        > GET /v1/groups/g?wait=2m
        < 400 invalid_parameter
        > POST /v1/groups
          {"id":"k","members":[]}
        < 400 empty_batch
          member = "members"
        > POST /v1/groups
          {"id":"","members":[{"queue":"q","type":"t"}]}
        < 400 invalid_name
        > POST /v1/groups
          {"id":"k","members":[{"queue":"q","type":"t"}],"then":{"queue":"q","type":"t","delay":"1s"}}
        < 400 invalid_member
          member = "then"
        "#,
    );
}
