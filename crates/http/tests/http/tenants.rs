//! Tenants of queues, and events about finished tasks, over HTTP.

use crate::node::Node;
use crate::script::check;

#[test]
fn claims_are_shared_by_the_weights_of_tenants() {
    check(
        &Node::start(),
        r#"
        > GET /v1/queues/q/tenants
        < 200
          . = {"tenants":[],"unnamed":{"weight":1,"waiting":0,"running":0},"next":null}
        > PUT /v1/queues/q/tenants/acme%20inc
          {"weight":3}
        < 200
          . = {"queue":"q","tenant":"acme inc","weight":3}
        > POST /v1/queues/q/tasks | content-type: application/x-ndjson
          {"id":"a1","type":"t","fair":"acme inc"}
          {"id":"a2","type":"t","fair":"acme inc"}
          {"id":"a3","type":"t","fair":"acme inc"}
          {"id":"a4","type":"t","fair":"acme inc"}
          {"id":"b1","type":"t","fair":"bolt"}
          {"id":"b2","type":"t","fair":"bolt"}
          {"id":"n1","type":"t"}
        < 200
        > GET /v1/queues/q/tasks/a1
        < 200
          fair = "acme inc"
        > POST /v1/queues/q/claims
          {"worker":"w","max":5}
        < 200
          tasks.length = 5
          tasks[0].id = "a1"
          tasks[0].fair = "acme inc"
        > GET /v1/queues/q/tenants/acme%20inc
        < 200
          . = {"tenant":"acme inc","weight":3,"waiting":1,"running":3}
        > GET /v1/queues/q/tenants/bolt
        < 200
          . = {"tenant":"bolt","weight":1,"waiting":1,"running":1}
        > GET /v1/queues/q/tenants?limit=1
        < 200
          tenants.length = 1
          unnamed = {"weight":1,"waiting":0,"running":1}
        > DELETE /v1/queues/q/tenants/acme%20inc
        < 200
          . = {"queue":"q","tenant":"acme inc","weight":1}
        > DELETE /v1/queues/other/tenants/nobody
        < 200
          weight = 1
        > GET /v1/queues/q/tenants/nobody
        < 200
          . = {"tenant":"nobody","weight":1,"waiting":0,"running":0}
        "#,
    );
}

#[test]
fn a_page_of_tenants_leads_to_the_next_one() {
    let node = Node::start();
    let json = [("content-type", "application/json")];
    for number in 0..7 {
        let path = format!("/v1/queues/a%20b/tenants/t{number}");
        assert_eq!(node.request("PUT", &path, &json, r#"{"weight":2}"#).status, 200);
    }
    let mut names = Vec::new();
    let mut next = Some("/v1/queues/a%20b/tenants?limit=3".to_owned());
    while let Some(path) = next {
        let page = node.request("GET", &path, &[], "").json();
        let tenants = page["tenants"].as_array().unwrap();
        assert!(tenants.len() <= 3);
        names.extend(tenants.iter().map(|tenant| tenant["tenant"].as_str().unwrap().to_owned()));
        next = page["next"].as_str().map(str::to_owned);
    }
    names.sort();
    assert_eq!(names, ["t0", "t1", "t2", "t3", "t4", "t5", "t6"]);
}

#[test]
fn a_finished_task_is_an_event_with_its_trace() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let node = Node::start();
    let json = [("content-type", "application/json")];
    let send = |method: &str, path: &str, body: &str| {
        let response = node.request(method, path, &json, body);
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()
    };
    send("PUT", "/v1/queues/q", r#"{"events":"q.finished"}"#);
    let task = format!(r#"{{"id":"a \"1\"","type":"t","traceparent":"{TRACE}"}}"#);
    send("POST", "/v1/queues/q/tasks", &task);
    let claimed = send("POST", "/v1/queues/q/claims", r#"{"worker":"w"}"#);
    let token = claimed["tasks"][0]["token"].as_str().unwrap();
    let body = format!(r#"{{"token":"{token}","result":{{"pages":12}}}}"#);
    for _ in 0..2 {
        send("POST", "/v1/queues/q/tasks/a%20%221%22/complete", &body);
    }
    let page = node.request("GET", "/v1/streams/q.finished/events", &[], "").json();
    assert_eq!(page["events"].as_array().unwrap().len(), 1, "{page}");
    let event = &page["events"][0];
    assert_eq!((event["type"].as_str(), event["subject"].as_str()), (Some("task.done"), Some("a \"1\"")));
    assert_eq!(event["traceparent"], TRACE);
    assert_eq!(
        event["data"],
        serde_json::json!({"queue": "q", "id": "a \"1\"", "type": "t", "attempts": 1, "result_bytes": 12})
    );
    assert!(event["id"].as_str().unwrap().starts_with('~') && event["time"].is_string());
}

#[test]
fn what_makes_no_sense_is_refused() {
    check(
        &Node::start(),
        r#"
        > PUT /v1/queues/q/tenants/acme
          {}
        < 400 missing_member
          member = "weight"
        > PUT /v1/queues/q/tenants/acme
          {"weight":0}
        < 400 invalid_member
          member = "weight"
        > PUT /v1/queues/q/tenants/acme
          {"weight":101}
        < 400 invalid_member
        > PUT /v1/queues/q/tenants/acme | idempotency-key: k
          {"weight":1}
        < 400 invalid_header
        > PUT /v1/queues/q/tenants/acme?x=1
          {"weight":1}
        < 400 unknown_parameter
        > PUT /v1/queues/q/tenants/%0a
          {"weight":1}
        < 400 invalid_name
        > GET /v1/queues/q/tenants?limit=0
        < 400 invalid_parameter
        > GET /v1/queues/q/tenants?cursor=
        < 400 invalid_parameter
        > POST /v1/queues/q/tasks
          {"type":"t","fair":""}
        < 400 invalid_member
          member = "fair"
        > POST /v1/queues/q/tasks
          {"type":"t","fair":7}
        < 400 invalid_member
        > PUT /v1/queues/q
          {"key_concurrency":1001}
        < 400 invalid_member
        > PUT /v1/queues/q
          {"events":".."}
        < 400 invalid_name
        "#,
    );
}
