//! One of everything that a store can hold. Whatever waits does so until 2099, or in elapsed time, which stands still
//! while no node runs: so nothing is due when the store is opened years later.

use crate::api::Api;
use serde_json::{Value, json};

/// When everything happens that depends on the time of day.
const FAR: &str = "2099-01-01T00:00:00Z";

/// Fills a store, with names that begin with `when`. Returns the tokens that it has given out.
pub(crate) fn write(api: &Api, when: &str) -> Value {
    events(api, when);
    let lease = leases(api, when);
    values(api, when);
    let execution = executions(api, when);
    let task = tasks(api, when);
    tenants(api, when);
    limits(api, when);
    breakers(api, when);
    groups(api, when);
    schedules(api, when);
    reactions(api, when);
    access(api, when);
    json!({"lease": lease, "execution": execution, "task": task})
}

fn events(api: &Api, when: &str) {
    let stream = format!("/v1/streams/{when}-orders");
    let append = |stream: &str, body: Value| api.does("POST", &format!("{stream}/events"), &body);
    append(
        &stream,
        json!({"type": "order.placed", "id": "1", "source": "/shop", "data": {"n": 1.0, "a": [null]}}),
    );
    append(
        &stream,
        json!({"type": "order.paid", "subject": "o-1", "time": "2026-01-02T03:04:05Z", "data": "text"}),
    );
    append(
        &stream,
        json!({"type": "order.scanned", "datacontenttype": "image/png", "data_base64": "iVBORw=="}),
    );
    append(
        &stream,
        json!({"type": "order.noted", "dataschema": "https://example.org/s", "tenant": "acme", "n": 7}),
    );
    append(&stream, json!({"type": "order.empty"}));
    api.keyed("POST", &format!("{stream}/events"), &format!("{when}-key"), r#"{"type":"order.keyed"}"#);
    for (name, settings) in [
        ("few", json!({"max_count": 2})),
        ("aged", json!({"max_age": "5000w"})),
        ("cut", json!({"truncate_before": 1})),
        ("gone", json!({"max_count": 5})),
    ] {
        let stream = format!("/v1/streams/{when}-{name}");
        (0..4).for_each(|n| drop(append(&stream, json!({"type": "t", "id": n.to_string(), "source": "/s"}))));
        api.does("PUT", &format!("{stream}/settings"), &settings);
    }
    api.does("DELETE", &format!("/v1/streams/{when}-gone"), &Value::Null);
    api.keyed("POST", "/v1/transactions", &format!("{when}-transaction"), &transaction(when).to_string());
}

/// A transaction that appends to two streams and enqueues.
pub(crate) fn transaction(when: &str) -> Value {
    json!({
        "checks": [{"stream": format!("{when}-left"), "expected": "none"}],
        "writes": [
            {"append": {"stream": format!("{when}-left"), "events": [{"type": "moved"}]}},
            {"append": {"stream": format!("{when}-right"), "expected": "none", "events": [{"type": "moved"}]}},
            {"enqueue": {"queue": format!("{when}-moves"), "tasks": [{"type": "move", "id": "m-1"}]}},
        ],
    })
}

/// A lease of two holders, one that was released, and one with a hold-off. Returns the token of a holder.
fn leases(api: &Api, when: &str) -> Value {
    let acquire = |lease: &str, holder: &str, more: Value| {
        let mut body = json!({"holder": holder, "ttl_ms": 3_600_000});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.does("POST", &format!("/v1/leases/{when}-{lease}/acquire"), &body)
    };
    acquire("shared", "a", json!({"permits": 3}));
    acquire("shared", "b", json!({"permits": 3}));
    let released = acquire("released", "a", json!({}));
    let path = format!("/v1/leases/{when}-released/release");
    api.does("POST", &path, &json!({"token": released["token"]}));
    acquire("held", "a", json!({"hold_off_ms": 60_000}))["token"].clone()
}

fn values(api: &Api, when: &str) {
    let put = |name: &str, form: &str, body: &str| {
        let response = api.send("PUT", &format!("/v1/values/{when}-{name}"), form, "", body);
        assert!(response.status < 300, "{response:?}");
    };
    put("flag", "text/plain", "off");
    put("flag", "text/plain; charset=utf-8", "on");
    put("config", "application/json", r#"{"replicas": 3}"#);
    put("gone", "text/plain", "x");
    api.does("DELETE", &format!("/v1/values/{when}-gone"), &Value::Null);
}

/// An execution that is completed, and one that is begun, whose token is returned.
fn executions(api: &Api, when: &str) -> Value {
    let path = |key: &str, verb: &str| format!("/v1/idempotency/{when}-{key}/{verb}");
    let begin = json!({"fingerprint": "f", "owner": "o", "ttl": "24h"});
    let token = api.does("POST", &path("paid", "begin"), &begin)["token"].clone();
    let response =
        json!({"status": 201, "headers": {"location": "/p/7", "x": ["a", "b"]}, "body": {"id": 7}});
    api.does(
        "POST",
        &path("paid", "complete"),
        &json!({"token": token, "response": response, "keep": "366d"}),
    );
    let token = api.does("POST", &path("gone", "begin"), &json!({}))["token"].clone();
    api.does("POST", &path("gone", "abandon"), &json!({"token": token}));
    api.does("POST", &path("begun", "begin"), &begin)["token"].clone()
}

/// Tasks in every state. Returns the token of the claim of `running`.
fn tasks(api: &Api, when: &str) -> Value {
    let queue = format!("/v1/queues/{when}-work");
    let settings = json!({
        "retry": {"attempts": 5, "first": "1s", "max": "1h", "max_age": "30d", "never": ["Fatal"]},
        "claim_timeout": "24h", "lost_max": 2, "keep_done": "300d", "keep_dead": "300d", "backlog_max": 1_000,
        "concurrency": 50, "key_concurrency": 2, "events": format!("{when}-finished"),
    });
    api.does("PUT", &queue, &settings);
    let enqueue = |task: Value| drop(api.does("POST", &format!("{queue}/tasks"), &task));
    for id in ["done", "dead", "again", "deferred", "running"] {
        enqueue(json!({"id": id, "type": "step", "payload": {"id": id}, "priority": 9}));
        let claim = json!({"worker": "w-1", "types": ["step"], "request_id": id, "claim_timeout": "24h"});
        let claimed = api.does("POST", &format!("{queue}/claims"), &claim);
        let token = claimed["tasks"][0]["token"].clone();
        let settle = |verb: &str, more: Value| {
            let mut body = json!({"token": token});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            api.does("POST", &format!("{queue}/tasks/{id}/{verb}"), &body);
        };
        match id {
            "done" => settle("complete", json!({"result": {"pages": 12}})),
            "dead" => settle("fail", json!({"class": "Fatal", "message": "m", "traceback": "a\nb"})),
            "again" => settle("fail", json!({"class": "Timeout", "delay": "300d"})),
            "deferred" => settle("defer", json!({"delay": "300d"})),
            _ => {
                settle("heartbeat", json!({"progress": {"page": 3}}));
                enqueue_waiting(api, &queue);
                return token;
            }
        }
    }
    Value::Null
}

/// Tasks that no one has claimed.
fn enqueue_waiting(api: &Api, queue: &str) {
    let enqueue = |task: Value| drop(api.does("POST", &format!("{queue}/tasks"), &task));
    enqueue(json!({"id": "later", "type": "mail", "run_after": FAR, "tags": ["a:b", "c"]}));
    enqueue(
        json!({"id": "bytes", "type": "mail", "payload_base64": "AQID", "deadline": FAR, "claim_timeout": "90s"}),
    );
    enqueue(json!({"id": "own", "type": "mail", "retry": {"attempts": 2}, "priority": 0}));
    for n in 0..4 {
        enqueue(json!({"id": format!("key-{n}"), "type": "mail", "key": "k"}));
    }
    for n in 0..2 {
        let unique = json!({"key": "u", "mode": "replace"});
        enqueue(json!({"id": format!("unique-{n}"), "type": "index", "run_after": FAR, "unique": unique}));
    }
    enqueue(
        json!({"type": "mail", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}),
    );
    enqueue(json!({"id": "cancelled", "type": "mail"}));
    api.does("POST", &format!("{queue}/tasks/cancelled/cancel"), &Value::Null);
}

/// A queue that tenants share. One task of each is claimed.
fn tenants(api: &Api, when: &str) {
    let queue = format!("/v1/queues/{when}-shared");
    api.does("PUT", &format!("{queue}/tenants/acme"), &json!({"weight": 3}));
    for n in 0..3 {
        for tenant in ["acme", "bolt"] {
            let task = json!({"id": format!("{tenant}-{n}"), "type": "mail", "fair": tenant});
            api.does("POST", &format!("{queue}/tasks"), &task);
        }
    }
    let claim = json!({"worker": "w-2", "max": 2, "claim_timeout": "24h"});
    let claimed = api.does("POST", &format!("{queue}/claims"), &claim);
    assert_eq!(claimed["tasks"].as_array().unwrap().len(), 2, "{claimed}");
}

/// A limit with tasks that wait for it, and one of its keys closed.
fn limits(api: &Api, when: &str) {
    let (limit, queue) = (format!("{when}-partner"), format!("/v1/queues/{when}-limited"));
    let rate = json!({"max": 100, "per": "1d", "burst": 50});
    api.does("PUT", &format!("/v1/limits/{limit}"), &json!({"concurrency": 1, "rate": rate}));
    api.does("PUT", &format!("/v1/limits/{when}-unused"), &json!({"concurrency": 0}));
    let named = json!({"limit": limit, "key": "payload.host", "types": ["call"], "cost": 2});
    api.does("PUT", &queue, &json!({"limits": [named]}));
    for n in 0..3 {
        for host in ["a", "b"] {
            let task = json!({"id": format!("{host}-{n}"), "type": "call", "payload": {"host": host}});
            api.does("POST", &format!("{queue}/tasks"), &task);
        }
    }
    let claim = json!({"worker": "w-3", "max": 6, "claim_timeout": "24h"});
    let claimed = api.does("POST", &format!("{queue}/claims"), &claim);
    let claimed = claimed["tasks"].as_array().unwrap();
    assert_eq!(claimed.len(), 2, "one for each host: {claimed:?}");
    let (id, token) = (claimed[1]["id"].as_str().unwrap(), &claimed[1]["token"]);
    let throttle = json!({"limit": limit, "for": "1d"});
    api.does("POST", &format!("{queue}/tasks/{id}/fail"), &json!({"token": token, "throttle": throttle}));
}

/// A breaker that has tripped, one that is forced, and a queue that waits for it.
fn breakers(api: &Api, when: &str) {
    let breaker = |name: &str| format!("/v1/breakers/{when}-{name}");
    let settings =
        json!({"consecutive_failures": 2, "open_for": "1d", "open_for_max": "1d", "ignore": ["Gone"]});
    api.does("PUT", &breaker("tripped"), &settings);
    for outcome in ["ok", "failed", "failed"] {
        let permit = api.does("POST", &format!("{}/permit", breaker("tripped")), &Value::Null);
        let mut record = json!({"token": permit["token"], "outcome": outcome, "worker": "w-1"});
        if outcome == "failed" {
            record["class"] = "Timeout".into();
        }
        api.does("POST", &format!("{}/record", breaker("tripped")), &record);
    }
    api.does("POST", &format!("{}/open", breaker("forced")), &Value::Null);
    let queue = format!("/v1/queues/{when}-stopped");
    api.does("PUT", &queue, &json!({"breaker": {"breaker": format!("{when}-forced")}, "paused": true}));
    api.does("POST", &format!("{queue}/tasks"), &json!({"id": "1", "type": "call"}));
}

fn groups(api: &Api, when: &str) {
    api.does("POST", "/v1/groups", &group(when));
}

/// A group with another one in it.
pub(crate) fn group(when: &str) -> Value {
    let task = |id: &str| json!({"queue": format!("{when}-pages"), "id": id, "type": "page"});
    json!({
        "id": format!("{when}-report"),
        "members": [task("p-1"), {"group": {"members": [task("p-2")], "then": task("inner")}}],
        "then": task("bind"), "on_dead": task("sorry"),
    })
}

fn schedules(api: &Api, when: &str) {
    let work = |kind: &str| json!({"type": kind, "payload": {"days": 30}, "tags": ["s"]});
    let put = |name: &str, body: Value| api.does("PUT", &format!("/v1/schedules/{when}-{name}"), &body);
    let queue = format!("{when}-scheduled");
    put(
        "nightly",
        json!({"cron": "30 2 * * *", "zone": "Etc/UTC", "start": FAR, "queue": queue,
        "task": work("clean"), "late": "5m", "catch_up": "all", "catch_up_max": 3, "overlap": "allow",
        "exclude": ["2099-01-02"]}),
    );
    put(
        "often",
        json!({"every": "90s", "start": FAR, "end": "2099-12-31T00:00:00Z", "queue": queue,
        "task": work("often"), "runs_max": 9, "jitter": "10s", "pause_on_failure": true}),
    );
    put("paused", json!({"cron": "@daily", "queue": queue, "task": work("never")}));
    api.does("POST", &format!("/v1/schedules/{when}-paused/pause"), &Value::Null);
    api.does("POST", &format!("/v1/schedules/{when}-nightly/fire"), &Value::Null);
    let owned = json!({"schedule": format!("{when}-owned"), "cron": "@monthly", "start": FAR, "queue": queue,
        "task": work("owned")});
    api.does("PUT", &format!("/v1/schedule-sets/{when}-program"), &json!({"schedules": [owned]}));
}

/// A reaction that has made tasks of all events that match, and one that is paused.
fn reactions(api: &Api, when: &str) {
    let put = |name: &str, body: Value| api.does("PUT", &format!("/v1/reactions/{when}-{name}"), &body);
    put(
        "ship",
        json!({"queue": format!("{when}-reacted"), "task_type": "ship", "prefix": format!("{when}-orders"),
        "types": ["order.placed", "order.paid"], "from": "beginning", "key_from": "stream", "priority": 7}),
    );
    put(
        "idle",
        json!({"queue": format!("{when}-reacted"), "task_type": "t", "payload": "reference",
        "paused": true, "key": "k"}),
    );
    let reacted = format!("/v1/queues/{when}-reacted/tasks");
    while api.get(&reacted).json()["tasks"].as_array().is_none_or(|tasks| tasks.len() < 2) {
        std::thread::yield_now();
    }
}

/// Tokens, of which nobody keeps the secrets.
fn access(api: &Api, when: &str) {
    let token = json!({"role": "write", "prefixes": [format!("{when}-")], "name": "service", "expires_after": "3660d"});
    api.does("POST", "/v1/tokens", &token);
    let revoked = api.does("POST", "/v1/tokens", &json!({"role": "read"}));
    let id = revoked["id"].as_str().unwrap_or_else(|| panic!("{revoked}"));
    api.does("DELETE", &format!("/v1/tokens/{id}"), &Value::Null);
}
