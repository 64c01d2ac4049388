//! Shared breakers over HTTP: one state for all who ask.

use crate::node::Node;
use crate::script::{Script, check};
use crate::wire::{Connection, request};
use serde_json::Value;

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn post(node: &Node, path: &str, body: &str) -> Value {
    let response = node.request("POST", path, &JSON, body);
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()
}

fn permit(node: &Node) -> Value {
    post(node, "/v1/breakers/partner/permit", "")
}

/// Opens the breaker, for as long as its settings say.
fn trip(node: &Node, settings: &str) {
    assert_eq!(node.request("PUT", "/v1/breakers/partner", &JSON, settings).status, 200);
    let token = permit(node)["token"].as_str().unwrap().to_owned();
    let failed = format!(r#"{{"token":"{token}","outcome":"failed","class":"timeout","worker":"w-1"}}"#);
    assert_eq!(post(node, "/v1/breakers/partner/record", &failed)["state"], "open");
}

#[test]
fn a_breaker_exists_when_it_is_first_used() {
    check(
        &Node::start(),
        r#"
        > GET /v1/breakers
        < 200
          . = {"breakers":[],"next":null}
        > GET /v1/breakers/partner
        < 200
          state = "closed"
          forced = null
          admitted_percent = 100
          opened = 0
          workers = []
          settings.calls_min = 20
          settings.open_for = "5s"
        > POST /v1/breakers/partner/permit
        < 200
          admitted = true
          probe = false
          token = $token
        > POST /v1/breakers/partner/record
          {"token":"$token","outcome":"failed","class":"timeout","worker":"w-1"}
        < 200
          . = {"recorded":1,"replayed":0,"stale":0,"state":"closed"}
        > POST /v1/breakers/partner/record
          {"token":"$token","outcome":"failed","class":"timeout","worker":"w-1"}
        < 200
          . = {"recorded":0,"replayed":1,"stale":0,"state":"closed"}
        > GET /v1/breakers/partner
        < 200
          calls = 1
          failures = 1
          failures_in_a_row = 1
          last_failure.class = "timeout"
          last_failure.worker = "w-1"
          workers = [{"worker":"w-1","calls":1,"failures":1,"suspect":false}]
        > GET /v1/breakers
        < 200
          . = {"breakers":[{"breaker":"partner"}],"next":null}
        > DELETE /v1/breakers/partner
        < 200
          . = {"breaker":"partner"}
        > DELETE /v1/breakers/partner
        < 404 breaker_not_found
        > POST /v1/breakers/a%2Fb/permit
        < 200
        "#,
    );
}

#[test]
fn an_open_breaker_rejects_with_a_decision_and_a_time_to_ask_again() {
    let node = Node::start();
    trip(&node, r#"{"consecutive_failures":1,"open_for":"1h","open_for_max":"1h"}"#);
    let rejected = node.request("POST", "/v1/breakers/partner/permit", &[], "");
    assert_eq!((rejected.status, rejected.header("retry-after").is_some()), (200, true));
    let seconds: u64 = rejected.header("retry-after").unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&seconds), "{seconds}");
    assert_eq!((&rejected.json()["admitted"], &rejected.json()["reason"]), (&false.into(), &"open".into()));
    let shown = node.request("GET", "/v1/breakers/partner", &[], "").json();
    assert_eq!(
        (&shown["state"], &shown["opened"], &shown["admitted_percent"]),
        (&"open".into(), &1.into(), &0.into())
    );
    let node = node.restart();
    assert_eq!(permit(&node)["reason"], "open", "a restart closes nothing");
}

#[test]
fn of_all_callers_one_gets_the_probe() {
    let node = Node::start();
    trip(
        &node,
        r#"{"consecutive_failures":1,"open_for":"1ms","probes":1,"probe_for":"1h","ramp_for":"0ms"}"#,
    );
    // The store's time stands still for a moment after a start, so the breaker stays open for longer than 1 ms.
    let mut probes: Vec<Value> = Vec::new();
    while probes.is_empty() {
        probes = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..16).map(|_| scope.spawn(|| permit(&node))).collect();
            let permits = callers.into_iter().map(|caller| caller.join().unwrap());
            permits.filter(|permit| permit["admitted"] == true).collect()
        });
    }
    assert_eq!((probes.len(), &probes[0]["probe"]), (1, &true.into()), "{probes:?}");
    assert_eq!(permit(&node)["reason"], "probing");
    let ok = format!(r#"{{"token":{},"outcome":"ok"}}"#, probes[0]["token"]);
    assert_eq!(post(&node, "/v1/breakers/partner/record", &ok)["state"], "closed");
    assert_eq!(permit(&node)["admitted"], true);
}

#[test]
fn an_operator_holds_a_breaker() {
    check(
        &Node::start(),
        r#"
        > POST /v1/breakers/partner/open
        < 200
          . = {"breaker":"partner","forced":"open"}
        > POST /v1/breakers/partner/permit
        < 200
          . = {"admitted":false,"reason":"forced","retry_in":"5s"}
        > POST /v1/breakers/partner/close
        < 200
          . = {"breaker":"partner","forced":"closed"}
        > POST /v1/breakers/partner/permit
        < 200
          admitted = true
        > GET /v1/breakers/partner
        < 200
          state = "closed"
          forced = "closed"
        > POST /v1/breakers/partner/auto
        < 200
          . = {"breaker":"partner","forced":null}
        "#,
    );
}

#[test]
fn many_outcomes_go_into_one_request() {
    let node = Node::start();
    let tokens: Vec<Value> = (0..3).map(|_| permit(&node)["token"].clone()).collect();
    let body = format!(
        r#"{{"records":[{{"token":{},"outcome":"ok"}},{{"token":{},"outcome":"ignored"}},{{"token":{},"outcome":"failed"}},{{"token":{},"outcome":"ok"}}]}}"#,
        tokens[0], tokens[1], tokens[2], tokens[0]
    );
    let recorded = post(&node, "/v1/breakers/partner/record", &body);
    assert_eq!(recorded, serde_json::json!({"recorded": 3, "replayed": 1, "stale": 0, "state": "closed"}));
}

#[test]
fn a_watch_shows_a_breaker_as_it_is_and_then_each_change() {
    let node = Node::start();
    let mut watched = Connection::to(&node);
    let accept = [("accept", "text/event-stream")];
    assert_eq!(watched.send(request("GET", "/v1/breakers/partner", &accept, "")).head().status, 200);
    let mut next = |state: &str| {
        let text = watched.chunks_until("\n\n");
        assert!(text.contains("event: breaker") && text.contains(&format!(r#""state":"{state}""#)), "{text}");
    };
    next("closed");
    post(&node, "/v1/breakers/partner/open", "");
    next("open");
    post(&node, "/v1/breakers/partner/auto", "");
    next("closed");
}

#[test]
fn tasks_of_a_queue_wait_for_their_breaker() {
    check(
        &Node::start(),
        r#"
        > PUT /v1/queues/q
          {"breaker":{"breaker":"hosts/","key":"payload.host"}}
        < 200
          settings.breaker = {"breaker":"hosts/","key":"payload.host"}
        > PUT /v1/breakers/hosts%2Fx
          {"consecutive_failures":1,"open_for":"1h","open_for_max":"1h"}
        < 200
        > POST /v1/queues/q/tasks
          {"id":"a","type":"t","payload":{"host":"x"},"retry":{"attempts":5,"first":"0s","max":"0s"}}
        < 200
        > POST /v1/queues/q/tasks
          {"id":"b","type":"t","payload":{"host":"y"}}
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":1}
        < 200
          tasks[0].id = "a"
          tasks[0].token = $token
        > POST /v1/queues/q/tasks/a/fail
          {"token":"$token","class":"timeout"}
        < 200
        > GET /v1/breakers/hosts%2Fx
        < 200
          state = "open"
          last_failure.class = "timeout"
          last_failure.worker = "w"
        > POST /v1/queues/q/claims
          {"worker":"w","max":9}
        < 200
          tasks.length = 1
          tasks[0].id = "b"
        > GET /v1/queues/q/tasks/a
        < 200
          state = "blocked"
          attempts = 1
          blocked_on.reason = "breaker"
          blocked_on.breaker = "hosts/x"
        > POST /v1/breakers/hosts%2Fx/close
        < 200
        > POST /v1/queues/q/claims
          {"worker":"w","max":9}
        < 200
          tasks.length = 1
          tasks[0].id = "a"
        > PUT /v1/queues/q
          {"breaker":{"types":["t"]}}
        < 400 missing_member
        > PUT /v1/queues/q
          {"breaker":{"key":"host"}}
        < 400 invalid_member
          member = "breaker.key"
        "#,
    );
}

#[test]
fn wrong_requests_are_refused_and_change_nothing() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > POST /v1/breakers/other/permit
        < 200
          token = $other
        > PUT /v1/breakers/partner
          {"calls_min":0}
        < 400 invalid_member
          member = "calls_min"
        > PUT /v1/breakers/partner
          {"slow_share":5}
        < 400 unknown_member
        > PUT /v1/breakers/partner | idempotency-key: k
          {}
        < 400 invalid_header
        > PUT /v1/breakers/partner?x=1
          {}
        < 400 unknown_parameter
        > POST /v1/breakers/partner/permit?x=1
        < 400 unknown_parameter
        > POST /v1/breakers/partner/record
          {"token":"$other","outcome":"ok"}
        < 400 invalid_member
          member = "token"
        > POST /v1/breakers/partner/record
          {"outcome":"ok"}
        < 400 missing_member
        > POST /v1/breakers/partner/record
          {"token":"7","outcome":"ok"}
        < 400 invalid_member
        > GET /v1/breakers/..
        < 400 invalid_name
        > GET /v1/breakers?limit=0
        < 400 invalid_parameter
        > POST /v1/breakers/partner/trip
        < 404 not_found
        > GET /v1/breakers
        < 200
          breakers.length = 0
        "#,
    );
}

#[test]
fn slow_calls_trip_a_breaker_that_says_what_slow_is() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > PUT /v1/breakers/partner
          {"slow_percent":50}
        < 400 missing_member
          member = "slow_after"
        > PUT /v1/breakers/partner
          {"window":{"calls":2},"slow_after":"800ms","slow_percent":100}
        < 200
          settings.slow_after = "800ms"
          settings.slow_percent = 100
        > POST /v1/breakers/partner/permit
        < 200
          token = $one
        > POST /v1/breakers/partner/permit
        < 200
          token = $two
        > POST /v1/breakers/partner/record
          {"token":"$one","outcome":"ok","took":"800ms"}
        < 200
          state = "closed"
        > GET /v1/breakers/partner
        < 200
          calls = 1
          failures = 0
          slow = 1
        > POST /v1/breakers/partner/record
          {"records":[{"token":"$two","outcome":"ok","took":"3s"}]}
        < 200
          state = "open"
        > GET /v1/breakers/another
        < 200
          slow = absent
        "#,
    );
}
