//! Leases and claims in a restored store, and the requests that read a backup.

use super::{Node, SMALL, back_up, lines, paths, restore};
use mainstay_client::Request;
use serde_json::{Value, json};

fn send(node: &Node, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let request = Request::new(method, path).unwrap();
    let request = if body.is_null() { request } else { request.body("application/json", body.to_string()) };
    let response = node.client().send(&request).unwrap();
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

fn acquire(node: &Node, lease: &str, holder: &str) -> (u16, Value) {
    let path = format!("/v1/leases/{lease}/acquire");
    send(node, "POST", &path, &json!({"holder": holder, "ttl_ms": 3_600_000}))
}

#[test]
fn what_was_held_is_still_held_and_new_tokens_are_greater_than_any_that_the_original_gave_out() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, backups, restored) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    let held = acquire(&node, "held", "a").1;
    node.run(&["enqueue", "q", "mail", "1"]).ok();
    node.run(&["enqueue", "q", "mail", "2"]).ok();
    let claim = json!({"worker": "w", "claim_timeout": "1h"});
    let claimed = send(&node, "POST", "/v1/queues/q/claims", &claim).1;
    back_up(&node, &backups);
    // The original goes on for a while, and gives out more.
    let later: Vec<Value> = (0..50).map(|n| acquire(&node, &format!("later-{n}"), "b").1).collect();
    let later_claim = send(&node, "POST", "/v1/queues/q/claims", &claim).1;
    node.kill();
    restore(&backups, &restored);
    let node = Node::start_with(&restored, SMALL);

    let (status, refused) = acquire(&node, "held", "c");
    assert_eq!((status, &refused["code"]), (409, &Value::from("lease_held")), "{refused}");
    let renew = json!({"token": held["token"]});
    assert_eq!(send(&node, "POST", "/v1/leases/held/renew", &renew).0, 200, "the holder goes on");
    let renew = json!({"token": later[0]["token"]});
    let (status, lost) = send(&node, "POST", "/v1/leases/later-0/renew", &renew);
    assert_eq!((status, &lost["code"]), (409, &Value::from("lease_lost")), "granted after the backup");
    let granted = acquire(&node, "later-0", "d").1;
    let greatest = later.iter().map(|grant| grant["token"].as_str().unwrap()).max().unwrap();
    assert!(granted["token"].as_str().unwrap() > greatest, "{granted} after {greatest}");

    let complete = |claimed: &Value| {
        let task = &claimed["tasks"][0];
        let path = format!("/v1/queues/q/tasks/{}/complete", task["id"].as_str().unwrap());
        send(&node, "POST", &path, &json!({"token": task["token"]}))
    };
    assert_eq!(complete(&claimed).0, 200, "a claim of the backup goes on: {claimed}");
    let (status, lost) = complete(&later_claim);
    assert_eq!((status, &lost["code"]), (409, &Value::from("claim_lost")), "claimed after the backup");
    let again = send(&node, "POST", "/v1/queues/q/claims", &claim).1;
    let token = |claimed: &Value| claimed["tasks"][0]["token"].as_str().unwrap().to_owned();
    assert!(token(&again) > token(&later_claim));
}

#[test]
fn backups_under_way_are_few_and_requests_for_what_is_not_there_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, ..) = paths(scratch.path());
    let node = Node::start_with(&data, SMALL);
    node.run_with_input(&["import", "-"], &lines(0, 100)).ok();
    let begin = |name: &str| send(&node, "PUT", &format!("/v1/backups/{name}"), &Value::Null);
    let (first, second) = (begin("00000000000000a1").1, begin("00000000000000a2").1);
    assert_eq!(begin("00000000000000a2").0, 200, "the same client begins again");
    let (status, refused) = begin("00000000000000a3");
    assert_eq!((status, &refused["code"]), (429, &Value::from("too_many_backups")));
    let at = |backup: &Value, rest: &str| format!("/v1/backups/{}{rest}", backup["backup"].as_str().unwrap());
    for (path, status, code) in [
        (at(&first, "/rows?chunk=7"), 404, "backup_not_found"),
        (at(&first, "/rows?chunk=x"), 400, "invalid_parameter"),
        (at(&first, "/rows?chunk=9999999999"), 400, "invalid_parameter"),
        (at(&first, "/rows?from=1"), 400, "unknown_parameter"),
        (at(&first, "/segments/..%2Fstate"), 404, "backup_not_found"),
        (at(&first, "/segments/0000000000000000-00000007"), 404, "backup_not_found"),
        (at(&first, "/segments/0000000000000000-00000000?from=-1"), 400, "invalid_parameter"),
        ("/v1/backups/0123456789abcdef/rows".to_owned(), 404, "backup_not_found"),
        ("/v1/backups/none/rows".to_owned(), 400, "invalid_name"),
    ] {
        let (found, problem) = send(&node, "GET", &path, &Value::Null);
        assert_eq!((found, problem["code"].as_str().unwrap()), (status, code), "{path}");
    }
    let far = at(&first, "/segments/0000000000000000-00000000?from=999999999999");
    assert_eq!(send(&node, "GET", &far, &Value::Null).0, 200, "beyond the end there is nothing");
    assert_eq!(send(&node, "DELETE", "/v1/backups/none", &Value::Null).1["code"], "invalid_name");
    for (backup, existed) in [(&first, true), (&first, false), (&second, true)] {
        assert_eq!(send(&node, "DELETE", &at(backup, ""), &Value::Null).1["existed"], existed);
    }
    for name in ["nobody", "00000000000000A1", "00000000000000a11"] {
        assert_eq!(begin(name).1["code"], "invalid_name", "{name}");
    }
    assert_eq!(begin("00000000000000a3").0, 200);
    assert_eq!(send(&node, "GET", &at(&first, "/rows"), &Value::Null).0, 404);
}
