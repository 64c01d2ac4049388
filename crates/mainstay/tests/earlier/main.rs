//! Stores that earlier versions have written: today's binary reads everything of them as it was, from their data
//! directories and from their backups. What a later version has written is refused, and left as it is.
//!
//! For each release, make one more, with the binary of the release:
//!
//! ```text
//! MAKE_STORE=0.1.0 MAKE_STORE_WITH=target/release/mainstay cargo nextest run -p mainstay --test earlier
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod api;
mod everything;
mod later;
mod listing;
#[path = "../node/mod.rs"]
mod node;
mod stores;

use api::Api;
use serde_json::{Value, json};
use std::path::Path;
use stores::{NAMES, Stored, offline, start};

/// The stores; before that, makes the one that the environment asks for.
fn stores() -> Vec<Stored> {
    if let Ok(name) = std::env::var("MAKE_STORE") {
        let binary = std::env::var("MAKE_STORE_WITH");
        stores::make(&name, Path::new(&binary.unwrap_or(env!("CARGO_BIN_EXE_mainstay").to_owned())));
    }
    stores::all()
}

/// Compares line by line, so that a failure shows what differs and not everything.
#[track_caller]
fn same(found: &str, wanted: &str, of: &str) {
    for (found, wanted) in found.lines().zip(wanted.lines()) {
        assert_eq!(found, wanted, "{of}");
    }
    assert_eq!(found.lines().count(), wanted.lines().count(), "{of}");
}

/// What was granted is still worth something, and what is new goes on from what there was.
fn go_on(api: &Api, granted: &Value, when: &str) {
    let token = |of: &str| json!({"token": granted[when][of]});
    let lease = api.does("POST", &format!("/v1/leases/{when}-held/renew"), &token("lease"));
    assert!(lease["token"] == granted[when]["lease"] || lease["token"].is_null(), "{lease}");
    let done = api.does("POST", &format!("/v1/queues/{when}-work/tasks/running/complete"), &token("task"));
    assert_eq!(done["state"], "done");
    let mut complete = token("execution");
    complete["response"] = json!({"status": 200});
    api.does("POST", &format!("/v1/idempotency/{when}-begun/complete"), &complete);
    let orders = format!("/v1/streams/{when}-orders/events");
    let appended = api.does("POST", &orders, &json!({"type": "order.late"}));
    assert_eq!(
        appended["events"][0]["revision"].as_u64().or(appended["revision"].as_u64()),
        Some(6),
        "{appended}"
    );
}

#[test]
fn everything_that_an_earlier_version_has_written_is_read_as_it_was() {
    for stored in stores() {
        let scratch = tempfile::tempdir().unwrap();
        let data = stored.unpack("data", scratch.path());
        let doctor = offline(&["doctor", "--data", data.to_str().unwrap()]).ok();
        assert!(doctor.contains("everything is as it was written"), "{doctor}");
        let node = start(&data);
        assert!(
            Api::of(&node).metric(&node, "mainstay_replayed_entries") > 50.0,
            "void: a part is only in the log"
        );
        same(&listing::of(&Api::of(&node), &NAMES), &stored.listing(), &stored.name());
        assert!(node.stop().success());
        // Now today's version has written all of it.
        let node = start(&data);
        same(&listing::of(&Api::of(&node), &NAMES), &stored.listing(), &stored.name());
        NAMES.iter().for_each(|when| go_on(&Api::of(&node), &stored.granted(), when));
        node.kill();
        offline(&["doctor", "--data", data.to_str().unwrap()]).ok();
    }
}

#[test]
fn a_backup_of_an_earlier_version_is_verified_and_restored() {
    for stored in stores::all() {
        let scratch = tempfile::tempdir().unwrap();
        let backups = stored.unpack("backups", scratch.path());
        let (backups, data) = (backups.to_str().unwrap(), scratch.path().join("restored"));
        offline(&["backups", "verify", backups]).ok();
        offline(&["restore", backups, "--data", data.to_str().unwrap()]).ok();
        let node = start(&data);
        same(&listing::of(&Api::of(&node), &NAMES), &stored.listing(), &stored.name());
        NAMES.iter().for_each(|when| go_on(&Api::of(&node), &stored.granted(), when));
    }
}
