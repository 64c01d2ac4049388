//! Everything that readers see of a store, as text: the same text for the same store, whenever and by whatever version
//! it is made.

use crate::api::{Api, Response};
use crate::everything::{group, transaction};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// What depends on the moment of reading, or on the version that reads: times that are left or have passed, how far a
/// reaction has looked, and the rules of time zones.
const PASSING: [&str; 12] = [
    "expires_in",
    "remaining_ms",
    "runs_in",
    "opens_in",
    "closed_for",
    "probe_in",
    "oldest_ready_age",
    "last_used",
    "behind",
    "behind_events",
    "tzdata",
    "version",
];

/// The text so far.
struct Text {
    out: String,
}

/// Everything of a store that `everything` has filled under each of `names`.
pub(crate) fn of(api: &Api, names: &[&str]) -> String {
    let mut text = Text { out: String::new() };
    text.reads(api, "/v1/events?limit=1000");
    for stream in text.list(api, "/v1/streams?limit=1000", "streams", "stream") {
        text.reads(api, &format!("/v1/streams/{stream}/settings"));
        text.reads(api, &format!("/v1/streams/{stream}/events?limit=1000&from=0"));
    }
    let plain = [
        ("leases", "lease"),
        ("values", "value"),
        ("limits", "limit"),
        ("breakers", "breaker"),
        ("schedules", "schedule"),
        ("reactions", "reaction"),
    ];
    for (many, one) in plain {
        for name in text.list(api, &format!("/v1/{many}"), many, one) {
            text.reads(api, &format!("/v1/{many}/{name}"));
        }
    }
    text.list(api, "/v1/tokens", "tokens", "id");
    text.queues(api);
    for when in names {
        for key in ["paid", "begun", "gone"] {
            text.reads(api, &format!("/v1/idempotency/{when}-{key}"));
        }
        text.reads(api, &format!("/v1/groups/{when}-report"));
        text.reads(api, &format!("/v1/schedule-sets/{when}-program"));
        text.repeats(api, when);
    }
    text.out
}

impl Text {
    fn reads(&mut self, api: &Api, path: &str) {
        let response = api.get(path);
        self.tell(&format!("GET {path}"), &response);
    }

    fn tell(&mut self, request: &str, response: &Response) {
        let body = match serde_json::from_str(&response.body) {
            Ok(mut body) => {
                forget_passing(&mut body, request.contains("/v1/reactions"));
                body.to_string()
            }
            Err(_) => response.body.clone(),
        };
        let headers: Vec<String> =
            response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        writeln!(self.out, "{request}\n  {} {}\n  {body}", response.status, headers.join(", ")).unwrap();
    }

    /// Reads a list of one page, and returns the names of what it lists.
    fn list(&mut self, api: &Api, path: &str, many: &str, one: &str) -> Vec<String> {
        let response = api.get(path);
        self.tell(&format!("GET {path}"), &response);
        let list = response.json();
        assert!(list["next"].is_null(), "{path} has more than one page");
        let items = list[many].as_array().unwrap_or_else(|| panic!("{path}: {list}"));
        items.iter().map(|item| item[one].as_str().unwrap_or_else(|| panic!("{item}")).to_owned()).collect()
    }

    fn queues(&mut self, api: &Api) {
        for queue in self.list(api, "/v1/queues", "queues", "queue") {
            let path = format!("/v1/queues/{queue}");
            self.reads(api, &path);
            for task in self.list(api, &format!("{path}/tasks?limit=1000"), "tasks", "id") {
                self.reads(api, &format!("{path}/tasks/{task}"));
            }
            self.reads(api, &format!("{path}/dead-letters"));
            for tenant in self.list(api, &format!("{path}/tenants"), "tenants", "tenant") {
                self.reads(api, &format!("{path}/tenants/{tenant}"));
            }
        }
    }

    /// Sends requests again that the store has seen: it must recognize them, and nothing may change.
    fn repeats(&mut self, api: &Api, when: &str) {
        let keyed = format!("/v1/streams/{when}-orders/events");
        let placed =
            json!({"type": "order.placed", "id": "1", "source": "/shop", "data": {"n": 1.0, "a": [null]}});
        let claim =
            json!({"worker": "w-1", "types": ["step"], "request_id": "running", "claim_timeout": "24h"});
        let begin = json!({"fingerprint": "f", "owner": "o", "ttl": "24h"});
        let work = format!("/v1/queues/{when}-work");
        let own = json!({"id": "own", "type": "mail", "retry": {"attempts": 2}, "priority": 0});
        for (path, key, body) in [
            (keyed.clone(), format!("{when}-key"), json!({"type": "order.keyed"})),
            ("/v1/transactions".to_owned(), format!("{when}-transaction"), transaction(when)),
            (keyed, String::new(), placed),
            (format!("{work}/claims"), String::new(), claim),
            (format!("{work}/tasks"), String::new(), own),
            (format!("/v1/idempotency/{when}-begun/begin"), String::new(), begin.clone()),
            (format!("/v1/idempotency/{when}-paid/begin"), String::new(), begin),
            ("/v1/groups".to_owned(), String::new(), group(when)),
        ] {
            let response = api.send("POST", &path, "application/json", &key, &body.to_string());
            self.tell(&format!("POST {path} {key} {body}"), &response);
        }
    }
}

/// Takes out what is different at each reading.
fn forget_passing(body: &mut Value, is_reaction: bool) {
    match body {
        Value::Object(members) => {
            members.retain(|name, _| {
                let passes = PASSING.contains(&name.as_str());
                !(passes || is_reaction && ["cursor", "state"].contains(&name.as_str()))
            });
            members.values_mut().for_each(|member| forget_passing(member, is_reaction));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| forget_passing(item, is_reaction)),
        _ => {}
    }
}
