//! Real answers are of the form that the OpenAPI document describes: they are read into its types, unknown
//! members refused.

use crate::node::Node;
use api::contract::schema::{
    Appended, Checks, Claimed, Deleted, EnqueuedLine, EnqueuedTask, Execution, ExecutionAbandoned,
    ExecutionBegun, ExecutionCompleted, ExecutionForgotten, Lease, LeaseGranted, LeaseReleased, LeaseRenewed,
    LineResult, Live, Problem, Queue, QueueList, QueueSettingsInForce, Reaction, ReactionDeleted,
    ReactionList, ReactionPut, ReactionSettings, Ready, Schedule, ScheduleControlled, ScheduleDeleted,
    ScheduleList, SchedulePut, ScheduleSet, SettingsInForce, Settled, SettledLine, StorePage, StreamList,
    StreamPage, SummaryLine, Task, TaskChanged, TaskList, Transacted, ValueDeleted, ValueWritten,
};
use serde::de::DeserializeOwned;

fn read<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn every_answer_is_of_the_form_that_is_described() {
    let node = Node::start();
    let events = "/v1/streams/a/events";
    read::<Appended>(node.post(events, r#"{"type":"t","id":"1","data":[1.50]}"#).text());
    read::<Appended>(
        node.post(events, r#"{"type":"t","data_base64":"AQ==","datacontenttype":"a/b"}"#).text(),
    );
    let transaction = r#"{"checks":[{"stream":"a","expected":1}],"writes":[{"append":{"stream":"b","events":[{"type":"t"}]}}]}"#;
    read::<Transacted>(node.post("/v1/transactions", transaction).text());
    read::<Problem>(node.post("/v1/transactions", &transaction.replace(":1}", ":7}")).text());
    read::<Problem>(node.post(events, r#"{"type":"t","id":"1","data":[2]}"#).text());
    let lines = "{\"stream\":\"a\",\"type\":\"t\"}\nbroken\n";
    let response = node.request("POST", "/v1/events", &[("content-type", "application/x-ndjson")], lines);
    let mut lines: Vec<&str> = response.text().lines().collect();
    read::<SummaryLine>(lines.pop().unwrap());
    assert_eq!(lines.len(), 2);
    lines.into_iter().for_each(|line| drop(read::<LineResult>(line)));
    let page = read::<StreamPage>(node.get(events).text());
    assert_eq!((page.events.len(), page.revision), (3, Some(2)));
    read::<StreamPage>(node.get("/v1/streams/none/events").text());
    assert_eq!(read::<StorePage>(node.get("/v1/events?limit=2").text()).events.len(), 2);
    read::<StreamList>(node.get("/v1/streams?limit=1").text());
    read::<SettingsInForce>(node.get("/v1/streams/a/settings").text());
    read::<Deleted>(node.request("DELETE", "/v1/streams/a", &[], "").text());
    read::<Problem>(node.get("/v1/streams/a/events?from=0").text());
    let lease = node.post("/v1/leases/l/acquire", r#"{"holder":"a","ttl_ms":60000}"#);
    let token = format!(r#"{{"token":"{}"}}"#, read::<LeaseGranted>(lease.text()).token);
    read::<Problem>(node.post("/v1/leases/l/acquire", r#"{"holder":"b","ttl_ms":60000}"#).text());
    read::<Problem>(node.post("/v1/leases/l/acquire", r#"{"holder":"b","ttl_ms":60000,"permits":2}"#).text());
    read::<LeaseRenewed>(node.post("/v1/leases/l/renew", &token).text());
    assert_eq!(read::<Lease>(node.get("/v1/leases/l").text()).holders.len(), 1);
    read::<LeaseReleased>(node.post("/v1/leases/l/release", &token).text());
    read::<Problem>(node.post("/v1/leases/l/release", &token).text());
    read::<Lease>(node.get("/v1/leases/none").text());
    read::<ValueWritten>(node.request("PUT", "/v1/values/v", &[], "x").text());
    read::<ValueDeleted>(node.request("DELETE", "/v1/values/v", &[], "").text());
    read::<Problem>(node.get("/v1/values/v").text());
    let begun = read::<ExecutionBegun>(node.post("/v1/idempotency/k/begin", "{}").text());
    let token = begun.token.unwrap();
    read::<Problem>(node.post("/v1/idempotency/k/begin", "{}").text());
    read::<Execution>(node.get("/v1/idempotency/k").text());
    let complete =
        format!(r#"{{"token":"{token}","response":{{"status":200,"headers":{{"a":["b"]}},"body":1}}}}"#);
    read::<ExecutionCompleted>(node.post("/v1/idempotency/k/complete", &complete).text());
    read::<ExecutionBegun>(node.post("/v1/idempotency/k/begin", "{}").text());
    read::<Execution>(node.get("/v1/idempotency/k").text());
    read::<ExecutionForgotten>(node.request("DELETE", "/v1/idempotency/k", &[], "").text());
    let begun = read::<ExecutionBegun>(node.post("/v1/idempotency/k/begin", "{}").text());
    let token = begun.token.unwrap();
    let write = format!(r#"{{"key":"k","token":"{token}","response":{{"status":200}}}}"#);
    let transaction = format!(r#"{{"writes":[{{"idempotency":{write}}}]}}"#);
    read::<Transacted>(node.post("/v1/transactions", &transaction).text());
    node.request("DELETE", "/v1/idempotency/k", &[], "");
    let begun = read::<ExecutionBegun>(node.post("/v1/idempotency/k/begin", "{}").text());
    let abandon = format!(r#"{{"token":"{}"}}"#, begun.token.unwrap());
    read::<ExecutionAbandoned>(node.post("/v1/idempotency/k/abandon", &abandon).text());
    assert!(read::<Checks>(node.get("/v1/check").text()).last.is_none());
    read::<Live>(node.get("/livez").text());
    read::<Ready>(node.get("/readyz").text());
    let document: serde_json::Value = read(node.get("/v1/openapi.json").text());
    assert_eq!(document["openapi"], "3.1.0");
}

#[test]
fn the_last_check_of_the_data_is_of_the_form_that_is_described() {
    let finding = api::response::check::Finding {
        what: "\"bodies\" is damaged".to_owned(),
        affected: "events".to_owned(),
        remedy: "restore".to_owned(),
    };
    let findings = vec![finding.clone(), finding];
    let ended = model::Wall(1_800_000_000_000);
    let last = api::response::check::LastCheck { ended, took_ms: 4, events: 1, rows: 2, bytes: 3, findings };
    let checks = api::response::check::Checks { every_ms: Some(86_400_000), last: Some(last) };
    let checks = tokio::sync::watch::channel(std::sync::Arc::new(checks)).1;
    let node = Node::with(http_server::HttpOptions { checks, ..Default::default() });
    let shown = read::<Checks>(node.get("/v1/check").text());
    let last = shown.last.unwrap();
    assert_eq!(
        (&*shown.every.unwrap(), &*last.ended, last.healthy),
        ("1d", "2027-01-15T08:00:00.000Z", false)
    );
    assert_eq!((last.events, last.rows, last.bytes, last.took_ms), (1, 2, 3, 4));
    assert_eq!((last.findings.len(), &*last.findings[1].what), (2, "\"bodies\" is damaged"));
}

#[test]
fn every_answer_about_queues_is_of_the_form_that_is_described() {
    let node = Node::start();
    let lines = [("content-type", "application/x-ndjson")];
    let tasks = "/v1/queues/q/tasks";
    let full = r#"{"id":"1","type":"t","payload":[1],"delay":"1ms","priority":7,"key":"k","claim_timeout":"1m","retry":{"attempts":2},"tags":["a"],"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","tracestate":"v=1"}"#;
    read::<EnqueuedTask>(node.post(tasks, full).text());
    read::<Problem>(node.post(tasks, r#"{"id":"1","type":"u"}"#).text());
    let batch = "{\"type\":\"t\",\"payload_base64\":\"AQ==\"}\n{\"type\":\"u\",\"id\":\"1\"}";
    let response = node.request("POST", tasks, &lines, batch);
    assert_eq!(response.text().lines().map(|line| drop(read::<EnqueuedLine>(line))).count(), 2);
    let mut claimed = Vec::new();
    while claimed.len() < 2 {
        let claim = r#"{"worker":"w","max":5,"wait":"5s","request_id":"REQUEST"}"#;
        let claim = claim.replace("REQUEST", &claimed.len().to_string());
        claimed.extend(read::<Claimed>(node.post("/v1/queues/q/claims", &claim).text()).tasks);
    }
    read::<Task>(node.get("/v1/queues/q/tasks/1").text());
    let of = |id: &str, verb: &str| format!("/v1/queues/q/tasks/{id}/{verb}");
    let body = |token: &str, more: &str| format!(r#"{{"token":"{token}"{more}}}"#);
    for task in &claimed {
        read::<Settled>(node.post(&of(&task.id, "heartbeat"), &body(&task.token, r#","progress":1"#)).text());
    }
    let [first, second] = &claimed[..] else { panic!("{claimed:?}") };
    let line = |id: &str, token: &str| {
        format!(r#"{{"id":"{id}","token":"{token}","action":"complete","result":{{}}}}"#)
    };
    let batch = format!("{}\n{}\n", line(&first.id, &first.token), line("none", &first.token));
    let response = node.request("POST", "/v1/queues/q/settlements", &lines, &batch);
    assert_eq!(response.text().lines().map(|line| drop(read::<SettledLine>(line))).count(), 2);
    let failed = r#","class":"E","message":"m","traceback":"t","retryable":false"#;
    read::<Settled>(node.post(&of(&second.id, "fail"), &body(&second.token, failed)).text());
    read::<Problem>(node.post(&of(&second.id, "cancel"), "").text());
    assert_eq!(read::<TaskList>(node.get(tasks).text()).tasks.len(), 2);
    read::<TaskChanged>(node.post(&of(&second.id, "replay"), "").text());
    read::<TaskChanged>(node.post(&of(&second.id, "cancel"), "").text());
    read::<QueueSettingsInForce>(
        node.request("PUT", "/v1/queues/q", &[("content-type", "application/json")], r#"{"backlog_max":1}"#)
            .text(),
    );
    read::<EnqueuedTask>(node.post(tasks, r#"{"type":"t"}"#).text());
    read::<Problem>(node.post(tasks, r#"{"type":"t"}"#).text());
    assert_eq!(read::<Queue>(node.get("/v1/queues/q").text()).depth.ready, 1);
    read::<QueueList>(node.get("/v1/queues").text());
    for settings in [
        r#"{"queue":"q","task_type":"t","key_from":"stream"}"#,
        r#"{"queue":"q","task_type":"t","key":"k","payload":"reference"}"#,
    ] {
        read::<ReactionSettings>(settings);
        let json = [("content-type", "application/json")];
        read::<ReactionPut>(node.request("PUT", "/v1/reactions/r", &json, settings).text());
        read::<Reaction>(node.get("/v1/reactions/r").text());
    }
    assert_eq!(read::<ReactionList>(node.get("/v1/reactions").text()).reactions.len(), 1);
    assert!(read::<ReactionDeleted>(node.request("DELETE", "/v1/reactions/r", &[], "").text()).deleted);
}

#[test]
fn every_answer_about_schedules_is_of_the_form_that_is_described() {
    let node = Node::start();
    let json = [("content-type", "application/json")];
    let full = r#"{"cron":"0 2 * * *","zone":"Europe/Berlin","queue":"q","task":{"type":"t","payload":[1],"priority":7,"key":"k","claim_timeout":"1m","retry":{"attempts":2},"tags":["a"]},"start":"2026-01-01T00:00:00Z","end":"2126-01-01T00:00:00Z","exclude":["2026-12-25"],"runs_max":9,"jitter":"5m","catch_up":"all","catch_up_max":3,"late":"2m","overlap":"buffer_one","pause_on_failure":true}"#;
    read::<SchedulePut>(node.request("PUT", "/v1/schedules/s", &json, full).text());
    read::<SchedulePut>(node.post("/v1/schedules/s/preview", full).text());
    read::<ScheduleControlled>(node.post("/v1/schedules/s/fire", "").text());
    let range = r#"{"from":"2026-03-28T00:00:00Z","to":"2026-03-30T23:00:00Z","overlap":"wait"}"#;
    assert_eq!(read::<ScheduleControlled>(node.post("/v1/schedules/s/backfill", range).text()).waiting, 3);
    read::<ScheduleControlled>(node.post("/v1/schedules/s/pause", "").text());
    let schedule = read::<Schedule>(node.get("/v1/schedules/s").text());
    assert_eq!((schedule.runs.len(), schedule.waiting), (1, 3));
    // What is shown can be put again, and changes nothing.
    let shown: serde_json::Value = node.get("/v1/schedules/s").json();
    let again = node.request("PUT", "/v1/schedules/s", &json, &shown["definition"].to_string());
    assert_eq!(read::<SchedulePut>(again.text()).changed, Some(false), "{}", shown["definition"]);
    read::<ScheduleList>(node.get("/v1/schedules?limit=1").text());
    let set = r#"{"schedules":[{"schedule":"a","every":"1h","queue":"q","task":{"type":"t"}}]}"#;
    read::<ScheduleSet>(node.request("PUT", "/v1/schedule-sets/app", &json, set).text());
    read::<ScheduleSet>(node.get("/v1/schedule-sets/app").text());
    read::<ScheduleDeleted>(node.request("DELETE", "/v1/schedules/s", &[], "").text());
    read::<Problem>(node.get("/v1/schedules/s").text());
}
