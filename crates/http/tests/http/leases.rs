//! Leases over HTTP: who has one, who waits, and what a holder that has lost it can no longer do.

use crate::node::Node;
use crate::script::{Script, check};
use crate::wire::Connection;
use serde_json::Value;

#[test]
fn a_lease_is_acquired_renewed_and_released() {
    check(
        &Node::start(),
        r#"
        > GET /v1/leases/leader
        < 200
          . = {"lease":"leader","permits":null,"holders":[],"waiting":0,"queue":[]}
        > POST /v1/leases/leader/acquire
          {"holder":"a","ttl_ms":60000}
        < 200
          lease = "leader"
          holder = "a"
          token = $first
          remaining_ms = 60000
          waited_ms = 0
          replayed = false
        > POST /v1/leases/leader/acquire
          {"holder":"a","ttl_ms":60000}
        < 200
          token = $first
          replayed = true
        > POST /v1/leases/leader/acquire
          {"holder":"b","ttl_ms":60000}
        < 409 lease_held
          holder = "a"
          token = $first
          retryable = false
        > POST /v1/leases/leader/renew
          {"token":"$first","ttl_ms":90000}
        < 200
          . = {"lease":"leader","token":"$first","remaining_ms":90000}
        > GET /v1/leases/leader
        < 200
          permits = 1
          holders[0].holder = "a"
          holders[0].token = $first
        > POST /v1/leases/leader/release
          {"token":"$first"}
        < 200
          . = {"lease":"leader","token":"$first"}
        > POST /v1/leases/leader/release
          {"token":"$first"}
        < 409 lease_lost
        > POST /v1/leases/leader/renew
          {"token":"$first"}
        < 409 lease_lost
        > POST /v1/leases/leader/acquire
          {"holder":"b","ttl_ms":60000,"permits":2}
        < 200
          token = $second
        > POST /v1/leases/leader/acquire
          {"holder":"c","ttl_ms":60000}
        < 409 lease_permits_differ
          permits = 2
        > POST /v1/leases/leader/acquire
          {"holder":"c","ttl_ms":60000,"permits":2}
        < 200
        > POST /v1/leases/a%2Fb/acquire
          {"holder":"a","ttl_ms":60000}
        < 200
          lease = "a/b"
        "#,
    );
}

#[test]
fn a_transaction_of_one_who_has_lost_its_lease_writes_nothing() {
    let node = Node::start();
    let mut script = Script::new(&node);
    script.run(
        r#"
        > POST /v1/leases/leader/acquire
          {"holder":"a","ttl_ms":60000}
        < 200
          token = $old
        > POST /v1/transactions
          {"checks":[{"lease":"leader","token":"$old"}],"writes":[{"append":{"stream":"s","events":[{"type":"t"}]}}]}
        < 200
        > POST /v1/leases/leader/release
          {"token":"$old"}
        < 200
        > POST /v1/leases/leader/acquire
          {"holder":"a","ttl_ms":60000}
        < 200
          token = $new
        > POST /v1/transactions
          {"checks":[{"stream":"s","expected":0},{"lease":"leader","token":"$old"}],"writes":[{"append":{"stream":"s","events":[{"type":"t"}]}}]}
        < 409 lease_lost
          member = "checks[1]"
          part = 1
        > GET /v1/streams/s/events
        < 200
          revision = 0
        "#,
    );
    let (old, new) = (script.value("old").as_str().unwrap(), script.value("new").as_str().unwrap());
    assert!(old < new, "tokens grow, compared as text: {old} and {new}");
}

#[test]
fn a_restart_loses_no_lease() {
    let node = Node::start();
    let first = acquire(&node, "a", 60_000, 0);
    let node = node.restart();
    check(
        &node,
        &r#"
        > POST /v1/leases/l/acquire
          {"holder":"b","ttl_ms":60000}
        < 409 lease_held
          holder = "a"
        > POST /v1/leases/l/release
          {"token":"TOKEN"}
        < 200
        "#
        .replace("TOKEN", &first),
    );
    assert!(acquire(&node, "b", 60_000, 0) > first);
}

/// Acquires the lease `l` and returns the token.
fn acquire(node: &Node, holder: &str, ttl_ms: u64, wait_ms: u64) -> String {
    let body = format!(r#"{{"holder":"{holder}","ttl_ms":{ttl_ms},"wait_ms":{wait_ms}}}"#);
    let response = node.post("/v1/leases/l/acquire", &body);
    assert_eq!(response.status, 200, "{}", response.text());
    response.json()["token"].as_str().unwrap().to_owned()
}

/// Sends a request that waits for the lease `l`, and returns once the holder is in the queue.
fn begin_to_wait(node: &Node, holder: &str, wait_ms: u64) -> Connection {
    let body = format!(r#"{{"holder":"{holder}","ttl_ms":60000,"wait_ms":{wait_ms}}}"#);
    let mut connection = Connection::to(node);
    connection.send(crate::wire::request(
        "POST",
        "/v1/leases/l/acquire",
        &[("content-type", "application/json")],
        &body,
    ));
    until(node, |lease| lease["queue"].as_array().unwrap().contains(&holder.into()));
    connection
}

/// Waits until the lease `l` is as said.
fn until(node: &Node, is: impl Fn(&Value) -> bool) {
    for _ in 0..10_000 {
        if is(&node.get("/v1/leases/l").json()) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("it never was: {}", node.get("/v1/leases/l").text());
}

#[test]
fn a_released_lease_goes_to_the_one_who_has_waited_longest() {
    let node = Node::start();
    let mut token = acquire(&node, "a", 60_000, 0);
    let waiting: Vec<Connection> = ["b", "c", "d"].map(|holder| begin_to_wait(&node, holder, 60_000)).into();
    for (holder, mut connection) in ["b", "c", "d"].into_iter().zip(waiting) {
        let released = node.post("/v1/leases/l/release", &format!(r#"{{"token":"{token}"}}"#));
        assert_eq!(released.status, 200);
        let granted = connection.response();
        assert_eq!(granted.status, 200, "{}", granted.text());
        let granted = granted.json();
        assert_eq!(granted["holder"], holder);
        assert_eq!(granted["replayed"], false);
        let next = granted["token"].as_str().unwrap().to_owned();
        assert!(next > token);
        token = next;
    }
}

#[test]
fn an_expired_lease_goes_to_the_one_who_waits() {
    let node = Node::start();
    acquire(&node, "a", 1_000, 0);
    let granted = begin_to_wait(&node, "b", 60_000).response().json();
    assert_eq!(granted["holder"], "b");
    let (waited, remaining) =
        (granted["waited_ms"].as_u64().unwrap(), granted["remaining_ms"].as_u64().unwrap());
    assert!(waited <= 60_000 && remaining <= 60_000 && waited > 0, "{granted}");
}

#[test]
fn a_wait_ends_in_time_and_leaves_no_trace() {
    let node = Node::start();
    acquire(&node, "a", 60_000, 0);
    let response = begin_to_wait(&node, "b", 300).response();
    response.assert_problem(409, "lease_held");
    assert_eq!(response.json()["holder"], "a");
    assert_eq!(node.get("/v1/leases/l").json()["waiting"], 0);
}

#[test]
fn a_holder_that_asks_again_while_it_waits_keeps_its_place() {
    let node = Node::start();
    let token = acquire(&node, "a", 60_000, 0);
    let first = begin_to_wait(&node, "b", 60_000);
    let _other = begin_to_wait(&node, "c", 60_000);
    let mut again = begin_to_wait(&node, "b", 50_000);
    // The new request is the one that counts, so the end of the first one changes nothing.
    drop(first);
    node.post("/v1/leases/l/release", &format!(r#"{{"token":"{token}"}}"#));
    assert_eq!(again.response().json()["holder"], "b");
    assert_eq!(node.get("/v1/leases/l").json()["queue"][0], "c");
}

#[test]
fn a_node_that_stops_ends_waits_and_keeps_the_queue() {
    let node = Node::start();
    let token = acquire(&node, "a", 60_000, 0);
    let mut waits = begin_to_wait(&node, "b", 60_000);
    let restarting = std::thread::spawn(move || node.restart());
    waits.response().assert_problem(503, "stopping");
    let node = restarting.join().unwrap();
    assert_eq!(node.get("/v1/leases/l").json()["queue"][0], "b");
    let _other = begin_to_wait(&node, "c", 60_000);
    let mut again = begin_to_wait(&node, "b", 60_000);
    node.post("/v1/leases/l/release", &format!(r#"{{"token":"{token}"}}"#));
    assert_eq!(again.response().json()["holder"], "b");
}

#[test]
fn bad_requests_about_leases_are_refused_with_their_place() {
    check(
        &Node::start(),
        r#"
        > POST /v1/leases/l/acquire
          {"holder":"a"}
        < 400 missing_member
          member = "ttl_ms"
        > POST /v1/leases/l/acquire
          {"holder":"a","ttl_ms":5}
        < 400 invalid_member
          member = "ttl_ms"
        > POST /v1/leases/l/renew
          {"token":"x"}
        < 400 invalid_member
          member = "token"
        > POST /v1/leases/l/release
          {"token":"00000000000000000000","holder":"a"}
        < 400 unknown_member
          member = "holder"
        > POST /v1/leases/l/acquire | idempotency-key: k
          {"holder":"a","ttl_ms":1000}
        < 400 invalid_header
        > POST /v1/leases//acquire
          {"holder":"a","ttl_ms":1000}
        < 400 invalid_name
        > POST /v1/leases/%00/acquire
          {"holder":"a","ttl_ms":1000}
        < 400 invalid_name
        > GET /v1/leases/l?x=1
        < 400 unknown_parameter
        > PUT /v1/leases/l
        < 405 method_not_allowed
        "#,
    );
}

#[test]
fn leases_that_are_held_are_listed() {
    check(
        &Node::start(),
        r#"
        > POST /v1/leases/a/acquire
          {"holder":"w","ttl_ms":30000}
        < 200
          token = $a
        > POST /v1/leases/b/acquire
          {"holder":"w","ttl_ms":30000}
        < 200
          token = $b
        > POST /v1/leases/b/release
          {"token":"$b"}
        < 200
        > GET /v1/leases
        < 200
          leases.length = 1
          leases[0].lease = "a"
          leases[0].holders[0].holder = "w"
          leases[0].holders[0].token = $a
          next = null
        > GET /v1/leases?prefix=a
        < 400 unknown_parameter
        "#,
    );
}
